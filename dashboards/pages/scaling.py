"""The fitted scaling rule of a study: what was measured, what the rule is, how sure it is, and what it foretold."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go
from dash import html
from dash.development.base_component import Component

from dashboards.drawing import components as parts
from dashboards.drawing import scaling as drawing
from dashboards.drawing.components import Node
from dashboards.info import scaling as info
from dashboards.info.words import clock
from dashboards.pages import committees
from dashboards.site import Site
from runs.browsing import Head
from runs.records import TrialRecord
from scaling_rules import Committee, LawFit, RuleFit, Trust

MAX_TRIALS = 2_000  # of an arm; fits and families are of tens
TRUST_TITLE = "How far short trainings may be trusted"


@dataclass(frozen=True, slots=True)
class Family:
    """A study with its arms, whichever of them one looks at."""

    parent: Head
    arms: dict[str, Head]  # by name of the arm


def family_of(site: Site, study_id: int) -> Family:
    """Returns the study that a study belongs to, with the arms that scaled its network."""
    head = site.reader.head(study_id)
    heads = {one.name: one for one in site.reader.browse.heads()}
    stem, _, arm = head.name.rpartition(".")
    parent = heads[stem] if arm in info.ARMS and stem in heads else head
    named = {name: heads.get(f"{parent.name}.{name}") for name in info.ARMS}
    return Family(parent, {name: one for name, one in named.items() if one is not None})


def trials_of(site: Site, head: Head) -> list[TrialRecord]:
    """Returns the trials of an arm in full."""
    return site.reader.browse.page(head.id, list(range(min(head.num_trials, MAX_TRIALS))))


def newest_rule(site: Site, family: Family) -> info.StoredRule | None:
    """Returns the newest fitted rule of a study's arms."""
    found = [one for arm in family.arms.values() for one in info.rules(site.reader.browse.fits(arm.id))]
    return max(found, key=lambda one: one.record.created, default=None)


def alone(site: Site, family: Family) -> list[info.Saturation]:
    """Returns the curves of single dimensions; what was trained for longer does not belong to them."""
    arms = [arm for name, arm in family.arms.items() if name not in ("grow", "longer")]
    return info.saturations([trial for arm in arms for trial in trials_of(site, arm)])


def laws(site: Site, family: Family) -> dict[str, LawFit]:
    """Returns the newest law of each dimension that was swept alone."""
    arms = family.arms.values()
    return {name: law for arm in arms for name, law in info.laws(site.reader.browse.fits(arm.id)).items()}


def trust_of(site: Site, family: Family) -> Trust | None:
    """Returns how far the fit's trainings may be trusted; None where no longer ones have told."""
    longer = family.arms.get("longer")
    return None if longer is None else info.newest_trust(site.reader.browse.fits(longer.id))


