"""Committees: ensembles and early-exit cascades of trained networks against single larger ones.

Ensembles as in "When Ensembling Smaller Models is More Efficient than Single Large Models" (Kondratyuk et al.
2020), cascades as in "Wisdom of Committees" (Wang et al. 2020): run the networks in order, average the predictions
so far, and stop as soon as the greatest probability reaches a threshold. What is chosen is chosen on some examples
and measured on others.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from scaling_rules.errors import Array, Flags, Indices, ScalingError, numbers
from scaling_rules.frontier import pareto

Mean = Literal["geometric", "arithmetic"]
NUM_THRESHOLDS = 24  # quantiles of the first network's confidence that are tried
NEAR = 1.05  # of committees whose costs differ by less, the most accurate is shown


@dataclass(frozen=True, slots=True, eq=False)
class Voter:
    """A trained network's predictions.

    Args:
        name: for people.
        cost: of one prediction, in any unit, greater than 0.
        probabilities: per example and class, at least 0 and adding up to 1: [examples, classes].
        joins: whether committees are made of it; else it only stands beside them, as one of many or of large ones may.
    """

    name: str
    cost: float
    probabilities: Array
    joins: bool = True


@dataclass(frozen=True, slots=True)
class Committee:
    """One network, an ensemble or a cascade.

    Attributes:
        kind: `single`, `ensemble` or `cascade`.
        names: of its networks, in the order in which they run.
        mean: of predictions.
        threshold: confidence at which a cascade stops; above 1 it never does.
        cost: mean of one prediction, on the examples that nothing was chosen on.
        accuracy: on them, in [0, 1].
        low, high: Wilson's 95 % interval of the accuracy.
        beaten: whether another in the same list costs no more and is no less accurate on those examples, one of them
            truly; what was best where it was chosen may be beaten there.
    """

    kind: str
    names: tuple[str, ...]
    mean: str
    threshold: float
    cost: float
    accuracy: float
    low: float
    high: float
    beaten: bool = False


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a committee costs and whether it is right, per example."""

    kind: str
    names: tuple[str, ...]
    mean: Mean
    threshold: float
    costs: Array
    right: Flags


def committee_frontier(
    voters: Sequence[Voter],
    labels: npt.ArrayLike,
    *,
    chosen_on: npt.ArrayLike,
    kinds: Sequence[str] = ("single", "ensemble", "cascade"),
    means: Sequence[Mean] = ("geometric", "arithmetic"),
    most: int = 3,
) -> tuple[Committee, ...]:
    """Returns every single network, and the committees that none beats where they are chosen, the cheapest first.

    Of committees that cost nearly the same, as those of neighbouring thresholds, one is returned.

    Args:
        voters: trained networks; copies with other seeds are voters of their own.
        labels: the true class of every example: [examples].
        chosen_on: which examples the frontier and the thresholds are chosen on, true or false: [examples]; costs
            and accuracies are reported on the others, where one that was chosen may be beaten.
        kinds: of committee to consider.
        means: of predictions to consider.
        most: the greatest number of networks in one, at least 1.

    Raises:
        ScalingError: predictions, labels and `chosen_on` do not fit each other, are no probabilities, or leave one of
            the two sets of examples empty.
    """
    truth, chosen = _checked(voters, labels, chosen_on)
    if most < 1 or not set(kinds) <= {"single", "ensemble", "cascade"}:
        raise ScalingError(
            f"`most` must be at least 1 and `kinds` of single, ensemble and cascade, got {most} and {kinds}; "
            "leave them out for all"
        )
    outcomes = [item for item in _outcomes(voters, truth, chosen, means, most) if item.kind in kinds]
    table = [[item.costs[chosen].mean(), -item.right[chosen].mean()] for item in outcomes]
    best = [
        item for item, kept in zip(outcomes, pareto(table), strict=True) if kept and item.kind != "single"
    ]
    singles = [item for item in outcomes if item.kind == "single"]
    found = [_measured(item, ~chosen) for item in [*singles, *_thinned(best, chosen)]]
    unbeaten: Flags | list[bool] = pareto([[item.cost, -item.accuracy] for item in found]) if found else []
    told = [replace(item, beaten=not kept) for item, kept in zip(found, unbeaten, strict=True)]
    return tuple(sorted(told, key=lambda item: (item.cost, -item.accuracy)))


def _thinned(frontier: Sequence[_Outcome], chosen: Flags) -> list[_Outcome]:
    """Returns a frontier without those whose cost is nearly that of a more accurate one."""
    kept: list[_Outcome] = []
    least = math.inf
    for item in sorted(frontier, key=lambda item: -float(item.costs[chosen].mean())):
        cost = float(item.costs[chosen].mean())
        if cost * NEAR <= least:
            kept.append(item)
            least = cost
    return kept


