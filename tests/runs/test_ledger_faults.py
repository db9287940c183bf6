"""The ledger under real faults: killed drivers, lost servers, full disks. Each ends with the check."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from runs import Store, TrialState, open_store
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
WORKER = ROOT / "tests" / "fakes" / "ledger_worker.py"
Worker = subprocess.Popen[str]


def begin(url: str) -> None:
    with open_store(url) as store:
        store.create_study("s", directions=["maximize"], seed=0, space={"version": "1"}, settings={})


def work(url: str, num_trials: int, pause_s: float = 0.0, before: tuple[str, ...] = ()) -> Worker:
    command = [*before, sys.executable, str(WORKER), url, str(num_trials), str(pause_s)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def promises(output: str) -> dict[int, float]:
    """What the worker said to be accepted."""
    found = {}
    for line in output.splitlines():
        number, value = line.split()
        assert int(number) not in found, "one trial was accepted twice"
        found[int(number)] = float(value)
    return found


def assert_kept(store: Store, promised: dict[int, float]) -> None:
    trials = {trial.number: trial for trial in store.trials(store.study("s").id)}
    for number, value in promised.items():
        assert (trials[number].state, trials[number].objectives) == (TrialState.COMPLETE, (value,))
    assert store.check(grace_s=0.0) == []


def finish_all(url: str, num_trials: int) -> dict[int, float]:
    """Lets an unharmed worker do the rest."""
    worker = work(url, num_trials)
    output, errors = worker.communicate(timeout=120)
    assert worker.returncode == 0, errors
    return promises(output)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_database"))
    return f"sqlite:///{tmp_path}/ledger.db"


def test_what_was_accepted_survives_kill_nine_and_the_rest_is_taken_over(url: str) -> None:
    begin(url)
    rng = random.Random(7)
    promised: dict[int, float] = {}
    for round_ in range(1, 4):
        worker = work(url, 1_000, pause_s=0.01)
        assert worker.stdout is not None
        first = worker.stdout.readline()  # it works
        time.sleep(rng.uniform(0.0, 0.5))
        os.killpg(worker.pid, signal.SIGKILL)
        rest, _ = worker.communicate()
        assert worker.returncode == -signal.SIGKILL, round_
        promised |= promises(first + rest)
    num_trials = len(promised) + 5
    promised |= finish_all(url, num_trials)
    with open_store(url) as store:
        assert_kept(store, promised)
        counts = store.spent(store.study("s").id).counts
        assert counts[TrialState.RUNNING] == counts[TrialState.LEASED] == 0


@pytest.mark.parametrize("when", [9, 17, 26, 40, 55, 71])
def test_a_kill_at_any_write_to_the_file_loses_nothing(tmp_path: Path, strace: Path, when: int) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    begin(url)
    injected = (str(strace), "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "-e")
    worker = work(url, 50, before=(*injected, f"inject=pwrite64:signal=KILL:when={when}"))
    output, _ = worker.communicate(timeout=120)
    assert worker.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), "the fault must fire"
    promised = promises(output)
    promised |= finish_all(url, len(promised) + 3)
    with open_store(url) as store:
        assert_kept(store, promised)


def test_a_full_disk_is_named_and_work_goes_on_when_there_is_space(tmp_path: Path, strace: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    begin(url)
    injected = (str(strace), "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "-e")
    worker = work(url, 50, before=(*injected, "inject=pwrite64:error=ENOSPC:when=60+"))
    output, errors = worker.communicate(timeout=120)
    assert worker.returncode == 1 and "StorageFull" in errors
    promised = promises(output)
    promised |= finish_all(url, len(promised) + 3)
    with open_store(url) as store:
        assert_kept(store, promised)


def test_workers_outlive_a_restart_of_the_server(
    postgres_server: PostgresServer, postgres_database: str
) -> None:
    begin(postgres_database)
    workers = [work(postgres_database, 60, pause_s=0.02) for _ in range(2)]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.read(1)  # it works
    postgres_server.restart(immediate=True)
    ends = [worker.communicate(timeout=180) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], "".join(errors for _, errors in ends)
    # Without each worker's first line, whose first character was read above.
    accepted = [promises(output.partition("\n")[2]) for output, _ in ends]
    assert not set(accepted[0]) & set(accepted[1]), "one trial was accepted by both"
    with open_store(postgres_database) as store:
        done = {
            trial.number for trial in store.trials(store.study("s").id) if trial.state is TrialState.COMPLETE
        }
        assert done >= set(accepted[0]) | set(accepted[1])
        assert store.check() == []
        password = store.database.url.password
    assert password is not None and not any(password in errors for _, errors in ends)


def test_cut_connections_cost_no_trial(postgres_server: PostgresServer, postgres_database: str) -> None:
    begin(postgres_database)
    worker = work(postgres_database, 60)
    num_cut = 0
    maintenance = postgres_server.url(driver="postgresql")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        while worker.poll() is None:
            rows = connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = %s and backend_type = 'client backend'",
                (postgres_database.rpartition("/")[2],),
            ).fetchall()
            num_cut += len(rows)
            time.sleep(0.15)
    output, errors = worker.communicate()
    assert worker.returncode == 0, errors
    assert num_cut > 0, "the fault must fire"
    with open_store(postgres_database) as store:
        assert_kept(store, promises(output))
        assert store.spent(store.study("s").id).counts[TrialState.COMPLETE] == 60
