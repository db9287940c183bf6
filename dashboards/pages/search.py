"""A study's first page: its progress live, accuracy against cost, and the reward under other weights and targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
from dash import Dash, Input, Output, Patch, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from dashboards.drawing import search as drawing
from dashboards.drawing.components import Node, chart, choice, empty, facts, table
from dashboards.info.front import Scatter, has_front, marks, scatter, unbeaten
from dashboards.info.rewards import KINDS, Weighing, rewards, weighing, winners
from dashboards.info.table import COSTS, Table
from dashboards.info.words import TITLES, compact, quantity, share, short_cost
from dashboards.pages import search_panels as panels
from dashboards.site import Site
from runs.browsing import Head

MAX_DELTA = 500  # more new points at once are drawn anew
MAX_DRAWN = 2_000  # then an even sample is drawn again
NUM_WINNERS = 5


@dataclass(frozen=True, slots=True)
class View:
    """What one viewer looks at: a study under one reward, along one axis of cost."""

    head: Head
    table: Table
    how: Weighing | None
    cost: str
    colour: str

    @property
    def minimized(self) -> bool:
        """Returns whether the lowest value is the best one."""
        return self.how is None and self.head.directions[0] == "minimize"

    @property
    def has_front(self) -> bool:
        """Returns whether the best are a set of trials that do not beat each other."""
        return has_front(self.how, self.head.directions)

    def best(self, count: int) -> list[int]:
        """Returns the numbers of the best trials."""
        if self.has_front:
            return [int(number) for number in unbeaten(self.table, self.how, self.head.directions)[:count]]
        return winners(self.table, self.how, count, minimized=self.minimized)

    @property
    def winner(self) -> int | None:
        """Returns the number of the best trial; None: there is none yet, or no single one."""
        found = [] if self.has_front else self.best(1)
        return found[0] if found else None


def layout(site: Site, study_id: int) -> Component:
    """Returns the page of one study."""
    reader = site.reader
    head = reader.head(study_id)
    reading = reader.read(study_id)
    if not head.num_trials:
        return empty(
            "No trial yet",
            "The study is there; its first trials appear here as soon as a driver begins them.",
            f'nas resume "{head.name}"',
        )
    own = weighing(head.settings)
    costs = reading.table.costs() or ("macs",)
    cost = own.cost if own is not None and own.cost in costs else costs[0]
    view = View(head, reading.table, own, cost, "time")
    drawn, cursor = reader.shared(
        ("pareto", study_id, view.table.revision, cost), lambda: _figure(view, study_id)
    )
    return html.Div(
        [
            html.Div(panels.tiles(site, head, reading), id="search-tiles", className="tiles"),
            _pareto_card(site, view, own, costs, drawn),
            html.Div(html.Div("Loading …", className="loading"), id="search-panels"),
            dcc.Store(id="search-cursor", data=cursor),
            dcc.Store(id="search-study", data=study_id),
        ],
        className="page",
    )


def register(app: Dash, site: Site) -> None:
    """Adds the callbacks of the page."""
    panels.register(app, site)

    @app.callback(
        Output("pareto", "figure"),
        Output("search-winners", "children"),
        Output("search-equation", "children"),
        Output("search-sample", "children"),
        Output("search-cursor", "data"),
        Input("pulse", "data"),
        Input("reward-kind", "value"),
        Input("reward-weight", "value"),
        Input("reward-target", "value"),
        Input("pareto-colour", "value"),
        Input("pareto-cost", "value"),
        State("search-cursor", "data"),
        prevent_initial_call=True,
    )
    def reweigh(
        pulse: Mapping[str, Any],
        kind: str,
        weight: float,
        target: float,
        colour: str,
        cost: str,
        cursor: Mapping[str, Any],
    ) -> tuple[Any, ...]:
        if not cursor:
            raise PreventUpdate
        head = site.reader.head(cursor["study"])
        own = weighing(head.settings)
        how = None if own is None else _reweighed(own, kind, weight, target)
        view = View(head, site.reader.table(head.id), how, cost if cost in COSTS else "macs", colour)
        if ctx.triggered_id == "pulse" and view.table.revision <= cursor["revision"]:
            raise PreventUpdate
        winner_rows = _winners(site, view)
        if ctx.triggered_id in ("reward-kind", "reward-weight", "reward-target") and cursor["drawn"]:
            return _marked(view), winner_rows, _equation(view), no_update, no_update
        if ctx.triggered_id == "pulse" and cursor["drawn"]:
            patch, moved = _moved(view, cursor)
            if patch is not None:
                return patch, winner_rows, no_update, _sample(view, moved["drawn"]), moved
        drawn, cursor = _figure(view, head.id)
        return drawn, winner_rows, _equation(view), _sample(view, cursor["drawn"]), cursor

    @app.callback(
        Output("reward-kind", "value"),
        Output("reward-weight", "value"),
        Output("reward-target", "value"),
        Input("reward-reset", "n_clicks"),
        State("search-cursor", "data"),
        prevent_initial_call=True,
    )
    def reset(clicks: int | None, cursor: Mapping[str, Any]) -> tuple[str, float, float]:
        if not clicks:
            raise PreventUpdate
        own = weighing(site.reader.head(cursor["study"]).settings) or Weighing()
        return own.kind, own.weight, 0.0


def _reweighed(own: Weighing, kind: str, weight: float, target: float) -> Weighing:
    """Returns the study's reward with what the controls say; `target` is log10 of what multiplies its own."""
    chosen = kind if kind in (*KINDS, "pareto") else own.kind
    return replace(
        own,
        kind=chosen,
        weight=min(float(weight or 0.0), 0.0),
        target=own.target * 10.0 ** float(target or 0.0),
    )


