"""Least squares of saturating power laws over a grid of exponents, and intervals from its profile.

Given the exponents a law is linear in everything else, so a fit is one batch of small linear systems over a grid of
exponents (variable projection, Golub and Pereyra 1973) and finds the global optimum. The basis of a size u (the
logarithm of size / reference) is (1 - exp(-p u)) / p, which tends to u as p tends to 0, so that a law that does not
saturate is as well conditioned as one that does. An interval is the set of values whose best fit is not worse than
the optimum by more than an F(1, dof) allows (profile likelihood); it follows the curvature that a linearised
interval misses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import fdtri

from scaling_rules.errors import Array

SMALLEST_EXPONENT = 0.02  # nearly logarithmic: nothing is seen to saturate
LARGEST_EXPONENT = 8.0  # a doubling gains all but 0.4 % of what is lacking
GRID_SIZES = {1: 241, 2: 33, 3: 17}  # exponents per variable, by the number of variables
ROUNDS = 3  # of closing in on the plausible exponents


@dataclass(frozen=True, slots=True)
class Profile:
    """The best fits over a grid of exponents."""

    exponents: Array  # [grid, variables]
    coefficients: Array  # [grid, 1 + variables]: value at the references, slopes there per logarithm
    inverses: Array  # [grid, 1 + variables, 1 + variables]: inverse of the weighted normal matrix
    losses: Array  # [grid]: weighted sums of squared residuals
    dof: int
    best: int

    @property
    def variance(self) -> float:
        """Of one observation of weight 1."""
        return float(self.losses[self.best]) / self.dof

    def threshold(self, level: float) -> float:
        """Returns the largest loss that the data allow at a confidence level."""
        return float(self.losses[self.best] + self.variance * fdtri(1, self.dof, level))

    def interval(self, rows: Array, level: float, *, noise: float = 0.0) -> tuple[float, float]:
        """Returns the profile interval of a quantity that is linear given the exponents.

        Args:
            rows: its coefficients per grid point: [grid, 1 + variables].
            level: of confidence, in (0, 1).
            noise: the variance of a new observation in units of `variance`; 0 for the mean.
        """
        centres = np.einsum("gi,gi->g", rows, self.coefficients)
        spreads = np.einsum("gi,gij,gj->g", rows, self.inverses, rows) + noise
        room = self.threshold(level) - self.losses
        allowed = room >= 0.0
        halves = np.sqrt(spreads[allowed] * room[allowed])
        return float((centres[allowed] - halves).min()), float((centres[allowed] + halves).max())

    def exponent_interval(self, variable: int, level: float) -> tuple[float, float]:
        """Returns the profile interval of one exponent; 0 or infinity where the data set no bound."""
        values = np.unique(self.exponents[:, variable])
        best = np.array([self.losses[self.exponents[:, variable] == value].min() for value in values])
        low, high = crossings(np.log(values), best, self.threshold(level))
        return (
            0.0 if low <= np.log(SMALLEST_EXPONENT) + 1e-9 else float(np.exp(low)),
            np.inf if high >= np.log(LARGEST_EXPONENT) - 1e-9 else float(np.exp(high)),
        )


def profile(logs: Array, values: Array, weights: Array) -> Profile:
    """Returns the profile of a law over the exponents that the data make plausible.

    Args:
        logs: logarithms of sizes over their references: [points, variables].
        values: what was measured: [points].
        weights: inverse variances, up to a factor: [points].
    """
    num_variables = logs.shape[1]
    size = GRID_SIZES[num_variables]
    axes = [np.geomspace(SMALLEST_EXPONENT, LARGEST_EXPONENT, size)] * num_variables
    found = _profile_on(axes, logs, values, weights)
    for _ in range(ROUNDS):
        allowed = found.exponents[found.losses <= found.threshold(0.999)]
        axes = [_closer(axis, allowed[:, k]) for k, axis in enumerate(axes)]
        found = _profile_on(axes, logs, values, weights)
    return found


def basis(logs: Array, exponents: Array) -> Array:
    """Returns the linear part's columns per set of exponents: [grid, points, 1 + variables]."""
    powers = exponents[:, None, :]
    columns = -np.expm1(-powers * logs[None]) / powers
    return np.concatenate([np.ones((*columns.shape[:2], 1)), columns], axis=2)


def crossings(axis: Array, losses: Array, threshold: float) -> tuple[float, float]:
    """Returns where a sampled curve first and last passes below a threshold, interpolated linearly."""
    below = np.flatnonzero(losses <= threshold)
    first, last = int(below[0]), int(below[-1])
    low, high = axis[first], axis[last]
    if first > 0:
        share = (losses[first - 1] - threshold) / (losses[first - 1] - losses[first])
        low = axis[first - 1] + share * (axis[first] - axis[first - 1])
    if last < len(axis) - 1:
        share = (losses[last + 1] - threshold) / (losses[last + 1] - losses[last])
        high = axis[last + 1] - share * (axis[last + 1] - axis[last])
    return float(low), float(high)


def _profile_on(axes: list[Array], logs: Array, values: Array, weights: Array) -> Profile:
    """Returns the best fits on the product of axes of exponents."""
    exponents = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    columns = basis(logs, exponents)
    weighted = columns * weights[None, :, None]
    normal = np.swapaxes(weighted, 1, 2) @ columns
    inverses = np.asarray(np.linalg.pinv(normal, hermitian=True), dtype=np.float64)
    coefficients = np.einsum("gij,gnj,n->gi", inverses, weighted, values)
    residuals = values - np.einsum("gni,gi->gn", columns, coefficients)
    losses = (residuals**2) @ weights
    dof = len(values) - 1 - 2 * len(axes)
    return Profile(exponents, coefficients, inverses, losses, dof, int(losses.argmin()))


def _closer(axis: Array, allowed: Array) -> Array:
    """Returns an axis of as many exponents around the allowed ones, with one step of the old one beyond."""
    step = axis[1] / axis[0]
    low = max(SMALLEST_EXPONENT, allowed.min() / step)
    high = min(LARGEST_EXPONENT, allowed.max() * step)
    return np.geomspace(low, high, len(axis))
