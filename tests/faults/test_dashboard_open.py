"""A dashboard that stays open while its storage goes away: it says since when, and shows the study again after it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from werkzeug.serving import make_server

from dashboards.app import make_application
from dashboards.reader import Reader
from dashboards.security import Policy
from dashboards.site import Site
from runs import open_store
from tests.dashboards.viewer import Viewer
from tests.fakes.drivers import driving, heal
from tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.faults, pytest.mark.postgres]
TOKEN = "t" * 43


@contextmanager
def served(url: str) -> Iterator[str]:
    """The address of a dashboard over a storage."""
    with open_store(url, timeout_s=1.0) as store:
        site = Site(Reader(store, fresh_s=0.0), formats={}, exporter=None)
        server = make_server("127.0.0.1", 0, make_application(site, Policy(TOKEN)), threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}/?token={TOKEN}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("immediate", [True, pytest.param(False, marks=pytest.mark.long_faults)])
def test_an_open_page_says_that_the_storage_is_away_and_recovers_alone(
    postgres_server: PostgresServer, postgres_database: str, immediate: bool
) -> None:
    with driving(postgres_database, 4) as driver:
        assert driver.end() == 0, driver.errors
    with served(postgres_database) as address:
        viewer = Viewer(address)
        viewer.open("/s/1")
        viewer.tick(1)
        assert not viewer.values.get("banner.children")
        postgres_server.stop(immediate=immediate)
        for count in (2, 3):  # every answer is a 200: another one would raise here
            viewer.tick(count)
            told = str(viewer.values["banner.children"])
            assert told.startswith("No answer since") and "Traceback" not in told
            assert postgres_server.password not in told
        postgres_server.start()
        viewer.tick(4)
        assert not viewer.values["banner.children"]
    heal(postgres_database, 4, [driver.history])
