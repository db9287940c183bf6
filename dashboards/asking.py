"""What a request to Dash's callback endpoint must be: one of our callbacks, with as many values as it takes.

Dash trusts its own browser code and fails on anything else; whoever writes such a request by hand is told that it is
a bad one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import Dash
from flask import Flask, Response, request

ENDPOINT = "/_dash-update-component"


def register(server: Flask, app: Dash) -> None:
    """Adds the check; it stands before Dash's own handling."""

    @server.before_request
    def check() -> Response | None:
        if request.path != ENDPOINT or request.method != "POST":
            return None
        body = request.get_json(silent=True)
        if is_asked_well(body, app.callback_map):
            return None
        sentence = "A callback must be asked as the dashboard's pages ask it; reload the page."
        return Response(sentence, status=400, content_type="text/plain; charset=utf-8")


def is_asked_well(body: object, callbacks: Mapping[str, Mapping[str, Any]]) -> bool:
    """Returns whether a request's body has the shape of its callback.

    Args:
        body: as JSON gave it.
        callbacks: Dash's, by their outputs.
    """
    if not isinstance(body, dict) or not isinstance(body.get("output"), str):
        return False
    callback = callbacks.get(body["output"])
    if callback is None:
        return False
    outputs, changed = body.get("outputs"), body.get("changedPropIds", [])
    return (
        _are_properties(body.get("inputs"), len(callback["inputs"]))
        and _are_properties(body.get("state", []), len(callback["state"]))
        and (_is_property(outputs) or _are_properties(outputs))
        and isinstance(changed, list)
        and all(isinstance(name, str) for name in changed)
    )


def _are_properties(values: object, count: int | None = None) -> bool:
    """Returns whether there are so many properties; one that a pattern stands for is a list of them."""
    if not isinstance(values, list) or (count is not None and len(values) != count):
        return False
    return all(
        _is_property(one) or (isinstance(one, list) and all(_is_property(part) for part in one))
        for one in values
    )


def _is_property(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("id"), str | dict)
        and isinstance(value.get("property"), str)
    )
