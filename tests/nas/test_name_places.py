"""Names beside bubbles: whatever the bubbles, a name without a line is nearest to its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.name_places import FAR, Place, gaps, name_places

FRAME = np.array([0.0, 0.0, 1000.0, 700.0])
HEIGHT = 15.0
CROWDS = st.lists(
    st.tuples(st.floats(0, 1000), st.floats(0, 700), st.floats(0, 60), st.floats(20, 250)),
    min_size=1,
    max_size=12,
)


def _named(crowd: list[tuple[float, float, float, float]]) -> list[Place]:
    rows = np.array(crowd)
    sizes = np.stack([rows[:, 3], np.full(len(rows), HEIGHT)], axis=1)
    return name_places(rows[:, :2], rows[:, 2], sizes, FRAME)


@settings(max_examples=50)
@given(CROWDS)
def test_a_name_without_a_line_is_near_its_own_bubble_and_nearest_to_it(
    crowd: list[tuple[float, float, float, float]],
) -> None:
    rows, half = np.array(crowd), np.array([0.0, HEIGHT / 2])
    for number, place in enumerate(_named(crowd)):
        half[0] = rows[number, 3] / 2
        box = np.concatenate([(place.x, place.y) - half, (place.x, place.y) + half])
        away = gaps(box, rows[:, :2], rows[:, 2])
        if place.line is None:
            assert away[number] <= FAR * HEIGHT + 1e-6
            assert all(away[number] < other for index, other in enumerate(away) if index != number)
        else:
            line = np.array(place.line)
            assert all(box[:2] - 1e-6 <= line) and all(line <= box[2:] + 1e-6)


@pytest.mark.parametrize("x", [0.0, 500.0, 1000.0])
@pytest.mark.parametrize("y", [0.0, 350.0, 700.0])
def test_a_name_alone_stands_inside_beside_its_bubble_without_a_line(x: float, y: float) -> None:
    [place] = _named([(x, y, 20.0, 100.0)])
    assert place.line is None
    assert 50 <= place.x <= 950 and HEIGHT / 2 <= place.y <= 700 - HEIGHT / 2


def test_two_bubbles_in_one_place_have_lines_to_tell_their_names_apart() -> None:
    one, two = _named([(500.0, 350.0, 20.0, 100.0)] * 2)
    assert one.line is not None and two.line is not None
    assert abs(one.x - two.x) >= 100 or abs(one.y - two.y) >= HEIGHT
