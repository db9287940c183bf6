"""The virtual executor: its contract, and a cluster of a thousand workers that comes and goes in no time."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.execution.errors import ExecutorError
from nas.execution.simulations import Faults, Modelled, Recorded, recorded
from nas.execution.virtual import Course, VirtualClock, VirtualExecutor
from nas.interfaces import Event, Executor, Failure, Measurement, Progress, Task
from runs import FailureClass, TrialState, open_store
from tests.contracts.executor_contract import ExecutorContract, collect, end, finish
from tests.fakes.evaluators import Scripted, task
from tests.fakes.ledgers import write_study


def scripted(task: Task) -> Course:
    """What the fake `Scripted` does, in virtual time."""
    word, _, argument = task.architecture.partition(" ")
    reports: list[Progress] = []

    def report(progress: Progress) -> bool:
        reports.append(progress)
        return True

    if word == "hang":
        yield math.inf
    measured: Measurement | None = None
    problem: BaseException | None = None
    try:
        measured = Scripted().evaluate(task if word != "sleep" else _without_sleep(task), report)
    except BaseException as error:  # is raised again where the course comes to it
        problem = error
    for progress in reports:
        if word == "sleep":
            yield float(argument)
        yield progress
    if problem is not None:
        raise problem
    assert measured is not None
    return measured


def _without_sleep(one: Task) -> Task:
    return task(one.key, epochs=one.fidelity.epochs, time_limit_s=one.time_limit_s)


@pytest.fixture
def executor() -> Iterator[VirtualExecutor]:
    with contextlib.closing(VirtualExecutor(scripted, VirtualClock(), num_slots=2)) as opened:
        yield opened


class TestVirtualExecutor(ExecutorContract):
    def test_time_passes_only_when_nothing_else_happens(self) -> None:
        clock = VirtualClock()
        executor = VirtualExecutor(scripted, clock, num_slots=2)
        finish(executor, [task("long", "sleep 1000"), task("short", "sleep 10", epochs=2)])
        assert clock.now() == 1000.0
        assert executor.busy_seconds == 1020.0


def test_a_thousand_workers_are_as_quick_as_the_longest_of_them() -> None:
    clock = VirtualClock()
    executor = VirtualExecutor(Modelled(mean_seconds=60.0, spread=0.0), clock, num_slots=1_000)
    histories = finish(executor, [task(str(number), epochs=3) for number in range(5_000)])
    assert all(isinstance(end(history), Measurement) for history in histories.values())
    assert clock.now() == pytest.approx(5 * 60.0)


@pytest.mark.slow
def test_a_hundred_thousand_tasks_on_a_thousand_workers_are_a_matter_of_seconds() -> None:
    clock = VirtualClock()
    executor = VirtualExecutor(Faults(Modelled(), preempted=0.05).simulate(), clock, num_slots=1_000)
    for number in range(100_000):
        executor.submit(task(str(number)))
    num_ended = 0
    while events := executor.events(math.inf):
        num_ended += sum(not isinstance(event, Progress) for event in events)
    assert num_ended == 100_000
    assert executor.busy_seconds / (clock.now() * 1_000) > 0.9, "hardly a worker ever stood idle"


def test_workers_that_leave_take_their_tasks_with_them_and_new_ones_take_over() -> None:
    clock = VirtualClock()
    changes = ((5.0, 1), (20.0, 4))
    executor = VirtualExecutor(scripted, clock, num_slots=3, changes=changes)
    histories = finish(executor, [task(str(number), "sleep 10") for number in range(6)])
    lost = [event for event in map(end, histories.values()) if isinstance(event, Failure)]
    assert [failure.failure_class for failure in lost] == [FailureClass.PREEMPTED] * 2
    assert [failure.seconds for failure in lost] == [0.0] * 2  # reported none before they were lost
    assert clock.now() == 30.0


def test_a_pool_without_workers_is_refused() -> None:
    with pytest.raises(ExecutorError, match="at least 1, got 0"):
        VirtualExecutor(scripted, VirtualClock(), changes=((1.0, 0),))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("preempted", FailureClass.PREEMPTED),
        ("hung", FailureClass.TIMEOUT),
        ("diverged", FailureClass.DIVERGED),
        ("failed", FailureClass.USER_ERROR),
    ],
)
def test_each_fault_ends_a_task_in_its_class(fault: str, expected: FailureClass) -> None:
    simulation = Faults(Modelled(), **{fault: 1.0}).simulate()
    executor = VirtualExecutor(simulation, VirtualClock(), num_slots=2)
    last = end(finish(executor, [task("one", epochs=2, time_limit_s=1e3)])["one"])
    assert isinstance(last, Failure) and last.failure_class is expected


def test_faults_befall_the_share_that_was_asked_for_and_the_same_ones_again() -> None:
    def lost() -> list[str]:
        executor = VirtualExecutor(Faults(Modelled(), preempted=0.2).simulate(), VirtualClock(), num_slots=50)
        histories = finish(executor, [task(str(number)) for number in range(500)])
        return [key for key, history in histories.items() if isinstance(end(history), Failure)]

    assert 60 < len(lost()) < 140
    assert lost() == lost()


def test_a_recorded_study_goes_by_again(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/nas.db") as store:
        write_study(store)
        replayed = recorded(store, "s")
        [known] = [one for one in store.trials(1) if one.state is TrialState.COMPLETE and one.number == 1]
    assert isinstance(replayed, Recorded) and known.key is not None
    clock = VirtualClock()
    history = finish(VirtualExecutor(replayed, clock), [task(known.key)])[known.key]
    assert [event.accuracy for event in history if isinstance(event, Progress)] == [0.3, 0.6]
    assert clock.now() == pytest.approx(known.seconds)


def test_a_driver_that_takes_its_time_lets_virtual_time_pass() -> None:
    clock = VirtualClock(drag=1e6)
    executor: Executor = VirtualExecutor(scripted, clock)
    executor.submit(task("one", "sleep 1"))
    histories: dict[str, list[Event]] = {"one": []}
    collect(executor, histories, 1)
    assert clock.now() > 1.0
