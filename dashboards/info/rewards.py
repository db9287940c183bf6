"""The reward of a trial under any weight and target, from its stored accuracy and cost.

The formulas are those of the search itself (soft and hard: Tan et al., "MnasNet", CVPR 2019, section 3.1; absolute:
Bender et al., "TuNAS", CVPR 2020, section 3.2), restated here because a view imports nothing of the engine; a test
holds both to the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboards.info.table import Array, Flags, Table, once

Reals = npt.NDArray[np.float64]
KINDS = ("soft", "hard", "absolute")
OWN_WEIGHTS = {"soft": -0.07, "hard": -1.0, "absolute": -0.10, "pareto": 0.0}
OWN_LIMITS = {"soft": 2.0, "hard": 1.0, "absolute": 2.0, "pareto": 2.0}


@dataclass(frozen=True, slots=True)
class Weighing:
    """How accuracy and cost become one number.

    Args:
        kind: soft, hard, absolute; pareto keeps both apart.
        target: the cost aimed at, > 0.
        cost: the name of the cost.
        weight: <= 0.
        limit: the largest cost that the search measured.
    """

    kind: str = "soft"
    target: float = 5e6
    cost: str = "macs"
    weight: float = -0.07
    limit: float = 1e7

    @property
    def equation(self) -> str:
        """Returns the formula with its numbers, for people."""
        ratio = f"({self.cost} / {self.target:.4g})"
        return {
            "soft": f"accuracy × {ratio}^{self.weight:g}",
            "hard": f"accuracy, × {ratio}^{self.weight:g} above the target",
            "absolute": f"accuracy − {-self.weight:g} × |{ratio} − 1|",
        }.get(self.kind, f"accuracy against {self.cost}")

    def rewards(self, accuracies: npt.ArrayLike, costs: npt.ArrayLike) -> Reals:
        """Returns the reward of each accuracy and cost (> 0); for pareto the accuracy."""
        accuracy = np.asarray(accuracies, np.float64)
        if self.kind == "pareto":
            return accuracy
        ratios = np.asarray(costs, np.float64) / self.target
        if self.kind == "absolute":
            return accuracy + self.weight * np.abs(ratios - 1.0)
        if self.kind == "hard":
            ratios = np.maximum(ratios, 1.0)
        return np.asarray(accuracy * ratios**self.weight)

    def accuracies(self, reward: float, costs: npt.ArrayLike) -> Reals:
        """Returns the accuracy that is worth `reward` at each cost: the line of equal reward."""
        ones = self.rewards(np.ones_like(np.asarray(costs, np.float64)), costs)
        return np.asarray(reward - ones + 1.0 if self.kind == "absolute" else reward / ones)


def weighing(settings: Mapping[str, Any]) -> Weighing | None:
    """Returns the reward that a study was searched under; None for one that plain Optuna made."""
    search = settings.get("search")
    if not isinstance(search, Mapping) or not {"reward", "target", "cost"} <= set(search):
        return None
    kind, target = str(search["reward"]), float(search["target"])
    weight = search.get("weight")
    limit = search.get("max_cost")
    return Weighing(
        kind,
        target,
        str(search["cost"]),
        OWN_WEIGHTS.get(kind, 0.0) if weight is None else float(weight),
        OWN_LIMITS.get(kind, 2.0) * target if limit is None else float(limit),
    )


@once
def rewards(table: Table, how: Weighing | None) -> Reals:
    """Returns the reward of every complete trial, NaN for the others; without a weighing its stored objective."""
    found = np.full(len(table), np.nan)
    chosen = scorable(table, how)
    if how is None:
        found[chosen] = table["objective"][chosen]
    else:
        found[chosen] = how.rewards(table["accuracy"][chosen], table[how.cost][chosen])
    found.flags.writeable = False
    return found


def scorable(table: Table, how: Weighing | None) -> Flags:
    """Returns which trials have a reward: complete, with what it is made of."""
    if how is None:
        return np.asarray(table.complete & np.isfinite(table["objective"]))
    return np.asarray(table.complete & np.isfinite(table["accuracy"]) & (table[how.cost] > 0))


@once
def winners(table: Table, how: Weighing | None, count: int, *, minimized: bool = False) -> list[int]:
    """Returns the numbers of the best trials, each architecture once; ties go to the cheaper, then the earlier."""
    usable = np.flatnonzero(scorable(table, how))
    values = rewards(table, how)[usable] * (-1 if minimized else 1)
    most = 50 * count  # mostly enough for `count` different ones; all where it is not
    while len(usable):
        top = np.argpartition(-values, most)[:most] if most < len(values) else np.arange(len(values))
        if len(top) < len(values):  # with all that tie with the last
            top = np.flatnonzero(values >= values[top].min())
        found = _first_of_each(table, usable[top], values[top], how)
        if len(found) >= count or len(top) == len(values):
            return found[:count]
        most = len(values)
    return []


def _first_of_each(table: Table, numbers: Array, values: Reals, how: Weighing | None) -> list[int]:
    """Returns the best trial of each architecture, the best first."""
    cost = np.nan_to_num(table[how.cost if how else "macs"][numbers])
    chosen: dict[object, int] = {}
    for number in numbers[np.lexsort((numbers, cost, -values))].tolist():
        chosen.setdefault(table["digest"][number] or number, number)
    return list(chosen.values())
