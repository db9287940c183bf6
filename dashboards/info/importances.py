"""Which choices matter: the share of the reward's variance that each choice explains alone.

One-way analysis of variance over the options of a choice, with Kelley's epsilon squared (T. L. Kelley, "An unbiased
correlation ratio measure", PNAS 1935), which does not grow with the number of options as eta squared does. A number
with many values is put into ranges that hold about as many trials each. It sees no interactions, and a search that
learns samples good options more often: it says what mattered in these trials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dashboards.info.rewards import Reals
from runs.records import Value

MAX_TRIALS = 3_000  # choices are read for so many; more change the shares by less than their error
MIN_TRIALS = 20  # with fewer, chance alone gives the first of some forty choices a share of a third
MAX_NUMBERS = 8  # values of a number that are options of their own; more are put into ranges
NUM_RANGES = 4
# What a family's members are stored with.
NOT_CHOSEN = ("expected", "expected_low", "expected_high", "fit", "latency_ms")


@dataclass(frozen=True, slots=True)
class Importance:
    """One choice: `share` of the variance in [0, 1], over `num_options` options that were tried."""

    name: str
    share: float
    num_options: int
    best: str  # the option with the highest mean reward


def importances(choices: Sequence[Mapping[str, Value]], values: Reals) -> list[Importance]:
    """Returns the choices that varied, the most important first; empty below MIN_TRIALS trials.

    Forecasts, which stand beside the choices of a family's members, are none.

    Args:
        choices: of each trial, by name.
        values: the reward of each trial.

    Example:
        >>> rows = [{"kernel": k} for k in (3, 5)] * 10
        >>> importances(rows, np.array([0.0, 1.0] * 10))[0].share
        1.0
    """
    if len(values) < MIN_TRIALS:
        return []
    names = dict.fromkeys(name for row in choices for name in row if name not in NOT_CHOSEN)
    found = [_importance(name, [row.get(name) for row in choices], values) for name in names]
    return sorted((one for one in found if one.num_options > 1), key=lambda one: -one.share)


def _importance(name: str, column: Sequence[Value], values: Reals) -> Importance:
    texts, codes = np.unique(_options(column), return_inverse=True)
    counts = np.bincount(codes)
    means = np.bincount(codes, values) / counts
    total = float(((values - values.mean()) ** 2).sum())
    within = float(((values - means[codes]) ** 2).sum())
    num, options = len(values), len(texts)
    share = 0.0
    if total > 0 and num > options > 1:
        share = max(0.0, 1.0 - (within / (num - options)) / (total / (num - 1)))
    return Importance(name, share, options, str(texts[int(means.argmax())]))


def _options(column: Sequence[Value]) -> list[str]:
    """Returns the option of each trial, in words: the value, or the range that holds it."""
    numbers = [value for value in column if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(column) or len(set(numbers)) <= MAX_NUMBERS:
        return [str(value) for value in column]
    found = np.array(numbers, dtype=np.float64)
    edges = np.unique(np.quantile(found, np.linspace(0.0, 1.0, NUM_RANGES + 1)))
    ranges = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges.tolist())]
    return [ranges[place] for place in np.searchsorted(edges[1:-1], found).tolist()]
