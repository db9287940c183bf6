"""A response surface over log-multipliers, and where on an iso-cost plane it may peak.

The surface is a quadratic in z = (1 - multiplier^-bend) / bend of depth, width and resolution. Bend 0 is the
classical one, z = log multiplier; with a greater bend every dimension saturates as a power law does, which a
quadratic in logarithms follows badly. The bend is estimated with the rest (as by Box and Tidwell 1962).

On the plane where depth^k0 * width^k1 * resolution^k2 = C a rule is a point of a triangle: the shares of log C
that depth, width and resolution receive. At the peak a little more of log C is worth the same on every dimension
with a share, and no more on one without (Karush-Kuhn-Tucker). Given the bend that worth is linear in the
coefficients, so whether a point may be the peak is an F test (Box and Hunter 1954), exact under normal noise. No
Hessian is inverted: where the data do not show the peak, the region is large instead of small and wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc, fdtri

from scaling_rules.errors import Array, Flags

BENDS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5)
FULL, ADDITIVE = 10, 7  # coefficients with and without interactions
PAIRS = ((0, 1), (0, 2), (1, 2))
PLANE_FREEDOM = 5  # degrees of freedom of a quadratic's differences on a plane
NUM_DRAWS = 200
NEGLIGIBLE = 1e-3  # likelihood of a bend, over the best's, below which it is left out of means
HOPELESS = 30.0  # variances by which a bend's loss may exceed the best before it is left out (p < 1e-6)


@dataclass(frozen=True, slots=True)
class Surface:
    """The least-squares quadratic of one bend."""

    bend: float
    coefficients: Array  # [terms]
    inverse: Array  # [terms, terms]: the coefficients' covariance over the noise's variance
    loss: float  # sum of squared residuals

    def heights(self, logs: Array) -> Array:
        """Returns the surface at log-multipliers: [..., 3] to [...]."""
        return np.asarray(self.rows(logs) @ self.coefficients)

    def rows(self, logs: Array) -> Array:
        """Returns the coefficients' factors at log-multipliers: [..., terms]."""
        return features(_bent(logs, self.bend), len(self.coefficients))

    def worths(self, logs: Array, exponents: Array) -> Array:
        """Returns the factors in the worth of log cost spent on each dimension: [..., 3, terms]."""
        bent = slopes(_bent(logs, self.bend), len(self.coefficients))
        return np.asarray(bent * (np.exp(-self.bend * logs) / exponents)[..., None])


@dataclass(frozen=True, slots=True)
class Surfaces:
    """The surfaces that the data leave possible, one per bend, and the noise."""

    candidates: tuple[Surface, ...]
    best: Surface
    variance: float  # of one observation
    dof: int

    def extra_loss(self, surface: Surface) -> float:
        """Returns by how many variances a surface fits worse than the best."""
        return (surface.loss - self.best.loss) / self.variance


def surfaces(logs: Array, values: Array, num_terms: int) -> Surfaces:
    """Returns the surfaces through values [n] at log-multipliers [n, 3]; n exceeds `num_terms` + 1."""
    fitted = [_least_squares(bend, logs, values, num_terms) for bend in BENDS]
    best = min(fitted, key=lambda surface: surface.loss)
    dof = len(values) - num_terms - 1  # the bend is one more
    variance = max(best.loss / dof, np.finfo(float).tiny)
    return Surfaces(_possible(fitted, best, variance), best, variance, dof)


def with_noise(found: Surfaces, variance: float, dof: int) -> Surfaces:
    """Returns the surfaces under another estimate of the noise."""
    return Surfaces(_possible(found.candidates, found.best, variance), found.best, variance, dof)


def features(coordinates: Array, num_terms: int = FULL) -> Array:
    """Returns 1, three coordinates, their halved squares and (when full) products: [..., terms]."""
    parts = [np.ones(coordinates.shape[:-1]), *np.moveaxis(coordinates, -1, 0)]
    parts += list(np.moveaxis(coordinates**2 / 2.0, -1, 0))
    if num_terms == FULL:
        parts += [coordinates[..., i] * coordinates[..., j] for i, j in PAIRS]
    return np.stack(parts, axis=-1)


def slopes(coordinates: Array, num_terms: int = FULL) -> Array:
    """Returns the derivatives of `features` by each coordinate: [..., 3, terms]."""
    rows = np.zeros((*coordinates.shape[:-1], 3, num_terms))
    for i in range(3):
        rows[..., i, 1 + i] = 1.0
        rows[..., i, 4 + i] = coordinates[..., i]
    if num_terms == FULL:
        for column, (i, j) in enumerate(PAIRS, start=ADDITIVE):
            rows[..., i, column] = coordinates[..., j]
            rows[..., j, column] = coordinates[..., i]
    return rows


