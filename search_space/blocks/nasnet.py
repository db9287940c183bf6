"""NASNet-A's cells, which see the outputs of the two cells before (Zoph et al. 2018, figure 4).

The carry is (last output, the one before); a single map stands for both. Order: activation, convolution,
normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from search_space.blocks.parts import Options
from search_space.graph import Builder, Carry, Tensor
from search_space.operators import Activation, Add, AveragePool, Concat, Conv2d, MaxPool, Shift
from search_space.schema import Range


@dataclass(frozen=True, slots=True)
class NormalCellOptions(Options):
    """The stage's channels are the cell's filters; its output has six times as many."""


@dataclass(frozen=True, slots=True)
class ReductionCellOptions(Options):
    """The stage's channels are the cell's filters; its output has four times as many."""

    passes_previous: bool = (
        False  # the next cell sees this cell's earlier input, not its later one (NASNet-A large)
    )
    counts_padding: bool = (
        False  # strided average pools count the zeros of SAME padding (ports to PyTorch do)
    )


@dataclass(frozen=True, slots=True)
class CellStemOptions(Options):
    """A convolution without padding and without activation, normalised."""

    kernel: Annotated[int, Range(1, 31, odd=True)] = 3
    padding: Annotated[int, Range(0, 15)] = 0


def cell_stem(b: Builder, carry: Carry, channels: int, stride: int, options: CellStemOptions) -> Carry:
    """The stem before the first cell."""
    return (b.conv_norm(carry[0], "conv", Conv2d(channels, options.kernel, stride, options.padding)),)


def normal_cell(b: Builder, carry: Carry, channels: int, stride: int, options: NormalCellOptions) -> Carry:
    """NASNet-A's normal cell."""
    cell = _Cell(b, channels, stride)
    current, previous = cell.entered(carry)
    outputs = [
        cell.added(
            "block1", cell.separable("block1_left", current, 5), cell.separable("block1_right", previous, 3)
        ),
        cell.added(
            "block2", cell.separable("block2_left", previous, 5), cell.separable("block2_right", previous, 3)
        ),
        cell.added("block3", cell.average("block3_left", current), cell.fitted("block3_right", previous)),
        cell.added("block4", cell.average("block4_left", previous), cell.average("block4_right", previous)),
        cell.added("block5", cell.separable("block5_left", current, 3), current),
    ]
    return b.add("concat", Concat(), previous, *outputs), carry[0]


def reduction_cell(
    b: Builder, carry: Carry, channels: int, stride: int, options: ReductionCellOptions
) -> Carry:
    """NASNet-A's reduction cell: operators on the cell's inputs have the stride."""
    cell = _Cell(b, channels, stride)
    c, p = cell.entered(carry)
    one = cell.added(
        "block1", cell.separable("block1_left", c, 5, stride), cell.separable("block1_right", p, 7, stride)
    )
    pooled = b.add("block2_left", MaxPool(3, stride, b.padding(3)), c)
    two = cell.added("block2", pooled, cell.separable("block2_right", p, 7, stride))
    three = cell.added(
        "block3",
        cell.average("block3_left", c, stride, options.counts_padding),
        cell.separable("block3_right", p, 5, stride),
    )
    four = cell.added("block4", cell.average("block4_left", one), two)
    largest = b.add("block5_right", MaxPool(3, stride, b.padding(3)), c)
    five = cell.added("block5", cell.separable("block5_left", one, 3), largest)
    return b.add("concat", Concat(), two, three, four, five), carry[-1 if options.passes_previous else 0]


@dataclass(frozen=True, slots=True)
class _Cell:
    """The operators of a cell of so many filters."""

    b: Builder
    filters: int
    stride: int

    def entered(self, carry: Carry) -> Carry:
        """Returns (current, previous) as the cell uses them: of its filters, and of one size."""
        current = self.pointwise("current", carry[0])
        if len(carry) == 1:
            return current, carry[0]  # the first cell's operators take the stem's map as it is
        previous = carry[1]
        if previous.shape[1:] != carry[0].shape[1:]:
            return current, self.halved(previous)
        return current, self.fitted("previous", previous)

    def halved(self, x: Tensor) -> Tensor:
        """Returns a map of half the size: two subsampled paths, the second a pixel on."""
        x = self.b.add("previous_activation", Activation("relu"), x)
        half = self.filters // 2
        first = self.b.add("previous_path1", Conv2d(half, 1, 2), x)
        moved = self.b.add("previous_shift", Shift(), x)
        second = self.b.add("previous_path2", Conv2d(self.filters - half, 1, 2), moved)
        return self.b.norm(self.b.add("previous_concat", Concat(), first, second), "previous_norm")

    def pointwise(self, name: str, x: Tensor) -> Tensor:
        """Activation, pointwise convolution to the cell's filters, normalisation."""
        active = self.b.add(f"{name}_activation", Activation("relu"), x)
        return self.b.norm(self.b.add(name, Conv2d(self.filters, 1), active), f"{name}_norm")

    def fitted(self, name: str, x: Tensor) -> Tensor:
        """Returns the map with the cell's filters."""
        return x if x.shape[0] == self.filters else self.pointwise(name, x)

    def average(self, name: str, x: Tensor, stride: int = 1, counts_padding: bool = False) -> Tensor:
        """A 3x3 average pool, then as many filters as the cell's."""
        pool = AveragePool(3, stride, self.b.padding(3), counts_padding=counts_padding)
        pooled = self.b.add(name, pool, x)
        return self.fitted(f"{name}_fit", pooled)

    def separable(self, name: str, x: Tensor, kernel: int, stride: int = 1) -> Tensor:
        """Twice: activation, depthwise, pointwise, normalisation; the stride in the first."""
        for index, step in ((1, stride), (2, 1)):
            part = f"{name}{index}"
            width = x.shape[0]
            x = self.b.add(f"{part}_activation", Activation("relu"), x)
            depthwise = Conv2d(width, kernel, step, self.b.padding(kernel), width)
            x = self.b.add(f"{part}_depthwise", depthwise, x)
            x = self.b.add(f"{part}_pointwise", Conv2d(self.filters, 1), x)
            x = self.b.norm(x, f"{part}_norm")
        return x

    def added(self, name: str, left: Tensor, right: Tensor) -> Tensor:
        """The two halves of a block, added."""
        return self.b.add(name, Add(), left, right)
