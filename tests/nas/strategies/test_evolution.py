"""Aging evolution: Algorithm 1 of Real et al. on histories small enough to follow by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.strategies.evolution import EvolutionSampler

LETTERS = CategoricalDistribution(("a", "b", "c", "d"))
SPACE = {f"p{i}": LETTERS for i in range(6)}


def complete(letters: str, *values: float, constraint: float | None = None) -> FrozenTrial:
    return create_trial(
        params=dict(zip(SPACE, letters, strict=True)),
        distributions=dict(SPACE),
        values=list(values),
        constraints=None if constraint is None else {"macs": constraint},
    )


def children(
    sampler: EvolutionSampler, history: Sequence[FrozenTrial], *, directions: Sequence[str], num: int = 60
) -> list[str]:
    """Returns what is proposed for many trial numbers after one history."""
    study = optuna.create_study(directions=directions, sampler=sampler)
    study.add_trials(history)
    found = []
    for _ in range(num):
        trial = study.ask()
        found.append("".join(map(str, trial.relative_params.values())))
    return found


def distance(a: str, b: str) -> int:
    return sum(x != y for x, y in zip(a, b, strict=True))


def test_a_child_differs_from_its_parent_in_one_choice() -> None:
    sampler = EvolutionSampler(seed=0, population_size=2, sample_size=50)
    for child in children(
        sampler, [complete("aaaaaa", 0.1), complete("bbbbbb", 0.9)], directions=["maximize"]
    ):
        assert distance(child, "bbbbbb") == 1


def test_minimising_reverses_the_tournament() -> None:
    sampler = EvolutionSampler(seed=0, population_size=2, sample_size=50)
    for child in children(
        sampler, [complete("aaaaaa", 0.1), complete("bbbbbb", 0.9)], directions=["minimize"]
    ):
        assert distance(child, "aaaaaa") == 1


def test_the_oldest_leaves_however_good_it_is() -> None:
    sampler = EvolutionSampler(seed=0, population_size=2, sample_size=50)
    history = [complete("cccccc", 1.0), complete("aaaaaa", 0.1), complete("bbbbbb", 0.9)]
    for child in children(sampler, history, directions=["maximize"]):
        assert distance(child, "bbbbbb") == 1


def test_a_sample_of_one_is_no_selection() -> None:
    sampler = EvolutionSampler(seed=0, population_size=2, sample_size=1)
    found = children(sampler, [complete("aaaaaa", 0.1), complete("bbbbbb", 0.9)], directions=["maximize"])
    assert {min("ab", key=lambda letter: distance(child, letter * 6)) for child in found} == {"a", "b"}


def test_infeasible_pruned_failed_and_infinite_trials_are_no_parents() -> None:
    failed = create_trial(state=TrialState.FAIL, params=dict.fromkeys(SPACE, "c"), distributions=dict(SPACE))
    pruned = create_trial(
        state=TrialState.PRUNED, params=dict.fromkeys(SPACE, "d"), distributions=dict(SPACE), value=1.0
    )
    history = [
        complete("aaaaaa", 0.1),
        complete("bbbbbb", 0.9, constraint=1.0),
        complete("cccccc", float("inf")),
        failed,
        pruned,
    ]
    sampler = EvolutionSampler(seed=0, population_size=1, sample_size=5)
    for child in children(sampler, history, directions=["maximize"]):
        assert distance(child, "aaaaaa") == 1


def test_nothing_is_proposed_before_there_is_a_population() -> None:
    sampler = EvolutionSampler(seed=0, population_size=3, sample_size=2)
    assert set(children(sampler, [complete("aaaaaa", 0.1)] * 2, directions=["maximize"])) == {""}


def test_a_child_that_was_tried_is_not_proposed_again() -> None:
    study = optuna.create_study(
        direction="maximize", sampler=EvolutionSampler(seed=0, population_size=1, sample_size=1)
    )
    for _ in range(60):
        trial = study.ask(SPACE)
        study.tell(trial, 1.0)
    tried = [tuple(trial.params.values()) for trial in study.trials]
    assert len(set(tried)) == len(tried)


def test_a_space_that_is_used_up_still_ends() -> None:
    study = optuna.create_study(
        direction="maximize", sampler=EvolutionSampler(seed=0, population_size=1, sample_size=1)
    )
    for _ in range(6):
        study.tell(study.ask({"only": CategoricalDistribution((0, 1))}), 1.0)
    assert {trial.params["only"] for trial in study.trials} == {0, 1}


def test_given_functions_mutate_and_refuse() -> None:
    def upper(params: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {**params, "p0": "abcd"[int(rng.integers(4))]}

    sampler = EvolutionSampler(
        seed=0, population_size=1, sample_size=1, mutate=upper, accepts=lambda params: params["p0"] == "c"
    )
    assert children(sampler, [complete("aaaaaa", 0.1)], directions=["maximize"], num=1) == ["caaaaa"]


def test_with_two_objectives_the_front_is_not_forgotten() -> None:
    history = [complete("aaaaaa", 0.9, 1.0), complete("bbbbbb", 0.5, 0.1)]
    history += [complete("cccccc", 0.4, 2.0), complete("dddddd", 0.3, 3.0)]
    sampler = EvolutionSampler(seed=0, population_size=2, sample_size=1)
    found = children(sampler, history, directions=["maximize", "minimize"])
    assert {min("abcd", key=lambda letter: distance(child, letter * 6)) for child in found} == {"a", "b"}


def test_numbers_are_mutated_inside_their_ranges() -> None:
    space = {"x": FloatDistribution(1e-3, 1.0, log=True), "n": IntDistribution(2, 20, step=2), "c": LETTERS}
    study = optuna.create_study(sampler=EvolutionSampler(seed=0, population_size=3, sample_size=2))
    for _ in range(40):
        trial = study.ask(space)
        study.tell(trial, trial.params["x"] + trial.params["n"])
    assert len({trial.params["x"] for trial in study.trials}) > 10
    assert {trial.params["n"] % 2 for trial in study.trials} == {0}


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 5))
def test_the_same_history_and_seed_give_the_same_child(
    seed: int, population_size: int, sample_size: int
) -> None:
    history = [
        complete(letters, value) for letters, value in (("aaaaaa", 0.1), ("bbbbbb", 0.9), ("abcdab", 0.5))
    ]

    def child() -> list[str]:
        sampler = EvolutionSampler(seed=seed, population_size=population_size, sample_size=sample_size)
        return children(sampler, history, directions=["maximize"], num=2)

    assert child() == child()


def test_an_empty_population_is_refused() -> None:
    with pytest.raises(ValueError, match="a member each, got 0 and 5"):
        EvolutionSampler(seed=0, population_size=0)
