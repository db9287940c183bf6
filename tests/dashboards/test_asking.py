"""Requests to the callback endpoint that no page of ours sends are bad requests, and nothing is logged about them."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from werkzeug.test import Client

from dashboards.asking import ENDPOINT, is_asked_well
from tests.dashboards.conftest import WITH_TOKEN

PATHNAME = {"id": "url", "property": "pathname", "value": "/"}
OPENING = {"id": "opening", "property": "data", "value": None}
SHOWN = {"id": "shown", "property": "data", "value": None}
GOOD: dict[str, Any] = {
    "output": "..main.children...navigation.children...title.data...shown.data..",
    "outputs": [
        {"id": "main", "property": "children"},
        {"id": "navigation", "property": "children"},
        {"id": "title", "property": "data"},
        {"id": "shown", "property": "data"},
    ],
    "inputs": [PATHNAME, OPENING],
    "changedPropIds": ["url.pathname"],
    "state": [SHOWN],
}


CALLBACKS = {GOOD["output"]: {"inputs": [PATHNAME, OPENING], "state": [SHOWN]}}


@pytest.mark.parametrize(
    "body",
    [
        [],
        None,
        "text",
        GOOD | {"output": "nothing.children"},
        GOOD | {"output": ["main.children"]},
        GOOD | {"inputs": [PATHNAME]},
        GOOD | {"inputs": [PATHNAME, 7]},
        GOOD | {"inputs": [PATHNAME, {"id": 7, "property": "data"}]},
        GOOD | {"state": []},
        GOOD | {"outputs": 3},
        GOOD | {"changedPropIds": [{}]},
    ],
)
def test_another_shape_than_the_callbacks_is_noticed(body: object) -> None:
    assert is_asked_well(GOOD, CALLBACKS) and not is_asked_well(body, CALLBACKS)


def test_a_page_is_answered_and_anything_else_is_a_bad_request(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.post(ENDPOINT, json=GOOD, headers=WITH_TOKEN)
    assert answer.status_code == 200 and "Studies" in answer.text
    headers = WITH_TOKEN | {"Content-Type": "application/json"}
    with caplog.at_level(logging.WARNING):
        for content in (b"{}", b"{", b"", b"[]"):
            answer = client.post(ENDPOINT, data=content, headers=headers)
            assert answer.status_code == 400 and "Traceback" not in answer.text
    assert not caplog.records
