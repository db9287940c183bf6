"""MobileNetV2: inverted residuals with linear bottlenecks (Sandler et al. 2018, Table 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from search_space.architecture import Architecture, Stage
from search_space.blocks import ClassifierOptions, MBConvOptions, StemOptions
from search_space.scale import scale

# (expansion, channels, repeats, stride)
ROWS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
SIZES = (
    *(("1_0", 1.0, resolution) for resolution in (224, 192, 160, 128, 96)),
    *(
        (name, width, 224)
        for name, width in (("0_75", 0.75), ("0_5", 0.5), ("0_35", 0.35), ("1_3", 1.3), ("1_4", 1.4))
    ),
)


def mobilenet_v2() -> Architecture:
    """Returns MobileNetV2 at width 1 and 224 pixels; its head never gets narrower than 1280."""
    stages = tuple(
        Stage("mbconv", repeats, channels, stride, MBConvOptions(expansion, activation="relu6"))
        for expansion, channels, repeats, stride in ROWS
    )
    stem = Stage("stem", 1, 32, 2, StemOptions(activation="relu6"))
    head = Stage("classifier", 1, 1280, options=ClassifierOptions("relu6", channels_width="at_least"))
    return Architecture(224, stem, stages, head)


def networks() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks."""
    for name, width, resolution in SIZES:
        yield f"mobilenet_v2_{name}_{resolution}", partial(_sized, width, resolution)


def _sized(width: float, resolution: int) -> Architecture:
    return scale(mobilenet_v2(), width=width).at(resolution=resolution)
