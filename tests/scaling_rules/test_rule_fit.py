"""The rule's fit: both methods, honest verdicts, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling_rules import Law, RuleFit, ScaledPoint, ScalingError, fit_rule, grid_candidates, next_points
from scaling_rules.rule_methods import Method
from tests.scaling_rules.synthetic import EXPONENTS, LAW, design, measured, true_bases

WIDTH_ONLY = Law(LAW.variables, 0.9, (0.001, 0.2, 0.001), (1.0, 0.9, 1.0), (1.0, 1.0, 1.0))


def _bases(fit: RuleFit) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([fit.rule.alpha, fit.rule.beta, fit.rule.gamma])


def test_little_noise_gives_the_true_rule_and_says_what_it_is_not() -> None:
    fit = fit_rule(measured(np.random.default_rng(0), 0.0003))
    assert _bases(fit) == pytest.approx(true_bases(), abs=0.02)
    assert fit.contains(*true_bases())
    assert not fit.contains(1.0, 2**0.5, 1.0)
    assert fit.verdict == (
        "distinguishable from width only, depth only, resolution only, dWr and EfficientNet's at 95% confidence"
    )
    assert fit.cost_exponents == pytest.approx(EXPONENTS)
    assert math.isclose(fit.rule.cost_base, 2.0)


def test_noise_gives_wide_intervals_and_the_verdict_not_distinguishable() -> None:
    fit = fit_rule(measured(np.random.default_rng(0), 0.02))
    assert fit.verdict.startswith("not distinguishable from width only")
    assert fit.region > 0.5
    assert all(row.low == 1.0 for row in fit.parameters)


def test_a_width_only_truth_is_not_told_from_width_only() -> None:
    fit = fit_rule(measured(np.random.default_rng(1), 0.001, law=WIDTH_ONLY))
    [width] = [row for row in fit.comparisons if row.name == "width only"]
    assert not width.distinguishable
    assert fit.rule.beta > 1.35 and fit.parameters[1].high == pytest.approx(2**0.5)


@settings(max_examples=2)
@given(st.integers(0, 1_000), st.floats(1e-3, 1e9))
def test_the_unit_of_cost_does_not_matter(seed: int, unit: float) -> None:
    points = measured(np.random.default_rng(seed), 0.001)
    other = [replace(point, cost=point.cost * unit) for point in points]
    assert _bases(fit_rule(other)) == pytest.approx(_bases(fit_rule(points)), rel=1e-6)


def test_more_noise_does_not_narrow_the_region() -> None:
    regions = [fit_rule(measured(np.random.default_rng(4), noise)).region for noise in (0.0005, 0.002, 0.008)]
    assert regions == sorted(regions)


def test_measured_costs_move_the_rule_from_where_nominal_costs_put_it() -> None:
    """A depth that costs half as much as its name says deserves more of the growth."""
    points = measured(np.random.default_rng(0), 0.0003)
    cheap = [replace(point, cost=point.cost / point.depth**0.5) for point in points]
    fit = fit_rule(cheap)
    assert fit.cost_exponents[0] == pytest.approx(0.5)
    assert fit.rule.alpha > fit_rule(points).rule.alpha


def test_eight_networks_are_enough_without_interactions() -> None:
    points = measured(np.random.default_rng(0), 0.0005, networks=design()[[0, 1, 3, 6, 7, 9, 12, 13]])
    assert fit_rule(points).dof > 0


def test_a_surface_that_misses_counts_its_misses_as_noise() -> None:
    points = measured(np.random.default_rng(0), 0.0002)
    bent = [
        replace(p, value=p.value + 0.02 * math.sin(40 * p.width + 20 * p.resolution + 9 * p.depth))
        for p in points
    ]
    fit = fit_rule(bent)
    assert fit.lack_of_fit < 0.01 and fit.noise > 0.005


def test_a_fit_survives_json_and_predicts_the_same() -> None:
    fit = fit_rule(measured(np.random.default_rng(0), 0.001))
    again = RuleFit.from_json(fit.to_json())
    assert again == fit
    assert (
        again.predict(1.5, 1.2, 1.2)
        == fit.predict(1.5, 1.2, 1.2)
        == pytest.approx(float(LAW.predict([[1.5, 1.2, 1.2]])[0]), abs=0.005)
    )
    assert "alpha = " in str(fit) and fit.verdict in str(fit)


def test_the_next_size_is_predicted_with_an_interval_that_widens_away_from_the_measurements() -> None:
    fit = fit_rule(measured(np.random.default_rng(0), 0.001))
    near, far = (fit.interval(*fit.rule.multipliers(phi=phi).values(), new=False) for phi in (2.0, 5.0))
    [truth] = LAW.predict([list(fit.rule.multipliers(phi=2.0).values())])
    assert near[0] <= truth <= near[1]
    assert far[1] - far[0] > 3 * (near[1] - near[0])
    single = fit.interval(*fit.rule.multipliers(phi=2.0).values())
    assert single[0] < near[0] and near[1] < single[1]


def test_at_equal_trainings_the_surface_errs_at_most_half_as_much_as_the_grid() -> None:
    """Over 5 truths with noise 0.002; the benchmark has more of both (docs/scaling.md)."""
    rng, grid = np.random.default_rng(0), np.array(grid_candidates(step=0.1))
    networks = np.array(
        [(p.depth, p.width, p.resolution) for p in next_points(num=2 * len(grid), fixed_cost=3.0)]
    )
    ours, peers = [], []
    for _ in range(5):
        scales, exponents = rng.uniform(0.05, 0.15, 3) * [0.5, 1.0, 1.0], rng.uniform(0.6, 1.4, 3)
        law = Law(LAW.variables, 0.95, tuple(scales), tuple(exponents), (1.0, 1.0, 1.0))
        truth = np.log(true_bases(law))
        trainings = [
            replace(point, seed=seed)
            for seed, row in enumerate(networks)
            for point in measured(rng, 0.002, seeds=1, law=law, networks=row[None])
        ]
        ours.append(np.log(_bases(fit_rule(trainings))) - truth)
        winner = np.log(
            _bases(fit_rule(measured(rng, 0.002, seeds=2, law=law, networks=grid), method="grid"))
        )
        peers.append(winner * math.log(2.0) / (winner @ EXPONENTS) - truth)
    assert np.mean(np.square(ours)) ** 0.5 <= 0.5 * np.mean(np.square(peers)) ** 0.5


def test_bootstrapped_rules_scatter_around_the_peak_inside_the_triangle() -> None:
    fit = fit_rule(measured(np.random.default_rng(0), 0.001))
    rules = fit.bootstrap(rng=np.random.default_rng(1), num_draws=200)
    assert rules.shape == (200, 3) and (rules >= 1.0).all()
    assert rules.mean(axis=0) == pytest.approx([fit.peak.alpha, fit.peak.beta, fit.peak.gamma], abs=0.03)


def test_the_papers_grid_contains_the_papers_rule() -> None:
    """EfficientNet, section 3.3: 1.2, 1.1 and 1.15, whose product 1.2 * 1.1^2 * 1.15^2 is 1.92."""
    assert (1.2, 1.1, 1.15) in grid_candidates(step=0.05)


def test_the_grid_takes_the_best_network_near_its_constraint() -> None:
    points = measured(np.random.default_rng(0), 0.0003, networks=np.array(grid_candidates(step=0.1)))
    fit = fit_rule(points, method="grid")
    winner = pytest.approx((fit.rule.alpha, fit.rule.beta, fit.rule.gamma))
    assert any(candidate == winner for candidate in grid_candidates(step=0.1))
    assert fit.contains(fit.rule.alpha, fit.rule.beta, fit.rule.gamma)
    assert RuleFit.from_json(fit.to_json()) == fit
    with pytest.raises(ScalingError, match="needs a fit by surface"):
        fit.predict(1.0, 1.0, 1.0)


@pytest.mark.parametrize("method", ["surface", "grid"])
def test_one_seed_two_points_equal_costs_and_nan_are_refused(method: Method) -> None:
    points = measured(np.random.default_rng(0), 0.001)
    same_cost = [replace(point, cost=1.0) for point in points]
    cases: list[tuple[list[ScaledPoint], str]] = [
        (
            [point for point in points if point.seed == 0],
            "two or more seeds that differ, got 14 trainings of 14",
        ),
        (points[:2], "near 2, got 0" if method == "grid" else "costs must differ"),
        ([replace(points[0], value=math.nan), *points[1:]], "must be finite, got nan"),
        ([replace(points[0], depth=0.0), *points[1:]], "greater than 0, got 0"),
        ([*points, points[0]], "stand among the points once"),
        ([replace(point, value=0.5) for point in points], "without a difference"),
        ([], "must be points, got none"),
    ]
    if method == "surface":
        cases.append((same_cost, "costs must differ, got 42 times 1"))
        cases.append(([p for p in points if p.depth == 1.0], "vary independently"))
        cases.append((points[:18], "at least 8 different networks"))
    for given_points, message in cases:
        with pytest.raises(ScalingError, match=message) as caught:
            fit_rule(given_points, method=method)
        assert ";" in str(caught.value) and "\n" not in str(caught.value)


def test_settings_outside_their_intervals_are_refused() -> None:
    points = measured(np.random.default_rng(0), 0.001)
    with pytest.raises(ScalingError, match="`cost_multiple` must be greater than 1, got 1"):
        fit_rule(points, cost_multiple=1.0)
    with pytest.raises(ScalingError, match="`level` must lie in"):
        fit_rule(points, level=95.0)
    with pytest.raises(ScalingError, match="`step` must lie in"):
        grid_candidates(step=0.0)
    with pytest.raises(ScalingError, match="factors must be at least 1"):
        fit_rule(points).contains(1.0, 1.0, 1.0)
