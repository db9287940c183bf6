"""Optuna's own conformance suite, over the ledger, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.storages import BaseStorage
from optuna.testing.pytest_storages import StorageTestCase

from runs import open_store


class TestSqlite(StorageTestCase):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Iterator[BaseStorage]:
        with open_store(f"sqlite:///{tmp_path}/ledger.db") as store:
            yield store.optuna


class TestPostgres(StorageTestCase):
    @pytest.fixture
    def storage(self, postgres_database: str) -> Iterator[BaseStorage]:
        with open_store(postgres_database) as store:
            yield store.optuna
