"""A search space: an ordered tuple of categorical choices, and what a point of it decodes to.

A point is a tuple of option indices, one per choice. It is what strategies mutate and databases store; the
architecture is what `decode` makes of it. Several points may decode to one architecture (a choice may be
unused), and then they have one digest.

A user's own space is a subclass that sets `choices` and writes `architecture(values)`; all else follows
from these two. A space whose network is a row of sections should derive from `StagedSpace`, which adds fast
costs and exact sampling.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from search_space.architecture import Architecture
from search_space.cost import cost
from search_space.schema import nearest, shown
from search_space.spaces.costs import Costs, stacked
from search_space.spaces.errors import SpaceError
from search_space.spaces.identity import decoding_digest, fingerprint
from search_space.spaces.window import Window, Windows, by_enumeration, by_walking

Option = str | int | float | bool
Values = Mapping[str, Option]
Point = tuple[int, ...]

ENUMERATED_SIZE = 10_000  # up to this size, a window is sampled from the list of all points


@dataclass(frozen=True, slots=True)
class Choice:
    """A named decision between options that are plain values, at least one and all different.

    Example: `Choice("kernel", (3, 5))`.
    """

    name: str
    options: tuple[Option, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise SpaceError(f"a choice needs a name of at least one character, got {shown(self.name)}")
        if not isinstance(self.options, tuple) or not self.options:
            raise SpaceError(f"{self.name} needs a tuple of at least one option, got {shown(self.options)}")
        for option in self.options:
            if type(option) not in (str, int, float, bool) or (
                isinstance(option, float) and not math.isfinite(option)
            ):
                raise SpaceError(
                    f"an option of {self.name} must be a text, a finite number or a bool, got {shown(option)}"
                )
        if len(set(map(_kind, self.options))) < len(self.options):
            raise SpaceError(
                f"the options of {self.name} must differ, got {self.options}; remove the doubled one"
            )

    def index(self, option: Option) -> int:
        """Returns the position of `option`.

        Raises:
            SpaceError: it is not an option of this choice.
        """
        wanted = _kind(option)
        for position, known in enumerate(self.options):
            if known == option and _kind(known) == wanted:
                return position
        listed = ", ".join(map(shown, self.options))
        raise SpaceError(f"{self.name} must be one of {listed}, got {shown(option)}; choose one of them")


class SearchSpace(ABC):
    """The choices, and the networks that they stand for.

    Args:
        resolution: side of the square input in pixels (the largest one, where the space chooses it).
        num_classes: classes of the data.
        input_channels: channels of the image.
        width: factor on every base channel count of the space.

    Guarantees: a space is a value: nothing changes it, and equal arguments give equal spaces. `sample`,
    `mutate` and `crossover` stay inside; `point(values(p)) == p`; the random methods draw from `rng` alone.

    Example:
        class Tiny(SearchSpace):
            name = "tiny"
            choices = (Choice("kernel", (3, 5)), Choice("depth", (1, 2, 3)))

            def architecture(self, values): ...
    """

    name: ClassVar[str]
    choices: tuple[Choice, ...]

    def __init__(
        self, *, resolution: int, num_classes: int, input_channels: int = 3, width: float = 1.0
    ) -> None:
        for field, value in (
            ("resolution", resolution),
            ("num_classes", num_classes),
            ("input_channels", input_channels),
        ):
            if type(value) is not int or value < 1:
                raise SpaceError(f"{field} must be a whole number of at least 1, got {shown(value)}")
        if type(width) not in (int, float) or not (math.isfinite(width) and width > 0.0):
            raise SpaceError(
                f"width must be a finite number above 0, got {shown(width)}; 1.0 is the published width"
            )
        self.resolution = resolution
        self.num_classes = num_classes
        self.input_channels = input_channels
        self.width = float(width)

    @abstractmethod
    def architecture(self, values: Values) -> Architecture:
        """Returns the network that `values`, one option per choice, stand for, and nothing else decides."""

    @property
    def size(self) -> int:
        """The number of points."""
        return math.prod(len(choice.options) for choice in self.choices)

    def points(self) -> Iterator[Point]:
        """Yields every point in lexicographic order; for small spaces."""
        return itertools.product(*(range(len(choice.options)) for choice in self.choices))

    def values(self, point: Point) -> dict[str, Option]:
        """Returns the chosen options by name.

        Raises:
            SpaceError: `point` has a wrong length or an index outside its choice.
        """
        if len(point) != len(self.choices):
            raise SpaceError(f"a point of {self.name} has {len(self.choices)} indices, got {len(point)}")
        for index, choice in zip(point, self.choices, strict=True):
            if not 0 <= index < len(choice.options):
                raise SpaceError(
                    f"the index of {choice.name} must be in [0, {len(choice.options) - 1}], got {index}"
                )
        return {choice.name: choice.options[index] for index, choice in zip(point, self.choices, strict=True)}

    def point(self, values: Values) -> Point:
        """Returns the point with these options: the inverse of `values`.

        Raises:
            SpaceError: a choice is missing or unknown, or its option is not one of the choice's.
        """
        known = dict.fromkeys(choice.name for choice in self.choices)
        for name in values:
            if name not in known:
                raise SpaceError(
                    f"{shown(name)} is no choice of {self.name}; {nearest(str(name), list(known))}"
                )
        for name in known:
            if name not in values:
                raise SpaceError(f"every choice of {self.name} needs a value, got none for {name}; add it")
        return tuple(choice.index(values[choice.name]) for choice in self.choices)

    def decode(self, point: Point) -> Architecture:
        """Returns the architecture of `point`.

        Raises:
            SpaceError: `point` is not inside the space.
        """
        return self.architecture(self.values(point))

    def encode(self, architecture: Architecture) -> Point:
        """Returns a point that decodes to `architecture`, found by trying all points.

        Raises:
            SpaceError: no point does, or the space is too large to try them all.
        """
        if self.size > ENUMERATED_SIZE:
            raise SpaceError(
                f"{self.name} has {self.size:,} points and no inverse of `architecture`; write `encode` in "
                "its class, or derive it from StagedSpace, which has one"
            )
        for point in self.points():
            if self.decode(point) == architecture:
                return point
        raise SpaceError(f"the architecture is none of the {self.size:,} points of {self.name}")

    def sample(
        self, rng: np.random.Generator, *, macs: Window | None = None, params: Window | None = None
    ) -> Point:
        """Returns a random point: every point is equally likely; with windows, every point inside them.

        Args:
            macs: lowest and highest number of multiply-adds, both included.
            params: lowest and highest number of parameters, both included.

        A space that is not staged and has more than 10,000 points is sampled by bounded rejection,
        uniformly, and where that finds nothing by a walk towards the window, which is not uniform.

        Raises:
            SpaceError: nothing was found in the window; the message has the reachable minimum and maximum.
        """
        if macs is None and params is None:
            indices: list[int] = rng.integers(0, [len(choice.options) for choice in self.choices]).tolist()
            return tuple(indices)
        return self._sample_within(rng, Windows(macs, params))

    def mutate(self, point: Point, rng: np.random.Generator) -> Point:
        """Returns `point` with one choice, drawn uniformly, changed to another of its options, drawn
        uniformly.

        Raises:
            SpaceError: the space has a single point.
        """
        open_choices = [position for position, choice in enumerate(self.choices) if len(choice.options) > 1]
        if not open_choices:
            raise SpaceError(
                f"a mutation needs a choice with two options, but {self.name} has a single point"
            )
        position = open_choices[int(rng.integers(len(open_choices)))]
        other = int(rng.integers(len(self.choices[position].options) - 1))
        return (*point[:position], other + (other >= point[position]), *point[position + 1 :])

    def crossover(self, a: Point, b: Point, rng: np.random.Generator) -> Point:
        """Returns a child that takes each index from `a` or `b`, by a fair coin each (uniform crossover)."""
        from_a: list[bool] = (rng.random(len(self.choices)) < 0.5).tolist()
        return tuple(x if first else y for x, y, first in zip(a, b, from_a, strict=True))

    def costs(self, batch: NDArray[np.integer[Any]]) -> Costs:
        """Returns the costs of many points at once.

        Args:
            batch: integers of shape [n, choices], one point a row.

        Raises:
            SpaceError: the shape is wrong, or a row is not inside the space.
        """
        rows = self._checked(batch)
        return stacked([cost(self.decode(tuple(row))) for row in rows.tolist()])

    @cached_property
    def version(self) -> str:
        """A hash of the definition: settings, choices and what probe points decode to."""
        return fingerprint(self._description)

    def describe(self) -> dict[str, Any]:
        """Returns the definition as plain JSON values; `difference` compares two of them."""
        return self._description | {"version": self.version}

    @cached_property
    def _description(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "resolution": self.resolution,
            "num_classes": self.num_classes,
            "input_channels": self.input_channels,
            "width": self.width,
            "choices": {choice.name: list(choice.options) for choice in self.choices},
            "decoding": decoding_digest([len(choice.options) for choice in self.choices], self._digest),
        }

    def _digest(self, point: Point) -> str:
        return self.decode(point).digest

    def _sample_within(self, rng: np.random.Generator, windows: Windows) -> Point:
        if self.size <= ENUMERATED_SIZE:
            return by_enumeration(self._all_points, self._all_costs, windows, rng)
        return by_walking(self.sample, self.mutate, self.costs, windows, rng)

    @cached_property
    def _all_points(self) -> NDArray[np.int64]:
        return np.array(list(self.points()), dtype=np.int64)

    @cached_property
    def _all_costs(self) -> Costs:
        return self.costs(self._all_points)

    def _checked(self, batch: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        rows = np.asarray(batch)
        if rows.ndim != 2 or rows.shape[1] != len(self.choices) or not np.issubdtype(rows.dtype, np.integer):
            raise SpaceError(
                f"a batch must be integers of shape [n, {len(self.choices)}], got {rows.dtype} of shape "
                f"{list(rows.shape)}; give a row a point"
            )
        counts = np.array([len(choice.options) for choice in self.choices])
        if len(rows) and (rows.min() < 0 or bool((rows.max(axis=0) >= counts).any())):
            raise SpaceError(
                f"every index of a batch must be inside its choice of {self.name}; check it with `values`"
            )
        return rows


def _kind(option: Option) -> tuple[type, Option]:
    """Returns what tells options apart: True is not 1, but 1.0 is."""
    return (type(option) if isinstance(option, (str, bool)) else float, option)