def _figure(view: View, study_id: int) -> tuple[go.Figure, dict[str, Any]]:
    """Returns the whole figure, and what the browser then has."""
    shown = scatter(view.table, view.cost)
    costs = view.table[view.cost][shown.numbers]
    references = marks(view.cost, float(costs.min()), float(costs.max()) * 1.1) if len(costs) else []
    drawn = drawing.pareto(
        view.table,
        shown,
        view.how,
        cost=view.cost,
        colour=view.colour,
        winner=view.winner,
        references=references,
    )
    cursor = {"study": study_id, "revision": view.table.revision, "drawn": len(shown.numbers)}
    return drawn, cursor


def _marked(view: View) -> Patch:
    """Returns the change of the figure under another reward: winner, line of equal reward, target."""
    patch = Patch()
    _mark(patch, view, scatter(view.table, view.cost))
    return patch


def _mark(patch: Patch, view: View, shown: Scatter) -> None:
    winner = view.winner
    star = drawing.points(view.table, np.array([] if winner is None else [winner], np.int64), view.cost)
    line = drawing.equal_reward(view.table, shown, view.how, winner, view.cost)
    for key, values in star.items():
        patch["data"][3][key] = values
    patch["data"][3]["showlegend"] = winner is not None
    patch["data"][4]["x"], patch["data"][4]["y"] = list(line.x), list(line.y)
    patch["data"][4]["showlegend"] = bool(line.x)
    shapes = drawing.region(view.how, view.cost)
    for index, shape in enumerate(shapes):
        patch["layout"]["shapes"][index] = shape


def _moved(view: View, cursor: Mapping[str, Any]) -> tuple[Patch | None, dict[str, Any]]:
    """Returns the change of the figure by trials that have ended since the cursor; None: it is drawn anew."""
    table = view.table
    changed = table.changed_after(int(cursor["revision"]))
    new = changed[(table.complete & np.isfinite(table["accuracy"]) & (table[view.cost] > 0))[changed]]
    moved = dict(cursor) | {"revision": table.revision, "drawn": int(cursor["drawn"]) + len(new)}
    if len(new) > MAX_DELTA or moved["drawn"] > MAX_DRAWN:
        return None, moved
    patch, shown = Patch(), scatter(table, view.cost)
    for index, part in enumerate((new[~table.reused[new]], new[table.reused[new]])):
        if not len(part):
            continue
        for key, values in drawing.points(table, part, view.cost).items():
            patch["data"][index][key].extend(values)
        if view.colour == "time":
            patch["data"][index]["marker"]["color"].extend(part.tolist())
        patch["data"][index]["showlegend"] = True
    for key, values in drawing.points(table, shown.on_front, view.cost).items():
        patch["data"][2][key] = values
    _mark(patch, view, shown)
    return patch, moved


