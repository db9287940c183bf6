"""Families by their latency: by a clock that follows a formula, and by the real one."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nas.config import overlaid
from nas.evaluation.latency import LatencyError, median_ms
from nas.flags import FIT_FLAGS
from nas.settings import Settings
from nas.stages.arms import Watch
from nas.stages.baseline import SmallTarget, adopt
from nas.stages.fit import fit
from nas.stages.grow import GrowReport, grow
from nas.stages.latency_sizes import MOST_TIMED, TOLERANCE
from runs import open_store
from search_space import Architecture, cost
from tests.fakes.scaling import Lawful, network, settings


def clock(jitter: float = 0.02) -> Callable[[Architecture], float]:
    """Returns a clock whose time rises with the MACs, more slowly than they, and jitters from network to network."""

    def ms(one: Architecture) -> float:
        noise = zlib.crc32(one.digest.encode()) / 2**32 - 0.5
        return (cost(one).macs / 1e5) ** 0.7 * (1.0 + 2.0 * jitter * noise)

    return ms


def away(one: Architecture) -> float:
    raise AssertionError("what is decided is not timed again")


def grown(folder: Path, told: list[str], *, ms: Any = None, **changes: Any) -> GrowReport:
    def changed(stored: Settings) -> Settings:
        return stored.model_copy(update={"grow": stored.grow.model_copy(update={"epochs": 5, **changes})})

    return grow(
        "s",
        storage=f"sqlite:///{folder / 'nas.db'}",
        evaluator=Lawful(folder / "notes"),
        changes=changed,
        watch=Watch(plan=told.append),
        clock=ms,
    )


@pytest.fixture
def adopted(tmp_path: Path) -> Path:
    adopt(network(), settings(tmp_path))
    return tmp_path


@pytest.mark.parametrize("rule", ["width", "depth", "resolution", "efficientnet"])
def test_a_latency_is_met_by_a_network_on_the_rule(adopted: Path, rule: str) -> None:
    told: list[str] = []
    base = clock()(network())
    report = grown(adopted, told, ms=clock(), rule=(rule,), latency=(1.5 * base, 4.0 * base))
    for one in (found.forecast for found in report.members):
        target = one.member.target or 0.0
        assert one.latency_ms == clock()(report.baseline.scaled(**one.member.multipliers))
        moved = {name for name, factor in one.member.multipliers.items() if factor != 1.0}
        assert moved == ({rule} if rule != "efficientnet" else {"depth", "width", "resolution"})
        if rule == "efficientnet":
            assert one.member.met
        else:  # a layer or eight channels more are many per cent: the nearest is named where none is near enough
            factors = (
                {"depth": 1.0, "width": 1.0, "resolution": 1.0} | {rule: 1.0 + num / 50} for num in range(400)
            )
            nearest = min(abs(clock()(report.baseline.scaled(**each)) / target - 1.0) for each in factors)
            assert abs(one.latency_ms / target - 1.0) <= max(TOLERANCE, nearest + 0.02)
        assert one.member.met == (abs(one.latency_ms / target - 1.0) <= TOLERANCE)
        is_told = any(f"{rule} {one.size} takes {one.latency_ms:.3g} ms" in text for text in told)
        assert is_told == (not one.member.met)
    assert sum(text.startswith("timed") for text in told) <= 1 + 2 * MOST_TIMED


def test_what_was_decided_is_trained_wherever_the_stage_goes_on(adopted: Path) -> None:
    first = grown(adopted, [], ms=clock(), rule=("width",), latency=(2.0,))
    again = grown(adopted, [], ms=away, rule=("width",), latency=(2.0,))
    assert again.members == first.members and first.members[0].trials == (0,)
    with open_store(f"sqlite:///{adopted / 'nas.db'}") as store:
        [trial] = store.trials(store.study("s.grow").id)
    assert (
        trial.choices["size"] == "2 ms"
        and trial.choices["latency_ms"] == first.members[0].forecast.latency_ms
    )
    grown(adopted, [], ms=clock(), rule=("width",), latency=(2.0, 3.0))  # a further size is timed


def test_another_fit_decides_anew(tmp_path: Path) -> None:
    adopt(network(), settings(tmp_path, fit={"budget": 24}))
    url, formula = f"sqlite:///{tmp_path / 'nas.db'}", Lawful(tmp_path / "notes")
    fit("s", storage=url, evaluator=formula)
    first = grown(tmp_path, [], ms=clock(), latency=(1.5,))
    assert [one.forecast.rule for one in first.members] == ["compound"]
    assert first.members[0].forecast.accuracy is not None
    fit(
        "s",
        storage=url,
        evaluator=formula,
        changes=lambda stored: overlaid(stored, {"budget": "28"}, known=FIT_FLAGS),
    )
    told: list[str] = []
    grown(tmp_path, told, ms=clock(), latency=(1.5,))
    assert any(text.startswith("timed") for text in told), "by the new rule"


def test_less_than_the_baseline_takes_is_refused(adopted: Path) -> None:
    with pytest.raises(
        SmallTarget, match=r"at least the baseline's .* ms here, got 0.01 ms; shrink with a negative phi"
    ):
        grown(adopted, [], ms=clock(), rule=("width",), latency=(0.01,))


def test_a_gpu_that_is_not_there_is_told_in_a_sentence(
    adopted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(LatencyError, match="cuda needs a GPU that torch can use, got none"):
        grown(adopted, [], rule=("width",), latency=(5.0,), latency_device="cuda")


def test_networks_are_really_timed(adopted: Path) -> None:
    told: list[str] = []
    base = median_ms(network(), device="cpu")
    report = grown(adopted, told, rule=("width",), latency=(3.0 * base,))
    [one] = report.members
    assert one.forecast.latency_ms is not None and one.forecast.latency_ms > base
    assert one.forecast.macs > cost(network()).macs and one.trials == (0,)
    assert 2 <= sum(text.startswith("timed") for text in told) <= 1 + MOST_TIMED
