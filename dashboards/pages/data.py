"""The data behind every chart, as rows for a spreadsheet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from dashboards.info.front import front
from dashboards.info.progress import climb, spending, throughput
from dashboards.info.rewards import rewards, weighing
from dashboards.info.scaling import DIMENSIONS, Member, fitted_pairs, members, region
from dashboards.info.table import FAILURES, NONE, STATES
from dashboards.pages.committees import committees
from dashboards.pages.scaling import alone, family_of, newest_rule, trials_of
from dashboards.pages.search_panels import chosen_curves, chosen_importances, recent_bars
from dashboards.reader import Reader
from dashboards.site import Site
from scaling_rules import RuleFit

Rows = list[dict[str, Any]]


def _front(reader: Reader, study_id: int) -> Rows:
    table, how = reader.table(study_id), weighing(reader.head(study_id).settings)
    cost = how.cost if how else "macs"
    usable = np.flatnonzero(table.complete & np.isfinite(table["accuracy"]) & (table[cost] > 0))
    best = set(usable[front(table["accuracy"][usable], table[cost][usable])].tolist())
    return [
        {
            "trial": n,
            "accuracy": float(table["accuracy"][n]),
            cost: float(table[cost][n]),
            "on_front": n in best,
        }
        for n in usable.tolist()
    ]


def _best(reader: Reader, study_id: int) -> Rows:
    head = reader.head(study_id)
    how = weighing(head.settings)
    found = climb(reader.table(study_id), how, minimized=how is None and head.directions[0] == "minimize")
    columns = zip(
        found.ranks.tolist(), found.numbers.tolist(), found.values.tolist(), found.ended.tolist(), strict=True
    )
    return [
        {"rank": rank, "trial": number, "best": value, "ended": ended}
        for rank, number, value, ended in columns
    ]


def _importances(reader: Reader, study_id: int) -> Rows:
    found, count = chosen_importances(reader, reader.head(study_id), reader.table(study_id))
    return [asdict(one) | {"num_trials": count} for one in found]


def _curves(reader: Reader, study_id: int) -> Rows:
    metric, found = chosen_curves(reader, reader.head(study_id), reader.table(study_id))
    return [
        {"trial": curve.number, "state": str(curve.state), "step": step, metric: value}
        for curve in found
        for step, value in zip(curve.steps, curve.values, strict=True)
    ]


def _compute(reader: Reader, study_id: int) -> Rows:
    return [asdict(one) for one in spending(reader.table(study_id))]


def _throughput(reader: Reader, study_id: int) -> Rows:
    found = throughput(reader.table(study_id))
    if found is None:
        return []
    columns = (found.begins, found.trained, found.pruned, found.other)
    names = ("begin", "trained", "pruned", "other")
    return [
        dict(zip(names, row, strict=True)) for row in zip(*(one.tolist() for one in columns), strict=True)
    ]


def _timeline(reader: Reader, study_id: int) -> Rows:
    return [asdict(one) for one in recent_bars(reader, study_id, reader.table(study_id))]


def _trials(reader: Reader, study_id: int) -> Rows:
    table, how = reader.table(study_id), weighing(reader.head(study_id).settings)
    values = rewards(table, how)
    rows = []
    for row, value in zip(
        table.rows[table["state"] > NONE], values[table["state"] > NONE].tolist(), strict=True
    ):
        rows.append(
            {
                "number": int(row["number"]),
                "state": str(STATES[row["state"]]),
                "reward": _known(value),
                **{
                    name: _known(float(row[name]))
                    for name in ("accuracy", "macs", "params", "seconds", "ended")
                },
                "failure": str(FAILURES[row["failure"]]) if row["failure"] > NONE else "",
                "digest": row["digest"].decode("ascii"),
            }
        )
    return rows


def _scaling(reader: Reader, study_id: int) -> Rows:
    fit = _fit(reader, study_id)
    if fit is None:
        return []
    pairs = zip(fit.points, fit.residuals, strict=True)
    return [asdict(point) | {"fitted": point.value - residual} for point, residual in pairs]


def _region(reader: Reader, study_id: int) -> Rows:
    fit = _fit(reader, study_id)
    found = None if fit is None else region(fit)
    if found is None:
        return []
    columns = zip(found.shares.tolist(), found.values.tolist(), found.possible.tolist(), strict=True)
    return [
        dict(zip(DIMENSIONS, shares, strict=True)) | {"accuracy": value, "possible_best": possible}
        for shares, value, possible in columns
    ]


def _parameters(reader: Reader, study_id: int) -> Rows:
    fit = _fit(reader, study_id)
    return [] if fit is None else [asdict(one) | {"level": fit.level} for one in fit.parameters]


def _comparisons(reader: Reader, study_id: int) -> Rows:
    fit = _fit(reader, study_id)
    if fit is None:
        return []
    names = ("name", "gain", "low", "high", "distinguishable")
    return [{name: getattr(one, name) for name in names} for one in fit.comparisons]


def _predictions(reader: Reader, study_id: int) -> Rows:
    fit = _fit(reader, study_id)
    if fit is None:
        return []
    grown = [one for one in _members(reader, study_id) if one.predicted is not None]
    return [asdict(one) | {"fitted_to": True} for one in fitted_pairs(fit)] + [
        {"name": one.name, "predicted": one.predicted, "observed": one.mean, "fitted_to": False}
        for one in grown
    ]


def _saturation(reader: Reader, study_id: int) -> Rows:
    site = Site(reader)
    columns = ("factor", "size", "accuracy", "standard_deviation")
    return [
        {"dimension": curve.dimension} | dict(zip(columns, row, strict=True))
        for curve in alone(site, family_of(site, study_id))
        for row in zip(curve.factors, curve.sizes, curve.means, curve.spreads, strict=True)
    ]


def _fit(reader: Reader, study_id: int) -> RuleFit | None:
    site = Site(reader)
    stored = newest_rule(site, family_of(site, study_id))
    return None if stored is None else stored.fit


def _members(reader: Reader, study_id: int) -> list[Member]:
    site = Site(reader)
    grown = family_of(site, study_id).arms.get("grow")
    return [] if grown is None else members(trials_of(site, grown))


def _family(reader: Reader, study_id: int) -> Rows:
    return [
        {
            "rule": one.rule,
            "size": one.size,
            "trial": number,
            "accuracy": accuracy,
            "macs": one.macs,
            "params": one.params,
        }
        | dict(zip(DIMENSIONS, one.factors, strict=True))
        | {
            "predicted": one.predicted,
            "predicted_low": one.low,
            "predicted_high": one.high,
            "digest": one.digest,
        }
        for one in _members(reader, study_id)
        for number, accuracy in zip(one.numbers, one.accuracies, strict=True)
    ]


def _committees(reader: Reader, study_id: int) -> Rows:
    grown = family_of(Site(reader), study_id).arms.get("grow")
    found = () if grown is None else committees(reader, grown)
    return [
        {
            "kind": one.kind,
            "members": " + ".join(one.names),
            "mean": one.mean,
            "macs": one.cost,
            "accuracy": one.accuracy,
            "low": one.low,
            "high": one.high,
            "beaten": one.beaten,
        }
        for one in found
    ]


def trial_curves(reader: Reader, study_id: int, number: int) -> Rows:
    """Returns what one trial reported, a row for each attempt, metric and step."""
    reported = reader.store.metrics(reader.browse.trial(study_id, number).id)
    return [
        {"metric": one.name, "attempt": one.fence, "step": one.step, "value": one.value} for one in reported
    ]


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


TABLES: dict[str, Callable[[Reader, int], Rows]] = {
    "front": _front,
    "best": _best,
    "importances": _importances,
    "curves": _curves,
    "compute": _compute,
    "throughput": _throughput,
    "timeline": _timeline,
    "trials": _trials,
    "scaling": _scaling,
    "region": _region,
    "parameters": _parameters,
    "comparisons": _comparisons,
    "predictions": _predictions,
    "saturation": _saturation,
    "family": _family,
    "committees": _committees,
}
