"""How an architecture grows: depth, width and resolution, each by a factor (EfficientNet, section 3).

Width multiplies the channels of stem, stages and head, rounded to a multiple of `divisor` and never losing
more than `max_decrease` of them; depth multiplies the stages' repeats, rounded up; resolution multiplies the
side of the input, rounded. What does not follow the width (a head of fixed size) says so in its own options.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from search_space.architecture import Architecture, Auxiliary, Stage
from search_space.blocks import BLOCKS, rounded
from search_space.blocks.parts import Widen
from search_space.schema import ArchitectureError


def scale(
    architecture: Architecture,
    *,
    depth: float | Sequence[float] = 1.0,
    width: float = 1.0,
    resolution: float = 1.0,
    divisor: int = 8,
    max_decrease: float = 0.1,
) -> Architecture:
    """Returns the architecture grown (or shrunk) along three dimensions; at factors of 1 it stays as it is.

    Args:
        architecture: what to scale.
        depth: factor on the repeats of every stage, in (0, 100], rounded up; or one factor per stage, where a
            published family deepens some more than others (ResNet-50 to -101: (1, 1, 23 / 6, 1)).
        width: factor on channels, in (0, 100], rounded to a multiple of `divisor`.
        resolution: factor on the side of the input, in (0, 100], rounded to a whole number.
        divisor: channels are multiples of it; at least 1.
        max_decrease: largest share of channels that rounding may take, in [0, 1] (EfficientNetV2 uses 1).

    Raises:
        ArchitectureError: a factor is outside its interval, or what results is no architecture.

    Source:
        Rounding as `round_filters` and `round_repeats` in the released EfficientNet code.

    Example:
        >>> from search_space.zoo import reference
        >>> b1 = scale(reference("efficientnet_b0"), depth=1.1, resolution=240 / 224)
        >>> b1 == reference("efficientnet_b1")
        True
    """
    per_stage = tuple(depth) if isinstance(depth, Sequence) else (depth,) * len(architecture.stages)
    if len(per_stage) != len(architecture.stages):
        raise ArchitectureError(
            "depth",
            f"must be one factor or one per stage, got {len(per_stage)} for {len(architecture.stages)} stages; "
            "give as many",
        )
    depths = depth if isinstance(depth, Sequence) else (depth,)
    for name, factor in (*(("depth", each) for each in depths), ("width", width), ("resolution", resolution)):
        if not (isinstance(factor, int | float) and 0.0 < factor <= 100.0):
            raise ArchitectureError(name, f"must be a factor in (0, 100], got {factor}; 1 leaves it as it is")
    side = max(1, round(architecture.resolution * resolution))
    deeper = tuple(map(_deeper, architecture.stages, per_stage))
    grown = replace(architecture, resolution=side, stages=deeper)
    if width == 1.0:
        return grown

    def widen(channels: int) -> int:
        return rounded(channels * width, divisor, max_decrease)

    return replace(
        grown,
        stem=_wider(grown.stem, widen),
        stages=tuple([wide for stage in grown.stages for wide in _wider_copies(stage, widen)]),
        head=_wider(grown.head, widen),
        auxiliary=tuple([Auxiliary(extra.after, _wider(extra.head, widen)) for extra in grown.auxiliary]),
    )


def _deeper(stage: Stage, depth: float) -> Stage:
    """Returns a stage with its repeats scaled, rounded up (past what floating point adds to 1.1 * 10)."""
    if not BLOCKS[stage.block].deepens:
        return stage
    return replace(stage, repeats=math.ceil(round(stage.repeats * depth, 9)))


def _wider_copies(stage: Stage, widen: Widen) -> list[Stage]:
    """Returns a stage with its channels scaled; the last copy apart when it keeps what the head sees."""
    if not BLOCKS[stage.block].keeps_features(stage.options):
        return [_wider(stage, widen)]
    last = replace(stage, repeats=1, stride=stage.stride if stage.repeats == 1 else 1)
    before = [_wider(replace(stage, repeats=stage.repeats - 1), widen)] if stage.repeats > 1 else []
    return [*before, last]


def _wider(stage: Stage, widen: Widen) -> Stage:
    """Returns a stage with its channels, and the widths in its options, scaled as its block says."""
    block = BLOCKS[stage.block]
    channels = stage.channels and block.widen_channels(stage.channels, stage.options, widen)
    return replace(stage, channels=channels, options=block.widen(stage.options, widen))
