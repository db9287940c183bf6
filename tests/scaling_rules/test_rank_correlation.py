"""Rank correlations: as scipy has them, with intervals that cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scaling_rules import ScalingError, rank_correlation

pairs = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=6, max_size=30).filter(
    lambda rows: len({a for a, _ in rows}) > 1 and len({b for _, b in rows}) > 1
)


@given(pairs)
def test_values_are_scipys_also_with_ties(rows: list[tuple[int, int]]) -> None:
    short, long = np.array(rows, dtype=float).T
    assert rank_correlation(short, long).value == pytest.approx(stats.kendalltau(short, long).statistic)
    rho = rank_correlation(short, long, kind="spearman").value
    assert rho == pytest.approx(stats.spearmanr(short, long).statistic)


@pytest.mark.parametrize("kind", ["kendall", "spearman"])
def test_intervals_cover_the_correlation_of_the_population(kind: str) -> None:
    """Of a bivariate normal with correlation 0.8: tau = 2 asin(0.8) / pi, rho = 6 asin(0.4) / pi."""
    truth = 2 * math.asin(0.8) / math.pi if kind == "kendall" else 6 * math.asin(0.4) / math.pi
    rng, hits = np.random.default_rng(0), 0
    for _ in range(400):
        sample = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.8], [0.8, 1.0]], 30)
        found = rank_correlation(*sample.T, kind="kendall" if kind == "kendall" else "spearman")
        hits += found.low <= truth <= found.high
    assert 0.93 <= hits / 400 <= 0.98


def test_too_few_networks_and_constant_values_are_refused() -> None:
    with pytest.raises(ScalingError, match="at least 6, got 3 and 3"):
        rank_correlation([1, 2, 3], [1, 2, 3])
    with pytest.raises(ScalingError, match="`short` must differ, got 6 times 0.1"):
        rank_correlation([0.1] * 6, [1, 2, 3, 4, 5, 6])
    perfect = rank_correlation(range(8), range(8))
    assert perfect.value == 1.0 and perfect.low < 1.0
