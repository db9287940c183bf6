"""Evaluations that go wrong in every way, under a whole search: each trial gets its class, and the ledger holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import ray
from ray import cloudpickle

from nas.execution import local_ray
from nas.execution.errors import ExecutorError
from nas.stages.search import search
from runs import FailureClass, TrialState, open_store
from runs.states import MAX_ATTEMPTS
from tests.fakes import evaluators
from tests.fakes.evaluators import FaultyAtFirst
from tests.fakes.processes import wait_until_gone
from tests.fakes.searches import settings

pytestmark = pytest.mark.faults

ANYWHERE = {
    "raise something": FailureClass.USER_ERROR,
    "exit": FailureClass.USER_ERROR,
    "diverge": FailureClass.DIVERGED,
    "nan": FailureClass.DIVERGED,
    "infinite": FailureClass.DIVERGED,
    "exhaust-device": FailureClass.OOM_DEVICE,
    "exhaust-host": FailureClass.OOM_HOST,
    "hang": FailureClass.TIMEOUT,
}
IN_PROCESSES = {
    "raise something": FailureClass.USER_ERROR,
    "exhaust-host": FailureClass.OOM_HOST,
    # The kernel's killer leaves no more than any SIGKILL does, so its class is that of a worker that was lost.
    "die": FailureClass.PREEMPTED,
    "hang-with-gil": FailureClass.TIMEOUT,
    "hang-with-children": FailureClass.TIMEOUT,
}
# A stopped process answers nothing, not even that it is hung; what it says when it goes on is heard by nobody.
SILENT = {"freeze": FailureClass.PREEMPTED, "hang": FailureClass.PREEMPTED}


@pytest.fixture(scope="module")
def own_ray() -> Iterator[None]:
    cloudpickle.register_pickle_by_value(evaluators)
    assert local_ray.connect(None, num_cpus=2, num_gpus=0)
    yield
    ray.shutdown()
    cloudpickle.unregister_pickle_by_value(evaluators)


def judge(folder: Path, faults: dict[str, FailureClass]) -> None:
    """Proves that every fault fired, was filed under its class, and was tried again where its class says so."""
    with open_store(f"sqlite:///{folder / 'nas.db'}") as store:
        assert store.check(grace_s=0.0, is_deep=True) == []
        trials = {trial.key: trial for trial in store.trials(store.study("s").id)}
        assert all(trial.state.is_finished for trial in trials.values())
        for number, (fault, expected) in enumerate(faults.items()):
            trial = trials[(folder / f"fault{number}").read_text()]
            first = store.attempts(trial.id)[0]
            assert first.failure_class is expected, (fault, first)
            is_retried = MAX_ATTEMPTS.get(expected, 1) > 1
            assert trial.state is (TrialState.COMPLETE if is_retried else TrialState.FAILED), fault
            assert trial.fence == 1 + is_retried


def test_every_failure_of_an_evaluation_is_filed_and_the_search_goes_on(tmp_path: Path) -> None:
    faults = FaultyAtFirst(str(tmp_path), tuple(ANYWHERE))
    search(settings(tmp_path, trials=len(ANYWHERE) + 2, time_limit_s=10.0), evaluator=faults)
    judge(tmp_path, ANYWHERE)


def test_workers_that_die_and_hang_cost_attempts_and_leave_no_process(tmp_path: Path, own_ray: None) -> None:
    family = tmp_path / "family"
    words = [f"{word} {family}" if word == "hang-with-children" else word for word in IN_PROCESSES]
    chosen = settings(tmp_path, trials=len(words) + 1, time_limit_s=10.0, executor="ray", workers=2)
    search(chosen, evaluator=FaultyAtFirst(str(tmp_path), tuple(words)))
    judge(tmp_path, IN_PROCESSES)
    pids = [int(line) for line in family.read_text().split()]
    assert len(pids) == 2
    wait_until_gone(pids)


def test_a_stopped_and_a_hung_worker_are_replaced_and_their_trials_tried_again(
    tmp_path: Path, own_ray: None
) -> None:
    chosen = settings(tmp_path, trials=len(SILENT) + 1, stall_s=3.0, executor="ray", workers=2)
    search(chosen, evaluator=FaultyAtFirst(str(tmp_path), tuple(SILENT)))
    judge(tmp_path, SILENT)


@dataclass(frozen=True)
class Locked(FaultyAtFirst):
    """An evaluator that keeps a lock, which cannot travel."""

    def __getstate__(self) -> object:
        return threading.Lock()


def test_an_evaluator_that_cannot_travel_is_refused_before_a_trial_is_begun(
    tmp_path: Path, own_ray: None
) -> None:
    with pytest.raises(ExecutorError, match="Locked"):
        search(settings(tmp_path, executor="ray", workers=1), evaluator=Locked(str(tmp_path), ()))
    with open_store(f"sqlite:///{tmp_path / 'nas.db'}") as store:
        assert store.check() == [] and store.trials(store.study("s").id) == []
