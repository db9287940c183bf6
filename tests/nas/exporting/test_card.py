"""The model card says where a network is from, how good it is, what it costs, and how to make it again."""

from __future__ import annotations

import dataclasses
import json
from importlib.metadata import version
from typing import Any

import pytest
import yaml

from nas.exporting.card import hub_header, markdown, model_card
from nas.exporting.network import network_of
from nas.exporting.subject import Subject
from nas.settings import make_settings
from search_space import cost
from tests.nas.exporting.conftest import NETWORK, Exported


def lineage_of(**more: Any) -> dict[str, Any]:
    """Returns what the ledger knows of a trial, with some of it changed."""
    tables = {"search": {"target": "2M", "trials": 5, "study": "s"}, "data": {"resolution": 8}}
    return {
        "study": "s",
        "trial": 3,
        "settings": make_settings(tables).model_dump(),
        "metrics": {"accuracy": 0.9, "latency_ms": 1.5},
        "recipe": {"optimizer": "sgd"},
        "fingerprint": "f" * 64,
        "seed": 7,
        **more,
    }


def test_costs_and_accuracies_are_those_that_were_measured(exported: Exported) -> None:
    card = json.loads((exported.folder / "card.json").read_text())
    assert card["costs"]["macs"] == cost(NETWORK).macs and card["digest"] == NETWORK.digest
    [measured] = card["accuracy"]
    assert measured["num_images"] == 270 and measured["low"] < measured["value"] < measured["high"]
    assert {one["path"] for one in card["exports"]} == {check.path for check in exported.manifest.checks}
    assert card["data"]["splits"] == {"train": 1078, "validation": 360, "test": 359}


def test_the_hubs_header_is_yaml_whatever_the_names_hold(exported: Exported) -> None:
    text = (exported.folder / "hf/README.md").read_text()
    header = yaml.safe_load(text.split("---\n")[1])
    [result] = header["model-index"][0]["results"]
    assert result["metrics"][0]["type"] == "accuracy" and header["pipeline_tag"] == "image-classification"
    card = json.loads((exported.folder / "card.json").read_text())
    card["name"] = card["data"]["name"] = '": {}\n- injected: *x'
    again = yaml.safe_load(hub_header(card).split("---\n")[1])
    assert again["model-index"][0]["name"] == card["name"]


def test_a_trials_card_has_its_lineage_and_the_command_that_made_it(subject: Subject) -> None:
    found = dataclasses.replace(subject, lineage=lineage_of())
    card = model_card(found, network_of(found), None, ())
    assert card["origin"]["study"] == "s" and card["costs"]["latency_ms"] == 1.5
    assert card["accuracy"][0] == {
        "split": "validation, by the search",
        "value": 0.9,
        "low": None,
        "high": None,
        "num_images": None,
    }
    assert card[
        "command"
    ] == "nas search --study s --data digits --resolution 8 --target 2e+06 --trials 5" or (
        card["command"] == "nas search --study s --resolution 8 --target 2e+06 --trials 5"
    )
    text = markdown(card)
    assert "study `s`, trial 3" in text and card["command"] in text and card["scaling"] is None


SCALING: dict[str, Any] = {
    "rule": "compound",
    "size": "phi 1",
    "fit": "id",
    "depth": 1.1,
    "width": 1.2,
    "resolution": 1.0,
    "equation": "depth 1.1^phi",
    "parameters": [{"name": "alpha", "value": 1.1, "low": 1.0, "high": 1.3}],
    "verdict": "not distinguishable from width at 95% confidence",
    "expected": {"accuracy": 0.91, "low": 0.89, "high": 0.93},
}


@pytest.mark.parametrize(("observed", "place"), [(0.9, "inside"), (0.88, "outside")])
def test_a_member_of_a_family_says_its_rule_and_what_was_forecast(
    subject: Subject, observed: float, place: str
) -> None:
    lineage = lineage_of(scaling=SCALING, metrics={"accuracy": observed})
    found = dataclasses.replace(subject, lineage=lineage)
    card = model_card(found, network_of(found), None, ())
    assert card["scaling"]["observed"] == observed and card["scaling"]["inside"] == (place == "inside")
    text = markdown(card)
    assert "## Scaling" in text and SCALING["equation"] in text and "alpha 1.100 (95 %: 1.000 to" in text
    assert "0.9100 (95 %: 0.8900 to 0.9300)" in text and f"{place} the interval" in text


def test_a_rule_without_a_surface_forecasts_nothing(subject: Subject) -> None:
    lineage = lineage_of(scaling=SCALING | {"expected": None, "parameters": []})
    found = dataclasses.replace(subject, lineage=lineage)
    card = model_card(found, network_of(found), None, ())
    assert card["scaling"]["inside"] is None and "no accuracy was forecast" in markdown(card)


def test_what_is_not_known_is_left_out_and_versions_are_told(subject: Subject) -> None:
    card = model_card(subject, network_of(subject), None, ())
    text = markdown(card)
    assert "not known" not in text and "## Training" not in text
    assert f"torch {version('torch')}" in text and card["libraries"]["exported_with"]["torch"]


def test_runs_and_every_seed_are_told(subject: Subject) -> None:
    trainings = [{"seed": 7, "accuracy": 0.9}, {"seed": 8, "accuracy": 0.85}]
    found = dataclasses.replace(subject, lineage=lineage_of(runs=["a-b"], trainings=trainings))
    text = markdown(model_card(found, network_of(found), None, ()))
    assert "- runs: a-b" in text and "seed 7: accuracy 0.9000, seed 8: accuracy 0.8500" in text


def test_the_hubs_card_lists_what_lies_beside_it(exported: Exported) -> None:
    text = (exported.folder / "hf/README.md").read_text()
    assert "`digits_8.py`" in text and ".onnx" not in text and "`hf/" not in text


def test_text_from_the_ledger_cannot_become_markup(subject: Subject) -> None:
    found = dataclasses.replace(subject, lineage=lineage_of(recipe={"a": "<script>|x"}))
    assert "<script>" not in markdown(model_card(found, network_of(found), None, ()))
