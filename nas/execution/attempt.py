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
        """Device seconds until the task is overdue; infinite while it is paused."""
        return math.inf if self.is_paused else seconds_left(self.task, self.seconds, self._silent_s)

    def overdue(self) -> Failure:
        """Returns the end of a task that has no seconds left."""
        return self.failed(*overdue(self.task, self.seconds))

    @property
    def _silent_s(self) -> float:
        """Device seconds since the task began, or since its last report was answered."""
        return 0.0 if self._running_since is None else time.monotonic() - self._running_since

    def failed(self, failure_class: FailureClass, message: str) -> Failure:
        """Returns the end of a task that did not end by itself; there is no traceback to show."""
        message = masked(message)[:MAX_MESSAGE_CHARACTERS]
        return Failure(self.task.key, failure_class, message, traceback="", seconds=self.seconds)


def seconds_left(task: Task, seconds: float, silent_s: float) -> float:
    """Returns how long a task may still say nothing, until it is over its limit or its worker is taken for lost.

    Args:
        task: with its limits; infinite without any.
        seconds: that it has run.
        silent_s: of these, those since its last epoch.
    """
    limit, stall = task.time_limit_s, task.stall_s
    return min(
        math.inf if limit is None else limit - seconds, math.inf if stall is None else stall - silent_s
    )


def overdue(task: Task, seconds: float) -> tuple[FailureClass, str]:
    """Returns the class and the message of a task that has no seconds left, after `seconds`.

    To use up the limit is the task's own doing. To say nothing is mostly its machine's (a stopped process, a frozen
    node, a disk that does not answer), so the trial is tried again, from its last checkpoint.
    """
    if task.time_limit_s is not None and seconds >= task.time_limit_s:
        return (
            FailureClass.TIMEOUT,
            f"a task must end within its limit of {task.time_limit_s:g} s, got {seconds:.1f} s so far; raise the limit,"
            " or lower the fidelity",
        )
    return (
        FailureClass.PREEMPTED,
        f"an epoch must end within {task.stall_s:g} s, got none: the worker is taken for lost; where epochs take"
        " longer, raise it with --stall",
    )
