"""A response surface over log-multipliers, and where on an iso-cost plane it may peak.

The surface is a quadratic in z_k = (1 - multiplier_k^-bend_k) / bend_k of depth, width and resolution. Bend 0 is the
classical one, z = log multiplier; with a greater bend a dimension saturates as a power law does, which a quadratic in
logarithms follows badly. The bends are estimated with the rest (as by Box and Tidwell 1962), one for each dimension:
with one for all three, a truth whose dimensions saturate differently (exponents 2.2, 0.5 and 0.5) lay in its 95 %
region in 54 % of simulations. The squares stay beside the bends because the bends stand on a coarse grid, and because
accuracies may also fall beyond a size, which no power law does.

On the plane where depth^k0 * width^k1 * resolution^k2 = C a rule is a point of a triangle: the shares of log C
that depth, width and resolution receive. At the peak a little more of log C is worth the same on every dimension
with a share, and no more on one without (Karush-Kuhn-Tucker). Given the bends that worth is linear in the
coefficients, so whether a point may be the peak is an F test (Box and Hunter 1954), exact under normal noise; over
bends it is the profile's: the surface that peaks there and fits best is compared with the best of all (Bates and
Watts 1988, section 6.1). No Hessian is inverted: where the data do not show the peak, the region is large instead of
small and wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy.special import fdtrc, fdtri

from scaling_rules.errors import Array, Flags

BENDS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)  # of each dimension; steps of 0.8 covered down to 81 %
NUM_BENDS = 3  # estimated, one per dimension
FULL, ADDITIVE = 10, 7  # coefficients with and without interactions
PAIRS = ((0, 1), (0, 2), (1, 2))
FAR = 1e9  # variances
PLANE_FREEDOM = 5  # degrees of freedom of a quadratic's differences on a plane
NUM_DRAWS = 2_000  # of surfaces, over all bends
LEAST_DRAWS = 16  # of one bend
NEGLIGIBLE = 1e-3  # likelihood of bends, over the best's, below which they are left out of means
HOPELESS = 1e-4  # p-value below which bends, and places of a peak, are left out altogether


@dataclass(frozen=True, slots=True)
class Surface:
    """The least-squares quadratic of one choice of bends."""

    bends: Array  # [3]
    coefficients: Array  # [terms]
    inverse: Array  # [terms, terms]: the coefficients' covariance over the noise's variance
    loss: float  # sum of squared residuals

    def heights(self, logs: Array) -> Array:
        """Returns the surface at log-multipliers: [..., 3] to [...]."""
        return np.asarray(self.rows(logs) @ self.coefficients)

    def rows(self, logs: Array) -> Array:
        """Returns the coefficients' factors at log-multipliers: [..., terms]."""
        return features(_bent(logs, self.bends), len(self.coefficients))

    def worths(self, logs: Array, exponents: Array) -> Array:
        """Returns the factors in the worth of log cost spent on each dimension: [..., 3, terms]."""
        bent = slopes(_bent(logs, self.bends), len(self.coefficients))
        return np.asarray(bent * (np.exp(-self.bends * logs) / exponents)[..., None])


@dataclass(frozen=True, slots=True)
class Surfaces:
    """The surfaces that the data leave possible, one per choice of bends, and the noise."""

    candidates: tuple[Surface, ...]  # the best first
    best: Surface
    variance: float  # of one observation
    dof: int

    @property
    def room(self) -> float:
        """By how many variances a surface may fit worse than the best before it is hopeless."""
        return 2.0 * float(fdtri(2, self.dof, 1.0 - HOPELESS))

    def extra_loss(self, surface: Surface) -> float:
        """Returns by how many variances a surface fits worse than the best."""
        return (surface.loss - self.best.loss) / self.variance


