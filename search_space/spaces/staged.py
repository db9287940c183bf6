"""Spaces whose networks are a row of sections: fast costs, exact sampling in a budget, and `encode`.

A section turns its own choices, and what the section before handed on, into stages. That is all there is to
write; because a section can see nothing else, its costs can be put into tables (see `costs.py`) without
further proof.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from search_space.architecture import Architecture, Stage, joined
from search_space.cost import Cost, stage_cost
from search_space.graph import Conventions
from search_space.spaces.base import Choice, Point, SearchSpace, Values
from search_space.spaces.costs import Costs, Table, fused, gather, tabulate
from search_space.spaces.encoding import encoded
from search_space.spaces.window import Windows, WindowSampler

SMALL_BATCH = 128  # up to here the scalar arithmetic is done before the tables are filled


@dataclass(frozen=True, slots=True)
class Section:
    """What one section makes: its stages, possibly none, and a value handed on to the next section."""

    stages: tuple[Stage, ...]
    carry: Hashable = None


class StagedSpace(SearchSpace):
    """A space of sections. The very first stage is the stem, the very last the head.

    A subclass sets `sections`, in its class body or before calling `__init__` here, and writes `section`.
    Equal neighbouring stages are joined into one with more repeats, so that one network has one digest.

    Example:
        class Tiny(StagedSpace):
            name = "tiny"
            sections = ((), (Choice("kernel", (3, 5)), Choice("depth", (1, 2))), ())

            def section(self, index, values, carry):
                if index == 0:
                    return Section((Stage("stem", 1, 16, 2),))
                if index == 2:
                    return Section((Stage("classifier", 1, 64),))
                options = MBConvOptions(kernel=values["kernel"])
                return Section((Stage("mbconv", values["depth"], 24, 2, options),))
    """

    sections: tuple[tuple[Choice, ...], ...]
    conventions: ClassVar[Conventions] = Conventions()

    def __init__(
        self, *, resolution: int, num_classes: int, input_channels: int = 3, width: float = 1.0
    ) -> None:
        super().__init__(
            resolution=resolution, num_classes=num_classes, input_channels=input_channels, width=width
        )
        self.choices = tuple(choice for own in self.sections for choice in own)

    @abstractmethod
    def section(self, index: int, values: Values, carry: Any) -> Section:
        """Returns the stages of section `index`, given its own choices and what the section before handed on.

        Args:
            index: position in `sections`.
            values: options of this section's choices alone.
            carry: `Section.carry` of the section before; None for the first.
        """

    def side(self, values: Values) -> int:
        """Returns the input's side in pixels; it may depend on the first section's choices."""
        del values
        return self.resolution

    def architecture(self, values: Values) -> Architecture:
        carry: Hashable = None
        stages: list[Stage] = []
        for index, choices in enumerate(self.sections):
            made = self.section(index, {choice.name: values[choice.name] for choice in choices}, carry)
            stages += made.stages
            carry = made.carry
        stem, *middle, head = stages
        return Architecture(
            self.side(values),
            stem,
            joined(middle),
            head,
            num_classes=self.num_classes,
            input_channels=self.input_channels,
            conventions=self.conventions,
        )

    def encode(self, architecture: Architecture) -> Point:
        """Returns the first point, in the order of the options, that decodes to `architecture`.

        Raises:
            SpaceError: the architecture is not in the space; the message leads to the field where it does.
        """
        return encoded(self._radices, self._section_at, self._side_at, self.decode, architecture)

    def costs(self, batch: NDArray[np.integer[Any]]) -> Costs:
        rows = self._checked(batch)
        if len(rows) <= SMALL_BATCH and "tables" not in vars(self):
            return super().costs(rows)
        return gather(self._fused_tables, rows)

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """The costs of every section for all that can enter it; filled once, by the scalar arithmetic."""
        return tabulate(self._radices, self._step)

    @cached_property
    def _fused_tables(self) -> tuple[Table, ...]:
        return fused(self.tables)

    @property
    def _radices(self) -> list[tuple[int, ...]]:
        return [tuple(len(choice.options) for choice in choices) for choices in self.sections]

    def _own_values(self, index: int, indices: Sequence[int]) -> Values:
        choices = self.sections[index]
        return {choice.name: choice.options[option] for choice, option in zip(choices, indices, strict=True)}

    def _side_at(self, indices: Sequence[int]) -> int:
        return self.side(self._own_values(0, indices))

    def _section_at(
        self, index: int, indices: Sequence[int], carry: Any
    ) -> tuple[tuple[Stage, ...], Hashable]:
        made = self.section(index, self._own_values(index, indices), carry)
        return made.stages, made.carry

    def _step(self, index: int, indices: tuple[int, ...], state: Any) -> tuple[Cost, Hashable]:
        """Returns the cost of a section, and the state (shapes, carry) after it."""
        if state is None:
            side = self._side_at(indices)
            state = (((self.input_channels, side, side),), None)
        shapes, carry = state
        stages, carry = self._section_at(index, indices, carry)
        num_classes = self.num_classes if index == len(self.sections) - 1 else 0
        total = Cost()
        for stage in stages:
            part, shapes = stage_cost(stage, shapes, self.conventions, num_classes)
            total += part
        return total, (shapes, carry)

    @cached_property
    def _window_sampler(self) -> WindowSampler:
        return WindowSampler(self.tables)

    def _sample_within(self, rng: np.random.Generator, windows: Windows) -> Point:
        return self._window_sampler.draw(windows, rng)


def adapted_strides(strides: Sequence[int], resolution: int, smallest: int = 4) -> tuple[int, ...]:
    """Returns `strides`, the earliest set to 1 until the last map's side is at least `smallest`.

    Small images have no resolution to lose in front, and the late strides keep the wide layers cheap; so
    the strides are dropped from the image onwards, as small-image variants of these networks do. A stride
    gives ceil(side / stride).

    Args:
        strides: of the stages in order.
        resolution: side of the input in pixels.
        smallest: side of the last map in pixels that must be kept; an input below it keeps no stride.

    Example:
        >>> adapted_strides((2, 1, 2, 2, 2, 1, 2, 1), 32)
        (1, 1, 1, 2, 2, 1, 2, 1)
    """
    kept = list(strides)
    for position, stride in enumerate(strides):
        side = resolution
        for each in kept:
            side = -(-side // each)
        if side >= smallest:
            break
        if stride > 1:
            kept[position] = 1
    return tuple(kept)
