"""Committees: their costs and accuracies by hand, and that held-out examples are held out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from scaling_rules import ScalingError, Voter, committee_frontier

Array = npt.NDArray[np.float64]
LABELS = np.random.default_rng(0).integers(0, 5, 4_000)
CHOSEN = np.arange(4_000) % 2 == 0


def voter(name: str, cost: float, skill: float, seed: int) -> Voter:
    """Returns a network whose logits are right by `skill` standard deviations of independent noise."""
    rng = np.random.default_rng((seed, 7))
    logits = 2.0 * (skill * np.eye(5)[LABELS] + rng.normal(0.0, 1.0, (len(LABELS), 5)))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return Voter(name, cost, powers / powers.sum(axis=1, keepdims=True))


SMALL = [voter(f"small-{seed}", 1.0, 1.5, seed) for seed in range(3)]
LARGE = voter("large", 6.0, 2.0, 9)


def test_an_ensemble_costs_the_sum_and_beats_its_members() -> None:
    found = committee_frontier(SMALL, LABELS, chosen_on=CHOSEN, kinds=["single", "ensemble"])
    singles = [row for row in found if row.kind == "single"]
    ensembles = [row for row in found if row.kind == "ensemble"]
    assert {row.cost for row in ensembles} <= {2.0, 3.0}
    assert max(row.accuracy for row in ensembles) > max(row.accuracy for row in singles) + 0.05


def test_a_cascade_stops_early_and_costs_what_it_ran() -> None:
    found = committee_frontier(SMALL[:2], LABELS, chosen_on=CHOSEN, kinds=["cascade"], means=["arithmetic"])
    assert len(found) > 5
    for row in found:
        ordered = [next(item for item in SMALL if item.name == name) for name in row.names]
        goes_on = ordered[0].probabilities[~CHOSEN].max(axis=1) < row.threshold
        assert row.cost == pytest.approx(1.0 + goes_on.mean())


def test_cascades_of_small_and_large_dominate_the_large_network_alone() -> None:
    found = committee_frontier([*SMALL, LARGE], LABELS, chosen_on=CHOSEN)
    [alone] = committee_frontier([LARGE], LABELS, chosen_on=CHOSEN)
    assert any(row.cost < 0.6 * alone.cost and row.accuracy >= alone.accuracy for row in found)


def test_every_network_stands_alone_in_the_list_and_what_is_beaten_says_so() -> None:
    huge = replace(voter("huge", 60.0, 1.0, 11), joins=False)
    found = committee_frontier([*SMALL, LARGE, huge], LABELS, chosen_on=CHOSEN)
    singles = {row.names[0]: row for row in found if row.kind == "single"}
    assert set(singles) == {"small-0", "small-1", "small-2", "large", "huge"}
    assert not any("huge" in row.names for row in found if row.kind != "single")
    for row in found:
        better = [
            other
            for other in found
            if other.cost <= row.cost
            and other.accuracy >= row.accuracy
            and (other.cost, other.accuracy) != (row.cost, row.accuracy)
        ]
        assert row.beaten == bool(better)
    assert singles["huge"].beaten and not all(row.beaten for row in found)


def test_of_thresholds_that_cost_nearly_the_same_one_is_shown() -> None:
    """Costs on the half that chose differ by 5 % or more, so on the other half by about as much."""
    found = committee_frontier(SMALL[:2], LABELS, chosen_on=CHOSEN, kinds=["cascade"])
    costs = [row.cost for row in found]
    assert len(costs) >= 8 and all(later / earlier > 1.02 for earlier, later in pairwise(costs))


def test_geometric_and_arithmetic_means_are_those_of_the_papers() -> None:
    a = np.array([[0.9, 0.1], [0.4, 0.6]])
    b = np.array([[0.2, 0.8], [0.5, 0.5]])
    labels, chosen = np.array([0, 1]), np.array([True, False])
    voters = [Voter("a", 1.0, a), Voter("b", 1.0, b)]
    for mean, first in (("geometric", np.sqrt(a * b)), ("arithmetic", (a + b) / 2)):
        rows = committee_frontier(voters, labels, chosen_on=chosen, kinds=["ensemble"], means=[mean])
        assert rows[0].accuracy == float(first[1].argmax() == 1)


def test_what_does_not_fit_is_refused() -> None:
    good = SMALL[0]
    cases = [
        ([Voter("x", 1.0, good.probabilities * 2)], LABELS, CHOSEN, "probabilities of x must be 4000 rows"),
        ([Voter("x", 0.0, good.probabilities)], LABELS, CHOSEN, "cost of x"),
        ([good], LABELS[:5], CHOSEN, "one class and one true or false per example"),
        ([good], LABELS, np.ones(4_000, dtype=bool), "set some aside"),
        ([], LABELS, CHOSEN, "needs networks"),
    ]
    for voters, labels, chosen, message in cases:
        with pytest.raises(ScalingError, match=message):
            committee_frontier(voters, labels, chosen_on=chosen)
    with pytest.raises(ScalingError, match="`most` must be at least 1"):
        committee_frontier([good], LABELS, chosen_on=CHOSEN, most=0)
