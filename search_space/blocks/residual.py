"""Residual blocks: basic and bottleneck, activated before or after, grouped, widened, gated.

ResNet (He et al. 2015, sections 3.3 and 4.1), pre-activation ResNet (He et al. 2016, figure 4e), Wide ResNet
(Zagoruyko & Komodakis 2016), ResNeXt (Xie et al. 2017, figure 3c), SENet (Hu et al. 2018, figure 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from search_space.blocks.parts import Groups, Options, SqueezeExcitation, rounded, squeeze_excite
from search_space.graph import Builder, Carry, Tensor
from search_space.operators import (
    ActivationKind,
    Add,
    AveragePool,
    Conv2d,
    Dropout,
    DropPath,
    PadChannels,
)
from search_space.schema import Range


@dataclass(frozen=True, slots=True)
class ResidualOptions(Options):
    """A residual block; the stage's channels are those of the block's output.

    `inner` is the width of a bottleneck's middle as a share of the output (a quarter in ResNet; more in Wide
    ResNet and ResNeXt); 0 makes a basic block of two 3x3 convolutions.
    """

    inner: Annotated[float, Range(0.0, 4.0)] = 0.0
    groups: Groups = 1
    strided: Literal["3x3", "1x1"] = "3x3"  # which convolution of a bottleneck has the stride
    preactivation: bool = False
    shortcut: Literal["projection", "padding", "pooled_padding", "projection3x3"] = "projection"
    activation: ActivationKind = "relu"
    bias: bool = False
    dropout: bool = False  # between the convolutions of a basic block (Wide ResNet, section 2.4)
    squeeze: SqueezeExcitation | None = None
    first_share: Annotated[float, Range(0.125, 1.0)] = (
        1.0  # width of the first 1x1, as a share of the middle (SENet-154)
    )
    keep_features: bool = False  # when widened, the last copy of the stage still gives the unscaled channels


def residual(b: Builder, carry: Carry, channels: int, stride: int, options: ResidualOptions) -> Carry:
    """One residual block."""
    return (_preactivated if options.preactivation else _postactivated)(
        b, carry[0], channels, stride, options
    )


def _postactivated(b: Builder, x: Tensor, channels: int, stride: int, options: ResidualOptions) -> Carry:
    convolutions = _convolutions(b, channels, stride, options)
    y = x
    for index, conv in enumerate(convolutions, 1):
        last = index == len(convolutions)
        y = b.conv_norm(y, f"conv{index}", conv, "none" if last else options.activation, closes_branch=last)
        if options.dropout and not last:
            y = b.add(f"dropout{index}", Dropout(), y)
    y = squeeze_excite(b, y, options.squeeze, (x.shape[0], channels))
    y = b.add("drop_path", DropPath(), y)
    y = b.add("add", Add(), y, _shortcut(b, x, channels, stride, options))
    return (b.activate(y, "activation", options.activation),)


def _preactivated(b: Builder, x: Tensor, channels: int, stride: int, options: ResidualOptions) -> Carry:
    convolutions = _convolutions(b, channels, stride, options)
    active = y = b.activate(b.norm(x, "norm1"), "activation1", options.activation)
    for index, conv in enumerate(convolutions, 1):
        if index > 1:
            y = b.activate(b.norm(y, f"norm{index}"), f"activation{index}", options.activation)
            if options.dropout:
                y = b.add(f"dropout{index}", Dropout(), y)
        y = b.add(f"conv{index}", conv, y)
    y = squeeze_excite(b, y, options.squeeze, (x.shape[0], channels))
    y = b.add("drop_path", DropPath(), y)
    changes = stride > 1 or x.shape[0] != channels
    # the shortcut of a block that changes shape starts from the shared activation (He's released code)
    source = _shortcut(b, active, channels, stride, options) if changes else x
    return (b.add("add", Add(), y, source),)


def _convolutions(b: Builder, channels: int, stride: int, options: ResidualOptions) -> tuple[Conv2d, ...]:
    pad, bias = b.padding(3), options.bias
    if options.inner == 0:
        return Conv2d(channels, 3, stride, pad, bias=bias), Conv2d(channels, 3, 1, pad, bias=bias)
    middle = rounded(channels * options.inner, options.groups)
    first, second = (stride, 1) if options.strided == "1x1" else (1, stride)
    return (
        Conv2d(round(middle * options.first_share), 1, first, bias=bias),
        Conv2d(middle, 3, second, pad, options.groups, bias),
        Conv2d(channels, 1, bias=bias),
    )


def _shortcut(b: Builder, x: Tensor, channels: int, stride: int, options: ResidualOptions) -> Tensor:
    """Returns the block's input as the branch's shape: as it is, projected, or subsampled and padded."""
    if stride == 1 and x.shape[0] == channels:
        return x
    if options.shortcut in ("padding", "pooled_padding"):
        if stride > 1:
            kernel = stride if options.shortcut == "pooled_padding" else 1  # a window of one pixel subsamples
            x = b.add("shortcut_pool", AveragePool(kernel, stride, 0, ceil=kernel > 1), x)
        return x if x.shape[0] == channels else b.add("shortcut_pad", PadChannels(channels), x)
    kernel = 3 if options.shortcut == "projection3x3" and stride > 1 else 1
    conv = Conv2d(channels, kernel, stride, b.padding(kernel), bias=options.bias)
    if options.preactivation:
        return b.add("shortcut", conv, x)
    return b.conv_norm(x, "shortcut", conv)


def keeps_features(options: ResidualOptions) -> bool:
    """Returns whether widening leaves the last copy of the stage as wide as it was."""
    return options.keep_features