def surfaces(logs: Array, values: Array, num_terms: int) -> Surfaces:
    """Returns the surfaces through values [n] at log-multipliers [n, 3], of which some are repeated."""
    bends = np.array(list(product(BENDS, repeat=3)))
    rows = features(_bent(logs, bends[:, None]), num_terms)  # [bends, n, terms]
    turned = np.swapaxes(rows, 1, 2)
    inverses = np.asarray(np.linalg.pinv(turned @ rows, hermitian=True), dtype=np.float64)
    coefficients = np.einsum("gij,gj->gi", inverses, turned @ values)
    losses = ((values - np.einsum("gni,gi->gn", rows, coefficients)) ** 2).sum(axis=1)
    fitted = [
        Surface(bends[g], coefficients[g], inverses[g], float(losses[g]))
        for g in losses.argsort(kind="stable")
    ]
    # A surface of more parameters than networks goes through their means: what is left is repeats'.
    num_networks = len(np.unique(np.round(logs, 12), axis=0))
    dof = len(values) - min(num_networks, num_terms + NUM_BENDS)
    variance = max(fitted[0].loss / dof, np.finfo(float).tiny)
    return with_noise(Surfaces(tuple(fitted), fitted[0], variance, dof), variance, dof)


def with_noise(found: Surfaces, variance: float, dof: int) -> Surfaces:
    """Returns the surfaces that are possible under another estimate of the noise."""
    other = replace(found, variance=variance, dof=dof)
    possible = tuple(one for one in found.candidates if other.extra_loss(one) <= other.room)
    return replace(other, candidates=possible)


