"""The ledger's contract on SQLite (in a file and in memory) and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runs import Store, open_store
from tests.contracts.ledger import LedgerContract


class TestSqliteLedger(LedgerContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with open_store(f"sqlite:///{tmp_path}/ledger.db") as store:
            yield store

    @pytest.fixture
    def other(self, store: Store, tmp_path: Path) -> Iterator[Store]:
        with open_store(f"sqlite:///{tmp_path}/ledger.db") as other:
            yield other


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def store(self) -> Iterator[Store]:
        with open_store("sqlite://") as store:
            yield store

    @pytest.fixture
    def other(self, store: Store) -> Iterator[Store]:
        with Store(store.database) as other:  # the database in memory is seen through one connection
            yield other


class TestPostgresLedger(LedgerContract):
    @pytest.fixture
    def store(self, postgres_database: str) -> Iterator[Store]:
        with open_store(postgres_database) as store:
            yield store

    @pytest.fixture
    def other(self, store: Store, postgres_database: str) -> Iterator[Store]:
        with open_store(postgres_database) as other:
            yield other
