"""Every measured trial of a study in one chart, drawn by WebGL: what the search page shows a sample of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from dash import Dash, Input, Output, Patch, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from dashboards.drawing import components as parts
from dashboards.drawing import search as drawing
from dashboards.info.front import scatter
from dashboards.info.rewards import weighing
from dashboards.info.table import Array, Table
from dashboards.info.words import TITLES
from dashboards.reader import Reading
from dashboards.site import Site

LATE, FRONT = (drawing.CLOUD_TRACES.index(name) for name in ("late", "front"))


def layout(site: Site, study_id: int) -> Component:
    """Returns the page."""
    head, reading = site.reader.head(study_id), site.reader.read(study_id)
    how = weighing(head.settings)
    costs = reading.table.costs() or ("macs",)
    cost = how.cost if how is not None and how.cost in costs else costs[0]
    shown = scatter(reading.table, cost, limit=len(reading.table))
    cursor = {"study": study_id, "revision": reading.table.revision, "cost": cost, "drawn": shown.num_all}
    return html.Div(
        [
            parts.chart(
                "points",
                "Every measured trial",
                drawing.every_point(reading.table, shown, how, cost),
                csv=site.link(f"/_nas/csv/{study_id}/front"),
                height=620,
            ),
            html.P(_note(reading, head.num_trials, cost), id="points-note", className="muted"),
            dcc.Link("Back to the search", href=site.link(f"/s/{study_id}")),
            dcc.Store(id="points-cursor", data=cursor),
        ],
        className="page",
    )


def register(app: Dash, site: Site) -> None:
    """Adds what puts the trials that end into the open chart."""

    @app.callback(
        Output("points", "figure"),
        Output("points-note", "children"),
        Output("points-cursor", "data"),
        Input("pulse", "data"),
        State("points-cursor", "data"),
        prevent_initial_call=True,
    )
    def refresh(pulse: Mapping[str, Any] | None, cursor: Mapping[str, Any] | None) -> tuple[Any, ...]:
        if not pulse or not cursor or pulse.get("study") != cursor["study"]:
            raise PreventUpdate
        head, reading = site.reader.head(cursor["study"]), site.reader.read(cursor["study"])
        table, cost = reading.table, str(cursor["cost"])
        if table.revision <= cursor["revision"]:
            raise PreventUpdate
        note = _note(reading, head.num_trials, cost)
        if not cursor["drawn"]:  # there was no chart yet
            shown = scatter(table, cost, limit=len(table))
            whole = drawing.every_point(table, shown, weighing(head.settings), cost)
            return whole, note, dict(cursor) | {"revision": table.revision, "drawn": shown.num_all}
        new = _ended_since(table, int(cursor["revision"]), cost)
        moved = dict(cursor) | {"revision": table.revision, "drawn": cursor["drawn"] + len(new)}
        return _patch(table, new, cost), note, moved


def _ended_since(table: Table, revision: int, cost: str) -> Array:
    """Returns the numbers of the trials that have got an accuracy since a revision."""
    changed = table.changed_after(revision)
    return np.asarray(changed[(table.complete & np.isfinite(table["accuracy"]) & (table[cost] > 0))[changed]])


def _patch(table: Table, new: Array, cost: str) -> Patch:
    patch = Patch()
    for key, values in drawing.points(table, new, cost).items():
        patch["data"][LATE][key].extend(values)
    patch["data"][LATE]["marker"]["color"].extend(new.tolist())
    for key, values in drawing.points(table, scatter(table, cost).on_front, cost).items():
        patch["data"][FRONT][key] = values
    return patch


def _note(reading: Reading, num_trials: int, cost: str) -> str:
    count = scatter(reading.table, cost).num_all
    note = f"{count:,} measured trials against {TITLES[cost]}."
    if reading.is_whole:
        return note
    return f"{note} {num_trials - len(reading.table):,} trials are still being read: reload for all."
