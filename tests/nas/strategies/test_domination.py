"""Ranks and crowding against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nas.strategies.domination import crowding_distances, domination_ranks, preference

points = arrays.arrays(float, st.tuples(st.integers(1, 15), st.integers(1, 3)), elements=st.integers(0, 4))


@given(points)
def test_a_point_is_one_front_behind_the_worst_front_that_dominates_it(gains: np.ndarray) -> None:
    ranks = domination_ranks(gains)
    for own, rank in zip(gains, ranks, strict=True):
        better = [r for g, r in zip(gains, ranks, strict=True) if (g >= own).all() and (g > own).any()]
        assert rank == (max(better) + 1 if better else 0)


def test_crowding_is_debs() -> None:
    # by hand: ends infinite; middle (1 - 0) / 1 + (1 - 0) / 1 = 2; third (1 - 0.2) + (0.7 - 0) = 1.5
    front = np.array([[0.0, 1.0], [0.2, 0.7], [0.5, 0.5], [1.0, 0.0]])
    assert crowding_distances(front).tolist() == pytest.approx([np.inf, 1.0, 1.5, np.inf])


def test_a_front_of_equal_points_has_room_only_at_its_ends() -> None:
    assert np.isfinite(crowding_distances(np.ones((4, 2)))).sum() == 2


@given(points)
def test_preference_is_an_order_that_respects_the_fronts(gains: np.ndarray) -> None:
    places = preference(gains)
    assert sorted(places) == list(range(len(gains)))
    ranks = domination_ranks(gains)
    assert (np.diff(ranks[np.argsort(places)]) >= 0).all()
