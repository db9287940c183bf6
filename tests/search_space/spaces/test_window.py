"""Sampling inside a budget: inside, uniform, bounded, and honest where there is nothing."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from search_space import cost
from search_space.spaces import MnasNet, MobileNetV3, SearchSpace, SpaceError, Window
from search_space.spaces import window as window_module
from search_space.spaces.window import Ladder
from tests.fakes.small_spaces import LargePlain, SmallPlain, SmallStaged


@cache
def published(name: str) -> SearchSpace:
    made = {"mnasnet": MnasNet, "mobilenetv3": MobileNetV3}[name]
    return made(resolution=32, num_classes=10, width=0.25)


def points_inside(space: SearchSpace, macs: Window | None, params: Window | None) -> set[tuple[int, ...]]:
    points = list(space.points())
    costs = space.costs(np.array(points))
    inside = np.ones(len(points), dtype=bool)
    for window, values in ((macs, costs.macs), (params, costs.params)):
        if window is not None:
            inside &= (values >= window[0]) & (values <= window[1])
    return {point for point, keep in zip(points, inside, strict=True) if keep}


def windows_of(space: SearchSpace) -> tuple[Window, Window]:
    """Returns windows around the middle of MACs and parameters that hold some, not all, points."""
    costs = space.costs(np.array(list(space.points())))
    low, high = np.quantile(costs.macs, [0.3, 0.4])
    few, many = np.quantile(costs.params, [0.55, 0.65])
    return (float(low), float(high)), (float(few), float(many))


@pytest.mark.parametrize("bins", [40, 8192])
@pytest.mark.parametrize("bounded", ["macs", "params", "both"])
def test_the_draw_from_a_staged_space_is_uniform(
    bounded: str, bins: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with bins so coarse that most of the work is done by rejection."""
    monkeypatch.setattr(window_module, "MAX_BINS", bins)
    space = SmallStaged(resolution=12, num_classes=10)
    macs, params = windows_of(space)
    asked = {"macs": macs if bounded != "params" else None, "params": params if bounded != "macs" else None}
    inside = points_inside(space, **asked)
    rng = np.random.default_rng(0)
    drawn = Counter(space.sample(rng, **asked) for _ in range(5 * len(inside)))
    assert 50 < len(inside) < space.size and set(drawn) <= inside
    assert chisquare([drawn[point] for point in inside]).pvalue > 1e-3


def test_the_draw_from_a_small_plain_space_is_uniform() -> None:
    space = SmallPlain(resolution=8, num_classes=10)
    macs, _ = windows_of(space)
    inside = points_inside(space, macs, None)
    rng = np.random.default_rng(0)
    drawn = Counter(space.sample(rng, macs=macs) for _ in range(200 * len(inside)))
    assert set(drawn) == inside
    assert chisquare(list(drawn.values())).pvalue > 1e-3


def test_the_counts_are_the_numbers_of_points() -> None:
    space = SmallStaged(resolution=12, num_classes=10)
    macs = space.costs(np.array(list(space.points()))).macs
    ladder = Ladder(space.tables, 0, float(macs.max()))
    assert ladder.ways((0.0, float(macs.max()))) == space.size


@given(
    name=st.sampled_from(["mnasnet", "mobilenetv3"]),
    share=st.floats(0.0, 1.0),
    seed=st.integers(0, 2**32 - 1),
    with_params=st.booleans(),
)
@settings(max_examples=40)
def test_the_draw_is_inside_wherever_the_window_lies(
    name: str, share: float, seed: int, with_params: bool
) -> None:
    """The window is a tenth to either side of a cost between the reachable extremes."""
    space, rng = published(name), np.random.default_rng(seed)
    costs = space.costs(np.array([space.sample(rng) for _ in range(64)]))
    middle = np.quantile(costs.macs, share)
    macs = (0.9 * middle, 1.1 * middle)
    params = (0.0, float(costs.params.max())) if with_params else None
    found = cost(space.decode(space.sample(rng, macs=macs, params=params)))
    assert macs[0] <= found.macs <= macs[1]
    assert params is None or params[0] <= found.params <= params[1]


@pytest.mark.parametrize("name", ["mnasnet", "mobilenetv3"])
def test_the_rarest_points_at_both_ends_are_found(name: str) -> None:
    """The tails hold one point in 10^18, which counts that lose them in rounding never draw."""
    space, rng = published(name), np.random.default_rng(0)
    with pytest.raises(SpaceError) as refusal:
        space.sample(rng, macs=(0, 1))
    reach = re.search(r"([\d,]+) to ([\d,]+)", str(refusal.value))
    assert reach is not None
    low, high = (int(number.replace(",", "")) for number in reach.groups())
    for window in ((low, 1.01 * low), (0.99 * high, high)):
        found = cost(space.decode(space.sample(rng, macs=window))).macs
        assert window[0] <= found <= window[1]


@pytest.mark.parametrize("make", [SmallStaged, SmallPlain])
@pytest.mark.parametrize("window", [(1, 2), (10**15, 10**16)])
def test_an_empty_window_is_refused_with_what_can_be_reached(make: type[SearchSpace], window: Window) -> None:
    space = make(resolution=8, num_classes=10)
    macs = space.costs(np.array(list(space.points()))).macs
    with pytest.raises(SpaceError) as refusal:
        space.sample(np.random.default_rng(0), macs=window)
    assert f"{macs.min():,}" in str(refusal.value) and f"{macs.max():,}" in str(refusal.value)


def test_a_gap_between_two_costs_is_refused_and_does_not_hang() -> None:
    space = published("mnasnet")
    macs = cost(space.decode(space.sample(np.random.default_rng(0)))).macs
    with pytest.raises(SpaceError, match="no point was found with macs"):
        space.sample(np.random.default_rng(0), macs=(macs + 0.4, macs + 0.6))


@pytest.mark.parametrize("window", [(2, 1), (float("nan"), 1), (0, float("inf"))])
def test_a_wrong_window_is_refused(window: Window) -> None:
    with pytest.raises(SpaceError, match="macs must be two finite numbers"):
        published("mnasnet").sample(np.random.default_rng(0), macs=window)


def test_a_large_plain_space_is_sampled_by_rejection_and_then_by_walking() -> None:
    space, rng = LargePlain(resolution=8, num_classes=10), np.random.default_rng(0)
    middle = float(np.median(space.costs(np.array([space.sample(rng) for _ in range(99)])).macs))
    for window in ((0.9 * middle, 1.1 * middle), (0.0, 0.2 * middle)):
        found = cost(space.decode(space.sample(rng, macs=window))).macs
        assert window[0] <= found <= window[1]


def test_a_walk_that_cannot_arrive_ends_with_what_was_seen() -> None:
    with pytest.raises(SpaceError, match="draws and 2,000 steps towards it.*the draws had macs from"):
        LargePlain(resolution=8, num_classes=10).sample(np.random.default_rng(0), macs=(1, 2))
