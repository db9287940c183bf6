"""Which networks to measure next so that the rule's region shrinks most for the training it costs.

A rule is settled when the worths of depth, width and resolution are known where the peak may lie. Measuring a
network with feature row m lowers the variance of a worth with row a by (a V m)^2 / (1 + m V m) (a rank-one update
of V, the inverse information), so the choice is greedy optimal design (Fedorov 1972; c-optimality averaged over
the plausible peaks): the greatest reduction of the summed variance per unit of cost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling_rules.errors import Array, ScalingError, numbers
from scaling_rules.rule import NOMINAL_EXPONENTS
from scaling_rules.rule_fit import RuleFit
from scaling_rules.scaled_points import ScaledPoint
from scaling_rules.surface import FULL, Surface, logs_at, plausibility, triangle

PRIOR_BENDS = np.full(3, 0.5)  # between logarithms and 1 / multiplier, until the data say
PRIOR_INFORMATION = 1e-3  # trainings' worth of what is assumed of each coefficient before the first one
STEPS = 6  # of the shares among which is chosen
COSTS = (1.5, 2.0, 3.0, 4.0, 6.0, 8.0)  # multiples of the baseline's cost among which is chosen


@dataclass(frozen=True, slots=True)
class Proposal:
    """A network to train.

    Attributes:
        depth, width, resolution: nominal multipliers; rounding decides what is built.
        cost_multiple: expected, of the baseline's.
        reduction: by what share it lowers the uncertainty that remains, in [0, 1].
    """

    depth: float
    width: float
    resolution: float
    cost_multiple: float
    reduction: float


def next_points(
    points: Sequence[ScaledPoint] = (),
    *,
    num: int = 1,
    fit: RuleFit | None = None,
    largest_cost: float = 8.0,
    fixed_cost: float = 0.0,
    candidates: Sequence[tuple[float, float, float]] | None = None,
) -> tuple[Proposal, ...]:
    """Returns the networks whose training narrows the rule most for its cost, the best first.

    Without points it is a first design; networks may come twice, which means another seed.

    Args:
        points: what was measured so far.
        num: how many to name, at least 1; each counts as measured when the next is chosen.
        fit: the fit of `points`, so that the plausible rules alone are looked at.
        largest_cost: the greatest multiple of the baseline's cost to consider, greater than 1.
        fixed_cost: of any training, in trainings of the baseline (start-up, data); at least 0.
        candidates: (depth, width, resolution) to choose from; left out, a grid of mixtures and costs.

    Raises:
        ScalingError: `num` or `largest_cost` is outside its interval, or a candidate is not positive.

    Example:
        >>> [first] = next_points(num=1)
        >>> first.cost_multiple <= 8.0
        True
    """
    if num < 1:
        raise ScalingError(f"`num` must be at least 1, got {num}; ask for one or more")
    if not largest_cost > 1.0 or fixed_cost < 0.0:
        raise ScalingError(
            f"`largest_cost` must be greater than 1 and `fixed_cost` at least 0, got {largest_cost:g} and "
            f"{fixed_cost:g}; 8 and 0 are usual"
        )
    exponents = np.array(fit.cost_exponents if fit else NOMINAL_EXPONENTS)
    logs = _candidates(candidates, exponents, largest_cost)
    costs = np.exp(logs @ exponents)
    shape, targets = _targets(fit, exponents)
    rows = shape.rows(logs)
    information = np.eye(FULL) * PRIOR_INFORMATION
    if points:
        known = shape.rows(np.log([[p.depth, p.width, p.resolution] for p in points]))
        information = information + known.T @ known
    inverse = np.linalg.inv(information)
    chosen = []
    for _ in range(num):
        moved = rows @ inverse  # [candidates, terms]
        spreads = np.einsum("ci,ci->c", moved, rows)
        reductions = np.einsum("ci,ij,cj->c", moved, targets, moved) / (1.0 + spreads)
        best = int((reductions / (fixed_cost + costs)).argmax())
        share = float(reductions[best] / np.trace(targets @ inverse))
        depth, width, resolution = map(float, np.exp(logs[best]))
        chosen.append(Proposal(depth, width, resolution, float(costs[best]), share))
        inverse = inverse - np.outer(moved[best], moved[best]) / (1.0 + spreads[best])
    return tuple(chosen)


def mixture_candidates(*, largest_cost: float = 8.0) -> tuple[tuple[float, float, float], ...]:
    """Returns the nominal (depth, width, resolution) among which a design is sought: the baseline and mixtures.

    Build them, and give `next_points` what was built, where rounding is coarse.

    Args:
        largest_cost: the greatest multiple of the baseline's nominal cost, greater than 1.

    Example:
        >>> mixture_candidates()[0]
        (1.0, 1.0, 1.0)
    """
    rows = np.exp(_candidates(None, np.array(NOMINAL_EXPONENTS), largest_cost)).tolist()
    return tuple((float(depth), float(width), float(resolution)) for depth, width, resolution in rows)


def _candidates(
    given: Sequence[tuple[float, float, float]] | None, exponents: Array, largest_cost: float
) -> Array:
    """Returns the log-multipliers to choose from: [candidates, 3]."""
    if given is not None:
        return np.asarray(np.log(numbers("candidates", given, ndim=2, positive=True)))
    costs = [cost for cost in COSTS if cost < largest_cost] + [largest_cost]
    mixtures = [logs_at(triangle(STEPS), math.log(cost), exponents) for cost in costs]
    return np.concatenate([np.zeros((1, 3)), *mixtures])


def _targets(fit: RuleFit | None, exponents: Array) -> tuple[Surface, Array]:
    """Returns the surface's shape, and the summed squares of the worths' rows where the peak may lie."""
    shares, weights = triangle(12), np.ones(len(triangle(12)))
    shape = Surface(PRIOR_BENDS, np.zeros(FULL), np.eye(FULL), 0.0)
    log_cost = math.log(2.0)
    if fit is not None and fit.method == "surface":
        found, log_cost, _ = fit.surfaces()
        weights = plausibility(found, shares, log_cost, exponents, freedom=2) + 1e-9
        shape = Surface(found.best.bends, np.zeros(FULL), np.eye(FULL), 0.0)
    worths = shape.worths(logs_at(shares, log_cost, exponents), exponents)  # [shares, 3, terms]
    gaps = worths - worths.mean(axis=1, keepdims=True)
    return shape, np.einsum("s,ski,skj->ij", weights / weights.sum(), gaps, gaps)
