"""One attempt at a task: whether it runs or stands at a report, and how much device time it has used."""

from __future__ import annotations

import math
import time

from nas.execution.failures import MAX_MESSAGE_CHARACTERS, masked
from nas.interfaces import Failure, Task
from runs import FailureClass


class Attempt:
    """A task on a slot. Its clock stands still while it waits at a report, whatever keeps the driver.

    `seconds_used` is counted where the task runs and arrives with each event, so an event that lay unread for
    a while does not make the task look slow.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self._seconds_used = 0.0
        self._running_since: float | None = time.monotonic()

    @property
    def is_paused(self) -> bool:
        """Whether the task stands at a report whose answer it has not got yet."""
        return self._running_since is None

    def pause(self, seconds_used: float) -> None:
        """Notes that the task stands at a report, after `seconds_used` device seconds."""
        self._seconds_used = seconds_used
        self._running_since = None

    def resume(self) -> None:
        """Notes that the task runs again."""
        self._running_since = time.monotonic()

    @property
    def seconds(self) -> float:
        """Device seconds so far."""
        running = 0.0 if self._running_since is None else time.monotonic() - self._running_since
        return self._seconds_used + running

    @property
    def seconds_left(self) -> float:
        """Device seconds until the task is over its limit or its worker is taken for lost, whichever is first; infinite
        without either, and while it is paused.
        """
        return min(self._seconds_to_limit, self._seconds_to_stall)

    @property
    def _seconds_to_limit(self) -> float:
        if self.task.time_limit_s is None or self.is_paused:
            return math.inf
        return self.task.time_limit_s - self.seconds

    @property
    def _seconds_to_stall(self) -> float:
        if self.task.stall_s is None or self._running_since is None:
            return math.inf
        return self.task.stall_s - (time.monotonic() - self._running_since)

    def overdue(self) -> Failure:
        """Returns the end of a task that used up its time, or whose worker says nothing any more.

        The first is the task's own doing. The second is mostly its machine's (a stopped process, a frozen node, a disk
        that does not answer): the trial is tried again, from its last checkpoint.
        """
        if self._seconds_to_limit <= 0:
            return self.failed(
                FailureClass.TIMEOUT,
                f"a task must end within its limit of {self.task.time_limit_s:g} s, got {self.seconds:.1f} s "
                "so far; raise the limit, or lower the fidelity",
            )
        return self.failed(
            FailureClass.PREEMPTED,
            f"an epoch must end within {self.task.stall_s:g} s, got none: the worker is taken for lost; raise `stall_s`"
            " where epochs are longer",
        )

    def failed(self, failure_class: FailureClass, message: str) -> Failure:
        """Returns the end of a task that did not end by itself; there is no traceback to show."""
        message = masked(message)[:MAX_MESSAGE_CHARACTERS]
        return Failure(self.task.key, failure_class, message, traceback="", seconds=self.seconds)
