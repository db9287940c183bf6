"""Every measured trial of a study in one chart, drawn by WebGL: what the search page shows a sample of."""

from __future__ import annotations

from dash import dcc, html
from dash.development.base_component import Component

from dashboards.drawing import components as parts
from dashboards.drawing import search as drawing
from dashboards.info.front import scatter
from dashboards.info.rewards import weighing
from dashboards.info.words import TITLES
from dashboards.site import Site


def layout(site: Site, study_id: int) -> Component:
    """Returns the page; the chart is of the moment at which it was opened."""
    head, reading = site.reader.head(study_id), site.reader.read(study_id)
    how = weighing(head.settings)
    costs = reading.table.costs() or ("macs",)
    cost = how.cost if how is not None and how.cost in costs else costs[0]
    shown = scatter(reading.table, cost, limit=len(reading.table))
    note = f"{shown.num_all:,} measured trials against {TITLES[cost]}, as of when this page was opened."
    if not reading.is_whole:
        note += f" {head.num_trials - len(reading.table):,} trials are still being read: reload for all."
    return html.Div(
        [
            parts.chart(
                "points",
                "Every measured trial",
                drawing.every_point(reading.table, shown, how, cost),
                csv=site.link(f"/_nas/csv/{study_id}/front"),
                note=note,
                height=620,
            ),
            dcc.Link("Back to the search", href=site.link(f"/s/{study_id}")),
        ],
        className="page",
    )
