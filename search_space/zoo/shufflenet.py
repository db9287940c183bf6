"""ShuffleNet V1 (Zhang et al. 2018, Table 1) and V2 (Ma et al. 2018, Table 5).

V1's paper leaves the stem's width at other scales open: plain names scale it, `..._stem8`, `..._stem12` and
`..._stem16` do not, and `..._megvii` are the authors' release, whose classifier has no bias. With 2 or 4 groups only
whole widths exist: a quarter of the others is no multiple of the groups, and the paper does not say how it rounds.
V2's `..._megvii` is the authors' strided unit, which gives the published MACs; the plain names are torchvision's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

from search_space.architecture import Architecture, Stage
from search_space.blocks import (
    ClassifierOptions,
    ShuffleOptions,
    ShuffleV2Options,
    SqueezeExcitation,
    StemOptions,
)

SQUEEZE = SqueezeExcitation(1 / 16, base="output")
UNITS = (4, 8, 4)
CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}  # of the first stage, by groups; doubling from there
V2_WIDTHS = {"0_5": (48, 1024), "1_0": (116, 1024), "1_5": (176, 1024), "2_0": (244, 2048)}
RELEASED_STEMS = {(3, 0.5): 12, (3, 1.0): 24, (3, 1.5): 24, (3, 2.0): 48}
RELEASED_STEMS |= {(8, 0.5): 16, (8, 1.0): 24, (8, 1.5): 24, (8, 2.0): 48}


def shufflenet(
    groups: int, width: float, stem: int, *, bias: bool = True, squeeze: SqueezeExcitation | None = None
) -> Architecture:
    """Returns a ShuffleNet V1; only the first unit's first convolution is never grouped."""
    first = int(CHANNELS[groups] * width)
    stages = tuple(
        Stage("shuffle", units, first * 2**index, 2, ShuffleOptions(groups, index > 0, squeeze))
        for index, units in enumerate(UNITS)
    )
    return _between_ends(stem, stages, 0, bias)


def shufflenet_v2(width: str, shortcut: ShuffleV2Options, *, bias: bool = True) -> Architecture:
    """Returns a ShuffleNet V2."""
    first, last = V2_WIDTHS[width]
    stages = tuple(
        Stage("shuffle_v2", units, first * 2**index, 2, shortcut) for index, units in enumerate(UNITS)
    )
    return _between_ends(24, stages, last, bias)


def shufflenet_v2_50() -> Architecture:
    """Returns ShuffleNet V2-50 (appendix, Table 3)."""
    stages = _large(zip((3, 4, 6, 3), (244, 488, 976, 1952), strict=True), ShuffleV2Options())
    return _between_ends(64, stages, 2048, True)


def se_shufflenet_v2_164() -> Architecture:
    """Returns SE-ShuffleNet V2-164 (appendix, Table 3); it counts 1.2 % less than published."""
    options = ShuffleV2Options(residual=True, squeeze=SQUEEZE)
    stages = _large(zip((10, 10, 23, 10), (340, 680, 1360, 2720), strict=True), options)
    deep = Stage("stem", 1, 128, 2, StemOptions(before=(64, 64), pool="padded"))
    return replace(_between_ends(64, stages, 2048, True), stem=deep)


def networks() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks, of V1."""
    for groups in CHANNELS:
        yield f"shufflenet_v1_g{groups}_x1", partial(shufflenet, groups, 1.0, 24)
    for groups in (1, 3):
        yield f"shufflenet_v1_g{groups}_x0_5", partial(shufflenet, groups, 0.5, 12)
        yield f"shufflenet_v1_g{groups}_x0_25", partial(shufflenet, groups, 0.25, 6)
        yield f"shufflenet_v1_g{groups}_x0_25_stem12", partial(shufflenet, groups, 0.25, 12)
    yield "shufflenet_v1_g8_x0_5_stem16", partial(shufflenet, 8, 0.5, 16)
    yield "shufflenet_v1_g8_x0_25_stem8", partial(shufflenet, 8, 0.25, 8)
    yield "shufflenet_v1_g1_x1_5", partial(shufflenet, 1, 1.5, 36)
    for groups in (1, 2, 4):
        yield f"shufflenet_v1_g{groups}_x2", partial(shufflenet, groups, 2.0, 48)
    yield "shufflenet_v1_g3_x2_se", partial(shufflenet, 3, 2.0, 48, bias=False, squeeze=SQUEEZE)
    for (groups, width), stem in RELEASED_STEMS.items():
        name = f"{width:.1f}".replace(".", "_")
        yield f"shufflenet_v1_g{groups}_x{name}_megvii", partial(shufflenet, groups, width, stem, bias=False)


def networks_v2() -> Iterator[tuple[str, Callable[[], Architecture]]]:
    """Yields names and what makes their networks, of V2."""
    for width in V2_WIDTHS:
        yield f"shufflenet_v2_x{width}", partial(shufflenet_v2, width, ShuffleV2Options("half"))
        yield f"shufflenet_v2_x{width}_megvii", partial(shufflenet_v2, width, ShuffleV2Options(), bias=False)
    yield "shufflenet_v2_50", shufflenet_v2_50
    yield "se_shufflenet_v2_164", se_shufflenet_v2_164


def _large(rows: Iterable[tuple[int, int]], options: ShuffleV2Options) -> tuple[Stage, ...]:
    return tuple(
        Stage("shuffle_v2", units, width, 1 if index == 0 else 2, options)
        for index, (units, width) in enumerate(rows)
    )


def _between_ends(stem: int, stages: tuple[Stage, ...], last: int, bias: bool) -> Architecture:
    start = Stage("stem", 1, stem, 2, StemOptions(pool="padded"))
    return Architecture(
        224, start, stages, Stage("classifier", 1, last, options=ClassifierOptions(bias=bias))
    )
