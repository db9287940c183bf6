"""The committed rows of the glyphs scaling study: the rule follows from them, and forecasts stand beside what came."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from examples.scale_glyphs import refit
from scaling_rules import RuleFit

ROOT = Path(__file__).parents[2]
ROWS = ROOT / "benchmarks" / "data" / "glyphs_scaling.json"
PAGE = ROOT / "docs" / "scaling.md"


@pytest.fixture(scope="module")
def rows() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ROWS.read_text(encoding="utf-8"))
    return found


def test_the_page_says_what_todays_code_makes_of_the_points(rows: dict[str, Any]) -> None:
    """The forecasts made before the trainings, by a surface of one bend, stand beside those of today's."""
    fit, today = refit(rows)
    page = PAGE.read_text(encoding="utf-8")
    assert str(fit) in page and f"`region` {fit.region:.2f}" in page
    for one, after in zip(rows["members"], today, strict=True):
        seen = one["accuracies"]
        observed = ", ".join(f"{value:.3f}" for value in seen)
        before, inside = _cells(one["forecast"], seen)
        now, still_inside = _cells(dataclasses.asdict(after), seen)
        size = f"{after.rule} | {after.macs / 1e6:.2f}"
        assert f"| {size} | {before} | {observed} | {inside} | {now} | {still_inside} |" in page
    assert len({(p.depth, p.width, p.resolution) for p in fit.points}) >= 12 and len(fit.points) == 48
    assert "depth only" not in fit.verdict and "width only" in fit.verdict


def _cells(forecast: dict[str, Any], seen: list[float]) -> tuple[str, str]:
    low, high = forecast["low"], min(forecast["high"], 1.0)
    interval = f"{low:.3f} to {high:.3f}".replace("1.000", "1")
    num_inside = sum(low <= value <= high for value in seen)
    return f"{forecast['accuracy']:.3f} | {interval}", f"{num_inside} of {len(seen)}"


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
