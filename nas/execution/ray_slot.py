"""A slot of the Ray pool: the actor in it, the one call under way, and the attempt that it belongs to."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from nas.execution.attempt import Attempt
from nas.execution.failures import failure
from nas.execution.worker import Worker
from nas.interfaces import Event, Failure, Progress, Task
from runs import FailureClass

STRANDED_S = 30.0  # a worker starts in one or two seconds where there is room

# Read by OpenMP, MKL and OpenBLAS when they are loaded, so they are set before the evaluator's libraries are.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class WorkerActor:
    """The actor: a `Worker` in a process of Ray's. A call returns the next event and the seconds used."""

    def __init__(self, num_threads: int) -> None:
        # Ctrl-C in a terminal goes to all processes; what becomes of the workers is the driver's decision.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.environ.update({name: str(num_threads) for name in _THREAD_VARIABLES})
        self._worker: Worker | None = None

    def load(self, evaluator: list[Any]) -> Failure | None:
        """Loads the evaluator (its reference is in a list, so that Ray leaves it be); returns a problem."""
        try:
            self._worker = Worker(ray.get(evaluator[0]))
        except Exception as error:  # the evaluator's own code, at its import
            return failure("", error, seconds=0.0)
        return None

    def start(self, task: Task) -> tuple[Event, float]:
        """Runs `task` to its first event."""
        assert self._worker is not None
        self._worker.start(task)
        return self._next()

    def proceed(self, go_on: bool) -> tuple[Event, float]:
        """Runs the task from the report that it stands at to its next event."""
        assert self._worker is not None
        self._worker.proceed(go_on)
        return self._next()

    def _next(self) -> tuple[Event, float]:
        assert self._worker is not None
        answer = self._worker.event()
        assert answer is not None  # there was no time-out
        return answer


class Slot:
    """A place for one worker, which is starting, free, running a task, or resting before it is started again.

    `call` is what the actor is doing: its start, when there is no `attempt`, else the way to the attempt's
    next event.
    """

    def __init__(self, spawn: Callable[[], tuple[Any, Any]]) -> None:
        self._spawn = spawn  # returns an actor and the call that starts it
        self._restart_at = math.inf
        self.attempt: Attempt | None = None
        self._is_starting = True
        self._since = time.monotonic()  # the present worker was asked for
        self._actor, self.call = spawn()

    @property
    def is_free(self) -> bool:
        """Whether a task can be started here now."""
        return self._actor is not None and self.call is None and self.attempt is None

    @property
    def is_stranded(self) -> bool:
        """Whether its worker has found no room for so long that no task should be meant for it."""
        return self._is_starting and time.monotonic() - self._since > STRANDED_S

    @property
    def seconds_left(self) -> float:
        """Until something has to be done here, even if nothing happens."""
        if self.attempt is not None:
            return self.attempt.seconds_left
        return self._restart_at - time.monotonic()

    def start(self, task: Task) -> None:
        """Starts `task` on the free worker."""
        self.attempt = Attempt(task)
        self.call = self._actor.start.remote(task)

    def answer(self, go_on: bool) -> None:
        """Lets the task that stands at a report go on, or stop."""
        assert self.attempt is not None
        self.attempt.resume()
        self.call = self._actor.proceed.remote(go_on)

    def started(self) -> Failure | None:
        """Takes the outcome of a start that has returned; a failure leaves the slot without a worker."""
        try:
            problem: Failure | None = ray.get(self.call)
        except RayError as error:
            problem = failure("", error, seconds=0.0)
        self.call = None
        self._is_starting = problem is not None
        if problem is not None:
            self.kill()
        return problem

    def event(self) -> Event:
        """Takes the event that a call has returned; a worker that is lost is replaced, and its task has
        failed.
        """
        assert self.attempt is not None
        attempt = self.attempt
        event: Event
        try:
            event, seconds_used = ray.get(self.call)
        except RayError as error:
            self.replace()
            return _lost(attempt, error)
        self.call = None
        if isinstance(event, Progress):
            attempt.pause(seconds_used)
        else:
            self.attempt = None
        return event

    def overdue(self) -> Failure | None:
        """Ends a task that has used up its time or says nothing any more, with its worker."""
        if self.attempt is None or self.attempt.seconds_left > 0:
            return None
        event = self.attempt.overdue()
        self.replace()
        return event

    def rest(self, seconds: float) -> None:
        """Leaves the slot empty for so long."""
        self._restart_at = time.monotonic() + seconds

    def restart_when_due(self) -> None:
        """Starts a new worker when the rest is over."""
        if time.monotonic() >= self._restart_at:
            self.replace()

    def replace(self) -> None:
        """Puts a new worker in the place of the present one, whatever that is doing."""
        self.kill()
        self._restart_at = math.inf
        self._is_starting, self._since = True, time.monotonic()
        self._actor, self.call = self._spawn()

    def kill(self) -> None:
        """Ends the worker at once, in the middle of whatever it does."""
        self.attempt = None
        self.call = None
        if self._actor is not None:
            ray.kill(self._actor)
        self._actor = None


def _lost(attempt: Attempt, error: RayError) -> Failure:
    if isinstance(error, RayTaskError):  # an exception that a `Worker` let out is our own fault
        return attempt.failed(FailureClass.INTERNAL, str(error))
    return failure(attempt.task.key, error, seconds=attempt.seconds)
