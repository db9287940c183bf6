"""Which scripts a page loads: what few pages need weighs four times what all pages do, so only those load it.

Plotly's "cartesian" distribution (MIT, as published on npm) draws every chart of ours but the one that needs WebGL; it
is a third of the whole library, and has none of its code that is made by `Function`. The grid of trials needs a script
of its own. Pages that need more are entered by loading them whole.
"""

from __future__ import annotations

import re
from pathlib import Path

from flask import Flask, Response
from plotly.offline import get_plotlyjs

from dashboards.site import Site

SMALL = Path(__file__).parent / "vendored" / "plotly-cartesian.min.js"
# Where Dash looks for the library where it is not there yet; we answer with the small one.
PLOTLY = "/_dash-component-suites/plotly/package_data/plotly.min.js"
WHOLE = "/_dash-component-suites/whole-plotly.min.js"
GRID_PAGES = re.compile(r"/s/\d{1,12}/trials")
WEBGL_PAGES = re.compile(r"/s/\d{1,12}/points")
_GRID, _UNUSED = "dash_ag_grid/", "dash/dash_table/"  # ours, and Dash's own
_TAG = r'<script src="[^"]*/({names})[^"]*"></script>\n?'


def register(server: Flask) -> None:
    """Adds the routes of both distributions; they stand before Dash's own."""

    @server.get(PLOTLY)
    def small() -> Response:
        return _script(small_plotly())

    @server.get(WHOLE)
    def whole() -> Response:
        return _script(get_plotlyjs())


def small_plotly() -> str:
    """Returns the small distribution's text."""
    return SMALL.read_text(encoding="utf-8")


def head_tag(site: Site, path: str) -> str:
    """Returns the tag that loads plotly, for the head of a page."""
    if WEBGL_PAGES.fullmatch(path):
        return f'<script src="{site.link(WHOLE)}"></script>'  # waited for, lest Dash fetch the small one
    return f'<script async src="{site.link(PLOTLY)}"></script>'  # while the others load and the server thinks


def tags(path: str, given: str) -> str:
    """Returns the tags that a page needs of all that Dash would load."""
    unused = [_UNUSED, *([] if GRID_PAGES.fullmatch(path) else [_GRID])]
    return re.sub(_TAG.format(names="|".join(unused)), "", given)


def _script(text: str) -> Response:
    return Response(text, content_type="application/javascript; charset=utf-8")
