"""The example of a user's own Ray `Tuner` over a study: it is killed, and a new one loses and repeats nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from examples.tune_study import NUM_TRIALS
from runs import TrialRecord, TrialState, open_store
from runs.errors import LedgerError
from tests.fakes.kills import Program, kill_again_and_again
from tests.fakes.processes import wait_until

EXAMPLE = Path(__file__).parents[2] / "examples" / "tune_study.py"
DEADLINE_S = 300.0


def started(folder: Path) -> Program:
    with (folder / "log").open("ab") as log:
        command = [sys.executable, str(EXAMPLE), f"sqlite:///{folder / 'nas.db'}"]
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)


def trials(folder: Path) -> list[TrialRecord]:
    with open_store(f"sqlite:///{folder / 'nas.db'}") as store:
        assert list(store.check()) == []
        return store.trials(store.study("tune").id)


def num_finished(folder: Path) -> int:
    if not (folder / "nas.db").exists():
        return 0
    try:
        return sum(record.state.is_finished for record in trials(folder))
    except LedgerError:  # it is being made
        return 0


@pytest.mark.faults
@pytest.mark.long
def test_a_killed_tuner_loses_nothing_and_a_new_one_repeats_nothing(tmp_path: Path) -> None:
    def wait(program: Program, kill: int) -> None:
        wait_until(lambda: num_finished(tmp_path) > kill or program.poll() is not None, DEADLINE_S)

    last = kill_again_and_again(
        started(tmp_path),
        num_kills=1,
        wait=wait,
        trials=lambda: trials(tmp_path),
        again=lambda: started(tmp_path),
    )
    assert last.wait(DEADLINE_S) == 0, (tmp_path / "log").read_text()
    records = trials(tmp_path)
    assert [record.state for record in records] == [TrialState.COMPLETE] * NUM_TRIALS
    assert len({record.digest for record in records}) == NUM_TRIALS
