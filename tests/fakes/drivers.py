"""Starts `tests.fakes.ledger_driver` processes, waits for what they say, and proves what they leave behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from runs import TrialState, open_store
from tests.fakes.histories import History, proven
from tests.fakes.processes import wait_until

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 240.0  # for a process that should end by itself, on a loaded machine


class Driver:
    """One process that searches. Its output is read as it comes, so that a test can wait for what it says."""

    module = "tests.fakes.ledger_driver"

    def __init__(self, url: str, num_trials: int, *, before: Iterable[object] = (), **options: Any) -> None:
        command = [*map(str, before), sys.executable, "-m", self.module, url, str(num_trials)]
        self.process = subprocess.Popen(
            [*command, json.dumps(options)],
            cwd=ROOT,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._lines: list[str] = []
        self._errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._lines), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, self._errors), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def history(self) -> History:
        """Returns what the process has said so far."""
        return History.parsed("".join(self._lines))

    @property
    def errors(self) -> str:
        return "".join(self._errors)

    def wait_for(self, what: str, kind: str = "ok", count: int = 1) -> None:
        """Waits until the process has said so; fails when it ends before."""
        wait_until(
            lambda: len(self.history.said(what, kind)) >= count or self.process.poll() is not None, TIMEOUT_S
        )
        assert len(self.history.said(what, kind)) >= count, self.errors

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Sends a signal to the process and whatever it runs under."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def end(self) -> int:
        """Waits for the end; returns the exit code, negative for a signal."""
        code = self.process.wait(timeout=TIMEOUT_S)
        for reader in self._readers:
            reader.join(TIMEOUT_S)
        return code

    @staticmethod
    def _read(stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line)
        stream.close()


class QueueWorker(Driver):
    """One process with so many owners of trials; see its module."""

    module = "tests.fakes.queue_worker"

    @property
    def histories(self) -> list[History]:
        """Returns what each of its owners has said."""
        lines = self.history.lines
        owners = sorted({line["owner"] for line in lines})
        return [History([line for line in lines if line["owner"] == owner]) for owner in owners]


@contextlib.contextmanager
def driving(url: str, num_trials: int, **options: Any) -> Iterator[Driver]:
    """One driver, killed at the end of the block whatever happens in it."""
    driver = Driver(url, num_trials, **options)
    try:
        yield driver
    finally:
        driver.kill(signal.SIGCONT)
        driver.kill()
        driver.end()


def injected(strace: Path, call: str, fault: str) -> tuple[str, ...]:
    """Returns the words that run a command with a fault in one of its system calls, as strace writes it."""
    return (
        str(strace),
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        f"trace={call}",
        "-e",
        f"inject={call}:{fault}",
    )


def heal(url: str, num_trials: int, histories: Iterable[History], **options: Any) -> None:
    """Lets an unharmed driver do the rest, and proves that all clients together were told the truth."""
    with driving(url, num_trials, **options) as driver:
        assert driver.end() == 0, driver.errors
    with open_store(url) as store:
        proven([*histories, driver.history], store)
        counts = store.spent(store.study("s").id).counts
        assert counts[TrialState.RUNNING] == counts[TrialState.LEASED] == counts[TrialState.QUEUED] == 0
        assert counts[TrialState.COMPLETE] == num_trials
