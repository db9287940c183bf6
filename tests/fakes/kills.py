"""Programs that are killed with SIGKILL and started again, while nothing that they acknowledged may change."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from runs import TrialRecord

Program = subprocess.Popen[bytes]


def launch_nas(folder: Path, *words: str) -> Program:
    """Starts `nas` in a session of its own, on the ledger in `folder`; what it prints is added to `folder/log`."""
    command = [sys.executable, "-m", "nas", *words, "--storage", f"sqlite:///{folder / 'nas.db'}"]
    with (folder / "log").open("ab") as log:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True, env=environment
        )


def kill_again_and_again(
    program: Program,
    *,
    num_kills: int,
    wait: Callable[[Program, int], None],
    trials: Callable[[], list[TrialRecord]],
    again: Callable[[], Program],
) -> Program:
    """Kills a program so many times, and returns the one that was started last.

    Args:
        program: that runs.
        num_kills: must all hit a running program.
        wait: until the moment of the kill, given the program and how often one was killed.
        trials: the records in the ledger; the ended ones must be there, unchanged, after each further kill.
        again: starts the program that goes on.
    """
    acknowledged: dict[int, TrialRecord] = {}
    for kill in range(num_kills):
        wait(program, kill)
        os.kill(program.pid, signal.SIGKILL)
        assert program.wait() == -signal.SIGKILL, f"kill {kill + 1} of {num_kills} came after the end"
        found = {record.number: record for record in trials()}
        for number, record in acknowledged.items():
            assert found[number] == record
        acknowledged = {number: record for number, record in found.items() if record.state.is_finished}
        program = again()
    return program