def trust_rows(found: Trust) -> list[dict[str, str]]:
    """Returns what each length of training told, as rows of text."""

    def interval(value: float, low: float, high: float) -> str:
        return f"{value:.2f} ({low:.2f} to {high:.2f})"

    return [
        {
            "Epochs": str(one.epochs),
            "Networks": str(one.kendall.num_networks),
            "Kendall's τ": interval(one.kendall.value, one.kendall.low, one.kendall.high),
            "Spearman's ρ": interval(one.spearman.value, one.spearman.low, one.spearman.high),
            "Gain": f"{one.gain:+.4f}",
            "Errors a doubling of the cost": f"× {interval(one.factor.value, one.factor.low, one.factor.high)}",
        }
        for one in found.checks
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One figure of the page, and of the report.

    Args:
        name: of the chart.
        title: above it.
        drawn: the figure.
        csv: name of the table that has its data.
        note: a sentence about it.
        height: in pixels.
        wide: whether it takes a whole row.
    """

    name: str
    title: str
    drawn: go.Figure
    csv: str
    note: str = ""
    height: int = 340
    wide: bool = True


def panels(site: Site, family: Family) -> list[Panel]:
    """Returns every figure of scaling that there are numbers for, in the order in which they are read."""
    stored, grown = newest_rule(site, family), family.arms.get("grow")
    members = info.members(trials_of(site, grown)) if grown else []
    found = [] if stored is None else _of_rule(stored.fit, members)
    frontier = committees_of(site, family)
    if frontier:
        title, drawn = "Committees against single networks", drawing.family_curve(members, frontier)
        found.append(Panel("committees", title, drawn, "committees", committees.NOTE, 420))
    curves = alone(site, family)
    if curves:
        note = (
            "One dimension scaled, the others as they were; bars: deviations over seeds, bands: 95 % of laws."
        )
        drawn = drawing.saturation_curves(curves, laws(site, family))
        found.append(Panel("saturation", "One dimension alone", drawn, "saturation", note))
    return found


def committees_of(site: Site, family: Family) -> tuple[Committee, ...]:
    """Returns the frontier of a family's committees; nothing before there is one."""
    grown = family.arms.get("grow")
    return () if grown is None else committees.committees(site.reader, grown)


def layout(site: Site, study_id: int) -> Component:
    """Returns the page."""
    family = family_of(site, study_id)
    found = panels(site, family)
    if not found:
        return _nothing(site, family)
    stored, body = newest_rule(site, family), list[Node]()
    if stored is not None:
        body += [html.Div(_tiles(stored), className="tiles"), _verdict(stored)]
    if (trusted := trust_of(site, family)) is not None:
        rows = trust_rows(trusted)
        cells = [list(row.values()) for row in rows]
        table = parts.table(list(rows[0]), cells, caption=TRUST_TITLE, numeric=(0, 1, 4))
        body.append(parts.card(TRUST_TITLE, [html.P(f"{_sentence(trusted.verdict)}."), table]))
    charts = [
        parts.chart(
            one.name,
            one.title,
            one.drawn,
            csv=site.link(f"/_nas/csv/{study_id}/{one.csv}"),
            note=one.note,
            height=one.height,
            wide=one.wide,
        )
        for one in found
    ]
    body += [html.Div(charts, className="grid"), committees.card(committees_of(site, family))]
    body += [
        parts.card(f"Law of {name}", parts.facts(info.law_rows(law)))
        for name, law in laws(site, family).items()
    ]
    if not any(one.name == "saturation" for one in found):
        command = f'nas fit "{family.parent.name}" --sweep width=1,2,4'
        body.append(
            parts.card(
                "One dimension alone", [html.P("No dimension was scaled alone:"), parts.to_run(command)]
            )
        )
    return html.Div(body, className="page")


def _sentence(text: str) -> str:
    """Returns a text that begins with a capital."""
    return text[:1].upper() + text[1:]


def _nothing(site: Site, family: Family) -> Component:
    name = family.parent.name
    planned = family.arms.get("fit") or family.arms.get("grid")
    if planned is not None:
        done = sum(planned.counts.values())
        return parts.empty(
            "The fit is under way", f"{done} trainings have ended; the rule appears here once it is found."
        )
    return parts.empty(
        "No rule yet", "Learn from measurements how this network should grow:", f'nas fit "{name}"'
    )


def numbers(stored: info.StoredRule) -> list[tuple[str, str, str]]:
    """Returns the numbers of a rule: what each is, its value, and how sure it is or what that means."""
    fit = stored.fit
    greek = {"alpha": "α depth", "beta": "β width", "gamma": "γ resolution"}
    found = [
        (greek.get(one.name, one.name), f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}")
        for one in fit.parameters
    ]
    count, when = f"{len(fit.points)} trainings", clock(stored.record.created)[:16]
    return [
        *found,
        ("Of all rules left possible", f"{fit.region:.1%}", "small is well determined"),
        ("Noise of one training", f"{fit.noise:.4f}", f"{fit.dof} degrees of freedom"),
        ("Rests on", count, f"by the {fit.method}, {when}"),
    ]


def _tiles(stored: info.StoredRule) -> list[Node]:
    return [parts.figure_tile(value, name, detail) for name, value, detail in numbers(stored)]


def _verdict(stored: info.StoredRule) -> Component:
    fit, record = stored.fit, stored.record.fit
    epochs = record.get("epochs")
    values: dict[str, parts.Nodes] = {
        "Rule": str(fit.rule),
        "Baseline": str(record.get("origin", "–")),
        "Each trained for": f"{epochs} epochs" if epochs else "–",
        "Lack of fit (p)": f"{fit.lack_of_fit:.3f}",
        "Measured cost grows as": " · ".join(
            f"{name}^{exponent:.2f}"
            for name, exponent in zip(info.DIMENSIONS, fit.cost_exponents, strict=True)
        ),
    }
    return parts.card("The rule", [html.P(f"The fitted rule is {fit.verdict}."), parts.facts(values)])


def _of_rule(fit: RuleFit, members: list[info.Member]) -> list[Panel]:
    shares = f"All ways to spend {fit.cost_multiple:.3g}× the cost; ringed: maybe the best."
    sizes, bars = "The wider a network, the larger its mark.", f"Bars: {fit.level:.0%} intervals."
    trained = "Members were trained afterwards; longer training is carried over by what the baseline gained."
    region = drawing.share_region(info.region(fit), fit)
    predictions = drawing.predicted_against_observed(info.fitted_pairs(fit), members)
    return [
        Panel("region", "How the cost is best shared", region, "region", shares, 480, wide=False),
        Panel(
            "measured", "What was measured", drawing.measured_points(fit), "scaling", sizes, 480, wide=False
        ),
        Panel("parameters", "α, β and γ", drawing.parameters(fit), "parameters", bars, 260, wide=False),
        Panel(
            "comparisons",
            "Compound against other rules",
            drawing.comparisons(fit),
            "comparisons",
            "Filled: surely better or worse.",
            260,
            wide=False,
        ),
        Panel("predictions", "Predicted against observed", predictions, "predictions", trained),
    ]
