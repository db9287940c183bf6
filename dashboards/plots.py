"""Single figures of a study by name, for `nas plot`: a drawing of numbers, or a sentence why there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dashboards.drawing import printed, printed_scaling
from dashboards.info import scaling as scaling_info
from dashboards.info.front import scatter
from dashboards.info.progress import climb, spending
from dashboards.info.rewards import weighing
from dashboards.pages import scaling, search_panels
from dashboards.site import Site
from runs.browsing import Head

SUFFIXES = (".png", ".svg", ".pdf")


class UnknownPlot(ValueError):
    """A figure or a format that there is not."""


class NothingToPlot(ValueError):
    """A figure that has no numbers yet."""

    exit_code = 3


def _front(site: Site, head: Head) -> printed.Draw | None:
    table, how = site.reader.whole(head.id), weighing(head.settings)
    cost = how.cost if how else "macs"
    shown = scatter(table, cost)
    return printed.front(table, shown, how, cost) if shown.num_all else None


def _best(site: Site, head: Head) -> printed.Draw | None:
    how = weighing(head.settings)
    found = climb(site.reader.whole(head.id), how, minimized=how is None and head.directions[0] == "minimize")
    return printed.best_so_far(found) if found.last else None


def _importances(site: Site, head: Head) -> printed.Draw | None:
    found, _ = search_panels.chosen_importances(site.reader, head, site.reader.whole(head.id))
    return printed.importance_bars(found) if found else None


def _curves(site: Site, head: Head) -> printed.Draw | None:
    metric, found = search_panels.chosen_curves(site.reader, head, site.reader.whole(head.id))
    return printed.learning_curves(found, metric) if found else None


def _compute(site: Site, head: Head) -> printed.Draw | None:
    rows = spending(site.reader.whole(head.id))
    return printed.spending_bars(rows) if any(row.num_trials for row in rows) else None


def _family(site: Site, head: Head) -> printed.Draw | None:
    arms = scaling.family_of(site, head.id).arms
    members = scaling_info.members(scaling.trials_of(site, arms["grow"])) if "grow" in arms else []
    return printed.family(members) if members else None


def _region(site: Site, head: Head) -> printed.Draw | None:
    stored = scaling.newest_rule(site, scaling.family_of(site, head.id))
    found = None if stored is None else scaling_info.region(stored.fit)
    return None if stored is None or found is None else printed_scaling.region(found, stored.fit)


def _parameters(site: Site, head: Head) -> printed.Draw | None:
    stored = scaling.newest_rule(site, scaling.family_of(site, head.id))
    return None if stored is None else printed_scaling.parameters(stored.fit)


def _predictions(site: Site, head: Head) -> printed.Draw | None:
    family = scaling.family_of(site, head.id)
    stored, grown = scaling.newest_rule(site, family), family.arms.get("grow")
    if stored is None:
        return None
    members = scaling_info.members(scaling.trials_of(site, grown)) if grown else []
    return printed_scaling.predictions(scaling_info.fitted_pairs(stored.fit), members)


def _sweep(site: Site, head: Head) -> printed.Draw | None:
    family = scaling.family_of(site, head.id)
    curves = scaling.alone(site, family)
    return printed_scaling.saturation(curves, scaling.laws(site, family)) if curves else None


PLOTS: dict[str, tuple[str, Callable[[Site, Head], printed.Draw | None]]] = {
    "front": ("accuracy against cost", _front),
    "best": ("best so far", _best),
    "importances": ("which choices matter", _importances),
    "curves": ("learning curves", _curves),
    "compute": ("where the compute went", _compute),
    "sweep": ("one dimension alone", _sweep),
    "region": ("how the cost is best shared", _region),
    "parameters": ("alpha, beta and gamma", _parameters),
    "predictions": ("predicted against observed", _predictions),
    "family": ("the family", _family),
}


def write_plot(site: Site, study_id: int, name: str, path: Path) -> None:
    """Writes one figure as PNG, SVG or PDF.

    Raises:
        UnknownPlot: there is no such figure or format.
        NothingToPlot: the study has nothing for it yet.
        StudyMissing: there is no such study.
    """
    if name not in PLOTS:
        raise UnknownPlot(f"a figure must be one of {', '.join(PLOTS)}, got {name!r}; choose one of them")
    if path.suffix not in SUFFIXES:
        raise UnknownPlot(f"a figure's file must end in {', '.join(SUFFIXES)}, got {path.name!r}; rename it")
    head = site.reader.head(study_id)
    title, make = PLOTS[name]
    draw = make(site, head)
    if draw is None:
        raise NothingToPlot(
            f"{head.name!r} must have what the figure {name!r} shows, got none yet; resume it"
        )
    printed.save(draw, path, f"{head.name}: {title}")