def _outcomes(
    voters: Sequence[Voter], labels: Indices, chosen: Flags, means: Sequence[Mean], most: int
) -> Iterator[_Outcome]:
    """Yields every committee: singles, ensembles, and cascades by rising cost."""
    ordered = sorted(voters, key=lambda voter: voter.cost)
    joining = [voter for voter in ordered if voter.joins]
    for size in range(1, most + 1):
        for group in itertools.combinations(ordered if size == 1 else joining, size):
            for mean in means if size > 1 else means[:1]:
                yield from _of_group(group, labels, chosen, mean)


def _of_group(group: Sequence[Voter], labels: Indices, chosen: Flags, mean: Mean) -> Iterator[_Outcome]:
    """Yields the ensemble of a group and its cascades."""
    names = tuple(voter.name for voter in group)
    votes = [_averaged(group[:count], mean) for count in range(1, len(group) + 1)]
    right = np.array([vote.argmax(axis=1) == labels for vote in votes])  # [networks run, examples]
    costs = np.cumsum([voter.cost for voter in group])
    kind = "single" if len(group) == 1 else "ensemble"
    yield _Outcome(kind, names, mean, 2.0, np.full(len(labels), costs[-1]), right[-1])
    if len(group) == 1:
        return
    confidences = np.array([vote.max(axis=1) for vote in votes[:-1]])
    levels = np.linspace(0.02, 0.98, NUM_THRESHOLDS)
    for threshold in np.unique(np.quantile(confidences[0, chosen], levels)):
        sure = np.vstack([confidences >= threshold, np.ones((1, len(labels)), dtype=np.bool_)])
        exits = sure.argmax(axis=0)  # the first network after which it stops
        hits = right[exits, np.arange(len(labels))]
        yield _Outcome("cascade", names, mean, float(threshold), costs[exits], hits)


def _averaged(group: Sequence[Voter], mean: Mean) -> Array:
    """Returns the mean prediction, adding up to 1: [examples, classes]."""
    stack = np.array([voter.probabilities for voter in group])
    if mean == "arithmetic":
        return np.asarray(stack.mean(axis=0))
    logs = np.log(np.maximum(stack, np.finfo(float).tiny)).mean(axis=0)
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _measured(outcome: _Outcome, examples: Flags) -> Committee:
    """Returns a committee with its cost and accuracy on examples, and Wilson's interval (Wilson 1927)."""
    num, accuracy = int(examples.sum()), float(outcome.right[examples].mean())
    z2 = NormalDist().inv_cdf(0.975) ** 2
    centre = (accuracy + z2 / (2 * num)) / (1.0 + z2 / num)
    half = math.sqrt(z2 * (accuracy * (1.0 - accuracy) / num + z2 / (4 * num**2))) / (1.0 + z2 / num)
    cost = float(outcome.costs[examples].mean())
    threshold = outcome.threshold
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Committee(outcome.kind, outcome.names, outcome.mean, threshold, cost, accuracy, low, high)


def _checked(
    voters: Sequence[Voter], labels: npt.ArrayLike, chosen_on: npt.ArrayLike
) -> tuple[Indices, Flags]:
    """Returns labels and the choice of examples as arrays."""
    truth, chosen = np.asarray(labels), np.asarray(chosen_on)
    if chosen.dtype != np.bool_ or truth.ndim != 1 or chosen.shape != truth.shape:
        raise ScalingError(
            f"`labels` and `chosen_on` must be one class and one true or false per example, got shapes {truth.shape} "
            f"and {chosen.shape}; give one of each per example"
        )
    if not voters or chosen.all() or not chosen.any():
        raise ScalingError(
            f"a frontier needs networks, and examples both to choose on and to measure on, got {len(voters)} networks "
            f"and {int(chosen.sum())} of {len(chosen)} examples to choose on; set some aside"
        )
    for voter in voters:
        table = numbers(f"probabilities of {voter.name}", voter.probabilities, ndim=2)
        numbers(f"cost of {voter.name}", [voter.cost], ndim=1, positive=True)
        sums = table.sum(axis=1)
        if table.min() < 0.0 or np.abs(sums - 1.0).max() > 1e-3 or len(table) != len(truth):
            raise ScalingError(
                f"probabilities of {voter.name} must be {len(truth)} rows that add up to 1, got {len(table)} rows with "
                f"sums from {sums.min():.3g} to {sums.max():.3g}; apply softmax"
            )
    return truth.astype(np.int64), chosen
