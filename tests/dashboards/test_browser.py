"""The dashboard in a real Chromium: against a search in progress, a finished family, and a large study."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from dashboards.reader import Reader
from dashboards.site import Site
from nas.cli.dashboard import exports, timm_text
from nas.cli.printing import Printer
from nas.cli.session import Session
from nas.exporting.verifying import verify
from runs import Outcome, TrialState, open_store
from tests.dashboards.modelled import HOSTILE, run_everything
from tests.dashboards.proxy import proxied
from tests.dashboards.serving import serving
from tests.dashboards.synthetic import write_large_study
from tests.dashboards.visits import PATIENCE_MS, House, Visit, digests, pages, winners_of
from tests.dashboards.waiting import wait_until

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "assets" / "axe.min.js"
LARGE = 10_000
DRAWN = (
    "document.querySelectorAll('.js-plotly-plot').length >= document.querySelectorAll('.dash-graph').length"
)
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    run_everything(folder, trials=20)
    url = f"sqlite:///{folder / 'nas.db'}"
    store = open_store(url)
    write_large_study(store, num_trials=LARGE)
    gone = store.create_study("gone", directions=["maximize"], seed=0, space={}, settings={})
    store.finish([Outcome(store.begin(gone.id)[0], TrialState.COMPLETE, (0.5,))])
    command = [sys.executable, "-m", "tests.dashboards.modelled", str(folder), "5000", "0.3"]
    searching = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    formats, exporter = exports(Session(Printer(quiet=True), flags={"storage": url}))
    site = Site(Reader(store), formats=formats, exporter=exporter, timm_text=timm_text)
    try:
        with serving(site) as server:
            names = {study.name: study.id for study in store.studies()}
            while "live" not in names:  # the search is on its way
                assert searching.poll() is None
                names = {study.name: study.id for study in store.studies()}
            yield House(server, store, names, folder)
    finally:
        store.close()
        os.kill(searching.pid, signal.SIGKILL)
        searching.wait()


@pytest.fixture(scope="module")  # one for all: the scripts are fetched once
def context(browser: Browser, house: House) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page = opened.new_page()
    page.goto(house.server.url)
    page.wait_for_selector(".studies", timeout=PATIENCE_MS)
    page.close()
    yield opened
    opened.close()


@pytest.fixture
def visit(context: BrowserContext, house: House) -> Iterator[Visit]:
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    visiting = Visit(page, house)
    bad = visiting.complaints
    page.on("console", lambda said: bad.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: bad.append(str(error)))
    page.on("request", lambda asked: None if _is_ours(asked.url) else bad.append(f"asked {asked.url}"))
    yield visiting
    page.evaluate("localStorage.clear()")
    visiting.title = page.title()
    page.close()
    assert [one for one in bad if "GPU stall" not in one and "net::ERR_ABORTED" not in one] == []
    assert visiting.title != "owned"


def _is_ours(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))


def test_nobody_sees_anything_without_the_token(browser: Browser, house: House) -> None:
    page = browser.new_page()
    answer = page.goto(house.at("/"))
    assert answer is not None and answer.status == 401
    expect(page.get_by_role("heading")).to_have_text("A token is needed")
    page.close()


@pytest.mark.parametrize(
    "name",
    [
        "studies",
        "search",
        "trials",
        "trial",
        "failed",
        "architecture",
        "comparison",
        "scaling",
        "family",
        "workers",
        "missing",
    ],
)
def test_every_page_is_quiet_accessible_and_fits_a_phone(visit: Visit, name: str) -> None:
    page = visit.go(pages(visit.house)[name])
    wait_until(page, DRAWN)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    options = "{resultTypes: ['violations'], rules: {region: {enabled: false}}}"
    for theme in ("light", "dark"):
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        page.wait_for_timeout(300)
        found = page.evaluate(f"axe.run(document, {options}).then(r => r.violations)")
        serious = [
            (theme, one["id"], one["nodes"][0]["html"][:200], one["nodes"][0].get("failureSummary", "")[:300])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == []
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("name", ["search", "trial", "trials"])
def test_a_page_is_read_before_its_scripts_have_come(visit: Visit, name: str) -> None:
    page = visit.page
    page.route("**/*.js*", lambda asked: asked.abort())
    page.goto(visit.house.at(pages(visit.house)[name]))
    visit.complaints.clear()  # of the scripts that did not come
    assert page.locator("#still .main").inner_text().count("\n") > 10
    assert (page.locator("#still .sketch svg").count() > 0) == (name != "trials")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    options = "{resultTypes: ['violations'], rules: {region: {enabled: false}}}"
    found = page.evaluate(f"axe.run(document, {options}).then(r => r.violations)")
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.unroute("**/*.js*")
    page.reload()
    page.wait_for_selector("#still", state="detached")
    assert page.locator(".main").count() == 1 and page.locator(".main").is_visible()


def test_a_running_search_is_seen_to_move_without_a_reload(visit: Visit) -> None:
    page = visit.go(f"/s/{visit.house.studies['live']}", until=".tile")
    page.evaluate("window.untouched = true")
    before = page.locator(".tile-value").nth(1).inner_text()
    expect(page.locator(".tile-value").nth(1)).not_to_have_text(before)
    points = "document.querySelector('#pareto .js-plotly-plot')?.data?.[0]?.x?.length ?? 0"
    drawn = page.evaluate(points)
    wait_until(page, f"({points}) > {drawn}")
    assert page.evaluate("window.untouched")
    page = visit.go(f"/s/{visit.house.studies['live']}/points", until="#points canvas")
    wait_until(page, "document.querySelector('#points .js-plotly-plot').data[1].x.length > 0")
    expect(page.locator("#points-note")).to_contain_text("measured trials")


def test_another_weight_and_another_target_change_the_winners_at_once(visit: Visit) -> None:
    page = visit.go(f"/s/{visit.house.studies['digits']}", until="#search-winner")
    equation, rows = page.locator("#search-equation"), page.locator("#search-winners tbody tr")

    def shown() -> list[tuple[str, str]]:
        cells = [row.split("\t") for row in rows.all_inner_texts()]
        return [(winner, reward) for _, winner, reward, *_ in cells]

    def moved(slider: str, key: str, presses: int, said: str) -> list[tuple[str, str]]:
        handle = page.locator(slider).get_by_role("slider")
        handle.focus()
        for _ in range(presses):
            handle.press(key)
        expect(equation).to_have_text(said)
        return shown()

    page.evaluate("window.untouched = true")
    expect(equation).to_have_text("accuracy × (macs / 1e+06)^-0.07")
    own = shown()
    assert own == winners_of(visit.house, -0.07, 1e6)
    cheap = moved("#reward-weight", "Home", 1, "accuracy × (macs / 1e+06)^-0.5")
    assert cheap == winners_of(visit.house, -0.5, 1e6) and cheap[0] != own[0]
    half = moved("#reward-target", "ArrowLeft", 15, "accuracy × (macs / 5.012e+05)^-0.5")
    assert half == winners_of(visit.house, -0.5, 1e6 * 10**-0.3) and half != cheap
    accurate = moved("#reward-weight", "End", 1, "accuracy × (macs / 5.012e+05)^0")
    assert accurate == winners_of(visit.house, 0.0, 1e6) and accurate[0][0] != cheap[0][0]
    page.get_by_role("button", name="Back to the study's own").click()
    expect(equation).to_have_text("accuracy × (macs / 1e+06)^-0.07")
    assert shown() == own and page.evaluate("window.untouched")


def test_every_point_of_a_large_study_is_drawn_by_webgl_and_its_pixels_are_there(visit: Visit) -> None:
    page = visit.go(f"/s/{visit.house.studies['large']}", until="#pareto .main-svg")
    drawn = re.compile(r"^[\d,]+ of [\d,]+ measured trials, the whole front among them$")
    expect(page.locator("#search-sample")).to_have_text(drawn)
    page.get_by_role("link", name="Every point").click()
    page.wait_for_selector("#points canvas", timeout=PATIENCE_MS)
    page.wait_for_timeout(1_000)
    assert page.get_by_text("WebGL is not supported").count() == 0
    image = page.locator("#points").screenshot()
    count = page.evaluate(
        """async (bytes) => {
            const bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)], {type: "image/png"}));
            const canvas = new OffscreenCanvas(bitmap.width, bitmap.height), pen = canvas.getContext("2d");
            pen.drawImage(bitmap, 0, 0);
            const data = pen.getImageData(0, 0, bitmap.width, bitmap.height).data, colours = new Set();
            for (let i = 0; i < data.length; i += 4) colours.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
            return colours.size;
        }""",
        list(image),
    )
    assert count > 500  # a cloud coloured by time; an empty chart has a few dozen colours


def test_the_grid_sorts_filters_and_opens_a_trial(visit: Visit) -> None:
    large = visit.house.studies["large"]
    page = visit.go(f"/s/{large}/trials", until=".ag-row")
    count = page.locator("#trials-count")
    expect(count).to_have_text(f"{LARGE:,} of {LARGE:,} trials")
    page.get_by_label("failed").check()
    expect(count).not_to_have_text(f"{LARGE:,} of {LARGE:,} trials")
    page.get_by_label("failed").uncheck()
    expect(count).to_have_text(f"{LARGE:,} of {LARGE:,} trials")
    page.locator("#trials-search").fill("2345")
    expect(count).to_have_text(f"1 of {LARGE:,} trials")
    page.locator(".ag-row [col-id=number]", has_text="2345").click()
    page.get_by_role("link", name="Open trial 2345").click()
    expect(page).to_have_url(visit.house.at(f"/s/{large}/trials/2345"))
    expect(page.locator(".trial-title")).to_contain_text("Trial 2345")


def test_two_trials_picked_in_the_grid_are_compared(visit: Visit) -> None:
    digits = visit.house.studies["digits"]
    complete = [one for one in visit.house.store.trials(digits) if one.state is TrialState.COMPLETE]
    first = complete[0]
    second, third = [one for one in complete if one.digest != first.digest][:2]
    page = visit.go(f"/s/{digits}/trials", until=".ag-row .ag-checkbox-input")
    button, hint = page.get_by_role("button", name="Compare the two networks"), page.locator("#trials-hint")
    expect(button).to_be_disabled()
    expect(hint).to_have_text("Tick two rows to compare their networks.")
    for trial, said in (
        (first, "Tick one more row"),
        (third, "picked."),
        (second, "3 picked: two are compared"),
    ):
        page.locator("#trials-search").fill(str(trial.number))  # what is ticked stays so out of sight
        expect(page.locator("#trials-count")).to_contain_text(re.compile("^1 of "))
        page.locator(f".ag-row[row-id='{trial.number}'] .ag-checkbox-input").check()
        expect(hint).to_contain_text(said)
    expect(button).to_be_disabled()
    page.locator("#trials-search").fill(str(third.number))
    row = page.locator(f".ag-row[row-id='{third.number}']")
    row.locator("[col-id=number]").focus()
    page.keyboard.press("Space")  # by keyboard as by a click
    expect(hint).to_have_text(f"Trials {first.number} and {second.number} are picked.")
    page.keyboard.press("Shift+Tab")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(visit.house.at(f"/compare/{first.digest}/{second.digest}"))
    for trial, digest in ((first, "#first-digest"), (second, "#second-digest")):
        expect(page.locator(digest)).to_have_text(str(trial.digest))
        expect(page.get_by_role("link", name=f"digits / {trial.number}", exact=True)).to_be_visible()
        expect(page.locator(f"td:text-is('{trial.costs['macs']:,.0f}')").first).to_be_visible()


def test_two_networks_are_compared_from_the_page_of_one(visit: Visit) -> None:
    first, second = digests(visit.house)[:2]
    page = visit.go(f"/a/{first}", until="#compare-with")
    page.locator("#compare-with").fill(second[:16])
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#main")).to_contain_text("what differs is marked")
    assert page.locator(".different").count() > 0
    shown = page.locator("#main").inner_text()
    assert not [raw for raw in ("channels_width", "()", "_divisor", "relu") if raw in shown]


def test_a_stage_opens_the_graph_of_its_operators(visit: Visit) -> None:
    page = visit.go(f"/a/{digests(visit.house)[0]}", until=".stage-button")
    page.get_by_role("button", name="Operators of stage 2").press("Enter")  # by keyboard as by a click
    expect(page.locator("#stage-title")).to_have_text("Operators of stage 2")
    wait_until(page, "document.querySelector('#stage-drawing img').naturalWidth > 100")
    page.get_by_label("blocks").check()
    expect(page.locator("#drawing-stages")).to_be_hidden()


def test_an_architecture_is_told_as_json_as_python_and_in_timms_words(visit: Visit) -> None:
    page = visit.go(f"/a/{digests(visit.house)[0]}", until="#encoding-text")
    text = page.locator("#encoding-text")
    expect(text).to_contain_text('"stages"')
    page.get_by_label("Python").check()
    expect(text).to_contain_text("Architecture.from_json(")
    page.get_by_label("timm").check()
    expect(text).to_have_text(re.compile('"arch_def"|timm cannot build this network: '))


def test_an_export_is_downloaded_and_verifies(visit: Visit, tmp_path: Path) -> None:
    page = visit.go(f"/s/{visit.house.studies['digits']}/trials/0", until="button:has-text('json')")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="json", exact=True).click()
    content = Path(downloading.value.path()).read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path)
    [folder] = [path.parent for path in tmp_path.rglob("MANIFEST.json")]
    verify(folder)


def test_a_chart_is_saved_as_svg_and_its_data_as_csv(visit: Visit) -> None:
    page = visit.go(f"/s/{visit.house.studies['digits']}", until="#climb .main-svg")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Save Best so far as SVG").click()
    assert Path(downloading.value.path()).read_text(encoding="utf-8").startswith("<svg")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Save the data of Best so far as CSV").click()
    assert Path(downloading.value.path()).read_text(encoding="utf-8").startswith("rank,trial,best")


def test_a_hostile_error_is_text_and_nothing_else(visit: Visit) -> None:
    page = visit.go(pages(visit.house)["failed"], until=".trace")
    assert HOSTILE.partition("\u202e")[0] in page.locator("#main").inner_text()
    assert "\u202e" not in page.locator("#main").inner_text()
    assert page.locator("img[src='x']").count() == 0


def test_a_study_that_is_deleted_while_it_is_looked_at_says_so(visit: Visit) -> None:
    page = visit.go(f"/s/{visit.house.studies['gone']}", until=".tile")
    visit.house.store.delete_study(visit.house.studies["gone"])
    expect(page.locator("#banner")).to_contain_text("deleted")


@pytest.mark.parametrize("strips", [True, False], ids=["taken off", "left on"])
def test_behind_a_proxy_with_a_prefix_everything_works(browser: Browser, house: House, strips: bool) -> None:
    page = browser.new_page()
    with (
        serving(Site(Reader(house.store), prefix="/nas/")) as server,
        proxied(server.port, "/nas", strips=strips) as front,
    ):
        page.goto(f"{front}/nas/?token={server.token}")
        page.get_by_role("link", name="digits", exact=True).click(timeout=PATIENCE_MS)
        page.wait_for_selector("#climb .main-svg", timeout=PATIENCE_MS)
        assert page.url == f"{front}/nas/s/{house.studies['digits']}"
        page.get_by_role("link", name="Trials", exact=True).click()
        page.wait_for_selector(".ag-row", timeout=PATIENCE_MS)
        with page.expect_download() as downloading:
            page.get_by_role("link", name="CSV").click()
        assert Path(downloading.value.path()).read_text(encoding="utf-8").startswith("number,state")
        page.close()


def test_a_study_without_a_trial_shows_its_first_as_soon_as_it_has_begun(visit: Visit) -> None:
    store = visit.house.store
    fresh = store.create_study("fresh", directions=["maximize"], seed=0, space={}, settings={})
    page = visit.go(f"/s/{fresh.id}", until=".empty")
    expect(page.locator("#main")).to_contain_text("No trial yet")
    store.finish([Outcome(store.begin(fresh.id)[0], TrialState.COMPLETE, (0.5,))])
    expect(page.locator(".tile-value").first).to_have_text("0.5")


def test_the_theme_is_switched_and_kept(visit: Visit) -> None:
    page = visit.go("/", until=".studies")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Theme: switch between light and dark").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    page.wait_for_selector(".studies")
    assert page.evaluate(ground) == dark


def test_the_keyboard_reaches_the_content_past_the_header(visit: Visit) -> None:
    page = visit.go("/", until=".studies")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert re.search(r"/s/\d+$", page.evaluate("document.activeElement.href"))
