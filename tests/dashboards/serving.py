"""A dashboard over a storage, served as the program serves it, for tests that ask it over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dashboards.reader import Reader
from dashboards.server import Address, Server
from dashboards.site import Site
from dashboards.wsgi import Application
from nas.cli.session import WATCHING_PATIENCE_S
from runs import Store, open_store


@contextmanager
def serving(
    site: Site, address: Address | None = None, *, make_optuna: Callable[[], Application] | None = None
) -> Iterator[Server]:
    """Gives a server of a site, on a free port of this machine where nothing else is said."""
    server = Server(site, address or Address(port=0), make_optuna=make_optuna)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


@contextmanager
def watched(url: str) -> Iterator[tuple[Store, str]]:
    """Gives a storage as the dashboard opens it, and the address of one that always looks anew."""
    with open_store(url, timeout_s=WATCHING_PATIENCE_S, watched=True) as store:
        with serving(Site(Reader(store, fresh_s=0.0))) as server:
            yield store, server.url
