"""What tests of the search stage share: a small real space, an evaluator whose accuracy is a formula, and settings."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.interfaces import Measurement, Progress, StopTraining, Task
from nas.settings import Settings, make_settings
from runs.artifacts import ArtifactStore
from search_space import Architecture, Choice, SearchSpace, Stage, cost
from search_space.blocks import ClassifierOptions, ConvOptions, StemOptions
from tests.fakes.evaluators import Diverged


@dataclass(frozen=True)
class Formula:
    """Reports an accuracy that follows from the architecture's cost and the seed; notes every training in a file.

    Args:
        notes: a line of JSON for every epoch: key, epoch, seed.
        seconds: that an epoch takes.
        breaks: "user" or "diverged": what every architecture with an odd digest does.
        keeps: whether epochs are kept in checkpoints.
    """

    notes: Path
    seconds: float = 0.0
    breaks: str = ""
    keeps: bool = False

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement:
        architecture = Architecture.from_json(task.architecture)
        if self.breaks and int(architecture.digest[0], 16) % 2:
            raise Diverged("the loss grew") if self.breaks == "diverged" else KeyError("mine")
        final = _accuracy(architecture, task.seed)
        store = ArtifactStore(task.checkpoints) if self.keeps and task.checkpoints else None
        found = store.load_checkpoint(task.key) if store else None
        begun = found.epoch if found else 0
        for epoch in range(1, task.fidelity.epochs + 1):
            accuracy = final * (1 - 0.5**epoch)
            if epoch > begun:
                time.sleep(self.seconds)
                with self.notes.open("a") as file:
                    file.write(json.dumps({"key": task.key, "epoch": epoch, "seed": task.seed}) + "\n")
                if store:
                    store.save_checkpoint(task.key, epoch, {"state": str(epoch).encode()})
            if not report(
                Progress(task.key, epoch, accuracy, 1 - accuracy, self.seconds * max(epoch - begun, 0))
            ):
                raise StopTraining
        seconds = self.seconds * (task.fidelity.epochs - begun)
        return Measurement(task.key, final, 1 - final, task.fidelity.epochs, seconds, 100, begun)

    def trainings(self) -> list[dict[str, Any]]:
        """Returns what was noted: one entry for every epoch that was trained."""
        return (
            [json.loads(line) for line in self.notes.read_text().splitlines()] if self.notes.exists() else []
        )


def _accuracy(architecture: Architecture, seed: int) -> float:
    """Returns a number in (0, 1) that grows with cost and saturates, with the seed's noise of 0.01."""
    macs = cost(architecture).macs
    return macs / (macs + 2e5) * 0.95 + (seed % 1000) / 1000 * 0.01


def settings(folder: Path, **changes: Any) -> Settings:
    """Returns settings of a small search on the digits, with a ledger in `folder`; `changes` are of `[search]`."""
    search = {
        "study": "s",
        "storage": f"sqlite:///{folder / 'nas.db'}",
        "space": "mnasnet",
        "width": 0.5,
        "target": "1M",
        "trials": 8,
        "executor": "inline",
        "strategy": "random",
        "pruning": "none",
        "repeats": 0,
    }
    return make_settings({"search": search | changes, "data": {"resolution": 8}, "fidelity": {"epochs": 3}})


def settings_of_all(folder: Path) -> Settings:
    """Returns settings of a small run of all stages on the digits, with a ledger in `folder`."""
    return make_settings(
        {
            "search": {
                "study": "s",
                "storage": f"sqlite:///{folder / 'nas.db'}",
                "width": 0.25,
                "target": "1M",
                "trials": 4,
                "finalists": 1,
                "repeats": 2,
                "executor": "inline",
                "strategy": "random",
                "pruning": "none",
            },
            "data": {"resolution": 16, "num_samples": 300},
            "fidelity": {"epochs": 2},
            "fit": {"budget": 24, "largest": 4.0},
            "grow": {"phi": [0, 1]},
        }
    )


class Tiny(SearchSpace):
    """A user's own space of 12 points: two kernels, two depths, three widths."""

    name = "tiny"
    choices = (Choice("kernel", (3, 5)), Choice("depth", (1, 2)), Choice("channels", (8, 16, 24)))

    def architecture(self, values: Mapping[str, Any]) -> Architecture:
        depth, channels, kernel = values["depth"], values["channels"], values["kernel"]
        return Architecture(
            resolution=self.resolution,
            stem=Stage("stem", 1, 8, 2, StemOptions()),
            stages=(Stage("conv", depth, channels, 2, ConvOptions(kernel=kernel)),),
            head=Stage("classifier", 1, 0, 1, ClassifierOptions()),
            num_classes=self.num_classes,
            input_channels=self.input_channels,
        )
