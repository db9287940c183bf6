"""The executor that runs tasks in this process, one at a time: for debugging and for the smallest searches.

The evaluation has a thread of its own, so that Ctrl-C reaches the driver's thread and never the middle of a
training step. A thread cannot be killed: a task that outlives its time limit is reported as timed out and
left to itself, to end at its next report.
"""

from __future__ import annotations

from collections.abc import Sequence

from nas.execution.attempt import Attempt
from nas.execution.backlog import Backlog
from nas.execution.demands import Demands
from nas.execution.errors import ExecutorError
from nas.execution.worker import Worker
from nas.interfaces import Evaluator, Event, Progress, Task


class InlineExecutor:
    """Runs one task at a time in this process; see `nas.interfaces.Executor` for what it guarantees.

    Example:
        >>> with contextlib.closing(InlineExecutor(evaluator)) as executor:
        ...     executor.submit(task)
        ...     print(executor.events(timeout_s=1.0))
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._worker = Worker(evaluator)
        self._backlog = Backlog()
        self._attempt: Attempt | None = None

    @property
    def num_slots(self) -> int:
        """One."""
        return 1

    def submit(self, task: Task) -> None:
        """Queues `task`; it runs inside `events`. Raises DuplicateTask when its key is in hand."""
        self._backlog.add(task)

    def events(self, timeout_s: float) -> Sequence[Event]:
        """Runs the task in hand until its next event, for at most `timeout_s` seconds."""
        ended = self._backlog.ended()
        if ended or not self._advance():
            return self._backlog.settle(ended)
        attempt = self._attempt
        assert attempt is not None
        answer = self._worker.event(min(timeout_s, max(0.0, attempt.seconds_left)))
        if answer is None:
            return self._timed_out(attempt)
        event, seconds_used = answer
        if isinstance(event, Progress):
            attempt.pause(seconds_used)
        else:
            self._attempt = None
        return self._backlog.settle([event])

    def stop(self, key: str) -> None:
        """Asks the task to stop: at the report that it stands at, else at its next one."""
        self._backlog.stop(key)

    def close(self) -> None:
        """Lets the evaluation go; if it is in the middle of an epoch, it ends at its next report."""
        self._worker.close()

    def _advance(self) -> bool:
        """Lets the task in hand run on, or starts the next; False when there is none."""
        if self._attempt is None:
            task = self._backlog.next()
            if task is None:
                return False
            self._attempt = Attempt(task)
            self._worker.start(task)
        elif self._attempt.is_paused:
            self._attempt.resume()
            self._worker.proceed(self._backlog.goes_on(self._attempt.task.key))
        return True

    def _timed_out(self, attempt: Attempt) -> tuple[Event, ...]:
        if attempt.seconds_left > 0:
            return ()
        self._attempt = None
        self._worker.close()
        self._worker = Worker(self._evaluator)
        return self._backlog.settle([attempt.overdue()])


def open_inline(
    evaluator: Evaluator,
    *,
    num_workers: int | None = 1,
    demands: Demands | None = None,
    address: str | None = None,
) -> InlineExecutor:
    """Opens the executor; this process keeps the cores and GPUs that it has. Raises ExecutorError."""
    del demands
    if num_workers != 1 or address is not None:
        raise ExecutorError(
            f"the inline executor must have one worker and no address, got {num_workers} and {address!r}; "
            "choose the executor `ray`"
        )
    return InlineExecutor(evaluator)
