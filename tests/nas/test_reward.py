"""The reward against hand-computed numbers, the papers' statements, and its laws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.reward import COSTS, LIMITS, WEIGHTS, Reward, RewardError, parse_quantity

SCALAR_KINDS = ("soft", "hard", "absolute")
accuracies = st.floats(0.01, 1.0)
ratios = st.floats(0.05, 20.0)


@pytest.mark.parametrize(
    ("kind", "accuracy", "ratio", "expected"),
    [
        # by hand: accuracy * ratio^-0.07
        ("soft", 0.80, 1.0, 0.80),
        ("soft", 0.80, 2.0, 0.80 * 0.9526),
        ("soft", 0.80, 0.5, 0.80 * 1.0497),
        # accuracy up to the target, accuracy / ratio above it
        ("hard", 0.80, 0.5, 0.80),
        ("hard", 0.80, 1.0, 0.80),
        ("hard", 0.80, 2.0, 0.40),
        # accuracy - 0.10 * |ratio - 1|
        ("absolute", 0.80, 1.0, 0.80),
        ("absolute", 0.80, 1.5, 0.75),
        ("absolute", 0.80, 0.5, 0.75),
    ],
)
def test_rewards_are_those_computed_by_hand(
    kind: str, accuracy: float, ratio: float, expected: float
) -> None:
    assert Reward(kind, target=75.0).scalar(accuracy, 75.0 * ratio) == pytest.approx(expected, abs=5e-5)


def test_doubling_the_latency_is_worth_five_percent_of_accuracy() -> None:
    # MnasNet, section 3.1: "doubling the latency usually brings about 5% relative accuracy gain"
    reward = Reward("soft", target=75.0, cost="latency_ms")
    assert reward.scalar(0.75 * 1.05, 150.0) == pytest.approx(reward.scalar(0.75, 75.0), rel=1e-3)
    assert -math.log2(1.05) == pytest.approx(WEIGHTS["soft"], abs=5e-4)


@given(accuracies, ratios)
def test_at_the_target_every_reward_is_the_accuracy(accuracy: float, target: float) -> None:
    for kind in SCALAR_KINDS:
        assert Reward(kind, target).scalar(accuracy, target) == pytest.approx(accuracy)


@given(accuracies, accuracies, ratios)
def test_more_accuracy_at_equal_cost_is_never_worth_less(a: float, b: float, ratio: float) -> None:
    for kind in SCALAR_KINDS:
        reward = Reward(kind, 1.0)
        assert reward.scalar(max(a, b), ratio) >= reward.scalar(min(a, b), ratio)


@given(accuracies, ratios, ratios)
def test_more_cost_above_the_target_is_never_worth_more(accuracy: float, a: float, b: float) -> None:
    low, high = sorted((max(a, 1.0), max(b, 1.0)))
    for kind in SCALAR_KINDS:
        reward = Reward(kind, 1.0)
        assert reward.scalar(accuracy, high) <= reward.scalar(accuracy, low)


@given(accuracies, ratios, st.floats(1e-3, 1e12))
def test_only_the_ratio_to_the_target_matters(accuracy: float, ratio: float, unit: float) -> None:
    for kind in SCALAR_KINDS:
        expected = Reward(kind, 1.0).scalar(accuracy, ratio)
        assert Reward(kind, unit).scalar(accuracy, ratio * unit) == pytest.approx(
            expected, rel=1e-9, abs=1e-12
        )


@given(st.lists(st.tuples(accuracies, ratios), min_size=1, max_size=20))
def test_many_at_once_are_the_same_as_one_by_one(rows: list[tuple[float, float]]) -> None:
    table = np.array(rows)
    for kind in SCALAR_KINDS:
        reward = Reward(kind, 1.3)
        expected = [reward.scalar(accuracy, cost) for accuracy, cost in rows]
        np.testing.assert_allclose(reward.scalars(table[:, 0], table[:, 1]), expected, rtol=1e-12)


def test_integer_costs_are_welcome() -> None:
    costs = np.array([5_000_000, 10_000_000], dtype=np.int64)
    values = Reward("hard", target=5_000_000).scalars(np.array([0.5, 0.5]), costs)
    assert values.tolist() == [0.5, 0.25]


def test_scalar_rewards_are_one_objective_and_pareto_is_two() -> None:
    assert Reward("hard", 10.0).objectives(0.9, 20.0) == (0.45,)
    assert Reward("hard", 10.0).directions == ("maximize",)
    assert Reward("pareto", 10.0).objectives(0.9, 20.0) == (0.9, 20.0)
    assert Reward("pareto", 10.0).directions == ("maximize", "minimize")


@pytest.mark.parametrize("kind", WEIGHTS)
def test_the_limit_is_the_kinds_own_unless_given(kind: str) -> None:
    assert Reward(kind, 10.0).limit == LIMITS[kind] * 10.0
    assert Reward(kind, 10.0, max_cost=35.0).limit == 35.0
    low, high = Reward(kind, 10.0).window
    assert low < 10.0 <= high


def test_equations_are_printed_with_their_numbers() -> None:
    assert Reward("soft", 5e6).equation == "accuracy * (macs / 5e+06)^-0.07"
    assert Reward("hard", 100.0, "params").equation == (
        "accuracy if params <= 100 else accuracy * (params / 100)^-1"
    )
    assert Reward("absolute", 80.0, "latency_ms").equation == "accuracy - 0.1 * |latency_ms / 80 - 1|"
    assert Reward("pareto", 80.0).equation == "maximize accuracy, minimize macs"


def test_only_a_latency_must_be_measured() -> None:
    assert {cost for cost in COSTS if not Reward("soft", 1.0, cost).is_arithmetic} == {"latency_ms"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kind": "sofft", "target": 1.0}, "soft, hard, absolute, pareto, got 'sofft'; did you mean soft?"),
        ({"kind": "soft", "target": 1.0, "cost": "flops"}, "macs, params, peak_memory_bytes, latency_ms"),
        ({"kind": "soft", "target": 0.0}, "target must be a positive number"),
        ({"kind": "soft", "target": math.nan}, "target must be a positive number"),
        ({"kind": "soft", "target": 1.0, "w": 0.07}, "zero or negative, got 0.07"),
        ({"kind": "hard", "target": 10.0, "max_cost": 9.0}, "must not be below the target 10, got 9.0"),
    ],
)
def test_a_meaningless_reward_is_refused_with_rule_value_and_remedy(
    arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(RewardError) as caught:
        Reward(**arguments)
    assert words in str(caught.value)


def test_pareto_is_no_number_and_a_cost_is_positive() -> None:
    with pytest.raises(RewardError, match="two objectives"):
        Reward("pareto", 1.0).scalar(0.9, 1.0)
    with pytest.raises(RewardError, match="cost must be a positive number"):
        Reward("soft", 1.0).scalar(0.9, 0.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5M", 5_000_000),
        ("5m", 5_000_000),
        ("1.5K", 1_500),
        ("0.3 G", 300_000_000),
        ("2B", 2_000_000_000),
        ("5_000_000", 5_000_000),
        (" 75 ", 75),
        ("7.5", 7.5),
        (".5k", 500),
    ],
)
def test_quantities_are_read(text: str, expected: float) -> None:
    value = parse_quantity(text)
    assert value == expected
    assert isinstance(value, int) == float(expected).is_integer()


@pytest.mark.parametrize("text", ["", "M", "5X", "-5M", "0", "nan", "inf", "1e6", "5MM", "1.2.3", "5,000"])
def test_other_words_are_no_quantities(text: str) -> None:
    with pytest.raises(RewardError, match="write for example 5M"):
        parse_quantity(text)


@given(st.integers(1, 10**15))
def test_whole_numbers_read_back_as_themselves(number: int) -> None:
    assert parse_quantity(str(number)) == number
