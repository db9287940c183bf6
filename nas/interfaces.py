"""The engine's interfaces and the values that pass between them, on one screen.

A `Task` goes to an `Executor`, which has an `Evaluator` on each worker; `Event`s come back. The driver alone reads and
writes the database: a worker gets everything it needs in the task and returns everything it learnt in events.
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

    `key` names the work, not the attempt: a task that is run again after a fault has the same key, and so finds
    its checkpoint. It is the cache key's hash: (architecture digest, data, recipe, fidelity, seed).
    """

    key: str
    architecture: str  # canonical JSON of a search_space.Architecture
    data: DataSettings
    recipe: Recipe
    fidelity: Fidelity
    seed: int
    checkpoints: str | None = None  # fsspec URL of the artifact store; None keeps no checkpoints
    time_limit_s: float | None = None


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


@dataclass(frozen=True, slots=True)
class Stopped:
    """A task that was stopped on request (pruned, cancelled or drained); its checkpoint is kept."""

    key: str
    epoch: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that ended without a result, with the class that decides what happens next."""

    key: str
    failure_class: FailureClass
    message: str
    traceback: str
    seconds: float


Event = Progress | Measurement | Stopped | Failure


class StopTraining(Exception):
    """Raised inside an evaluation when `report` said to stop; carries nothing, the executor makes the `Stopped`."""


class Evaluator(Protocol):
    """Measures one architecture. Picklable and cheap to make; loads data and libraries on first use, on the worker.

    Guarantees: the same task gives the same measurement on the same kind of machine; `report` is called once an epoch,
    in order; when it returns False, `StopTraining` is raised after the epoch's checkpoint is safe. Any other exception
    is a failure, which the executor classifies.
    """

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement: ...


class Executor(Protocol):
    """Runs tasks on slots. Guarantees: every submitted task ends in exactly one Measurement, Stopped or Failure event,
    whatever happens to its worker; progress comes before its end; nothing raises because a task failed.
    """

    @property
    def num_slots(self) -> int:
        """How many tasks run at once now; it may change as a cluster grows or shrinks."""
        ...

    def submit(self, task: Task) -> None:
        """Starts `task` on a free slot; queues it when there is none."""
        ...

    def events(self, timeout_s: float) -> Sequence[Event]:
        """Returns what happened since the last call; waits up to `timeout_s` seconds for the first event."""
        ...

    def stop(self, key: str) -> None:
        """Asks the task to stop after its current epoch; a `Stopped` (or its `Measurement`, if it was quicker) follows."""
        ...

    def close(self) -> None:
        """Ends all workers at once; unfinished tasks keep their checkpoints."""
        ...
