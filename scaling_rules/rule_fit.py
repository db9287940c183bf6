"""The scaling rule that measurements of scaled networks show, with what they leave open.

Two methods share one interface. `grid` is the paper's (EfficientNet, section 3.3, step 1): of the measured
networks with alpha * beta^2 * gamma^2 near 2, the most accurate. `surface` uses every measurement, at any cost: a
response surface over log-multipliers, of which the rule is the peak where the *measured* cost of the *rounded* networks
is doubled, as far as the data show it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import fdtri, stdtrit

from scaling_rules import plain_json
from scaling_rules.errors import Array, ScalingError, fraction
from scaling_rules.law_fit import Estimate
from scaling_rules.rule import NOMINAL_EXPONENTS, PowerRule, shared_rule
from scaling_rules.scaled_points import ScaledPoint, Table, cost_law, lack_of_fit, table
from scaling_rules.surface import (
    ADDITIVE,
    FULL,
    Surfaces,
    difference,
    features,
    grid_between,
    implausibility,
    logs_at,
    peak,
    surfaces,
    triangle,
    with_noise,
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
FULL_NETWORKS = 12  # different networks from which interactions are estimated too
LEAST_NETWORKS = 8
POOR_FIT = 0.01  # p-value below which misses of the surface count as noise


@dataclass(frozen=True, slots=True)
class Plausible:
    """Shares of log cost that the data leave plausible: their mean by likelihood, bounds, and how many."""

    mean: Array  # [3]
    lows: Array  # [3]
    highs: Array  # [3]
    region: float  # joint, as a share of the triangle


@dataclass(frozen=True, slots=True)
class Comparison:
    """The fitted rule beside another at equal cost.

    Attributes:
        name: of the other.
        gain: predicted value of the fitted rule minus the other's.
        low, high: interval of the gain, simultaneous over all pairs of rules (Scheffe), because the fitted one was
            chosen by the data; pairwise against the grid's winner.
        distinguishable: whether the data rule out that the other is the best, and that it is as good.
    """

    name: str
    gain: float
    low: float
    high: float
    distinguishable: bool


@dataclass(frozen=True, slots=True)
class RuleFit:
    """A fitted rule and what it rests on.

    Attributes:
        rule: the mean of the rules that the data leave plausible, weighted by likelihood; phi counts doublings of
            the measured cost. Where the data are clear it is the peak; where they are not, the peak jumps
            about, and this errs about half as much (docs/scaling.md has the measurement).
        peak: the surface's maximum at that cost, as its best fit has it.
        method: `surface` or `grid`.
        parameters: alpha, beta and gamma with intervals, each at `level`.
        comparisons: with width, depth and resolution alone, dWr, and EfficientNet's constants, at equal cost.
        region: share of all rules that the data leave possible jointly at `level`; small is well determined.
        cost_multiple: at which the rule was sought.
        cost_exponents: measured cost grows as depth^e0 * width^e1 * resolution^e2.
        cost_error: root mean square of log(measured / fitted cost).
        noise: standard deviation of one training.
        dof: degrees of freedom of the noise.
        lack_of_fit: p-value of the surface's misses against repeats; misses count as noise below 0.01.
        level: confidence of the intervals.
        points: what was fitted to.
        residuals: per point, observed minus fitted.
    """

    rule: PowerRule
    peak: PowerRule
    method: str
    parameters: tuple[Estimate, ...]
    comparisons: tuple[Comparison, ...]
    region: float
    cost_multiple: float
    cost_exponents: tuple[float, ...]
    cost_error: float
    noise: float
    dof: int
    lack_of_fit: float
    level: float
    points: tuple[ScaledPoint, ...]
    residuals: tuple[float, ...]

    @property
    def verdict(self) -> str:
        """One sentence: which simpler rules the data cannot tell from the fitted one."""
        alike = [row.name for row in self.comparisons if not row.distinguishable]
        if alike:
            return f"not distinguishable from {_listed(alike)} at {self.level:.0%} confidence"
        return f"distinguishable from {_listed([row.name for row in self.comparisons])} at {self.level:.0%} confidence"

    def contains(self, alpha: float, beta: float, gamma: float) -> bool:
        """Returns whether a rule lies in the joint confidence region (of its direction; its length does not matter).

        Raises:
            ScalingError: a factor is below 1 or all are 1.
        """
        logs = np.log([alpha, beta, gamma])
        if logs.min() < 0.0 or logs.max() == 0.0:
            raise ScalingError(
                f"factors must be at least 1 and one greater, got {(alpha, beta, gamma)}; a rule grows"
            )
        spent = logs * self.cost_exponents
        shares = spent / spent.sum()
        if self.method == "grid":
            bounds = zip(NAMES, self._bases(shares), self.parameters, strict=True)
            return all(row.low - 1e-9 <= base <= row.high + 1e-9 for _, base, row in bounds)
        found, log_cost, exponents = self.surfaces()
        [against] = implausibility(found, shares[None], log_cost, exponents)
        return bool(against <= 2.0 * fdtri(2, found.dof, self.level))

    def bootstrap(self, *, rng: np.random.Generator, num_draws: int = 1_000) -> Array:
        """Returns rules of refits to resampled residuals, (alpha, beta, gamma) each: [draws, 3].

        A cloud to draw as the joint region. The region of `contains` covers better (docs/scaling.md).

        Raises:
            ScalingError: the fit is the grid's.
        """
        found, log_cost, exponents = self.surfaces()
        best = found.best
        measured = table(self.points)
        residuals = np.array(self.residuals)
        residuals = residuals * math.sqrt(found.variance / np.mean(residuals**2))
        fitted = best.heights(measured.logs)
        rows = best.rows(measured.logs)
        drawn = fitted + rng.choice(residuals, (num_draws, len(fitted)))
        coefficients = drawn @ rows @ best.inverse  # [draws, terms]
        shares = triangle(60)
        heights = best.rows(logs_at(shares, log_cost, exponents)) @ coefficients.T
        return np.array([self._bases(row) for row in shares[heights.argmax(axis=0)]])

    def predict(self, depth: float, width: float, resolution: float) -> float:
        """Returns the surface's value at multipliers as built.

        Raises:
            ScalingError: the fit is the grid's, which predicts nothing.
        """
        found, _, _ = self.surfaces()
        return float(found.best.heights(np.log([depth, width, resolution])))

    def _bases(self, shares: Array) -> tuple[float, float, float]:
        alpha, beta, gamma = (
            2.0 ** (share / e) for share, e in zip(shares, self.cost_exponents, strict=True)
        )
        return float(alpha), float(beta), float(gamma)

    def surfaces(self) -> tuple[Surfaces, float, Array]:
        """Returns the surfaces behind the fit, the logarithm of its cost multiple, and the cost's exponents.

        Raises:
            ScalingError: the fit is the grid's.
        """
        if self.method != "surface":
            raise ScalingError(f"this needs a fit by surface, got one by {self.method}; fit by surface")
        found, _ = _measured_surfaces(table(self.points))
        return found, math.log(self.cost_multiple), np.array(self.cost_exponents)

    def __str__(self) -> str:
        lines = [str(self.rule), *map(str, self.parameters), self.verdict]
        lines += [
            f"against {c.name}: {c.gain:+.4f} ({c.low:+.4f} to {c.high:+.4f})" for c in self.comparisons
        ]
        return "\n".join(lines)

    def to_json(self) -> str:
        """Returns the fit, with its points, as one line of JSON."""
        return plain_json.dumps(self)

    @classmethod
    def from_json(cls, text: str) -> RuleFit:
        """Returns the fit that `to_json` wrote."""
        return plain_json.loads(cls, text)


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


def _by_surface(
    points: tuple[ScaledPoint, ...], measured: Table, cost_multiple: float, level: float
) -> RuleFit:
    """Returns the peak of the response surface."""
    _, exponents, cost_error = cost_law(measured)
    found, misfit = _measured_surfaces(measured)
    log_cost = math.log(cost_multiple)
    top = peak(found.best, log_cost, exponents)
    plausible = _plausible(found, top, log_cost, exponents, level)
    rule = shared_rule("compound", tuple(plausible.mean / plausible.mean.sum()), exponents=tuple(exponents))
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
        _compared(found, plausible.mean, log_cost, exponents, level),
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


def _measured_surfaces(measured: Table) -> tuple[Surfaces, float]:
    """Returns the surfaces through measurements and the p-value of their misses, which widen the noise."""
    num_terms = _num_terms(measured)
    found = surfaces(measured.logs, measured.values, num_terms)
    misfit, missing, dof = lack_of_fit(measured, found.best.loss, num_terms + 1)
    if misfit < POOR_FIT:
        found = with_noise(found, missing, dof)
    return found, misfit


def _num_terms(measured: Table) -> int:
    """Returns how many coefficients the different networks determine."""
    networks = np.unique(measured.logs, axis=0)
    for terms, least in ((FULL, FULL_NETWORKS), (ADDITIVE, LEAST_NETWORKS)):
        enough = len(networks) >= least and len(measured.values) >= terms + 3
        if enough and np.linalg.matrix_rank(features(networks, terms), tol=1e-6) == terms:
            return terms
    raise ScalingError(
        f"a surface needs at least {LEAST_NETWORKS} different networks with three sizes of each dimension, and "
        f"{ADDITIVE + 3} trainings, got {len(networks)} and {len(measured.values)}; measure what `next_points` names"
    )


def _plausible(found: Surfaces, best: Array, log_cost: float, exponents: Array, level: float) -> Plausible:
    """Returns which shares the data leave plausible, on a grid that closes in on them."""
    single, joint = float(fdtri(1, found.dof, level)), 2.0 * float(fdtri(2, found.dof, level))
    shares = triangle(40)
    against = implausibility(found, shares, log_cost, exponents)
    region, cell = float((against <= joint).mean()), np.full(3, 1.0 / 40)
    for _ in range(2):
        near = np.concatenate([shares[against <= 3.0 * single], best[None]])
        low = np.clip(near.min(axis=0) - cell, 0.0, 1.0)
        high = np.clip(near.max(axis=0) + cell, 0.0, 1.0)
        cell = (high - low) / 60
        shares = np.concatenate([grid_between(low, high, 61), best[None]])
        against = implausibility(found, shares, log_cost, exponents)
        against[-1] = min(against[-1], 0.0)
    inside = shares[against <= single]
    low, high = inside.min(axis=0), inside.max(axis=0)
    weights = np.exp(-against / 2.0)
    return Plausible(
        weights @ shares / weights.sum(),
        np.where(low <= cell / 2.0, 0.0, low - cell / 2.0),
        np.where(high >= 1.0 - cell / 2.0, 1.0, high + cell / 2.0),
        region,
    )


def _compared(
    found: Surfaces, best: Array, log_cost: float, exponents: Array, level: float
) -> tuple[Comparison, ...]:
    """Returns the peak beside each alternative."""
    joint = 2.0 * float(fdtri(2, found.dof, level))
    scheffe = 5.0 * float(fdtri(5, found.dof, level))  # a quadratic has 5 degrees of freedom on a plane
    logs = logs_at(best, log_cost, exponents)
    rows = []
    for name, shares in ALTERNATIVES.items():
        other = np.array(shares)
        [against] = implausibility(found, other[None], log_cost, exponents)
        gain, low, high = difference(found, logs, logs_at(other, log_cost, exponents), scheffe)
        rows.append(Comparison(name, gain, low, high, bool(against > joint and low > 0.0)))
    return tuple(rows)


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


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


FITS = {"surface": _by_surface, "grid": _by_grid}