def triangle(steps: int) -> Array:
    """Returns the shares (depth, width, resolution) on a regular grid: [(steps + 1)(steps + 2) / 2, 3]."""
    first, second = np.meshgrid(np.arange(steps + 1), np.arange(steps + 1), indexing="ij")
    inside = first + second <= steps
    counts = np.stack([first[inside], second[inside], steps - first[inside] - second[inside]], axis=1)
    return counts / steps


def logs_at(shares: Array, log_cost: float, exponents: Array) -> Array:
    """Returns the log-multipliers that spend `log_cost` by shares."""
    return np.asarray(shares * log_cost / exponents)


def peak(surface: Surface, log_cost: float, exponents: Array) -> Array:
    """Returns the shares at which a surface is highest on the iso-cost triangle: [3]."""
    shares = triangle(40)
    best = shares[surface.heights(logs_at(shares, log_cost, exponents)).argmax()]
    for radius in (0.03, 0.002):
        shares = grid_between(best - radius, best + radius, 31)
        best = shares[surface.heights(logs_at(shares, log_cost, exponents)).argmax()]
    return np.asarray(best)


def mean_peak(found: Surfaces, log_cost: float, exponents: Array) -> Array:
    """Returns the mean of the peaks of all surfaces that the data leave possible: [3] shares.

    An integral over the coefficients' normal distribution and the bends, by the same draws every time, so that it
    is a function of the measurements. Where the data are clear it is the peak; where they are not, the peak jumps
    from edge to edge and this stays in between.
    """
    shares = triangle(40)
    logs = logs_at(shares, log_cost, exponents)
    normals = np.random.default_rng(0).standard_normal((NUM_DRAWS, len(found.best.coefficients)))
    total, weights = np.zeros(3), 0.0
    for surface, weight in _weighted(found):
        spreads, axes = np.linalg.eigh(surface.inverse * found.variance)
        drawn = surface.coefficients + normals @ (axes * np.sqrt(np.maximum(spreads, 0.0))).T
        total += weight * shares[(surface.rows(logs) @ drawn.T).argmax(axis=0)].mean(axis=0)
        weights += weight
    tops = peak(found.best, log_cost, exponents)
    mean = total / weights
    # The grid of draws is coarse: where they all but agree, the peak itself is nearer.
    return np.asarray(tops if np.abs(mean - tops).max() < 0.5 / 40 else mean)


def plausibility(found: Surfaces, shares: Array, log_cost: float, exponents: Array, *, freedom: int) -> Array:
    """Returns the p-values of a peak at each point of shares: [n].

    Per bend it is the F test; over bends their mean, weighted by likelihood. (The best over bends instead covered
    up to 97.6 % where 95 % was meant, the best bend alone down to 90 %.) Minima and saddles satisfy the same
    equations; they get 0 where they lie surely below the top (Scheffe's bound over all pairs of points, at 99 %).

    Args:
        found: the surfaces.
        shares: where to test.
        log_cost: logarithm of the cost multiple of the plane.
        exponents: of the cost.
        freedom: 2 for a joint region; 1 for the interval of one share (from the greatest p over the others).
    """
    logs, index = logs_at(shares, log_cost, exponents), np.arange(len(shares))
    reference = shares.argmax(axis=1)  # has a share, so its worth is the price of cost
    others = np.array([[1, 2], [0, 2], [0, 1]])[reference]
    equal = shares[index[:, None], others] > 1e-12  # a dimension without a share may be worth less
    total, weights = np.zeros(len(shares)), 0.0
    for surface, weight in _weighted(found):
        worths = surface.worths(logs, exponents)
        rows = worths[index[:, None], others] - worths[index, reference][:, None]  # [n, 2, terms]
        gaps, covariance = rows @ surface.coefficients, rows @ surface.inverse @ np.swapaxes(rows, 1, 2)
        distance = _distance(gaps, covariance, equal) / found.variance
        values = fdtrc(freedom, found.dof, np.maximum(distance, 0.0) / freedom)
        values[_surely_below_top(found, surface, logs, log_cost, exponents)] = 0.0
        total, weights = total + weight * values, weights + weight
    return total / weights


