"""A space of four-option choices whose cost and quality are sums, for the tests of strategies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ToyChoice:
    name: str
    options: tuple[Any, ...]


@dataclass(frozen=True)
class ToyCosts:
    macs: Any
    params: Any
    peak_memory_bytes: Any


@dataclass(frozen=True)
class ToySpace:
    """`num_choices` choices; option i of each costs i + 1 MACs; quality is highest at option 2 everywhere."""

    num_choices: int = 12

    @property
    def choices(self) -> tuple[ToyChoice, ...]:
        return tuple(ToyChoice(f"c{i:02d}", ("a", "b", "c", "d")) for i in range(self.num_choices))

    def values(self, point: tuple[int, ...]) -> dict[str, Any]:
        return {choice.name: choice.options[i] for choice, i in zip(self.choices, point, strict=True)}

    def point(self, values: Mapping[str, Any]) -> tuple[int, ...]:
        return tuple(choice.options.index(values[choice.name]) for choice in self.choices)

    def sample(self, rng: np.random.Generator, *, macs: Any = None, params: Any = None) -> tuple[int, ...]:
        for _ in range(1000):
            point = tuple(int(i) for i in rng.integers(4, size=self.num_choices))
            if macs is None or macs[0] <= self.costs([point]).macs[0] <= macs[1]:
                return point
        raise ValueError("no point in the window")

    def mutate(self, point: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
        place = int(rng.integers(self.num_choices))
        option = (point[place] + 1 + int(rng.integers(3))) % 4
        return (*point[:place], option, *point[place + 1 :])

    def costs(self, batch: Any) -> ToyCosts:
        sums = (np.asarray(batch) + 1).sum(axis=1)
        return ToyCosts(sums, sums * 2, sums * 3)


def quality(point: tuple[int, ...]) -> float:
    """Returns the share of choices that are at their best option, half for a neighbour."""
    return float(np.mean([{2: 1.0, 1: 0.5, 3: 0.5}.get(i, 0.0) for i in point]))
