"""The dual-path unit: one path that adds, one that grows (Chen et al. 2017, section 3.3 and Table 1).

The carry is (residual path, dense path). Each convolution comes after its normalisation and activation.
"""

from __future__ import annotations

from dataclasses import dataclass

from search_space.blocks.parts import Groups, Options, Widen, Width, rounded
from search_space.graph import Builder, Carry, Tensor
from search_space.operators import Add, Concat, Conv2d, DropPath, Slice


@dataclass(frozen=True, slots=True)
class DualPathOptions(Options):
    """The stage's channels are the residual path's; each unit makes the dense path `increment` wider."""

    inner: Width  # of the grouped 3x3 convolution
    increment: Width
    groups: Groups = 32


def dual_path(b: Builder, carry: Carry, channels: int, stride: int, options: DualPathOptions) -> Carry:
    """One unit; the first of a stage projects what enters to the residual path and twice the increment."""
    both = b.add("join", Concat(), *carry) if len(carry) > 1 else carry[0]
    if len(carry) == 1 or stride > 1 or carry[0].shape[0] != channels:
        width = channels + 2 * options.increment
        projected = _activated(b, both, "shortcut", Conv2d(width, 1, stride))
        residual = b.add("shortcut_residual", Slice(0, channels), projected)
        dense = b.add("shortcut_dense", Slice(channels, width), projected)
    else:
        residual, dense = carry
    y = _activated(b, both, "conv1", Conv2d(options.inner, 1))
    y = _activated(b, y, "conv2", Conv2d(options.inner, 3, stride, b.padding(3), options.groups))
    y = _activated(b, y, "conv3", Conv2d(channels + options.increment, 1))
    added = b.add("drop_path", DropPath(), b.add("branch_residual", Slice(0, channels), y))
    grown = b.add("branch_dense", Slice(channels, channels + options.increment), y)
    return b.add("add", Add(), added, residual), b.add("concat", Concat(), dense, grown)


def widen_dual_path(options: DualPathOptions, widen: Widen) -> DualPathOptions:
    """Returns the options with inner width and increment widened; the number of groups stays."""
    return DualPathOptions(
        rounded(widen(options.inner), options.groups), widen(options.increment), options.groups
    )


def _activated(b: Builder, x: Tensor, name: str, conv: Conv2d) -> Tensor:
    return b.add(name, conv, b.activate(b.norm(x, f"{name}_norm"), f"{name}_activation", "relu"))
