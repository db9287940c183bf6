"""Charts: the same bytes for the same rows, one data set at a time, names that a reader takes for their bubbles'.

What is drawn is measured on the artists themselves: the outlines of bubbles, the boxes of words, the lines.
"""

from __future__ import annotations

import itertools
import random
from functools import cache
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from nas.charts import DOTS_PER_INCH, MOST_NAMES, bubble_figure, bubbles, cost_ticks, drawable
from nas.networks import View, network_view, network_views

NAMES = (
    "alexnet_torchvision",
    "vgg16",
    "resnet50",
    "mobilenet_v2_1_0_224",
    "efficientnet_b0",
    "efficientnet_b4",
)
OF_SVG = 72.0  # dots per inch
CROWDED = (
    "resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d wide_resnet50_2 wide_resnet101_2"
    " se_resnet50 se_resnext50_32x4d senet154 dpn92 vgg16"
).split()


def _rows(*names: str) -> list[View]:
    return [network_view(name) for name in names]


def test_equal_rows_give_an_equal_picture() -> None:
    rows = _rows(*NAMES)
    assert bubbles(rows, "svg") == bubbles(rows, "svg")
    assert bubbles(rows, "png") == bubbles(rows, "png")


def test_only_accuracies_on_one_data_set_stand_together() -> None:
    shown, others = drawable(_rows("wrn_28_10_cifar10", "resnet18", "resnet50", "seresnet50_timm"))
    assert [row["name"] for row in shown] == ["resnet18", "resnet50"]
    assert [row["name"] for row in others] == ["wrn_28_10_cifar10", "seresnet50_timm"]
    assert drawable([]) == ([], [])


@pytest.mark.parametrize("name", ["$x^{$", "<script>", "a & b", "100 %", "\\alpha"])
def test_a_name_is_only_text(name: str) -> None:
    rows = [row | {"name": name} for row in _rows("resnet50")]
    ElementTree.fromstring(bubbles(rows, "svg"))


def test_one_network_alone_can_be_drawn() -> None:
    assert bubbles(_rows("efficientnet_b0"), "png").startswith(b"\x89PNG")


@cache
def _plotted() -> list[View]:
    return drawable(network_views())[0]


def _crowd(num_networks: int) -> list[View]:
    """Returns the crowded networks, then others of the zoo in a fixed random order."""
    others = [row for row in _plotted() if row["name"] not in CROWDED]
    random.Random(0).shuffle(others)
    return [*_rows(*CROWDED), *others][:num_networks]


@cache
def _drawn(num_networks: int, dots_per_inch: float = DOTS_PER_INCH) -> Figure:
    figure = bubble_figure(_crowd(num_networks))
    figure.set_dpi(dots_per_inch)
    figure.draw_without_rendering()
    return figure


def _outlines(figure: Figure) -> dict[str, Any]:
    """Returns points on the rims of all bubbles, by their networks, in pixels."""
    [*_, axes] = figure.axes
    rims = {}
    for bubble in axes.collections:
        if len(bubble.get_offsets()):  # those of the legend's have none
            [path] = bubble.get_paths()
            shape = path.interpolated(20).vertices @ bubble.get_transforms()[0][:2, :2].T
            rims[str(bubble.get_label())] = shape + axes.transData.transform(bubble.get_offsets())
    return rims


def _distance(box: Any, rim: Any) -> float:
    nearest = np.clip(rim, (box.x0, box.y0), (box.x1, box.y1))
    return float(np.linalg.norm(nearest - rim, axis=1).min())


@pytest.mark.parametrize(
    ("num_networks", "dots_per_inch"),
    [(number, DOTS_PER_INCH) for number in (2, 14, MOST_NAMES, MOST_NAMES + 1, 29, 142)] + [(14, OF_SVG)],
)
def test_a_name_is_nearest_to_its_own_bubble_or_a_line_leads_there(
    num_networks: int, dots_per_inch: float
) -> None:
    figure = _drawn(num_networks, dots_per_inch)
    [*_, axes] = figure.axes
    rims, lines = _outlines(figure), {str(line.get_label()): line for line in axes.lines}
    assert len(rims) == len(axes.texts) == num_networks
    for text in axes.texts:
        name, box = str(text.get_label()), text.get_window_extent()
        if name in lines:
            start, end = lines[name].get_transform().transform(lines[name].get_xydata())
            assert _distance(box, np.array([start])) < 1.0
            centre = (rims[name].min(axis=0) + rims[name].max(axis=0)) / 2
            assert np.linalg.norm(end - centre) < 1.0
        else:
            distances = {other: _distance(box, rim) for other, rim in rims.items()}
            assert min(distances, key=lambda other: distances[other]) == name


@pytest.mark.parametrize("num_networks", [14, MOST_NAMES, 29, 142])
def test_no_name_is_over_another_or_outside_and_lines_are_below_names(num_networks: int) -> None:
    [*_, axes] = _drawn(num_networks).axes
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    frame = axes.get_window_extent()
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
    assert all(frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes)
    assert all(line.get_zorder() < text.get_zorder() for line in axes.lines for text in axes.texts)


def test_many_networks_are_numbered_and_a_key_has_their_names() -> None:
    few, many = _drawn(14), _drawn(29)
    assert [text.get_text() for text in few.axes[-1].texts][0] == "resnet18 (11.7 M)"
    assert [text.get_text() for text in many.axes[-1].texts] == [str(number) for number in range(1, 30)]
    key = [text.get_text() for text in many.axes[0].texts]
    assert key[:4] == ["1", "resnet18 (11.7 M)", "2", "resnet34 (21.8 M)"] and len(key) == 2 * 29


@pytest.mark.parametrize("num_networks", [14, 142])
def test_a_legend_says_whose_family_a_look_is(num_networks: int) -> None:
    [legend] = _drawn(num_networks).legends
    families = [text.get_text() for text in legend.get_texts()]
    assert families == list(dict.fromkeys(row["family"] for row in _crowd(num_networks)))
    looks = {
        (tuple(handle.get_facecolor()[0]), tuple(handle.get_edgecolor()[0]), handle.get_linewidth()[0])
        for handle in legend.legend_handles
    }
    assert len(looks) == len(families)


@pytest.mark.parametrize("num_networks", [1, 2, 14, 29, 142])
def test_the_ticks_of_the_axis_do_not_overlap(num_networks: int) -> None:
    [*_, axes] = _drawn(num_networks).axes
    boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
    assert len(boxes) > 2
    assert all(one.x1 + 4 < two.x0 for one, two in itertools.pairwise(boxes))


@given(low=st.floats(1e3, 1e12), factor=st.floats(1.05, 1e6))
@example(low=1e9, factor=1.05)
def test_an_axis_has_a_few_ticks_over_any_span(low: float, factor: float) -> None:
    ticks = cost_ticks(low, low * factor)
    assert 3 <= len(ticks) <= 11 and ticks == sorted(set(ticks))
    assert all(low <= tick <= low * factor for tick in ticks)
