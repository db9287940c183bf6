"""The family of a study: its members with accuracy, cost and weights, committees of them, and their exports."""

from __future__ import annotations

from dash import dcc, html
from dash.development.base_component import Component

from dashboards.drawing import components as parts
from dashboards.drawing.components import Node
from dashboards.drawing.scaling import family_curve
from dashboards.info import scaling as info
from dashboards.info.words import compact, share
from dashboards.pages import committees, exports
from dashboards.pages.scaling import Family, family_of, trials_of
from dashboards.site import Site
from runs.browsing import Head


def layout(site: Site, study_id: int) -> Component:
    """Returns the page."""
    family = family_of(site, study_id)
    grown = family.arms.get("grow")
    if grown is None:
        return _nothing(family)
    members = info.members(trials_of(site, grown))
    if not members:
        done = sum(grown.counts.values())
        return parts.empty(
            "The family is being trained", f"{done} trainings have ended; members appear here one by one."
        )
    found = committees.committees(site.reader, grown)
    note = "A line joins the means over seeds; small marks are single trainings."
    csv = site.link(f"/_nas/csv/{study_id}/family")
    drawn = family_curve(members, found)
    body: list[Node] = [
        parts.chart("family", "Accuracy against cost", drawn, csv=csv, note=note, height=420, wide=True),
        parts.card("Members", _table(site, grown, members)),
        committees.card(found),
        _exports(site, grown, members),
    ]
    return html.Div(body, className="page")


def _nothing(family: Family) -> Component:
    name = family.parent.name
    command = f'nas fit "{name}"\nnas grow "{name}" --phi 0,1,2'
    return parts.empty(
        "No family yet", "Grow this study's network by its fitted rule, and train each size:", command
    )


def _table(site: Site, grown: Head, members: list[info.Member]) -> Component:
    rows: list[list[Node]] = []
    for one in members:
        trials = html.Span(
            [
                item
                for number in one.numbers
                for item in (dcc.Link(str(number), href=site.link(f"/s/{grown.id}/trials/{number}")), " ")
            ]
        )
        span = (
            f"{share(min(one.accuracies))} to {share(max(one.accuracies))}"
            if len(one.accuracies) > 1
            else "one seed"
        )
        factors = " × ".join(f"{factor:.3g}" for factor in one.factors)
        network = dcc.Link(one.digest[:12], href=site.link(f"/a/{one.digest}")) if one.digest else "–"
        kept = f"{sum(one.weights)} of {len(one.weights)}"
        rows.append(
            [
                one.name,
                factors,
                compact(one.macs),
                compact(one.params),
                share(one.mean),
                span,
                _forecast(one),
                kept,
                network,
                trials,
            ]
        )
    header = (
        "Member",
        "Depth × width × resolution",
        "MACs",
        "Parameters",
        "Accuracy",
        "Over seeds",
        "Predicted",
        "Weights kept",
        "Architecture",
        "Trials",
    )
    return parts.table(header, rows, caption="Members of the family", numeric=(2, 3, 4, 6))


def _forecast(one: info.Member) -> str:
    """Returns what was forecast, its interval, and whether the mean came to lie in it."""
    if one.predicted is None:
        return "–"
    if one.low is None or one.high is None:
        return share(one.predicted)
    return f"{share(one.predicted)} ({share(one.low)} to {share(one.high)}, {'inside' if one.is_inside else 'outside'})"


def _exports(site: Site, grown: Head, members: list[info.Member]) -> Component:
    if site.exporter is None:
        return html.Div()
    shown: list[Node] = []
    for one in members:
        best = max(zip(one.accuracies, one.numbers, strict=True))[1]
        trial = site.reader.browse.trial(grown.id, best)
        shown += [
            html.Div([html.Strong(f"{one.name} "), f"(trial {best})"]),
            exports.buttons(site, grown, trial),
        ]
    note = "Made as `nas export` makes it: run alone and compared with the network before it is handed over."
    return parts.card("Export", shown, note=note)
