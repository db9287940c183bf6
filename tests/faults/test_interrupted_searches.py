"""Searches that are interrupted: by signals, once and twice, by SIGKILL, by a terminal that is closed. All go on.

What goes on has the storage's URL alone: the working folder, the home folder and all that the old process kept there
are gone by then.
"""

from __future__ import annotations

import fcntl
import os
import pty
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from runs import TrialState, open_store
from runs.errors import LedgerError
from tests.fakes.processes import wait_until

pytestmark = pytest.mark.faults

QUESTION = "--study s --target 0.5M --width 0.1 --resolution 8 --epochs 2 --trials 2 --repeats 0".split()
QUICK = {"OMP_NUM_THREADS": "1", "NAS_FIDELITY_SHARE": "0.3"}  # an epoch is a second
DEADLINE_S = 240.0


def is_training(url: str) -> bool:
    if not Path(url.removeprefix("sqlite:///")).exists():
        return False
    try:
        with open_store(url) as store:
            return any(one.state is TrialState.RUNNING for one in store.trials(store.study("s").id))
    except LedgerError:  # it is being made
        return False


def at_home(folder: Path) -> dict[str, str]:
    """Returns an environment in which all that a program keeps for its user lies in this new folder."""
    folder.mkdir()
    places = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CACHE", "CONFIG", "DATA", "STATE")}
    return os.environ | QUICK | {"HOME": str(folder), "TMPDIR": str(folder)} | places


def gone_on(tmp_path: Path, words: str) -> None:
    """Goes on with the command that was told, in a world where only the storage is left, and judges the ledger."""
    new = at_home(tmp_path / "new")
    command = [sys.executable, "-m", "nas", *shlex.split(words), "--json"]
    done = subprocess.run(
        command,
        cwd=tmp_path / "new",
        env=new,
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 0, done.stderr
    assert '"kind": "done"' in done.stdout
    with open_store(f"sqlite:///{tmp_path / 'nas.db'}") as store:
        assert list(store.check(grace_s=0.0, is_deep=True)) == []
        assert store.spent(store.study("s").id).counts[TrialState.COMPLETE] == 2


@pytest.mark.parametrize(
    ("number", "count", "code"),
    [
        (signal.SIGINT, 2, 130),
        (signal.SIGTERM, 1, 143),
        pytest.param(signal.SIGKILL, 1, -signal.SIGKILL, marks=pytest.mark.long),
        pytest.param(signal.SIGINT, 1, 130, marks=pytest.mark.long),
        pytest.param(signal.SIGTERM, 2, 143, marks=pytest.mark.long),
    ],
)
def test_a_search_that_is_sent_a_signal_goes_on_with_the_command_it_told_from_the_storage_alone(
    tmp_path: Path, number: signal.Signals, count: int, code: int
) -> None:
    url = f"sqlite:///{tmp_path / 'nas.db'}"
    command = [sys.executable, "-m", "nas", "search", *QUESTION, "--executor", "inline", "--storage", url]
    old = tmp_path / "old"
    environment = at_home(old)
    search = subprocess.Popen(command, cwd=old, env=environment, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: is_training(url) or search.poll() is not None, DEADLINE_S)
    time.sleep(random.Random(count * code).uniform(0.0, 0.2))
    assert search.poll() is None, "the fault came too late"
    for _ in range(count):
        search.send_signal(number)
        time.sleep(0.05)  # two that come at once are one to the kernel
    _, messages = search.communicate(timeout=DEADLINE_S)
    assert search.returncode == code and "Traceback" not in messages, messages
    told = re.search(r"Go on with: nas (.*)", messages)
    assert (told is not None) == (number != signal.SIGKILL), messages
    shutil.rmtree(old)
    gone_on(tmp_path, told[1] if told else f"resume s --storage {url}")


@pytest.mark.parametrize(("hears_it", "code"), [(True, 143), (False, 0)])
def test_a_search_whose_terminal_is_closed_drains_and_is_resumed_or_goes_on_where_it_was_disowned(
    tmp_path: Path, hears_it: bool, code: int
) -> None:
    ours, its = pty.openpty()
    url = f"sqlite:///{tmp_path / 'nas.db'}"
    command = [sys.executable, "-m", "nas", "search", *QUESTION, "--executor", "inline", "--storage", url]
    environment = os.environ | QUICK

    def take_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_DFL if hears_it else signal.SIG_IGN)

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
    assert search.wait(DEADLINE_S) == code
    with open_store(url) as store:
        assert list(store.check()) == []
        counts = store.spent(store.study("s").id).counts
        assert counts[TrialState.RUNNING] == counts[TrialState.FAILED] == 0
    gone_on(tmp_path, f"resume s --storage {url}")
