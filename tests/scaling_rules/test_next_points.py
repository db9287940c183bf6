"""The next points: a first design that can be fitted, and a loop that narrows the rule for its cost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from scaling_rules import ScaledPoint, ScalingError, fit_rule, mixture_candidates, next_points
from tests.scaling_rules.synthetic import EXPONENTS, measured


def _trained(
    rng: np.random.Generator, networks: list[tuple[float, float, float]], first_seed: int
) -> list[ScaledPoint]:
    points = measured(rng, 0.002, seeds=1, networks=np.array(networks))
    return [
        ScaledPoint(p.depth, p.width, p.resolution, p.cost, p.value, first_seed + i)
        for i, p in enumerate(points)
    ]


def test_a_first_design_stays_in_its_budget_and_can_be_fitted() -> None:
    design = next_points(num=24, largest_cost=6.0)
    assert max(proposal.cost_multiple for proposal in design) <= 6.0 + 1e-9
    networks = [(p.depth, p.width, p.resolution) for p in design]
    assert len(set(networks)) >= 12
    assert fit_rule(_trained(np.random.default_rng(0), networks * 2, 0)).region < 1.0


def test_what_is_proposed_shrinks_the_region_more_than_random_networks_of_the_same_cost() -> None:
    regions = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        start = measured(rng, 0.002, seeds=2)
        fit = fit_rule(start)
        proposals = next_points(start, num=24, fit=fit)
        spent = sum(proposal.cost_multiple for proposal in proposals)
        proposed = _trained(rng, [(p.depth, p.width, p.resolution) for p in proposals], 100)
        logs = rng.dirichlet([1.0, 1.0, 1.0], 60) * np.log(rng.uniform(1.0, 8.0, 60))[:, None] / EXPONENTS
        affordable = np.exp(logs[np.cumsum(np.exp(logs @ EXPONENTS)) <= spent])
        random = _trained(rng, [(d, w, r) for d, w, r in affordable.tolist()], 200)
        regions.append([fit_rule([*start, *more]).region for more in (proposed, random, [])])
    by_proposal, by_chance, before = np.mean(regions, axis=0)
    assert by_proposal < 0.8 * by_chance < 0.8 * before


def test_a_fixed_cost_of_training_moves_the_choice_to_larger_networks() -> None:
    cheap = next_points(num=6)
    dear = next_points(num=6, fixed_cost=20.0)
    assert sum(p.cost_multiple for p in dear) > sum(p.cost_multiple for p in cheap)


def test_every_further_network_promises_less_information() -> None:
    fit = fit_rule(points := measured(np.random.default_rng(0), 0.002))
    reductions = [p.reduction / p.cost_multiple for p in next_points(points, num=10, fit=fit)]
    assert all(0.0 < share < 1.0 for share in reductions)


def test_candidates_of_ones_own_are_the_only_ones_chosen() -> None:
    own = [(1.5, 1.0, 1.0), (1.0, 1.25, 1.0), (1.0, 1.0, 1.25)]
    assert {
        (round(p.depth, 9), round(p.width, 9), round(p.resolution, 9))
        for p in next_points(num=5, candidates=own)
    } <= set(own)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: next_points(num=0), "`num` must be at least 1, got 0"),
        (lambda: next_points(largest_cost=1.0), "`largest_cost` must be greater than 1"),
        (lambda: next_points(fixed_cost=-1.0), "`fixed_cost` at least 0"),
        (lambda: next_points(candidates=[(1.0, 0.0, 1.0)]), "greater than 0, got 0"),
    ],
)
def test_wrong_settings_are_refused(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(ScalingError, match=message):
        wrong()


def test_the_mixtures_to_choose_from_begin_with_the_baseline_and_stay_below_the_largest_cost() -> None:
    candidates = mixture_candidates(largest_cost=4.0)
    assert candidates[0] == (1.0, 1.0, 1.0)
    assert all(1.0 <= d * w**2 * r**2 <= 4.0 + 1e-9 for d, w, r in candidates)
    assert len(set(candidates)) == len(candidates) > 50
