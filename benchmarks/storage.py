"""What a trial costs in storage: ours, Optuna's RDBStorage and bare durable commits, in turns on one disk.

One trial is ask, 42 suggested categorical choices (a MnasNet-like space) and tell. A bare commit is one
transaction that inserts one row with the 42 choices as JSON; the ledger's target is three of them, with what
Python adds. The bounds were set where a bare commit took 4 ms, so all is measured on such a disk too:
`python -m benchmarks.storage` prints the rows of the disk that its environment gives it (see `slow_disk`).
"""

from __future__ import annotations

import dataclasses
import gc
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import optuna
import psycopg
import sqlalchemy as sa

from benchmarks.row import Row
from benchmarks.slow_disk import slow_disk
from runs import EvaluationKey, Outcome, Start, Store, TrialState, open_store
from runs.schema import attempt, result, study, trial
from tests.postgres_server import PostgresServer, program_folders

NAME = "storage"
CHOICES = {f"block{b}.choice{c}": tuple(range(2 + c % 3)) for b in range(7) for c in range(6)}
TEXT = json.dumps({name: options[0] for name, options in CHOICES.items()})
MAX_COMMITS, MIN_SPEEDUP_SQLITE, MIN_SPEEDUP_POSTGRES, MAX_GROWTH = 1.5, 30.0, 10.0, 1.5
SMALL, LARGE = 100, 100_000  # stored trials
NUM_ROUNDS, NUM_PEER_ROUNDS = 60, 8
SLOW_MS = 4.0  # that a sync takes on the slower disk

Work = Callable[[], object]


def run() -> list[Row]:
    """Returns the rows on this disk, of growth, and on a disk as slow as that for which the bounds were set."""
    rows = _on_this_disk("")
    with tempfile.TemporaryDirectory(prefix="nas-bench-") as folder:
        rows += _growth(Path(folder))
    with slow_disk(SLOW_MS) as environment:
        if environment is None:
            print("there is no C compiler: the rows of a slower disk are left out", file=sys.stderr)
            return rows
        command = [sys.executable, "-m", "benchmarks.storage"]
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return rows + [Row(**row) for row in json.loads(done.stdout)]


def _on_this_disk(where: str) -> list[Row]:
    """Returns the rows for SQLite, and for PostgreSQL where its server programs are installed."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="nas-bench-") as folder:
        rows = _on(f"SQLite{where}", f"sqlite:///{folder}/{{}}.db", MIN_SPEEDUP_SQLITE)
    if not program_folders():
        print(
            "PostgreSQL's programs are missing (apt-get install postgresql): its rows are left out",
            file=sys.stderr,
        )
        return rows
    with PostgresServer(program_folders()[0]) as server, server.database() as ours, server.database() as peer:
        return rows + _on(f"PostgreSQL{where}", ours, MIN_SPEEDUP_POSTGRES, peer)


def _on(name: str, url: str, min_speedup: float, peer_url: str | None = None) -> list[Row]:
    """Measures all in turns, so that a busy machine slows each of them alike."""
    with ExitStack() as stack:
        store = stack.enter_context(open_store(url.format("ours")))
        ours = optuna.create_study(storage=store.optuna, sampler=optuna.samplers.RandomSampler(seed=0))
        rdb = optuna.storages.RDBStorage((peer_url or url).format("peer"))
        stack.callback(rdb.engine.dispose)
        peer = optuna.create_study(storage=rdb, sampler=optuna.samplers.RandomSampler(seed=0))
        commit = stack.enter_context(_bare(url.format("bare")))
        verbs = _verbs(store)
        in_memory = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        trial_ms, verbs_ms, commit_ms, floor_ms = _in_turns(
            [
                lambda: _one_trial(ours),
                verbs,
                lambda: [commit() for _ in range(3)],
                lambda: _one_trial(in_memory),
            ],
            NUM_ROUNDS,
        )
        again_ms, peer_ms = _in_turns([lambda: _one_trial(ours), lambda: _one_trial(peer)], NUM_PEER_ROUNDS)
    trial, verbs_too = f"{name}: ask, 42 choices, tell", f"{name}: begin, start with 42 choices, finish"
    speedup = peer_ms / again_ms
    return [
        _over(f"{trial}; over three bare commits", trial_ms, commit_ms, MAX_COMMITS),
        _over(f"{trial}; over Optuna's own in memory, without any storage", trial_ms, floor_ms),
        _over(f"{verbs_too}; over three bare commits", verbs_ms, commit_ms, MAX_COMMITS),
        Row(
            f"{trial}; times faster than Optuna's RDBStorage",
            again_ms,
            peer_ms,
            speedup,
            min_speedup,
            speedup >= min_speedup,
            "ms",
        ),
    ]


def _over(what: str, ours_ms: float, peer_ms: float, most: float | None = None) -> Row:
    """Returns the row of a cost, ours over the peer's, and whether it is at most so many times as much."""
    ratio = ours_ms / peer_ms
    return Row(what, ours_ms, peer_ms, ratio, most, None if most is None else ratio <= most, "ms")


