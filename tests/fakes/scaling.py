"""What tests of fits and families share: a small network, and an evaluator that follows a known law of its size."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.interfaces import Measurement, Progress, StopTraining, Task
from nas.settings import Settings, make_settings
from scaling_rules import Law
from search_space import Architecture, Stage
from search_space.blocks import ClassifierOptions, ConvOptions, StemOptions

# A truth in which all three dimensions are worth something, and resolution most.
TRUTH = Law(("depth", "width", "resolution"), 0.95, (0.07, 0.12, 0.16), (1.2, 0.9, 1.1), (1.0, 1.0, 1.0))


def network(resolution: int = 12) -> Architecture:
    """Returns a baseline of twelve blocks, whose rounding is fine enough for a law to be seen."""
    return Architecture(
        resolution=resolution,
        stem=Stage("stem", 1, 16, 2, StemOptions()),
        stages=(
            Stage("conv", 6, 16, 1, ConvOptions(kernel=1)),
            Stage("conv", 6, 32, 2, ConvOptions(kernel=1)),
        ),
        head=Stage("classifier", 1, 0, 1, ClassifierOptions()),
        num_classes=10,
        input_channels=1,
    )


@dataclass(frozen=True)
class Lawful:
    """Reports the accuracy that `TRUTH` gives at the network's size, with noise from the seed; notes every epoch.

    Args:
        notes: a line of JSON for every epoch: key, epoch, seed.
        noise: standard deviation of one training.
        seconds: that an epoch takes.
        longer: by what the lacking accuracy is multiplied with each doubling of five epochs.
        fails: networks of at least so many layers raise.
    """

    notes: Path
    noise: float = 0.002
    seconds: float = 0.0
    longer: float = 0.8
    fails: int = 1_000
    law: Law = TRUTH

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement:
        built = Architecture.from_json(task.architecture)
        if sum(stage.repeats for stage in built.stages) >= self.fails:
            raise RuntimeError("too deep for this machine")
        base = network()
        sizes = [
            sum(stage.repeats for stage in built.stages) / sum(stage.repeats for stage in base.stages),
            sum(stage.channels for stage in built.stages) / sum(stage.channels for stage in base.stages),
            built.resolution / base.resolution,
        ]
        [value] = self.law.predict([sizes])
        lacking = (1.0 - value) * self.longer ** np.log2(task.fidelity.epochs / 5)
        final = float(1.0 - lacking + np.random.default_rng(task.seed).normal(0.0, self.noise))
        for epoch in range(1, task.fidelity.epochs + 1):
            time.sleep(self.seconds)
            with self.notes.open("a") as file:
                file.write(json.dumps({"key": task.key, "epoch": epoch, "seed": task.seed}) + "\n")
            if not report(Progress(task.key, epoch, final, 1.0 - final, self.seconds * epoch)):
                raise StopTraining
        return Measurement(task.key, final, 1.0 - final, task.fidelity.epochs, self.seconds, 100)

    def trainings(self) -> list[dict[str, Any]]:
        """Returns what was noted: one entry for every epoch that was trained."""
        return (
            [json.loads(line) for line in self.notes.read_text().splitlines()] if self.notes.exists() else []
        )


def settings(
    folder: Path, *, fit: dict[str, Any] | None = None, grow: dict[str, Any] | None = None
) -> Settings:
    """Returns settings for scaling `network` on the digits, with a ledger in `folder`."""
    return make_settings(
        {
            "search": {
                "study": "s",
                "storage": f"sqlite:///{folder / 'nas.db'}",
                "executor": "inline",
                "pruning": "none",
            },
            "data": {"resolution": 12},
            "fit": {"divisor": 4} | (fit or {}),
            "grow": grow or {},
        }
    )
