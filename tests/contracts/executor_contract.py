"""What every executor guarantees (`nas.interfaces.Executor`), as tests that run on each of them.

A subclass has a fixture `executor`, on which nothing is in hand and whose evaluator is the fake `Scripted`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable

import pytest

from nas.execution.backlog import DuplicateTask
from nas.interfaces import Event, Executor, Failure, Measurement, Progress, Stopped, Task
from runs import FailureClass
from tests.fakes.evaluators import task

DEADLINE_S = 400.0


def finish(executor: Executor, tasks: Iterable[Task]) -> dict[str, list[Event]]:
    """Submits `tasks` and returns the events of each, once all have ended."""
    histories: dict[str, list[Event]] = {one.key: [] for one in tasks}
    for one in tasks:
        executor.submit(one)
    collect(executor, histories, len(histories))
    return histories


def collect(executor: Executor, histories: dict[str, list[Event]], num_ends: int) -> None:
    """Appends events to `histories` until so many tasks have ended."""
    give_up_at = time.monotonic() + DEADLINE_S
    while num_ends:
        assert time.monotonic() < give_up_at, histories
        for event in executor.events(1.0):
            histories[event.key].append(event)
            num_ends -= not isinstance(event, Progress)


def end(history: list[Event]) -> Event:
    """Returns the last event, and asserts that only progress stands before it."""
    assert all(isinstance(event, Progress) for event in history[:-1])
    return history[-1]


class ExecutorContract:
    def key(self) -> str:
        """Returns a key of this test's own, since the tests of a class may share an executor."""
        return uuid.uuid4().hex

    def test_a_task_reports_its_epochs_in_order_and_then_its_measurement(self, executor: Executor) -> None:
        key = self.key()
        history = finish(executor, [task(key, epochs=3)])[key]
        assert [event.epoch for event in history if isinstance(event, Progress)] == [1, 2, 3]
        assert isinstance(end(history), Measurement)

    def test_more_tasks_than_slots_all_end_once(self, executor: Executor) -> None:
        keys = [self.key() for _ in range(3 * executor.num_slots + 1)]
        histories = finish(executor, [task(key, epochs=2) for key in keys])
        assert all(isinstance(end(histories[key]), Measurement) for key in keys)

    @pytest.mark.parametrize(
        ("behaviour", "expected"),
        [
            ("raise something", FailureClass.USER_ERROR),
            ("exit", FailureClass.USER_ERROR),
            ("interrupt", FailureClass.USER_ERROR),
            ("wrong-key", FailureClass.USER_ERROR),
            ("diverge", FailureClass.DIVERGED),
            ("nan", FailureClass.DIVERGED),
            ("infinite", FailureClass.DIVERGED),
            ("exhaust-host", FailureClass.OOM_HOST),
            ("exhaust-device", FailureClass.OOM_DEVICE),
        ],
    )
    def test_a_failure_has_its_class_and_the_next_task_is_fine(
        self, executor: Executor, behaviour: str, expected: FailureClass
    ) -> None:
        failing, next_one = self.key(), self.key()
        histories = finish(executor, [task(failing, behaviour), task(next_one)])
        failure = end(histories[failing])
        assert isinstance(failure, Failure)
        assert failure.failure_class is expected
        assert "Traceback" in failure.traceback
        assert isinstance(end(histories[next_one]), Measurement)

    def test_a_stop_that_answers_a_progress_takes_effect_at_that_epoch(self, executor: Executor) -> None:
        key = self.key()
        executor.submit(task(key, epochs=50))
        history: list[Event] = []
        while not history or isinstance(history[-1], Progress):
            history += executor.events(1.0)
            if len(history) == 3:
                executor.stop(key)
        last = end(history)
        assert isinstance(last, Stopped)
        assert (last.epoch, len(history)) == (3, 4)

    def test_a_stop_in_the_middle_of_an_epoch_takes_effect_at_its_end(self, executor: Executor) -> None:
        key = self.key()
        executor.submit(task(key, "sleep 0.5", epochs=50))
        assert executor.events(0.05) == ()
        executor.stop(key)
        histories: dict[str, list[Event]] = {key: []}
        collect(executor, histories, 1)
        last = end(histories[key])
        assert isinstance(last, Stopped)
        assert last.epoch == 1

    def test_a_task_that_is_stopped_in_the_queue_never_runs(self, executor: Executor) -> None:
        blockers = [self.key() for _ in range(executor.num_slots)]
        waiting = self.key()
        for key in (*blockers, waiting):
            executor.submit(task(key, "sleep 0.1"))
        executor.stop(waiting)
        histories: dict[str, list[Event]] = {key: [] for key in (*blockers, waiting)}
        collect(executor, histories, len(histories))
        assert histories[waiting] == [Stopped(waiting, epoch=0, seconds=0.0)]
        assert all(isinstance(end(histories[key]), Measurement) for key in blockers)

    def test_a_stop_that_comes_too_late_is_ignored_and_forgotten(self, executor: Executor) -> None:
        key = self.key()
        finish(executor, [task(key)])
        executor.stop(key)
        assert isinstance(end(finish(executor, [task(key)])[key]), Measurement)

    def test_a_key_in_hand_is_refused_and_welcome_again_after_its_end(self, executor: Executor) -> None:
        key = self.key()
        executor.submit(task(key))
        with pytest.raises(DuplicateTask, match=key):
            executor.submit(task(key))
        histories: dict[str, list[Event]] = {key: []}
        collect(executor, histories, 1)
        assert isinstance(end(finish(executor, [task(key)])[key]), Measurement)

    def test_a_task_over_its_time_limit_times_out_and_the_next_one_is_fine(self, executor: Executor) -> None:
        slow, next_one = self.key(), self.key()
        histories = finish(executor, [task(slow, "hang", time_limit_s=0.3), task(next_one)])
        failure = end(histories[slow])
        assert isinstance(failure, Failure)
        assert failure.failure_class is FailureClass.TIMEOUT
        assert "0.3 s" in failure.message
        assert isinstance(end(histories[next_one]), Measurement)

    def test_a_task_without_an_epoch_for_too_long_loses_its_worker(self, executor: Executor) -> None:
        silent, next_one = self.key(), self.key()
        histories = finish(executor, [task(silent, "hang", time_limit_s=60.0, stall_s=0.3), task(next_one)])
        failure = end(histories[silent])
        assert isinstance(failure, Failure)
        assert failure.failure_class is FailureClass.PREEMPTED, "another worker tries again"
        assert "0.3 s" in failure.message and "--stall" in failure.message
        assert isinstance(end(histories[next_one]), Measurement)

    def test_epochs_that_end_in_time_are_no_stall_however_many_they_are(self, executor: Executor) -> None:
        key = self.key()
        last = end(finish(executor, [task(key, "sleep 0.3", epochs=4, stall_s=1.0)])[key])
        assert isinstance(last, Measurement)

    def test_the_time_at_a_report_does_not_count_against_the_limit(self, executor: Executor) -> None:
        key = self.key()
        executor.submit(task(key, epochs=2, time_limit_s=2.0))
        history: list[Event] = []
        while not history:
            history += executor.events(1.0)
        time.sleep(2.5)
        histories = {key: history}
        collect(executor, histories, 1)
        assert isinstance(end(histories[key]), Measurement)

    def test_with_nothing_in_hand_events_do_not_wait(self, executor: Executor) -> None:
        assert executor.events(3600.0) == ()

    def test_a_failure_carries_no_secret(self, executor: Executor) -> None:
        key = self.key()
        last = end(finish(executor, [task(key, "raise at postgresql://ann:hunter2@db/nas")])[key])
        assert isinstance(last, Failure)
        assert "ann" in last.message
        assert "hunter2" not in last.message + last.traceback
