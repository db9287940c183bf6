"""How quick the dashboard is on a large study, in Chromium, beside Optuna Dashboard; and what watching costs.

Ours is measured on 100,000 trials. Optuna Dashboard gets 3,000 of the same trials through the same storage: on
100,000 it does not finish loading, which is why ours switches it off there. Times are of a browser without a GPU, and
the least of some repeats, as `timeit` has them: whatever else this machine does only adds to them.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from benchmarks.row import Row
from nas.cli.dashboard import optuna_application
from runs import Outcome, Store, TrialState, open_store
from tests.dashboards.synthetic import write_large_study
from tests.dashboards.waiting import wait_until

NAME = "dashboard"
LARGE, PEER = 100_000, 3_000  # trials
PAINT_S, LIVE_S, SORT_S, DELTA_BYTES, MAX_SLOWDOWN = 2.0, 2.0, 1.0, 20_000, 1.05
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
FIRST_PLOT = "document.querySelector('.js-plotly-plot .main-svg, .js-plotly-plot canvas')"
FIRST_ROW = ".ag-center-cols-container .ag-row[row-index='0']"
NUM_TRIALS, NUM_VIEWERS = 150, 3
NUM_VISITS, NUM_SEARCHES = 5, 3
UP_S = 8.0  # before the first visitor comes: who starts a dashboard has to find its address first


def run() -> list[Row]:
    """Returns the rows; needs Debian's Chromium."""
    with tempfile.TemporaryDirectory(prefix="nas-bench-") as place, sync_playwright() as playwright:
        folder = Path(place)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        with (
            open_store(f"sqlite:///{folder / 'large.db'}") as large,
            open_store(f"sqlite:///{folder / 'peer.db'}") as peer,
        ):
            write_large_study(large, num_trials=LARGE)
            write_large_study(peer, num_trials=PEER)
            with _served(f"sqlite:///{folder / 'large.db'}") as welcome:
                ours = _ours(browser, welcome, large)
            with _optuna_served(peer) as address:
                theirs = _quickest(lambda: _first_plot(browser, address, "/dashboard/studies/1"))
            rows = _rows(ours, theirs)
        browser.close()
        return [*rows, *_watched(folder)]


class _Measured(dict[str, float]):
    """Numbers of one page by name."""


def _rows(ours: _Measured, theirs: _Measured) -> list[Row]:
    def promised(what: str, key: str, bound: float, unit: str) -> Row:
        ratio = ours[key] / bound
        return Row(f"{what}; over the promise", ours[key], bound, ratio, 1.0, ratio <= 1.0, unit)

    def beside(what: str, key: str, unit: str) -> Row:
        title = f"{what}: Optuna Dashboard's at {PEER:,} trials over ours at {LARGE:,}"
        return Row(title, ours[key], theirs[key], theirs[key] / ours[key], None, None, unit)

    return [
        promised(f"first plot at {LARGE:,} trials", "paint_s", PAINT_S, "s"),
        promised("a new trial, from its commit to the screen", "live_s", LIVE_S, "s"),
        promised("a new trial, over the wire", "delta", DELTA_BYTES, "bytes"),
        promised("the grid sorted by accuracy", "sort_s", SORT_S, "s"),
        beside("first plot", "paint_s", "s"),
        beside("page weight over the wire, the list of studies seen before", "bytes", "bytes"),
        beside("heap of the page's scripts", "heap", "bytes"),
        beside("nodes of the document", "nodes", "nodes"),
    ]


