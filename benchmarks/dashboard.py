"""How quick the dashboard is on a large study, in Chromium, beside Optuna Dashboard; and what watching costs.

Ours is measured on 100,000 trials, and on the study of 3,000 that Optuna Dashboard gets through the same storage: on
100,000 that does not finish loading, which is why ours switches it off there. Each is served by a process of its own
and visited in the same way, with a browser without a GPU: *cold*, as soon as the server has told its address and with
an empty cache, and *again*, with the list of studies seen before. Numbers are medians of some visits. A document of
ours shows its numbers and a sketch of its chart before any script runs: that is what the browser paints first, by its
own clock (Paint Timing, first contentful paint); the plot that answers to the mouse comes after.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from benchmarks.row import Row
from nas.cli.dashboard import optuna_application
from runs import Outcome, Store, TrialState, open_store
from tests.dashboards.synthetic import write_large_study
from tests.dashboards.waiting import wait_until

NAME = "dashboard"
LARGE, PEER = 100_000, 3_000  # trials
PAINT_S, LIVE_S, SORT_S, DELTA_BYTES, LEAST_SPEED = 2.0, 2.0, 1.0, 20_000, 0.95
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
FIRST_PLOT = "document.querySelector('.js-plotly-plot .main-svg, .js-plotly-plot canvas')"
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
SKETCHED = '<div class="sketch"'  # a chart, in a document of ours
FIRST_ROW = ".ag-center-cols-container .ag-row[row-index='0']"
NUM_TRIALS, NUM_VIEWERS = 150, 3
NUM_COLD, NUM_VISITS, NUM_SEARCHES = 3, 5, 3
UP_S = 8.0  # until a server has read the studies that somebody may open
LISTED_MS, SETTLED_MS, PATIENCE_MS = 2_000, 3_000, 180_000
PEER_COMMAND = "import sys; from benchmarks.dashboard import serve_optuna; serve_optuna(sys.argv[1])"

_Measured = dict[str, float]  # numbers of one page by name


@dataclass(frozen=True, slots=True)
class Served:
    """A dashboard in a process of its own."""

    address: str  # without a path
    token: str  # empty where none is asked for
    listing: str  # path of the list of studies
    study: str  # path of the first study
    process_id: int

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def resident_bytes(self) -> float:
        """Returns the most memory that the process has had (VmHWM of proc(5))."""
        lines = Path(f"/proc/{self.process_id}/status").read_text(encoding="ascii").splitlines()
        [line] = [line for line in lines if line.startswith("VmHWM:")]
        return float(line.split()[1]) * 1024


def run() -> list[Row]:
    """Returns the rows; needs Debian's Chromium."""
    with tempfile.TemporaryDirectory(prefix="nas-bench-") as place, sync_playwright() as playwright:
        folder = Path(place)
        large, peer = f"sqlite:///{folder / 'large.db'}", f"sqlite:///{folder / 'peer.db'}"
        for url, count in ((large, LARGE), (peer, PEER)):
            with open_store(url) as store:
                write_large_study(store, num_trials=count)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        ours = _visited(browser, lambda: _served(large))
        theirs = _visited(browser, lambda: _optuna_served(peer))
        same = _visited(browser, lambda: _served(peer))
        with open_store(large) as store, _served(large) as served:
            ours |= _used(browser, served, store)
        browser.close()
        return [
            *_promises(ours),
            *_beside(same, theirs, PEER),
            *_beside(ours, theirs, LARGE),
            *_watched(folder),
        ]


def _promises(ours: _Measured) -> list[Row]:
    return [
        Row(f"{what}; over the promise", ours[key], bound, ours[key] / bound, 1.0, ours[key] <= bound, unit)
        for what, key, bound, unit in (
            (f"numbers and front at {LARGE:,} trials, again", "again_paint_s", PAINT_S, "s"),
            (f"numbers and front at {LARGE:,} trials, cold", "cold_paint_s", PAINT_S, "s"),
            (f"first plot to work with at {LARGE:,} trials, again", "again_s", PAINT_S, "s"),
            (f"first plot to work with at {LARGE:,} trials, cold", "cold_s", PAINT_S, "s"),
            ("a new trial, from its commit to the screen", "live_s", LIVE_S, "s"),
            ("a new trial, over the wire", "delta", DELTA_BYTES, "bytes"),
            ("the grid sorted by accuracy", "sort_s", SORT_S, "s"),
        )
    ]


def _beside(ours: _Measured, theirs: _Measured, num_trials: int) -> list[Row]:
    """Returns Optuna Dashboard's numbers on its study over ours on one of so many trials."""
    where = f"Optuna Dashboard's at {PEER:,} trials over ours at {num_trials:,}"
    return [
        Row(
            f"{what}: {where}",
            ours[key],
            theirs[key],
            theirs[key] / ours[key],
            None,
            None,
            unit,
        )
        for what, key, unit in (
            ("first plot, again", "again_s", "s"),
            ("first plot, cold", "cold_s", "s"),
            ("page weight over the wire, again", "again_bytes", "bytes"),
            ("page weight over the wire, cold", "cold_bytes", "bytes"),
            ("heap of the page's scripts", "again_heap", "bytes"),
            ("nodes of the document", "again_nodes", "nodes"),
            ("most memory of the server", "resident", "bytes"),
        )
    ]


@contextlib.contextmanager
def _served(url: str) -> Iterator[Served]:
    """Gives our dashboard, as soon as it has told its address."""
    command = [sys.executable, "-m", "nas", "dashboard", "--storage", url, "--port", "0"]
    with _process(command) as (told, process_id):
        parts = urlsplit(told)
        token = parse_qs(parts.query)["token"][0]
        yield Served(f"http://{parts.netloc}", token, "/", "/s/1", process_id)


