"""A dashboard that stays open while its storage goes away: it says since when, and shows the study again after it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from runs import open_store
from tests.dashboards.serving import watched
from tests.dashboards.viewer import Viewer
from tests.fakes.drivers import driving, heal
from tests.fakes.ledgers import write_study
from tests.fakes.processes import wait_until
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.faults


class Watching:
    """A viewer of the first study whose seconds a test counts."""

    def __init__(self, address: str) -> None:
        self.viewer, self._count = Viewer(address), 0
        self.viewer.open("/s/1")

    def banner(self) -> str:
        """Returns what stands above the page a second later; every answer is a 200: another one would raise here."""
        self._count += 1
        self.viewer.tick(self._count)
        return str(self.viewer.values.get("banner.children") or "")

    def page(self) -> str:
        """Returns what is shown; what has come in the place of a stand-in, where something has."""
        values = self.viewer.values
        shown = values.get("awaited.children") or values.get("main.children")
        return json.dumps([values.get("navigation.children"), shown])


@pytest.mark.parametrize("immediate", [True, pytest.param(False, marks=pytest.mark.long)])
def test_an_open_page_says_that_the_storage_is_away_and_recovers_alone(
    postgres_server: PostgresServer, postgres_database: str, immediate: bool
) -> None:
    with driving(postgres_database, 4) as driver:
        assert driver.end() == 0, driver.errors
    with watched(postgres_database) as (_, address):
        first, second = Watching(address), Watching(address)
        assert (first.banner(), second.banner()) == ("", "")
        postgres_server.stop(immediate=immediate)
        told = [one.banner() for one in (first, second, first)]
        for text in told:
            assert text.startswith("The storage is away since ") and "Traceback" not in text
            assert postgres_server.password not in text
        assert len({text.partition(",")[0] for text in told}) == 1  # the moment at which it went, for all
        late = Watching(address)  # comes while it is away
        assert "The storage does not answer" in late.page()
        postgres_server.start()
        for one in (first, second, late):
            wait_until(lambda one=one: one.banner() == "")
            assert "Best" in one.page() and "The storage does not answer" not in one.page()
    heal(postgres_database, 4, [driver.history])


def test_an_open_page_follows_a_sqlite_file_that_goes_away_and_is_replaced(tmp_path: Path) -> None:
    path, url = tmp_path / "nas.db", f"sqlite:///{tmp_path / 'nas.db'}"
    for name, place in (("first", path), ("second", tmp_path / "other.db")):
        with open_store(f"sqlite:///{place}") as store:
            write_study(store, name)
    with watched(url) as (_, address):
        watching = Watching(address)
        assert watching.banner() == "" and "first" in watching.page()
        os.unlink(path)
        assert watching.banner().startswith("The storage is away since ") and not path.exists()
        os.replace(tmp_path / "other.db", path)
        wait_until(lambda: watching.banner() == "")
        assert "second" in watching.page() and "first" not in watching.page()
