"""The application: its pages, its callbacks, its files, and its prefix."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import zipfile
from typing import Any

import optuna
import pytest
from dash import dcc, html
from dash.development.base_component import Component
from optuna.distributions import FloatDistribution
from plotly.offline import get_plotlyjs_version
from werkzeug.test import Client

from dashboards.app import beat, make_application, too_heavy
from dashboards.pages import encoding, router, studies, trials
from dashboards.pages.data import TABLES
from dashboards.reader import Reader
from dashboards.report import report
from dashboards.security import Policy
from dashboards.server import Address, BadAddress
from dashboards.site import Site
from nas.cli.dashboard import timm_text
from runs import PARENTS, Store
from search_space import reference
from tests.dashboards.conftest import TOKEN, WITH_TOKEN
from tests.fakes.ledgers import architecture

PAGES = (
    "/",
    "/s/1",
    "/s/1/trials",
    "/s/1/trials/1",
    "/s/1/trials/3",
    "/s/1/trials/5",
    "/s/1/scaling",
    "/s/1/family",
)
HOSTILE = "<script>alert(1)</script>.html"


def text_of(component: Any) -> str:
    return json.dumps(component.to_plotly_json(), default=lambda one: one.to_plotly_json())


def components(tree: Any) -> list[Any]:
    """Returns all components of a page."""
    found = [tree] if isinstance(tree, Component) else []
    children = getattr(tree, "children", tree if isinstance(tree, list | tuple) else None)
    for child in (
        children if isinstance(children, list | tuple) else [children] if children is not None else []
    ):
        found += components(child)
    return found


@pytest.mark.parametrize("path", [*PAGES, "/s/1/workers", f"/a/{architecture(11).digest}"])
def test_every_page_is_made_of_what_is_stored(site: Site, path: str) -> None:
    page, _, title = router.content(site, path)
    assert text_of(page) and title


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/nowhere", "There is no such page"),
        ("/s/99", "This study is not here"),
        ("/s/1/trials/99", "This trial is not here"),
        (f"/a/{'0' * 64}", "This architecture is not here"),
        ("/compare/000000/111111", "Nothing to compare with"),
        ("/s/1/../../etc/passwd", "There is no such page"),
    ],
)
def test_what_is_not_there_is_said_in_words(site: Site, path: str, sentence: str) -> None:
    assert sentence in text_of(router.content(site, path)[0])


def test_two_networks_are_compared_by_digest_its_beginning_or_name(site: Site) -> None:
    page, _, _ = router.content(site, f"/compare/{architecture(11).digest[:10]}/mobilenet_v2_0_35_224")
    assert "what differs is marked" in text_of(page)


@pytest.mark.parametrize(
    ("numbers", "hint"),
    [
        ([], "Tick two rows"),
        ([0], "Tick one more row"),
        ([0, 1, 2], "3 picked: two are compared"),
        ([1, 5], "Trials 1 and 5 are of one network"),
        ([0, 6], "Trial 6 has no network"),
        ([0, 99], "Trial 99 has no network"),
    ],
)
def test_only_two_different_networks_are_compared(site: Site, numbers: list[int], hint: str) -> None:
    pair, said = trials.compared(site, 1, numbers)
    assert pair is None and hint in said


def test_two_picked_trials_are_compared_by_their_networks(site: Site) -> None:
    pair, _ = trials.compared(site, 1, [1, 0])
    assert pair == (architecture(11).digest, architecture(10).digest)


def test_a_trial_links_to_those_that_it_was_bred_from(site: Site, store: Store) -> None:
    [claim] = store.begin(1)
    store.optuna.set_trial_system_attr(claim.trial_id, PARENTS, [0, 1])
    store.optuna.flush()
    page, _, _ = router.content(site, f"/s/1/trials/{claim.number}")
    bred = {one.href: one.children for one in components(page) if isinstance(one, dcc.Link)}
    assert {"/s/1/trials/0": "trial 0", "/s/1/trials/1": "trial 1"}.items() <= bred.items()


@pytest.mark.parametrize("path", ["/s/1/workers", "/s/1/trials/{}"])
def test_a_page_names_the_process_that_holds_a_trial(site: Site, store: Store, path: str) -> None:
    [claim] = store.begin(1)
    shown = text_of(router.content(site, path.format(claim.number))[0])
    assert f"{socket.gethostname()}, process {os.getpid()}" in shown
    assert claim.attempt not in shown and store.tenant.owner.token not in shown


def test_an_empty_storage_says_how_to_begin(tmp_path: Any) -> None:
    from runs import open_store

    with open_store(f"sqlite:///{tmp_path / 'empty.db'}") as store:
        assert "nas search" in text_of(router.content(Site(Reader(store)), "/")[0])


def test_a_study_of_two_objectives_that_optuna_made_has_no_winner(site: Site, store: Store) -> None:
    pairs = ((0.5, 1.0), (0.4, 2.0), (0.9, 1.5))
    study = optuna.create_study(study_name="two", storage=store.optuna, directions=["maximize", "minimize"])
    for first, second in pairs:
        trial = study.ask({"x": FloatDistribution(0.0, 1.0)})
        study.tell(trial, (first, second))
    id = store.study("two").id
    for path in ("", "/trials", "/trials/0", "/points", "/scaling", "/family", "/workers"):
        assert router.content(site, f"/s/{id}{path}")[2].endswith("two · nas")
    for rows in TABLES.values():
        rows(site.reader, id)
    shown = text_of(router.content(site, f"/s/{id}")[0])
    assert "2 trials that no other beats in both" in shown and "Winner" not in shown
    assert "2 that no other beats" in text_of(router.content(site, "/")[0])
    assert "two" in report(site, id)


def test_the_beat_changes_with_the_ledger_and_only_then(site: Site, store: Store) -> None:
    store.release(store.begin(1))
    first, _, _ = beat(site, "/s/1", None)
    again, _, _ = beat(site, "/s/1", first)
    assert again == first
    store.release(store.begin(1))
    assert beat(site, "/s/1", first)[0]["revision"] > first["revision"]


def test_a_deleted_study_is_told(site: Site, store: Store) -> None:
    store.delete_study(1)
    assert "deleted" in beat(site, "/s/1", None)[2]


def test_nothing_is_served_without_the_token(client: Client) -> None:
    for path in ("/", "/_dash-layout", "/assets/site.css", "/_nas/csv/1/front", "/_nas/artifact/x"):
        assert client.get(path, headers={"Host": "localhost"}).status_code == 401


def test_the_page_runs_no_script_but_its_own(client: Client) -> None:
    answer = client.get("/", headers=WITH_TOKEN)
    assert answer.status_code == 200 and '<html lang="en">' in answer.text
    assert "http://" not in answer.text.replace("http://127.0.0.1", "")
    assert "'unsafe-inline'" not in answer.headers["Content-Security-Policy"].partition("style-src")[0]


@pytest.mark.parametrize("name", sorted(TABLES))
def test_the_data_of_every_chart_can_be_had(client: Client, name: str) -> None:
    answer = client.get(f"/_nas/csv/1/{name}", headers=WITH_TOKEN)
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/csv")
    assert "attachment" in answer.headers["Content-Disposition"]


@pytest.mark.parametrize("path", [*PAGES, "/s/1/points", "/s/1/workers"])
def test_every_chart_has_buttons_for_its_picture_and_its_data(site: Site, client: Client, path: str) -> None:
    page = components(router.content(site, path)[0])
    charts = [one for one in page if isinstance(one, dcc.Graph)]
    sheets = [one.href for one in page if isinstance(one, html.A) and "/_nas/csv/" in one.href]
    saves = [one for one in page if isinstance(one, html.Button) and getattr(one, "data-save", None)]
    assert len(saves) == 2 * len(charts) <= 2 * len(sheets)
    for address in sheets:
        answer = client.get(address, headers=WITH_TOKEN)
        assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/csv")


def test_only_pages_that_need_them_load_the_grid_and_webgl(client: Client) -> None:
    found = {path: client.get(path, headers=WITH_TOKEN) for path in ("/s/1", "/s/1/trials", "/s/1/points")}
    grids = [path for path, one in found.items() if "/dash_ag_grid/" in one.text]
    assert grids == ["/s/1/trials"]
    assert [path for path, one in found.items() if "whole-plotly" in one.text] == ["/s/1/points"]
    eval_is_allowed = ["'unsafe-eval'" in one.headers["Content-Security-Policy"] for one in found.values()]
    assert eval_is_allowed == [False, False, True]


def test_the_first_page_comes_with_the_layout(client: Client) -> None:
    shell = client.get("/_dash-layout", headers=WITH_TOKEN).text
    page = client.get("/_dash-layout?page=/s/1", headers=WITH_TOKEN).text
    assert "Loading …" in json.loads(shell).__repr__() and "search-tiles" not in shell
    assert "search-tiles" in page and "Parts of the study" in page
    missing = client.get("/_dash-layout?page=/nowhere%E2%80%AE", headers=WITH_TOKEN)
    assert missing.status_code == 200 and "There is no such page" in missing.text
    assert "\u202e" not in str(missing.json)


def test_a_page_that_fails_leaves_its_layout_to_be_asked_for_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(site: Site, path: str) -> Any:
        raise RuntimeError(path)

    monkeypatch.setattr(router, "content", fail)
    answer = client.get("/_dash-layout?page=/s/1", headers=WITH_TOKEN)
    [shown] = re.findall(r'[{][^{]*"id": "shown"[^}]*[}]', json.dumps(answer.json))
    assert answer.status_code == 200 and json.loads(shown).get("data") is None


def test_scripts_come_in_an_order_in_which_none_waits_for_an_answer(client: Client) -> None:
    text = client.get("/s/1", headers=WITH_TOKEN).text
    names = ("/assets/site.js", "regenerator-runtime", "dash_renderer", "async-graph", "plotly.min.js?v=")
    loaded = re.findall(r'<script src="([^"]*)"', text)
    found = [next(place for place, one in enumerate(loaded) if name in one) for name in names]
    assert found == sorted(found) and found[0] == 0 and "polyfill@" not in text
    assert text.index("new DashRenderer") > text.rindex("<script src=")


@pytest.mark.parametrize("name", ["plotly/package_data/plotly.min.js", "regenerator-runtime.js"])
def test_a_script_is_kept_for_good_under_the_address_of_its_text_alone(client: Client, name: str) -> None:
    text = client.get("/s/1", headers=WITH_TOKEN).text
    [address] = set(re.findall(rf'="(/[^"]*{re.escape(name)}[?]v=[^"]*)"', text))
    kept = client.get(address, headers=WITH_TOKEN).headers["Cache-Control"]
    other = client.get(address + "0", headers=WITH_TOKEN).headers["Cache-Control"]
    assert "immutable" in kept and "immutable" not in other


def test_the_small_library_is_of_the_version_that_makes_the_figures(client: Client) -> None:
    text = client.get("/_dash-component-suites/plotly/package_data/plotly.min.js", headers=WITH_TOKEN).text
    assert f"plotly.js (cartesian - minified) v{get_plotlyjs_version()}" in text[:200]


def test_a_network_that_timm_cannot_build_says_why(store: Store) -> None:
    def refuse(document: str) -> str:
        raise ValueError("too wide")

    site = Site(Reader(store), timm_text=refuse)
    assert encoding.text(site, "timm", "{}") == "timm cannot build this network: too wide"


def test_timms_words_for_a_network_of_its_own() -> None:
    words = json.loads(timm_text(reference("mnasnet_a1_1_0").to_json()))
    assert words["class"] == "EfficientNet" and words["arch_def"]


def test_unknown_data_and_studies_are_not_found(client: Client) -> None:
    assert client.get("/_nas/csv/1/secrets", headers=WITH_TOKEN).status_code == 404
    assert client.get("/_nas/csv/99/front", headers=WITH_TOKEN).status_code == 404


def test_an_artifact_leaves_only_as_a_sandboxed_attachment(client: Client, store: Store) -> None:
    sha256 = store.artifacts.put_bytes(b"<script>alert(1)</script>", kind="export")
    trial = store.trials(1)[0]
    record = store.add_artifact(
        sha256, kind="export", num_bytes=25, trial_id=trial.id, details={"file_name": HOSTILE}
    )
    answer = client.get(f"/_nas/artifact/{record.id}", headers=WITH_TOKEN)
    assert answer.data == b"<script>alert(1)</script>"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="script_alert_1_script_.html"'


@pytest.mark.parametrize(
    "path", ["/_nas/artifact/..%2f..%2fetc%2fpasswd", "/_nas/artifact/x", "/_nas/weights/1/0"]
)
def test_no_path_leads_out_of_the_artifact_store(client: Client, path: str) -> None:
    assert client.get(path, headers=WITH_TOKEN).status_code == 404


def test_a_network_is_drawn_for_a_page_that_may_run_nothing(client: Client) -> None:
    answer = client.get(f"/_nas/drawing/{architecture(11).digest}/1.svg", headers=WITH_TOKEN)
    assert answer.status_code == 200 and answer.text.startswith("<svg")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    assert client.get("/_nas/drawing/resnet18/9.svg", headers=WITH_TOKEN).status_code == 404


def test_answers_are_compressed_for_those_who_can_read_it(client: Client) -> None:
    answer = client.get("/assets/site.css", headers=WITH_TOKEN | {"Accept-Encoding": "gzip"}, buffered=True)
    assert answer.headers["Content-Encoding"] == "gzip"
    plain = client.get("/assets/site.css", headers=WITH_TOKEN, buffered=True)
    assert len(answer.data) < len(plain.data) / 2


def test_behind_a_prefix_all_addresses_have_it_and_both_ways_of_asking_work(store: Store) -> None:
    site = Site(Reader(store), prefix="/nas/")
    client = Client(make_application(site, Policy(TOKEN, prefix="/nas/")))
    for path in ("/nas/", "/"):  # a proxy may take the prefix off, or leave it
        answer = client.get(path, headers=WITH_TOKEN)
        assert answer.status_code == 200 and 'src="/nas/_dash-component-suites' in answer.text
    assert site.path("/nas/s/1/") == "/s/1" and site.link("/s/1") == "/nas/s/1"


def test_optuna_dashboard_is_light_enough_for_a_small_study(site: Site) -> None:
    assert too_heavy(site) is None


def test_a_report_is_one_file_that_asks_for_nothing(site: Site) -> None:
    text = report(site, 1)
    assert "Accuracy against cost" in text and "<script src" not in text and "<link" not in text


@pytest.mark.parametrize(
    "address",
    [
        Address(host="0.0.0.0"),
        Address(host="0.0.0.0", token="t" * 43),
        Address(host="0.0.0.0", allowed_hosts=("nas.example",)),
        Address(token="short"),
    ],
)
def test_others_are_served_only_with_a_token_and_names_of_ones_own(address: Address) -> None:
    with pytest.raises(BadAddress, match="got"):
        address.check()


def test_the_same_export_as_the_command_lines_verifies_after_it_was_unpacked(
    tmp_path: Any, store: Store
) -> None:
    from nas.cli.dashboard import exports
    from nas.cli.printing import Printer
    from nas.cli.session import Session
    from nas.exporting.verifying import verify

    session = Session(Printer(quiet=True), flags={"storage": store.database.url.render_as_string()})
    made = exports(session)[1]("s", 1, "json")
    with zipfile.ZipFile(io.BytesIO(made.content)) as archive:
        archive.extractall(tmp_path)
    [folder] = [path.parent for path in tmp_path.rglob("MANIFEST.json")]
    verify(folder)


def test_an_export_lights_its_stage_and_lies_with_its_trial(tmp_path: Any, store: Store, site: Site) -> None:
    from nas.exporting.packaging import Wanted, export
    from nas.exporting.subjects import subject_of_trial

    assert "export: not begun" in text_of(studies.content(site))
    url = store.database.url.render_as_string()
    export(subject_of_trial("s", 1, storage=url), Wanted(("json",)), tmp_path / "out")
    assert "export: done" in text_of(studies.content(site))
    [trial] = [one for one in store.trials(store.study("s").id) if one.number == 1]
    [manifest] = site.reader.browse.artifacts(trial.id)
    assert manifest.details["file_name"] == "s_1.MANIFEST.json"
