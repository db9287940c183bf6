"""What a strategy knows of the problem: its parameters, the cost of a point, a draw within the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution

from nas.reward import Reward

Point = tuple[int, ...]  # one option index per choice, in the space's order
Window = tuple[float, float]

NUM_BANDS = 4  # of a window's costs: few, because a space prepares tables for every window it draws from


class Choice(Protocol):
    """One categorical decision of a space."""

    @property
    def name(self) -> str: ...

    @property
    def options(self) -> tuple[Any, ...]: ...


class Space(Protocol):
    """The part of a search space that strategies use; `search_space.SearchSpace` has it."""

    @property
    def choices(self) -> Sequence[Choice]: ...

    def values(self, point: Point) -> Mapping[str, Any]: ...

    def point(self, values: Mapping[str, Any]) -> Point: ...

    def sample(
        self, rng: np.random.Generator, *, macs: Window | None = None, params: Window | None = None
    ) -> Point: ...

    def mutate(self, point: Point, rng: np.random.Generator) -> Point: ...

    def costs(self, batch: npt.NDArray[np.int64]) -> Any: ...


@dataclass(frozen=True, slots=True)
class Design:
    """A space seen through a reward: what may be proposed and what is worth proposing.

    Args:
        space: where the points come from.
        reward: gives the limit and the window of costs; None allows every point.
    """

    space: Space
    reward: Reward | None = None

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Returns the choices in Optuna's words: what `study.ask(fixed_distributions=...)` takes."""
        return {choice.name: CategoricalDistribution(choice.options) for choice in self.space.choices}

    def cost(self, point: Point) -> float:
        """Returns the reward's cost of one point by arithmetic; 0 where it is not known before measuring."""
        if self.reward is None or not self.reward.is_arithmetic:
            return 0.0
        costs = self.space.costs(np.array([point], dtype=np.int64))
        return float(getattr(costs, self.reward.cost)[0])

    def affords(self, point: Point) -> bool:
        """Returns whether a point's cost is within the reward's limit."""
        return self.reward is None or self.cost(point) <= self.reward.limit

    def draw(self, rng: np.random.Generator) -> Point:
        """Returns a random point, inside the reward's window where the space can draw by that cost.

        Most points of a space are near the upper end of a window, so one of `NUM_BANDS` bands of equal ratio
        is drawn first and then a point in it; from the whole window where the band is empty.

        Raises:
            ValueError: the space has no point in the window.
        """
        if self.reward is None or self.reward.cost not in ("macs", "params"):
            return self.space.sample(rng)
        edges = _edges(*self.reward.window)
        band = int(rng.integers(NUM_BANDS))
        try:
            return self._sample(rng, (edges[band], edges[band + 1]))
        except ValueError:
            return self._sample(rng, self.reward.window)

    def _sample(self, rng: np.random.Generator, window: Window) -> Point:
        if self.reward is not None and self.reward.cost == "params":
            return self.space.sample(rng, params=window)
        return self.space.sample(rng, macs=window)

    def mutated_values(self, values: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Returns values after the space's own mutation."""
        return dict(self.space.values(self.space.mutate(self.space.point(values), rng)))

    def affords_values(self, values: dict[str, Any]) -> bool:
        """Returns whether the point that has these values is within the limit."""
        return self.affords(self.space.point(values))


@lru_cache(maxsize=16)
def _edges(low: float, high: float) -> tuple[float, ...]:
    """Returns where the bands of a window begin and end."""
    return tuple(np.geomspace(low, high, NUM_BANDS + 1).tolist())
