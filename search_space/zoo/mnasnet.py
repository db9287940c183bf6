"""MnasNet-A1, -B1 and -small at several widths and resolutions (Tan et al. 2019, figure 7).

Squeeze-excitation reduces to a quarter of the channels that enter the block. The head is 1280 wide at every
width. A2 and A3 were never published as architectures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from search_space.architecture import Architecture, Stage
from search_space.blocks import ClassifierOptions, MBConvOptions, SqueezeExcitation
from search_space.graph import Conventions
from search_space.scale import scale

SQUEEZE = SqueezeExcitation(0.25)

# (repeats, kernel, stride, expansion, channels, squeeze-excitation)
A1 = (
    (1, 3, 1, 1, 16, False),
    (2, 3, 2, 6, 24, False),
    (3, 5, 2, 3, 40, True),
    (4, 3, 2, 6, 80, False),
    (2, 3, 1, 6, 112, True),
    (3, 5, 2, 6, 160, True),
    (1, 3, 1, 6, 320, False),
)
B1 = (
    (1, 3, 1, 1, 16, False),
    (3, 3, 2, 3, 24, False),
    (3, 5, 2, 3, 40, False),
    (3, 5, 2, 6, 80, False),
    (2, 3, 1, 6, 96, False),
    (4, 5, 2, 6, 192, False),
    (1, 3, 1, 6, 320, False),
)
SMALL = (
    (1, 3, 1, 1, 8, False),
    (1, 3, 2, 3, 16, False),
    (2, 3, 2, 6, 16, False),
    (4, 5, 2, 6, 32, True),
    (3, 3, 1, 6, 32, True),
    (3, 5, 2, 6, 88, True),
    (1, 3, 1, 6, 144, False),
)
Rows = tuple[tuple[int, int, int, int, int, bool], ...]
WIDTHS = {"1_0": 1.0, "0_75": 0.75, "0_5": 0.5, "1_4": 1.4}


def mnasnet(rows: Rows, stem: int = 32) -> Architecture:
    """Returns a MnasNet at 224 pixels."""
    stages = tuple(
        Stage(
            "mbconv",
            repeats,
            channels,
            stride,
            MBConvOptions(expansion, kernel, "relu", SQUEEZE if squeezed else None),
        )
        for repeats, kernel, stride, expansion, channels, squeezed in rows
    )
    head = Stage("classifier", 1, 1280, options=ClassifierOptions(channels_width="fixed"))
    return Architecture(224, Stage("stem", 1, stem, 2), stages, head, conventions=Conventions(norm_eps=1e-3))


def networks() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks."""
    for variant, rows in (("a1", A1), ("b1", B1)):
        for name, width in WIDTHS.items():
            yield f"mnasnet_{variant}_{name}", partial(_sized, rows, width)
    yield "mnasnet_a1_0_35", partial(_sized, A1, 0.35)
    for resolution in (192, 160, 128, 96):
        yield f"mnasnet_a1_1_0_{resolution}", partial(_sized, A1, 1.0, resolution)
    for name, width in (("0_5", 0.5), ("0_75", 0.75), ("1_0", 1.0), ("1_3", 1.3)):
        yield f"mnasnet_b1_torchvision_{name}", partial(_of_torchvision, width)
    yield "mnasnet_small", partial(mnasnet, SMALL, 8)


def _sized(rows: Rows, width: float, resolution: int = 224) -> Architecture:
    return scale(mnasnet(rows), width=width).at(resolution=resolution)


def _of_torchvision(width: float) -> Architecture:
    return replace(_sized(B1, width), conventions=Conventions())
