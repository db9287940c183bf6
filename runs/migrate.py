"""Making and upgrading the schema: of an empty database at once, an older one on request, a newer one never.

Each happens in one transaction that only one process can be in (SQLite's write lock; PostgreSQL's advisory
lock), so that several may open an empty database at once, and a killed upgrade leaves what was there.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from runs.address import parse, prepare_file, safe_text
from runs.database import Database
from runs.errors import BackupNeeded, NewerSchema, NotALedger, OlderSchema
from runs.quiet import quiet
from runs.schema import SCHEMA_VERSION, VERSION_TABLE

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x6E61735F6C656467  # "nas_ledg": the advisory lock of all databases of ours


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What `upgrade` did; equal versions mean nothing."""

    old_version: int
    new_version: int
    backup: Path | None  # a copy of the SQLite file as it was


def ensure(database: Database) -> None:
    """Initialises an empty database; checks that any other is a ledger of this version.

    Raises:
        OlderSchema, NewerSchema, NotALedger: and nothing is written.
    """
    version = database.read(_version)
    if version is None:
        version = database.write(_initialised)
    _refuse_others(version, safe_text(database.url))


def check(connection: Connection, where: str) -> None:
    """Checks that a database is a ledger of this version, and writes nothing.

    Args:
        connection: to it.
        where: it is, for people.

    Raises:
        OlderSchema, NewerSchema, NotALedger: also for an empty one.
    """
    version = _version(connection)
    if version is None:
        raise NotALedger(
            f"a storage must be a ledger, got an empty database at {where}; put the right one there"
        )
    _refuse_others(version, where)


def _refuse_others(version: int, where: str) -> None:
    if version < SCHEMA_VERSION:
        raise OlderSchema(
            f"the storage must have schema version {SCHEMA_VERSION}, got the older {version} at {where};"
            f" back it up and run `nas db upgrade --storage {where}`"
        )
    _refuse_newer(version, where)


def upgrade(url: str, *, is_backed_up: bool = False) -> Upgrade:
    """Brings an older storage to this version of the schema, all or nothing.

    Args:
        url: of the storage.
        is_backed_up: PostgreSQL only: a backup was made. A SQLite file is copied beside itself first.

    Raises:
        BackupNeeded: PostgreSQL, and `is_backed_up` is False; names the command.
        NewerSchema, NotALedger, StorageUnreachable.
    """
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        prepare_file(parsed)
    database = Database(parsed)
    with contextlib.closing(database):
        version = database.read(_version)
        if version is None or version == SCHEMA_VERSION:
            ensure(database)
            return Upgrade(version or 0, SCHEMA_VERSION, None)
        _refuse_newer(version, safe_text(parsed))
        if not database.is_sqlite and not is_backed_up:
            address = parsed.set(drivername="postgresql", password=None).render_as_string()
            raise BackupNeeded(
                "a PostgreSQL storage must be backed up before an upgrade, got none;"
                f" run `pg_dump --format=custom --file=nas.backup {address}`, then upgrade with --backed-up"
            )
        backup = _backup(database, version) if database.is_sqlite else None
        database.write(_to_newest)
        return Upgrade(version, SCHEMA_VERSION, backup)


def _version(connection: Connection) -> int | None:
    """Returns the database's schema version; None when it is empty. Raises NotALedger."""
    tables = set(sa.inspect(connection).get_table_names())
    if not tables:
        return None
    if VERSION_TABLE not in tables:
        raise NotALedger(
            "a storage must be empty or a ledger,"
            f" got a database with other tables ({', '.join(sorted(tables)[:3])});"
            " name another one, or copy an Optuna storage with `nas db copy`"
        )
    text = connection.scalar(sa.text(f"select version_num from {VERSION_TABLE}"))
    if text is None or not str(text).isdigit():
        raise NotALedger(
            f"a ledger's version must be a number, got {text!r}; restore the database from a backup"
        )
    return int(text)


def _initialised(connection: Connection) -> int:
    """Makes the schema unless another process was quicker; returns the version that is there then."""
    _lock(connection)
    version = _version(connection)
    if version is None:
        _run_migrations(connection)
        return SCHEMA_VERSION
    return version


def _to_newest(connection: Connection) -> None:
    _lock(connection)
    _run_migrations(connection)  # does nothing when another process was quicker


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    # On SQLite the transaction, begun IMMEDIATE, is the lock.


def _run_migrations(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    with quiet("alembic"):
        command.upgrade(config, "head")


def _backup(database: Database, version: int) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = Path(
        f"{database.url.database}.v{version}-{stamp}-{os.getpid()}.backup"
    )  # others may upgrade at once
    database.vacuum_into(path)
    return path


def _refuse_newer(version: int, where: str) -> None:
    if version > SCHEMA_VERSION:
        raise NewerSchema(
            f"the storage must have schema version {SCHEMA_VERSION} or older, got {version} at {where},"
            " written by a newer version of this program; run `pip install --upgrade nas-compound`"
        )
