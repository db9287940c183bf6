"""Laws of which the truth is known, to fit against."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import numpy.typing as npt

from scaling_rules import Law, ScaledPoint, next_points
from scaling_rules.surface import grid_between, logs_at, triangle

Array = npt.NDArray[np.float64]
DIMENSIONS = ("depth", "width", "resolution")
EXPONENTS = np.array([1.0, 2.0, 2.0])


class Truth(Protocol):
    """Returns values at multipliers: [n, 3] to [n]."""

    def predict(self, sizes: npt.ArrayLike, /) -> Array: ...


class Interacting:
    """A truth where more of one dimension is worth less the more there is of the others."""

    def predict(self, sizes: npt.ArrayLike, /) -> Array:
        lacking = (1.0 + 0.5 * (np.asarray(sizes) ** -np.array([0.8, 1.2, 1.2])).sum(axis=1)) / 2.5
        return np.asarray(0.95 - 0.3 * lacking**2)


def additive(scales: tuple[float, float, float], exponents: tuple[float, float, float]) -> Law:
    """Returns a truth without interactions."""
    return Law(DIMENSIONS, 0.95, scales, exponents, (1.0, 1.0, 1.0))


LAW = additive((0.07, 0.14, 0.13), (1.2, 0.9, 1.1))
TRUTHS: dict[str, Truth] = {
    "alike": LAW,  # exponents near each other, the peak in the middle
    "near a corner": additive((0.1, 0.2, 0.2), (2.2, 0.5, 0.5)),
    "quick depth": additive((0.05, 0.28, 0.28), (2.2, 0.5, 0.5)),
    "slow depth": additive((0.137, 0.063, 0.112), (0.4, 2.0, 1.0)),
    "interacting": Interacting(),
}


def true_shares(law: Truth = LAW) -> Array:
    """Returns the shares of log cost at which a law is highest at twice the cost."""
    best = triangle(400)[law.predict(_at_twice_the_cost(triangle(400))).argmax()]
    shares = grid_between(best - 0.004, best + 0.004, 41)
    return np.asarray(shares[law.predict(_at_twice_the_cost(shares)).argmax()])


def true_bases(law: Truth = LAW) -> Array:
    """Returns alpha, beta and gamma of a law: where it is highest at twice the cost."""
    return _at_twice_the_cost(true_shares(law))


def _at_twice_the_cost(shares: Array) -> Array:
    return np.exp(logs_at(shares, math.log(2.0), EXPONENTS))


def design() -> Array:
    """Returns multipliers of 14 networks at one, two and eight times the cost: [14, 3]."""
    mixtures = np.concatenate([triangle(2), [[1 / 3, 1 / 3, 1 / 3]]])
    logs = [logs_at(triangle(2), math.log(2.0), EXPONENTS), logs_at(mixtures, math.log(8.0), EXPONENTS)]
    return np.exp(np.concatenate([np.zeros((1, 3)), *logs]))


def first_design() -> Array:
    """Returns multipliers of the 12 networks that `nas fit` trains first where rounding is fine: [12, 3]."""
    proposals = next_points((ScaledPoint(1.0, 1.0, 1.0, 1.0, 0.0),), num=11, fixed_cost=3.0)
    return np.array([(1.0, 1.0, 1.0), *((one.depth, one.width, one.resolution) for one in proposals)])


def measured(
    rng: np.random.Generator, noise: float, *, seeds: int = 3, law: Truth = LAW, networks: Array | None = None
) -> list[ScaledPoint]:
    """Returns trainings of networks with independent noise."""
    multipliers = design() if networks is None else networks
    costs = np.exp(np.log(multipliers) @ EXPONENTS)
    values = law.predict(multipliers)
    return [
        ScaledPoint(*map(float, row), float(cost), float(value + rng.normal(0.0, noise)), seed)
        for row, cost, value in zip(multipliers, costs, values, strict=True)
        for seed in range(seeds)
    ]
