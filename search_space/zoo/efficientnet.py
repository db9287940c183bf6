"""EfficientNet-B0, B1 to B8 and L2 made from it by scaling (Tan & Le 2019), and EfficientNetV2 (2021).

The released coefficients are hand-rounded, not powers of the paper's alpha, beta and gamma. L2's are Noisy
Student's (Xie et al. 2020, appendix A.2). V2's B-series rounds channels to the nearest multiple of 8 without
V1's 10 % rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from search_space.architecture import Architecture, Stage
from search_space.blocks import (
    ClassifierOptions,
    FusedMBConvOptions,
    MBConvOptions,
    SqueezeExcitation,
    StemOptions,
)
from search_space.graph import Conventions
from search_space.scale import scale

SQUEEZE = SqueezeExcitation(0.25, activation="silu")

# Table 1: (repeats, kernel, stride, expansion, channels)
ROWS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class Coefficients(NamedTuple):
    """How a released network is scaled from B0 and trained; see also `SURVIVAL`."""

    width: float
    depth: float
    resolution: int  # pixels
    dropout: float  # before the classifier


COEFFICIENTS = {
    "b0": Coefficients(1.0, 1.0, 224, 0.2),
    "b1": Coefficients(1.0, 1.1, 240, 0.2),
    "b2": Coefficients(1.1, 1.2, 260, 0.3),
    "b3": Coefficients(1.2, 1.4, 300, 0.3),
    "b4": Coefficients(1.4, 1.8, 380, 0.4),
    "b5": Coefficients(1.6, 2.2, 456, 0.4),
    "b6": Coefficients(1.8, 2.6, 528, 0.5),
    "b7": Coefficients(2.0, 3.1, 600, 0.5),
    "b8": Coefficients(2.2, 3.6, 672, 0.5),
    "l2": Coefficients(4.3, 5.3, 800, 0.5),
}
# In all sizes, of an imagined block after the last: block i of n survives with 1 - (1 - SURVIVAL) * i / n, i from 0
# (released code). `build` takes the chances of dropping, a block each: (1 - SURVIVAL) * i / n.
SURVIVAL = 0.8
# EfficientNetV2: (fused, repeats, stride, expansion, channels)
V2_B0 = (
    (True, 1, 1, 1, 16),
    (True, 2, 2, 4, 32),
    (True, 2, 2, 4, 48),
    (False, 3, 2, 4, 96),
    (False, 5, 1, 6, 112),
    (False, 8, 2, 6, 192),
)
V2_S = (
    (True, 2, 1, 1, 24),
    (True, 4, 2, 4, 48),
    (True, 4, 2, 4, 64),
    (False, 6, 2, 4, 128),
    (False, 9, 1, 6, 160),
    (False, 15, 2, 6, 256),
)
V2_M = (
    (True, 3, 1, 1, 24),
    (True, 5, 2, 4, 48),
    (True, 5, 2, 4, 80),
    (False, 7, 2, 4, 160),
    (False, 14, 1, 6, 176),
    (False, 18, 2, 6, 304),
    (False, 5, 1, 6, 512),
)
V2_L = (
    (True, 4, 1, 1, 32),
    (True, 7, 2, 4, 64),
    (True, 7, 2, 4, 96),
    (False, 10, 2, 4, 192),
    (False, 19, 1, 6, 224),
    (False, 25, 2, 6, 384),
    (False, 7, 1, 6, 640),
)
V2Rows = tuple[tuple[bool, int, int, int, int], ...]


def efficientnet_b0() -> Architecture:
    """Returns EfficientNet-B0."""
    stages = tuple(
        Stage("mbconv", repeats, channels, stride, MBConvOptions(expansion, kernel, "silu", SQUEEZE))
        for repeats, kernel, stride, expansion, channels in ROWS
    )
    return _between_ends(224, 32, stages)


def efficientnet_v2(rows: V2Rows, stem: int, resolution: int) -> Architecture:
    """Returns an EfficientNetV2 at its evaluation resolution (Tan & Le 2021, Table 4)."""
    stages = tuple(
        Stage("fused_mbconv", repeats, channels, stride, FusedMBConvOptions(expansion))
        if fused
        else Stage("mbconv", repeats, channels, stride, MBConvOptions(expansion, 3, "silu", SQUEEZE))
        for fused, repeats, stride, expansion, channels in rows
    )
    return _between_ends(resolution, stem, stages)


def networks() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks."""
    for name, row in COEFFICIENTS.items():
        yield f"efficientnet_{name}", partial(_scaled, row.width, row.depth, row.resolution)


def networks_v2() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks, of the second version."""
    yield "efficientnet_v2_s", partial(efficientnet_v2, V2_S, 24, 384)
    yield "efficientnet_v2_m", partial(efficientnet_v2, V2_M, 24, 480)
    yield "efficientnet_v2_l", partial(efficientnet_v2, V2_L, 32, 480)
    for name in ("b0", "b1", "b2", "b3"):
        row = COEFFICIENTS[name]
        yield f"efficientnet_v2_{name}", partial(_scaled_v2, row.width, row.depth, row.resolution)


def _between_ends(resolution: int, stem: int, stages: tuple[Stage, ...]) -> Architecture:
    start = Stage("stem", 1, stem, 2, StemOptions(activation="silu"))
    head = Stage("classifier", 1, 1280, options=ClassifierOptions("silu"))
    return Architecture(resolution, start, stages, head, conventions=Conventions(norm_eps=1e-3))


def _scaled(width: float, depth: float, resolution: int) -> Architecture:
    return scale(efficientnet_b0(), depth=depth, width=width).at(resolution=resolution)


def _scaled_v2(width: float, depth: float, resolution: int) -> Architecture:
    base = efficientnet_v2(V2_B0, 32, 224)
    return scale(base, depth=depth, width=width, max_decrease=1.0).at(resolution=resolution)
