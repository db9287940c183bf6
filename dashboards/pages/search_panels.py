"""The smaller parts of the search page: tiles, best so far, curves, choices, compute, throughput and the timeline."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from dashboards.drawing import search as drawing
from dashboards.drawing.components import Node, bar, chart, choice, figure_tile, pill
from dashboards.drawing.timeline import timeline
from dashboards.info import curves as curve_info
from dashboards.info import timeline as timeline_info
from dashboards.info.front import has_front, unbeaten
from dashboards.info.importances import MAX_TRIALS, Importance, importances
from dashboards.info.progress import climb, spending, throughput, uses
from dashboards.info.rewards import rewards, scorable, weighing, winners
from dashboards.info.table import Table, once
from dashboards.info.words import ago, duration, quantity, share, short_cost
from dashboards.reader import Reader, Reading
from dashboards.site import Site
from runs import TrialState
from runs.browsing import Head

METRICS = ("accuracy", "intermediate", "loss")  # the first that a study has is drawn


def tiles(site: Site, head: Head, reading: Reading) -> list[Node]:
    """Returns the numbers at the top of the page."""
    table, how, now = reading.table, weighing(head.settings), site.reader.now()
    sessions = site.reader.browse.runs(head.id)
    open_trials = table.are(TrialState.QUEUED, TrialState.LEASED, TrialState.RUNNING)
    found = winners(table, how, 1, minimized=_minimized(head))
    made: list[Node] = [_best_tile(site, head, table, found)]
    detail = [
        html.Span([pill(word), f" {count:,} "], className="count")
        for word, count in _counts(table).items()
        if count
    ]
    made.append(figure_tile(f"{head.num_trials:,}", "Trials", detail))
    for use in uses(head, sessions, now=now, num_unfinished=int(open_trials.sum())):
        limit = f"of {use.limit:,.15g} {use.unit}" if use.limit else "no limit set"
        value = f"{use.used:,.0f}" if use.name == "trials" else duration(use.used * 3600)
        made.append(figure_tile(value, f"Budget: {use.name}", bar(use.share, limit)))
    note = "" if reading.is_whole else f"reading {len(table):,} of {head.num_trials:,} trials …"
    made.append(figure_tile(ago(head.last_change, now), "Last change", note))
    return made


def _best_tile(site: Site, head: Head, table: Table, found: list[int]) -> Component:
    how = weighing(head.settings)
    if not found:
        return figure_tile("–", "Best so far", "no trial has a result yet")
    number = found[0]
    if how is None and has_front(how, head.directions):
        return figure_tile(
            f"{len(unbeaten(table, how, head.directions)):,}", "Trials that no other beats in both"
        )
    value = float(rewards(table, how)[number])
    link = html.A(f"trial {number}", href=site.link(f"/s/{head.id}/trials/{number}"))
    if how is None:
        return figure_tile(f"{value:.5g}", "Best value so far", link)
    cost = quantity(float(table[how.cost][number]))
    name = "Best accuracy so far" if how.kind == "pareto" else "Best reward so far"
    return figure_tile(
        share(value),
        name,
        [link, f" · accuracy {share(float(table['accuracy'][number]))} · {cost} {short_cost(how.cost)}"],
    )


@once
def _counts(table: Table) -> dict[str, int]:
    """Returns how many trials there are of each kind."""
    parts = {
        "complete": table.complete,
        "pruned": table.are(TrialState.PRUNED),
        "failed": table.are(TrialState.FAILED, TrialState.CANCELLED),
        "infeasible": table.are(TrialState.INFEASIBLE),
        "running": table.are(TrialState.RUNNING, TrialState.LEASED),
        "waiting": table.are(TrialState.QUEUED),
    }
    return {word: int(flags.sum()) for word, flags in parts.items()}


def cards(site: Site, head: Head, reading: Reading) -> Component:
    """Returns the charts below the Pareto figure."""
    drawn = shared_figures(site.reader, head, reading.table, by_time=False)

    def csv(name: str) -> str:
        return site.link(f"/_nas/csv/{head.id}/{name}")

    axis = choice("climb-axis", "Along", {"trials": "trials", "time": "time"}, "trials")
    return html.Div(
        [
            chart("climb", "Best so far", drawn["climb"], csv=csv("best"), controls=axis),
            chart(
                "importances",
                "Which choices matter",
                drawn["importances"],
                csv=csv("importances"),
                note=_importance_note(site.reader, head, reading.table),
            ),
            chart(
                "curves",
                "Learning curves",
                drawn["curves"],
                csv=csv("curves"),
                note="The running, the best ten and the latest trials; pruned ones are faded.",
            ),
            chart(
                "spending",
                "Where the compute went",
                drawn["spending"],
                csv=csv("compute"),
                note="Refused trials cost nothing; what reuse saved stands left of zero.",
            ),
            chart("throughput", "Throughput", drawn["throughput"], csv=csv("throughput")),
            chart(
                "timeline",
                "Worker timeline",
                drawn["timeline"],
                csv=csv("timeline"),
                note=f"The latest {timeline_info.MAX_ATTEMPTS} trials that were worked on.",
            ),
        ],
        className="grid",
    )


def _importance_note(reader: Reader, head: Head, table: Table) -> str:
    _, count = chosen_importances(reader, head, table)
    return f"One-way analysis of variance (epsilon squared) over {count:,} trials; interactions are not seen."


def register(app: Dash, site: Site) -> None:
    """Adds what keeps the charts as the ledger is."""

    @app.callback(
        Output("search-panels", "children"),
        Input("search-study", "data"),  # as soon as the first chart is there
    )
    def unfold(study_id: int) -> Component:
        return cards(site, site.reader.head(study_id), site.reader.read(study_id))

    @app.callback(
        Output("search-tiles", "children"),
        Input("pulse", "data"),
        State("search-cursor", "data"),
        prevent_initial_call=True,
    )
    def count(pulse: Mapping[str, Any] | None, cursor: Mapping[str, Any] | None) -> list[Node]:
        if not pulse or not cursor or pulse.get("study") != cursor["study"]:
            raise PreventUpdate
        return tiles(site, site.reader.head(cursor["study"]), site.reader.read(cursor["study"]))

    @app.callback(
        Output("climb", "figure"),
        Output("importances", "figure"),
        Output("curves", "figure"),
        Output("spending", "figure"),
        Output("throughput", "figure"),
        Output("timeline", "figure"),
        Input("pulse", "data"),
        Input("climb-axis", "value"),
        State("search-cursor", "data"),
        prevent_initial_call=True,
    )
    def refresh(
        pulse: Mapping[str, Any] | None, axis: str, cursor: Mapping[str, Any] | None
    ) -> tuple[Any, ...]:
        if not pulse or not cursor or pulse.get("study") != cursor["study"]:
            raise PreventUpdate
        head = site.reader.head(cursor["study"])
        reading = site.reader.read(head.id)
        drawn = shared_figures(
            site.reader, head, reading.table, by_time=axis == "time", beat=int(pulse.get("beat", 0))
        )
        return tuple(drawn.values())


def shared_figures(
    reader: Reader, head: Head, table: Table, *, by_time: bool, beat: int = 0
) -> dict[str, go.Figure]:
    """Returns the charts, drawn once for all viewers of a revision; `beat` tells moments of running trials apart."""
    key = ("panels", head.id, table.revision, by_time, beat)
    return reader.shared(key, lambda: figures(reader, head, table, by_time=by_time))


def figures(reader: Reader, head: Head, table: Table, *, by_time: bool) -> dict[str, go.Figure]:
    """Returns the charts by name, in the order of the page."""
    how = weighing(head.settings)
    single = not has_front(how, head.directions)
    title = (
        ("Value" if single else "First objective")
        if how is None
        else "Accuracy"
        if how.kind == "pareto"
        else "Reward"
    )
    found, count = chosen_importances(reader, head, table)
    best = winners(table, how, 1, minimized=_minimized(head))
    metric, drawn_curves = chosen_curves(reader, head, table)
    return {
        "climb": drawing.best_so_far(
            climb(table, how, minimized=_minimized(head)), by_time=by_time, title=title
        ),
        "importances": drawing.importance_bars(found, count),
        "curves": drawing.learning_curves(drawn_curves, metric, winner=best[0] if single and best else None),
        "spending": drawing.spending_bars(spending(table)),
        "throughput": drawing.throughput_bars(throughput(table)),
        "timeline": timeline(recent_bars(reader, head.id, table)),
    }


def recent_bars(reader: Reader, study_id: int, table: Table) -> list[timeline_info.Bar]:
    """Returns the timeline's bars."""
    numbers = timeline_info.recent(table)
    attempts = reader.browse.attempts(table["id"][numbers].tolist()) if numbers else []
    return timeline_info.bars(attempts, table, now=reader.now())


