"""The fitted scaling rule of a study: what was measured, what the rule is, how sure it is, and what it foretold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
from scaling_rules import LawFit, RuleFit

MAX_TRIALS = 2_000  # of an arm; fits and families are of tens


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
    """Returns the curves of single dimensions; a family's members are trained longer and do not belong to them."""
    arms = [arm for name, arm in family.arms.items() if name != "grow"]
    return info.saturations([trial for arm in arms for trial in trials_of(site, arm)])


def laws(site: Site, family: Family) -> dict[str, LawFit]:
    """Returns the newest law of each dimension that was swept alone."""
    arms = family.arms.values()
    return {name: law for arm in arms for name, law in info.laws(site.reader.browse.fits(arm.id)).items()}


def layout(site: Site, study_id: int) -> Component:
    """Returns the page."""
    family = family_of(site, study_id)
    stored = newest_rule(site, family)
    curves = alone(site, family)

    def csv(name: str) -> str:
        return site.link(f"/_nas/csv/{study_id}/{name}")

    frontier = _committees(site, family, csv)
    if stored is None and not curves and not frontier:
        return _nothing(site, family)
    body: list[Node] = []
    if stored is not None:
        grown = family.arms.get("grow")
        members = info.members(trials_of(site, grown)) if grown else []
        body += [
            html.Div(_tiles(stored), className="tiles"),
            _verdict(stored),
            _charts(stored.fit, members, csv),
        ]
    return html.Div([*body, *frontier, *_alone(site, family, curves, csv)], className="page")


def _alone(
    site: Site, family: Family, curves: list[info.Saturation], csv: Callable[[str], str]
) -> list[Node]:
    """Returns the curves of single dimensions, and the laws fitted to them."""
    fitted = laws(site, family)
    chart = parts.chart(
        "saturation",
        "One dimension alone",
        drawing.saturation_curves(curves, fitted),
        csv=csv("saturation"),
        note="One dimension scaled, the others as they were; bars: deviations over seeds, bands: 95 % of laws.",
    )
    facts = [
        parts.card(f"Law of {name}", parts.facts({one.name: str(one) for one in law.parameters}))
        for name, law in fitted.items()
    ]
    return [chart, *facts]


def _committees(site: Site, family: Family, csv: Callable[[str], str]) -> list[Node]:
    """Returns the committees' frontier beside the members that they are made of; nothing before there is one."""
    grown = family.arms.get("grow")
    found = () if grown is None else committees.committees(site.reader, grown)
    if grown is None or not found:
        return []
    drawn = drawing.family_curve(info.members(trials_of(site, grown)), found)
    title = "Committees against single networks"
    return [
        parts.chart("committees", title, drawn, csv=csv("committees"), note=committees.NOTE, height=420),
        committees.card(found),
    ]


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


def _tiles(stored: info.StoredRule) -> list[Node]:
    fit = stored.fit
    greek = {"alpha": "α depth", "beta": "β width", "gamma": "γ resolution"}
    tiles: list[Node] = [
        parts.figure_tile(
            f"{one.value:.3f}", greek.get(one.name, one.name), f"{one.low:.3f} to {one.high:.3f}"
        )
        for one in fit.parameters
    ]
    tiles.append(
        parts.figure_tile(f"{fit.region:.1%}", "Of all rules left possible", "small is well determined")
    )
    tiles.append(
        parts.figure_tile(f"{fit.noise:.4f}", "Noise of one training", f"{fit.dof} degrees of freedom")
    )
    count = f"{len(fit.points)} trainings"
    tiles.append(
        parts.figure_tile(count, "Rests on", f"by the {fit.method}, {clock(stored.record.created)[:16]}")
    )
    return tiles


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


def _charts(fit: RuleFit, members: list[info.Member], csv: Callable[[str], str]) -> Component:
    pairs = info.fitted_pairs(fit)
    region = info.region(fit)
    return html.Div(
        [
            parts.chart(
                "region",
                "How the cost is best shared",
                drawing.share_region(region, fit),
                csv=csv("region"),
                note=f"All ways to spend {fit.cost_multiple:.3g}× the cost; ringed: maybe the best.",
                height=420,
            ),
            parts.chart(
                "points", "What was measured", drawing.measured_points(fit), csv=csv("scaling"), height=420
            ),
            parts.chart(
                "parameters", "α, β and γ", drawing.parameters(fit), csv=csv("parameters"), height=260
            ),
            parts.chart(
                "comparisons",
                "Compound against other rules",
                drawing.comparisons(fit),
                csv=csv("comparisons"),
                height=260,
            ),
            parts.chart(
                "predictions",
                "Predicted against observed",
                drawing.predicted_against_observed(pairs, members),
                csv=csv("predictions"),
                note="Members were trained afterwards; longer training is carried over by what the baseline gained.",
                wide=True,
            ),
        ],
        className="grid",
    )
