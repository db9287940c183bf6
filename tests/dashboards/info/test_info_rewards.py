"""Rewards of the pages are those of the search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.info.front import has_front, unbeaten
from dashboards.info.rewards import OWN_LIMITS, OWN_WEIGHTS, Weighing, weighing, winners
from dashboards.info.table import Table
from nas.reward import LIMITS, WEIGHTS, Reward
from nas.settings import SearchSettings
from tests.dashboards.info.test_info_table import glance


@given(
    kind=st.sampled_from(["soft", "hard", "absolute"]),
    weight=st.floats(-1.0, 0.0),
    accuracy=st.floats(0.01, 1.0),
    cost=st.floats(1e3, 1e9),
)
def test_a_reward_is_the_searchs_own(kind: str, weight: float, accuracy: float, cost: float) -> None:
    ours = Weighing(kind, 5e6, "macs", weight).rewards([accuracy], [cost])[0]
    assert ours == pytest.approx(Reward(kind, 5e6, "macs", weight).scalar(accuracy, cost))


def test_what_a_kind_leaves_open_is_as_in_the_search() -> None:
    assert OWN_WEIGHTS == WEIGHTS and OWN_LIMITS == LIMITS


@pytest.mark.parametrize("kind", ["soft", "hard", "absolute", "pareto"])
def test_a_study_s_reward_is_read_from_its_settings(kind: str) -> None:
    settings = SearchSettings.model_validate({"reward": kind, "target": 2e6, "cost": "params"})
    reward = settings.make_reward()
    found = weighing({"search": settings.model_dump()})
    assert found is not None
    assert (found.kind, found.target, found.cost) == (kind, reward.target, "params")
    assert (found.weight, found.limit) == (reward.weight, reward.limit)


def test_a_study_of_plain_optuna_has_no_reward() -> None:
    assert weighing({}) is None


@given(st.sampled_from(["soft", "hard", "absolute"]), st.floats(0.2, 0.9))
def test_the_line_of_equal_reward_is_worth_what_it_says(kind: str, value: float) -> None:
    how = Weighing(kind, 5e6, "macs", -0.1)
    costs = np.geomspace(1e5, 1e8, 7)
    assert how.rewards(how.accuracies(value, costs), costs) == pytest.approx(np.full(7, value))


def test_another_weight_makes_another_winner() -> None:
    small = glance(0, 1, digest="a", metrics={"accuracy": 0.80}, costs={"macs": 1e6})
    large = glance(1, 2, digest="b", metrics={"accuracy": 0.90}, costs={"macs": 9e6})
    table = Table().updated([small, large])
    assert winners(table, Weighing("soft", 5e6, "macs", 0.0), 1) == [1]
    assert winners(table, Weighing("soft", 5e6, "macs", -0.3), 1) == [0]


def test_each_architecture_wins_once_and_ties_go_to_the_cheaper() -> None:
    same = [glance(n, n + 1, digest="a") for n in range(2)]
    cheaper = glance(2, 3, digest="b", costs={"macs": 5.0})
    table = Table().updated([*same, cheaper])
    assert winners(table, Weighing("soft", 5e6, "macs", 0.0), 5) == [2, 0]


def test_without_a_reward_the_lowest_may_be_the_best() -> None:
    table = Table().updated(
        [glance(0, 1, digest="a", objectives=(1.0,)), glance(1, 2, digest="b", objectives=(0.5,))]
    )
    assert winners(table, None, 1) == [0]
    assert winners(table, None, 1, minimized=True) == [1]


@pytest.mark.parametrize(
    ("directions", "expected"), [(("maximize", "minimize"), [2, 0]), (("minimize", "maximize"), [1])]
)
def test_of_two_plain_objectives_the_best_are_those_that_no_other_beats(
    directions: tuple[str, str], expected: list[int]
) -> None:
    pairs = ((0.5, 1.0), (0.4, 2.0), (0.9, 1.5))
    table = Table().updated([glance(n, n + 1, objectives=pair) for n, pair in enumerate(pairs)])
    assert has_front(None, directions) and not has_front(None, directions[:1])
    assert unbeaten(table, None, directions).tolist() == expected


def test_of_a_pareto_search_the_best_are_its_front() -> None:
    table = Table().updated(
        [glance(n, n + 1, costs={"macs": 5e6 + n}, metrics={"accuracy": 0.5 + n % 2}) for n in range(4)]
    )
    how = Weighing("pareto")
    assert has_front(how, ("maximize",)) and unbeaten(table, how, ()).tolist() == [1, 0]
