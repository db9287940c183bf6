"""A study of ours inside your own Ray `Tuner`: we propose and record, Tune runs what you train.

    python examples/tune_study.py sqlite:///tune.db
    nas status tune --storage sqlite:///tune.db

Kill it at any moment and run it again: what was measured stays, what was being trained is trained again.
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # Ray listens on this machine alone

import ray
from ray import tune

from nas.evaluation.evaluator import EvaluatorOptions, TrainingEvaluator
from nas.interfaces import Progress, Task
from nas.settings import DataSettings, Fidelity, Recipe, Settings, make_settings
from nas.stages.tuning import study_searcher

NUM_TRIALS = 4


def settings(storage: str) -> Settings:
    """Returns what `nas search` would be told."""
    search = {"study": "tune", "storage": storage, "trials": NUM_TRIALS, "target": "0.3M", "width": 0.1}
    search |= {"strategy": "random", "pruning": "none", "repeats": 0}
    return make_settings({"search": search, "data": {"resolution": 8}, "fidelity": {"epochs": 2}})


def train(config: dict[str, Any]) -> None:
    """Trains one candidate and reports its accuracy once an epoch."""

    def report(progress: Progress) -> bool:
        tune.report({"accuracy": progress.accuracy, "loss": progress.loss})
        return True

    fidelity = Fidelity(epochs=config["epochs"])
    data, recipe = DataSettings(resolution=8), Recipe()
    task = Task(config["key"], config["architecture"], data, recipe, fidelity, config["seed"])
    TrainingEvaluator(EvaluatorOptions(device="cpu", num_threads=1)).evaluate(task, report)


def main(storage: str) -> None:
    """Runs the study to its end, or goes on with it."""
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    with tempfile.TemporaryDirectory() as folder, study_searcher(settings(storage)) as searcher:
        choice = tune.TuneConfig(
            search_alg=searcher, num_samples=-1, max_concurrent_trials=2, reuse_actors=True
        )
        kept = tune.RunConfig(storage_path=folder, verbose=0)
        tune.Tuner(train, tune_config=choice, run_config=kept).fit()


if __name__ == "__main__":
    main(sys.argv[1])
