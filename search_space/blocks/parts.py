"""What blocks share: the type of a block, squeeze-excitation, skip connections and the rounding of widths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from search_space.graph import Builder, Carry, Tensor
from search_space.operators import (
    Activation,
    ActivationKind,
    AdaptiveAveragePool,
    Add,
    AveragePool,
    Conv2d,
    DropPath,
    Multiply,
    Operator,
)
from search_space.schema import Range, check

Kernel = Annotated[int, Range(1, 31, odd=True)]
Width = Annotated[int, Range(1, 65_536)]
OptionalWidth = Annotated[int, Range(0, 65_536)]
Groups = Annotated[int, Range(1, 65_536)]
Expansion = Annotated[float, Range(0.125, 64.0)]
Divisor = Annotated[int, Range(1, 256)]
Skip = Literal["identity", "none", "pool"]


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a block: checked when made, hashable, one JSON object."""

    def __post_init__(self) -> None:
        check(self)


Widen = Callable[[int], int]  # a width multiplied by the scaling factor and rounded by its rule
Lowering = Callable[
    [Builder, Carry, int, int, Any], Carry
]  # (builder, carry, channels, stride, options) -> carry


def unchanged(options: Any, widen: Widen) -> Any:
    """Returns options that hold no widths of their own."""
    return options


def widened(channels: int, options: Any, widen: Widen) -> int:
    """Returns channels that follow the width of the network."""
    return widen(channels)


def never(options: Any) -> bool:
    """Returns False: all copies of a stage scale alike."""
    return False


@dataclass(frozen=True, slots=True)
class Block:
    """A registered block: its options' type, how it is written as operators, how it scales."""

    options: type[Options]
    lower: Lowering
    widen: Callable[[Any, Widen], Any] = unchanged  # of the widths in its options
    widen_channels: Callable[[int, Any, Widen], int] = widened  # of its stage's channels
    deepens: bool = True  # its stage's repeats follow the depth of the network
    keeps_features: Callable[[Any], bool] = never  # the stage's last copy gives unscaled channels
    head: bool = False  # it gives class scores, and nothing follows it
    keeps_channels: bool = False  # its stage may say channels 0: as many as enter


@dataclass(frozen=True, slots=True)
class SqueezeExcitation(Options):
    """A gate per channel from the map's mean: reduce, activate, expand, gate (Hu et al. 2018, section 3).

    The reduced width is `ratio` of the `base`: of the channels that enter the block (MnasNet, EfficientNet),
    of those that are gated (`expanded`, MobileNetV3), or of the block's output (`output`, SENet), cut to a
    whole number, or rounded to a multiple of `divisor`.
    """

    ratio: Annotated[float, Range(0.001, 4.0)] = 0.25
    base: Literal["input", "expanded", "output"] = "input"
    divisor: Divisor = 1
    activation: ActivationKind = "relu"
    gate: ActivationKind = "sigmoid"


def rounded(width: float, divisor: int, max_decrease: float = 0.1) -> int:
    """Returns the nearest multiple of `divisor`, at least `divisor`, losing at most `max_decrease`.

    Source: `_make_divisible` of the MobileNet authors' TensorFlow code.

    >>> rounded(11.2, 8), rounded(19.2, 8), rounded(19.2, 8, max_decrease=1.0)
    (16, 24, 16)
    """
    width = round(width, 9)  # 0.35 * 240 is 84 and must not be 83.999...
    nearest = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < (1.0 - max_decrease) * width else nearest


def squeeze_excite(
    b: Builder, x: Tensor, squeeze: SqueezeExcitation | None, widths: tuple[int, int]
) -> Tensor:
    """Adds the gate, or nothing for None. `widths` are the channels of the block's input and output."""
    if squeeze is None:
        return x
    channels = x.shape[0]
    base = {"input": widths[0], "expanded": channels, "output": widths[1]}[squeeze.base]
    width = (
        max(1, int(base * squeeze.ratio))
        if squeeze.divisor == 1
        else rounded(base * squeeze.ratio, squeeze.divisor)
    )
    y = b.add("squeeze_pool", AdaptiveAveragePool(1), x)
    y = b.add("squeeze_reduce", Conv2d(width, 1, bias=True), y)
    y = b.activate(y, "squeeze_activation", squeeze.activation)
    y = b.add("squeeze_expand", Conv2d(channels, 1, bias=True), y)
    y = b.add("squeeze_gate", Activation(squeeze.gate), y)
    return b.add("squeeze_scale", Multiply(), x, y)


def skipped(skip: Skip, x: Tensor, channels: int, stride: int) -> bool:
    """Returns whether a block has a skip connection: never across widths, across strides only by pooling."""
    return x.shape[0] == channels and (skip == "pool" or (skip == "identity" and stride == 1))


def add_skip(b: Builder, skip: Skip, x: Tensor, y: Tensor, stride: int) -> Tensor:
    """Adds the block's input to its branch: as it is, or through a 3x3 average pool of the block's stride."""
    if not skipped(skip, x, y.shape[0], stride):
        return y
    y = b.add("drop_path", DropPath(), y)
    if skip == "pool":
        pool: Operator = AveragePool(3, stride, b.padding(3))
        x = b.add("skip_pool", pool, x)
    return b.add("add", Add(), y, x)
