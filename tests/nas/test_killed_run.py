"""A real `nas run`, with real training on real images, killed with SIGKILL while it grows and while it exports."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.exporting.folder import read_manifest
from runs import TrialRecord, TrialState, open_store
from tests.fakes.kills import Program, kill_again_and_again, launch_nas

SETTINGS = """
[search]
study = "p"
width = 0.25
target = "1M"
trials = 2
finalists = 1
repeats = 1
executor = "inline"
strategy = "random"
[data]
resolution = 16
num_samples = 200
[fidelity]
epochs = 1
[fit]
budget = 24
largest = 3.0
[grow]
phi = [0, 1]
epochs = 3
"""


def all_trials(folder: Path) -> dict[str, list[TrialRecord]]:
    """Returns the trials of every arm that was begun, by its name."""
    if not (folder / "nas.db").exists():
        return {}
    with open_store(f"sqlite:///{folder / 'nas.db'}") as store:
        return {study.name: store.trials(study.id) for study in store.studies()}


def wait_for(program: Program, holds: Callable[[], bool]) -> None:
    """Waits until something holds; a program that ends before it does is an error."""
    give_up_at = time.monotonic() + 300
    while not holds():
        assert program.poll() is None and time.monotonic() < give_up_at
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_run_killed_while_it_grows_and_exports_ends_as_the_unbroken_one(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    words = ("run", "nas.toml", "--out", "out")
    for folder in (whole, broken):
        folder.mkdir()
        (folder / "nas.toml").write_text(SETTINGS)
    assert launch_nas(whole, *words).wait() == 0, (whole / "log").read_text()

    def grows() -> bool:
        return any(trial.state is TrialState.RUNNING for trial in all_trials(broken).get("p.grow", []))

    def exports() -> bool:
        return (broken / "out").exists() and any((broken / "out").iterdir())

    program = kill_again_and_again(
        launch_nas(broken, *words),
        num_kills=2,
        wait=lambda program, kill: wait_for(program, exports if kill else grows),
        trials=lambda: all_trials(broken)["p.fit"],
        again=lambda: launch_nas(broken, "resume", "p"),
    )
    assert program.wait() == 0, (broken / "log").read_text()

    expected, found = all_trials(whole), all_trials(broken)
    assert found.keys() == expected.keys()
    for name, trials in expected.items():
        accuracies = [trial.metrics.get("accuracy") for trial in trials]
        assert [trial.metrics.get("accuracy") for trial in found[name]] == accuracies, name
    for one, other in zip(*(sorted((folder / "out").iterdir()) for folder in (whole, broken)), strict=True):
        assert one.name == other.name
        architecture = f"{one.name}.json"
        assert (one / architecture).read_text() == (other / architecture).read_text()
        assert len(read_manifest(other).checks) == len(read_manifest(one).checks) == 1
    with open_store(f"sqlite:///{broken / 'nas.db'}") as store:
        assert list(store.check()) == []
