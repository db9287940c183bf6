"""Ctrl-C once drains, twice kills; both end with the promised code, and the command to go on is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nas.cli.exits import Exit
from nas.cli.printing import Printer
from nas.cli.signals import interruptible

TWICE = """
import os, signal, time
from nas.cli.printing import Printer
from nas.cli.signals import interruptible
with interruptible(Printer(), "nas resume s") as interruption:
    os.kill(os.getpid(), signal.{name})
    os.kill(os.getpid(), signal.{name})
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)]
)
def test_the_first_signal_asks_to_stop(
    number: signal.Signals, code: Exit, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    with interruptible(Printer(), "nas resume s") as interruption:
        assert not interruption()
        os.kill(os.getpid(), number)
        assert interruption() and interruption.exit_code is code
    assert signal.getsignal(number) is before
    assert "Go on with: nas resume s" in capfd.readouterr().err


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_the_second_signal_ends_at_once(name: str, code: int) -> None:
    done = subprocess.run([sys.executable, "-c", TWICE.format(name=name)], check=False, timeout=60)
    assert done.returncode == code


@pytest.mark.slow
def test_a_search_that_is_interrupted_drains_and_can_be_resumed(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'nas.db'}"
    budget = ["--trials", "3", "--repeats", "0", "--executor", "inline", "--quiet"]
    question = ["--study", "s", "--target", "1M", "--width", "0.25", "--resolution", "8", "--epochs", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    search = subprocess.Popen(
        [sys.executable, "-m", "nas.cli", "search", *question, *budget, "--storage", storage],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    while search.poll() is None and "running" not in _state(storage):
        time.sleep(0.2)
    search.send_signal(signal.SIGINT)
    _, messages = search.communicate(timeout=300)
    assert search.returncode == 130, messages
    resumed = subprocess.run(
        [sys.executable, "-m", "nas.cli", "resume", "s", "--storage", storage, "--json"],
        cwd=tmp_path,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert '"kind": "done"' in resumed.stdout


def _state(storage: str) -> str:
    """Returns the trials of the study as text; empty until there is a study."""
    command = [sys.executable, "-m", "nas.cli", "trials", "s", "--storage", storage, "--json"]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout
