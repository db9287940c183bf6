"""Who works on a study: drivers and their leases, what they hold, when it was tried, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from dashboards.drawing import components as parts
from dashboards.drawing.components import Node
from dashboards.drawing.timeline import timeline
from dashboards.info import timeline as info
from dashboards.info.failures import outcome_words
from dashboards.info.grid import state_words
from dashboards.info.table import Table
from dashboards.info.words import ago, clock, duration, visible
from dashboards.pages.search_panels import recent_bars
from dashboards.site import Site


def layout(site: Site, study_id: int) -> Component:
    """Returns the page of one study's workers."""
    table = site.reader.table(study_id)
    csv = site.link(f"/_nas/csv/{study_id}/timeline")
    note = f"The latest {info.MAX_ATTEMPTS} trials that were worked on; a lane is one thing that a host did at a time."
    drawn = timeline(recent_bars(site.reader, study_id, table))
    return html.Div(
        [
            html.Div(_content(site, study_id, table), id="workers-content"),
            parts.chart("workers-timeline", "Timeline", drawn, csv=csv, note=note, height=380, wide=True),
            html.Div(_failures(site, study_id, table), id="workers-failures"),
            dcc.Store(id="workers-study", data=study_id),
        ],
        className="page",
    )


def register(app: Dash, site: Site) -> None:
    """Adds what keeps the page as the ledger is."""

    @app.callback(
        Output("workers-content", "children"),
        Output("workers-timeline", "figure"),
        Output("workers-failures", "children"),
        Input("pulse", "data"),
        State("workers-study", "data"),
        prevent_initial_call=True,
    )
    def refresh(pulse: Mapping[str, Any] | None, study_id: int | None) -> tuple[Any, ...]:
        if not pulse or study_id is None or pulse.get("study") != study_id:
            raise PreventUpdate
        table = site.reader.table(study_id)
        drawn = timeline(recent_bars(site.reader, study_id, table))
        return _content(site, study_id, table), drawn, _failures(site, study_id, table)


def _content(site: Site, study_id: int, table: Table) -> list[Node]:
    now = site.reader.now()
    unfinished = site.reader.browse.page(study_id, info.unfinished(table))
    held = info.holdings(unfinished, site.reader.browse.attempts([one.id for one in unfinished]), now=now)
    return [
        parts.card("Drivers", _drivers(site, study_id, now)),
        parts.card("At work and waiting", _holdings(site, study_id, held, now)),
    ]


def _drivers(site: Site, study_id: int, now: float) -> Component:
    found = info.drivers(site.reader.browse.runs(study_id), now=now)
    if not found:
        return html.P("No driver has run this study.", className="muted")
    rows: list[list[Node]] = [
        [
            one.stage,
            parts.pill("failed" if one.silent_s is not None else one.status),
            visible(one.host, 80),
            one.pid,
            clock(one.started),
            duration((one.ended or now) - one.started),
            f"silent for {duration(one.silent_s)}" if one.silent_s is not None else "–",
        ]
        for one in found[:50]
    ]
    header = ("Stage", "Status", "Host", "Process", "Began", "For", "Sign of life")
    return parts.table(header, rows, caption="Drivers", numeric=(3,))


def _holdings(site: Site, study_id: int, held: list[info.Holding], now: float) -> Component:
    if not held:
        return html.P("Nothing is being trained, and nothing waits.", className="muted")
    rows: list[list[Node]] = [
        [
            dcc.Link(f"trial {one.number}", href=site.link(f"/s/{study_id}/trials/{one.number}")),
            parts.pill(state_words(one.state)),
            visible(one.holder, 80),
            one.fence,
            ago(one.since, now),
            _lease(one.lease_left_s),
        ]
        for one in held[:100]
    ]
    header = ("Trial", "State", "Held by", "Attempt", "Began", "Lease")
    return parts.table(header, rows, caption="Trials at work and waiting", numeric=(3,))


def _lease(left_s: float | None) -> str:
    if left_s is None:
        return "–"
    return (
        f"{duration(left_s)} left"
        if left_s >= 0
        else f"overdue by {duration(-left_s)}: free to be taken over"
    )


def _failures(site: Site, study_id: int, table: Table) -> Component:
    counts = info.failures_by_class(table)
    numbers = info.failed(table)
    if not numbers:
        return parts.card("Failures", html.P("Nothing has failed.", className="muted"))
    ids = table["id"][numbers].tolist()
    by_id = dict(zip(ids, numbers, strict=True))
    failed = [one for one in site.reader.browse.attempts(ids) if one.failure_class is not None]
    rows: list[list[Node]] = [
        [
            dcc.Link(
                f"trial {by_id[one.trial_id]}", href=site.link(f"/s/{study_id}/trials/{by_id[one.trial_id]}")
            ),
            one.fence,
            outcome_words(str(one.failure_class)),
            visible(one.host, 80),
            clock(one.ended),
            _what(one.message, one.traceback),
        ]
        for one in reversed(failed[-100:])
    ]
    header = ("Trial", "Attempt", "Why", "Host", "Ended", "What happened")
    summary = (
        ", ".join(f"{outcome_words(name)} {count:,}" for name, count in counts.most_common())
        or "none was final"
    )
    return parts.card(
        "Failures",
        parts.table(header, rows, caption="Failed attempts", numeric=(1,)),
        note=f"Trials by cause: {summary}.",
    )


def _what(message: str, traceback: str) -> Node:
    if not traceback:
        return visible(message, 300)
    return html.Details(
        [html.Summary(visible(message, 200) or "traceback"), parts.error_text(traceback, "Traceback")]
    )
