"""A study of ours as a search algorithm of Ray Tune: a user's own `Tuner` trains, our driver proposes and records.

Tune asks a `Searcher` for configurations and tells it results. Behind it stands the driver of every search, in a thread
of its own, for which `TuneExecutor` is an executor like others: what it submits waits until Tune asks, and Tune's
results are its events. So leases, cost limits, the cache of measurements and budgets hold as in `nas search`. The state
is in the ledger alone: nothing is saved that a restored or a new `Tuner` could find half-written.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ray.tune import Stopper
from ray.tune.search import Searcher

from nas.execution.backlog import Backlog
from nas.execution.failures import failure
from nas.execution.worker import check_finite
from nas.interfaces import Event, Executor, Measurement, Progress, Stopped, Task

_CLOSE_S = 0.1  # between two looks whether the driver has ended

ACCURACY = "accuracy"  # what the trainable must report, in [0, 1]
_EPOCH, _SECONDS, _KEY = "training_iteration", "time_total_s", "config/key"

# Runs the study on an executor until its budget is used, or until it is told to stop.
Drive = Callable[[Executor, Callable[[], bool]], None]


class TuneError(ValueError):
    """A trainable's result is not what a study needs."""


class TuneExecutor:
    """Tune's trials as an executor (`nas.interfaces.Executor`), as far as Tune lets itself be led.

    A trial does not stand still at its reports, so a stop takes effect at its next, and only where `StudyStopper` is
    among the stoppers of the `Tuner`. There is one task in hand more than Tune has asked for when it runs nothing: a
    driver with nothing in hand would take that for its end.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._backlog = Backlog()
        self._tasks: dict[str, Task] = {}  # in hand, by key
        self._events: list[Event] = []
        self._num_wanted = 0
        self._is_asked = False  # since the driver last looked

    @property
    def num_slots(self) -> int:
        """As many as are in hand or asked for."""
        with self._changed:
            return max(1, len(self._tasks) + self._num_wanted)

    def submit(self, task: Task) -> None:
        """Keeps `task` until Tune asks for it."""
        with self._changed:
            self._backlog.add(task)
            self._tasks[task.key] = task
            self._num_wanted = max(0, self._num_wanted - 1)
            self._changed.notify_all()

    def events(self, timeout_s: float) -> Sequence[Event]:
        """Returns what Tune has told since; comes back early when Tune asks for more."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._events) or self._is_asked, timeout_s)
            self._is_asked = False
            events, self._events = [*self._backlog.ended(), *self._events], []
            for event in events:
                if not isinstance(event, Progress):
                    self._tasks.pop(event.key, None)
            return self._backlog.settle(events)

    def stop(self, key: str) -> None:
        """Asks for a stop at the next report; at once where the task waits."""
        with self._changed:
            self._backlog.stop(key)

    def close(self) -> None:
        """Says of all tasks that they were stopped: Tune will tell no more."""
        with self._changed:
            for key in self._tasks:
                self._backlog.stop(key)
            running = [key for key in self._tasks if not self._backlog.goes_on(key)]
            self._events += [Stopped(key, epoch=0, seconds=0.0) for key in running]
            self._changed.notify_all()

    def next(self, timeout_s: float) -> Task | None:
        """Returns a task for Tune, waiting for one for a while."""
        with self._changed:
            if not self._backlog.is_waiting:
                self._num_wanted, self._is_asked = 1, True
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._backlog.is_waiting, timeout_s)
            self._num_wanted = 0
            return self._backlog.next()

    def goes_on(self, key: str) -> bool:
        """Whether nobody has asked the task to stop."""
        with self._changed:
            return self._backlog.goes_on(key)

    def tell(self, key: str, event: Callable[[Task], Event]) -> None:
        """Takes what has become of a task; a task that is not in hand was ended by somebody else."""
        with self._changed:
            if key in self._tasks:
                self._events.append(event(self._tasks[key]))
                self._changed.notify_all()


