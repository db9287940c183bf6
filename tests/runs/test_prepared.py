"""Statements below SQLAlchemy: their rows, their parameters and their errors are as they would be through it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from runs.address import parse
from runs.database import Database
from runs.prepared import Prepared

ITEM = sa.Table(
    "item", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text)
)
INSERT = Prepared(ITEM.insert())
ALL = Prepared(sa.select(ITEM.c.name, sa.literal("x").label("fixed")).order_by(ITEM.c.id))
RENAME = Prepared(ITEM.update().where(ITEM.c.id == sa.bindparam("the_item")).values(name="new"))
RETURNED = Prepared(ITEM.insert().returning(ITEM.c.id, ITEM.c.name))


@pytest.fixture
def database(postgres_database: str) -> Iterator[Database]:
    database = Database(parse(postgres_database), timeout_s=2.0)
    database.write(lambda connection: ITEM.create(connection))
    yield database
    database.close()


@pytest.fixture
def sqlite() -> Iterator[Database]:
    database = Database(parse("sqlite://"), timeout_s=2.0)
    database.write(lambda connection: ITEM.create(connection))
    yield database
    database.close()


def check_rows(database: Database) -> None:
    with database.connection() as connection:
        assert INSERT.change(connection, [{"id": 1, "name": "a"}]) == 1
        assert INSERT.change(connection, [{"id": 2, "name": "b%s"}, {"id": 3, "name": None}]) == 2
        assert RENAME.change(connection, [{"the_item": 3}, {"the_item": 4}]) == 1
        many = [{"id": 5, "name": "e"}, {"id": 6, "name": "f"}]
        assert sorted(row.id for row in RETURNED.rows_of_all(connection, many)) == [5, 6]
        assert [(row.name, row.fixed) for row in ALL.rows(connection)][:3] == [
            ("a", "x"),
            ("b%s", "x"),
            ("new", "x"),
        ]
        assert ALL.first(connection).name == "a"


def check_errors(database: Database) -> None:
    row = {"id": 1, "name": "a"}
    with pytest.raises(sa.exc.IntegrityError), database.connection() as connection:
        INSERT.change(connection, [row])
        INSERT.change(connection, [row])
    with database.connection() as connection:
        assert ALL.first(connection) is None, "the transaction of the error was undone"


def test_rows_and_counts(sqlite: Database) -> None:
    check_rows(sqlite)


def test_rows_and_counts_on_postgresql(database: Database) -> None:
    check_rows(database)


def test_an_error_is_sqlalchemys_and_undoes_the_transaction(sqlite: Database) -> None:
    check_errors(sqlite)


def test_an_error_on_postgresql_is_sqlalchemys_and_undoes_the_transaction(database: Database) -> None:
    check_errors(database)


def test_a_parameter_that_is_missing_is_no_null(sqlite: Database) -> None:
    with sqlite.connection() as connection:
        INSERT.change(connection, [{"id": 1, "name": "a"}])
        with pytest.raises(KeyError, match="name"):
            INSERT.change(connection, [{"id": 2}])


def test_a_connection_that_broke_is_let_go_and_the_work_done_on_a_new_one(database: Database) -> None:
    broken = []

    def work(connection: sa.Connection) -> object:
        if not broken:
            broken.append(connection.connection.dbapi_connection)
            killer = Prepared(sa.select(sa.func.pg_terminate_backend(sa.func.pg_backend_pid())))
            killer.rows(connection)
        return ALL.first(connection)

    assert database.write(work) is None
    with database.connection() as connection:
        assert connection.connection.dbapi_connection is not broken[0]
