"""How a search advances: its best so far, its budget, its throughput, and where its compute went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboards.info.rewards import Reals, Weighing, rewards
from dashboards.info.table import Array, Table
from runs import TrialState
from runs.browsing import Head
from runs.records import JOINS, RunRecord, hours_at_work

STAGES = ("search", "fit", "grow", "export")
MAX_BINS = 120


@dataclass(frozen=True, slots=True, eq=False)
class Climb:
    """The best reward over time: a step at each improvement.

    `numbers` are the trials that improved it, in the order in which they ended; `last` is where the line ends.
    """

    numbers: Array
    values: Reals
    ended: Reals  # UTC seconds
    ranks: Array  # how many trials had ended with a result by then
    last: int  # trials with a result in all


def climb(table: Table, how: Weighing | None, *, minimized: bool = False) -> Climb:
    """Returns the improvements of the best reward, in the order in which trials ended."""
    found = rewards(table, how)
    order = np.flatnonzero(np.isfinite(found))
    order = order[np.argsort(table["ended"][order], kind="stable")]
    values = found[order]
    if not len(order):
        return Climb(order, values, values, order, 0)
    best = np.minimum.accumulate(values) if minimized else np.maximum.accumulate(values)
    steps = np.flatnonzero(np.r_[True, np.diff(best) != 0])
    numbers = order[steps]
    return Climb(numbers, best[steps], table["ended"][numbers], steps + 1, len(order))


@dataclass(frozen=True, slots=True)
class Use:
    """How much of one kind of budget is used; a limit of None was not set."""

    name: str
    used: float
    limit: float | None
    unit: str = ""

    @property
    def share(self) -> float | None:
        """Returns the used share, at most 1; None without a limit."""
        return None if not self.limit else min(self.used / self.limit, 1.0)


def uses(head: Head, sessions: Sequence[RunRecord], *, now: float, num_unfinished: int = 0) -> list[Use]:
    """Returns what is used of each kind of budget, as `nas status` counts it.

    Limits are those that the study's last session was given; an arm's differ from those in the search's settings.
    """
    search = head.settings.get("search")
    search = search if isinstance(search, Mapping) else {}
    given = [one.settings["budget"] for one in sessions if isinstance(one.settings.get("budget"), Mapping)]
    limits = given[-1] if given else {**search, "trials": _limit(search)}
    paid = num_unfinished - head.num_reused
    paid += sum(head.counts[one] for one in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED))
    return [
        Use("trials", paid, limits.get("trials")),
        Use("hours", hours_at_work(sessions, now), limits.get("hours"), "h"),
        Use("device-hours", head.device_seconds / 3600, limits.get("device_hours"), "h"),
    ]


def _limit(search: Mapping[str, Any]) -> int | None:
    if all(search.get(name) is None for name in ("trials", "hours", "device_hours")):
        return 60 if search else None  # what a search takes where the user names no limit
    return search.get("trials")


@dataclass(frozen=True, slots=True)
class Spending:
    """Where compute went: one outcome of trials with what it cost."""

    outcome: str
    num_trials: int
    seconds: float  # device seconds


def spending(table: Table) -> list[Spending]:
    """Returns trials and device seconds by outcome; for reused trials the seconds that they saved.

    What a reused trial saved is what its source had cost; where that belongs to another study, the mean of the
    trials that trained.
    """
    seconds, reused = np.nan_to_num(table["seconds"]), table.reused
    parts = {
        "trained": table.complete & ~reused,
        "pruned": table.are(TrialState.PRUNED) & ~reused,
        "failed": table.are(TrialState.FAILED, TrialState.CANCELLED),
        "refused": table.are(TrialState.INFEASIBLE),
    }
    rows = [Spending(name, int(part.sum()), float(seconds[part].sum())) for name, part in parts.items()]
    trained = parts["trained"]
    mean = float(seconds[trained].mean()) if trained.any() else 0.0
    by_id = dict(zip(table["id"][trained].tolist(), seconds[trained].tolist(), strict=True))
    saved = sum(by_id.get(source, mean) for source in table["reused_from"][reused].tolist())
    return [*rows, Spending("reused", int(reused.sum()), saved)]


@dataclass(frozen=True, slots=True, eq=False)
class Throughput:
    """Trials that ended in each of some equal spans of time."""

    begins: Reals  # UTC seconds
    width_s: float
    trained: Array
    pruned: Array
    other: Array


def throughput(table: Table, *, bins: int = MAX_BINS) -> Throughput | None:
    """Returns how many trials ended when; None before any has."""
    ended = table["ended"]
    known = np.isfinite(ended)
    if not known.any():
        return None
    first, last = float(np.nanmin(ended)), float(np.nanmax(ended))
    width = _nice((last - first) / bins)
    steps = np.arange(int(last // width - first // width) + 2, dtype=np.float64)
    edges: Reals = first // width * width + width * steps

    def counted(part: npt.NDArray[np.bool_]) -> Array:
        return np.histogram(ended[known & part], edges)[0]

    trained = table.complete & ~table.reused
    pruned = table.are(TrialState.PRUNED)
    return Throughput(edges[:-1], width, counted(trained), counted(pruned), counted(~trained & ~pruned))


def _nice(seconds: float) -> float:
    """Returns a round span of at least so many seconds."""
    for width in (1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400):
        if seconds <= width:
            return float(width)
    return 86_400.0 * float(np.ceil(seconds / 86_400))


def stages(
    sessions: Sequence[RunRecord], *, has_trials: bool, has_fits: bool, has_exports: bool
) -> dict[str, str]:
    """Returns how far each stage came: "none", "running", "done" or "stopped", by stage.

    Args:
        sessions: the runs of a study and of its arms, oldest first; those that joined another say nothing of its end.
        has_trials, has_fits, has_exports: what there is of each, whoever made it.
    """
    reached = dict.fromkeys(STAGES, "none")
    if has_trials:
        reached["search"] = "done"
    for one in sessions:  # oldest first: the newest says how it stands
        name = one.stage.split(".")[0].split(":")[0]
        if name in reached and not one.settings.get(JOINS):
            reached[name] = (
                "running" if one.status == "running" else "done" if one.status == "done" else "stopped"
            )
    if has_fits and reached["fit"] == "none":
        reached["fit"] = "done"
    if has_exports:
        reached["export"] = "done"
    return reached
