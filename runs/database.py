"""The one door to the database: connections, transactions, its clock, and which errors are tried again.

A write is one transaction that may end in doubt (the connection breaks around COMMIT). `write` then backs
off, asks `recall` whether the work is already there, and only if it is not does it again.
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.pool import StaticPool

from runs.address import safe_text, secrets
from runs.errors import LedgerError, NotALedger, StorageFull, StorageReadOnly, StorageUnreachable
from runs.outage import STATEMENT_TIMEOUT_S, Breaker, WatchedFile
from runs.prepared import execute_text

T = TypeVar("T")

BUSY_TIMEOUT_S = 30.0  # how long SQLite waits for another writer before it says "locked"
CONNECT_TIMEOUT_S = (2, 10)  # the least that PostgreSQL's library takes, and the most that we wait
_CHANCE = random.SystemRandom()  # the system's, which forked processes do not share
_PAUSES_S = (0.05, 2.0)  # first and longest pause between tries; each is twice the one before

# SQLite's primary result codes, https://sqlite.org/rescode.html
_SQLITE_BUSY = (5, 6)  # BUSY, LOCKED
_SQLITE_ERROR, _SQLITE_READONLY, _SQLITE_FULL = 1, 8, 13
_SQLITE_UNREADABLE = (11, 26)  # CORRUPT, NOTADB
# PostgreSQL's, https://www.postgresql.org/docs/current/errcodes-appendix.html
_RETRYABLE_STATES = ("08", "40001", "40P01", "57P0")  # connection, serialization, deadlock, shutdown
_POSTGRES_FULL, _POSTGRES_READONLY = "53100", "25006"


class Mode(StrEnum):
    """What a transaction is for."""

    WRITE = "write"
    READ = "read"  # each statement sees its own moment: no transaction at all, two messages fewer
    SNAPSHOT = "snapshot"  # all statements see the same moment


# IMMEDIATE takes the write lock at once: a transaction that reads first and writes later could find itself
# "locked" in the middle, where waiting does not help.
_SQLITE_BEGIN = {Mode.WRITE: "BEGIN IMMEDIATE", Mode.READ: None, Mode.SNAPSHOT: "BEGIN"}
_POSTGRES_LEVEL = {
    Mode.WRITE: "READ COMMITTED",
    Mode.READ: "AUTOCOMMIT",
    Mode.SNAPSHOT: "REPEATABLE READ",
}


@dataclass(frozen=True, slots=True)
class Clock:
    """The host's two clocks; tests give their own."""

    utc: Callable[[], float] = time.time  # seconds since 1970; may be set
    monotonic: Callable[[], float] = time.monotonic


HOST_CLOCK = Clock()


@dataclass(frozen=True, slots=True)
class _Watch:
    """What a database that is looked at for days is guarded by."""

    breaker: Breaker
    file: WatchedFile | None  # None: PostgreSQL, or in memory
    check: Callable[[Connection], object]
    lock: threading.Lock = field(default_factory=threading.Lock)


