"""Courses for the virtual executor: modelled from a few numbers, or recorded by a real study; with faults mixed in."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nas.execution.virtual import Course, Simulation
from nas.interfaces import Measurement, Progress, Task
from runs import FailureClass, Store, TrialState


class Preempted(Exception):
    """A pretended worker went away."""

    failure_class = FailureClass.PREEMPTED


@dataclass(frozen=True, slots=True)
class Modelled:
    """Tasks whose length is log-normal and whose accuracy rises from epoch to epoch, all drawn from the task's key.

    Args:
        mean_seconds: of a whole training.
        spread: standard deviation of the logarithm of its length; 0: all are equally long.
        top: accuracy that no training exceeds, in (0, 1].
    """

    mean_seconds: float = 60.0
    spread: float = 0.5
    top: float = 0.95

    def __call__(self, task: Task) -> Course:
        rng = _rng(task.key)
        seconds = self.mean_seconds * math.exp(self.spread * rng.standard_normal() - self.spread**2 / 2)
        final, epochs = self.top * rng.uniform(0.5, 1.0), task.fidelity.epochs
        accuracy = 0.0
        for epoch in range(1, epochs + 1):
            yield seconds / epochs
            accuracy = final * (1 - 0.5**epoch)
            yield Progress(task.key, epoch, accuracy, 1 - accuracy, seconds * epoch / epochs)
        return Measurement(task.key, accuracy, 1 - accuracy, epochs, seconds, num_examples=100)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Tasks as a real study measured them; a task that it did not measure takes the course of one that it did.

    Args:
        curves: (accuracy, loss) of each epoch, by the key of the work.
        seconds: of an epoch, by the key of the work.
    """

    curves: Mapping[str, tuple[tuple[float, float], ...]]
    seconds: Mapping[str, float]

    def __call__(self, task: Task) -> Course:
        keys = tuple(self.curves)
        key = task.key if task.key in self.curves else keys[int(_rng(task.key).integers(len(keys)))]
        curve, epoch_s = self.curves[key], self.seconds[key]
        for epoch, (accuracy, loss) in enumerate(curve, start=1):
            yield epoch_s
            yield Progress(task.key, epoch, accuracy, loss, epoch_s * epoch)
        accuracy, loss = curve[-1]
        return Measurement(task.key, accuracy, loss, len(curve), epoch_s * len(curve), num_examples=100)


def recorded(store: Store, study: str) -> Recorded:
    """Returns the courses of a study's complete trials.

    Args:
        store: holds the study.
        study: its name.

    Raises:
        StudyMissing: there is none.
        ValueError: it has no complete trial with a curve.
    """
    record = store.study(study)
    accuracies, losses = store.curves(record.id, "accuracy"), store.curves(record.id, "loss")
    curves, seconds = {}, {}
    for trial in store.trials(record.id):
        epochs = sorted(accuracies.get(trial.number, {}))
        if trial.state is TrialState.COMPLETE and trial.key is not None and epochs:
            accuracy, loss = accuracies[trial.number], losses.get(trial.number, {})
            curve = [(accuracy[one], loss.get(one, 1 - accuracy[one])) for one in epochs]
            curves[trial.key], seconds[trial.key] = tuple(curve), (trial.seconds or 0.0) / len(epochs)
    if not curves:
        raise ValueError(
            f"a study must have a complete trial to be replayed, got none in {study!r}; search first"
        )
    return Recorded(curves, seconds)


@dataclass(frozen=True, slots=True)
class Faults:
    """Wraps a simulation: attempts that are preempted, hang, diverge, or fail by the user's fault.

    Each share is of attempts, in [0, 1]; together at most 1. What befalls one is drawn from (seed, key, attempt).
    """

    simulation: Simulation
    preempted: float = 0.0
    hung: float = 0.0
    diverged: float = 0.0
    failed: float = 0.0
    seed: int = 0

    def simulate(self) -> Simulation:
        """Returns the simulation with its faults; it counts the attempts of each task."""
        attempts: dict[str, int] = {}

        def course(task: Task) -> Course:
            attempts[task.key] = attempts.get(task.key, 0) + 1
            return self._course(task, attempts[task.key])

        return course

    def _course(self, task: Task, attempt: int) -> Course:
        drawn = _rng(f"{self.seed} {task.key} {attempt}").random()
        shares = np.cumsum([self.preempted, self.hung, self.diverged, self.failed])
        fault = int(np.searchsorted(shares, drawn, side="right"))
        if fault == len(shares):
            return (yield from self.simulation(task))
        yield from _first_second(self.simulation(task))
        if fault == 0:
            raise Preempted("the worker went away")
        if fault == 1:
            yield math.inf
        if fault == 2:
            raise FloatingPointError("the loss is not finite")
        raise RuntimeError("the user's own code failed")


def _first_second(course: Course) -> Course:
    """Lets a course run until its first report, which is not made."""
    for step in course:
        if isinstance(step, Progress):
            break
        yield step
    course.close()
    return Measurement("", 0.0, 0.0, 0, 0.0, 0)


def _rng(text: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
