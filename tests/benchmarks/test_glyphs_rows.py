"""The committed rows of the glyphs scaling study: the rule follows from them, and forecasts stand beside what came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scaling_rules import RuleFit, fit_rule

ROWS = Path(__file__).parents[2] / "benchmarks" / "data" / "glyphs_scaling.json"


@pytest.fixture(scope="module")
def rows() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ROWS.read_text(encoding="utf-8"))
    return found


def test_the_stored_rule_is_what_the_points_give(rows: dict[str, Any]) -> None:
    stored = RuleFit.from_json(json.dumps(rows["fit"]))
    again = fit_rule(stored.points)
    for before, now in zip(stored.parameters, again.parameters, strict=True):
        assert (now.value, now.low, now.high) == pytest.approx(
            (before.value, before.low, before.high), abs=1e-6
        )
    assert len(stored.points) == 48 and len({(p.depth, p.width, p.resolution) for p in stored.points}) >= 12
    assert "depth only" not in again.verdict and "width only" in again.verdict


def test_the_forecasts_follow_from_the_fit_and_all_trainings_are_there(rows: dict[str, Any]) -> None:
    stored = RuleFit.from_json(json.dumps(rows["fit"]))
    assert {one["forecast"]["rule"] for one in rows["members"]} == {
        "compound",
        "width",
        "depth",
        "resolution",
    }
    for one in rows["members"]:
        assert len(one["accuracies"]) == rows["settings"]["grow"]["seeds"]
        assert one["forecast"]["low"] < one["forecast"]["accuracy"] < one["forecast"]["high"]
    assert rows["command"] and rows["date"] and rows["machine"] and stored.level == 0.95
