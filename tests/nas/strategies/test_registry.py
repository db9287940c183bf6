"""Every named strategy: reproducible, inside the budget, never twice the same, better than chance."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from nas.reward import Reward
from nas.strategies.design import Design
from nas.strategies.registry import DEFAULT_STRATEGY, STRATEGIES, StrategyError, make_sampler
from tests.fakes.toy_space import ToySpace, quality

SPACE = ToySpace(8)
DISTRIBUTIONS = Design(SPACE).distributions
QUICK = [name for name in STRATEGIES if name != "gp"]  # a Gaussian process takes a second a trial


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


def proposals(
    name: str, reward: Reward, *, num_trials: int, reopened_every: int, seed: int = 7
) -> list[tuple[int, ...]]:
    """Runs a study and returns its points; its sampler and study are made anew every so many trials."""
    storage = InMemoryStorage()
    optuna.create_study(storage=storage, study_name="s", directions=reward.directions)
    points = []
    for number in range(num_trials):
        if number % reopened_every == 0:
            sampler = make_sampler(name, seed=seed, space=SPACE, reward=reward, num_trials=num_trials)
            study = optuna.load_study(study_name="s", storage=storage, sampler=sampler)
        trial = study.ask(DISTRIBUTIONS)
        point = SPACE.point(trial.params)
        points.append(point)
        if number % 11 == 5:
            trial.set_constraint("cost", 1.0)
            study.tell(trial, state=TrialState.PRUNED)
        elif number % 13 == 4:
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, reward.objectives(quality(point), float(SPACE.costs([point]).macs[0])))
    return points


@pytest.mark.parametrize("kind", ["hard", "pareto"])
@pytest.mark.parametrize("name", QUICK)
def test_a_reopened_study_proposes_what_the_unbroken_one_does(name: str, kind: str) -> None:
    reward = Reward(kind, target=22)
    unbroken = proposals(name, reward, num_trials=45, reopened_every=45)
    assert proposals(name, reward, num_trials=45, reopened_every=4) == unbroken
    assert proposals(name, reward, num_trials=45, reopened_every=45, seed=8) != unbroken


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hard", "pareto"])
def test_a_reopened_gaussian_process_proposes_what_the_unbroken_one_does(kind: str) -> None:
    reward = Reward(kind, target=22)
    unbroken = proposals("gp", reward, num_trials=14, reopened_every=14)
    assert proposals("gp", reward, num_trials=14, reopened_every=3) == unbroken


@pytest.mark.parametrize("name", QUICK)
def test_a_trial_that_is_proposed_again_after_a_crash_gets_the_same_choices(name: str) -> None:
    reward = Reward("pareto", target=22)
    study = optuna.create_study(directions=reward.directions)
    for number in range(30):
        study.sampler = make_sampler(name, seed=3, space=SPACE, reward=reward, num_trials=30)
        trial = study.ask()
        proposed = trial.relative_params
        again = make_sampler(name, seed=3, space=SPACE, reward=reward, num_trials=30)
        frozen = study.trials[number]
        assert again.sample_relative(study, frozen, dict(DISTRIBUTIONS)) == proposed
        values = {name: trial.suggest_categorical(name, d.choices) for name, d in DISTRIBUTIONS.items()}
        point = SPACE.point(values)
        study.tell(trial, reward.objectives(quality(point), float(SPACE.costs([point]).macs[0])))


@pytest.mark.parametrize("name", QUICK)
def test_no_point_is_over_the_limit_or_proposed_twice(name: str) -> None:
    reward = Reward("hard", target=16)
    points = proposals(name, reward, num_trials=60, reopened_every=60)
    assert SPACE.costs(points).macs.max() <= 16
    assert len(set(points)) == len(points)


@pytest.mark.parametrize("name", QUICK)
def test_first_points_are_inside_the_window(name: str) -> None:
    reward = Reward("soft", target=14, max_cost=18)
    macs = SPACE.costs(proposals(name, reward, num_trials=4, reopened_every=4)).macs
    assert ((macs >= 7) & (macs <= 18)).all()


@pytest.mark.parametrize("name", [name for name in QUICK if name != "random"])
def test_every_strategy_beats_chance_on_a_sum_of_choices(name: str) -> None:
    def best(strategy: str, seed: int) -> float:
        points = proposals(strategy, Reward("soft", 24), num_trials=60, reopened_every=60, seed=seed)
        return max(map(quality, points))

    seeds = range(5)
    ours = np.median([best(name, seed) for seed in seeds])
    assert ours >= np.median([best("random", seed) for seed in seeds]) + 0.03


def test_an_unknown_strategy_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        StrategyError,
        match="random, tpe, gp, nsga2, nsga3, evolution, got 'evolutoin'; did you mean evolution",
    ):
        make_sampler("evolutoin", seed=0)
    with pytest.raises(StrategyError, match="must be positive, got 0"):
        make_sampler("tpe", seed=0, num_trials=0)


def test_the_default_is_a_strategy() -> None:
    assert DEFAULT_STRATEGY in STRATEGIES


def test_rewards_and_stopping_rules_do_not_import_optuna() -> None:
    modules = "nas.reward, nas.strategies.rungs, nas.strategies.comparison"
    code = f"import sys, {modules}; assert 'optuna' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
