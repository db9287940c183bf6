"""A whole search on a Ray cluster whose workers, nodes and daemons are killed, and which grows."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from runs import FailureClass, TrialState, open_store
from tests.fakes.drivers import driving, heal
from tests.fakes.ledger_driver import held_pid
from tests.fakes.processes import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def searched(tmp_path: Path) -> tuple[str, str]:
    return f"sqlite:///{tmp_path}/nas.db", str(tmp_path / "artifacts")


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_a_killed_worker_costs_an_attempt_that_goes_on_from_its_checkpoint(
    tmp_path: Path, number: signal.Signals
) -> None:
    """SIGTERM is how a spot instance tells that it leaves. The worker stands still behind its second checkpoint."""
    url, artifacts = searched(tmp_path)
    with driving(url, 6, artifacts=artifacts, cluster=True, epochs=4, hold_at=2) as driver:
        wait_until(lambda: held_pid(Path(artifacts)) is not None or driver.process.poll() is not None, 180)
        pid = held_pid(Path(artifacts))
        assert pid is not None, driver.errors
        os.kill(pid, number)
        assert driver.end() == 0, driver.errors
    heal(url, 6, [driver.history], artifacts=artifacts)
    with open_store(url) as store:
        trials = store.trials(store.study("s").id)
        [harmed] = [trial for trial in trials if trial.fence > 1]
        attempts = store.attempts(harmed.id)
        assert attempts[0].failure_class is FailureClass.PREEMPTED
        assert harmed.metrics["resumed_from"] == 2.0


@pytest.mark.parametrize("harm", ["lose_a_node", pytest.param("kill_raylet", marks=pytest.mark.long)])
def test_a_lost_node_costs_attempts_and_the_search_goes_on(tmp_path: Path, harm: str) -> None:
    url, artifacts = searched(tmp_path)
    with driving(url, 10, artifacts=artifacts, cluster=True, harm=harm, seconds=0.5) as driver:
        assert driver.end() == 0, driver.errors
        assert driver.history.said("harmed", "info"), "the fault did not fire"
    heal(url, 10, [driver.history], artifacts=artifacts)


def test_a_pool_grows_with_its_cluster(tmp_path: Path) -> None:
    url, artifacts = searched(tmp_path)
    with driving(url, 24, artifacts=artifacts, cluster=True, harm="join_nodes", seconds=0.5) as driver:
        assert driver.end() == 0, driver.errors
        [slots] = driver.history.said("slots", "info")
        assert slots["most"] == 4
    heal(url, 24, [driver.history], artifacts=artifacts)


def test_when_all_of_ray_dies_the_driver_ends_with_its_code_and_gives_everything_back(tmp_path: Path) -> None:
    """Ray itself would end the process after a minute, with code 1 and a C++ log line."""
    url, artifacts = searched(tmp_path)
    with driving(url, 30, artifacts=artifacts, cluster=True, harm="kill_everything", seconds=0.3) as driver:
        driver.wait_for("harmed", "info")
        assert driver.end() == 5, driver.errors
        [told] = driver.history.said("ClusterLost", "fail")
        assert "must answer" in told["message"] and "Traceback" not in driver.errors
    with open_store(url) as store:
        counts = store.spent(store.study("s").id).counts
        assert counts[TrialState.RUNNING] == counts[TrialState.LEASED] == 0, "all is given back"
        assert counts[TrialState.QUEUED] > 0
    heal(url, 30, [driver.history], artifacts=artifacts)
