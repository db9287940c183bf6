"""Accuracy against cost: the Pareto front, and which of very many trials to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from dashboards.info.rewards import Reals, Weighing
from dashboards.info.table import Array, Table, once
from search_space import Cost, published, reference, reference_names
from search_space.cost import cost as cost_of

MAX_POINTS = 1_000  # drawn of a study, besides its front
SAMPLE = MAX_POINTS // 2  # of one that has more: each takes a slow machine 0.3 ms, and hides others


def front(accuracies: npt.ArrayLike, costs: npt.ArrayLike) -> Array:
    """Returns the indices of the points that no other beats in both, by rising cost.

    >>> front([0.5, 0.9, 0.8], [1.0, 2.0, 3.0]).tolist()
    [0, 1]
    """
    accuracy, cost = np.asarray(accuracies, np.float64), np.asarray(costs, np.float64)
    order = np.lexsort((-accuracy, cost))
    if not len(order):
        return order
    ahead = np.maximum.accumulate(np.r_[-np.inf, accuracy[order][:-1]])
    return np.asarray(order[accuracy[order] > ahead])


def has_front(how: Weighing | None, directions: Sequence[str]) -> bool:
    """Returns whether a study's best is a set of trials rather than one: it weighs its objectives by nothing."""
    return len(directions) > 1 if how is None else how.kind == "pareto"


def unbeaten(table: Table, how: Weighing | None, directions: Sequence[str]) -> Array:
    """Returns the numbers of the trials that no other beats in both objectives, the best in the first one first.

    Args:
        table: the trials.
        how: of a search, accuracy against its cost; None: the first two objectives of plain Optuna.
        directions: of the objectives; a search's are not looked at.
    """
    if how is not None:
        first, second = table["accuracy"], -table[how.cost]
    else:
        signs = [1.0 if one == "maximize" else -1.0 for one in directions]
        first, second = signs[0] * table["objective"], signs[1] * table["second"]
    usable = np.flatnonzero(table.complete & np.isfinite(first) & np.isfinite(second))
    return np.asarray(usable[front(first[usable], -second[usable])][::-1])


@dataclass(frozen=True, slots=True, eq=False)
class Scatter:
    """Trials to draw, by number, and those on the front among all."""

    numbers: Array
    on_front: Array  # by rising cost
    num_all: int


@once
def scatter(table: Table, cost: str, *, limit: int = MAX_POINTS) -> Scatter:
    """Returns the trials with an accuracy and this cost: all, or an even sample and the whole front.

    Args:
        table: the trials.
        cost: of COSTS.
        limit: how many besides the front are all drawn; of more, a sample of half as many.
    """
    usable = np.flatnonzero(table.complete & np.isfinite(table["accuracy"]) & (table[cost] > 0))
    best = usable[front(table["accuracy"][usable], table[cost][usable])]
    if len(usable) <= limit:
        return Scatter(usable, best, len(usable))
    drawn = usable[np.linspace(0, len(usable) - 1, limit // 2).astype(np.intp)]
    return Scatter(np.union1d(drawn, best), best, len(usable))


def hypervolume(accuracies: Reals, costs: Reals, *, worst_cost: float) -> float:
    """Returns the area between a front, by rising cost, and (accuracy 0, `worst_cost`), on a log axis of cost."""
    inside = costs < worst_cost
    accuracy, cost = accuracies[inside], np.log10(costs[inside])
    widths = np.diff(np.r_[cost, np.log10(worst_cost)])
    return float((accuracy * widths).sum())


@dataclass(frozen=True, slots=True)
class Mark:
    """A reference network by its cost at its own resolution."""

    name: str
    cost: float
    top1: float | None  # percent on ImageNet, as published


def marks(cost: str, low: float, high: float, *, count: int = 6) -> list[Mark]:
    """Returns reference networks whose cost lies in [low, high], spread over it."""
    if cost == "latency_ms":
        return []
    prices = ((name, float(getattr(price, cost))) for name, price in _references())
    inside = [Mark(name, price, published(name).top1) for name, price in prices if low <= price <= high]
    least = (high / low) ** (1 / (2 * count))  # apart, so that their names do not meet
    found: list[Mark] = []
    for mark in sorted(inside, key=lambda mark: mark.cost):
        if not found or mark.cost > least * found[-1].cost:
            found.append(mark)
    return found[:count]


@cache
def _references() -> tuple[tuple[str, Cost], ...]:
    return tuple((name, cost_of(reference(name))) for name in reference_names())