@contextlib.contextmanager
def _served(url: str) -> Iterator[str]:
    """Gives the address, with its token, of a dashboard in a process of its own that has been up for some seconds."""
    command = [sys.executable, "-m", "nas", "dashboard", "--storage", url, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as dashboard:
        assert dashboard.stdout is not None
        address = dashboard.stdout.readline().strip()
        time.sleep(UP_S)
        try:
            yield address
        finally:
            dashboard.terminate()


@contextlib.contextmanager
def _optuna_served(store: Store) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, optuna_application(store), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _first_plot(browser: Browser, address: str, path: str, *, welcome: str = "") -> _Measured:
    """Returns how long a page takes to its first plot, and what it weighs then; its cache is empty."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    if welcome:
        page.goto(welcome)
        page.wait_for_selector(".studies")
        page.goto("about:blank")
    weight = _weigh(page)
    begun = time.perf_counter()
    page.goto(address + path, wait_until="commit")
    wait_until(page, FIRST_PLOT, patience_s=180)
    found = _Measured(paint_s=time.perf_counter() - begun)
    page.wait_for_timeout(3_000)
    found |= {
        "bytes": weight(),
        "heap": _heap(page),
        "nodes": page.evaluate("document.querySelectorAll('*').length"),
    }
    context.close()
    return found


def _quickest(visit: Callable[[], _Measured]) -> _Measured:
    return min((visit() for _ in range(NUM_VISITS)), key=lambda found: found["paint_s"])


def _ours(browser: Browser, welcome: str, store: Store) -> _Measured:
    address = welcome.partition("/?")[0]
    found = _quickest(lambda: _first_plot(browser, address, "/s/1", welcome=welcome))
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(welcome)
    page.wait_for_selector(".studies")
    page.goto(f"{address}/s/1")
    wait_until(page, FIRST_PLOT)
    page.wait_for_timeout(8_000)  # until the whole study is read
    found |= _live(page, store)
    page.goto(f"{address}/s/1/trials")
    page.wait_for_selector(f"{FIRST_ROW} [col-id=accuracy]")
    page.wait_for_timeout(1_000)
    first = page.locator(FIRST_ROW).inner_text()
    begun = time.perf_counter()
    page.locator(".ag-header-cell[col-id=accuracy]").click()
    wait_until(page, f"document.querySelector('.ag-row[row-index=\"0\"]')?.innerText !== {first!r}")
    found["sort_s"] = time.perf_counter() - begun
    context.close()
    return found


def _live(page: Page, store: Store) -> _Measured:
    """Returns how long after its commit a trial is on the screen, and what came over the wire for it."""
    times, sizes = [], []
    for index in range(5):
        weight = _weigh(page)
        begun = time.perf_counter()
        store.finish([Outcome(store.begin(1)[0], TrialState.CANCELLED)])
        wanted = f"{LARGE + index + 1:,}"
        wait_until(
            page, f"[...document.querySelectorAll('.tile-value')].some(e => e.innerText === '{wanted}')"
        )
        times.append(time.perf_counter() - begun)
        page.wait_for_timeout(500)
        sizes.append(weight())
    return _Measured(live_s=median(times), delta=median(sizes))


def _weigh(page: Page) -> Callable[[], float]:
    """Returns what tells how many bytes have come over the wire since now."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    return lambda: sum(sizes)


def _heap(page: Page) -> float:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["JSHeapUsedSize"])


def _watched(folder: Path) -> list[Row]:
    """Returns how a search's speed changes while three viewers poll its page."""
    alone, watched = [], []
    for index in range(NUM_SEARCHES):  # by turns: the machine's other work falls on both
        alone.append(_search_s(folder / f"alone-{index}", watchers=0))
        watched.append(_search_s(folder / f"watched-{index}", watchers=NUM_VIEWERS))
    alone_s, watched_s = min(alone), min(watched)
    ratio = watched_s / alone_s
    what = f"{NUM_TRIALS} instant trials, watched by {NUM_VIEWERS} open pages, over unwatched"
    return [Row(what, watched_s, alone_s, ratio, MAX_SLOWDOWN, ratio <= MAX_SLOWDOWN, "s")]


def _search_s(folder: Path, *, watchers: int) -> float:
    """Returns how long a search of instant trainings takes while nobody or somebody looks on, from another process."""
    folder.mkdir()
    url = f"sqlite:///{folder / 'nas.db'}"
    open_store(url).close()
    with _served(url) as address:
        poller = [sys.executable, "-m", "tests.dashboards.viewer", address, str(watchers)]
        viewing = subprocess.Popen(poller, stdout=subprocess.DEVNULL) if watchers else None
        begun = time.perf_counter()
        search = [sys.executable, "-m", "tests.dashboards.modelled", str(folder), str(NUM_TRIALS), "0.02"]
        subprocess.run(search, check=True, stdout=subprocess.DEVNULL)
        taken = time.perf_counter() - begun
        if viewing is not None:
            viewing.terminate()
            viewing.wait()
    return taken
