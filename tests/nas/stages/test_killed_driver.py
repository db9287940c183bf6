"""A real search, with real training on real images, whose driver is killed with SIGKILL ten times."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from runs import TrialRecord, TrialState, open_store

NUM_KILLS = 10
NUM_TRIALS = 8
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

[fidelity]
epochs = 4
"""


def command(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "nas", *words, "--storage", f"sqlite:///{folder / 'nas.db'}"]


def launch(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command(folder, *words), stdout=log, stderr=log, start_new_session=True, env=environment
        )


def trials(folder: Path) -> list[TrialRecord]:
    with open_store(f"sqlite:///{folder / 'nas.db'}") as store:
        assert list(store.check()) == []
        return store.trials(store.study("s").id)


def wait_for_trial(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Waits until the driver has begun to train, so that the kill falls into the search and not into its start."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (folder / "nas.db").exists():
            with open_store(f"sqlite:///{folder / 'nas.db'}") as store:
                for study in store.studies():
                    if any(
                        run.status == "running" and run.pid == process.pid for run in store.runs(study.id)
                    ):
                        return
        time.sleep(0.2)


def wait_for_checkpoint(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Waits until the driver has written a further checkpoint, or has ended."""
    before = checkpoints(folder)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None and not checkpoints(folder) - before:
        time.sleep(0.01)


def checkpoints(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "checkpoints" in path.parts and path.is_file()}


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(1500)
def test_ten_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        (folder / "nas.toml").write_text(SETTINGS)
    assert launch(whole, "search", str(whole / "nas.toml")).wait() == 0, (whole / "log").read_text()

    rng = random.Random(7)
    acknowledged: dict[int, TrialRecord] = {}
    num_killed = 0
    process = launch(broken, "search", str(broken / "nas.toml"))
    while num_killed < NUM_KILLS:
        wait_for_trial(broken, process)
        if num_killed % 2:
            wait_for_checkpoint(broken, process)
        else:
            time.sleep(rng.uniform(0.0, 3.0))
        os.kill(process.pid, signal.SIGKILL)
        num_killed += process.wait() == -signal.SIGKILL
        found = {record.number: record for record in trials(broken)}
        for number, record in acknowledged.items():
            assert found[number] == record  # what had ended is there, unchanged
        acknowledged = {number: record for number, record in found.items() if record.state.is_finished}
        process = launch(broken, "resume", "s")
        if len(acknowledged) == NUM_TRIALS:
            break
    assert process.wait() == 0, (broken / "log").read_text()
    assert num_killed >= 3

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
    status = subprocess.run(command(broken, "status", "s", "--json"), capture_output=True, check=True)
    summary: dict[str, Any] = json.loads(status.stdout)
    assert summary["trials"]["complete"] + summary["trials"]["pruned"] == NUM_TRIALS


def _num_resumed(folder: Path) -> int:
    """Returns how many complete trainings started from a checkpoint of an earlier attempt."""
    return sum(record.metrics.get("resumed_from", 0) > 0 for record in trials(folder))
