"""Frontiers: the laws of dominance, volumes, envelopes and distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scaling_rules import ScalingError, distribution, envelope, hypervolume, pareto

tables = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 12), st.integers(2, 3)), elements=st.integers(0, 6).map(float)
)


def _dominates(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a <= b).all() and (a < b).any())


@given(tables)
def test_the_pareto_set_is_exactly_what_no_other_dominates(table: np.ndarray) -> None:
    expected = [not any(_dominates(other, row) for other in table) for row in table]
    assert pareto(table).tolist() == expected


@given(tables, st.randoms())
def test_the_pareto_set_knows_no_order_and_is_its_own(table: np.ndarray, random: object) -> None:
    order = np.random.default_rng(len(table)).permutation(len(table))
    assert (pareto(table[order]) == pareto(table)[order]).all()
    assert pareto(table[pareto(table)]).all()


@given(tables)
def test_the_volume_is_that_of_the_union_of_boxes(table: np.ndarray) -> None:
    corner = np.full(table.shape[1], 6.0)
    cells = np.stack(np.meshgrid(*[np.arange(6)] * table.shape[1], indexing="ij"), -1).reshape(
        -1, table.shape[1]
    )
    covered = (table[None] <= cells[:, None]).all(axis=2).any(axis=1).sum()
    assert hypervolume(table, corner) == pytest.approx(float(covered))


@given(tables, hnp.arrays(np.float64, 3, elements=st.integers(0, 6).map(float)))
def test_the_volume_does_not_fall_when_a_point_is_added(table: np.ndarray, extra: np.ndarray) -> None:
    corner = np.full(table.shape[1], 6.0)
    grown = np.vstack([table, extra[: table.shape[1]]])
    assert hypervolume(grown, corner) >= hypervolume(table, corner)


def test_the_envelope_is_the_best_that_a_budget_buys() -> None:
    best = envelope([1.0, 2.0, 3.0], [0.5, 0.4, 0.7], [0.5, 1.0, 2.5, 9.0])
    assert best.tolist() == [-math.inf, 0.5, 0.5, 0.7]


def test_a_distribution_counts_its_values_and_its_band_narrows() -> None:
    few, many = distribution([3.0, 1.0, 2.0, 2.0]), distribution(np.arange(400.0))
    assert few.values == (1.0, 2.0, 2.0, 3.0) and few.shares == (0.25, 0.5, 0.75, 1.0)
    assert many.margin == pytest.approx(few.margin / 10)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ScalingError, match="`objectives` must be finite, got nan"):
        pareto([[1.0, math.nan]])
    with pytest.raises(ScalingError, match=r"must have 2 number\(s\), got 1"):
        hypervolume([[1.0, 2.0]], [3.0])
    with pytest.raises(ScalingError, match="equally long"):
        envelope([1.0], [1.0, 2.0], [1.0])
    with pytest.raises(ScalingError, match="needs values, got none"):
        distribution([])
