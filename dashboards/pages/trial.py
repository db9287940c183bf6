"""One trial: what it is, its network, its curves, its attempts with their errors, its files and its relatives."""

from __future__ import annotations

from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from dashboards.drawing import components as parts
from dashboards.drawing.components import Node, Nodes
from dashboards.drawing.curves import trial_curves
from dashboards.info import curves as curve_info
from dashboards.info.failures import FAILURE_WORDS
from dashboards.info.grid import error_text, reward_of, state_words
from dashboards.info.rewards import weighing
from dashboards.info.timeline import holder
from dashboards.info.words import TITLES, UNITS, clock, duration, fidelity, quantity, share, visible
from dashboards.pages import architecture, drawn, encoding, exports
from dashboards.site import Site
from runs.browsing import Head
from runs.records import ArtifactRecord, AttemptRecord, TrialRecord

METRICS_SHOWN = 4


def layout(site: Site, study_id: int, number: int) -> Component:
    """Returns the page of one trial."""
    browse = site.reader.browse
    head, trial = site.reader.head(study_id), browse.trial(study_id, number)
    attempts = browse.attempts([trial.id])
    body: list[Node] = [
        _title(site, head, trial),
        parts.card("Result", _facts(site, head, trial, attempts)),
    ]
    errors = [one for one in attempts if one.traceback or one.failure_class is not None]
    if errors:
        body.append(_errors(errors))
    document = browse.architecture(trial.digest) if trial.digest else None
    if document is not None and trial.digest is not None:
        page = dcc.Link("Page of this architecture", href=site.link(f"/a/{trial.digest}"))
        body.append(drawn.card(site, trial.digest, document, actions=page))
        body.append(architecture.stage_card(document))
    body.append(_curves(site, head, trial))
    body.append(_choices(trial))
    body.append(parts.card("Attempts", _attempts(attempts)))
    body.append(html.Div([_files(site, head, trial), _relatives(site, head, trial)], className="grid"))
    if document is not None:
        body.append(encoding.card(site, document))
    return html.Div(body, className="page")


def _title(site: Site, head: Head, trial: TrialRecord) -> Component:
    before = (
        dcc.Link("← previous", href=site.link(f"/s/{head.id}/trials/{trial.number - 1}"))
        if trial.number
        else None
    )
    after = (
        dcc.Link("next →", href=site.link(f"/s/{head.id}/trials/{trial.number + 1}"))
        if trial.number + 1 < head.num_trials
        else None
    )
    return html.Div(
        [
            html.H2(
                [f"Trial {trial.number} ", parts.pill(state_words(trial.state))], className="trial-title"
            ),
            html.Span([before, " ", after], className="muted"),
        ],
        className="card-head",
    )


def _facts(site: Site, head: Head, trial: TrialRecord, attempts: Sequence[AttemptRecord]) -> Component:
    how = weighing(head.settings)
    values: dict[str, Node | list[Node]] = {
        "Reward": share(reward_of(trial, how)) if how else str((trial.objectives or ("–",))[0])
    }
    values |= {name.replace("_", " ").capitalize(): f"{value:.5g}" for name, value in trial.metrics.items()}
    for name, value in trial.costs.items():
        values[TITLES.get(name, name).partition(" (")[0]] = quantity(value, UNITS.get(name, ""))
    values |= {
        "Trained for": fidelity(trial.fidelity),
        "Seed": str(trial.seed) if trial.seed is not None else "–",
        "Device time": duration(trial.seconds),
        "Began": clock(trial.started),
        "Ended": clock(trial.ended),
        "Held by": visible(holder(trial, attempts)),
    }
    if trial.digest:
        link = dcc.Link(trial.digest[:12], href=site.link(f"/a/{trial.digest}"))
        values["Architecture"] = link
    message = error_text(trial)
    if message:
        values["Message"] = visible(message, 2_000)
    for name, value in trial.constraints.items():
        values[f"Constraint {visible(name, 40)}"] = f"{value:+.3g} ({'violated' if value > 0 else 'kept'})"
    return parts.facts(values)


def _choices(trial: TrialRecord) -> Component:
    if not trial.choices:
        return parts.card("Choices", html.P("Nothing was chosen yet.", className="muted"))
    values: dict[str, Nodes] = {
        visible(name, 60): visible(str(value), 60) for name, value in trial.choices.items()
    }
    return parts.card("Choices", html.Div(parts.facts(values), className="dense"))


