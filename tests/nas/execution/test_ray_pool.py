"""The Ray executor: its contract on real actors, and what becomes of it when they die."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import ray
from ray import cloudpickle

from nas.execution import local_ray, ray_pool
from nas.execution.errors import ExecutorError
from nas.execution.ray_pool import RayExecutor
from nas.interfaces import Event, Executor, Failure, Measurement
from runs import FailureClass
from tests.contracts.executor_contract import ExecutorContract, collect, end, finish
from tests.fakes import evaluators
from tests.fakes.evaluators import Scripted, task
from tests.fakes.processes import wait_until, wait_until_gone


@pytest.fixture(scope="module", autouse=True)
def ray_of_this_module() -> Iterator[None]:
    """One private Ray for all pools here, so that each need not start its own."""
    cloudpickle.register_pickle_by_value(evaluators)
    assert local_ray.connect(None, num_cpus=4, num_gpus=0)
    yield
    ray.shutdown()
    cloudpickle.unregister_pickle_by_value(evaluators)


@pytest.fixture(scope="module")
def executor(ray_of_this_module: None) -> Iterator[RayExecutor]:
    with contextlib.closing(RayExecutor(Scripted(), num_workers=2)) as opened:
        yield opened


def pid(executor: Executor, key: str) -> int:
    """Returns the process id of a worker."""
    last = end(finish(executor, [task(key, "pid")])[key])
    assert isinstance(last, Measurement)
    return last.num_examples


class TestRayExecutor(ExecutorContract):
    def test_workers_are_processes_that_serve_many_tasks(self, executor: Executor) -> None:
        pids = {pid(executor, self.key()) for _ in range(10)}
        assert len(pids) <= executor.num_slots
        assert os.getpid() not in pids

    def test_as_many_tasks_run_at_once_as_it_has_slots(self, executor: Executor, tmp_path: Path) -> None:
        """Each would run for an hour, so all have come as far as this only if none waits for another."""
        keys = [self.key() for _ in range(executor.num_slots)]
        for key in keys:
            executor.submit(task(key, f"hang {tmp_path / key}", time_limit_s=60.0))
        histories: dict[str, list[Event]] = {key: [] for key in keys}
        while not all((tmp_path / key).exists() and (tmp_path / key).read_text() for key in keys):
            for event in executor.events(0.1):
                histories[event.key].append(event)
        for key in keys:
            os.kill(int((tmp_path / key).read_text()), signal.SIGKILL)
        collect(executor, histories, len(keys))

    def test_a_killed_worker_is_preempted_and_replaced(self, executor: Executor, tmp_path: Path) -> None:
        key, marker = self.key(), tmp_path / "pid"
        executor.submit(task(key, f"hang {marker}"))
        history = [*executor.events(60.0), *executor.events(0.1)]
        wait_until(lambda: marker.exists() and bool(marker.read_text()))
        os.kill(int(marker.read_text()), signal.SIGKILL)
        histories = {key: history}
        collect(executor, histories, 1)
        failure = end(history)
        assert isinstance(failure, Failure)
        assert failure.failure_class is FailureClass.PREEMPTED
        assert pid(executor, self.key()) != int(marker.read_text())
        assert executor.num_slots == 2

    @pytest.mark.parametrize("behaviour", ["hang", "hang-with-gil"])
    def test_a_hung_worker_is_killed_at_the_time_limit(self, executor: Executor, behaviour: str) -> None:
        key = self.key()
        failure = end(finish(executor, [task(key, behaviour, time_limit_s=0.5)])[key])
        assert isinstance(failure, Failure)
        assert failure.failure_class is FailureClass.TIMEOUT

    def test_the_children_of_a_hung_worker_end_with_it(self, executor: Executor, tmp_path: Path) -> None:
        key, marker = self.key(), tmp_path / "family"
        finish(executor, [task(key, f"hang-with-children {marker}", time_limit_s=3.0)])
        family = [int(line) for line in marker.read_text().split()]
        assert len(family) == 2
        wait_until_gone(family)

    def test_a_task_that_kills_every_worker_leaves_the_pool_whole(self, executor: Executor) -> None:
        for _ in range(3):
            key = self.key()
            assert isinstance(end(finish(executor, [task(key, "die")])[key]), Failure)
        assert isinstance(end(finish(executor, [task(self.key())]).popitem()[1]), Measurement)


class Unpicklable(Scripted):
    """An evaluator that keeps a lock."""

    lock = threading.Lock()

    def __getstate__(self) -> object:
        return self.lock


def test_an_unpicklable_evaluator_is_refused_at_once() -> None:
    with pytest.raises(ExecutorError, match=r"got Unpicklable \(cannot pickle '_thread.lock'"):
        RayExecutor(Unpicklable())


@pytest.fixture
def vanishing(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """An evaluator whose module exists in this process only."""
    module = types.ModuleType("only_the_driver_has_this")
    evaluator_class = type("Mine", (Scripted,), {"__module__": module.__name__})
    vars(module)["Mine"] = evaluator_class
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return evaluator_class()


def test_an_evaluator_that_workers_cannot_import_is_refused_at_once(vanishing: Scripted) -> None:
    with pytest.raises(ExecutorError, match="only_the_driver_has_this"):
        RayExecutor(vanishing)


@dataclass(frozen=True)
class Brittle(Scripted):
    """An evaluator that loads only while a file exists."""

    path: str = ""

    def __reduce__(self) -> tuple[object, ...]:
        return (_load_brittle, (self.path,))


def _load_brittle(path: str) -> Brittle:
    Path(path).read_text()
    return Brittle(path)


def test_a_pool_whose_workers_start_no_more_gives_up_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_pool, "LONGEST_REST_S", 0.1)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    marker = tmp_path / "needed"
    marker.touch()
    with contextlib.closing(RayExecutor(Brittle(str(marker)), num_workers=1)) as executor:
        assert isinstance(end(finish(executor, [task("fine")])["fine"]), Measurement)
        marker.unlink()
        histories = finish(executor, [task("dying", "die"), task("waiting")])
        assert executor.num_slots == 0
        ends = [end(histories["waiting"]), end(finish(executor, [task("late")])["late"])]
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    for failure in ends:
        assert isinstance(failure, Failure)
        assert failure.failure_class is FailureClass.PREEMPTED
        assert "failed starts" in failure.message


def test_a_ray_that_was_there_before_stays() -> None:
    RayExecutor(Scripted()).close()
    assert ray.is_initialized()


def test_gpus_that_this_machine_lacks_are_refused() -> None:
    with pytest.raises(ExecutorError, match="1e.06 in all"):
        local_ray._check_private(1e6)
