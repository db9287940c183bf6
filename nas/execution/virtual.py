"""The executor whose workers only pretend: tasks take virtual seconds, which pass when nothing else happens.

A thousand workers and a hundred thousand trials go by in the time that the driver and the ledger need for them, so what
is left on the wall clock is their cost. The clock is an argument: the same one goes to `open_store`, and thereby to the
driver, whose heartbeats and budgets then count virtual seconds too.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Generator, Sequence

from nas.execution.attempt import overdue, seconds_left
from nas.execution.backlog import Backlog
from nas.execution.errors import ExecutorError
from nas.execution.failures import failure
from nas.execution.worker import check_finite, check_measurement
from nas.interfaces import Event, Failure, Measurement, Progress, Stopped, Task
from runs import FailureClass
from runs.database import Clock

START_UTC = 1_700_000_000.0  # when virtual time begins, in seconds since 1970: any time does

# A task as it will go: a number passes so many seconds (infinity: it hangs), a Progress is reported, an exception is
# its failure, the returned Measurement its end.
Course = Generator[float | Progress, None, Measurement]
Simulation = Callable[[Task], Course]


class VirtualClock:
    """Seconds that pass when they are told to.

    Args:
        drag: virtual seconds that pass for each real second which the driver spends between two calls of `events`.
            0: the driver takes no time. 1: as much as it does, so that too many workers for one driver stand idle.
    """

    def __init__(self, *, drag: float = 0.0) -> None:
        self.drag = drag
        self._now = 0.0

    def now(self) -> float:
        """Returns the virtual seconds since the beginning."""
        return self._now

    def advance(self, to: float) -> None:
        """Lets time pass until `to`; a time that is over changes nothing."""
        self._now = max(self._now, to)

    @property
    def clock(self) -> Clock:
        """Returns the pair of clocks that `open_store` takes."""
        return Clock(utc=lambda: START_UTC + self._now, monotonic=self.now)


class _Attempt:
    """A task on a pretended worker: its course, and how far that has gone."""

    def __init__(self, task: Task, course: Course) -> None:
        self.task, self.course = task, course
        self.seconds = 0.0
        self.epoch = 0
        self.is_over = False
        self._heard_s = 0.0  # its seconds at its last report

    @property
    def seconds_left(self) -> float:
        """Until the task is overdue; infinite without a limit."""
        return seconds_left(self.task, self.seconds, self.seconds - self._heard_s)

    def step(self) -> float | Event:
        """Runs the course to what it does next: seconds pass, or it reports, or it ends."""
        try:
            step = next(self.course)
            if isinstance(step, Progress):
                check_finite(step)
                self.epoch, self._heard_s = step.epoch, self.seconds
            return step
        except StopIteration as end:
            return self._measured(end.value)
        except BaseException as error:  # a course fails as an evaluation does: it is one task's failure
            return failure(self.task.key, error, seconds=self.seconds)

    def failed(self, failure_class: FailureClass, message: str) -> Failure:
        """Returns the end of a task that did not end by itself."""
        return Failure(self.task.key, failure_class, message, traceback="", seconds=self.seconds)

    def _measured(self, measurement: Measurement) -> Event:
        try:
            check_measurement(self.task, measurement)
        except (TypeError, ArithmeticError) as error:
            return failure(self.task.key, error, seconds=self.seconds)
        return measurement


class VirtualExecutor:
    """Runs simulations in virtual time; see `nas.interfaces.Executor` for what it guarantees.

    Args:
        simulation: gives each task its course.
        clock: what passes; shared with the ledger.
        num_slots: workers at the beginning, at least 1.
        changes: (virtual second, workers from then on, at least 1) in the order of time, as nodes join and leave. The
            tasks that began last are lost with their workers, as preempted.

    Raises:
        ExecutorError: a number of workers below 1.

    Example:
        >>> from nas.execution.simulations import Modelled
        >>> executor = VirtualExecutor(Modelled(mean_seconds=60.0), VirtualClock(), num_slots=1_000)
    """

    def __init__(
        self,
        simulation: Simulation,
        clock: VirtualClock,
        *,
        num_slots: int = 1,
        changes: Sequence[tuple[float, int]] = (),
    ) -> None:
        for count in (num_slots, *(count for _, count in changes)):
            if count < 1:
                raise ExecutorError(f"`num_slots` must be at least 1, got {count}; raise it")
        self._simulation, self._clock = simulation, clock
        self._num_slots = num_slots
        self._changes = list(reversed(changes))  # the next one is last
        self._backlog = Backlog()
        self._running: dict[str, _Attempt] = {}  # by key, in the order of their beginnings
        self._paused: list[_Attempt] = []  # stand at a report
        self._agenda: list[
            tuple[float, int, float, _Attempt]
        ] = []  # when, in which order, seconds used by then
        self._num_planned = 0
        self._happened: list[Event] = []
        self._left_at = time.perf_counter()
        self.busy_seconds = 0.0  # of all workers, since the beginning

    @property
    def num_slots(self) -> int:
        """Workers now."""
        return self._num_slots

    def submit(self, task: Task) -> None:
        """Starts `task` on a free worker, else queues it. Raises DuplicateTask when its key is in hand."""
        self._backlog.add(task)
        self._dispatch()

    def events(self, timeout_s: float) -> Sequence[Event]:
        """Lets virtual time pass until the next event, or for `timeout_s`; returns what has happened by then."""
        self._pass_until(self._clock.now() + self._clock.drag * (time.perf_counter() - self._left_at))
        give_up_at = self._clock.now() + (timeout_s if self._backlog else 0.0)
        paused, self._paused = self._paused, []
        for attempt in paused:
            self._answer(attempt)
        self._do_what_is_due()
        while not self._happened and self._backlog and self._clock.now() < give_up_at:
            self._pass_until(min(give_up_at, self._next_time()))
            self._do_what_is_due()
        events, self._happened = [*self._backlog.ended(), *self._happened], []
        self._left_at = time.perf_counter()
        return self._backlog.settle(events)

    def stop(self, key: str) -> None:
        """Asks the task to stop: at the report that it stands at, else at its next one."""
        self._backlog.stop(key)

    def close(self) -> None:
        """Ends all courses."""
        for attempt in self._running.values():
            attempt.course.close()
        self._running.clear()
        self._agenda.clear()

    def _next_time(self) -> float:
        times = [self._agenda[0][0]] if self._agenda else []
        return min([*times, *(when for when, _ in self._changes[-1:])], default=math.inf)

    def _pass_until(self, when: float) -> None:
        num_busy = len(self._running) - len(self._paused)
        self.busy_seconds += num_busy * max(0.0, when - self._clock.now())
        self._clock.advance(when)

    def _do_what_is_due(self) -> None:
        """Lets every course go on whose time has come, in the order of time."""
        now = self._clock.now()
        while self._changes and self._changes[-1][0] <= now:
            self._resize(self._changes.pop()[1])
        while self._agenda and self._agenda[0][0] <= now:
            _, _, seconds, attempt = heapq.heappop(self._agenda)
            if not attempt.is_over:
                attempt.seconds = seconds
                self._go_on(attempt)
        self._dispatch()

    def _resize(self, num_slots: int) -> None:
        """Changes the number of workers; what runs on those that go is lost."""
        self._num_slots = num_slots
        for attempt in list(self._running.values())[num_slots:]:
            self._end(attempt, attempt.failed(FailureClass.PREEMPTED, "the worker's node has left"))

    def _dispatch(self) -> None:
        """Starts waiting tasks on free workers."""
        while len(self._running) < self._num_slots and (task := self._backlog.next()) is not None:
            attempt = self._running[task.key] = _Attempt(task, self._simulation(task))
            self._go_on(attempt)

    def _answer(self, attempt: _Attempt) -> None:
        """Lets a task that stands at a report go on, or stop."""
        key = attempt.task.key
        if attempt.is_over:
            return
        if self._backlog.goes_on(key):
            self._go_on(attempt)
        else:
            self._end(attempt, Stopped(key, attempt.epoch, attempt.seconds))

    def _go_on(self, attempt: _Attempt) -> None:
        """Runs a course until time must pass, it reports, or it ends."""
        if attempt.seconds_left <= 0:
            self._end(attempt, attempt.failed(*overdue(attempt.task, attempt.seconds)))
            return
        step = attempt.step()
        if isinstance(step, float | int):
            passing = min(float(step), attempt.seconds_left)
            self._num_planned += 1
            entry = (self._clock.now() + passing, self._num_planned, attempt.seconds + passing, attempt)
            heapq.heappush(self._agenda, entry)
        elif isinstance(step, Progress):
            self._happened.append(step)
            self._paused.append(attempt)
        else:
            self._end(attempt, step)

    def _end(self, attempt: _Attempt, event: Event) -> None:
        attempt.is_over = True
        attempt.course.close()
        del self._running[attempt.task.key]
        self._happened.append(event)