def interval(
    found: Surfaces, row_of: Callable[[Surface], Array], allowance: float, *, new: bool = False
) -> tuple[float, float, float]:
    """Returns a quantity that is linear in the coefficients, and its interval over all possible surfaces.

    Args:
        found: the surfaces.
        row_of: the quantity's factors of a surface's coefficients: [terms].
        allowance: squared standard errors that the interval reaches; F(1, dof) for what was named beforehand.
        new: whether the interval is for one new training, with its noise.
    """
    lows, highs = [], []
    for surface in found.candidates:
        row, room = row_of(surface), allowance - found.extra_loss(surface)
        if room >= 0.0:
            centre = float(row @ surface.coefficients)
            half = float(np.sqrt((row @ surface.inverse @ row + new) * found.variance * room))
            lows.append(centre - half)
            highs.append(centre + half)
    return float(row_of(found.best) @ found.best.coefficients), min(lows), max(highs)


def grid_between(low: Array, high: Array, size: int) -> Array:
    """Returns shares on a grid inside a box and the triangle, with the triangle's edges inside the box.

    Args:
        low: the least shares: [3]; below 0 counts as 0.
        high: the greatest: [3].
        size: points along depth, and along width.
    """
    low, high = np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)
    depths, widths = np.linspace(low[0], high[0], size), np.linspace(low[1], high[1], size)
    first, second = (grid.ravel() for grid in np.meshgrid(depths, widths))
    shares = np.stack([first, second, 1.0 - first - second], axis=1)
    edge = np.stack([depths, 1.0 - depths, np.zeros(size)], axis=1)  # the other two edges lie on the axes
    shares = np.concatenate([shares, edge, np.eye(3)])
    slack = 1e-9 + (high - low) / size
    inside = ((shares >= np.maximum(low - slack, 0.0)) & (shares <= high + slack)).all(axis=1)
    return np.asarray(shares[inside])


def _least_squares(bend: float, logs: Array, values: Array, num_terms: int) -> Surface:
    rows = features(_bent(logs, bend), num_terms)
    inverse = np.asarray(np.linalg.pinv(rows.T @ rows, hermitian=True), dtype=np.float64)
    coefficients = inverse @ (rows.T @ values)
    return Surface(bend, coefficients, inverse, float(((values - rows @ coefficients) ** 2).sum()))


def _possible(fitted: Iterable[Surface], best: Surface, variance: float) -> tuple[Surface, ...]:
    return tuple(surface for surface in fitted if surface.loss - best.loss <= HOPELESS * variance)


def _weighted(found: Surfaces) -> Iterator[tuple[Surface, float]]:
    """Yields the surfaces with their likelihoods over the best's."""
    for surface in found.candidates:
        weight = float(np.exp(-found.extra_loss(surface) / 2.0))
        if weight > NEGLIGIBLE:
            yield surface, weight


def _surely_below_top(
    found: Surfaces, surface: Surface, logs: Array, log_cost: float, exponents: Array
) -> Flags:
    """Returns which points lie below the surface's top by more than noise explains: [n]."""
    everywhere = surface.rows(logs_at(triangle(20), log_cost, exponents))
    rows = everywhere[(everywhere @ surface.coefficients).argmax()] - surface.rows(logs)
    below = rows @ surface.coefficients
    variances = np.einsum("ni,ij,nj->n", rows, surface.inverse, rows) * found.variance
    bound = PLANE_FREEDOM * fdtri(PLANE_FREEDOM, found.dof, 0.99)
    return np.asarray((below > 0.0) & (below**2 > bound * variances))


def _bent(logs: Array, bend: float) -> Array:
    return logs if bend == 0.0 else np.asarray(-np.expm1(-bend * logs) / bend)


def _distance(gaps: Array, covariance: Array, equal: Flags) -> Array:
    """Returns the squared distance of gaps [n, 2] from those permitted: 0 where `equal`, else at most 0."""
    (a, b), (va, vb, c) = gaps.T, (covariance[:, 0, 0], covariance[:, 1, 1], covariance[:, 0, 1])
    both = (vb * a**2 - 2.0 * c * a * b + va * b**2) / (va * vb - c**2)
    b_settles = ~equal[:, 1] & (b - c / va * a <= 0.0) & (equal[:, 0] | (a > 0.0))  # once a is 0
    a_settles = ~equal[:, 0] & (a - c / vb * b <= 0.0) & (equal[:, 1] | (b > 0.0))
    distance = np.where(b_settles, a**2 / va, np.where(a_settles, b**2 / vb, both))
    inside = ~equal.any(axis=1) & (a <= 0.0) & (b <= 0.0)
    return np.asarray(np.where(inside, 0.0, distance))
