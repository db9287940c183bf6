"""A search, a fit and a family whose trainings are a formula: what the dashboards show, in seconds.

Run as a program it searches in a process of its own, so that a page can be watched while it changes:

    python -m tests.dashboards.modelled FOLDER TRIALS SECONDS_PER_EPOCH
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.evaluation.predictions import Predictions
from nas.interfaces import Measurement, Progress, StopTraining, Task
from nas.settings import Settings, make_settings
from nas.stages.committee import PREDICTIONS
from nas.stages.fit import fit
from nas.stages.grow import grow
from nas.stages.search import search
from runs import Store
from scaling_rules import Law
from search_space import Architecture

LAW = Law(("depth", "width", "resolution"), 0.97, (0.10, 0.16, 0.20), (0.9, 0.8, 1.0), (1.0, 1.0, 1.0))
NUM_IMAGES, NUM_CLASSES = 500, 10
HOSTILE = "<img src=x onerror=\"document.title='owned'\">\u202e=cmd|' /C calc'!A0"


@dataclass(frozen=True)
class Modelled:
    """Reports an accuracy that grows with depth, width and resolution, epoch by epoch; every 13th seed fails."""

    seconds: float = 0.0
    may_fail: bool = True
    failure: str = HOSTILE

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement:
        built = Architecture.from_json(task.architecture)
        if self.may_fail and task.seed % 13 == 0:
            raise RuntimeError(self.failure)
        sizes = [
            sum(stage.repeats for stage in built.stages) / 9,
            sum(stage.channels for stage in built.stages) / 120,
            built.resolution / 12,
        ]
        [value] = LAW.predict([np.maximum(sizes, 0.2)])
        options = sum(getattr(stage.options, "kernel", 3) == 5 for stage in built.stages)
        final = float(value + 0.006 * options + np.random.default_rng(task.seed).normal(0.0, 0.006))
        final = min(max(final, 0.1), 0.995)
        for epoch in range(1, task.fidelity.epochs + 1):
            time.sleep(self.seconds)
            now = final * (1 - 0.6 * 0.45**epoch)
            if not report(Progress(task.key, epoch, now, 1.0 - now, self.seconds * epoch + 0.5 * epoch)):
                raise StopTraining
        return Measurement(
            task.key, final, 1.0 - final, task.fidelity.epochs, 0.5 * task.fidelity.epochs, 100
        )


def settings(folder: Path, study: str = "digits", trials: int = 120, **changes: Any) -> Settings:
    """Returns settings of a small search on the digits, with a ledger in `folder`."""
    found = {
        "study": study,
        "storage": f"sqlite:///{folder / 'nas.db'}",
        "space": "mnasnet",
        "target": "1M",
        "trials": trials,
        "executor": "inline",
        "strategy": "nsga2",
        "pruning": "median",
        "repeats": 2,
    }
    scaled = {
        "fit": {"budget": 26, "divisor": 4},
        "grow": {"phi": [0.0, 1.0, 2.0], "rule": ["compound", "width"], "seeds": 2},
    }
    return make_settings(
        {"search": found | changes, "data": {"resolution": 12}, "fidelity": {"epochs": 5}} | scaled
    )


def run_everything(folder: Path, trials: int = 120, failure: str = HOSTILE) -> None:
    """Searches, fits and grows; some trials of the search fail and say `failure`."""
    chosen = settings(folder, trials=trials)
    search(chosen, evaluator=Modelled(failure=failure))
    at = {"storage": chosen.search.storage, "evaluator": Modelled(may_fail=False)}
    fit("digits", changes=lambda old: chosen, **at)
    grow("digits", changes=lambda old: chosen, **at)


def vote(store: Store, study_id: int) -> None:
    """Stores what the trained networks of a family say of the same images: committees are made of it."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, NUM_CLASSES, NUM_IMAGES)
    for index, trial in enumerate(sorted(store.trials(study_id), key=lambda one: one.costs["macs"])):
        scores = rng.normal(0.0, 1.0, (NUM_IMAGES, NUM_CLASSES))
        scores[np.arange(NUM_IMAGES), labels] += 3.0 + 0.2 * index
        shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        content = Predictions(shares.astype(np.float32), labels).to_bytes()
        sha256 = store.artifacts.put_bytes(content, kind=PREDICTIONS)
        store.add_artifact(sha256, kind=PREDICTIONS, num_bytes=len(content), trial_id=trial.id)


def main() -> None:
    """Searches slowly, to be watched."""
    folder, trials, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    search(settings(folder, "live", trials, repeats=0), evaluator=Modelled(seconds))


if __name__ == "__main__":
    main()
