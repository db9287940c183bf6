"""What the processes that train one network together ask of the one that leads them: the task, and whether to go on.

A gang may lose its processes and come back as a new crew, which takes up the same task, as may be with fewer processes:
epochs that were reported are not reported again, and the answers that they got are given again. Where memory does not
suffice, the crew is ended, for its processes wait for each other, and a new one takes fewer images at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from nas.interfaces import Event, Failure, Progress, Task
from runs import FailureClass

MAX_RESTARTS = 3  # of one attempt at a task, before its driver decides
GRACE_S = 5.0  # for the others, once one process has failed: they may wait for it in the middle of a sum


@dataclass(slots=True)
class _Crew:
    """The processes that live now."""

    name: str
    size: int
    members: dict[int, Any]  # by rank, as whoever ends them knows them


@dataclass(slots=True)
class _Work:
    """The task in hand."""

    task: Task
    answers: dict[int, bool] = field(default_factory=dict)  # by epoch
    reported: set[int] = field(default_factory=set)
    ends: dict[int, tuple[Event, float]] = field(default_factory=dict)  # by rank
    seconds: float = 0.0  # of the present crew, at its last report
    lost_s: float = 0.0  # of crews before it
    lost_device_s: float = 0.0  # times their sizes
    num_restarts: int = 0
    is_reduced: bool = False  # the next crew is one with fewer images at once, after no loss


class Gang:
    """The state that leader and processes share; every method may be called from a thread of its own.

    Args:
        dismiss: ends a process, given as it was when it joined.
        lives: says whether such a process is alive.
        grace_s: see `GRACE_S`.
    """

    def __init__(
        self, dismiss: Callable[[Any], None], lives: Callable[[Any], bool], *, grace_s: float = GRACE_S
    ) -> None:
        self._dismiss, self._lives, self._grace_s = dismiss, lives, grace_s
        self._changed = threading.Condition()
        self._crew: _Crew | None = None
        self._work: _Work | None = None
        self.problem: Failure | None = None  # that a process has with the evaluator
        self._events: list[tuple[Event, float]] = []

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Waits for a whole crew, or for what keeps one from working; returns whether the wait is over."""
        with self._changed:
            return self._changed.wait_for(lambda: self.problem is not None or self._is_whole, timeout_s)

    def start(self, task: Task) -> None:
        """Gives a task to the processes; the one before it must have ended."""
        with self._changed:
            self._work = _Work(task)
            self._changed.notify_all()

    def proceed(self, go_on: bool) -> None:
        """Answers the report that was handed out last."""
        with self._changed:
            assert self._work is not None
            self._work.answers[max(self._work.reported)] = go_on
            self._changed.notify_all()

    def event(self) -> tuple[Event, float]:
        """Waits for the next event; returns it with the seconds that the task has run."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._events))
            return self._events.pop(0)

    def join(self, name: str, rank: int, size: int, member: Any, problem: Failure | None) -> None:
        """Notes a process of the crew `name`; a new crew ends the one before it."""
        with self._changed:
            if self._crew is None or self._crew.name != name:
                before = 0 if self._crew is None else self._crew.size
                self._crew = _Crew(name, size, {})
                self._restart(before)
            self._crew.members[rank] = member
            self.problem = self.problem or problem
            self._changed.notify_all()

    def work(self, name: str, rank: int) -> Task | None:
        """Waits for a task and returns it; None where the crew is no more."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_present(name) or self._is_idle(rank))
            return self._work.task if self._work is not None and self._is_present(name) else None

    def tell(self, name: str, rank: int, event: Event, seconds: float) -> bool:
        """Takes a process's event; returns whether to go on, once that is decided."""
        with self._changed:
            if not self._is_present(name) or self._work is None:
                return False
            work = self._work
            if not isinstance(event, Progress):
                self._end(name, work, rank, (event, seconds))
                return False
            if rank == 0:
                work.seconds = seconds
                self._report(work, event, seconds)
            self._changed.wait_for(
                lambda: not self._is_present(name) or self._work is not work or event.epoch in work.answers
            )
            return work.answers.get(event.epoch, False)

    @property
    def _is_whole(self) -> bool:
        return self._crew is not None and len(self._crew.members) == self._crew.size

    def _is_present(self, name: str) -> bool:
        return self._crew is not None and self._crew.name == name

    def _is_idle(self, rank: int) -> bool:
        return self._is_whole and self._work is not None and rank not in self._work.ends

    def _report(self, work: _Work, event: Progress, seconds: float) -> None:
        if event.epoch not in work.reported:
            work.reported.add(event.epoch)
            self._hand_out(work, event, seconds)

    def _end(self, name: str, work: _Work, rank: int, end: tuple[Event, float]) -> None:
        """Hands out the task's end when all processes have ended; after a failure the others have a while.

        Who loses a process fails in the sum that both were in; that is the crew's loss, and the next crew goes on.
        """
        work.ends[rank] = end
        self._changed.notify_all()
        crew = self._crew
        assert crew is not None
        if isinstance(end[0], Failure) and end[0].micro_batch is not None:
            self._reduce(work, crew, end[0].micro_batch, end[1])
            return
        if isinstance(end[0], Failure):
            self._changed.wait_for(
                lambda: not self._is_present(name) or self._work is not work or len(work.ends) == crew.size,
                timeout=self._grace_s,
            )
        if not self._is_present(name) or self._work is not work:
            return
        failures = [one for one in work.ends.values() if isinstance(one[0], Failure)]
        left = [member for other, member in crew.members.items() if other not in work.ends]
        is_broken = failures and not all(map(self._lives, crew.members.values()))
        if is_broken or (left and not failures):
            return
        event, seconds = failures[0] if failures else work.ends[0]
        self._hand_out(work, event, seconds)
        self._work = None
        for member in left:
            self._dismiss(member)

    def _reduce(self, work: _Work, crew: _Crew, micro_batch: int, seconds: float) -> None:
        """Ends the crew, so that the next one takes the task up with so many images at once."""
        work.seconds = max(work.seconds, seconds)
        if not work.is_reduced:
            for member in crew.members.values():
                self._dismiss(member)
        known = work.task.micro_batch or micro_batch
        work.task = replace(work.task, micro_batch=min(known, micro_batch))
        work.is_reduced = True

    def _restart(self, num_before: int) -> None:
        """Lets a new crew take up the task in hand, unless it has cost too many crews."""
        work = self._work
        if work is None:
            return
        work.ends.clear()
        work.lost_device_s += work.seconds * num_before
        work.lost_s, work.seconds = work.lost_s + work.seconds, 0.0
        work.num_restarts += not work.is_reduced
        work.is_reduced = False
        if work.num_restarts > MAX_RESTARTS:
            self._work = None
            message = (
                f"the processes of a task must live to its end, got {work.num_restarts} losses of one or more"
            )
            failure = Failure(work.task.key, FailureClass.PREEMPTED, message, traceback="", seconds=0.0)
            self._hand_out(work, failure, 0.0)

    def _hand_out(self, work: _Work, event: Event, seconds: float) -> None:
        """Gives the leader an event, with the seconds of all crews; those of its devices are as many times more."""
        assert self._crew is not None
        used = event.seconds * self._crew.size + work.lost_device_s
        self._events.append((replace(event, seconds=used), seconds + work.lost_s))
        self._changed.notify_all()