class Database:
    """Connections to one database. May be shared between threads.

    Args:
        url: of SQLite or PostgreSQL, as `runs.address.parse` returns it.
        timeout_s: how long a transaction is tried again while the database is away.
        clock: SQLite's; PostgreSQL has its server's own.
    """

    def __init__(self, url: URL, *, timeout_s: float = 60.0, clock: Clock = HOST_CLOCK) -> None:
        self.url = url
        self.timeout_s = timeout_s
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.clock = clock
        # A database in memory has one connection, which threads take in turn.
        self._turn = threading.RLock() if self.is_sqlite and not url.database else None
        self._watch: _Watch | None = None
        self.num_openings = 1  # of different files, one after another, at the URL's path
        self._renew_engine()

    def __repr__(self) -> str:
        return f"Database({safe_text(self.url)!r})"

    def write(
        self, work: Callable[[Connection], T], *, recall: Callable[[Connection], T | None] | None = None
    ) -> T:
        """Returns what `work` returns, once its transaction is durable.

        Args:
            work: reads and writes on the connection that it is given; run again after an error that may pass.
            recall: asked before each repetition; returns the result if an earlier try did commit, else None.

        Raises:
            StorageUnreachable: the database was away for longer than `timeout_s`.
        """
        if recall is None:
            return self._persist(lambda is_first: self._once(work, Mode.WRITE))

        def once_more(is_first: bool) -> T:
            done = None if is_first else self._once(recall, Mode.READ)
            return self._once(work, Mode.WRITE) if done is None else done

        return self._persist(once_more)

    def read(self, work: Callable[[Connection], T], mode: Mode = Mode.READ) -> T:
        """Returns what `work` returns; it must not write. Raises as `write` does."""
        return self._persist(lambda is_first: self._once(work, mode))

    def watch(self, check: Callable[[Connection], object]) -> None:
        """From now on tells an outage at once, and opens the new file where a SQLite file was replaced.

        Args:
            check: of the new file; raises LedgerError where it is none of ours.
        """
        path = Path(self.url.database) if self.is_sqlite and self.url.database else None
        breaker = Breaker(self.clock.utc, self.clock.monotonic)
        self._watch = _Watch(breaker, None if path is None else WatchedFile(path), check)
        if self._turn is None:  # a database in memory ends with its connection
            self._engine.dispose()
            self._renew_engine()

    @contextlib.contextmanager
    def connection(self, mode: Mode = Mode.WRITE) -> Iterator[Connection]:
        """One connection, not tried again: its changes are committed at the end, undone when the body raises."""
        with self._turn or contextlib.nullcontext():
            with self._engines[mode].begin() as connection:
                yield connection

    def vacuum_into(self, path: Path) -> None:
        """Writes a consistent copy of a SQLite database to a new file; others may go on writing."""
        connection = self._engine.raw_connection()  # below transactions: VACUUM allows none
        try:
            connection.cursor().execute("VACUUM INTO ?", (str(path),))
        finally:
            connection.close()

    def close(self) -> None:
        self._engine.dispose()

    def named(self, error: sa.exc.DBAPIError) -> LedgerError | None:
        """Returns our error for a failure of the storage; None when the statement is to blame: ours."""
        code = _sqlite_code(error.orig)
        state = getattr(error.orig, "sqlstate", None)
        where = safe_text(self.url)
        reason = self._masked(
            str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else "no answer"
        )
        if code == _SQLITE_FULL or state == _POSTGRES_FULL:
            return StorageFull(
                f"the storage must have free space, got a full disk at {where}; free some and resume"
            )
        if code == _SQLITE_READONLY or state == _POSTGRES_READONLY:
            return StorageReadOnly(
                f"the storage must be writable, got a read-only {where}; check its permissions"
            )
        if code in _SQLITE_UNREADABLE:
            return NotALedger(
                f"the storage must be a whole SQLite database, got `{reason}` at {where};"
                " name another path, or restore a backup"
            )
        if (isinstance(error, sa.exc.OperationalError) and code != _SQLITE_ERROR) or _may_pass(error):
            return StorageUnreachable(
                f"the storage must answer, got `{reason}` from {where}; start it, then try again"
            )
        return None

    def _once(self, work: Callable[[Connection], T], mode: Mode) -> T:
        if self._watch is not None and self._watch.file is not None:
            self._follow(self._watch, self._watch.file)
        with self.connection(mode) as connection:
            return work(connection)

    def _follow(self, watch: _Watch, file: WatchedFile) -> None:
        """Opens the file anew where it is another one; one that is not accepted is looked at again the next time."""
        with watch.lock:
            if file.has_changed():
                self._engine.dispose()
                self._renew_engine()
                with self.connection(Mode.READ) as connection:
                    watch.check(connection)
                file.accept()
                self.num_openings += 1

    def _renew_engine(self) -> None:
        self._engine = self._new_engine()
        self._engines = {mode: self._engine.execution_options(**self._options(mode)) for mode in Mode}

    def _options(self, mode: Mode) -> dict[str, str | None]:
        if self.is_sqlite:
            return {"nas_begin": _SQLITE_BEGIN[mode]}
        return {"isolation_level": _POSTGRES_LEVEL[mode]}

    def _persist(self, attempt: Callable[[bool], T]) -> T:
        if self._watch is None:
            return self._patiently(attempt)
        return self._watch.breaker.call(lambda: self._patiently(attempt))

    def _patiently(self, attempt: Callable[[bool], T]) -> T:
        deadline = time.monotonic() + self.timeout_s
        pause, longest = _PAUSES_S
        is_first = True
        while True:
            try:
                return attempt(is_first)
            except sa.exc.DBAPIError as error:
                if not _may_pass(error) or time.monotonic() + pause > deadline:
                    ours = self.named(error)
                    if ours is None:
                        raise
                    raise ours from None  # the driver's own text may repeat the connection's parameters
            is_first = False
            time.sleep(pause * _CHANCE.uniform(0.5, 1.0))  # apart: waiting writers must not return together
            pause = min(2 * pause, longest)

    def _masked(self, text: str) -> str:
        for secret in secrets(self.url):
            text = text.replace(secret, "***")
        return text

    def _new_engine(self) -> Engine:
        if not self.is_sqlite:
            least, most = CONNECT_TIMEOUT_S
            patience = round(min(max(self.timeout_s, least), most))
            engine = sa.create_engine(
                self.url, pool_size=5, max_overflow=10, connect_args={"connect_timeout": patience}
            )
            sa.event.listen(engine, "connect", self._set_up_postgres)
            return engine
        arguments: dict[str, Any] = {"connect_args": {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}}
        if self._turn is not None:
            arguments["poolclass"] = StaticPool
        url = self.url
        if _is_frozen(url):
            url = _file_url(
                url, mode="ro", immutable="1"
            )  # it cannot make the files beside it that hold locks
        elif self._watch is not None and url.database:
            url = _file_url(url, mode="rw")  # a file that is gone is not made anew
        engine = sa.create_engine(url, **arguments)
        sa.event.listen(engine, "connect", self._set_up_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _set_up_postgres(self, connection: Any, record: object) -> None:
        # A plan that is kept from when a table was empty reads all of it once it is full.
        connection.execute("SET plan_cache_mode = force_custom_plan")
        if self._watch is not None:
            connection.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_S * 1000}")
        connection.commit()

    def _set_up_sqlite(self, connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = (
            None  # transactions begin where `_begin_sqlite` says, not where sqlite3 guesses
        )
        connection.create_function("utc_now", 0, self.clock.utc)
        for pragma in ("synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
        if (
            self._watch is None
        ):  # else it is set, and setting it would write into a file that may be none of ours
            connection.execute("PRAGMA journal_mode = WAL")


def _is_frozen(url: URL) -> bool:
    """Whether the file lies on a disk that nobody can write, and is whole without its write-ahead log."""
    if not url.database or not (path := Path(url.database)).exists():
        return False
    log = Path(f"{path}-wal")
    is_read_only = bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    return is_read_only and not (log.exists() and log.stat().st_size)


def _file_url(url: URL, **how: str) -> URL:
    """Returns the URL with which SQLite opens the file in a way of its own (https://sqlite.org/uri.html)."""
    assert url.database is not None
    return url.set(database=f"file:{quote(url.database)}", query=how | {"uri": "true"})


def _begin_sqlite(connection: Connection) -> None:
    statement = connection.get_execution_options().get("nas_begin")
    if statement is not None:
        execute_text(connection, statement)


def _sqlite_code(error: BaseException | None) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _may_pass(error: sa.exc.DBAPIError) -> bool:
    """Whether the same transaction may succeed later; a wrong statement, for one, is no outage."""
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_code(error.orig) in _SQLITE_BUSY
    state = getattr(error.orig, "sqlstate", None)
    if state is None:  # the connection broke, or could not be made: there was nobody to give a code
        return isinstance(error, sa.exc.OperationalError) or error.connection_invalidated
    return str(state).startswith(_RETRYABLE_STATES)
