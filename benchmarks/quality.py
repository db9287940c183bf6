"""How much training a search needs: our default settings against plain Optuna TPE with the same training loop.

The peer is what people glue together: Optuna's default sampler over the same space, every proposal trained to the end.
It has no filter by cost, no cache, no pruning, and starts at random points of the whole space. Both arms train with the
same evaluator, recipe and seeds on one thread, and time is the processor's, so that a busy machine changes nothing.

For each seed the peer spends its budget of trials; its best reward is the mark. Ours is asked how many core-seconds it
took to reach that mark, and given up at `GIVEN_UP` times the peer's. The further rows leave one part of ours out, or
put another strategy in its place, and so say what contributes what. Without the cache what was used again would have
been trained again, to the same result, as its seed would have been the same: its seconds are added.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna

from benchmarks.row import Row
from nas.evaluation.data import load
from nas.evaluation.evaluator import TrainingEvaluator
from nas.interfaces import Measurement, Progress, StopTraining, Task
from nas.settings import Settings, make_settings
from nas.stages.arms import Watch
from nas.stages.preparation import make_space, with_width
from nas.stages.proposals import training_seed
from nas.stages.search import search
from runs import open_store
from search_space import Architecture, cost

NAME = "quality"

SEEDS = (0, 1, 2, 3, 4)
NUM_PEER_TRIALS = 20
NUM_PROCESSES = 2
MAX_SHARE = 0.5
# What is changed in ours, one thing at a time. Without a limit on cost nothing is refused, and the start-up draws from
# a window as wide as the space.
DEFAULTS = "default settings"
ARMS: dict[str, dict[str, Any]] = {
    DEFAULTS: {},
    "random search instead of NSGA-II": {"strategy": "random"},
    "TPE instead of NSGA-II": {"strategy": "tpe"},
    "without pruning": {"pruning": "none"},
    "without a limit on cost": {"max_cost": "1G"},
}
IMAGES: dict[str, dict[str, Any]] = {
    "digits": {"name": "digits", "resolution": 8},
    "glyphs": {"name": "glyphs", "resolution": 12, "num_samples": 1_800},
}
TOO_MANY = 200
GIVEN_UP = 1.0


@dataclass(eq=False)
class Timed:
    """Trains, and notes the processor seconds and the final accuracy of every task in order."""

    evaluator: TrainingEvaluator = field(default_factory=TrainingEvaluator)
    used: float = 0.0
    # (seconds so far, architecture, accuracy; not a number for a pruned one)
    ended: list[tuple[float, str, float]] = field(default_factory=list)

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement:
        before = time.process_time()
        accuracy = math.nan
        try:
            measurement = self.evaluator.evaluate(dataclasses.replace(task, checkpoints=None), report)
            accuracy = measurement.accuracy
            return measurement
        except StopTraining:
            raise
        finally:
            self.used += time.process_time() - before
            self.ended.append((self.used, task.architecture, accuracy))

    def seconds_by_digest(self) -> dict[str, float]:
        """Returns what the training of each network took."""
        begun = [0.0, *(used for used, _, _ in self.ended)]
        return {
            Architecture.from_json(network).digest: used - before
            for (used, network, _), before in zip(self.ended, begun, strict=False)
        }


def run() -> list[Row]:
    """Returns, for each arm, the median over seeds of its core-seconds to the peer's best reward, over the peer's."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(NUM_PROCESSES, mp_context=context) as pool:
        return [
            row
            for images, arms in (("digits", list(ARMS)), ("glyphs", [DEFAULTS]))
            for row in _rows(pool, images, arms)
        ]


def _rows(pool: ProcessPoolExecutor, images: str, arms: Sequence[str]) -> list[Row]:
    peers = list(pool.map(_peer, [images] * len(SEEDS), SEEDS))
    rows = []
    for arm in arms:
        taken = list(pool.map(_ours, [images] * len(SEEDS), [arm] * len(SEEDS), SEEDS, peers))
        rows.append(_row(images, arm, [once for once, _ in taken], peers, is_promise=arm == DEFAULTS))
        if arm == DEFAULTS:
            again = [twice for _, twice in taken]
            rows.append(_row(images, "without the cache", again, peers, is_promise=False))
    return rows


