"""The comparison with the control against textbook numbers and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nas.strategies.comparison import ComparisonError, compare, seed_noise


def test_noise_is_the_pooled_standard_deviation_within_candidates() -> None:
    # by hand: squares 2 + 8 within groups, 2 + 1 degrees of freedom (the single value has none)
    noise, num_degrees = seed_noise([[1.0, 2.0, 3.0], [0.0, 4.0], [7.0]])
    assert noise == pytest.approx((10 / 3) ** 0.5)
    assert num_degrees == 3


def test_with_one_candidate_an_arm_the_interval_is_students() -> None:
    winner, control = [0.91, 0.93, 0.92, 0.95], [0.88, 0.90, 0.87]
    ours = compare([winner], [control], confidence=0.9)
    interval = stats.ttest_ind(winner, control).confidence_interval(0.9)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high))


def test_repeats_of_other_candidates_narrow_the_interval() -> None:
    winner, control = [0.92, 0.94], [0.88, 0.90]
    alone = compare([winner], [control])
    helped = compare([winner, [0.91, 0.93], [0.90, 0.92]], [control, [0.87, 0.89]])
    assert helped.difference == alone.difference
    assert helped.high - helped.low < 0.7 * (alone.high - alone.low)


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        (0.10, "beats the control beyond"),
        (-0.10, "worse than the control beyond"),
        (0.0, "do not differ beyond"),
    ],
)
def test_the_verdict_is_one_sentence_with_its_numbers(shift: float, words: str) -> None:
    verdict = compare([[0.81 + shift, 0.80 + shift, 0.79 + shift]], [[0.81, 0.80, 0.79]]).verdict
    assert words in verdict
    assert "95% interval" in verdict


def test_of_two_equal_arms_about_one_in_twenty_is_called_different() -> None:
    rng = np.random.default_rng(0)
    comparisons = [
        compare(rng.normal(0.9, 0.02, (3, 3)).tolist(), rng.normal(0.9, 0.02, (3, 3)).tolist())
        for _ in range(2000)
    ]
    share = np.mean([c.is_better or c.is_worse for c in comparisons])
    assert 0.03 < share < 0.07


@pytest.mark.parametrize(
    ("winners", "controls", "words"),
    [
        ([], [[0.9, 0.8]], "both arms need"),
        ([[]], [[0.9, 0.8]], "both arms need"),
        ([[0.9]], [[0.8]], "at least two repeats"),
        ([[0.9, float("nan")]], [[0.8, 0.7]], "finite value"),
    ],
)
def test_too_few_repeats_are_refused(
    winners: list[list[float]], controls: list[list[float]], words: str
) -> None:
    with pytest.raises(ComparisonError, match=words):
        compare(winners, controls)


def test_a_confidence_is_a_share() -> None:
    with pytest.raises(ComparisonError, match="between 0 and 1, got 95"):
        compare([[0.9, 0.8]], [[0.9, 0.8]], confidence=95)
