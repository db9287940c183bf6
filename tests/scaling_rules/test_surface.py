"""The response surface: its slopes are its derivatives, its peak is its highest point and is never implausible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling_rules.surface import (
    ADDITIVE,
    FULL,
    Surface,
    features,
    grid_between,
    logs_at,
    peak,
    plausibility,
    slopes,
    surfaces,
    triangle,
)
from tests.scaling_rules.synthetic import EXPONENTS, LAW, design

LOG_COST = float(np.log(2.0))


@given(st.integers(0, 1_000), st.sampled_from([ADDITIVE, FULL]))
def test_slopes_are_the_derivatives_of_features(seed: int, terms: int) -> None:
    point, step = np.random.default_rng(seed).uniform(-1.0, 2.0, 3), 1e-6
    numeric = [
        (features(point + step * axis, terms) - features(point - step * axis, terms)) / (2 * step)
        for axis in np.eye(3)
    ]
    assert slopes(point, terms) == pytest.approx(np.array(numeric), abs=1e-6)


@settings(max_examples=30)
@given(st.integers(0, 1_000), st.tuples(*[st.sampled_from([0.0, 0.5, 1.5])] * 3))
def test_worths_are_what_a_little_more_log_cost_buys(seed: int, bends: tuple[float, ...]) -> None:
    rng = np.random.default_rng(seed)
    surface = Surface(np.array(bends), rng.normal(size=FULL), np.eye(FULL), 0.0)
    point, step = rng.uniform(0.0, 1.0, 3), 1e-6
    worths = surface.worths(point, EXPONENTS) @ surface.coefficients
    for dimension, axis in enumerate(np.eye(3)):
        moved = point + step * axis / EXPONENTS[dimension]
        assert worths[dimension] == pytest.approx(
            float(surface.heights(moved) - surface.heights(point)) / step, abs=1e-3
        )


@settings(max_examples=20)
@given(st.integers(0, 1_000), st.floats(1e-4, 0.02))
def test_the_peak_is_the_highest_point_and_always_plausible(seed: int, noise: float) -> None:
    rng, multipliers = np.random.default_rng(seed), np.repeat(design(), 2, axis=0)
    values = LAW.predict(multipliers) + rng.normal(0.0, noise, len(multipliers))
    found = surfaces(np.log(multipliers), values, FULL)
    best = peak(found.best, LOG_COST, EXPONENTS)
    shares = triangle(60)
    heights = found.best.heights(logs_at(shares, LOG_COST, EXPONENTS))
    assert found.best.heights(logs_at(best, LOG_COST, EXPONENTS)) >= heights.max() - 1e-7
    assert plausibility(found, best[None], LOG_COST, EXPONENTS, freedom=2) > 0.05


@given(st.integers(1, 30))
def test_a_triangle_holds_all_shares_once_and_its_corners(steps: int) -> None:
    shares = triangle(steps)
    assert len(shares) == (steps + 1) * (steps + 2) // 2
    assert shares.sum(axis=1) == pytest.approx(1.0)
    assert {(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)} <= {tuple(row) for row in shares.tolist()}


def test_a_grid_in_a_box_keeps_the_edges_that_the_box_touches() -> None:
    shares = grid_between(np.array([0.0, 0.9, 0.0]), np.array([0.1, 1.0, 0.1]), 11)
    assert (shares >= 0.0).all() and shares.sum(axis=1) == pytest.approx(1.0)
    assert (shares[:, 2] == 0.0).sum() >= 11 and [0.0, 1.0, 0.0] in shares.tolist()
