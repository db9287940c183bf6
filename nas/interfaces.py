"""The engine's interfaces and the values that pass between them, on one screen.

A `Task` goes to an `Executor`, which has an `Evaluator` on each worker; `Event`s come back. The driver alone
reads and writes the database: a worker gets all it needs in the task and returns all it learnt in events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from nas.settings import DataSettings, Fidelity, Recipe
from runs import FailureClass


@dataclass(frozen=True, slots=True)
class Task:
    """One architecture to be measured: everything a worker needs, as plain values.

    `key` names the work, not the attempt: a task that is run again after a fault has the same key, and so
    finds its checkpoint. It is the cache key's hash: (architecture digest, data, recipe, fidelity, seed).
    """

    key: str
    architecture: str  # canonical JSON of a search_space.Architecture
    data: DataSettings
    recipe: Recipe
    fidelity: Fidelity
    seed: int
    checkpoints: str | None = None  # fsspec URL of the artifact store; None keeps no checkpoints
    time_limit_s: float | None = None
    stall_s: float | None = None  # without a finished epoch, after which the worker is taken for lost
    micro_batch: int | None = (
        None  # images taken together from the start, where more have not fitted into memory
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """One finished epoch of a running task."""

    key: str
    epoch: int  # 1-based, counted from the start of training, so resumed work goes on counting
    accuracy: float  # validation, in [0, 1]
    loss: float
    seconds: float  # device seconds of this attempt so far


@dataclass(frozen=True, slots=True)
class Measurement:
    """The result of a finished task."""

    key: str
    accuracy: float  # validation, in [0, 1]
    loss: float
    epoch: int
    seconds: float  # device seconds of this attempt
    num_examples: int  # validation images behind `accuracy`
    resumed_from: int = 0  # the epoch whose checkpoint this attempt started from; 0 = from scratch
    weights: str | None = None  # sha256 of the weights in the artifact store
    latency_ms: float | None = None
    micro_batch: int | None = None  # images taken together where a whole batch did not fit into memory


@dataclass(frozen=True, slots=True)
class Stopped:
    """A task that was stopped on request (pruned, cancelled or drained); its checkpoint is kept.

    `is_pruned`: the executor's own scheduler has stopped it, for good.
    """

    key: str
    epoch: int
    seconds: float
    is_pruned: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that ended without a result, with the class that decides what happens next."""

    key: str
    failure_class: FailureClass
    message: str
    traceback: str
    seconds: float
    micro_batch: int | None = (
        None  # images to take together when it is tried again, where too many were taken
    )


Event = Progress | Measurement | Stopped | Failure


class StopTraining(Exception):
    """Raised inside an evaluation when `report` said to stop; the executor makes the `Stopped`."""


class Evaluator(Protocol):
    """Measures one architecture. Picklable and cheap to make; loads data and libraries on first use.

    Guarantees: the same task gives the same measurement on the same kind of machine; `report` is called once
    an epoch, in order; when it returns False, `StopTraining` is raised after the epoch's checkpoint is safe.
    Any other exception is a failure, which the executor classifies: by the exception's own attribute
    `failure_class`, where it has one.
    """

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement: ...


class Executor(Protocol):
    """Runs tasks on slots.

    Guarantees, whatever happens to a worker:

    - Every submitted task ends in exactly one `Measurement`, `Stopped` or `Failure`, after its `Progress`; only
      `close` leaves tasks without an end. Nothing raises because a task failed.
    - A task stands still at its report until `events` is called again. So a `stop` that answers a `Progress`
      takes effect at that very epoch, and the same decisions give the same history on any executor.
    - The time limit of a task counts the time that it runs, not the time that it stands at reports.
    - A number that is not finite never gets out: it is a `Failure` of class `DIVERGED`.
    """

    @property
    def num_slots(self) -> int:
        """How many tasks run at once now; it may change as a cluster does. At 0 no task will run any more."""
        ...

    def submit(self, task: Task) -> None:
        """Starts `task` on a free slot; queues it when there is none. Its key must not be in hand already."""
        ...

    def events(self, timeout_s: float) -> Sequence[Event]:
        """Lets tasks that stand at a report go on, and returns what happened since the last call.

        Waits up to `timeout_s` seconds for the first event; returns at once when no task is in hand.
        """
        ...

    def stop(self, key: str) -> None:
        """Asks the task to stop: at the report that it stands at, else at its next; at once if it is queued.

        A `Stopped` follows (or its `Measurement`, if it was quicker). A key that is not in hand is ignored.
        """
        ...

    def close(self) -> None:
        """Ends all workers at once; unfinished tasks keep their checkpoints."""
        ...
