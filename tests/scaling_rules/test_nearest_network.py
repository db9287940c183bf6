"""The network nearest to a rule: compared with an exhaustive search over all that can be built near it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from scaling_rules import Multipliers, PowerRule, named_rule
from scaling_rules.nearest_network import NUDGE, BuiltOf, CostOf, nearest_network
from search_space import Architecture, Stage, cost, scale
from search_space.blocks import ClassifierOptions, ConvOptions, StemOptions

TOLERANCE = 0.02
NAMES = ("depth", "width", "resolution")
RULES = ("efficientnet", "dWr", "depth", "width", "resolution", "depth+width")


def small(side: int, widths: tuple[int, ...], repeats: int) -> Architecture:
    return Architecture(
        resolution=side,
        stem=Stage("stem", 1, widths[0], 1, StemOptions()),
        stages=tuple(Stage("conv", repeats, width, 2, ConvOptions()) for width in widths),
        head=Stage("classifier", 1, 0, 1, ClassifierOptions()),
    )


def macs_of(network: Architecture, divisor: int) -> CostOf:
    def macs(*, depth: float, width: float, resolution: float) -> float:
        grown = scale(network, depth=depth, width=width, resolution=resolution, divisor=divisor)
        return float(cost(grown).macs)

    return macs


def passing(name: str, macs: CostOf, target: float) -> Multipliers:
    """Returns where the rule's own networks begin to cost more than the target."""
    rule = named_rule(name)
    low, high = 1e-3, 1e3
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if macs(**rule.multipliers(cost=middle)) <= target else (low, middle)
    return rule.multipliers(cost=low)


def distance(one: Multipliers, ideal: Multipliers) -> float:
    return max(abs(math.log(factor / ideal[name])) for name, factor in zip(NAMES, one.values(), strict=True))  # type: ignore


def left_alone(name: str) -> set[str]:
    """Returns the dimensions that a rule never changes; one that it does may be at 1 where rounding passes a target."""
    return {
        dimension for dimension, factor in named_rule(name).multipliers(cost=2.0).items() if factor == 1.0
    }


def exhaustive(network: Architecture, divisor: int, ideal: Multipliers, fixed: set[str]) -> list[Multipliers]:
    """Returns every network near the rule, by the multipliers that are nearest to it among those that build it.

    Where the channels of two stages step at one factor, such as 10/9, rounding of the last bit lets one step before the
    other: what no neighbouring factor builds is left out, as the search promises no step narrower than a piece.
    """
    levels = []
    for name in NAMES:
        middle = float(ideal[name])  # type: ignore[literal-required]
        near = [middle] if name in fixed else [*np.geomspace(middle / NUDGE, middle * NUDGE, 600), middle]
        nearest: dict[Architecture, float] = {}
        for factor in sorted(map(float, near), key=lambda factor: abs(math.log(factor / middle))):
            built, below, above = (
                scale(network, divisor=divisor, **{name: factor * near_by})
                for near_by in (1.0, 1 - 1e-6, 1 + 1e-6)
            )
            if built in (below, above):
                nearest.setdefault(built, factor)
        levels.append(list(nearest.values()))
    return [Multipliers(depth=d, width=w, resolution=r) for d, w, r in itertools.product(*levels)]


@given(
    st.sampled_from(RULES),
    st.sampled_from([1, 2, 3]),
    st.lists(st.sampled_from([8, 12, 16, 24, 32, 48]), min_size=2, max_size=3),
    st.sampled_from([12, 16, 32]),
    st.sampled_from([4, 8]),
    st.floats(1.3, 8.0),
)
@example("dWr", 2, [16, 8], 16, 8, 2.0)  # both stages step at 10/9, where the rule passes the target
@example("efficientnet", 3, [24, 8], 12, 8, 2.0)
@settings(max_examples=15, deadline=None)
def test_the_search_finds_what_an_exhaustive_one_does(
    rule: str, repeats: int, widths: list[int], side: int, divisor: int, multiple: float
) -> None:
    assume(
        all(width % divisor == 0 for width in widths)
    )  # else 0.99 gives more channels than 1, which leaves them
    network = small(side, tuple(widths), repeats)
    macs = macs_of(network, divisor)
    target = multiple * macs(depth=1.0, width=1.0, resolution=1.0)
    found = nearest_network(named_rule(rule), macs, target, tolerance=TOLERANCE)
    ideal, fixed = passing(rule, macs, target), left_alone(rule)
    everything = [
        (abs(macs(**one) / target - 1.0), one) for one in exhaustive(network, divisor, ideal, fixed)
    ]
    meeting = [distance(one, ideal) for miss, one in everything if miss <= TOLERANCE]
    miss = abs(macs(**found) / target - 1.0)
    assert all(factor == 1.0 for name, factor in found.items() if name in fixed)
    if meeting:
        assert miss <= TOLERANCE and distance(found, ideal) <= min(meeting) + 2e-3
    else:
        assert miss <= min(each for each, _ in everything) + 1e-9


def built_by(network: Architecture, divisor: int) -> BuiltOf:
    def built(*, depth: float, width: float, resolution: float) -> Multipliers:
        grown = scale(network, depth=depth, width=width, resolution=resolution, divisor=divisor)
        return Multipliers(
            depth=grown.stages[0].repeats / network.stages[0].repeats,
            width=sum(stage.channels for stage in grown.stages)
            / sum(stage.channels for stage in network.stages),
            resolution=grown.resolution / network.resolution,
        )

    return built


@pytest.mark.parametrize("multiple", [1.5, 2.83, 4.0, 6.0, 8.0])
def test_a_rule_in_what_is_built_is_followed_as_nearly_as_the_target_allows(multiple: float) -> None:
    network = small(12, (16, 32), 6)
    macs, built = macs_of(network, 4), built_by(network, 4)
    rule = PowerRule("fitted", 1.4, 1.0, 1.15, 2.0)  # at twice the cost, as measured
    target = multiple * macs(depth=1.0, width=1.0, resolution=1.0)
    found = nearest_network(rule, macs, target, tolerance=TOLERANCE, built_of=built)
    ideal = rule.multipliers(cost=multiple)
    everything = [
        Multipliers(depth=layers / 6, width=1.0, resolution=side / 12)
        for layers, side in itertools.product(range(3, 60), range(6, 60))
    ]
    meeting = [
        distance(built(**one), ideal) for one in everything if abs(macs(**one) / target - 1.0) <= TOLERANCE
    ]
    assert found["width"] == 1.0
    assert (abs(macs(**found) / target - 1.0) <= TOLERANCE) == (min(meeting, default=1.0) <= math.log(NUDGE))
    if min(meeting, default=1.0) <= math.log(NUDGE):
        assert distance(built(**found), ideal) <= min(meeting) + 1e-9