def _row(
    images: str, arm: str, seconds: Sequence[float], peers: Sequence[tuple[float, float]], *, is_promise: bool
) -> Row:
    used = [used for used, _ in peers]
    shares = [ours / theirs for ours, theirs in zip(seconds, used, strict=True)]
    spread = ", ".join("never" if math.isinf(share) else f"{share:.2f}" for share in sorted(shares))
    what = (
        f"{images}: core-seconds to plain Optuna TPE's best reward of {NUM_PEER_TRIALS} trials, {arm}"
        f" (per seed: {spread})"
    )
    share = statistics.median(shares)
    return Row(
        what,
        statistics.median(seconds),
        statistics.median(used),
        share,
        MAX_SHARE if is_promise else None,
        share <= MAX_SHARE if is_promise else None,
        "core-s",
    )


def _settings(images: str, seed: int, folder: str, changes: dict[str, Any]) -> Settings:
    chosen: dict[str, Any] = {
        "study": "quality",
        "storage": f"sqlite:///{Path(folder) / 'nas.db'}",
        "target": "0.5M",
        "trials": TOO_MANY,
        "executor": "inline",
        "repeats": 0,
        "seed": seed,
    }
    return make_settings({"search": chosen | changes, "data": IMAGES[images]})


def _peer(images: str, seed: int) -> tuple[float, float]:
    """Returns the core-seconds that plain Optuna TPE used, and the best reward that it found."""
    import torch

    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    settings = _settings(images, seed, "", {})
    dataset = load(settings.data)
    settings = with_width(settings, dataset)
    space, reward = make_space(settings, dataset), settings.search.make_reward()
    timed = Timed()

    def objective(trial: optuna.Trial) -> float:
        values: dict[str, Any] = {c.name: trial.suggest_categorical(c.name, c.options) for c in space.choices}
        architecture = space.decode(space.point(values))
        task = Task(
            key=f"{trial.number:064d}",
            architecture=architecture.to_json(),
            data=settings.data,
            recipe=settings.recipe,
            fidelity=settings.fidelity,
            seed=training_seed(seed, architecture.digest, settings.fidelity),
        )
        accuracy = timed.evaluate(task, lambda progress: True).accuracy
        return reward.scalar(accuracy, float(_macs(task.architecture)))

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(objective, n_trials=NUM_PEER_TRIALS)
    return timed.used, study.best_value


def _ours(images: str, arm: str, seed: int, peer: tuple[float, float]) -> tuple[float, float]:
    """Returns the core-seconds after which our search had a complete trial as good as the peer's best; or infinity.

    And how many they would have been had nothing been used again.
    """
    import torch

    torch.set_num_threads(1)
    timed, (used, mark) = Timed(), peer
    with tempfile.TemporaryDirectory() as folder:
        settings = _settings(images, seed, folder, ARMS[arm])
        reward = settings.search.make_reward()

        def is_over() -> bool:
            return timed.used > GIVEN_UP * used or _reached(timed, reward, mark) < math.inf

        with contextlib.suppress(ValueError):  # nothing complete: never reached
            search(settings, evaluator=timed, watch=Watch(should_stop=is_over))
        with open_store(settings.search.storage or "") as store:
            trials = store.trials(store.study("quality").id)
    reached = _reached(timed, reward, mark)
    seconds = timed.seconds_by_digest()
    again = [trial.digest for trial in trials if trial.reused_from is not None]
    return reached, reached + sum(seconds.get(digest or "", 0.0) for digest in again)


def _reached(timed: Timed, reward: Any, mark: float) -> float:
    for seconds, architecture, accuracy in timed.ended:
        if not math.isnan(accuracy) and reward.scalar(accuracy, float(_macs(architecture))) >= mark:
            return seconds
    return math.inf


def _macs(architecture: str) -> int:
    return cost(Architecture.from_json(architecture)).macs