def _pareto_card(
    site: Site, view: View, own: Weighing | None, costs: tuple[str, ...], drawn: go.Figure
) -> Component:
    names = {name: TITLES[name].partition(" (")[0] for name in costs}
    controls = [
        choice("pareto-cost", "Cost", names, view.cost),
        choice("pareto-colour", "Colour", {"time": "by time", "state": "by state"}, "time"),
    ]
    sample = _sample(view, len(scatter(view.table, view.cost).numbers))
    controls.append(html.P(sample, id="search-sample", className="note"))
    every = html.A("Every point", href=site.link(f"/s/{view.head.id}/points"), className="save")
    figure = chart(
        "pareto",
        "Accuracy against cost",
        drawn,
        csv=site.link(f"/_nas/csv/{view.head.id}/front"),
        actions=[every],
        controls=controls,
        height=460,
        wide=True,
    )
    side = html.Section(
        [
            html.Div(html.H2("What if the reward were another?"), className="card-head"),
            html.Div(_controls(own), className="card-body", style={} if own else {"display": "none"}),
            html.Div(
                "" if own else "Plain Optuna made this study: it has no accuracy and cost to weigh.",
                className="note",
            ),
            html.Div(_equation(view), id="search-equation", className="equation", role="status"),
            html.Div(_winners(site, view), id="search-winners"),
        ],
        className="card side",
    )
    return html.Div([figure, side], className="split")


def _sample(view: View, num_drawn: int) -> str:
    """Returns how many of the measured trials are drawn, unless all are."""
    measured = int((view.table.complete & np.isfinite(view.table["accuracy"])).sum())
    if num_drawn >= measured:
        return ""
    return f"{num_drawn:,} of {measured:,} measured trials, the whole front among them"


def _controls(own: Weighing | None) -> list[Node]:
    how = own or Weighing()
    kinds = {kind: kind for kind in KINDS} | ({"pareto": "pareto"} if how.kind == "pareto" else {})
    steps = {-1: "÷10", -0.5: "÷3", 0: quantity(how.target), 0.5: "×3", 1: "×10"}
    return [
        choice("reward-kind", "Reward", kinds, how.kind),
        html.Div(
            [
                html.Span("Weight w of the cost", className="control-label"),
                dcc.Slider(
                    id="reward-weight",
                    min=-1.0 if how.kind == "hard" else -0.5,
                    max=0.0,
                    step=0.01,
                    value=how.weight,
                    marks={-1.0: "-1", 0: "0"} if how.kind == "hard" else {-0.5: "-0.5", 0: "0"},
                    allow_direct_input=False,
                    updatemode="drag",
                    tooltip={"placement": "bottom"},
                ),
            ],
            className="control",
        ),
        html.Div(
            [
                html.Span(f"Target, in {short_cost(how.cost)}", className="control-label"),
                dcc.Slider(
                    id="reward-target",
                    min=-1.0,
                    max=1.0,
                    step=0.02,
                    value=0.0,
                    marks=steps,
                    allow_direct_input=False,
                    updatemode="drag",
                ),
            ],
            className="control",
        ),
        html.Button("Back to the study's own", id="reward-reset", type="button", className="plain"),
    ]


def _equation(view: View) -> Node:
    return "" if view.how is None else view.how.equation


def _winners(site: Site, view: View) -> Component:
    """Returns the best trials; of a front, those that are best in the first objective."""
    found = view.best(NUM_WINNERS)
    if not found:
        return html.P("No trial has a result yet.", className="muted")
    if view.has_front:
        return _front_rows(site, view, found)
    values = rewards(view.table, view.how)
    rows: list[list[Any]] = []
    for rank, number in enumerate(found, 1):
        cost = float(view.table[view.cost][number])
        rows.append(
            [
                rank,
                _trial_link(site, view, number),
                share(float(values[number])),
                share(float(view.table["accuracy"][number])),
                compact(cost),
            ]
        )
    header = ("Rank", "Winner", "Reward", "Accuracy", short_cost(view.cost))
    return html.Div(
        [
            table(header, rows, caption="Best trials under this reward", numeric=(2, 3, 4)),
            html.Div(facts({"winner": f"trial {found[0]}"}), id="search-winner", className="hidden"),
        ]
    )


def _front_rows(site: Site, view: View, found: Sequence[int]) -> Component:
    first, second = ("accuracy", view.how.cost) if view.how else ("objective", "second")
    names = ("Accuracy", short_cost(view.how.cost)) if view.how else ("First objective", "Second objective")
    rows: list[list[Any]] = [
        [
            _trial_link(site, view, number),
            *(compact(float(view.table[column][number])) for column in (first, second)),
        ]
        for number in found
    ]
    count = len(unbeaten(view.table, view.how, view.head.directions))
    note = f"{count:,} trials that no other beats in both"
    shown = table(("Trial", *names), rows, caption="Trials that no other beats in both", numeric=(1, 2))
    return html.Div(
        [html.P(note if count > 1 else "One trial beats all others in both", className="note"), shown]
    )


def _trial_link(site: Site, view: View, number: int) -> Component:
    return dcc.Link(f"trial {number}", href=site.link(f"/s/{view.head.id}/trials/{number}"))
