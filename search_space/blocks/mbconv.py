"""Inverted residuals: MBConv (MobileNetV2, section 3.3) and Fused-MBConv (EfficientNetV2, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from search_space.blocks.parts import (
    Divisor,
    Expansion,
    Kernel,
    Options,
    Skip,
    SqueezeExcitation,
    add_skip,
    rounded,
    skipped,
    squeeze_excite,
)
from search_space.graph import Builder, Carry
from search_space.operators import ActivationKind, Conv2d


@dataclass(frozen=True, slots=True)
class MBConvOptions(Options):
    """Pointwise expansion, depthwise convolution, squeeze-excitation, linear projection, skip.

    The inner width is the input's times `expansion`, to the nearest multiple of `expansion_divisor`; at an
    expansion of 1 there is no pointwise expansion at all.
    """

    expansion: Expansion = 6.0
    kernel: Kernel = 3
    activation: ActivationKind = "relu"
    squeeze: SqueezeExcitation | None = None
    skip: Skip = "identity"
    expansion_divisor: Divisor = 1


@dataclass(frozen=True, slots=True)
class FusedMBConvOptions(Options):
    """MBConv whose expansion and depthwise convolution are one full convolution."""

    expansion: Expansion = 4.0
    kernel: Kernel = 3
    activation: ActivationKind = "silu"
    squeeze: SqueezeExcitation | None = None
    skip: Skip = "identity"


def mbconv(b: Builder, carry: Carry, channels: int, stride: int, options: MBConvOptions) -> Carry:
    """An inverted residual; the depthwise convolution has the stride."""
    x = y = carry[0]
    width = x.shape[0]
    inner = width if options.expansion == 1 else rounded(width * options.expansion, options.expansion_divisor)
    if inner != width:
        y = b.conv_norm(y, "expand", Conv2d(inner, 1), options.activation)
    depthwise = Conv2d(inner, options.kernel, stride, b.padding(options.kernel), groups=inner)
    y = b.conv_norm(y, "depthwise", depthwise, options.activation)
    y = squeeze_excite(b, y, options.squeeze, (width, channels))
    closes = skipped(options.skip, x, channels, stride)
    y = b.conv_norm(y, "project", Conv2d(channels, 1), closes_branch=closes)
    return (add_skip(b, options.skip, x, y, stride),)


def fused_mbconv(b: Builder, carry: Carry, channels: int, stride: int, options: FusedMBConvOptions) -> Carry:
    """A full convolution with the stride, then a linear projection; at expansion 1 the convolution alone."""
    x = carry[0]
    width = x.shape[0]
    inner = channels if options.expansion == 1 else rounded(width * options.expansion, 1)
    closes = skipped(options.skip, x, channels, stride)
    full = Conv2d(inner, options.kernel, stride, b.padding(options.kernel))
    y = b.conv_norm(x, "expand", full, options.activation, closes_branch=False)
    y = squeeze_excite(b, y, options.squeeze, (width, channels))
    if options.expansion != 1:
        y = b.conv_norm(y, "project", Conv2d(channels, 1), closes_branch=closes)
    return (add_skip(b, options.skip, x, y, stride),)
