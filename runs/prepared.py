"""Statements that are prepared once: later executions hand a text and its parameters to the database's own library.

SQLAlchemy looks a statement up, checks it and wraps its answer at every execution. That takes four times as long as
SQLite needs to execute it, and a trial has two dozen of them. What is written here goes below it, on the connection
and within the transaction that `runs.database` has opened; its errors are SQLAlchemy's all the same.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_row_type: Callable[..., Any] = namedtuple
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Prepared:
    """One statement, its text made for each database when it is first executed there.

    Args:
        statement: without parameters that expand to lists; or the statement of each dialect, by its name. Whoever
            executes it gives the same names each time, and values that the database's library takes as they are.
    """

    def __init__(self, statement: sa.Executable | Mapping[str, sa.Executable]) -> None:
        self._statement = statement
        self._texts: dict[str, _Text] = {}  # by dialect

    def rows(self, connection: Connection, values: Mapping[str, Any] = _NOTHING) -> list[Any]:
        """Returns the rows, with their columns as attributes."""
        text = self._text(connection, values)
        with _told(connection, text.sql) as below:
            found = below.cursor().execute(text.sql, text.parameters(values)).fetchall()
        return [text.row(one) for one in found]

    def first(self, connection: Connection, values: Mapping[str, Any] = _NOTHING) -> Any:
        """Returns the first row; None where there is none."""
        found = self.rows(connection, values)
        return found[0] if found else None

    def rows_of_all(self, connection: Connection, many: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        """Returns the rows of as many executions; SQLAlchemy sends those of several together."""
        if len(many) == 1:
            return self.rows(connection, many[0])
        return connection.execute(self._of(connection), many).all()

    def change(self, connection: Connection, many: Sequence[Mapping[str, Any]]) -> int:
        """Executes it for each, one or more; returns how many rows that has changed. It must return none itself."""
        text = self._text(connection, many[0])
        parameters = [text.parameters(values) for values in many]
        with _told(connection, text.sql) as below:
            cursor = below.cursor()
            if len(many) == 1:  # without the messages that announce many
                cursor.execute(text.sql, parameters[0])
            else:
                cursor.executemany(text.sql, parameters)
            changed: int = cursor.rowcount
        return changed

    def _of(self, connection: Connection) -> sa.Executable:
        if isinstance(self._statement, Mapping):
            return self._statement[connection.dialect.name]
        return self._statement

    def _text(self, connection: Connection, names: Iterable[str]) -> _Text:
        dialect = connection.dialect.name
        if dialect not in self._texts:
            self._texts[dialect] = _text(connection, self._of(connection), names)
        return self._texts[dialect]


@dataclass(frozen=True, slots=True)
class _Text:
    """A statement as one database's library takes it."""

    sql: str
    fixed: Mapping[str, Any]  # parameters that the statement sets itself
    order: Sequence[str] | None  # of the parameters; None where they go by name
    row: Callable[[Iterable[Any]], Any]

    def parameters(self, values: Mapping[str, Any]) -> Mapping[str, Any] | list[Any]:
        known = {**self.fixed, **values}
        return known if self.order is None else [known[name] for name in self.order]


def execute_text(connection: Connection, sql: str) -> None:
    """Executes a text without parameters and without an answer."""
    with _told(connection, sql) as below:
        below.cursor().execute(sql)


def _text(connection: Connection, statement: Any, names: Iterable[str]) -> _Text:
    compiled = statement.compile(dialect=connection.dialect, column_keys=list(names))
    fixed = {name: bind.effective_value for name, bind in compiled.binds.items() if not bind.required}
    row = _row_type("Row", statement.exported_columns.keys(), rename=True)._make
    return _Text(compiled.string, fixed, compiled.positiontup, row)


class _told:
    """Gives the connection of the database's library, and raises its errors as SQLAlchemy does.

    Where the connection broke, lets go of it and of all in its pool.
    """

    def __init__(self, connection: Connection, sql: str) -> None:
        self._connection, self._sql = connection, sql
        self._below: Any = connection.connection.dbapi_connection

    def __enter__(self) -> Any:
        return self._below

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        dialect = self._connection.dialect
        if error is None or not isinstance(error, dialect.loaded_dbapi.Error):
            return
        is_broken = dialect.is_disconnect(error, self._below, None)
        if is_broken:
            self._connection.invalidate(error)
            self._connection.engine.dispose()
        raise sa.exc.DBAPIError.instance(
            self._sql,
            None,
            error,
            dialect.loaded_dbapi.Error,
            connection_invalidated=is_broken,
            dialect=dialect,
        ) from error
