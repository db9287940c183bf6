"""Transactions: which errors are tried again, that nothing is written twice, and what SQLite is set to."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from runs import open_store
from runs.address import parse
from runs.claims import Watch
from runs.database import Database, Mode
from runs.errors import StorageFull, StorageUnreachable


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(parse(f"sqlite:///{tmp_path}/a.db"), timeout_s=2.0)
    database.write(lambda connection: connection.execute(sa.text("create table t (x integer)")))
    yield database
    database.close()


def insert(connection: Connection) -> int:
    connection.execute(sa.text("insert into t values (1)"))
    return 1


def count(connection: Connection) -> int:
    return int(connection.execute(sa.text("select count(*) from t")).scalar_one())


class Failing:
    """Work that fails with a database error the first times, before or after it has written."""

    def __init__(self, code: int, num_failures: int) -> None:
        self.code, self.left = code, num_failures

    def __call__(self, connection: Connection) -> int:
        done = insert(connection)
        if self.left > 0:
            self.left -= 1
            error = sqlite3.OperationalError("made up")
            error.sqlite_errorcode = self.code
            raise sa.exc.OperationalError("insert", {}, error)
        return done


def test_sqlite_is_durable_and_strict(database: Database) -> None:
    with database.connection(Mode.READ) as connection:
        found = {
            name: connection.execute(sa.text(f"pragma {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_a_locked_database_is_tried_again_and_written_once(database: Database) -> None:
    assert database.write(Failing(sqlite3.SQLITE_BUSY, 3)) == 1
    assert database.read(count) == 1


def test_work_that_did_commit_is_recalled_and_not_done_again(database: Database) -> None:
    work = Failing(sqlite3.SQLITE_BUSY, 1)
    assert database.write(work, recall=lambda connection: 42) == 42
    assert database.read(count) == 0


def test_a_wrong_statement_is_raised_at_once(database: Database) -> None:
    tries = []

    def wrong(connection: Connection) -> None:
        tries.append(1)
        connection.execute(sa.text("insert into t values (:x, :x)"), {"x": 1})

    with pytest.raises(sa.exc.OperationalError):
        database.write(wrong)
    assert len(tries) == 1


@pytest.mark.parametrize(
    ("code", "error"), [(sqlite3.SQLITE_FULL, StorageFull), (sqlite3.SQLITE_IOERR, StorageUnreachable)]
)
def test_disk_errors_have_names_and_leave_nothing_behind(
    database: Database, code: int, error: type[Exception]
) -> None:
    with pytest.raises(error, match="a.db"):
        database.write(Failing(code, 1))
    assert database.read(count) == 0


def test_an_outage_longer_than_the_timeout_is_named(database: Database) -> None:
    database.timeout_s = 0.2
    with pytest.raises(StorageUnreachable, match="made up"):
        database.write(Failing(sqlite3.SQLITE_BUSY, 99))


def test_writers_in_many_threads_wait_for_each_other(database: Database) -> None:
    def write_many() -> None:
        for _ in range(20):
            database.write(insert)

    threads = [threading.Thread(target=write_many) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.read(count) == 120


def test_a_database_in_memory_is_shared_by_threads() -> None:
    with open_store("sqlite://") as store:
        study = store.create_study("s", directions=["minimize"], seed=0, space={}, settings={})
        threads = [threading.Thread(target=lambda: store.begin(study.id, 2)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(trial.number for trial in store.trials(study.id)) == list(range(16))


def test_a_lease_counts_as_abandoned_only_after_it_stood_still_for_a_lease_time() -> None:
    now = 0.0
    watch = Watch(lambda: now)
    assert not watch.is_abandoned(1, lease_until=100.0, lease_s=10.0)
    now = 9.0
    assert not watch.is_abandoned(1, lease_until=100.0, lease_s=10.0)
    assert not watch.is_abandoned(1, lease_until=105.0, lease_s=10.0), "it was renewed"
    now = 18.0
    assert not watch.is_abandoned(1, lease_until=105.0, lease_s=10.0)
    now = 19.0
    assert watch.is_abandoned(1, lease_until=105.0, lease_s=10.0)
