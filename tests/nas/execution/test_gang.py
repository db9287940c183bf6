"""What a gang of processes asks of its leader, without Ray: threads stand for the processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from nas.execution.gang import MAX_RESTARTS, Gang
from nas.interfaces import Failure, Measurement, Progress
from runs import FailureClass
from tests.fakes.evaluators import task
from tests.fakes.processes import wait_until

DEADLINE_S = 60.0


class Hall:
    """A gang whose processes are threads."""

    def __init__(self, *, grace_s: float = DEADLINE_S) -> None:
        self.dismissed: list[Any] = []
        self.dead: set[Any] = set()
        self.gang = Gang(self.dismissed.append, lambda member: member not in self.dead, grace_s=grace_s)
        self.threads = ThreadPoolExecutor(20)

    def join(self, name: str, size: int = 2) -> None:
        for rank in range(size):
            self.gang.join(name, rank, size, f"{name}{rank}", None)

    def report(self, name: str, epoch: int, *, ranks: tuple[int, ...] = (0, 1)) -> list[Any]:
        event = Progress("work", epoch, accuracy=0.5, loss=1.0, seconds=float(epoch))
        return [self.threads.submit(self.gang.tell, name, rank, event, float(epoch)) for rank in ranks]

    def end(self, name: str, rank: int, event: Any = None) -> Any:
        event = event or Measurement("work", 0.5, 0.5, 2, 2.0, 10)
        return self.threads.submit(self.gang.tell, name, rank, event, 2.0)

    def answers(self, calls: list[Any]) -> list[bool]:
        return [call.result(DEADLINE_S) for call in calls]


@pytest.fixture
def hall() -> Hall:
    made = Hall()
    made.join("crew")
    assert made.gang.wait_until_ready(DEADLINE_S) and made.gang.problem is None
    made.gang.start(task("work", epochs=2))
    return made


def failed() -> Failure:
    return Failure("work", FailureClass.USER_ERROR, "ValueError: x", "Traceback", 1.0)


def test_all_processes_get_the_task_and_the_answer_to_the_first_ones_report(hall: Hall) -> None:
    assert [hall.gang.work("crew", rank) for rank in (0, 1)] == [task("work", epochs=2)] * 2
    calls = hall.report("crew", 1)
    event, seconds = hall.gang.event()
    assert (event.seconds, seconds) == (2.0, 1.0)  # of two devices, and by the clock
    hall.gang.proceed(False)
    assert hall.answers(calls) == [False, False]


def test_a_task_ends_when_all_its_processes_have(hall: Hall) -> None:
    hall.end("crew", 1).result(DEADLINE_S)
    waiting = hall.threads.submit(hall.gang.event)
    assert not waiting.done()
    hall.end("crew", 0)
    assert isinstance(waiting.result(DEADLINE_S)[0], Measurement)
    assert hall.dismissed == []


def test_a_new_crew_reports_no_epoch_twice_and_gets_the_answers_of_the_old_one(hall: Hall) -> None:
    calls = hall.report("crew", 1)
    hall.gang.event()
    hall.gang.proceed(True)
    assert hall.answers(calls) == [True, True]
    stranded = hall.report("crew", 2, ranks=(1,))  # and then the first process dies
    hall.join("next")
    assert hall.answers(stranded) == [False]
    assert hall.gang.work("next", 0) is not None and hall.gang.work("crew", 0) is None
    assert hall.answers(hall.report("next", 1)) == [True, True]
    calls = hall.report("next", 2)
    event, seconds = hall.gang.event()
    assert isinstance(event, Progress) and event.epoch == 2
    assert seconds == 3.0  # one of the crew before
    hall.gang.proceed(True)
    assert hall.answers(calls) == [True, True]


def test_a_late_word_of_an_old_crew_is_not_heard(hall: Hall) -> None:
    hall.join("next")
    assert hall.end("crew", 0).result(DEADLINE_S) is False
    hall.end("next", 0)
    hall.end("next", 1)
    assert isinstance(hall.gang.event()[0], Measurement)


def test_a_task_that_loses_crew_after_crew_is_preempted(hall: Hall) -> None:
    for index in range(MAX_RESTARTS + 1):
        hall.join(f"crew{index}")
    event, _ = hall.gang.event()
    assert isinstance(event, Failure) and event.failure_class is FailureClass.PREEMPTED
    hall.gang.start(task("other"))
    assert hall.gang.work(f"crew{MAX_RESTARTS}", 1) == task("other")


def test_when_all_fail_alike_nobody_is_dismissed(hall: Hall) -> None:
    calls = [hall.end("crew", rank, failed()) for rank in (0, 1)]
    assert hall.gang.event()[0].key == "work"
    assert hall.answers(calls) == [False, False]
    assert hall.dismissed == []


def test_a_process_that_waits_for_one_that_failed_is_dismissed() -> None:
    hall = Hall(grace_s=0.05)
    hall.join("crew")
    hall.gang.start(task("work"))
    calls = [hall.end("crew", 1, failed())]
    event, _ = hall.gang.event()
    assert isinstance(event, Failure) and event.message == "ValueError: x"
    hall.answers(calls)
    wait_until(lambda: hall.dismissed == ["crew0"])


def test_whoever_fails_because_another_process_died_leaves_the_task_to_the_next_crew() -> None:
    hall = Hall(grace_s=0.05)
    hall.join("crew")
    hall.gang.start(task("work"))
    hall.dead.add("crew1")
    assert hall.end("crew", 0, failed()).result(DEADLINE_S) is False
    hall.join("next")
    for rank in (0, 1):
        assert hall.gang.work("next", rank) == task("work")
        hall.end("next", rank)
    assert isinstance(hall.gang.event()[0], Measurement)
    assert hall.dismissed == []


def test_what_a_process_cannot_load_is_known_before_anything_runs() -> None:
    hall = Hall()
    hall.gang.join("crew", 0, 2, "crew0", failed())
    assert hall.gang.wait_until_ready(DEADLINE_S) and hall.gang.problem == failed()


def test_where_memory_does_not_suffice_a_new_crew_takes_fewer_images_at_once(hall: Hall) -> None:
    calls = hall.report("crew", 1)
    hall.gang.event()
    hall.gang.proceed(True)
    assert hall.answers(calls) == [True, True]
    short = replace(failed(), failure_class=FailureClass.OOM_DEVICE, micro_batch=8)
    for name, micro_batch in (("next", 8), ("last", 4)):
        stranded = hall.end("crew" if name == "next" else "next", 1, replace(short, micro_batch=micro_batch))
        assert hall.answers([stranded]) == [False]
        hall.join(name)
        assert hall.gang.work(name, 0) == replace(task("work", epochs=2), micro_batch=micro_batch)
    assert hall.dismissed == ["crew0", "crew1", "next0", "next1"], "they wait for each other in a sum"
    for rank in (0, 1):
        hall.end("last", rank)
    event, seconds = hall.gang.event()
    assert isinstance(event, Measurement) and seconds == 6.0
    assert event.seconds == 2 * 6.0, "of two devices, in three crews"


def test_memory_may_run_out_more_often_than_processes_may_be_lost(hall: Hall) -> None:
    for index in range(2 * MAX_RESTARTS):
        hall.answers([hall.end(f"crew{index or ''}", 0, replace(failed(), micro_batch=2**9 >> index))])
        hall.join(f"crew{index + 1}")
    for rank in (0, 1):
        hall.end(f"crew{2 * MAX_RESTARTS}", rank)
    assert isinstance(hall.gang.event()[0], Measurement)


def test_a_crew_may_be_of_another_size_than_the_one_before(hall: Hall) -> None:
    calls = hall.report("crew", 1)
    hall.gang.event()
    hall.gang.proceed(True)
    hall.answers(calls)
    hall.join("next", size=1)
    hall.end("next", 0)
    event, seconds = hall.gang.event()
    assert (event.seconds, seconds) == (2.0 + 2 * 1.0, 3.0)
