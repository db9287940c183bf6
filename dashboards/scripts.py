"""Which scripts a page loads, and in what order: what few pages need weighs four times what all pages do.

Plotly's "cartesian" distribution (MIT, as published on npm) draws every chart of ours but the one that needs WebGL; it
is a third of the whole library, and has none of its code that is made by `Function`. The grid of trials needs a script
of its own. Pages that need more are entered by loading them whole.

Of the helpers for old browsers that Dash brings, today's ones need one, regenerator's runtime (MIT, as published on
npm): the rest, which takes as long to run as React, is left out. The pages' own script comes first and asks for the
layout, so that the server makes the page while the browser runs all others; plotly and the part of Dash that calls it
come before Dash is started, which would else look for them one after the other.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

from flask import Flask, Response, request
from plotly.offline import get_plotlyjs

from dashboards.site import Site

VENDORED = Path(__file__).parent / "vendored"
# Where Dash looks for the library where it is not there yet; we answer with the small one.
PLOTLY = "/_dash-component-suites/plotly/package_data/plotly.min.js"
WHOLE = "/_dash-component-suites/whole-plotly.min.js"
REGENERATOR = "/_dash-component-suites/regenerator-runtime.js"
CHARTS = "/_dash-component-suites/dash/dcc/async-graph.js"  # that Dash would fetch when a chart is there
GRID_PAGES = re.compile(r"/s/\d{1,12}/trials")
WEBGL_PAGES = re.compile(r"/s/\d{1,12}/points")
_GRID = "dash_ag_grid/"
_UNUSED = ("dash/dash_table/", "dash/deps/polyfill@")  # Dash's own
_OURS = "assets/site"
_TAG = r'<script src="[^"]*/({names})[^"]*"></script>\n?'
_FOREVER = "private, max-age=31536000, immutable"


def register(server: Flask) -> None:
    """Adds the routes of both distributions and of the helper; they stand before Dash's own."""

    @server.get(PLOTLY)
    def small() -> Response:
        return _script(PLOTLY)

    @server.get(WHOLE)
    def whole() -> Response:
        return _script(WHOLE)

    @server.get(REGENERATOR)
    def regenerator() -> Response:
        return _script(REGENERATOR)


def small_plotly() -> str:
    """Returns the small distribution's text."""
    return (VENDORED / "plotly-cartesian.min.js").read_text(encoding="utf-8")


def head_tags(site: Site, path: str, given: str) -> str:
    """Returns the tags for the head of a page: its own script, and a word that plotly will be needed."""
    plotly = _address(site, _plotly(path))
    own = "".join(found[0] for found in re.finditer(_TAG.format(names=_OURS), given))
    return f'{own}<link rel="preload" as="script" href="{plotly}">'


def tags(site: Site, path: str, given: str) -> str:
    """Returns the tags that a page needs of all that Dash would load, in an order that never waits for two in turn."""
    unused = [_OURS, *_UNUSED, *([] if GRID_PAGES.fullmatch(path) else [_GRID])]
    kept = re.sub(_TAG.format(names="|".join(unused)), "", given)
    return (
        _tag(_address(site, REGENERATOR))
        + kept
        + _tag(site.link(CHARTS))
        + _tag(_address(site, _plotly(path)))
    )


def _plotly(path: str) -> str:
    return WHOLE if WEBGL_PAGES.fullmatch(path) else PLOTLY


def _tag(address: str) -> str:
    return f'<script src="{address}"></script>'


def _address(site: Site, script: str) -> str:
    """Returns a script's address, which is another one when the script is: a browser keeps it for good."""
    return site.link(script, v=_version(script))


@cache
def _version(script: str) -> str:
    return hashlib.sha256(_text(script).encode()).hexdigest()[:16]


def _text(script: str) -> str:
    if script == WHOLE:
        return str(get_plotlyjs())
    return small_plotly() if script == PLOTLY else (VENDORED / "regenerator-runtime.js").read_text("utf-8")


def _script(script: str) -> Response:
    kept = {"Cache-Control": _FOREVER} if request.args.get("v") == _version(script) else None
    return Response(_text(script), headers=kept, content_type="application/javascript; charset=utf-8")
