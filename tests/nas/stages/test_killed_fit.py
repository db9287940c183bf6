"""A real fit, with real training on real images, whose driver is killed with SIGKILL again and again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runs import TrialRecord, TrialState, open_store
from tests.fakes.scaling import network

NUM_KILLS = 3
NUM_TRAININGS = 18
WORDS = (
    *("fit", "net.json", "--study", "s", "--data", "digits", "--resolution", "8", "--samples", "600"),
    *("--epochs", "2", "--budget", str(NUM_TRAININGS), "--largest", "4", "--divisor", "4", "--batch", "1"),
    *("--region", "0", "--executor", "inline", "--quiet"),
)


def launch(folder: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "nas", *WORDS, "--storage", f"sqlite:///{folder / 'nas.db'}"]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            words,
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )


def trials(folder: Path) -> list[TrialRecord]:
    with open_store(f"sqlite:///{folder / 'nas.db'}") as store:
        assert list(store.check()) == []
        arms = [study for study in store.studies() if study.name == "s.fit"]
        return store.trials(arms[0].id) if arms else []


def rules(folder: Path) -> list[object]:
    with open_store(f"sqlite:///{folder / 'nas.db'}") as store:
        return [record.fit["rule"] for record in store.fits()]


def wait_for_work(folder: Path, process: subprocess.Popen[bytes], num_ended: int) -> None:
    """Waits until this process has ended a further training, or has ended itself."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (folder / "nas.db").exists():
            if sum(record.state.is_finished for record in trials(folder)) > num_ended:
                return
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(900)
def test_kills_cost_no_training_and_change_no_point(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        (folder / "net.json").write_text(network(8).to_json())
    assert launch(whole).wait() == 0, (whole / "log").read_text()

    acknowledged: dict[int, TrialRecord] = {}
    rng, num_killed = random.Random(3), 0
    process = launch(broken)
    while num_killed < NUM_KILLS:
        wait_for_work(broken, process, len(acknowledged))
        time.sleep(rng.uniform(0.0, 0.5))
        os.kill(process.pid, signal.SIGKILL)
        num_killed += process.wait() == -signal.SIGKILL
        found = {record.number: record for record in trials(broken)}
        for number, record in acknowledged.items():
            assert found[number] == record  # what had ended is there, unchanged
        acknowledged = {number: record for number, record in found.items() if record.state.is_finished}
        process = launch(broken)
    assert process.wait() == 0, (broken / "log").read_text()

    expected, got = trials(whole), trials(broken)
    assert [record.choices for record in got] == [record.choices for record in expected]
    assert [record.metrics["accuracy"] for record in got] == [
        record.metrics["accuracy"] for record in expected
    ]
    assert len(got) == NUM_TRAININGS == len({record.key for record in got})
    assert all(record.state is TrialState.COMPLETE and record.reused_from is None for record in got)
    assert rules(broken) == rules(whole) and len(rules(whole)) == 1
