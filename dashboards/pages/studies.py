"""The first page: all studies of the storage, how far each is, and its best network so far."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from dashboards.drawing.components import Node, aria, bar, data, empty, pill
from dashboards.info.front import has_front, unbeaten
from dashboards.info.progress import STAGES, stages, uses
from dashboards.info.rewards import rewards, weighing, winners
from dashboards.info.words import ago, compact, share, short_cost
from dashboards.reader import Reading
from dashboards.site import Site
from runs.browsing import Head
from runs.records import RunRecord

PATIENCE_S = 0.6  # for reading studies whose best is not known yet; the next second goes on


def layout(site: Site) -> Component:
    """Returns the page."""
    return html.Div([html.H1("Studies"), html.Div(content(site), id="studies-list")], className="page")


def register(app: Dash, site: Site) -> None:
    """Adds what keeps the list as it is in the ledger."""

    @app.callback(Output("studies-list", "children"), Input("pulse", "data"), prevent_initial_call=True)
    def refresh(pulse: dict[str, Any] | None) -> Node:
        if not pulse or pulse.get("page") != "/":
            raise PreventUpdate
        return content(site)


def content(site: Site) -> Component:
    """Returns the list, or what to do where there is none."""
    heads = site.reader.browse.heads()
    if not heads:
        return empty(
            "No study yet",
            "This storage is ready and empty. Start a search, and it appears here by itself:",
            "nas search --data digits --target 5M --trials 40",
        )
    done = _done(site)
    begun = time.monotonic()
    rows = []
    for head, depth in nested(heads):
        in_time = time.monotonic() - begun < PATIENCE_S
        arms = [one for one in heads if one.name.startswith(f"{head.name}.")]
        rows.append(_row(site, head, depth, arms=arms, done=done, may_read=in_time))
    names = ("Study", "State", "Stages", "Progress", "Best so far", "Last activity")
    header = html.Tr([html.Th(name, scope="col") for name in names])
    listed = html.Table(
        [html.Caption("Studies", className="hidden"), html.Thead(header), html.Tbody(rows)],
        className="studies",
    )
    return html.Div(listed, className="card")


def nested(heads: Sequence[Head]) -> list[tuple[Head, int]]:
    """Returns studies, the last changed first, each followed by its arms (`name.control`, `name.fit`), with depths."""
    names = {head.name for head in heads}
    found: list[tuple[Head, int]] = []

    def add(parent: str, depth: int) -> None:
        children = [head for head in heads if _parent(head.name, names) == parent]
        for head in sorted(children, key=lambda one: -(one.last_change or one.created)):
            found.append((head, depth))
            add(head.name, depth + 1)

    add("", 0)
    return found


def _parent(name: str, names: set[str]) -> str:
    """Returns the study that this one is an arm of; "" for none."""
    stem = name
    while "." in stem:
        stem = stem.rpartition(".")[0]
        if stem in names:
            return stem
    return ""


@dataclass(frozen=True, slots=True)
class _Done:
    """What was done with the studies of a storage, read at once."""

    sessions: Mapping[int, Sequence[RunRecord]]
    fitted: Set[int]
    exported: Set[int]

    def stages(self, head: Head, arms: Sequence[Head]) -> dict[str, str]:
        """Returns how far a study and its arms have come."""
        ids = [head.id, *(arm.id for arm in arms)]
        sessions = sorted(
            (one for id in ids for one in self.sessions.get(id, ())), key=lambda one: one.started
        )
        return stages(
            sessions,
            has_trials=head.num_trials > 0,
            has_fits=bool(self.fitted & set(ids)),
            has_exports=bool(self.exported & set(ids)),
        )


def _done(site: Site) -> _Done:
    sessions: dict[int, list[RunRecord]] = {}
    for one in site.reader.browse.runs():
        if one.study_id is not None:
            sessions.setdefault(one.study_id, []).append(one)
    return _Done(sessions, site.reader.browse.fitted_studies(), site.reader.browse.exporting_studies())


def _row(
    site: Site, head: Head, depth: int, *, arms: Sequence[Head], done: _Done, may_read: bool
) -> Component:
    now, sessions = site.reader.now(), done.sessions.get(head.id, ())
    reached = done.stages(head, arms)
    used = uses(head, sessions, now=now)[0]
    label = f"{used.used:,.0f} of {used.limit:,} trials" if used.limit else f"{head.num_trials:,} trials"
    is_live = any(one.status == "running" and one.lease_until > now for one in sessions)
    cells: list[tuple[str, Node | list[Node]]] = [
        (
            "Study",
            dcc.Link(head.name, href=site.link(f"/s/{head.id}"), className=f"study depth-{min(depth, 3)}"),
        ),
        ("State", pill("running" if is_live else _word(head.state))),
        (
            "Stages",
            html.Span([] if depth else [_stage(name, reached[name]) for name in STAGES], className="stages"),
        ),
        ("Progress", bar(used.share, label)),
        ("Best so far", _best(site, head, may_read=may_read)),
        ("Last activity", ago(head.last_change or head.created, now)),
    ]
    return html.Tr([html.Td(cell, **data(label=name)) for name, cell in cells])


def _word(state: str) -> str:
    return "idle" if state == "active" else state


def _stage(name: str, state: str) -> Component:
    signs = {"none": "○", "running": "◐", "done": "●", "stopped": "◑"}
    return html.Span(
        [html.Span(signs[state], **aria(hidden="true")), f" {name}"],
        className=f"stage stage-{state}",
        title=f"{name}: {state if state != 'none' else 'not begun'}",
    )


def _best(site: Site, head: Head, *, may_read: bool) -> Node:
    if not head.num_trials:
        return "–"
    reading = site.reader.known(head.id) if not may_read else site.reader.read(head.id)
    if reading is None or not reading.is_whole:
        return html.Span("reading …", className="muted")
    return best_text(reading, head)


def best_text(reading: Reading, head: Head) -> str:
    """Returns a study's best trial in a few words."""
    how, table = weighing(head.settings), reading.table
    if has_front(how, head.directions):
        count = len(unbeaten(table, how, head.directions))
        return f"{count:,} that no other beats" if count else "–"
    minimized = how is None and head.directions[0] == "minimize"
    found = winners(table, how, 1, minimized=minimized)
    if not found:
        return "–"
    best = found[0]
    if how is None:
        return f"{table['objective'][best]:.5g} (trial {best})"
    value = f"reward {share(float(rewards(table, how)[best]))}, "
    accuracy, cost = float(table["accuracy"][best]), float(table[how.cost][best])
    return f"{value}accuracy {share(accuracy)}, {compact(cost)} {short_cost(how.cost)}"
