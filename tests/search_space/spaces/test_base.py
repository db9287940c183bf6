"""The laws of every space, on the published spaces and on spaces of a user's own."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space import Choice, cost
from search_space.spaces import MnasNet, MobileNetV3, Point, SearchSpace, SpaceError
from tests.fakes.small_spaces import LargePlain, SmallPlain, SmallStaged

SPACES = {
    "mnasnet": lambda: MnasNet(resolution=32, num_classes=10, width=0.25),
    "mobilenetv3": lambda: MobileNetV3(resolution=32, num_classes=10, width=0.25),
    "staged": lambda: SmallStaged(resolution=12, num_classes=10),
    "plain": lambda: SmallPlain(resolution=8, num_classes=10),
    "large": lambda: LargePlain(resolution=8, num_classes=10),
}


@cache
def space_of(name: str) -> SearchSpace:
    return SPACES[name]()


names = st.sampled_from(sorted(SPACES))
seeds = st.integers(0, 2**32 - 1)


def inside(space: SearchSpace, point: Point) -> bool:
    return len(point) == len(space.choices) and all(
        type(index) is int and 0 <= index < len(choice.options)
        for index, choice in zip(point, space.choices, strict=True)
    )


@given(names, seeds)
def test_what_is_sampled_mutated_and_crossed_is_inside(name: str, seed: int) -> None:
    space, rng = space_of(name), np.random.default_rng(seed)
    a, b = space.sample(rng), space.sample(rng)
    child = space.crossover(a, b, rng)
    assert inside(space, a) and inside(space, space.mutate(a, rng)) and inside(space, child)
    assert all(x in pair for x, pair in zip(child, zip(a, b, strict=True), strict=True))


@given(names, seeds)
def test_a_mutation_changes_exactly_one_choice(name: str, seed: int) -> None:
    space, rng = space_of(name), np.random.default_rng(seed)
    point = space.sample(rng)
    assert sum(x != y for x, y in zip(point, space.mutate(point, rng), strict=True)) == 1


@given(names, seeds)
def test_a_point_comes_back_from_its_values(name: str, seed: int) -> None:
    space = space_of(name)
    point = space.sample(np.random.default_rng(seed))
    assert space.point(space.values(point)) == point


@given(names, seeds)
@settings(max_examples=25)
def test_what_encodes_decodes_to_the_same_digest(name: str, seed: int) -> None:
    space = space_of("staged" if name == "large" else name)
    architecture = space.decode(space.sample(np.random.default_rng(seed)))
    assert space.decode(space.encode(architecture)).digest == architecture.digest


@given(names, seeds)
@settings(max_examples=50)
def test_the_same_seed_draws_the_same_points(name: str, seed: int) -> None:
    space = space_of(name)
    assert space.sample(np.random.default_rng(seed)) == space.sample(np.random.default_rng(seed))


@pytest.mark.parametrize("name", ["staged", "plain"])
def test_the_size_is_the_number_of_points(name: str) -> None:
    points = list(space_of(name).points())
    assert len(points) == len(set(points)) == space_of(name).size


@pytest.mark.parametrize("name", sorted(SPACES))
def test_batched_costs_equal_the_scalar_path(name: str) -> None:
    space, rng = space_of(name), np.random.default_rng(1)
    points = [space.sample(rng) for _ in range(200)]
    costs = space.costs(np.array(points, dtype=np.int8))
    assert len(costs) == 200 and costs.macs.dtype == np.int64
    assert [costs[row] for row in range(200)] == [cost(space.decode(point)) for point in points]


def test_no_points_have_no_costs() -> None:
    for name in SPACES:
        space = space_of(name)
        assert len(space.costs(np.empty((0, len(space.choices)), dtype=np.int64))) == 0


def test_an_unused_choice_does_not_change_the_digest() -> None:
    space = space_of("plain")
    assert space.decode((0, 0, 0, 0)).digest == space.decode((0, 0, 0, 1)).digest
    assert space.decode((1, 0, 0, 0)).digest != space.decode((1, 0, 0, 1)).digest


def test_every_option_of_a_choice_is_drawn_and_reached_by_mutation() -> None:
    space, rng = space_of("plain"), np.random.default_rng(2)
    drawn = {space.sample(rng) for _ in range(1000)}
    mutated = {space.mutate((0, 0, 0, 0), rng) for _ in range(1000)}
    assert len(drawn) == space.size
    assert len(mutated) == sum(len(choice.options) - 1 for choice in space.choices)


def test_a_single_point_has_no_mutation() -> None:
    class Single(SmallPlain):
        choices = (
            Choice("depth", (1,)),
            Choice("channels", (8,)),
            Choice("activation", ("relu",)),
            Choice("unused", (False,)),
        )

    space = Single(resolution=8, num_classes=2)
    assert space.size == 1
    with pytest.raises(SpaceError, match="needs a choice with two options"):
        space.mutate((0, 0, 0, 0), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("", (1,), "needs a name"),
        ("kernel", (), "at least one option"),
        ("kernel", [3, 5], "a tuple"),
        ("kernel", (3, 3), "must differ"),
        ("kernel", (1, 1.0), "must differ"),
        ("kernel", (float("nan"),), "finite"),
        ("kernel", ((3, 3),), "a text, a finite number or a bool"),
    ],
)
def test_a_wrong_choice_is_refused(name: str, options: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(SpaceError, match=sentence):
        Choice(name, options)


def test_true_is_not_one_but_a_whole_float_is_a_number() -> None:
    assert Choice("x", (True, 1)).index(1) == 1
    assert Choice("x", (0.5, 1.0)).index(1) == 1
    with pytest.raises(SpaceError, match="must be one of 1, 2, got true|got True"):
        Choice("x", (1, 2)).index(True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("resolution", 0),
        ("resolution", 32.0),
        ("num_classes", True),
        ("input_channels", -1),
        ("width", 0.0),
        ("width", float("inf")),
        ("width", "1"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(field: str, value: object) -> None:
    given_settings: dict[str, Any] = {"resolution": 32, "num_classes": 10, field: value}
    with pytest.raises(SpaceError, match=f"^{field} must be"):
        MnasNet(**given_settings)


@pytest.mark.parametrize("point", [(0, 0, 0), (0, 0, 0, 2), (-1, 0, 0, 0)])
def test_a_point_outside_is_refused(point: Point) -> None:
    with pytest.raises(SpaceError, match="indices|index"):
        space_of("plain").decode(point)


def test_wrong_values_are_refused_with_the_nearest_name() -> None:
    space = space_of("plain")
    values = space.values((0, 0, 0, 0))
    with pytest.raises(SpaceError, match="did you mean depth"):
        space.point({**values, "dept": 1})
    with pytest.raises(SpaceError, match="got none for depth"):
        space.point({name: value for name, value in values.items() if name != "depth"})
    with pytest.raises(SpaceError, match="depth must be one of 1, 2, 3, got 4"):
        space.point({**values, "depth": 4})


@pytest.mark.parametrize("name", ["plain", "staged"])
@pytest.mark.parametrize("shape", [(3,), (2, 99)])
def test_a_batch_of_a_wrong_shape_type_or_range_is_refused(name: str, shape: tuple[int, ...]) -> None:
    space = space_of(name)
    width = len(space.choices)
    for batch in (np.zeros(shape, dtype=np.int64), np.zeros((2, width)), np.full((2, width), 9)):
        with pytest.raises(SpaceError, match="batch"):
            space.costs(batch)
    with pytest.raises(SpaceError, match="batch"):
        space.costs(np.full((2, width), -1))


def test_a_large_plain_space_says_that_it_has_no_inverse() -> None:
    space = space_of("large")
    with pytest.raises(SpaceError, match="write `encode`"):
        space.encode(space.decode((0,) * 12))


def test_a_network_from_elsewhere_is_no_point() -> None:
    with pytest.raises(SpaceError, match="none of the 24 points"):
        space_of("plain").encode(space_of("large").decode((0,) * 12))


def test_points_come_in_lexicographic_order() -> None:
    space = space_of("plain")
    assert list(itertools.islice(space.points(), 3)) == [(0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, 0)]
