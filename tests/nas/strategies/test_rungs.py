"""Stopping rules against worked examples and their laws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.strategies.rungs import RUNGS, Curves, Halving, Hyperband, Median, RungsError, make_rungs

finite = st.floats(0.0, 1.0)


def at_epoch_one(*values: float) -> Curves:
    return {number: {1: value} for number, value in enumerate(values)}


def test_halving_keeps_the_best_third_of_a_rung() -> None:
    curves = at_epoch_one(0.1, 0.9, 0.2, 0.8, 0.3, 0.4)
    kept = [n for n in curves if Halving(max_epochs=9).keeps(n, 1, curves)]
    assert kept == [1, 3]


def test_halving_keeps_all_until_a_rung_has_seen_eta_trials() -> None:
    curves = at_epoch_one(0.9, 0.1)
    assert Halving(max_epochs=9).keeps(1, 1, curves)
    assert not Halving(max_epochs=9, eta=2).keeps(1, 1, curves)


def test_halving_judges_only_at_its_rungs_and_never_at_the_end() -> None:
    rungs = Halving(max_epochs=27, min_epochs=2)
    assert rungs.epochs == (2, 6, 18)
    curves = {n: {epoch: 1.0 - n / 10 for epoch in range(1, 28)} for n in range(9)}
    assert [e for e in range(1, 28) if not rungs.keeps(8, e, curves)] == [2, 6, 18]


def test_the_median_rule_is_viziers() -> None:
    # complete trials with running averages at epoch 2 of 0.2, 0.4, 0.6: the median is 0.4
    curves: dict[int, dict[int, float]] = {
        0: {1: 0.1, 2: 0.3, 3: 0.9},
        1: {1: 0.3, 2: 0.5, 3: 0.9},
        2: {1: 0.5, 2: 0.7, 3: 0.9},
        3: {1: 0.41, 2: 0.0},  # its best so far counts, not its last
        4: {1: 0.0, 2: 0.39},
        5: {1: 0.99, 2: 0.99},  # not complete: no one is compared with it
    }
    rungs = Median(max_epochs=3, num_startup=3)
    assert rungs.keeps(3, 2, curves)
    assert not rungs.keeps(4, 2, curves)


def test_the_median_waits_for_enough_complete_trials_and_its_first_epoch() -> None:
    curves = {n: {1: 0.9, 2: 0.9, 3: 0.9} for n in range(5)} | {5: {1: 0.1, 2: 0.1}}
    assert not Median(max_epochs=3).keeps(5, 1, curves)
    assert Median(max_epochs=3, min_epochs=2).keeps(5, 1, curves)
    assert Median(max_epochs=3, num_startup=6).keeps(5, 1, curves)


def test_hyperband_fills_its_brackets_in_the_papers_proportion() -> None:
    # Li et al., section 3.1, with R = 27 and eta = 3: n = 27, 12, 6, 4 for s = 3, 2, 1, 0
    cycle = Hyperband(max_epochs=27).cycle
    assert [cycle.count(bracket) for bracket in range(4)] == [27, 12, 6, 4]
    assert set(cycle[:8]) == {0, 1, 2, 3}


def test_hyperband_compares_within_a_bracket_and_its_last_bracket_is_never_stopped() -> None:
    rungs = Hyperband(max_epochs=9)
    cycle = rungs.cycle
    worst_last = {n: {1: 1.0 - n / 100, 3: 1.0 - n / 100} for n in range(len(cycle))}
    stopped = {cycle[n] for n in worst_last for epoch in (1, 3) if not rungs.keeps(n, epoch, worst_last)}
    assert stopped == {0, 1}
    late = [n for n in worst_last if cycle[n] == 1]
    assert all(rungs.keeps(n, 1, worst_last) for n in late)


def test_two_gains_are_compared_by_front() -> None:
    gains = [(0.9, -9.0), (0.5, -1.0), (0.4, -2.0), (0.4, -9.0), (0.3, -8.0), (0.2, -9.0)]
    curves = {number: {1: gain} for number, gain in enumerate(gains)}
    kept = [n for n in curves if Halving(max_epochs=9).keeps(n, 1, curves)]
    assert kept == [0, 1]


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=20))
def test_the_first_front_is_always_kept(gains: list[tuple[float, float]]) -> None:
    curves = {number: {1: gain, 9: gain} for number, gain in enumerate(gains)}
    for name in RUNGS:
        rungs = make_rungs(name, max_epochs=9)
        for number, own in enumerate(gains):
            if not any(a >= own[0] and b >= own[1] and (a, b) != own for a, b in gains):
                assert rungs.keeps(number, 1, curves)


@given(st.lists(finite, min_size=1, max_size=30), st.sampled_from(sorted(RUNGS)))
def test_a_better_trial_is_kept_wherever_a_worse_one_is(values: list[float], name: str) -> None:
    rungs = make_rungs(name, max_epochs=1000)
    curves = at_epoch_one(*values)
    if name == "hyperband":
        cycle = Hyperband(1000).cycle
        curves = {n: c for n, c in curves.items() if cycle[n % len(cycle)] == 0}
    kept = [curves[n][1] for n in curves if rungs.keeps(n, 1, curves)]
    stopped = [curves[n][1] for n in curves if not rungs.keeps(n, 1, curves)]
    assert not kept or not stopped or min(np.ravel(kept)) >= max(np.ravel(stopped))


@given(st.lists(finite, min_size=1, max_size=30), st.sampled_from(sorted(RUNGS)))
def test_the_order_in_which_trials_are_listed_does_not_matter(values: list[float], name: str) -> None:
    rungs = make_rungs(name, max_epochs=9)
    curves = {number: {1: value, 9: value} for number, value in enumerate(values)}
    reversed_curves = dict(reversed(curves.items()))
    assert [rungs.keeps(n, 1, curves) for n in curves] == [rungs.keeps(n, 1, reversed_curves) for n in curves]


@pytest.mark.parametrize("name", ["median", "halving", "hyperband"])
def test_a_value_that_is_not_a_number_is_stopped(name: str) -> None:
    curves = {n: {1: 0.5, 3: 0.5, 9: 0.5} for n in range(30)} | {30: {1: math.nan}}
    rungs = make_rungs(name, max_epochs=9)
    if name == "hyperband":
        cycle = Hyperband(9).cycle
        number = next(n for n in range(30, 60) if cycle[n % len(cycle)] == 0)
        curves[number] = {1: math.nan}
        assert not rungs.keeps(number, 1, curves)
    else:
        assert not rungs.keeps(30, 1, curves)
    assert rungs.keeps(0, 1, curves)


def test_no_rule_keeps_everything() -> None:
    assert make_rungs("none", max_epochs=9).keeps(1, 1, at_epoch_one(0.9, 0.0))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"name": "halfing", "max_epochs": 9},
            "none, median, halving, hyperband, got 'halfing'; did you mean halving?",
        ),
        ({"name": "median", "max_epochs": 9, "min_epochs": 10}, "from 1 to 9 epochs, got 10"),
        ({"name": "halving", "max_epochs": 9, "eta": 1}, "eta must be at least 2, got 1"),
    ],
)
def test_meaningless_rules_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(RungsError, match="must be") as caught:
        make_rungs(**arguments)
    assert words in str(caught.value)
