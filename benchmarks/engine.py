"""What the engine costs beside the evaluations themselves: the pool of reused Ray actors and the ideal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.row import Row
from nas.execution import open_executor
from nas.interfaces import Executor, Measurement, Progress, Task
from nas.settings import DataSettings, Fidelity, Recipe

NAME = "engine"

NUM_WORKERS = 2
NUM_SECOND_LONG = 20
NUM_EMPTY = 1_000
MAX_OVER_IDEAL = 1.10


@dataclass(frozen=True)
class Sleeper:
    """An evaluator that sleeps for as many seconds, in one epoch."""

    seconds: float

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement:
        time.sleep(self.seconds)
        report(Progress(task.key, epoch=1, accuracy=0.5, loss=1.0, seconds=self.seconds))
        return Measurement(task.key, accuracy=0.5, loss=1.0, epoch=1, seconds=self.seconds, num_examples=1)


def run() -> list[Row]:
    """Returns the seconds that 20 one-second evaluations take on 2 workers, and the cost of an empty one."""
    return [_second_long(), _empty()]


def _second_long() -> Row:
    seconds = _seconds(Sleeper(1.0), NUM_SECOND_LONG)
    ideal = NUM_SECOND_LONG / NUM_WORKERS
    ratio = seconds / ideal
    what = f"{NUM_SECOND_LONG} one-second evaluations on {NUM_WORKERS} Ray workers, over the ideal"
    return Row(what, seconds, ideal, ratio, MAX_OVER_IDEAL, ratio <= MAX_OVER_IDEAL, "s")


def _empty() -> Row:
    pooled = _seconds(Sleeper(0.0), NUM_EMPTY) / NUM_EMPTY
    inline = _seconds(Sleeper(0.0), NUM_EMPTY, kind="inline") / NUM_EMPTY
    what = f"an empty one-epoch evaluation on {NUM_WORKERS} Ray workers, over the same inline"
    return Row(what, pooled * 1e3, inline * 1e3, pooled / inline, None, None, "ms")


def _seconds(evaluator: Sleeper, num_tasks: int, *, kind: str = "ray") -> float:
    """Returns the seconds from the first submission to the last measurement, after a few tasks to warm up."""
    num_workers = NUM_WORKERS if kind == "ray" else 1
    with contextlib.closing(open_executor(kind, evaluator, num_workers=num_workers)) as executor:
        _finish(executor, 2 * num_workers, "warm")
        started = time.perf_counter()
        _finish(executor, num_tasks, "timed")
        return time.perf_counter() - started


def _finish(executor: Executor, num_tasks: int, name: str) -> None:
    data, recipe, fidelity = DataSettings(), Recipe(), Fidelity(epochs=1)
    for number in range(num_tasks):
        executor.submit(Task(f"{name} {number}", "{}", data, recipe, fidelity, seed=0))
    while num_tasks:
        num_tasks -= sum(isinstance(event, Measurement) for event in executor.events(1.0))
