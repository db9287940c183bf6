"""The scaling rule that measurements of scaled networks show, with what they leave open.

Two methods share one interface. `grid` is the paper's (EfficientNet, section 3.3, step 1): of the measured
networks with alpha * beta^2 * gamma^2 near 2, the most accurate. `surface` uses every measurement, at any cost: a
response surface over log-multipliers, of which the rule is the peak where the *measured* cost of the *rounded* networks
is doubled, as far as the data show it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from scipy.special import fdtri, stdtrit

from scaling_rules.errors import Array, ScalingError, fraction
from scaling_rules.law_fit import Estimate
from scaling_rules.measured_surface import measured_surfaces
from scaling_rules.rule import NOMINAL_EXPONENTS, PowerRule, shared_rule
from scaling_rules.rule_fit import Comparison, RuleFit
from scaling_rules.scaled_points import ScaledPoint, Table, cost_law, table
from scaling_rules.surface import (
    PLANE_FREEDOM,
    Surface,
    Surfaces,
    distances,
    grid_between,
    interval,
    logs_at,
    mean_peak,
    peak,
    plausibility,
    triangle,
)

Method = Literal["surface", "grid"]
NAMES = ("alpha", "beta", "gamma")
# What the fitted rule is compared with at equal cost: shares of log cost for depth, width and resolution.
ALTERNATIVES = {
    "width only": (0.0, 1.0, 0.0),
    "depth only": (1.0, 0.0, 0.0),
    "resolution only": (0.0, 0.0, 1.0),
    "dWr": (0.1, 0.8, 0.1),
    "EfficientNet's": tuple(
        e * math.log(base) / math.log(1.2 * 1.1**2 * 1.15**2)
        for e, base in zip(NOMINAL_EXPONENTS, (1.2, 1.1, 1.15), strict=True)
    ),
}
NOMINAL_TOLERANCE = 0.1  # of alpha * beta^2 * gamma^2 around 2: the paper's own 1.2, 1.1, 1.15 has 1.92


def fit_rule(
    points: Sequence[ScaledPoint],
    *,
    method: Method = "surface",
    cost_multiple: float = 2.0,
    level: float = 0.95,
) -> RuleFit:
    """Returns the rule that measurements show, with intervals and what it cannot be told from.

    Args:
        points: trainings of scaled networks, some repeated with another seed.
        method: `surface`, or `grid` as in the paper.
        cost_multiple: for the surface, the multiple of the baseline's cost at which the peak is sought, greater
            than 1, best in the middle of what was measured.
        level: confidence of the intervals, in (0, 1).

    Raises:
        ScalingError: a number is not finite; there are no repeats; costs are all equal; there are fewer different
            networks than a surface has coefficients; or, for the grid, fewer than two near its constraint.

    Source:
        EfficientNet (Tan and Le 2019), section 3.3; Box and Hunter 1954 for the surface's region.
    """
    if method not in FITS:
        raise ScalingError(f"`method` must be one of {', '.join(FITS)}, got {method!r}; choose one of them")
    if not (math.isfinite(cost_multiple) and cost_multiple > 1.0):
        raise ScalingError(f"`cost_multiple` must be greater than 1, got {cost_multiple:g}; 2 is the paper's")
    measured = table(points)
    found = FITS[method](tuple(points), measured, cost_multiple, fraction("level", level))
    return found


def grid_candidates(*, step: float = 0.05, cost: float = 2.0) -> tuple[tuple[float, float, float], ...]:
    """Returns the (alpha, beta, gamma) on a grid that the paper's constraint admits.

    Args:
        step: between neighbouring factors, greater than 0.
        cost: that alpha * beta^2 * gamma^2 must come near (within 0.1).

    Source:
        EfficientNet, equation 3, with alpha, beta and gamma of at least 1.

    Example:
        >>> (1.2, 1.1, 1.15) in grid_candidates()
        True
    """
    if not 0.0 < step < 1.0:
        raise ScalingError(
            f"`step` must lie in (0, 1), got {step:g}; the paper's constants are multiples of 0.05"
        )
    factors = [round(1.0 + step * i, 9) for i in range(int((cost + NOMINAL_TOLERANCE - 1.0) / step) + 1)]
    return tuple(
        (alpha, beta, gamma)
        for alpha in factors
        for beta in factors
        for gamma in factors
        if abs(alpha * beta**2 * gamma**2 - cost) <= NOMINAL_TOLERANCE + 1e-9
    )


@dataclass(frozen=True, slots=True)
class Plausible:
    """Shares of log cost that the data leave plausible: bounds of each, and how many jointly."""

    lows: Array  # [3]
    highs: Array  # [3]
    region: float  # joint, as a share of the triangle


def _by_surface(
    points: tuple[ScaledPoint, ...], measured: Table, cost_multiple: float, level: float
) -> RuleFit:
    """Returns the peak of the response surface."""
    _, exponents, cost_error = cost_law(measured)
    found, misfit = measured_surfaces(measured)
    log_cost = math.log(cost_multiple)
    top = peak(found.best, log_cost, exponents)
    plausible = _plausible(found, top, log_cost, exponents, level)
    mean = mean_peak(found, log_cost, exponents)
    rule = shared_rule("compound", tuple(mean / mean.sum()), exponents=tuple(exponents))
    to_bases = [2.0 ** (1.0 / e) for e in exponents]
    parameters = tuple(
        Estimate(name, value, float(base**low), float(base**high))
        for name, value, base, low, high in zip(
            NAMES, (rule.alpha, rule.beta, rule.gamma), to_bases, plausible.lows, plausible.highs, strict=True
        )
    )
    residuals = measured.values - found.best.heights(measured.logs)
    return RuleFit(
        rule,
        shared_rule("peak", tuple(top / top.sum()), exponents=tuple(exponents)),
        "surface",
        parameters,
        _compared(found, mean, log_cost, exponents, level),
        plausible.region,
        cost_multiple,
        tuple(map(float, exponents)),
        cost_error,
        math.sqrt(found.variance),
        found.dof,
        misfit,
        level,
        points,
        tuple(map(float, residuals)),
    )


def _plausible(found: Surfaces, best: Array, log_cost: float, exponents: Array, level: float) -> Plausible:
    """Returns which shares the data leave plausible, on a grid that closes in on them."""
    shares, cell = np.concatenate([triangle(40), best[None]]), 1.0 / 40
    allowed, jointly = float(fdtri(1, found.dof, level)), 2.0 * float(fdtri(2, found.dof, level))
    far = distances(found, shares, log_cost, exponents, enough=allowed, level=level)
    region = float((far[:-1] <= jointly).mean())
    inside = np.concatenate([shares[far <= allowed], best[None]])
    # First around what is hardly plausible, so that nothing is cut off.
    for closing, size in ((50.0, 31), (10.0, 61)):
        wide = float(fdtri(1, found.dof, 1.0 - (1.0 - level) / closing))
        near = np.concatenate([shares[far <= wide], inside])
        low, high = near.min(axis=0) - cell, near.max(axis=0) + cell
        cell = float((np.clip(high, 0.0, 1.0) - np.clip(low, 0.0, 1.0)).max()) / (size - 1)
        shares = grid_between(low, high, size)
        outer = (shares < inside.min(axis=0)) | (shares > inside.max(axis=0))  # others move no bound
        shares = shares[outer.any(axis=1)]
        far = distances(found, shares, log_cost, exponents, enough=allowed, level=level)
        inside = np.concatenate([shares[far <= allowed], inside])
    return Plausible(inside.min(axis=0), inside.max(axis=0), region)


def _compared(
    found: Surfaces, best: Array, log_cost: float, exponents: Array, level: float
) -> tuple[Comparison, ...]:
    """Returns the peak beside each alternative."""
    scheffe = PLANE_FREEDOM * float(fdtri(PLANE_FREEDOM, found.dof, level))
    logs = logs_at(best, log_cost, exponents)
    shares, rows = np.array(list(ALTERNATIVES.values())), []
    values = plausibility(found, shares, log_cost, exponents, freedom=2, level=level)
    for name, others, value in zip(ALTERNATIVES, logs_at(shares, log_cost, exponents), values, strict=True):
        gain, low, high = interval(found, partial(_gap, logs=logs, others=others), scheffe)
        rows.append(Comparison(name, gain, low, high, bool(value < 1.0 - level and low > 0.0)))
    return tuple(rows)


def _gap(surface: Surface, *, logs: Array, others: Array) -> Array:
    """Returns the coefficients' factors in the height at `logs` minus that at `others`."""
    return np.asarray(surface.rows(logs) - surface.rows(others))