def _growth(folder: Path) -> list[Row]:
    """Compares a trial's cost with few and with many trials stored."""
    with ExitStack() as stack:
        studies = []
        for num_trials in (SMALL, LARGE):
            store = stack.enter_context(open_store(f"sqlite:///{folder}/grown{num_trials}.db"))
            grown = optuna.create_study(
                study_name="grown", storage=store.optuna, sampler=optuna.samplers.RandomSampler(seed=0)
            )
            _one_trial(grown)
            _fill(store, num_trials - 1)
            _one_trial(grown)  # reads what is stored, once
            studies.append(grown)
        gc.collect()
        gc.freeze()  # the collector's walk over 100,000 trials in memory is not the storage's cost
        small_ms, large_ms = _in_turns(
            [lambda: _one_trial(studies[0]), lambda: _one_trial(studies[1])], NUM_ROUNDS
        )
        gc.unfreeze()
    what = f"SQLite: a trial with {LARGE:,} stored, over one with {SMALL}"
    return [_over(what, large_ms, small_ms, MAX_GROWTH)]


def _one_trial(optuna_study: optuna.Study) -> None:
    asked = optuna_study.ask()
    for name, options in CHOICES.items():
        asked.suggest_categorical(name, options)
    optuna_study.tell(asked, 0.5)


def _verbs(store: Store) -> Work:
    """Returns one trial through the ledger's own verbs: three transactions."""
    space = {"version": "1"}
    record = store.create_study("verbs", directions=["maximize"], seed=0, space=space, settings={})
    choices = json.loads(TEXT)

    def one_trial() -> None:
        [claim] = store.begin(record.id)
        key = EvaluationKey(f"{claim.number:064d}", "data", "recipe", "fidelity", 0)
        store.start([Start(claim, key, "{}", {"macs": 1.0}, choices)])
        store.finish([Outcome(claim, TrialState.COMPLETE, (0.5,), {"accuracy": 0.5}, 1.0)])

    return one_trial


@contextmanager
def _bare(url: str) -> Iterator[Work]:
    """Gives one durable commit on the same disk or server, below any library."""
    create = (
        "create table if not exists bare (id integer generated always as identity primary key, choices text)"
    )
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(sa.make_url(url).database or "", isolation_level=None)) as connection:
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
            connection.execute("create table bare (id integer primary key, choices text)")

            def commit() -> None:
                connection.execute("begin immediate")
                connection.execute("insert into bare (choices) values (?)", (TEXT,))
                connection.execute("commit")

            yield commit
        return
    address = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as server:
        server.execute(create)
        server.commit()

        def commit_there() -> None:
            server.execute("insert into bare (choices) values (%s)", (TEXT,))
            server.commit()

        yield commit_there


def _in_turns(works: list[Work], num_rounds: int) -> list[float]:
    """Returns each work's median time in ms."""
    for work in works:
        work()
    times: list[list[float]] = [[] for _ in works]
    for _ in range(num_rounds):
        for work, measured in zip(works, times, strict=True):
            start = time.perf_counter()
            work()
            measured.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(measured) for measured in times]


def _fill(store: Store, num_trials: int) -> None:
    """Stores copies of the study's first trial, in bulk."""
    with store.database.connection() as connection:
        first = connection.execute(sa.select(trial).order_by(trial.c.id)).first()
        assert first is not None
        one_attempt = connection.execute(sa.select(attempt)).first()
        one_result = connection.execute(sa.select(result)).first()
        assert one_attempt is not None and one_result is not None
        numbers = range(1, num_trials + 1)
        base = dict(first._mapping)
        revision = base["revision"] + 1
        connection.execute(
            trial.insert(),
            [base | {"id": base["id"] + k, "number": k, "revision": revision} for k in numbers],
        )
        copies = dict(one_attempt._mapping)
        connection.execute(
            attempt.insert(), [copies | {"id": f"copy-{k}", "trial_id": base["id"] + k} for k in numbers]
        )
        results = dict(one_result._mapping)
        connection.execute(
            result.insert(),
            [results | {"trial_id": base["id"] + k, "attempt_id": f"copy-{k}"} for k in numbers],
        )
        connection.execute(
            study.update().values(num_trials=num_trials + 1, revision=revision, num_complete=num_trials + 1)
        )


if __name__ == "__main__":
    measured = _on_this_disk(f", a sync takes {SLOW_MS:g} ms")
    print(json.dumps([dataclasses.asdict(row) for row in measured]))
