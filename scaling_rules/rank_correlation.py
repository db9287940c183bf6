"""Rank correlation of two fidelities, with an interval: does the short training order networks as the long one?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from scaling_rules.errors import Array, ScalingError, fraction, numbers

LEAST = 6  # networks; the intervals' variance formulas need more than 4


@dataclass(frozen=True, slots=True)
class RankCorrelation:
    """A rank correlation and its interval."""

    kind: str
    value: float
    low: float
    high: float
    num_networks: int

    def __str__(self) -> str:
        return f"{self.kind} = {self.value:.2f} ({self.low:.2f} to {self.high:.2f}, {self.num_networks} networks)"


def rank_correlation(
    short: npt.ArrayLike,
    long: npt.ArrayLike,
    *,
    kind: Literal["kendall", "spearman"] = "kendall",
    level: float = 0.95,
) -> RankCorrelation:
    """Returns how alike two measurements order the same networks.

    Args:
        short: values at one fidelity: [n].
        long: at the other, network for network: [n].
        kind: Kendall's tau-b, or Spearman's rho.
        level: confidence, in (0, 1).

    Raises:
        ScalingError: there are fewer than six networks, a number is not finite, or one side is all equal.

    Source:
        Fisher's z with the variances of Fieller, Hartley and Pearson 1957 (tau) and of Bonett and Wright 2000 (rho).

    Example:
        >>> print(rank_correlation([1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 5, 4, 6, 7]))
        kendall = 0.90 (0.64 to 0.98, 7 networks)
    """
    first, second = numbers("short", short, ndim=1), numbers("long", long, ndim=1)
    if len(first) != len(second) or len(first) < LEAST:
        raise ScalingError(
            f"`short` and `long` must hold the same networks, at least {LEAST}, got {len(first)} and "
            f"{len(second)}; measure more"
        )
    for name, side in (("short", first), ("long", second)):
        if np.ptp(side) == 0.0:
            raise ScalingError(f"`{name}` must differ, got {len(side)} times {side[0]:g}; train for longer")
    if kind not in KINDS:
        raise ScalingError(f"`kind` must be one of {', '.join(KINDS)}, got {kind!r}; choose one of them")
    value = KINDS[kind](first, second)
    num = len(first)
    variance = 0.437 / (num - 4) if kind == "kendall" else (1.0 + value**2 / 2.0) / (num - 3)
    reach = NormalDist().inv_cdf(0.5 + fraction("level", level) / 2.0) * math.sqrt(variance)
    # At exactly 1 Fisher's z is infinite; half a swapped pair away it is not.
    inner = min(max(value, -1.0 + 1.0 / num**2), 1.0 - 1.0 / num**2)
    low, high = math.tanh(math.atanh(inner) - reach), math.tanh(math.atanh(inner) + reach)
    return RankCorrelation(kind, value, min(low, value), max(high, value), num)


def _kendall(first: Array, second: Array) -> float:
    """Returns tau-b: concordant minus discordant pairs over the geometric mean of untied pairs."""
    a, b = (np.sign(side[:, None] - side[None, :]) for side in (first, second))
    return float((a * b).sum() / math.sqrt((a**2).sum() * (b**2).sum()))


def _spearman(first: Array, second: Array) -> float:
    """Returns Pearson's correlation of the ranks, ties at their mean."""
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: Array) -> Array:
    _, groups, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2.0)[groups])


KINDS = {"kendall": _kendall, "spearman": _spearman}
