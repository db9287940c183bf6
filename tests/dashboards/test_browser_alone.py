"""The dashboard in a real Chromium, on a small storage that a test may take away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboards.reader import Reader
from dashboards.site import Site
from nas.cli.dashboard import optuna_application
from runs import open_store
from tests.dashboards.serving import serving, watched
from tests.fakes.ledgers import write_ledger

pytestmark = pytest.mark.browser

PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    opened.close()


def test_optuna_dashboard_is_one_click_away_and_quiet(page: Page, tmp_path: Path) -> None:
    bad: list[str] = []
    page.on("pageerror", lambda error: bad.append(str(error)))
    page.on("request", lambda asked: bad.append(asked.url) if "//127.0.0.1" not in asked.url else None)
    page.on("console", lambda said: bad.append(said.text) if "Content Security" in said.text else None)
    write_ledger(f"sqlite:///{tmp_path / 'nas.db'}")
    with open_store(f"sqlite:///{tmp_path / 'nas.db'}", watched=True) as store:
        site = Site(Reader(store), has_optuna=True)
        with serving(site, make_optuna=lambda: optuna_application(store)) as server:
            page.goto(server.url)
            page.get_by_role("link", name="Optuna Dashboard").click()
            page.wait_for_url("**/dashboard/")
            page.locator("a[href='/dashboard/studies/1']").first.click()
            page.wait_for_selector(".js-plotly-plot .main-svg")
            assert page.get_by_text("WebGL is not supported").count() == 0
            assert [one for one in bad if not one.startswith(("data:", "blob:"))] == []
            page.goto("about:blank")


def test_a_storage_that_goes_away_is_told_and_comes_back_by_itself(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "nas.db"
    write_ledger(f"sqlite:///{path}")
    with watched(f"sqlite:///{path}") as (_, address):
        page.goto(address)
        page.get_by_role("link", name="s", exact=True).click()
        page.wait_for_selector(".tile")
        path.rename(tmp_path / "elsewhere.db")
        expect(page.locator("#banner")).to_contain_text("away since")
        assert page.locator(".tile").count() > 0  # what was known stays
        (tmp_path / "elsewhere.db").rename(path)
        expect(page.locator("#banner")).to_be_empty()
        page.goto("about:blank")
