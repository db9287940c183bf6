"""Plain and depthwise-separable convolutions (MobileNets, section 3.1; MnasNet's convolution choices)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from search_space.blocks.parts import (
    Groups,
    Kernel,
    Options,
    Skip,
    SqueezeExcitation,
    add_skip,
    skipped,
    squeeze_excite,
)
from search_space.graph import Builder, Carry
from search_space.operators import ActivationKind, Conv2d, LocalResponseNorm, Padding
from search_space.schema import Range


@dataclass(frozen=True, slots=True)
class ConvOptions(Options):
    """Convolution, then normalisation, activation, squeeze-excitation and skip as asked for."""

    kernel: Kernel = 3
    activation: ActivationKind = "relu"
    norm: bool = True
    bias: bool = False
    groups: Groups = 1
    padding: Annotated[int, Range(0, 64)] | None = None  # pixels on each side; None: the network's convention
    local_response_norm: bool = False
    squeeze: SqueezeExcitation | None = None
    skip: Skip = "none"


@dataclass(frozen=True, slots=True)
class SeparableOptions(Options):
    """Depthwise convolution, then pointwise; both normalised, the second activated if asked for."""

    kernel: Kernel = 3
    activation: ActivationKind = "relu"
    output_activation: bool = True
    squeeze: SqueezeExcitation | None = None
    skip: Skip = "none"


def conv(b: Builder, carry: Carry, channels: int, stride: int, options: ConvOptions) -> Carry:
    """One convolution."""
    x = carry[0]
    padding: Padding = b.padding(options.kernel) if options.padding is None else options.padding
    y = b.add("conv", Conv2d(channels, options.kernel, stride, padding, options.groups, options.bias), x)
    if options.norm:
        y = b.norm(y, "conv_norm", closes_branch=False)
    y = b.activate(y, "conv_activation", options.activation)
    if options.local_response_norm:
        y = b.add("response_norm", LocalResponseNorm(), y)
    y = squeeze_excite(b, y, options.squeeze, (x.shape[0], channels))
    return (add_skip(b, options.skip, x, y, stride),)


def separable(b: Builder, carry: Carry, channels: int, stride: int, options: SeparableOptions) -> Carry:
    """A depthwise convolution with the stride, then a pointwise one."""
    x = carry[0]
    width = x.shape[0]
    depthwise = Conv2d(width, options.kernel, stride, b.padding(options.kernel), groups=width)
    y = b.conv_norm(x, "depthwise", depthwise, options.activation)
    y = squeeze_excite(b, y, options.squeeze, (width, channels))
    linear = not options.output_activation
    closes = linear and skipped(options.skip, x, channels, stride)
    y = b.conv_norm(
        y, "pointwise", Conv2d(channels, 1), "none" if linear else options.activation, closes_branch=closes
    )
    return (add_skip(b, options.skip, x, y, stride),)
