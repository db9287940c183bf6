"""Makes the pictures of docs/dashboard.md: each page, of studies whose accuracies come from a formula.

python -m tests.dashboards.pictures
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from runs import Store, TrialState, open_store
from tests.dashboards.modelled import run_everything, vote
from tests.dashboards.serving import watched
from tests.dashboards.synthetic import write_large_study

IMAGES = Path(__file__).parents[2] / "docs" / "images"
WIDTH, HEIGHT, PHONE_WIDTH = 1280, 900, 390  # pixels
DARK, PHONE = ("search",), ("trials", "scaling")  # pages that are shown in the dark and on a phone as well
FAILURE = "index 10 is out of bounds for dimension 0 with size 10"
SETTLED_MS = 4_000


def main() -> None:
    """Makes the studies, visits every page, and writes a picture of each."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # so that the address on the pages is short
        run_everything(Path(), failure=FAILURE)
        with open_store("sqlite:///nas.db") as store:
            vote(store, store.study("digits.grow").id)
            write_large_study(store)
        with watched("sqlite:///nas.db") as (store, address), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            pages = _pages(store)
            for suffix, width, is_dark, names in (
                ("", WIDTH, False, tuple(pages)),
                ("-dark", WIDTH, True, DARK),
                ("-phone", PHONE_WIDTH, False, PHONE),
            ):
                context = browser.new_context(
                    viewport={"width": width, "height": HEIGHT}, color_scheme="dark" if is_dark else "light"
                )
                page = context.new_page()
                _open(page, address)  # its token becomes a cookie
                for name in names:
                    _open(page, address.partition("?")[0].rstrip("/") + pages[name])
                    page.screenshot(path=IMAGES / f"dashboard-{name}{suffix}.png", full_page=True)
            browser.close()


def _pages(store: Store) -> dict[str, str]:
    """Returns the path of each page by its name."""
    ids = {study.name: study.id for study in store.studies()}
    trials = store.trials(ids["digits"])
    shown, other = [one for one in trials if one.state is TrialState.COMPLETE][-2:]
    study = f"/s/{ids['digits']}"
    return {
        "studies": "/",
        "search": study,
        "points": f"/s/{ids['large']}/points",
        "trials": f"{study}/trials",
        "trial": f"{study}/trials/{shown.number}",
        "architecture": f"/a/{shown.digest}",
        "comparison": f"/compare/{shown.digest}/{other.digest}",
        "scaling": f"{study}/scaling",
        "family": f"{study}/family",
        "workers": f"{study}/workers",
    }


def _open(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("#main > *:not(.loading)")
    page.wait_for_timeout(SETTLED_MS)


if __name__ == "__main__":
    main()
