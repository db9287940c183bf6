"""The wrapper that keeps a sampler inside the budget: draws, repairs and their limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, PartialFixedSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from nas.reward import Reward
from nas.strategies.design import Design
from nas.strategies.registry import make_sampler
from nas.strategies.windowed import WindowedSampler
from search_space.spaces import SearchSpace, open_space
from tests.fakes.toy_space import ToySpace

SPACE = ToySpace(6)


class Stubborn(RandomSampler):
    """Proposes one point for ever, without some of its parameters."""

    def __init__(self, point: tuple[int, ...], *, without: tuple[str, ...] = ()) -> None:
        super().__init__(seed=0)
        self._values = {k: v for k, v in SPACE.values(point).items() if k not in without}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return dict(self._values)


def points(sampler: BaseSampler, num: int, space: ToySpace = SPACE) -> list[tuple[int, ...]]:
    study = optuna.create_study(sampler=sampler)
    found = []
    for _ in range(num):
        trial = study.ask(Design(space).distributions)
        found.append(space.point(trial.params))
        study.tell(trial, 0.0)
    return found


def test_a_good_new_proposal_passes_unchanged() -> None:
    sampler = WindowedSampler(Stubborn((1, 1, 1, 1, 1, 1)), Design(SPACE, Reward("hard", 12)), seed=0)
    assert points(sampler, 1) == [(1, 1, 1, 1, 1, 1)]


def test_a_proposal_over_the_limit_walks_down_to_it() -> None:
    sampler = WindowedSampler(Stubborn((3, 3, 3, 3, 3, 3)), Design(SPACE, Reward("hard", 12)), seed=0)
    found = points(sampler, 20)
    assert SPACE.costs(found).macs.max() <= 12
    assert len(set(found)) == 20


def test_a_tried_proposal_becomes_a_neighbour() -> None:
    first, second = points(WindowedSampler(Stubborn((0, 0, 0, 0, 0, 0)), Design(SPACE), seed=0), 2)
    assert sum(a != b for a, b in zip(first, second, strict=True)) == 1


def test_an_unreachable_limit_lets_the_smallest_through_for_the_engine_to_refuse() -> None:
    reward = Reward("hard", 1)
    sampler = WindowedSampler(Stubborn((3, 3, 3, 3, 3, 3)), Design(SPACE, reward), seed=0)
    assert SPACE.costs(points(sampler, 1)).macs[0] < 12


def test_parameters_that_the_inner_sampler_leaves_out_are_drawn() -> None:
    sampler = WindowedSampler(Stubborn((1, 1, 1, 1, 1, 1), without=("c00",)), Design(SPACE), seed=0)
    assert points(sampler, 1)[0][1:] == (1, 1, 1, 1, 1)


def test_a_latency_has_no_arithmetic_limit() -> None:
    reward = Reward("hard", 1.0, cost="latency_ms")
    sampler = WindowedSampler(Stubborn((3, 3, 3, 3, 3, 3)), Design(SPACE, reward), seed=0)
    assert points(sampler, 1) == [(3, 3, 3, 3, 3, 3)]


@pytest.mark.parametrize("cost", ["macs", "params", "peak_memory_bytes"])
def test_every_arithmetic_cost_is_limited(cost: str) -> None:
    limit = {"macs": 12, "params": 24, "peak_memory_bytes": 36}[cost]
    sampler = make_sampler("random", seed=0, space=SPACE, reward=Reward("hard", limit, cost=cost))
    assert getattr(SPACE.costs(points(sampler, 20)), cost).max() <= limit


def test_fixed_parameters_stay_fixed() -> None:
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        sampler = PartialFixedSampler({"c03": "d"}, make_sampler("random", seed=0, space=SPACE))
    assert {point[3] for point in points(sampler, 10)} == {3}


def test_the_bands_of_a_window_are_drawn_alike() -> None:
    design = Design(SPACE, Reward("soft", 12, max_cost=24))
    rng = np.random.default_rng(0)
    macs = SPACE.costs([design.draw(rng) for _ in range(200)]).macs
    assert macs.min() >= 6
    assert np.mean(macs <= 12) > 0.35  # half of the bands, but a fifth of the points


def test_the_published_space_fits() -> None:
    space: SearchSpace = open_space("mnasnet", resolution=32, num_classes=10, width=0.5)
    reward = Reward("hard", 10e6)
    study = optuna.create_study(
        direction="maximize",
        sampler=make_sampler("evolution", seed=0, space=space, reward=reward, num_trials=20),
    )
    rng = np.random.default_rng(0)
    for _ in range(20):
        trial = study.ask(Design(space, reward).distributions)
        macs = int(space.costs(np.array([space.point(trial.params)])).macs[0])
        assert macs <= 10e6
        study.tell(trial, float(rng.random()))
