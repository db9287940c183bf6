"""Fixtures of the dashboards' tests: a ledger with every kind of trial, a site on it, and a client for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from werkzeug.test import Client

from dashboards.app import make_application
from dashboards.reader import Reader
from dashboards.security import Policy
from dashboards.site import Download, Site
from runs import Store, open_store
from tests.fakes.ledgers import write_study

TOKEN = "t" * 43
# Without a GPU, WebGL is drawn in software; in a container Chromium cannot make its sandbox.
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
WITH_TOKEN = {"Authorization": f"Bearer {TOKEN}", "Host": "localhost"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'nas.db'}") as opened:
        write_study(opened)
        yield opened


def exported(study: str, number: int, format: str) -> Download:
    return Download(f"../{study} {number}.{format}", b"exported")


@pytest.fixture
def site(store: Store) -> Site:
    return Site(Reader(store, fresh_s=0.0), formats={"json": "the architecture"}, exporter=exported)


@pytest.fixture
def client(site: Site) -> Client:
    return Client(make_application(site, Policy(TOKEN)))


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(chromium), args=FLAGS)
        yield launched
        launched.close()
