"""What is known of networks as dictionaries: they add up, and keep what scripts were promised."""

from __future__ import annotations

import pytest

from nas.networks import compared, layer_table, network_view, published_view, stage_views
from search_space import cost, reference, reference_names


@pytest.mark.parametrize("name", reference_names())
def test_stages_and_layers_sum_to_every_network(name: str) -> None:
    network, whole = reference(name), cost(reference(name))
    stages = stage_views(network)
    assert sum(stage["macs"] for stage in stages) == whole.macs
    assert sum(stage["params"] for stage in stages) == whole.params
    table = layer_table(network)
    *rows, total = table.rows()
    assert (total["macs"], total["params"]) == (whole.macs, whole.params)
    assert sum(row["macs"] for row in rows) == whole.macs
    assert sum(stage["memory_bytes"] for stage in stages) == table.memory.maps_bytes


def test_what_is_published_stands_beside_ours() -> None:
    view = published_view("efficientnet_b0")
    assert view["params"]["verdict"] == view["macs"]["verdict"] == "as printed"
    assert view["top1"] == {"percent": 77.1, "data": "ImageNet", "source": "EfficientNet Table 2"}
    nothing = published_view("alexnet_ungrouped_96")
    assert nothing["params"]["published"] is nothing["macs"]["verdict"] is nothing["source"] is None


def test_a_network_of_a_file_has_neither_family_nor_accuracy() -> None:
    view = network_view("mine", reference("resnet18"))
    assert (view["family"], view["top1"]) == (None, None)
    assert view["macs"] == network_view("resnet18")["macs"]


def test_ratios_are_to_the_first() -> None:
    names = ("resnet18", "resnet34")
    rows = compared([network_view(name) for name in names], [reference(name) for name in names])
    assert rows[0]["params_ratio"] == 1.0 and rows[1]["params_ratio"] == pytest.approx(1.8647, abs=1e-4)
