"""PostgreSQL restarts, stays away, loses connections round COMMIT, and runs into deadlocks and full pools."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from runs import Outcome, TrialState, open_store
from tests.fakes.drivers import Driver, driving, heal
from tests.fakes.processes import wait_until
from tests.fakes.proxy import CommitCutter, cutting
from tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.faults, pytest.mark.postgres]


def outage(server: PostgresServer, drivers: list[Driver], gate: Path, seconds: float) -> None:
    """Stops the server as a crash does, and starts it again; meanwhile all drivers have results to write down."""
    for driver in drivers:
        driver.wait_for("accepted")
    server.stop(immediate=True)
    gate.touch()
    time.sleep(seconds)
    assert all(driver.process.poll() is None for driver in drivers), "nobody dies of an outage"
    server.start()


@pytest.mark.parametrize("seconds", [3.0, pytest.param(30.0, marks=pytest.mark.long)])
def test_nobody_dies_of_an_outage_and_nothing_is_run_twice(
    postgres_server: PostgresServer, postgres_database: str, tmp_path: Path, seconds: float
) -> None:
    gate = tmp_path / "gate"
    with (
        driving(postgres_database, 24, seconds=0.1, lease_s=10.0, gate=str(gate)) as one,
        driving(postgres_database, 24, seconds=0.1, lease_s=10.0, gate=str(gate)) as two,
    ):
        outage(postgres_server, [one, two], gate, seconds)
        assert [one.end(), two.end()] == [0, 0], one.errors + two.errors
    heal(postgres_database, 24, [one.history, two.history])
    assert postgres_server.password not in one.errors + two.errors


def test_an_outage_beyond_patience_ends_a_driver_with_its_code_and_the_ledger_is_whole(
    postgres_server: PostgresServer, postgres_database: str
) -> None:
    with driving(postgres_database, 50, seconds=0.1, lease_s=2.0, timeout_s=3.0) as driver:
        driver.wait_for("accepted")
        postgres_server.stop(immediate=True)
        assert driver.end() == 5, driver.errors
        [told] = driver.history.said("StorageUnreachable", "fail")
    assert "must answer" in told["message"] and postgres_server.password not in told["message"]
    postgres_server.start()
    heal(postgres_database, len(driver.history.accepted) + 2, [driver.history])


@pytest.mark.parametrize(
    ("shares", "seed"),
    [
        ({"before": 0.2}, 0),
        ({"after": 0.2}, 1),
        ({"before": 0.1, "after": 0.1}, 2),
        *(
            pytest.param({"before": 0.15, "after": 0.15}, seed, marks=pytest.mark.long)
            for seed in range(3, 9)
        ),
    ],
)
def test_connections_cut_round_commit_cost_no_trial_and_double_none(
    postgres_server: PostgresServer, postgres_database: str, shares: dict[str, float], seed: int
) -> None:
    with cutting(CommitCutter(postgres_server.port, seed=seed, **shares)) as proxy:
        url = postgres_database.replace(f":{postgres_server.port}/", f":{proxy.listening_port}/")
        with driving(url, 20) as driver:
            assert driver.end() == 0, driver.errors
    for moment in shares:
        assert getattr(proxy, f"num_{moment}") > 0, "the fault did not fire"
    heal(postgres_database, 20, [driver.history])


def test_transactions_that_lock_crosswise_both_come_through(postgres_database: str) -> None:
    """Another session locks a trial and wants its study, while we hold the study and want the trial."""
    with open_store(postgres_database) as store:
        study = store.create_study("s", directions=["maximize"], seed=0, space={"version": "1"}, settings={})
        [claim] = store.begin(study.id)
        name = postgres_database.replace("+psycopg", "")
        with psycopg.connect(name) as session:
            session.execute("set deadlock_timeout = '20s'")  # so that it is ours that is chosen to fail
            session.execute("select 1 from trial where id = %s for update", (claim.trial_id,))
            ours = threading.Thread(
                target=store.finish, args=([Outcome(claim, TrialState.COMPLETE, (0.5,), {})],)
            )
            ours.start()
            with psycopg.connect(name, autocommit=True) as onlooker:
                waiting = "select count(*) from pg_locks where not granted"
                wait_until(lambda: onlooker.execute(waiting).fetchone() != (0,))
                session.execute("select 1 from study where id = %s for update", (study.id,))
                session.rollback()
                ours.join(60)
                deadlocks = onlooker.execute("select sum(deadlocks) from pg_stat_database").fetchone()
        assert not ours.is_alive()
        wait_until(lambda: _num_deadlocks(name) > 0)
        assert deadlocks is not None
        assert store.trials(study.id)[0].state is TrialState.COMPLETE
        assert store.check() == []


def _num_deadlocks(url: str) -> int:
    with psycopg.connect(url) as session:
        session.execute("select pg_stat_force_next_flush()")
        [row] = session.execute("select sum(deadlocks) from pg_stat_database").fetchall()
        return int(row[0])


def test_more_threads_than_connections_take_turns(postgres_database: str) -> None:
    with open_store(postgres_database) as store:
        study = store.create_study("s", directions=["maximize"], seed=0, space={"version": "1"}, settings={})
        seen: list[int] = []

        def work() -> None:
            for _ in range(3):
                [claim] = store.begin(study.id)
                store.finish([Outcome(claim, TrialState.COMPLETE, (0.5,), {})])
            with store.database.connection() as connection:
                count = "select count(*) from pg_stat_activity where datname = current_database()"
                seen.append(int(connection.execute(sa.text(count)).scalar_one()))

        threads = [threading.Thread(target=work) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert len(seen) == 40 and max(seen) <= 15
        assert [trial.state for trial in store.trials(study.id)] == [TrialState.COMPLETE] * 120
        assert store.check() == []
