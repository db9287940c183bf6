"""A driver killed at a chosen moment or at its Nth system call, or stopped for longer than its lease."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from runs import TrialState, open_store
from tests.fakes.drivers import driving, heal, injected

pytestmark = pytest.mark.faults

# Of a search of six trials on SQLite: about 90 writes, 30 syncs and 4 removals.
CI_POINTS = [("pwrite64", 30), ("pwrite64", 57), ("fdatasync", 20), ("rename", 3)]
LONG_POINTS = [("pwrite64", when) for when in range(10, 90, 4)] + [
    ("fdatasync", when) for when in range(2, 30, 3)
]
LONG_POINTS += [("rename", when) for when in (1, 2, 5, 8)] + [("unlink", when) for when in (1, 3, 4, 5)]


def kill_at(tmp_path: Path, strace: Path, call: str, when: int) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    before = injected(strace, call, f"signal=KILL:when={when}")
    with driving(url, 6, before=before) as driver:
        assert driver.end() in (-signal.SIGKILL, 128 + signal.SIGKILL), "the fault did not fire"
    heal(url, 8, [driver.history])


@pytest.mark.parametrize(("call", "when"), CI_POINTS)
def test_a_search_killed_at_any_system_call_loses_nothing(
    tmp_path: Path, strace: Path, call: str, when: int
) -> None:
    kill_at(tmp_path, strace, call, when)


@pytest.mark.long
@pytest.mark.parametrize(("call", "when"), LONG_POINTS)
def test_a_search_killed_at_every_system_call_loses_nothing(
    tmp_path: Path, strace: Path, call: str, when: int
) -> None:
    kill_at(tmp_path, strace, call, when)


@pytest.mark.parametrize("moment", ["after_claim", "before_finish", "after_finish"])
def test_a_kill_between_two_steps_of_a_trial_costs_an_attempt_and_no_trial(url: str, moment: str) -> None:
    with driving(url, 4, stop_at=moment) as driver:
        assert driver.end() == -signal.SIGKILL
        assert driver.history.said("stopping", "info"), "the fault did not fire"
    heal(url, 4, [driver.history])
    with open_store(url) as store:
        first = store.trials(store.study("s").id)[0]
        assert first.fence == (1 if moment == "after_finish" else 2)


def test_a_driver_that_stood_still_for_longer_than_its_lease_is_refused_and_ends_well(url: str) -> None:
    lease_s = 2.0
    with driving(url, 12, lease_s=lease_s, stop_at="before_finish", stop_signal="SIGSTOP") as stopped:
        stopped.wait_for("stopping", "info")
        with driving(url, 12, lease_s=lease_s, seconds=0.3) as other:
            assert other.end() == 0, other.errors  # it takes over what the first one holds
        time.sleep(lease_s)
        stopped.kill(signal.SIGCONT)
        # It stops itself again before each further result, until there is none.
        while stopped.process.poll() is None:
            stopped.kill(signal.SIGCONT)
            time.sleep(0.05)
        assert stopped.end() == 0, stopped.errors
        assert stopped.history.said("refused"), "the fault did not fire: no late result came"
    heal(url, 12, [stopped.history, other.history])
    with open_store(url) as store:
        trials = store.trials(store.study("s").id)
        assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 12
        assert max(trial.fence for trial in trials) == 2
