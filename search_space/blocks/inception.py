"""The Inception module: four branches side by side, concatenated (Szegedy et al. 2015, figure 2b)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from search_space.blocks.parts import Options, Widen, Width
from search_space.graph import Builder, Carry, Tensor
from search_space.operators import Concat, Conv2d, MaxPool


@dataclass(frozen=True, slots=True)
class InceptionOptions(Options):
    """Widths of the branches, as in the columns of Table 1; the output is all of them, one after another."""

    pointwise: Width
    reduce3x3: Width
    conv3x3: Width
    reduce5x5: Width
    conv5x5: Width
    projection: Width  # after the pool
    kernel5x5: Literal[3, 5] = 5  # torchvision's has 3
    norm: bool = False  # normalise after every convolution, which then has no bias


def inception(b: Builder, carry: Carry, channels: int, stride: int, options: InceptionOptions) -> Carry:
    """One Inception module."""
    x = carry[0]
    one = _conv(b, x, "pointwise", options.pointwise, 1, options)
    three = _conv(b, x, "reduce3x3", options.reduce3x3, 1, options)
    three = _conv(b, three, "conv3x3", options.conv3x3, 3, options)
    five = _conv(b, x, "reduce5x5", options.reduce5x5, 1, options)
    five = _conv(b, five, "conv5x5", options.conv5x5, options.kernel5x5, options)
    pooled = b.add("pool", MaxPool(3, 1, b.padding(3)), x)
    pooled = _conv(b, pooled, "projection", options.projection, 1, options)
    return (b.add("concat", Concat(), one, three, five, pooled),)


def widen_inception(options: InceptionOptions, widen: Widen) -> InceptionOptions:
    """Returns the options with every branch widened."""
    return replace(
        options,
        pointwise=widen(options.pointwise),
        reduce3x3=widen(options.reduce3x3),
        conv3x3=widen(options.conv3x3),
        reduce5x5=widen(options.reduce5x5),
        conv5x5=widen(options.conv5x5),
        projection=widen(options.projection),
    )


def _conv(b: Builder, x: Tensor, name: str, channels: int, kernel: int, options: InceptionOptions) -> Tensor:
    conv = Conv2d(channels, kernel, 1, b.padding(kernel), bias=not options.norm)
    if options.norm:
        return b.conv_norm(x, name, conv, "relu")
    return b.activate(b.add(name, conv, x), f"{name}_activation", "relu")
