"""A real fit, with real training on real images, whose driver is killed with SIGKILL again and again."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from runs import TrialRecord, TrialState, open_store
from tests.fakes.kills import Program, kill_again_and_again, launch_nas
from tests.fakes.scaling import network

NUM_KILLS = 2
NUM_TRAININGS = 18
WORDS = (
    *("fit", "net.json", "--study", "s", "--data", "digits", "--resolution", "8", "--samples", "600"),
    *("--epochs", "2", "--budget", str(NUM_TRAININGS), "--largest", "4", "--divisor", "4", "--batch", "1"),
    *("--region", "0", "--executor", "inline", "--quiet"),
)


def launch(folder: Path) -> Program:
    return launch_nas(folder, *WORDS)


def trials(folder: Path) -> list[TrialRecord]:
    with open_store(f"sqlite:///{folder / 'nas.db'}") as store:
        assert list(store.check()) == []
        arms = [study for study in store.studies() if study.name == "s.fit"]
        return store.trials(arms[0].id) if arms else []


def rules(folder: Path) -> list[object]:
    with open_store(f"sqlite:///{folder / 'nas.db'}") as store:
        return [record.fit["rule"] for record in store.fits()]


def wait_for_work(folder: Path, process: Program) -> None:
    """Waits until this process has ended a further training, or has ended itself."""
    num_ended = _num_ended(folder)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None and _num_ended(folder) == num_ended:
        time.sleep(0.1)


def _num_ended(folder: Path) -> int:
    if not (folder / "nas.db").exists():
        return 0
    return sum(record.state.is_finished for record in trials(folder))


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(900)
def test_kills_cost_no_training_and_change_no_point(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        (folder / "net.json").write_text(network(8).to_json())
    assert launch(whole).wait() == 0, (whole / "log").read_text()

    rng = random.Random(3)

    def wait(driver: Program, kill: int) -> None:
        wait_for_work(broken, driver)
        time.sleep(rng.uniform(0.0, 0.5))

    driver = kill_again_and_again(
        launch(broken),
        num_kills=NUM_KILLS,
        wait=wait,
        trials=lambda: trials(broken),
        again=lambda: launch(broken),
    )
    assert driver.wait() == 0, (broken / "log").read_text()

    expected, got = trials(whole), trials(broken)
    assert [record.choices for record in got] == [record.choices for record in expected]
    assert [record.metrics["accuracy"] for record in got] == [
        record.metrics["accuracy"] for record in expected
    ]
    assert len(got) == NUM_TRAININGS == len({record.key for record in got})
    assert all(record.state is TrialState.COMPLETE and record.reused_from is None for record in got)
    assert rules(broken) == rules(whole) and len(rules(whole)) == 1
