"""MobileNet V1: separable convolutions, thinner by width, cheaper by resolution (Howard et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from search_space.architecture import Architecture, Stage
from search_space.blocks import ConvOptions
from search_space.scale import scale

# Table 1: (channels, stride, repeats). Its last depthwise layer prints stride 2, but the map stays at 7x7.
ROWS = ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 2, 6), (1024, 2, 2))
SHALLOW_ROWS = (*ROWS[:3], (512, 2, 1), ROWS[4])  # Table 5: without the five 512-wide layers
WIDTHS = {"1_0": 1.0, "0_75": 0.75, "0_5": 0.5, "0_25": 0.25}
RESOLUTIONS = (224, 192, 160, 128)


def mobilenet_v1(rows: tuple[tuple[int, int, int], ...] = ROWS) -> Architecture:
    """Returns MobileNet V1 at width 1 and 224 pixels."""
    stages = tuple(Stage("separable", repeats, channels, stride) for channels, stride, repeats in rows)
    return Architecture(224, Stage("stem", 1, 32, 2), stages, Stage("classifier", 1, 0))


def fully_convolutional() -> Architecture:
    """Returns the network of Table 4, whose separable layers are full 3x3 convolutions."""
    base = mobilenet_v1()
    stages = tuple(
        Stage("conv", stage.repeats, stage.channels, stage.stride, ConvOptions()) for stage in base.stages
    )
    return replace(base, stages=stages)


def networks() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks."""
    for name, width in WIDTHS.items():
        for resolution in RESOLUTIONS:
            yield f"mobilenet_v1_{name}_{resolution}", partial(_sized, width, resolution)
    yield "mobilenet_v1_conv_full", fully_convolutional
    yield "mobilenet_v1_shallow", partial(mobilenet_v1, SHALLOW_ROWS)


def _sized(width: float, resolution: int) -> Architecture:
    return scale(mobilenet_v1(), width=width).at(resolution=resolution)