@contextlib.contextmanager
def _optuna_served(url: str) -> Iterator[Served]:
    """Gives Optuna Dashboard on the same kind of storage."""
    with _process([sys.executable, "-c", PEER_COMMAND, url]) as (told, process_id):
        yield Served(told, "", "/dashboard/", "/dashboard/studies/1", process_id)


def serve_optuna(url: str) -> None:
    """Serves Optuna Dashboard until the process is ended; prints its address first."""
    with open_store(url) as store:
        server = make_server("127.0.0.1", 0, optuna_application(store), threaded=True)
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


@contextlib.contextmanager
def _process(command: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Gives the first line that a program prints, and its process id."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as program:
        assert program.stdout is not None
        try:
            yield program.stdout.readline().strip(), program.pid
        finally:
            program.terminate()


def _visited(browser: Browser, serve: Callable[[], contextlib.AbstractContextManager[Served]]) -> _Measured:
    """Returns what the first plot of a study takes and weighs, cold and again."""
    cold = []
    for _ in range(NUM_COLD):
        with serve() as served:
            cold.append(_visit(browser, served, has_seen_list=False))
    with serve() as served:
        time.sleep(UP_S)
        again = [_visit(browser, served, has_seen_list=True) for _ in range(NUM_VISITS)]
        resident = served.resident_bytes()
    medians = {
        f"{name}_{key}": median(one[key] for one in visits)
        for name, visits in (("cold", cold), ("again", again))
        for key in visits[0]
    }
    return medians | {"resident": resident}


def _visit(browser: Browser, served: Served, *, has_seen_list: bool) -> _Measured:
    """Returns how long a page takes to its first plot, and what it weighs then; its cache is empty at the beginning."""
    with _opened(browser, served) as page:
        if has_seen_list:
            page.goto(served.address + served.listing)
            page.wait_for_timeout(LISTED_MS)
            page.goto("about:blank")
        weight = _weigh(page)
        begun = time.perf_counter()
        answer = page.goto(served.address + served.study, wait_until="commit")
        wait_until(page, FIRST_PLOT, patience_s=180)
        taken = time.perf_counter() - begun
        page.wait_for_timeout(SETTLED_MS)
        assert answer is not None and (SKETCHED in answer.text()) == bool(served.token)
        nodes = page.evaluate("document.querySelectorAll('*').length")
        painted = page.evaluate(FIRST_PAINT) / 1e3
        return {"s": taken, "paint_s": painted, "bytes": weight(), "heap": _heap(page), "nodes": nodes}


@contextlib.contextmanager
def _opened(browser: Browser, served: Served) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, extra_http_headers=served.headers)
    try:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        yield page
    finally:
        context.close()


def _used(browser: Browser, served: Served, store: Store) -> _Measured:
    """Returns how long a new trial takes to the screen, and sorting the grid."""
    with _opened(browser, served) as page:
        page.goto(f"{served.address}/s/1")
        wait_until(page, FIRST_PLOT)
        page.wait_for_timeout(8_000)  # until the whole study is read
        found = _live(page, store)
        page.goto(f"{served.address}/s/1/trials")
        page.wait_for_selector(f"{FIRST_ROW} [col-id=accuracy]")
        page.wait_for_timeout(1_000)
        first = page.locator(FIRST_ROW).inner_text()
        begun = time.perf_counter()
        page.locator(".ag-header-cell[col-id=accuracy]").click()
        wait_until(page, f"document.querySelector('.ag-row[row-index=\"0\"]')?.innerText !== {first!r}")
        return found | {"sort_s": time.perf_counter() - begun}


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
    return {"live_s": median(times), "delta": median(sizes)}


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
    """Returns how a search's speed changes while three viewers poll its page: pairs of searches, side by side."""
    pairs = []
    for index in range(NUM_SEARCHES):
        # By turns, and each first as often as the other: the machine's other work falls on both.
        order = (0, NUM_VIEWERS) if index % 2 == 0 else (NUM_VIEWERS, 0)
        speeds = {count: _trials_per_s(folder / f"{index}-{count}", watchers=count) for count in order}
        pairs.append((speeds[NUM_VIEWERS], speeds[0]))
    ratios = [watched / alone for watched, alone in pairs]
    what = f"{NUM_TRIALS} short trials, watched by {NUM_VIEWERS} open pages, over unwatched"
    ours, peer, ratio = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs), median(ratios)
    title = f"{what}: median of {NUM_SEARCHES} pairs ({min(ratios):.2f} to {max(ratios):.2f})"
    return [Row(title, ours, peer, ratio, LEAST_SPEED, ratio >= LEAST_SPEED, "trials/s")]


def _trials_per_s(folder: Path, *, watchers: int) -> float:
    """Returns the speed of a search that nobody or somebody looks at from another process, by its own ledger."""
    folder.mkdir()
    url = f"sqlite:///{folder / 'nas.db'}"
    open_store(url).close()
    with _served(url) as served:
        welcome = f"{served.address}/?token={served.token}"
        poller = [sys.executable, "-m", "tests.dashboards.viewer", welcome, str(watchers)]
        viewing = subprocess.Popen(poller, stdout=subprocess.DEVNULL) if watchers else None
        search = [sys.executable, "-m", "tests.dashboards.modelled", str(folder), str(NUM_TRIALS), "0.02"]
        subprocess.run(search, check=True, stdout=subprocess.DEVNULL)
        if viewing is not None:
            viewing.terminate()
            viewing.wait()
    with open_store(url) as store:
        ended = [one.ended for one in store.trials(store.study("live").id) if one.ended is not None]
    return (len(ended) - 1) / (max(ended) - min(ended))
