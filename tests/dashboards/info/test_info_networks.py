"""Stages, layers and differences of networks."""

from __future__ import annotations

import dataclasses

import pytest

from dashboards.info.networks import comparison, cost_rows, layer_rows, parsed, stage_rows
from search_space import cost, reference

NAMES = ("mobilenet_v2_0_35_224", "mnasnet_a1_1_0", "googlenet_v1_original", "resnet18")


@pytest.mark.parametrize("name", NAMES)
def test_stages_and_layers_add_up_to_the_network(name: str) -> None:
    network = reference(name)
    rows = stage_rows(network)
    assert sum(row.macs for row in rows) == sum(row.macs for row in layer_rows(network)) == cost(network).macs
    assert sum(row.params_share for row in rows) == pytest.approx(1.0)
    assert rows[0].name == "stem" and rows[-1].name == "head"


def test_a_network_differs_from_itself_in_nothing() -> None:
    network = reference(NAMES[0])
    assert not any(pair.different for pair in comparison(network, network))


def test_a_changed_stage_is_marked_and_a_missing_one_too() -> None:
    network = reference(NAMES[0])
    stages = (dataclasses.replace(network.stages[0], repeats=3), *network.stages[1:-1])
    found = comparison(network, dataclasses.replace(network, stages=stages))
    pairs = {row.name: pair for pair in found for row in (pair.left, pair.right) if row is not None}
    assert "repeats" in pairs["stage 1"].different
    assert pairs[f"stage {len(network.stages)}"].right is None


def test_costs_stand_beside_each_other() -> None:
    rows = {name: ratio for name, _, _, ratio in cost_rows(reference(NAMES[0]), reference(NAMES[0]))}
    assert set(rows.values()) == {1.0}


def test_another_programs_text_is_no_network() -> None:
    assert parsed('{"format": 99}') is None
