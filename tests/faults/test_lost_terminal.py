"""A terminal that is closed under a search: it drains, says nothing to nobody, and can be resumed."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from runs import TrialState, open_store
from runs.errors import LedgerError
from tests.fakes.processes import wait_until

pytestmark = pytest.mark.faults

QUESTION = "--study s --target 0.5M --width 0.1 --resolution 8 --epochs 2 --trials 2 --repeats 0".split()
DEADLINE_S = 240.0


def is_training(url: str) -> bool:
    if not Path(url.removeprefix("sqlite:///")).exists():
        return False
    try:
        with open_store(url) as store:
            return any(one.state is TrialState.RUNNING for one in store.trials(store.study("s").id))
    except LedgerError:  # it is being made
        return False


def test_a_search_whose_terminal_is_closed_drains_and_is_resumed(tmp_path: Path) -> None:
    ours, its = pty.openpty()
    url = f"sqlite:///{tmp_path / 'nas.db'}"
    command = [sys.executable, "-m", "nas", "search", *QUESTION, "--executor", "inline", "--storage", url]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def take_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    search = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    os.close(its)
    os.set_blocking(ours, False)
    said = bytearray()

    def has_begun() -> bool:
        try:
            said.extend(os.read(ours, 65536))  # or the terminal's buffer would be full
        except BlockingIOError:
            pass
        return is_training(url) or search.poll() is not None

    wait_until(has_begun, DEADLINE_S)
    assert search.poll() is None, said.decode()
    os.close(ours)  # the kernel sends SIGHUP, and every write from now on is EIO
    assert search.wait(DEADLINE_S) == 143
    with open_store(url) as store:
        assert list(store.check()) == []
        counts = store.spent(store.study("s").id).counts
        assert counts[TrialState.RUNNING] == counts[TrialState.FAILED] == 0
    again = [sys.executable, "-m", "nas", "resume", "s", "--storage", url, "--json"]
    done = subprocess.run(again, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '"kind": "done"' in done.stdout
