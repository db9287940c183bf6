"""Trials an hour of small candidates: packed by the probe, against one training at a time that has the whole machine.

Both are real searches of the same number of trials, drawn from the same seed, on this machine's cores or GPUs.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field

from benchmarks.row import Row
from nas.evaluation.evaluator import num_gpus
from nas.settings import make_settings
from nas.stages.arms import Watch
from nas.stages.search import search

NAME = "packing"

NUM_TRIALS = 24
MIN_RATIO = 3.0  # on a GPU; on cores nothing was promised


@dataclass
class _Words:
    """What a search said of its workers and of its pace."""

    plan: list[str] = field(default_factory=list)
    pace: list[str] = field(default_factory=list)

    @property
    def hourly(self) -> float:
        """Trials an hour."""
        return float(self.pace[0].rpartition(" an hour")[0].rpartition(": ")[2])


def run(num_trials: int = NUM_TRIALS) -> list[Row]:
    """Returns one row: packed against one at a time."""
    packed = _searched(num_trials, {"packing": "probe"})
    whole = {"gpu_share": 1.0} if num_gpus() else {}
    alone = _searched(num_trials, {"workers": 1, "threads": os.cpu_count() or 1, **whole})
    ratio = packed.hourly / alone.hourly
    target = MIN_RATIO if num_gpus() else None
    return [
        Row(
            f"{num_trials} candidates of at most 20M MACs at 32 pixels, trials/h packed ({packed.plan[-1]});"
            " peer: one at a time with the whole machine",
            packed.hourly,
            alone.hourly,
            ratio,
            target,
            None if target is None else ratio >= target,
            "trials/h",
        )
    ]


def _searched(num_trials: int, workers: dict[str, object]) -> _Words:
    words = _Words()
    with tempfile.TemporaryDirectory(prefix="nas-bench-") as folder:
        search(
            make_settings(
                {
                    "search": {
                        "storage": f"sqlite:///{folder}/nas.db",
                        "study": "packing",
                        "target": 10e6,
                        "max_cost": 20e6,
                        "strategy": "random",
                        "pruning": "none",
                        "repeats": 0,
                        "trials": num_trials,
                        **workers,
                    },
                    "data": {"name": "digits", "resolution": 32},
                    "fidelity": {"epochs": 1},
                }
            ),
            watch=Watch(plan=words.plan.append, told=words.pace.append),
        )
    return words
