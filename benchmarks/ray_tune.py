"""Beside Ray Tune with OptunaSearch on Optuna's own SQLite storage, the same space, sampler and two workers.

What a trial costs beside its evaluation, how long a study takes to be gone on with, what the driver holds in memory,
and what is left of a search whose driver is killed with SIGKILL. Each part that is killed or weighed is a process of
its own: `python -m benchmarks.ray_tune PART ...` is how they are started.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import ray
import sqlalchemy as sa
from optuna.distributions import BaseDistribution, CategoricalDistribution
from ray import tune
from ray.tune.search.optuna import OptunaSearch

from benchmarks.cluster import PRETENDED, pretend
from benchmarks.engine import Sleeper
from benchmarks.row import Row
from nas.execution import local_ray
from nas.settings import Settings, make_settings
from nas.stages.budget import num_paid
from nas.stages.search import resume, search
from runs import open_store
from search_space import SearchSpace, open_space
from tests.dashboards.synthetic import write_large_study

NAME = "ray_tune"

NUM_WORKERS = 2
EVALUATIONS: tuple[tuple[float, int], ...] = ((0.0, 60), (1.0, 20), (10.0, 6))  # seconds, and how many trials
NUM_RESUMED = 10_000
NUM_LARGE = 100_000
NUM_KILLS = 5
NUM_KILLED_TRIALS = 24
KILL_AFTER = 12  # finished trials, from which on a restored OptunaSearch was seen to fail
KILLED_SECONDS = 0.3  # of an evaluation in a search that is killed
FOLDER = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Left:
    """What a killed search came to: whether going on ended well, how many results it has, what was paid for."""

    is_whole: bool
    num_complete: int
    num_evaluations: int


def run() -> list[Row]:
    """Returns the rows, with everything at its full size."""
    return measured()


def measured(
    *,
    evaluations: tuple[tuple[float, int], ...] = EVALUATIONS,
    num_resumed: int = NUM_RESUMED,
    num_large: int = NUM_LARGE,
    num_kills: int = NUM_KILLS,
) -> list[Row]:
    """Returns the rows.

    Args:
        evaluations: seconds of one, and how many trials.
        num_resumed: trials of the study that is gone on with.
        num_large: trials of a larger study that is gone on with as well.
        num_kills: of each side.
    """
    parts: list[Callable[[], list[Row]]] = [
        *(partial(_overhead, seconds, num_trials) for seconds, num_trials in evaluations),
        partial(_resumed, num_resumed, num_large),
        partial(_killed, num_kills),
    ]
    rows: list[Row] = []
    for part in parts:
        new = part()
        for row in new:  # it takes long: what is known is told, whatever happens to the rest
            print(f"{row.what}: {row.ours:.4g} {row.unit} beside {row.peer:.4g}", file=sys.stderr, flush=True)
        rows += new
    return rows


def _overhead(seconds: float, num_trials: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        spans = [_told([part, folder, str(num_trials), str(seconds)])["seconds"] for part in ("ours", "tune")]
    ideal = seconds * num_trials / NUM_WORKERS
    mine, theirs = ((span - ideal) / num_trials * 1e3 for span in spans)
    what = f"beside an evaluation of {seconds:g} s, a trial of {num_trials} on {NUM_WORKERS} workers takes"
    return [Row(what, mine, theirs, theirs / mine, None, None, "ms")]


def _resumed(num_trials: int, num_large: int) -> list[Row]:
    return [
        row
        for num in (num_trials, num_large)
        for ours, peer in [(_weighed(num), _weighed_peer(num))]
        for row in (
            _beside(f"one further trial of a study of {num:,}, from a new driver on", ours, peer, "s"),
            _beside(f"memory of that driver, of {num:,} trials, at its most", ours, peer, "MB"),
        )
    ]


def _beside(what: str, ours: dict[str, float], peer: dict[str, float], unit: str) -> Row:
    return Row(what, ours[unit], peer[unit], peer[unit] / ours[unit], None, None, unit)


def _weighed(num_trials: int) -> dict[str, float]:
    """Returns what a new driver of a study of so many trials takes for one more: seconds and megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/ours.db"
        with open_store(url) as store:
            write_large_study(store, PRETENDED, num_trials)
        return _told(["further", url, str(num_trials)])


def _weighed_peer(num_trials: int) -> dict[str, float]:
    """Returns the same of a new OptunaSearch."""
    with tempfile.TemporaryDirectory() as folder:
        given = [f"sqlite:///{folder}/peer.db", str(num_trials)]
        _told(["fill", *given])
        return _told(["suggest", *given])