def features(coordinates: Array, num_terms: int = FULL) -> Array:
    """Returns 1, three coordinates, their halved squares and (when full) products: [..., terms]."""
    rows = np.empty((*coordinates.shape[:-1], num_terms))
    rows[..., 0] = 1.0
    rows[..., 1:4] = coordinates
    rows[..., 4:7] = coordinates**2 / 2.0
    if num_terms == FULL:
        for column, (i, j) in enumerate(PAIRS, start=ADDITIVE):
            rows[..., column] = coordinates[..., i] * coordinates[..., j]
    return rows


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
    weights = np.exp([-found.extra_loss(surface) / 2.0 for surface in found.candidates])
    likely = [one for one, weight in zip(found.candidates, weights, strict=True) if weight > NEGLIGIBLE]
    weights = weights[: len(likely)] / weights[: len(likely)].sum()  # the best are the first
    size = len(likely), max(LEAST_DRAWS, NUM_DRAWS // len(likely)), len(found.best.coefficients)
    spreads, axes = np.linalg.eigh(np.array([one.inverse for one in likely]) * found.variance)
    normals = np.random.default_rng(0).standard_normal(size) * np.sqrt(np.maximum(spreads, 0.0))[:, None]
    drawn = np.array([one.coefficients for one in likely])[:, None] + normals @ np.swapaxes(axes, 1, 2)
    rows = features(_bent(logs, np.array([one.bends for one in likely])[:, None]), size[-1])
    highest = (rows @ np.swapaxes(drawn, 1, 2)).argmax(axis=1)  # [bends, draws]
    mean = weights @ shares[highest].mean(axis=1)
    tops = peak(found.best, log_cost, exponents)
    # The grid of draws is coarse: where they all but agree, the peak itself is nearer.
    return np.asarray(tops if np.abs(mean - tops).max() < 0.5 / 40 else mean)


def plausibility(
    found: Surfaces, shares: Array, log_cost: float, exponents: Array, *, freedom: int, level: float = 0.95
) -> Array:
    """Returns the p-values of a peak at each point of shares: [n].

    Args:
        found: the surfaces.
        shares: where to test.
        log_cost: logarithm of the cost multiple of the plane.
        exponents: of the cost.
        freedom: 2 for a joint region; 1 for the interval of one share (from the greatest p over the others).
        level: confidence with which a point lies below the top when it gets 0.
    """
    far = distances(found, shares, log_cost, exponents, level=level)
    return np.asarray(fdtrc(freedom, found.dof, far / freedom))


def distances(
    found: Surfaces,
    shares: Array,
    log_cost: float,
    exponents: Array,
    *,
    enough: float = 0.0,
    level: float = 0.95,
) -> Array:
    """Returns by how many variances surfaces that peak at each point of shares fit worse than the best: [n].

    The least over all bends. (Means over bends, weighted by likelihood, covered down to 89 % where 95 % was meant.)
    Minima, saddles and lower peaks satisfy the same equations as the top; they are at a distance of 1e9 where they
    lie surely below it.

    Args:
        found: the surfaces.
        shares: where to look.
        log_cost: logarithm of the cost multiple of the plane.
        exponents: of the cost.
        enough: a distance at which a point is near enough for no nearer surface to be sought.
        level: confidence of what lies surely below the top (Scheffe's bound over all pairs of points).
    """
    logs, plane = (logs_at(some, log_cost, exponents) for some in (shares, triangle(20)))
    least, scheffe = np.full(len(shares), FAR), PLANE_FREEDOM * float(fdtri(PLANE_FREEDOM, found.dof, level))
    for surface in found.candidates:
        extra = found.extra_loss(surface)
        rest = np.flatnonzero(least > max(extra, enough))
        if len(rest):
            further = extra + _to_peak(surface, shares[rest], logs[rest], exponents) / found.variance
            nearer = (further < least[rest]) & (further <= found.room)
            rest, further = rest[nearer], further[nearer]
            further[_below_top(surface, logs[rest], plane) / found.variance > scheffe - extra] = FAR
            least[rest] = np.minimum(least[rest], further)
    return least


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


def _to_peak(surface: Surface, shares: Array, logs: Array, exponents: Array) -> Array:
    """Returns how much loss it costs a surface to peak at points: [n]."""
    index, reference = (
        np.arange(len(shares)),
        shares.argmax(axis=1),
    )  # has a share: its worth is the price of cost
    others = np.array([[1, 2], [0, 2], [0, 1]])[reference]
    equal = shares[index[:, None], others] > 1e-12  # a dimension without a share may be worth less
    worths = surface.worths(logs, exponents)
    first, second = (worths[index, others[:, i]] - worths[index, reference] for i in (0, 1))
    moved = first @ surface.inverse
    variances = (moved * first).sum(axis=1), (second @ surface.inverse * second).sum(axis=1)
    gaps = first @ surface.coefficients, second @ surface.coefficients
    return np.maximum(_distance(gaps, variances, (moved * second).sum(axis=1), equal), 0.0)


def _below_top(surface: Surface, logs: Array, plane: Array) -> Array:
    """Returns how much loss it costs a surface that points are as high as its top on a plane: [n]."""
    rows = surface.rows(plane[surface.heights(plane).argmax()]) - surface.rows(logs)
    below = np.maximum(rows @ surface.coefficients, 0.0)
    spreads = np.maximum((rows @ surface.inverse * rows).sum(axis=1), np.finfo(float).tiny)  # 0 at the top
    return np.asarray(below**2 / spreads)


def _bent(logs: Array, bends: Array) -> Array:
    powers = np.maximum(bends, 1e-9)  # the logarithm, to nine digits
    return np.asarray(-np.expm1(-powers * logs) / powers)


def _distance(
    gaps: tuple[Array, Array], variances: tuple[Array, Array], covariance: Array, equal: Flags
) -> Array:
    """Returns the squared distance of two gaps [n] from those permitted: 0 where `equal` [n, 2], else at most 0."""
    (a, b), (va, vb), c = gaps, variances, covariance
    both = (vb * a**2 - 2.0 * c * a * b + va * b**2) / (va * vb - c**2)
    b_settles = ~equal[:, 1] & (b - c / va * a <= 0.0) & (equal[:, 0] | (a > 0.0))  # once a is 0
    a_settles = ~equal[:, 0] & (a - c / vb * b <= 0.0) & (equal[:, 1] | (b > 0.0))
    distance = np.where(b_settles, a**2 / va, np.where(a_settles, b**2 / vb, both))
    inside = ~equal.any(axis=1) & (a <= 0.0) & (b <= 0.0)
    return np.asarray(np.where(inside, 0.0, distance))
