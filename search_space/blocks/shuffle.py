"""Shuffle units of ShuffleNet V1 (Zhang et al. 2018, figure 2) and V2 (Ma et al. 2018, figure 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from search_space.blocks.parts import Groups, Options, SqueezeExcitation, Widen, rounded, squeeze_excite
from search_space.graph import Builder, Carry, Tensor
from search_space.operators import Add, AveragePool, ChannelShuffle, Concat, Conv2d, DropPath, Slice


@dataclass(frozen=True, slots=True)
class ShuffleOptions(Options):
    """V1: grouped pointwise, shuffle, depthwise, grouped pointwise; a quarter of the output wide inside.

    A strided unit makes what its pooled input lacks of the output's channels, in as many groups as divide
    them.
    """

    groups: Groups = 1
    first_grouped: bool = True  # whether the strided unit's first pointwise convolution is grouped
    squeeze: SqueezeExcitation | None = None


@dataclass(frozen=True, slots=True)
class ShuffleV2Options(Options):
    """V2: half of the channels pass, the other half is convolved; concatenated and shuffled.

    In a strided unit both halves are convolved: the shortcut keeps the entering channels and the branch makes
    the rest (`entering`, the authors' release), or each makes half of the output's (`half`, torchvision).
    """

    shortcut: Literal["entering", "half"] = "entering"
    residual: bool = False  # add the branch's input to its output (V2-164, appendix)
    squeeze: SqueezeExcitation | None = None


def shuffle(b: Builder, carry: Carry, channels: int, stride: int, options: ShuffleOptions) -> Carry:
    """One unit of V1."""
    x = carry[0]
    joined = stride > 1 or x.shape[0] != channels
    made = channels - x.shape[0] if joined else channels
    inner = channels // 4
    groups = options.groups if options.first_grouped or stride == 1 else 1
    y = b.conv_norm(x, "reduce", Conv2d(inner, 1, groups=math.gcd(groups, x.shape[0])), "relu")
    if options.groups > 1:
        y = b.add("shuffle", ChannelShuffle(options.groups), y)
    y = b.conv_norm(y, "depthwise", Conv2d(inner, 3, stride, b.padding(3), inner))
    expand = Conv2d(made, 1, groups=math.gcd(options.groups, made))
    y = b.conv_norm(y, "expand", expand, closes_branch=not joined)
    y = squeeze_excite(b, y, options.squeeze, (x.shape[0], channels))
    if joined:
        pooled = b.add("shortcut_pool", AveragePool(3, stride, b.padding(3)), x)
        return (b.add("concat", Concat(), pooled, b.activate(y, "activation", "relu")),)
    y = b.add("add", Add(), b.add("drop_path", DropPath(), y), x)
    return (b.activate(y, "activation", "relu"),)


def shuffle_v2(b: Builder, carry: Carry, channels: int, stride: int, options: ShuffleV2Options) -> Carry:
    """One unit of V2."""
    x = carry[0]
    entering = x.shape[0]
    if stride == 1 and entering == channels:
        kept = b.add("kept", Slice(0, channels // 2), x)
        used = b.add("used", Slice(channels // 2, channels), x)
        inner = made = channels - channels // 2
    else:
        keeps = entering if options.shortcut == "entering" else channels // 2
        depthwise = Conv2d(entering, 3, stride, b.padding(3), entering)
        kept = b.conv_norm(x, "shortcut_depthwise", depthwise)
        kept = b.conv_norm(kept, "shortcut_pointwise", Conv2d(keeps, 1), "relu")
        used, inner, made = x, channels // 2, channels - keeps
    y = _branch(b, used, (inner, made), stride, options)
    y = b.add("concat", Concat(), kept, y)
    return (b.add("shuffle", ChannelShuffle(2), y),)


def widen_shuffle(channels: int, options: ShuffleOptions, widen: Widen) -> int:
    """Returns channels whose quarter the groups divide."""
    return rounded(widen(channels), 4 * options.groups)


def _branch(b: Builder, x: Tensor, widths: tuple[int, int], stride: int, options: ShuffleV2Options) -> Tensor:
    inner, made = widths
    y = b.conv_norm(x, "reduce", Conv2d(inner, 1), "relu")
    y = b.conv_norm(y, "depthwise", Conv2d(inner, 3, stride, b.padding(3), inner))
    y = b.conv_norm(y, "expand", Conv2d(made, 1), "relu")
    y = squeeze_excite(b, y, options.squeeze, (x.shape[0], made))
    if options.residual and y.shape == x.shape:
        y = b.add("add", Add(), b.add("drop_path", DropPath(), y), x)
    return y
