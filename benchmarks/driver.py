"""What a whole search costs beside its evaluations: our driver and ledger against plain Optuna with RDBStorage."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import optuna

from benchmarks.engine import Sleeper
from benchmarks.row import Row
from nas.settings import Settings, make_settings
from nas.stages.search import search
from nas.strategies.registry import make_sampler
from search_space import SearchSpace, open_space

NAME = "driver"

NUM_OURS = 100
NUM_PEER = 100
MIN_TIMES_FASTER = 10.0
NUM_WORKERS = 2
NUM_SECOND_LONG = 40
MAX_OVER_IDEAL = 1.10
TARGET = 5e6


def run() -> list[Row]:
    """Returns trials a second with evaluations that do nothing, and the time of one-second ones over the ideal."""
    return [_empty("random"), _empty("tpe"), _second_long()]


def _empty(strategy: str) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        ours = NUM_OURS / _seconds(Path(folder), Sleeper(0.0), strategy, "inline", 1, NUM_OURS)
        peer = NUM_PEER / _peer_seconds(Path(folder), strategy)
    what = f"empty trials with {strategy}, SQLite on disk: ours over Optuna with RDBStorage"
    return Row(what, ours, peer, ours / peer, MIN_TIMES_FASTER, ours / peer >= MIN_TIMES_FASTER, "trials/s")


def _second_long() -> Row:
    ideal = NUM_SECOND_LONG / NUM_WORKERS
    with tempfile.TemporaryDirectory() as folder:
        seconds = _seconds(Path(folder), Sleeper(1.0), "random", "ray", NUM_WORKERS, NUM_SECOND_LONG)
    what = f"a search of {NUM_SECOND_LONG} one-second trials on {NUM_WORKERS} Ray workers, over the ideal"
    return Row(what, seconds, ideal, seconds / ideal, MAX_OVER_IDEAL, seconds / ideal <= MAX_OVER_IDEAL, "s")


def _seconds(
    folder: Path, evaluator: Sleeper, strategy: str, executor: str, workers: int, trials: int
) -> float:
    """Returns the seconds between the first trial's begin and the last one's durable end, from the ledger."""
    from runs import open_store

    url = f"sqlite:///{folder / f'{strategy}-{executor}.db'}"
    search(_settings(url, strategy, executor, workers, trials), evaluator=evaluator)
    with open_store(url) as store:
        ended = [trial for trial in store.trials(store.study("benchmark").id) if trial.ended is not None]
    return max(trial.ended or 0.0 for trial in ended) - min(trial.started or 0.0 for trial in ended)


def _settings(url: str, strategy: str, executor: str, workers: int, trials: int) -> Settings:
    chosen = {
        "study": "benchmark",
        "storage": url,
        "strategy": strategy,
        "executor": executor,
        "workers": workers,
        "trials": trials,
        "target": TARGET,
        "width": 0.25,
        "pruning": "none",
        "repeats": 0,
    }
    return make_settings({"search": chosen, "data": {"resolution": 16}, "fidelity": {"epochs": 1}})


def _peer_seconds(folder: Path, strategy: str) -> float:
    """Returns the seconds of as many trials through Optuna alone: same space, same sampler, its own storage."""
    space = open_space("mnasnet", resolution=16, num_classes=10, input_channels=1, width=0.25)
    reward = _settings("", strategy, "inline", 1, NUM_PEER).search.make_reward()
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / f'{strategy}-optuna.db'}")
    sampler = make_sampler(strategy, seed=0, space=space, reward=reward, num_trials=NUM_OURS)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(storage=storage, sampler=sampler, direction="maximize")
        started = time.perf_counter()
        study.optimize(lambda trial: _nothing(trial, space), n_trials=NUM_PEER)
        return time.perf_counter() - started
    finally:
        optuna.logging.set_verbosity(verbosity)


def _nothing(trial: optuna.Trial, space: SearchSpace) -> float:
    for choice in space.choices:
        trial.suggest_categorical(choice.name, choice.options)
    return 0.5
