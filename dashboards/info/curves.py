"""Learning curves: whose to draw, and the curve of a trial with its attempts put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboards.info.rewards import Weighing, winners
from dashboards.info.table import STATES, Table
from runs import TrialState
from runs.records import MetricRecord

MAX_CURVES = 80


@dataclass(frozen=True, slots=True)
class Curve:
    """One metric of one trial, by rising step."""

    number: int
    state: TrialState
    steps: tuple[int, ...]
    values: tuple[float, ...]


def chosen(table: Table, how: Weighing | None, *, limit: int = MAX_CURVES) -> list[int]:
    """Returns the numbers of the trials whose curves are drawn: the running, the best, and the latest."""
    running = table["number"][table.are(TrialState.RUNNING)].tolist()
    best = winners(table, how, 10)
    reported = table["number"][table.are(TrialState.COMPLETE, TrialState.PRUNED) & ~table.reused].tolist()
    return list(dict.fromkeys([*running, *best, *reversed(reported)]))[:limit]


def curves(table: Table, found: Mapping[int, Mapping[int, float]]) -> list[Curve]:
    """Returns the curves of a study.

    Args:
        table: the trials.
        found: values by trial id and step.
    """
    numbers = dict(zip(table["id"].tolist(), table["number"].tolist(), strict=True)) if found else {}
    drawn = []
    for trial_id, points in found.items():
        if trial_id not in numbers:
            continue
        number = numbers[trial_id]
        state = STATES[table["state"][number]]
        steps = sorted(points)
        drawn.append(Curve(number, state, tuple(steps), tuple(points[step] for step in steps)))
    return sorted(drawn, key=lambda curve: curve.number)


def of_trial(
    metrics: Sequence[MetricRecord],
) -> dict[str, dict[int, tuple[tuple[int, ...], tuple[float, ...]]]]:
    """Returns steps and values by metric and attempt."""
    found: dict[str, dict[int, dict[int, float]]] = {}
    for one in metrics:
        found.setdefault(one.name, {}).setdefault(one.fence, {})[one.step] = one.value
    return {
        name: {fence: (tuple(points), tuple(points.values())) for fence, points in fences.items()}
        for name, fences in found.items()
    }
