"""A real search, with real training on real images, whose driver is killed with SIGKILL again and again."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from runs import TrialRecord, TrialState, open_store
from tests.fakes.kills import Program, kill_again_and_again, launch_nas

NUM_TRIALS = 12
SETTINGS = f"""
[search]
study = "s"
space = "mnasnet"
width = 0.1
target = "0.5M"
strategy = "evolution"
pruning = "halving"
trials = {NUM_TRIALS}
finalists = 1
repeats = 0
executor = "inline"

[data]
name = "digits"
resolution = 8
num_samples = 900

[fidelity]
epochs = 4
share = 0.6
"""


def trials(folder: Path) -> list[TrialRecord]:
    with open_store(f"sqlite:///{folder / 'nas.db'}") as store:
        assert list(store.check()) == []
        return store.trials(store.study("s").id)


def status(folder: Path) -> dict[str, Any]:
    words = ["-m", "nas", "status", "s", "--json", "--storage", f"sqlite:///{folder / 'nas.db'}"]
    told = subprocess.run([sys.executable, *words], capture_output=True, check=True).stdout
    found: dict[str, Any] = json.loads(told)
    return found


def wait_for_checkpoint(folder: Path, process: Program) -> None:
    """Waits until the driver has written a further checkpoint, or has ended."""
    before = checkpoints(folder)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None and not checkpoints(folder) - before:
        time.sleep(0.01)


def checkpoints(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "checkpoints" in path.parts and path.is_file()}


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("num_kills", [4, pytest.param(10, marks=pytest.mark.long)])
def test_kills_lose_and_double_nothing(tmp_path: Path, num_kills: int) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        (folder / "nas.toml").write_text(SETTINGS)
    assert launch_nas(whole, "search", "nas.toml").wait() == 0, (whole / "log").read_text()

    rng = random.Random(7)

    def wait(driver: Program, kill: int) -> None:
        if kill % 2:  # at any moment of the start, else of a training
            time.sleep(rng.uniform(0.0, 2.0))
        else:
            wait_for_checkpoint(broken, driver)
            time.sleep(rng.uniform(0.0, 0.05))

    driver = kill_again_and_again(
        launch_nas(broken, "search", "nas.toml"),
        num_kills=num_kills,
        wait=wait,
        trials=lambda: trials(broken),
        again=lambda: launch_nas(broken, "resume", "s"),
    )
    assert driver.wait() == 0, (broken / "log").read_text()

    expected, found_all = trials(whole), trials(broken)
    assert [record.choices for record in found_all] == [record.choices for record in expected]
    assert [record.state for record in found_all] == [record.state for record in expected]
    assert [record.metrics.get("accuracy") for record in found_all] == [
        record.metrics.get("accuracy") for record in expected
    ]
    paid = [
        r for r in found_all if r.state in (TrialState.COMPLETE, TrialState.PRUNED) and r.reused_from is None
    ]
    assert len(paid) == NUM_TRIALS == len({record.key for record in paid})
    assert _num_resumed(broken) > 0  # some interrupted training did go on from its checkpoint
    assert status(broken)["trials"]["complete"] + status(broken)["trials"]["pruned"] == NUM_TRIALS


def _num_resumed(folder: Path) -> int:
    """Returns how many complete trainings started from a checkpoint of an earlier attempt."""
    return sum(record.metrics.get("resumed_from", 0) > 0 for record in trials(folder))
