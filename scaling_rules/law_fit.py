"""Fits of saturating power laws, with intervals, and the comparison of laws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scaling_rules import plain_json
from scaling_rules.errors import Array, ScalingError, fraction, numbers
from scaling_rules.law import Law, size_table
from scaling_rules.profile import SMALLEST_EXPONENT, Profile, basis, profile

HUBER = 1.345  # standard deviations; 95 % efficient under normal noise (Huber 1981)
PRIOR_DOF = 4  # how many observations the pooled variance counts for at a size (see `repeat_weights`)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A parameter and its interval; a bound is infinite where the data set none."""

    name: str
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.name} = {self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


@dataclass(frozen=True, slots=True)
class LawPoint:
    """An observation that a law was fitted to."""

    sizes: tuple[float, ...]
    value: float
    weight: float
    residual: float  # observed minus fitted


@dataclass(frozen=True, slots=True)
class LawFit:
    """A fitted law, its parameters with intervals, and the points that it was fitted to.

    Attributes:
        law: the best law.
        parameters: the limit and every exponent with profile intervals at `level`.
        noise: standard deviation of one observation of weight 1.
        dof: degrees of freedom of the noise.
        aicc: Akaike's criterion with the small-sample correction; smaller is better.
        level: confidence of the intervals.
        points: what was fitted to.
    """

    law: Law
    parameters: tuple[Estimate, ...]
    noise: float
    dof: int
    aicc: float
    level: float
    points: tuple[LawPoint, ...]

    def predict(self, sizes: npt.ArrayLike) -> Array:
        """Returns the law's values at sizes."""
        return self.law.predict(sizes)

    def interval(self, sizes: npt.ArrayLike, *, new: bool = True) -> Array:
        """Returns profile intervals of the value at sizes: [n, 2].

        Args:
            sizes: as in `predict`.
            new: whether for one new observation (with its noise) or for the mean of many.
        """
        table = size_table(sizes, len(self.law.variables))
        found = self._profile()
        columns = basis(np.log(table / self.law.references), found.exponents)  # [grid, n, 1 + variables]
        bounds = [
            found.interval(columns[:, index], self.level, noise=float(new)) for index in range(len(table))
        ]
        return np.array(bounds).reshape(-1, 2)

    def bootstrap(
        self, sizes: npt.ArrayLike, *, rng: np.random.Generator, num_draws: int = 1_000, new: bool = True
    ) -> Array:
        """Returns percentile intervals of the value at sizes, from refits to resampled residuals: [n, 2].

        `interval` covers better when points are few (docs/scaling.md has the measurement); this one assumes no
        normal noise. The exponents move on the profile's grid.
        """
        table = size_table(sizes, len(self.law.variables))
        found, weights = self._profile(), np.array([point.weight for point in self.points])
        residuals = np.array([point.residual for point in self.points]) * np.sqrt(weights)
        residuals *= math.sqrt(len(residuals) / self.dof)  # fitted residuals are too small
        fitted = np.array([point.value - point.residual for point in self.points])
        drawn = fitted + rng.choice(residuals, (num_draws, len(fitted))) / np.sqrt(weights)
        references = np.asarray(self.law.references)
        columns = basis(self._logs(), found.exponents)  # [grid, points, 1 + variables]
        targets = np.einsum("gni,n,bn->gib", columns, weights, drawn - fitted.mean())
        gains = np.einsum("gib,gij,gjb->gb", targets, found.inverses, targets)
        best = gains.argmax(axis=0)
        chosen = np.einsum("bij,bj->bi", found.inverses[best], targets[best, :, np.arange(num_draws)])
        at = basis(np.log(table / references), found.exponents[best])
        values = np.einsum("bni,bi->bn", at, chosen) + fitted.mean()
        if new:
            values = values + rng.choice(residuals, values.shape)
        tail = (1.0 - self.level) / 2.0
        return np.asarray(np.quantile(values, [tail, 1.0 - tail], axis=0).T)

    def _logs(self) -> Array:
        return np.log(np.array([point.sizes for point in self.points]) / self.law.references)

    def _profile(self) -> Profile:
        values = np.array([point.value for point in self.points])
        return profile(self._logs(), values, np.array([point.weight for point in self.points]))

    def __str__(self) -> str:
        return "\n".join([str(self.law), *map(str, self.parameters), f"noise = {self.noise:.3g}"])

    def to_json(self) -> str:
        """Returns the fit, with its points, as one line of JSON."""
        return plain_json.dumps(self)

    @classmethod
    def from_json(cls, text: str) -> LawFit:
        """Returns the fit that `to_json` wrote."""
        return plain_json.loads(cls, text)


def fit_law(
    sizes: npt.ArrayLike,
    values: npt.ArrayLike,
    *,
    variables: Sequence[str] = ("cost",),
    weights: npt.ArrayLike | None = None,
    robust: bool = False,
    level: float = 0.95,
) -> LawFit:
    """Returns the saturating power law through measurements, with profile intervals.

    Args:
        sizes: [n] for one variable or [n, variables] (at most three); greater than 0, repeats welcome.
        values: accuracies, or losses, at them: [n].
        variables: names of the sizes.
        weights: inverse variances up to a factor, from `repeat_weights` for example; equal when left out.
        robust: whether outliers lose weight (Huber).
        level: confidence of the intervals, in (0, 1).

    Raises:
        ScalingError: a number is not finite; a variable has fewer than three different sizes; there are no two
            observations more than parameters; or all values are equal.

    Example:
        >>> cost = [1, 2, 4, 8, 16, 32]
        >>> fit = fit_law(cost, [0.9 - 0.2 * c**-0.5 for c in cost])
        >>> round(fit.law.limit, 3)
        0.9
    """
    names = tuple(variables)
    if not 1 <= len(names) <= 3:
        raise ScalingError(f"a law must have one to three variables, got {len(names)}; fix the others")
    table, observed = size_table(sizes, len(names)), numbers("values", values, ndim=1)
    weighting = (
        np.ones(len(observed)) if weights is None else numbers("weights", weights, ndim=1, positive=True)
    )
    _check(names, table, observed, weighting)
    fraction("level", level)
    references = np.exp(np.log(table).mean(axis=0))
    logs = np.log(table / references)
    found = profile(logs, observed, weighting)
    if robust:
        for _ in range(10):
            weighting_now = weighting * _huber(_residuals(found, logs, observed) * np.sqrt(weighting))
            found = profile(logs, observed, weighting_now)
        weighting = weighting_now
    return _law_fit(names, found, references, table, (observed, weighting), level)


def repeat_weights(sizes: npt.ArrayLike, values: npt.ArrayLike) -> Array:
    """Returns weights for `fit_law` from repeated seeds: inverse variances per size, shrunk to the pooled one.

    A variance of two or three seeds says little of itself: it counts its own degrees of freedom against
    `PRIOR_DOF` of the pooled one (as in limma, Smyth 2004, with a fixed prior).

    Args:
        sizes: [n] or [n, variables]; equal rows are repeats.
        values: [n].

    Raises:
        ScalingError: no size was measured twice, or repeats never differ.
    """
    observed = numbers("values", values, ndim=1)
    table = np.asarray(sizes, dtype=np.float64).reshape(len(observed), -1)
    _, groups = np.unique(table, axis=0, return_inverse=True)
    counts = np.bincount(groups.ravel())
    means = np.bincount(groups.ravel(), observed) / counts
    squares = np.bincount(groups.ravel(), (observed - means[groups.ravel()]) ** 2)
    if counts.max() < 2 or squares.sum() == 0.0:
        raise ScalingError(
            f"weights need repeated seeds that differ, got {len(observed)} values at {len(counts)} sizes; "
            "train some sizes with another seed"
        )
    pooled = squares.sum() / (counts - 1).sum()
    variances = (squares + PRIOR_DOF * pooled) / (counts - 1 + PRIOR_DOF)
    return np.asarray(1.0 / variances[groups.ravel()])


@dataclass(frozen=True, slots=True)
class LawComparison:
    """How one law did beside others on the same values."""

    name: str
    fit: LawFit
    aicc: float
    largest_error: float  # root mean square on the largest sizes, which were left out of a second fit


def compare_laws(
    candidates: Mapping[str, tuple[Sequence[str], npt.ArrayLike]],
    values: npt.ArrayLike,
    *,
    costs: npt.ArrayLike,
    num_left_out: int = 1,
    robust: bool = False,
) -> tuple[LawComparison, ...]:
    """Returns laws in different variables side by side, the best at extrapolating first.

    Args:
        candidates: per name, the variables and their sizes, row for row those of `values`.
        values: [n].
        costs: [n]; the points of the largest costs are left out and predicted.
        num_left_out: how many different costs are left out, at least 1.
        robust: as in `fit_law`.

    Raises:
        ScalingError: what `fit_law` raises, also on what remains.
    """
    observed, priced = numbers("values", values, ndim=1), numbers("costs", costs, ndim=1, positive=True)
    different = np.unique(priced)
    if not 1 <= num_left_out < len(different):
        raise ScalingError(
            f"`num_left_out` must lie in [1, {len(different) - 1}], got {num_left_out}; leave fewer out"
        )
    large = priced >= different[-num_left_out]
    rows = []
    for name, (variables, sizes) in candidates.items():
        table = size_table(sizes, len(variables))
        whole = fit_law(table, observed, variables=variables, robust=robust)
        part = fit_law(table[~large], observed[~large], variables=variables, robust=robust)
        misses = observed[large] - part.predict(table[large])
        rows.append(LawComparison(name, whole, whole.aicc, float(np.sqrt((misses**2).mean()))))
    return tuple(sorted(rows, key=lambda row: row.largest_error))


def _check(names: tuple[str, ...], table: Array, observed: Array, weights: Array) -> None:
    """Refuses what no law can be fitted to."""
    lengths = {len(table), len(observed), len(weights)}
    if len(lengths) != 1:
        raise ScalingError(
            f"`sizes`, `values` and `weights` must be equally long, got {sorted(lengths)}; give one per point"
        )
    least = 3 + 2 * len(names)
    if len(observed) < least:
        raise ScalingError(
            f"a law of {len(names)} variable(s) needs at least {least} measurements, got {len(observed)}; "
            "measure more sizes"
        )
    for name, column in zip(names, table.T, strict=True):
        different = len(np.unique(column))
        if different < 3:
            raise ScalingError(
                f"`{name}` must have at least 3 different sizes, got {different}; measure other sizes"
            )
    if np.ptp(observed) == 0.0:
        raise ScalingError(
            f"`values` must differ, got {len(observed)} times {observed[0]:g}; measure sizes further apart"
        )


def _law_fit(
    names: tuple[str, ...],
    found: Profile,
    references: Array,
    table: Array,
    data: tuple[Array, Array],
    level: float,
) -> LawFit:
    """Returns the fit at the profile's best exponents."""
    observed, weights = data
    exponents, coefficients = found.exponents[found.best], found.coefficients[found.best]
    scales = coefficients[1:] / exponents
    law = Law(
        names,
        float(coefficients[0] + scales.sum()),
        tuple(map(float, scales)),
        tuple(map(float, exponents)),
        tuple(map(float, references)),
    )
    residuals = _residuals(found, np.log(table / references), observed)
    points = tuple(
        LawPoint(tuple(map(float, row)), float(value), float(weight), float(residual))
        for row, value, weight, residual in zip(table, observed, weights, residuals, strict=True)
    )
    parameters = [_limit(found, law, level)]
    for index, name in enumerate(names):
        low, high = found.exponent_interval(index, level)
        parameters.append(Estimate(f"exponent of {name}", law.exponents[index], low, high))
    noise, num = math.sqrt(found.variance), len(observed)
    return LawFit(law, tuple(parameters), noise, found.dof, _aicc(found, weights, num), level, points)


def _limit(found: Profile, law: Law, level: float) -> Estimate:
    """Returns the limit and its interval, open where the data allow that nothing saturates."""
    rows = np.concatenate([np.ones((len(found.exponents), 1)), 1.0 / found.exponents], axis=1)
    low, high = found.interval(rows, level)
    allowed = found.exponents[found.losses <= found.threshold(level)]
    if allowed.min() <= SMALLEST_EXPONENT * (1.0 + 1e-9):
        rising = sum(law.scales) > 0.0
        low, high = (low, math.inf) if rising else (-math.inf, high)
    return Estimate("limit", law.limit, low, high)


def _aicc(found: Profile, weights: Array, num: int) -> float:
    """Returns -2 log likelihood + 2 k + 2 k (k + 1) / (n - k - 1), up to a constant of the data."""
    num_parameters = num - found.dof + 1  # and the noise
    spare = num - num_parameters - 1
    if spare <= 0:
        return math.inf
    loss = max(float(found.losses[found.best]), np.finfo(float).tiny)
    likelihood = num * math.log(loss / num) - float(np.log(weights).sum())
    return likelihood + 2.0 * num_parameters + 2.0 * num_parameters * (num_parameters + 1) / spare


def _residuals(found: Profile, logs: Array, observed: Array) -> Array:
    [columns] = basis(logs, found.exponents[found.best][None])
    return np.asarray(observed - columns @ found.coefficients[found.best])


def _huber(residuals: Array) -> Array:
    """Returns Huber's weights; the scale is the median absolute deviation."""
    scale = np.median(np.abs(residuals)) / 0.6745
    if scale == 0.0:
        return np.ones_like(residuals)
    return np.asarray(np.minimum(1.0, HUBER * scale / np.maximum(np.abs(residuals), 1e-300)))
