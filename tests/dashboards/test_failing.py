"""A page whose callback fails: the log has the traceback, the viewer a sentence, for some seconds."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from werkzeug.test import Client

from dashboards.app import FAILED, TOLD_S, make_application
from dashboards.asking import ENDPOINT
from dashboards.reader import Reader
from dashboards.security import Policy
from dashboards.site import Site
from runs import Store
from tests.dashboards.conftest import TOKEN, WITH_TOKEN
from tests.dashboards.test_asking import GOOD


class Moment:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def named(*names: str) -> list[dict[str, str]]:
    return [dict(zip(("id", "property"), name.split("."), strict=True)) for name in names]


def ticked(client: Client, told: dict[str, Any] | None, banner: str) -> dict[str, Any]:
    """Returns what a second's tick changes, while `told` and `banner` stand on the page."""
    names = ("pulse.data", "live.children", "banner.children", "live.data-beat", "opening.data")
    values = ("/", None, "", banner, told)
    state = named("url.pathname", "pulse.data", "live.children", "banner.children", "told.data")
    body = {
        "output": f"..{'...'.join(names)}..",
        "outputs": named(*names),
        "inputs": [named("tick.n_intervals")[0] | {"value": 1}],
        "changedPropIds": ["tick.n_intervals"],
        "state": [one | {"value": value} for one, value in zip(state, values, strict=True)],
    }
    answer = client.post(ENDPOINT, json=body, headers=WITH_TOKEN)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json["response"]
    return found


def test_a_failure_is_logged_in_full_told_in_short_and_soon_forgotten(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    moment = Moment()
    client = Client(make_application(Site(Reader(store, now=moment, fresh_s=0.0)), Policy(TOKEN)))
    broken = [GOOD["inputs"][0] | {"value": 7}, GOOD["inputs"][1]]  # a path is a text
    with caplog.at_level(logging.ERROR):
        answer = client.post(ENDPOINT, json=GOOD | {"inputs": broken}, headers=WITH_TOKEN)
    [record] = caplog.records
    assert record.exc_info is not None and record.exc_info[0] is AttributeError
    assert answer.status_code == 200 and "AttributeError" not in answer.text
    shown = answer.json["sideUpdate"]
    assert shown["banner"]["children"] == FAILED
    told = shown["told"]["data"]
    assert "banner" not in ticked(client, told, FAILED)  # it stays for a while
    moment.now += TOLD_S
    assert ticked(client, told, FAILED)["banner"] == {"children": ""}


def test_what_the_ledger_refuses_is_told_as_it_is_and_not_logged(
    store: Store, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("download.data", '{"trial":["ALL"],"type":"export-said"}.children')
    clicked = {"id": {"type": "export", "study": 99, "number": 0, "format": "json"}, "property": "n_clicks"}
    body = {
        "output": f"..{'...'.join(names)}..",
        "outputs": [named("download.data")[0], []],
        "inputs": [[clicked | {"value": 1}]],
        "changedPropIds": ['{"format":"json","number":0,"study":99,"type":"export"}.n_clicks'],
        "state": [],
    }
    with caplog.at_level(logging.WARNING):
        answer = client.post(ENDPOINT, json=body, headers=WITH_TOKEN)
    assert "99" in answer.json["sideUpdate"]["banner"]["children"] and not caplog.records