def _by_grid(points: tuple[ScaledPoint, ...], measured: Table, cost_multiple: float, level: float) -> RuleFit:
    """Returns the most accurate network near the paper's constraint; others not surely worse set the intervals.

    The set that holds the best with the confidence asked is that of Gupta 1965, with a Bonferroni quantile.
    """
    del cost_multiple  # the paper's grid is at phi = 1
    products = np.exp(measured.logs @ np.array(NOMINAL_EXPONENTS))
    admitted = np.abs(products - 2.0) <= NOMINAL_TOLERANCE + 1e-9
    networks = np.unique(measured.groups[admitted])
    if len(networks) < 2:
        raise ScalingError(
            f"the grid needs two or more networks with depth * width^2 * resolution^2 near 2, got {len(networks)}; "
            "measure what `grid_candidates` names, or fit by surface"
        )
    counts = np.array([(measured.groups == network).sum() for network in networks])
    means = np.array([measured.values[measured.groups == network].mean() for network in networks])
    logs = np.array([measured.logs[measured.groups == network][0] for network in networks])
    best = int(means.argmax())
    quantile = stdtrit(measured.pure_dof, 1.0 - (1.0 - level) / (len(networks) - 1))
    errors = np.sqrt(measured.pure_variance * (1.0 / counts + 1.0 / counts[best]))
    contenders = means >= means[best] - quantile * errors
    bases = np.exp(logs)
    parameters = tuple(
        Estimate(name, float(bases[best, i]), float(column.min()), float(column.max()))
        for i, (name, column) in enumerate(zip(NAMES, bases[contenders].T, strict=True))
    )
    rule = PowerRule("compound (grid)", *(float(base) for base in bases[best]))
    fitted = (
        measured.values
        - (np.bincount(measured.groups, measured.values) / np.bincount(measured.groups))[measured.groups]
    )
    return RuleFit(
        rule,
        rule,
        "grid",
        parameters,
        _grid_compared(logs, means, errors * quantile, best),
        float(contenders.mean()),
        2.0,
        NOMINAL_EXPONENTS,
        float(
            np.sqrt(
                np.mean((np.log(measured.costs[admitted]) - np.log(measured.costs[admitted]).mean()) ** 2)
            )
        ),
        math.sqrt(measured.pure_variance),
        measured.pure_dof,
        1.0,
        level,
        points,
        tuple(map(float, fitted)),
    )


def _grid_compared(logs: Array, means: Array, halves: Array, best: int) -> tuple[Comparison, ...]:
    """Returns the winner beside the alternatives that the grid holds (nearest within a twentieth of the cost)."""
    exponents = np.array(NOMINAL_EXPONENTS)
    shares = logs * exponents / (logs @ exponents)[:, None]
    rows = []
    for name, other in ALTERNATIVES.items():
        distances = np.abs(shares - np.array(other)).max(axis=1)
        nearest = int(distances.argmin())
        if distances[nearest] <= 0.05:
            gain, half = float(means[best] - means[nearest]), float(halves[nearest])
            rows.append(Comparison(name, gain, gain - half, gain + half, gain > half))
    return tuple(rows)


FITS: dict[str, Callable[[tuple[ScaledPoint, ...], Table, float, float], RuleFit]] = {
    "surface": _by_surface,
    "grid": _by_grid,
}
