"""The data behind every chart, as rows for a spreadsheet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from dashboards.info.front import front
from dashboards.info.progress import climb, spending, throughput
from dashboards.info.rewards import rewards, weighing
from dashboards.info.scaling import DIMENSIONS, members
from dashboards.info.table import FAILURES, NONE, STATES
from dashboards.pages.scaling import family_of, newest_rule, trials_of
from dashboards.pages.search_panels import chosen_curves, chosen_importances, recent_bars
from dashboards.reader import Reader
from dashboards.site import Site

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
    site = Site(reader)
    stored = newest_rule(site, family_of(site, study_id))
    if stored is None:
        return []
    pairs = zip(stored.fit.points, stored.fit.residuals, strict=True)
    return [asdict(point) | {"fitted": point.value - residual} for point, residual in pairs]


def _family(reader: Reader, study_id: int) -> Rows:
    site = Site(reader)
    family = family_of(site, study_id)
    if "grow" not in family.arms:
        return []
    stored = newest_rule(site, family)
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
        | {"predicted": one.predicted, "digest": one.digest}
        for one in members(trials_of(site, family.arms["grow"]), stored.fit if stored else None)
        for number, accuracy in zip(one.numbers, one.accuracies, strict=True)
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
    "family": _family,
}
