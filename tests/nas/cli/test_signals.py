"""Ctrl-C once drains, twice kills; both end with the promised code, and the command to go on is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

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


def test_before_a_study_is_kept_no_command_is_told_that_would_not_find_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with interruptible(Printer(), "nas resume s", is_kept=False) as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption()
    told = capfd.readouterr().err
    assert "type the same command again" in told and "nas resume" not in told


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_the_second_signal_ends_at_once(name: str, code: int) -> None:
    done = subprocess.run([sys.executable, "-c", TWICE.format(name=name)], check=False, timeout=60)
    assert done.returncode == code
