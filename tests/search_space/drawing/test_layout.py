"""Layout: layers from top to bottom, no two places too near, chains straight, the axis kept."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.drawing.layout import SPACE, Item, Placement, layout


def _layout(layers: list[int], links: list[tuple[int, int]], pinned: Collection[int] = ()) -> Placement:
    items = [Item(layer, 40, 20, 20, number in pinned) for number, layer in enumerate(layers)]
    return layout(items, links, [10.0] * (1 + max(layers)), [1.0] * len(links))


def test_a_chain_is_a_straight_line() -> None:
    placed = _layout([0, 1, 2], [(0, 1), (1, 2)])
    assert len({x for x, _ in placed.centres}) == 1
    assert [y for _, y in placed.centres] == [20, 50, 80]
    assert all(len({x for x, _ in route}) == 1 for route in placed.routes)


def test_two_branches_stand_apart_under_their_source() -> None:
    placed = _layout([0, 1, 1, 2], [(0, 1), (0, 2), (1, 3), (2, 3)])
    (top, _), (left, _), (right, _), (bottom, _) = placed.centres
    assert right - left == pytest.approx(40 + SPACE)
    assert top == bottom == pytest.approx((left + right) / 2)


def test_a_link_that_skips_layers_runs_beside_them() -> None:
    placed = _layout([0, 1, 2, 3], [(0, 1), (1, 2), (2, 3), (0, 3)])
    beside = placed.routes[3][2][0]
    assert all(abs(beside - x) > 20 for x, _ in placed.centres[1:3])
    assert {x for x, _ in placed.routes[3][2:-2]} == {beside}


def test_links_that_cross_are_uncrossed() -> None:
    placed = _layout([0, 0, 1, 1], [(0, 3), (1, 2)])
    xs = [x for x, _ in placed.centres]
    assert (xs[0] < xs[1]) == (xs[3] < xs[2])


def test_what_is_pinned_stays_on_one_axis() -> None:
    placed = _layout([0, 1, 1, 1, 2, 3], [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (4, 5)], {0, 4, 5})
    xs = [x for x, _ in placed.centres]
    assert xs[0] == xs[4] == xs[5]


@st.composite
def _graphs(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, int]]]:
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    layers = [layer for layer, size in enumerate(sizes) for _ in range(size)]
    pairs = [(a, b) for a, la in enumerate(layers) for b, lb in enumerate(layers) if la < lb]
    links = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=12)) if pairs else []
    return layers, links


@given(graph=_graphs(), pins=st.booleans())
def test_places_keep_their_distances_and_layers(
    graph: tuple[list[int], list[tuple[int, int]]], pins: bool
) -> None:
    layers, links = graph
    first = {layers.index(layer) for layer in set(layers)} if pins else set()
    placed = _layout(layers, links, first)
    for layer in set(layers):
        xs = sorted(x for (x, _), own in zip(placed.centres, layers, strict=True) if own == layer)
        assert all(right - left >= 40 + SPACE - 1e-6 for left, right in pairwise(xs))
        assert -1e-6 <= xs[0] - 20 and xs[-1] + 20 <= placed.width + 1e-6
    assert placed == _layout(layers, links, first)
