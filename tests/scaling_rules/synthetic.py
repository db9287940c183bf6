"""Laws of which the truth is known, to fit against."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from scaling_rules import Law, ScaledPoint
from scaling_rules.surface import logs_at, triangle

Array = npt.NDArray[np.float64]
EXPONENTS = np.array([1.0, 2.0, 2.0])
LAW = Law(("depth", "width", "resolution"), 0.95, (0.07, 0.14, 0.13), (1.2, 0.9, 1.1), (1.0, 1.0, 1.0))


def true_bases(law: Law = LAW) -> Array:
    """Returns alpha, beta and gamma of a law: where it is highest at twice the cost."""
    shares = triangle(400)
    multipliers = np.exp(logs_at(shares, math.log(2.0), EXPONENTS))
    best: Array = multipliers[law.predict(multipliers).argmax()]
    return best


def design() -> Array:
    """Returns multipliers of 14 networks at one, two and eight times the cost: [14, 3]."""
    mixtures = np.concatenate([triangle(2), [[1 / 3, 1 / 3, 1 / 3]]])
    logs = [logs_at(triangle(2), math.log(2.0), EXPONENTS), logs_at(mixtures, math.log(8.0), EXPONENTS)]
    return np.exp(np.concatenate([np.zeros((1, 3)), *logs]))


def measured(
    rng: np.random.Generator, noise: float, *, seeds: int = 3, law: Law = LAW, networks: Array | None = None
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
