"""Schemas: made alike by migrations and by the tables' definition; older, newer and foreign ones are left alone."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.util import CommandError

from runs import open_store
from runs.database import Mode
from runs.errors import BackupNeeded, NewerSchema, NotALedger, OlderSchema
from runs.migrate import upgrade
from runs.schema import SCHEMA_VERSION, VERSION_TABLE, metadata


def set_version(url: str, version: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            sa.text(f"update {VERSION_TABLE} set version_num = :version"), {"version": version}
        )
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_database"))
    return f"sqlite:///{tmp_path}/ledger.db"


def test_migrations_make_the_tables_that_the_code_knows(url: str) -> None:
    with open_store(url) as store, store.database.connection(Mode.READ) as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": False}
        )
        assert compare_metadata(context, metadata) == []
        inspector = sa.inspect(connection)
        for table in metadata.sorted_tables:
            found = {check["name"] for check in inspector.get_check_constraints(table.name)}
            defined = {str(one.name) for one in table.constraints if isinstance(one, sa.CheckConstraint)}
            assert found == defined
        assert store.check() == []


def test_a_newer_schema_is_refused_untouched(url: str) -> None:
    open_store(url).close()
    set_version(url, str(SCHEMA_VERSION + 1))
    for opening in (open_store, upgrade):
        with pytest.raises(NewerSchema, match="pip install --upgrade") as caught:
            opening(url)
        assert caught.value.exit_code == 6


def test_an_older_schema_is_refused_with_the_command(url: str) -> None:
    open_store(url).close()
    set_version(url, str(SCHEMA_VERSION - 1))
    with pytest.raises(OlderSchema, match=r"nas db upgrade --storage .+"):
        open_store(url)


def test_an_upgrade_of_an_empty_or_current_storage_is_harmless(url: str) -> None:
    assert upgrade(url).new_version == SCHEMA_VERSION
    done = upgrade(url)
    assert (done.old_version, done.new_version, done.backup) == (SCHEMA_VERSION, SCHEMA_VERSION, None)


def test_an_upgrade_of_sqlite_begins_with_a_backup_and_a_failed_one_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    with open_store(url) as store:
        store.create_study("kept", directions=["minimize"], seed=0, space={}, settings={})
    set_version(url, "0")  # a version of which alembic knows no migration
    with pytest.raises(CommandError, match="'0'"):
        upgrade(url)
    [backup] = tmp_path.glob("ledger.db.v0-*.backup")
    with contextlib.closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("select name from study").fetchall() == [("kept",)]
    with pytest.raises(OlderSchema):
        open_store(url)


def test_an_upgrade_of_postgresql_asks_for_a_backup_first(postgres_database: str) -> None:
    open_store(postgres_database).close()
    set_version(postgres_database, "0")
    with pytest.raises(BackupNeeded, match="pg_dump") as caught:
        upgrade(postgres_database)
    password = sa.make_url(postgres_database).password
    assert password is not None and password not in str(caught.value)


def test_a_database_of_something_else_is_refused_untouched(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("create table studies (study_id integer)"))
    with pytest.raises(NotALedger, match="studies"):
        open_store(url)
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["studies"]
    engine.dispose()


FIRST_OPENING = """
import sys, time
from runs import open_store
time.sleep(max(0.0, float(sys.argv[2]) - time.time()))
with open_store(sys.argv[1]) as store:
    store.create_study("s" + sys.argv[3], directions=["minimize"], seed=0, space={}, settings={})
"""


@pytest.mark.faults
def test_eight_processes_race_to_open_an_empty_storage_and_all_succeed(url: str) -> None:
    start = subprocess.run([sys.executable, "-c", "import time; print(time.time() + 8)"], capture_output=True)
    at = start.stdout.decode().strip()
    processes = [
        subprocess.Popen([sys.executable, "-c", FIRST_OPENING, url, at, str(k)], stderr=subprocess.PIPE)
        for k in range(8)
    ]
    ends = [(process.communicate()[1], process.returncode) for process in processes]
    assert [code for _, code in ends] == [0] * 8, b"\n".join(text for text, _ in ends).decode()
    with open_store(url) as store:
        assert {study.name for study in store.studies()} == {f"s{k}" for k in range(8)}
        assert store.check() == []
