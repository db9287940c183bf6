"""An evaluator that does what the task's architecture says: one word and its argument, for as many epochs."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from nas.interfaces import Evaluator, Measurement, Progress, StopTraining, Task
from nas.settings import DataSettings, Fidelity, Recipe
from runs import FailureClass


def task(key: str, behaviour: str = "", *, epochs: int = 1, **limits: float | None) -> Task:
    """Returns a task that makes `Scripted` behave so; `limits` are `Task.time_limit_s` and `Task.stall_s`."""
    data, recipe, fidelity = DataSettings(), Recipe(), Fidelity(epochs=epochs)
    return replace(Task(key, behaviour, data, recipe, fidelity, seed=0), **limits)


class Diverged(Exception):
    """Says its class itself, as an evaluator's own exceptions do."""

    failure_class = FailureClass.DIVERGED


@dataclass(frozen=True)
class Scripted:
    """Reports every epoch, then does what it is told, then returns a measurement."""

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement:
        word, _, argument = task.architecture.partition(" ")
        for epoch in range(1, task.fidelity.epochs + 1):
            if word == "sleep":
                time.sleep(float(argument))
            accuracy = float("nan") if word == "nan" else epoch / (epoch + 1)
            if not report(Progress(task.key, epoch, accuracy=accuracy, loss=1.0 / epoch, seconds=0.0)):
                raise StopTraining
        _act(word, argument)
        return Measurement(
            key="another" if word == "wrong-key" else task.key,
            accuracy=0.5,
            loss=float("inf") if word == "infinite" else 0.5,
            epoch=task.fidelity.epochs,
            seconds=0.0,
            num_examples=_number(word, argument),
        )


@dataclass(frozen=True)
class FaultyAtFirst:
    """Each of the first trainings does one of the faults, in their order, at its first attempt; all else is fine.

    Args:
        folder: where `fault0`, `fault1`, ... come to hold the keys of the trainings that did them, as proof.
        faults: what `Scripted` is told.
    """

    folder: str
    faults: tuple[str, ...]

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement:
        return Scripted().evaluate(replace(task, architecture=self._drawn(task.key)), report)

    def _drawn(self, key: str) -> str:
        paths = [Path(self.folder) / f"fault{number}" for number in range(len(self.faults))]
        if any(path.exists() and path.read_text() == key for path in paths):
            return ""  # this is another attempt
        for path, fault in zip(paths, self.faults, strict=True):
            with contextlib.suppress(FileExistsError), path.open("x") as file:
                file.write(key)
                return fault
        return ""


def _number(word: str, argument: str) -> int:
    """What a test asks the worker about itself, returned where a measurement has an integer."""
    match word:
        case "pid":
            return os.getpid()
        case "knows":
            return int(argument in os.environ)
        case "threads":
            import torch  # only these workers pay for it

            return torch.get_num_threads()
        case _:
            return 1


def _act(word: str, argument: str) -> None:
    match word:
        case "raise":
            raise ValueError(argument)
        case "diverge":
            raise Diverged("the loss grew")
        case "exhaust-device":
            import torch  # only these workers pay for it

            raise torch.OutOfMemoryError("CUDA out of memory")
        case "exhaust-host":
            bytearray(10**15)
        case "exit":
            sys.exit(3)
        case "interrupt":
            raise KeyboardInterrupt
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "hang":
            _hang(argument)
        case "hang-with-gil":
            ctypes.PyDLL(None).sleep(3600)
        case "hang-with-children":
            _start_stubborn_family(Path(argument))
            _hang("")


def _hang(path: str) -> None:
    """Sleeps for an hour, deaf to SIGTERM, after leaving this process's id in the file `path`."""
    if path:
        Path(path).write_text(str(os.getpid()))
    while True:
        time.sleep(3600)


def _start_stubborn_family(path: Path) -> None:
    """Starts a child and a grandchild that ignore SIGTERM and leave their ids in the file `path`."""
    program = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.fork()\n"
        "open(sys.argv[1], 'a').write(f'{os.getpid()}\\n')\n"
        "time.sleep(3600)\n"
    )
    subprocess.Popen([sys.executable, "-c", program, str(path)])
    while not path.exists() or len(path.read_text().split()) < 2:
        time.sleep(0.01)


@dataclass(frozen=True)
class ScriptedOrTrained:
    """Trains what is an architecture, and does what it is told where it is a word.

    The key of a training may begin with `starved N`: its second process then has no memory for more than N images.
    """

    trains: Evaluator

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement:
        if not task.architecture.startswith("{"):
            return Scripted().evaluate(task, report)
        word, _, rest = task.key.partition(" ")
        with _starved(int(rest.split()[0])) if word == "starved" else contextlib.nullcontext():
            return self.trains.evaluate(task, report)


@contextlib.contextmanager
def _starved(most: int) -> Iterator[None]:
    """Lets the second epoch of a team's second process run out of memory with more than `most` images."""
    import torch

    from nas.evaluation.training import Training

    backward = Training._backward

    def harmed(training: Training, inputs: torch.Tensor, labels: torch.Tensor, weight: float) -> torch.Tensor:
        is_meant = torch.distributed.get_rank() == 1 and training.epoch == 1
        if is_meant and -(-len(labels) // training._num_parts) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return backward(training, inputs, labels, weight)

    Training._backward = harmed  # type: ignore[method-assign]
    try:
        yield
    finally:
        Training._backward = backward  # type: ignore[method-assign]
