"""How far short trainings are trusted: on trainings whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scaling_rules import FidelityPoint, ScalingError, Trust, trust

COSTS = (1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.0)


def trainings(
    epochs: int, *, factor: float = 1.0, shrink: float = 0.5, noise: float = 0.0, seed: int = 0
) -> list[FidelityPoint]:
    """Returns trainings whose errors fall with cost; longer than 4 epochs, by `shrink` too, and `factor` a doubling."""
    rng, points = np.random.default_rng([seed, epochs]), []
    for index, cost in enumerate(COSTS):
        error = 0.3 * cost**-0.4
        if epochs > 4:
            error *= shrink * factor ** np.log2(cost)
        points.append(FidelityPoint(f"{index}", cost, epochs, float(1.0 - error + rng.normal(0.0, noise))))
    return points


def test_the_factor_of_errors_is_found_exactly_without_noise() -> None:
    found = trust([*trainings(4), *trainings(16, factor=0.9)])
    [check] = found.checks
    assert (check.factor.value, check.factor.low, check.factor.high) == pytest.approx((0.9, 0.9, 0.9))
    assert check.kendall.value == 1.0 and check.holds and found.upto == 16
    gains = [
        long.accuracy - short.accuracy
        for short, long in zip(trainings(4), trainings(16, factor=0.9), strict=True)
    ]
    assert check.gain == pytest.approx(np.mean(gains))


def test_the_factor_is_the_slope_of_a_line_weighted_by_what_noise_does_to_logarithms() -> None:
    short, long = trainings(4, noise=0.01), trainings(16, noise=0.01)
    [check] = trust([*short, *short, *long]).checks  # two trainings of each short one
    lacking = [np.array([1.0 - one.accuracy for one in side]) for side in (short, long)]
    deviations = np.sqrt(1.0 / (2.0 * lacking[0] ** 2) + 1.0 / lacking[1] ** 2)
    shrunk = np.log(lacking[1] / lacking[0])
    [slope, _], covariance = np.polyfit(np.log2(COSTS), shrunk, 1, w=1.0 / deviations, cov=True)
    reach = stats.t.ppf(0.975, len(COSTS) - 2) * np.sqrt(covariance[0, 0])
    assert np.log([check.factor.low, check.factor.high]) == pytest.approx([slope - reach, slope + reach])


def test_the_factors_interval_covers_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(400):
        points = [*trainings(4, noise=0.004, seed=seed), *trainings(16, factor=0.95, noise=0.004, seed=seed)]
        [check] = trust(points).checks
        hits += check.factor.low <= 0.95 <= check.factor.high
    assert 0.915 <= hits / 400 <= 0.985  # three standard deviations about 95 %


def test_trainings_that_turn_the_order_around_are_not_trusted() -> None:
    turned = [
        FidelityPoint(one.network, one.cost, 16, 0.95 - 0.01 * index)
        for index, one in enumerate(trainings(4))
    ]
    found = trust([*trainings(4), *turned])
    assert found.upto == 4 and not found.checks[0].holds
    assert found.verdict.endswith("trust the rule for trainings like the fit's only")


def test_trust_ends_at_the_first_length_that_is_not_shown() -> None:
    doubtful = [FidelityPoint(f"{index}", COSTS[index], 32, (0.9, 0.8)[index % 2]) for index in range(8)]
    found = trust([*trainings(4), *trainings(16), *doubtful, *trainings(64)])
    assert [check.holds for check in found.checks] == [True, False, True]
    assert found.upto == 16 and "at 32 that is not shown" in found.verdict


def test_the_law_of_cost_and_epochs_is_recovered_from_three_lengths() -> None:
    points = [
        FidelityPoint(f"{index}", cost, epochs, 0.97 - 0.2 * cost**-0.5 - 0.3 * (epochs / 4) ** -0.8)
        for index, cost in enumerate(COSTS)
        for epochs in (4, 8, 16)
    ]
    law = trust(points).law
    assert law is not None and law.law.limit == pytest.approx(0.97, abs=0.002)
    assert law.law.exponents == pytest.approx((0.5, 0.8), abs=0.02)
    two = trust([point for point in points if point.epochs != 8])
    assert two.law is None and "at least 3 different sizes" in two.why


def test_seeds_are_averaged_and_networks_without_a_longer_training_left_out() -> None:
    short = [
        FidelityPoint(one.network, one.cost, 4, one.accuracy + d)
        for one in trainings(4)
        for d in (0.01, -0.01)
    ]
    alone = FidelityPoint("alone", 3.0, 4, 0.1)
    [with_seeds], [without] = (
        trust([*rest, *trainings(16)]).checks for rest in ([*short, alone], trainings(4))
    )
    assert with_seeds.kendall == without.kendall and with_seeds.gain == pytest.approx(without.gain)
    assert with_seeds.factor.value == pytest.approx(without.factor.value)


def test_it_comes_back_from_json() -> None:
    found = trust([*trainings(4, noise=0.01), *trainings(8, noise=0.01), *trainings(16, noise=0.01)])
    assert Trust.from_json(found.to_json()) == found
    assert found.verdict in str(found)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([], "two lengths"),
        (trainings(4), "two lengths"),
        ([*trainings(4), *trainings(16)[:5]], "at least 6"),
        ([*trainings(4), FidelityPoint("0", 1.0, 16, float("nan"))], "must be finite"),
        ([*trainings(4), FidelityPoint("0", 0.0, 16, 0.5)], "greater than 0"),
        (
            [FidelityPoint(str(n), 1.0, epochs, 0.1 * n) for n in range(8) for epochs in (4, 8)],
            "differ in cost",
        ),
        ([*trainings(4), *(FidelityPoint(str(n), 1.0, 16, 0.5) for n in range(8))], "must differ"),
    ],
)
def test_what_tells_nothing_is_refused_with_a_sentence(points: list[FidelityPoint], said: str) -> None:
    with pytest.raises(ScalingError, match=said):
        trust(points)