def _errors(attempts: Sequence[AttemptRecord]) -> Component:
    shown: list[Node] = []
    for one in reversed(attempts):
        name = FAILURE_WORDS[one.failure_class] if one.failure_class else "ended"
        shown.append(html.H3(f"Attempt {one.fence}: {name} on {visible(one.host, 80)}"))
        shown.append(html.P(visible(one.message, 2_000) or "no message"))
        if one.traceback:
            shown.append(parts.error_text(one.traceback, f"Traceback of attempt {one.fence}"))
    return parts.card("What went wrong", shown)


def _curves(site: Site, head: Head, trial: TrialRecord) -> Component:
    found = curve_info.of_trial(site.reader.store.metrics(trial.id))
    if not found:
        return parts.card("Curves", html.P("No epoch was reported.", className="muted"))
    csv = site.link(f"/_nas/csv/{head.id}/trials/{trial.number}")
    charts = [
        parts.chart(f"curve-{index}", name.capitalize(), trial_curves(name, found[name]), csv=csv, height=260)
        for index, name in enumerate(list(found)[:METRICS_SHOWN])
    ]
    return html.Div(charts, className="grid")


def _attempts(attempts: Sequence[AttemptRecord]) -> Component:
    if not attempts:
        return html.P("Nobody has tried yet.", className="muted")
    rows: list[list[Node]] = [
        [
            one.fence,
            FAILURE_WORDS[one.failure_class] if one.failure_class else "–",
            visible(one.host, 80),
            one.pid,
            clock(one.started),
            clock(one.ended),
            duration(one.seconds),
            visible(one.code_version, 40),
        ]
        for one in attempts
    ]
    header = ("Attempt", "Failure", "Host", "Process", "Began", "Ended", "Device time", "Code")
    return parts.table(header, rows, caption="Attempts at this trial", numeric=(0, 3))


def _files(site: Site, head: Head, trial: TrialRecord) -> Component:
    rows: list[Node] = []
    if trial.weights is not None:
        href = site.link(f"/_nas/weights/{head.id}/{trial.number}")
        rows.append(
            html.Li([html.A("Trained weights", href=href), f" (safetensors, sha256 {trial.weights[:12]}…)"])
        )
    for one in site.reader.browse.artifacts(trial.id):
        rows.append(
            html.Li(
                [
                    html.A(_file_label(one), href=site.link(f"/_nas/artifact/{one.id}")),
                    f" · {quantity(one.num_bytes, 'B')} · {clock(one.created)}",
                ]
            )
        )
    listed: Node = html.Ul(rows) if rows else html.P("No file was kept.", className="muted")
    return parts.card("Files", [listed, exports.buttons(site, head, trial)])


def _file_label(record: ArtifactRecord) -> str:
    return visible(str(record.details.get("file_name") or record.kind), 80)


def _relatives(site: Site, head: Head, trial: TrialRecord) -> Component:
    body: list[Node] = []
    if trial.reused_from is not None:
        where = site.reader.browse.number(trial.reused_from)
        if where is None:
            body.append(html.P("Its result is that of a trial whose study was deleted."))
        else:
            text = f"trial {where[1]}" if where[0] == head.id else f"trial {where[1]} of another study"
            body.append(
                html.P(
                    [
                        "Its result is that of ",
                        dcc.Link(text, href=site.link(f"/s/{where[0]}/trials/{where[1]}")),
                        ", which had the same network, data, recipe and seed.",
                    ]
                )
            )
    if trial.parents:
        links: list[Node] = []
        for number in trial.parents:
            link = dcc.Link(f"trial {number}", href=site.link(f"/s/{head.id}/trials/{number}"))
            links += [" and " if links else "", link]
        body.append(html.P(["Bred from ", *links, "."]))
    body.append(_elsewhere(site, trial))
    return parts.card("Relatives", body)


def _elsewhere(site: Site, trial: TrialRecord) -> Component:
    if trial.digest is None:
        return html.P("No architecture was chosen.", className="muted")
    title = "Same architecture elsewhere"
    measured = architecture.measurements(site, trial.digest, caption=title, besides=trial.id)
    if measured is None:
        return html.P("The same architecture was measured nowhere else.", className="muted")
    return html.Div([html.H3(title), measured])
