"""Charts: the same bytes for the same rows, one data set at a time, names that nothing hides."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from nas.charts import bubbles, drawable
from nas.networks import View, network_view

NAMES = (
    "alexnet_torchvision",
    "vgg16",
    "resnet50",
    "mobilenet_v2_1_0_224",
    "efficientnet_b0",
    "efficientnet_b4",
)


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