class StudySearcher(Searcher):
    """The search algorithm; to be closed, so that what Tune has not begun goes back to the queue at once.

    Its configurations are `architecture` (canonical JSON), `epochs`, `resolution`, `share`, `seed` and `key`; the
    trainable reports `accuracy` (and `loss`, where it has one) once an epoch. An early end by a scheduler of Tune's is
    recorded as pruned, never as a result.

    Args:
        drive: runs the study, as `nas.stages.tuning` makes it; travels with the `Tuner`, so it holds no password.
        wait_s: how long Tune is kept waiting for a proposal, > 0.
    """

    def __init__(self, drive: Drive, *, wait_s: float = 1.0) -> None:
        super().__init__(metric=ACCURACY, mode="max")
        self._drive, self._wait_s = drive, wait_s
        self._executor = TuneExecutor()
        self._keys: dict[str, str] = {}  # of Tune's trials, by Tune's id
        self._results: dict[str, Mapping[str, Any]] = {}  # the last of each
        self._is_closing = threading.Event()
        self._problem: Exception | None = None
        self._thread: threading.Thread | None = None

    def __reduce__(self) -> tuple[type[StudySearcher], tuple[Drive]]:
        return StudySearcher, (self._drive,)

    def __enter__(self) -> StudySearcher:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends our driver: trials that Tune still runs go back to the queue."""
        self._is_closing.set()
        while self._thread is not None and self._thread.is_alive():
            self._executor.close()
            self._thread.join(_CLOSE_S)

    def stops(self, trial_id: str) -> bool:
        """Whether the study wants Tune's trial to end."""
        return not self._executor.goes_on(self._keys.get(trial_id, ""))

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any
    ) -> bool:
        """Accepts Tune's word that accuracy is to be greatest, and nothing else: the study has its own reward."""
        return metric in (None, ACCURACY) and mode in (None, "max") and not config

    def suggest(self, trial_id: str) -> Any:
        """Returns a candidate's configuration; None while there is none, `FINISHED` when there will be none.

        Raises:
            Exception: that ended our driver.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="study", daemon=True)
            self._thread.start()
        task = self._executor.next(self._wait_s)
        if task is not None:
            self._keys[trial_id] = task.key
            return {
                "architecture": task.architecture,
                **task.fidelity.model_dump(),
                "seed": task.seed,
                "key": task.key,
            }
        if self._problem is not None:
            raise self._problem
        return None if self._thread.is_alive() else str(Searcher.FINISHED)

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Hands an epoch to our driver."""
        key = self._keys.setdefault(trial_id, str(result.get(_KEY, "")))
        self._results[trial_id] = result
        self._executor.tell(key, lambda task: _progress(task, result))

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """Hands a trial's end to our driver."""
        last = result or self._results.get(trial_id)
        self._results.pop(trial_id, None)
        key = self._keys.pop(trial_id, str((last or {}).get(_KEY, "")))
        stops = not self._executor.goes_on(key)
        self._executor.tell(key, lambda task: _end(task, None if error else last, stops=stops))

    def save(self, checkpoint_path: str) -> None:
        """Writes that there is nothing to save."""
        Path(checkpoint_path).write_text(json.dumps({"state": "in the ledger"}), encoding="utf-8")

    def restore(self, checkpoint_path: str) -> None:
        """Reads nothing: the ledger knows."""

    def _run(self) -> None:
        try:
            self._drive(self._executor, self._is_closing.is_set)
        except Exception as error:  # raised again where Tune asks next
            self._problem = error


class StudyStopper(Stopper):
    """Stops trials that the study's own rule for weak ones stops; give it to the `Tuner` as `RunConfig(stop=...)`."""

    def __init__(self, searcher: StudySearcher) -> None:
        self._searcher = searcher

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        return self._searcher.stops(trial_id)

    def stop_all(self) -> bool:
        return False


def _progress(task: Task, result: Mapping[str, Any]) -> Event:
    """Returns an epoch as an event: a failure where its numbers are none."""
    seconds = float(result.get(_SECONDS, 0.0))
    try:
        accuracy, loss, epoch = _numbers(result)
        event = Progress(task.key, epoch, accuracy, loss, seconds)
        check_finite(event)
    except (TuneError, ArithmeticError) as error:
        return failure(task.key, error, seconds=seconds)
    return event


def _end(task: Task, result: Mapping[str, Any] | None, *, stops: bool) -> Event:
    """Returns the end of a task by Tune's last result; None: the trainable raised, or was never heard of."""
    if result is None:
        error = TuneError(
            "a trainable must end without an exception, got one; its traceback is in Tune's folder of the trial"
        )
        return failure(task.key, error, seconds=0.0)
    seconds = float(result.get(_SECONDS, 0.0))
    try:
        accuracy, loss, epoch = _numbers(result)
        if epoch < task.fidelity.epochs:
            return Stopped(task.key, epoch, seconds, is_pruned=not stops)
        count = int(result.get("num_examples", 1))
        event = Measurement(task.key, accuracy, loss, epoch, seconds, count)
        check_finite(event)
    except (TuneError, ArithmeticError) as error:
        return failure(task.key, error, seconds=seconds)
    return event


def _numbers(result: Mapping[str, Any]) -> tuple[float, float, int]:
    """Returns accuracy, loss (0 where there is none) and epoch of a result. Raises TuneError."""
    if ACCURACY not in result:
        raise TuneError(
            f"a trainable must report `{ACCURACY}` once an epoch, got {sorted(result)[:5]}; add it to tune.report"
        )
    return float(result[ACCURACY]), float(result.get("loss", 0.0)), int(result[_EPOCH])
