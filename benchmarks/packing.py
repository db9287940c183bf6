"""Trials an hour of small candidates: packed by the probe, against one training at a time that has the whole machine.

Both are real searches of the same number of trials, drawn from the same seed, on this machine's cores or GPUs.
"""

from __future__ import annotations

import os
import tempfile

from benchmarks.row import Row
from nas.evaluation.evaluator import num_gpus
from nas.settings import make_settings
from nas.stages.arms import Watch
from nas.stages.search import search
from runs import open_store

NAME = "packing"

NUM_TRIALS = 24
NUM_IMAGES = 500  # so that a training takes seconds on a core
MIN_RATIO = 3.0  # on a GPU; on cores nothing was promised


def run(num_trials: int = NUM_TRIALS, num_images: int = NUM_IMAGES) -> list[Row]:
    """Returns one row: packed against one at a time."""
    packed, words = _searched(num_trials, num_images, {"packing": "probe"})
    whole = {"gpu_share": 1.0} if num_gpus() else {}
    alone, _ = _searched(num_trials, num_images, {"workers": 1, "threads": os.cpu_count() or 1, **whole})
    ratio = packed / alone
    target = MIN_RATIO if num_gpus() else None
    device = f"{num_gpus()} GPU" if num_gpus() else f"{os.cpu_count()} cores"
    what = (
        f"{num_trials} candidates of at most 20M MACs at 32 pixels on {device}, trials/h packed ({words});"
        " peer: one at a time with the whole machine"
    )
    return [Row(what, packed, alone, ratio, target, None if target is None else ratio >= target, "trials/h")]


def _searched(num_trials: int, num_images: int, workers: dict[str, object]) -> tuple[float, str]:
    """Returns trials an hour, from the first one's begin to the last one's end, and what the plan says of workers."""
    plan: list[str] = []
    with tempfile.TemporaryDirectory(prefix="nas-bench-") as folder:
        url = f"sqlite:///{folder}/nas.db"
        chosen = {
            "storage": url,
            "study": "packing",
            "target": 5e6,
            "max_cost": 20e6,
            "strategy": "random",
            "pruning": "none",
            "repeats": 0,
            "trials": num_trials,
        }
        settings = make_settings(
            {
                "search": chosen | workers,
                "data": {"name": "digits", "resolution": 32, "num_samples": num_images},
                "fidelity": {"epochs": 1},
            }
        )
        search(settings, watch=Watch(plan=plan.append))
        with open_store(url) as store:
            trials = store.trials(store.study("packing").id)
    seconds = max(one.ended or 0.0 for one in trials) - min(one.started or 0.0 for one in trials)
    [words] = [line for text in plan for line in text.splitlines() if line.startswith("workers")]
    return 3600.0 * num_trials / seconds, words
