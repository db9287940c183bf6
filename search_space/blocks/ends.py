"""The two ends of a network: stems, pooling between stages, and classifiers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from search_space.blocks.parts import Kernel, Options, Widen, Width
from search_space.graph import Builder, Carry
from search_space.operators import (
    ActivationKind,
    AdaptiveAveragePool,
    AveragePool,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    Gather,
    Linear,
    LocalResponseNorm,
    MaxPool,
    Padding,
)
from search_space.schema import Range


@dataclass(frozen=True, slots=True)
class StemOptions(Options):
    """Convolutions on the image, the first with the stride, then a 3x3 max-pool of stride 2 if asked for."""

    kernel: Kernel = 3
    activation: ActivationKind = "relu"
    norm: bool = True
    padding: Annotated[int, Range(0, 64)] | None = None  # pixels on each side; None: the network's convention
    before: tuple[Width, ...] = ()  # widths of convolutions before the last one
    channels_width: Literal["scaled", "fixed"] = "scaled"  # when the network is widened (fixed: Wide ResNet)
    pool: Literal["none", "padded", "ceil"] = "none"  # a pixel of padding, or none and a last partial window


@dataclass(frozen=True, slots=True)
class PoolOptions(Options):
    """Pooling with the stage's stride; the channels stay."""

    kernel: Annotated[int, Range(1, 31)] = 2
    kind: Literal["max", "average"] = "max"
    padding: Annotated[int, Range(0, 15)] = 0
    ceil: bool = False  # keep the last, partial window
    local_response_norm: bool = False


@dataclass(frozen=True, slots=True)
class ClassifierOptions(Options):
    """Pointwise convolution to the stage's channels (none at 0), mean, hidden layers, linear layer.

    The `..._width` fields say what happens to widths when the network is scaled: `scaled` with the factor,
    `fixed`, or `at_least` (scaled, but never below; MobileNetV2, section 5).
    """

    activation: ActivationKind = "relu"
    channels_width: Literal["scaled", "fixed", "at_least"] = "scaled"
    entry: Literal["none", "activation", "norm"] = "none"  # activate the map, or normalise and activate it
    joins_carry: bool = False  # all carried maps are one, along the channels (DPN)
    hidden: tuple[Width, ...] = ()  # widths of activated linear layers after pooling
    hidden_width: Literal["scaled", "fixed"] = "fixed"
    dropout: Literal["last", "after_hidden", "before_hidden"] = "last"  # last: before the last layer only
    condensed: bool = False  # an index layer keeps half of the features (CondenseNet's released models)
    pooled_size: Annotated[int, Range(1, 64)] = 1  # pool to this many regions a side
    bias: bool = True


@dataclass(frozen=True, slots=True)
class AuxiliaryClassifierOptions(Options):
    """Average pool, pointwise convolution to the stage's channels, hidden layer, dropout, linear layer."""

    hidden: Width = 1024
    norm: bool = False
    adaptive: bool = False  # pool to 4x4 regions (torchvision) instead of by 5x5 windows of stride 3


def stem(b: Builder, carry: Carry, channels: int, stride: int, options: StemOptions) -> Carry:
    """Convolutions on the image."""
    x = carry[0]
    for index, width in enumerate((*options.before, channels)):
        name = "conv" if not options.before else f"conv{index + 1}"
        padding: Padding = b.padding(options.kernel) if options.padding is None else options.padding
        x = b.add(name, Conv2d(width, options.kernel, stride if index == 0 else 1, padding), x)
        if options.norm:
            x = b.activate(b.norm(x, f"{name}_norm"), f"{name}_activation", options.activation)
    if options.pool != "none":
        x = b.add(
            "pool",
            MaxPool(3, 2, b.padding(3)) if options.pool == "padded" else MaxPool(3, 2, 0, ceil=True),
            x,
        )
    return (x,)


def pool(b: Builder, carry: Carry, channels: int, stride: int, options: PoolOptions) -> Carry:
    """Pooling between stages."""
    operator = MaxPool if options.kind == "max" else AveragePool
    x = b.add("pool", operator(options.kernel, stride, options.padding, options.ceil), carry[0])
    return (b.add("response_norm", LocalResponseNorm(), x) if options.local_response_norm else x,)


def classifier(b: Builder, carry: Carry, channels: int, stride: int, options: ClassifierOptions) -> Carry:
    """Class scores from the last map."""
    x = carry[0]
    if options.joins_carry and len(carry) > 1:
        x = b.add("join", Concat(), *carry)
    if options.entry != "none":
        x = b.norm(x, "norm") if options.entry == "norm" else x
        x = b.activate(x, "activation", options.activation)
    if channels:
        x = b.conv_norm(x, "conv", Conv2d(channels, 1), options.activation)
    x = b.add("pool", AdaptiveAveragePool(options.pooled_size), x)
    x = b.add("flatten", Flatten(), x)
    for index, width in enumerate(options.hidden, 1):
        if options.dropout == "before_hidden":
            x = b.add(f"hidden{index}_dropout", Dropout(), x)
        x = b.activate(
            b.add(f"hidden{index}", Linear(width), x), f"hidden{index}_activation", options.activation
        )
        if options.dropout == "after_hidden":
            x = b.add(f"hidden{index}_dropout", Dropout(), x)
    if options.condensed:
        x = b.add("index", Gather(x.shape[0] // 2), x)
    if options.dropout == "last":
        x = b.add("dropout", Dropout(), x)
    return (b.add("linear", Linear(b.num_classes, options.bias), x),)


def auxiliary_classifier(
    b: Builder, carry: Carry, channels: int, stride: int, options: AuxiliaryClassifierOptions
) -> Carry:
    """Class scores from a map in the middle of the network."""
    x = b.add("pool", AdaptiveAveragePool(4) if options.adaptive else AveragePool(5, 3), carry[0])
    if options.norm:
        x = b.conv_norm(x, "conv", Conv2d(channels, 1), "relu")
    else:
        x = b.activate(b.add("conv", Conv2d(channels, 1, bias=True), x), "conv_activation", "relu")
    x = b.add("flatten", Flatten(), x)
    x = b.activate(b.add("hidden", Linear(options.hidden), x), "hidden_activation", "relu")
    x = b.add("dropout", Dropout(), x)
    return (b.add("linear", Linear(b.num_classes), x),)


def widen_stem_channels(channels: int, options: StemOptions, widen: Widen) -> int:
    """Returns the stem's channels as its options say: scaled or fixed."""
    return channels if options.channels_width == "fixed" else widen(channels)


def widen_stem(options: StemOptions, widen: Widen) -> StemOptions:
    """Returns the stem's options with its earlier convolutions widened, where it follows the width."""
    if options.channels_width == "fixed":
        return options
    return replace(options, before=tuple(widen(width) for width in options.before))


def widen_head(channels: int, options: ClassifierOptions, widen: Widen) -> int:
    """Returns the channels of the head's convolution as its options say: scaled, fixed, or never below."""
    wider = widen(channels)
    return {"scaled": wider, "fixed": channels, "at_least": max(channels, wider)}[options.channels_width]


def widen_classifier(options: ClassifierOptions, widen: Widen) -> ClassifierOptions:
    """Returns the head's options with its hidden layers widened, where they are said to scale."""
    if options.hidden_width == "fixed":
        return options
    return replace(options, hidden=tuple(widen(width) for width in options.hidden))