def _killed(num_kills: int) -> list[Row]:
    ours = [_after_a_kill("ours") for _ in range(num_kills)]
    peer = [_after_a_kill("tune") for _ in range(num_kills)]
    rows: list[tuple[str, Callable[[Left], float]]] = [
        ("searches that went on to their end, of those that were killed", lambda left: left.is_whole),
        (f"results that are complete, of {NUM_KILLED_TRIALS} a search", lambda left: left.num_complete),
        (
            f"evaluations that were paid for, of {NUM_KILLED_TRIALS} a search",
            lambda left: left.num_evaluations,
        ),
    ]
    return [
        Row(f"{num_kills} kills: {what}", mine, theirs, mine / theirs if theirs else math.inf, None, None, "")
        for what, count in rows
        for mine, theirs in [(sum(map(count, ours)), sum(map(count, peer)))]
    ]


def _after_a_kill(part: str) -> Left:
    """Kills a search when half of it is done, lets another process go on, and looks at what there is."""
    with tempfile.TemporaryDirectory() as folder:
        given = [part, folder, str(NUM_KILLED_TRIALS), str(KILLED_SECONDS)]
        process = subprocess.Popen(
            _command(given), cwd=FOLDER, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and _num_complete(part, Path(folder)) < KILL_AFTER:
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        done = subprocess.run(_command(given), cwd=FOLDER, check=False, capture_output=True, text=True)
        if done.returncode:
            print(done.stderr[-400:], file=sys.stderr)
        noted = (Path(folder) / "evaluations").read_text().splitlines()
        return Left(done.returncode == 0, _num_complete(part, Path(folder)), len(noted))


def _num_complete(part: str, folder: Path) -> int:
    """Returns how many results a search has in its storage by now, without writing to it."""
    path = folder / f"{part}.db"
    if not path.exists():
        return 0
    table, state = {"ours": ("trial", "complete"), "tune": ("trials", "COMPLETE")}[part]
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        try:
            [count] = connection.execute(f"select count(*) from {table} where state = ?", (state,)).fetchone()
        except sqlite3.OperationalError:  # it is being made
            return 0
    return int(count)


def _space() -> SearchSpace:
    return open_space("mnasnet", resolution=16, num_classes=10, input_channels=1, width=0.25)


def _asked(trial: optuna.Trial) -> None:
    for choice in _space().choices:
        trial.suggest_categorical(choice.name, choice.options)


@dataclass(frozen=True)
class Noted(Sleeper):
    """Sleeps, and leaves a line in a file."""

    notes: str = ""

    def evaluate(self, task: Any, report: Any) -> Any:
        with Path(self.notes).open("a") as file:
            file.write(f"{task.key}\n")
        return super().evaluate(task, report)


def _settings(folder: Path, num_trials: int) -> Settings:
    chosen = {
        "study": "b",
        "storage": f"sqlite:///{folder}/ours.db",
        "strategy": "random",
        "workers": NUM_WORKERS,
    }
    chosen |= {"trials": num_trials, "target": 5e6, "width": 0.25, "pruning": "none", "repeats": 0}
    return make_settings({"search": chosen, "data": {"resolution": 16}, "fidelity": {"epochs": 1}})


def ours(folder: Path, num_trials: int, seconds: float) -> float:
    """Searches, or goes on; returns the seconds from the first trial's begin to the last one's durable end."""
    settings = _settings(folder, num_trials)
    trains = Noted(seconds, str(folder / "evaluations"))
    if (folder / "ours.db").exists():
        resume("b", storage=settings.search.storage, evaluator=trains)
    else:
        search(settings, evaluator=trains)
    with open_store(str(settings.search.storage)) as store:
        ended = [one for one in store.trials(store.study("b").id) if one.ended is not None]
    return max(one.ended or 0.0 for one in ended) - min(one.started or 0.0 for one in ended)


def tuned(folder: Path, num_trials: int, seconds: float) -> float:
    """The same by Ray Tune and OptunaSearch; a folder of an earlier process is restored."""
    notes = folder / "evaluations"

    def evaluate(config: dict[str, Any]) -> None:
        began = time.time()
        with notes.open("a") as file:
            file.write(f"{sorted(config.items())}\n")
        time.sleep(seconds)
        tune.report({"accuracy": 0.5, "began": began, "ended": time.time()})

    local_ray.connect(None, num_cpus=NUM_WORKERS, num_gpus=0)
    experiment = folder / "tuned"
    if tune.Tuner.can_restore(str(experiment)):
        tuner = tune.Tuner.restore(str(experiment), evaluate, resume_unfinished=True)
    else:
        searcher = OptunaSearch(
            space=_asked,
            metric="accuracy",
            mode="max",
            sampler=optuna.samplers.RandomSampler(seed=0),
            study_name="b",
            storage=optuna.storages.RDBStorage(f"sqlite:///{folder}/tune.db"),
        )
        choice = tune.TuneConfig(
            search_alg=searcher, num_samples=num_trials, max_concurrent_trials=NUM_WORKERS, reuse_actors=True
        )
        tuner = tune.Tuner(
            evaluate,
            tune_config=choice,
            run_config=tune.RunConfig(name="tuned", storage_path=str(folder), verbose=0),
        )
    results = tuner.fit()
    found = [results[index].metrics or {} for index in range(len(results))]
    ray.shutdown()
    return float(max(one["ended"] for one in found) - min(one["began"] for one in found))


def further(url: str, num_trials: int) -> dict[str, float]:
    """Returns what one more trial takes from a new driver of a study of so many."""
    started = time.perf_counter()
    with open_store(url) as store:
        paid = num_paid(store.spent(store.study(PRETENDED).id))
    pretend(url, num_trials=paid + 1, num_workers=NUM_WORKERS)
    taken = _taken(started)
    with open_store(url) as store:
        now = store.spent(store.study(PRETENDED).id)
    assert num_paid(now) == paid + 1 and now.num_trials > num_trials
    return taken


def fill(url: str, num_trials: int) -> dict[str, float]:
    """Makes a study of so many trials in a storage of Optuna's: one through Optuna, the others as its copies in bulk.

    One at a time they took longer than all else here: 42 parameters are 42 rows.
    """
    started, space, rng = time.perf_counter(), _space(), np.random.default_rng(0)
    kinds: dict[str, BaseDistribution] = {
        choice.name: CategoricalDistribution(choice.options) for choice in space.choices
    }
    study = optuna.create_study(study_name="b", storage=url, direction="maximize")
    drawn = space.values(space.sample(rng))
    study.add_trial(optuna.trial.create_trial(params=drawn, distributions=kinds, value=0.5))
    with closing(sqlite3.connect(sa.make_url(url).database or "")) as connection, connection:
        for table, own in (
            ("trials", "trial_id"),
            ("trial_params", "param_id"),
            ("trial_values", "trial_value_id"),
        ):
            _copy(connection, table, own, num_trials)
    return _taken(started)


def _copy(connection: sqlite3.Connection, table: str, own: str, num_trials: int) -> None:
    """Adds the rows of the first trial once more for each further one; `own` is the table's primary key."""
    names = [row[1] for row in connection.execute(f"pragma table_info({table})") if row[1] != own]
    rows = [
        dict(zip(names, row, strict=True))
        for row in connection.execute(f"select {', '.join(names)} from {table}")
    ]
    copies = (
        tuple({**row, "trial_id": number + 1, "number": number}[name] for name in names)
        for number in range(1, num_trials)
        for row in rows
    )
    places = ", ".join("?" * len(names))
    connection.executemany(f"insert into {table} ({', '.join(names)}) values ({places})", copies)


def suggested(url: str, num_trials: int) -> dict[str, float]:
    """Returns what one more trial takes from a new OptunaSearch on a study of so many."""
    started = time.perf_counter()
    searcher = OptunaSearch(
        space=_asked,
        metric="accuracy",
        mode="max",
        sampler=optuna.samplers.RandomSampler(seed=0),
        study_name="b",
        storage=optuna.storages.RDBStorage(url),
    )
    searcher.suggest("further")
    searcher.on_trial_complete("further", {"accuracy": 0.5, "training_iteration": 1})
    taken = _taken(started)
    with closing(sqlite3.connect(sa.make_url(url).database or "")) as connection:
        [counted] = connection.execute("select count(*) from trials where state = 'COMPLETE'").fetchone()
    assert counted == num_trials + 1
    return taken


def _taken(started: float) -> dict[str, float]:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"s": time.perf_counter() - started, "MB": most}


def _command(given: list[str]) -> list[str]:
    return [sys.executable, "-m", "benchmarks.ray_tune", *given]


def _told(given: list[str]) -> dict[str, float]:
    """Returns what a part says of itself in its last line."""
    done = subprocess.run(_command(given), cwd=FOLDER, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(part: str, place: str, num_trials: str, seconds: str = "0") -> None:
    """Runs one part, and prints what it says."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    timed = {"ours": ours, "tune": tuned}
    if part in timed:
        told = {"seconds": timed[part](Path(place), int(num_trials), float(seconds))}
    else:
        told = {"further": further, "fill": fill, "suggest": suggested}[part](place, int(num_trials))
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