def chosen_curves(reader: Reader, head: Head, table: Table) -> tuple[str, list[curve_info.Curve]]:
    """Returns the metric that is drawn, and the curves."""
    numbers = curve_info.chosen(table, weighing(head.settings))
    ids = table["id"][numbers].tolist() if numbers else []
    for metric in METRICS:
        found = reader.browse.curves(head.id, ids, metric)
        if found:
            return metric, curve_info.curves(table, found)
    return METRICS[0], []


def chosen_importances(reader: Reader, head: Head, table: Table) -> tuple[tuple[Importance, ...], int]:
    """Returns the importances over at most MAX_TRIALS trials, and over how many; computed anew at every tenth more."""
    usable = np.flatnonzero(scorable(table, weighing(head.settings)) & ~table.reused)
    step = max(1, len(usable) // 10)
    return _importances(reader, head.id, len(usable) // step * step if len(usable) > 20 else len(usable))


@lru_cache(maxsize=32)
def _importances(reader: Reader, study_id: int, count: int) -> tuple[tuple[Importance, ...], int]:
    head, table = reader.head(study_id), reader.table(study_id)
    how = weighing(head.settings)
    usable = np.flatnonzero(scorable(table, how) & ~table.reused)[:count]
    if len(usable) > MAX_TRIALS:
        usable = usable[np.linspace(0, len(usable) - 1, MAX_TRIALS).astype(np.intp)]
    choices = reader.browse.choices(study_id, usable.tolist())
    values = rewards(table, how)
    kept = [number for number in usable.tolist() if number in choices]
    return tuple(importances([choices[number] for number in kept], values[kept])), len(kept)


def _minimized(head: Head) -> bool:
    return weighing(head.settings) is None and head.directions[0] == "minimize"
