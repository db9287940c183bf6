"""A study as one self-contained HTML file: the pages' figures, and the tables beside them, to be sent to somebody."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import plotly.graph_objects as go
import plotly.io

from dashboards.drawing import search as drawing
from dashboards.drawing.scaling import family_curve
from dashboards.inert import inert
from dashboards.info import scaling as info
from dashboards.info.front import marks, scatter
from dashboards.info.rewards import rewards, weighing, winners
from dashboards.info.words import clock, compact, share, visible
from dashboards.pages import committees, scaling, search_panels
from dashboards.scripts import small_plotly
from dashboards.site import Site
from runs.browsing import Head

NUM_BEST = 10
TITLES = {
    "climb": "Best so far",
    "importances": "Which choices matter",
    "curves": "Learning curves",
    "spending": "Where the compute went",
    "throughput": "Throughput",
    "timeline": "Worker timeline",
}
_STYLE = """
body{font:16px/1.55 system-ui,'DejaVu Sans',sans-serif;color:#1c2329;max-width:1100px;margin:2rem auto;padding:0 1.2rem}
h1{margin-bottom:.2rem}
h2{margin:2.2rem 0 .4rem;font-size:1.15rem}
.quiet{color:#57606a}table{border-collapse:collapse;width:100%}
th{text-align:left;color:#57606a;font-weight:600}td,th{padding:.35rem .7rem;border-bottom:1px solid #e3e7eb}
@media print{body{max-width:none}}
"""


def report(site: Site, study_id: int) -> str:
    """Returns the file's text. It needs no network: the drawing library stands in it, once.

    Args:
        site: gives the reader.
        study_id: of a study; its fit and family come along.

    Raises:
        StudyMissing: there is no such study.
    """
    head = site.reader.head(study_id)
    parts = [_heading(site, head), _table("Best trials", best_rows(site, head))]
    parts += [_section(title, figure) for title, figure in figures(site, head).items()]
    parts += _scaling(site, scaling.family_of(site, study_id))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(visible(head.name))}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<script>{small_plotly()}</script></head><body><main>{''.join(parts)}</main></body></html>"
    )


def write_report(site: Site, study_id: int, path: Path) -> None:
    """Writes the file, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(report(site, study_id), encoding="utf-8")
    partial.replace(path)


def figures(site: Site, head: Head) -> dict[str, go.Figure]:
    """Returns the figures of a study's search by title."""
    reader = site.reader
    table, how = reader.whole(head.id), weighing(head.settings)
    best = winners(table, how, 1, minimized=how is None and head.directions[0] == "minimize")
    cost = how.cost if how else "macs"
    shown = scatter(table, cost)
    found: dict[str, go.Figure] = {}
    if shown.num_all:
        costs = table[cost][shown.numbers]
        references = marks(cost, float(costs.min()), float(costs.max()))
        winner = best[0] if best else None
        found["Accuracy against cost"] = drawing.pareto(
            table, shown, how, cost=cost, winner=winner, references=references
        )
    found |= {
        TITLES[name]: one for name, one in search_panels.figures(reader, head, table, by_time=False).items()
    }
    return found


def best_rows(site: Site, head: Head) -> list[dict[str, str]]:
    """Returns the best trials as rows of text."""
    table, how = site.reader.whole(head.id), weighing(head.settings)
    values = rewards(table, how)
    numbers = winners(table, how, NUM_BEST, minimized=how is None and head.directions[0] == "minimize")
    return [
        {
            "trial": str(number),
            "reward": share(float(values[number])),
            "accuracy": share(float(table["accuracy"][number])),
            "MACs": compact(float(table["macs"][number])),
            "parameters": compact(float(table["params"][number])),
            "digest": table["digest"][number].decode("ascii")[:12],
        }
        for number in numbers
    ]


def _scaling(site: Site, family: scaling.Family) -> list[str]:
    """Returns what the pages of scaling and of the family show."""
    stored, grown = scaling.newest_rule(site, family), family.arms.get("grow")
    members = info.members(scaling.trials_of(site, grown)) if grown else []
    found = []
    if stored is not None:
        verdict = f"The fitted rule is {stored.fit.verdict}: {stored.fit.rule}"
        numbers = [dict(zip(("number", "value", ""), row, strict=True)) for row in scaling.numbers(stored)]
        found.append(_table("The rule", numbers) + f"<p>{html.escape(verdict)}</p>")
    if (trusted := scaling.trust_of(site, family)) is not None:
        sentence = f"<p>{html.escape(trusted.verdict)}</p>"
        found.append(_table(scaling.TRUST_TITLE, scaling.trust_rows(trusted)) + sentence)
    found += [_section(one.title, one.drawn, one.note) for one in scaling.panels(site, family)]
    for name, law in scaling.laws(site, family).items():
        rows = [{"number": key, "value": value} for key, value in info.law_rows(law).items()]
        found.append(_table(f"Law of {name}", rows))
    if members:
        found.append(_section("The family", family_curve(members)))
        found.append(_table("Members of the family", _member_rows(members)))
    found.append(_table("Committees", committees.rows(scaling.committees_of(site, family))))
    return found


def _member_rows(members: Sequence[info.Member]) -> list[dict[str, str]]:
    return [
        {
            "member": one.name,
            "MACs": compact(one.macs),
            "parameters": compact(one.params),
            "accuracy": share(one.mean),
            "predicted": share(one.predicted),
            "seeds": str(len(one.accuracies)),
            "digest": one.digest[:12],
        }
        for one in members
    ]


def _heading(site: Site, head: Head) -> str:
    how = weighing(head.settings)
    sentence = f"{head.num_trials:,} trials, {head.device_seconds / 3600:.3g} device-hours"
    equation = f"<p>Reward: {html.escape(how.equation)}</p>" if how else ""
    when = clock(site.reader.now())
    return (
        f'<h1>{html.escape(visible(head.name))}</h1><p class="quiet">{sentence}; written {when}</p>{equation}'
    )


def _table(title: str, rows: Iterable[Mapping[str, str]]) -> str:
    listed = list(rows)
    if not listed:
        return ""
    header = "".join(f"<th>{html.escape(name)}</th>" for name in listed[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row.values()) + "</tr>" for row in listed
    )
    return (
        f"<h2>{html.escape(title)}</h2><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"
    )


def _section(title: str, figure: go.Figure, note: str = "") -> str:
    sentence = f'<p class="quiet">{html.escape(note)}</p>' if note else ""
    return f"<h2>{html.escape(title)}</h2>{sentence}{_drawn(figure)}"


def _drawn(figure: go.Figure) -> str:
    config = {"displaylogo": False, "responsive": True}
    return inert(
        plotly.io.to_html(
            figure, config=config, include_plotlyjs=False, full_html=False, default_height="420px"
        )
    )
