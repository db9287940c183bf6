"""Spaces of sections: joined stages, strides that fit the input, and the way back from a network."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space import Auxiliary, Stage, cost
from search_space.architecture import joined
from search_space.spaces import SpaceError, adapted_strides
from tests.fakes.small_spaces import SmallStaged

SPACE = SmallStaged(resolution=12, num_classes=10)
POINT = (1, 0, 1, 1, 1, 0, 2, 0, 0, 1)

MOBILENET_STRIDES = (2, 1, 2, 2, 2, 1, 2, 1)


@pytest.mark.parametrize(
    ("resolution", "strides"),
    [
        (224, (2, 1, 2, 2, 2, 1, 2, 1)),
        (97, (2, 1, 2, 2, 2, 1, 2, 1)),
        (96, (1, 1, 2, 2, 2, 1, 2, 1)),
        (32, (1, 1, 1, 2, 2, 1, 2, 1)),
        (16, (1, 1, 1, 1, 2, 1, 2, 1)),
        (8, (1, 1, 1, 1, 1, 1, 2, 1)),
        (4, (1, 1, 1, 1, 1, 1, 1, 1)),
    ],
)
def test_the_earliest_strides_are_dropped_first(resolution: int, strides: tuple[int, ...]) -> None:
    assert adapted_strides(MOBILENET_STRIDES, resolution) == strides


@given(st.lists(st.integers(1, 3), max_size=8), st.integers(1, 500))
def test_strides_keep_a_last_map_of_four_and_are_dropped_only_where_needed(
    strides: list[int], resolution: int
) -> None:
    kept = adapted_strides(strides, resolution)

    def last_side(each: list[int]) -> int:
        side = resolution
        for stride in each:
            side = -(-side // stride)
        return side

    assert last_side(list(kept)) >= min(4, resolution)
    dropped = [index for index, stride in enumerate(strides) if stride != kept[index]]
    if dropped:
        put_back = list(kept)
        put_back[dropped[-1]] = strides[dropped[-1]]
        assert last_side(put_back) < 4


@given(st.lists(st.tuples(st.sampled_from([8, 16]), st.integers(1, 3), st.integers(1, 2)), max_size=8))
def test_joining_stages_leaves_layers_and_costs_alone(rows: list[tuple[int, int, int]]) -> None:
    stages = tuple(Stage("mbconv", repeats, channels, stride) for channels, repeats, stride in rows)
    whole = joined(stages)
    before, after = (replace(SPACE.decode(POINT), stages=each) for each in (stages, whole))
    assert cost(before) == cost(after)
    assert joined(whole) == whole
    assert sum(stage.repeats for stage in whole) == sum(stage.repeats for stage in stages)


def test_a_network_for_other_data_is_refused_by_field() -> None:
    network = SPACE.decode(POINT)
    auxiliary = (Auxiliary(0, network.head),)
    for other, sentence in [
        (network.at(resolution=64), "leaves the space at resolution: it is 64, the space has 8 or 12"),
        (network.at(num_classes=7), "leaves the space at num_classes: it is 7, the space has 10"),
        (replace(network, auxiliary=auxiliary), "leaves the space at auxiliary"),
    ]:
        with pytest.raises(SpaceError) as refusal:
            SPACE.encode(other)
        assert sentence in str(refusal.value)


def test_too_many_or_too_few_layers_are_refused_at_their_stage() -> None:
    network = SPACE.decode(POINT)
    for stages in (network.stages[:1], (*network.stages, *network.stages)):
        with pytest.raises(SpaceError, match=r"leaves the space at (stages\[\d+\]|head)\."):
            SPACE.encode(replace(network, stages=stages))


def test_the_same_layers_in_other_groups_are_refused_with_the_remedy() -> None:
    network = SPACE.decode(POINT)
    apart = tuple(
        replace(stage, repeats=1, stride=stage.stride if copy == 0 else 1)
        for stage in network.stages
        for copy in range(stage.repeats)
    )
    with pytest.raises(SpaceError, match="grouped otherwise; join neighbours"):
        SPACE.encode(replace(network, stages=apart))
