"""A worker: evaluates one task at a time on a thread of its own and hands out its events one by one.

The evaluation stands still between a `Progress` and the `proceed` that answers it, so whoever drives the
worker decides about an epoch before the next one costs anything. `InlineExecutor` drives a worker in its own
process, each actor of `RayExecutor` drives one in its: the contract is kept here, once, for both.
"""

from __future__ import annotations

import contextlib
import gc
import math
import queue
import sys
import threading
import time
from collections.abc import Iterator

from nas.execution.failures import NotFinite, failure
from nas.interfaces import Evaluator, Event, Failure, Measurement, Progress, Stopped, StopTraining, Task


class Worker:
    """Evaluates one task at a time. After `start`, and after each `proceed`, exactly one event follows.

    Any exception of the evaluator becomes a `Failure`, and so does a measurement that is not one or not
    finite. One thread serves all tasks, because libraries keep caches a thread (cuDNN's choice of algorithms,
    for one).
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[tuple[Event, float]] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="evaluation", daemon=True).start()

    def start(self, task: Task) -> None:
        """Begins `task`; the one before it must have ended."""
        self._tasks.put(task)

    def proceed(self, go_on: bool) -> None:
        """Answers the `Progress` that was handed out last: train on, or stop now."""
        self._answers.put(go_on)

    def event(self, timeout_s: float | None = None) -> tuple[Event, float] | None:
        """Returns the next event and the device seconds that its task has used, without those it stood still;
        None after `timeout_s` seconds without an event.
        """
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Lets the thread end: now when it is idle, at its next report when it is training."""
        self._answers.put(False)
        self._tasks.put(None)

    def _serve(self) -> None:
        while (task := self._tasks.get()) is not None:
            clock = _Clock()
            event = self._evaluated(task, clock)
            if isinstance(event, Failure):
                _release_memory()
            self._events.put((event, clock.seconds))

    def _evaluated(self, task: Task, clock: _Clock) -> Event:
        epoch = 0

        def report(progress: Progress) -> bool:
            nonlocal epoch
            check_finite(progress)
            epoch = progress.epoch
            self._events.put((progress, clock.seconds))
            with clock.stopped():
                return self._answers.get()

        try:
            measurement = self._evaluator.evaluate(task, report)
            check_measurement(task, measurement)
            return measurement
        except StopTraining:
            return Stopped(task.key, epoch, clock.seconds)
        except BaseException as error:  # whatever it is, it is one task's failure and not the worker's
            return failure(task.key, error, seconds=clock.seconds)


class _Clock:
    """Seconds since it was made, less those it was stopped."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        stopped_at = time.monotonic()
        yield
        self._started += time.monotonic() - stopped_at


def check_measurement(task: Task, measurement: Measurement) -> None:
    """Raises TypeError where `measurement` is not the task's, NotFinite where it is no number."""
    if not isinstance(measurement, Measurement) or measurement.key != task.key:
        raise TypeError(
            f"`evaluate` must return the Measurement of task {task.key!r}, got {measurement!r:.200}; "
            "return Measurement(key=task.key, ...)"
        )
    check_finite(measurement)


def check_finite(event: Progress | Measurement) -> None:
    """Raises NotFinite where accuracy or loss is not a finite number."""
    if not (math.isfinite(event.accuracy) and math.isfinite(event.loss)):
        raise NotFinite(
            f"accuracy and loss must be finite, got {event.accuracy} and {event.loss} in epoch {event.epoch}"
        )


def _release_memory() -> None:
    """Gives back what a failed evaluation held, so that the next task on this device finds it free."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
