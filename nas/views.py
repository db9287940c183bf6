"""What the ledger's records say, as plain dictionaries: the JSON of the command line, and the rows of its
tables.

Pure functions of records. Their keys are a contract with scripts: names are added, never changed.

States are shown in six words: a trial that a driver holds is `running`, one that nobody holds is `waiting`,
and one that was cancelled counts as `failed` with the error `cancelled`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import le
from typing import Any

from nas.reward import COSTS, Reward
from nas.settings import SearchSettings
from nas.stages.budget import num_paid
from nas.stages.names import ARMS, FIT, GRID, GROW
from runs import Store, TrialState
from runs.records import (
    ArtifactRecord,
    AttemptRecord,
    FitRecord,
    MetricRecord,
    RunRecord,
    Spent,
    StudyRecord,
    TrialRecord,
    hours_at_work,
)

View = dict[str, Any]

_WORDS: dict[TrialState, str] = {
    TrialState.QUEUED: "waiting",
    TrialState.LEASED: "running",
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAILED: "failed",
    TrialState.INFEASIBLE: "infeasible",
    TrialState.CANCELLED: "failed",
}
STATES = ("complete", "pruned", "failed", "infeasible", "running", "waiting")
_COUNTED = ("complete", "pruned", "failed", "infeasible", "reused", "running", "waiting")
_BEST = ("reward", "accuracy", "macs", "params", "digest")


_ARMS = tuple(f".{arm}" for arm in ARMS)


def is_arm(name: str) -> bool:
    """Returns whether a study is a further arm of another one: its control, its finalists, its fit, its family."""
    return name.endswith(_ARMS)


def study_reward(study: StudyRecord) -> Reward | None:
    """Returns the reward that a study was searched under; None for a study that plain Optuna made."""
    search = _search(study)
    return None if search is None else search.make_reward()


def trial_view(
    trial: TrialRecord, reward: Reward | None, *, numbers: Mapping[int, int] | None = None
) -> View:
    """Returns one trial as `nas trials` prints it.

    Args:
        trial: the record.
        reward: under which its reward is computed from the stored accuracy and cost; None takes the stored
            objective. Where it counts a latency or the memory, that is shown too, under its name.
        numbers: trial numbers by id, for `reused_from`; a trial of another study is shown by `id:`.
    """
    source = trial.reused_from
    view = {
        "number": trial.number,
        "state": _WORDS[trial.state],
        "digest": trial.digest,
        "fidelity": _parsed(trial.fidelity),
        "seed": trial.seed,
        "reward": _reward(trial, reward),
        "accuracy": trial.metrics.get("accuracy"),
        "macs": _whole(trial.costs.get("macs")),
        "params": _whole(trial.costs.get("params")),
        "seconds": trial.seconds,
        "error": _error(trial),
        "reused_from": None if source is None else (numbers or {}).get(source, f"id:{source}"),
    }
    return view if reward is None or reward.cost in view else view | {reward.cost: _cost(trial, reward)}


def trial_views(trials: Sequence[TrialRecord], reward: Reward | None) -> list[View]:
    """Returns all trials of one study, by number."""
    numbers = {trial.id: trial.number for trial in trials}
    ordered = sorted(trials, key=lambda trial: trial.number)
    return [trial_view(trial, reward, numbers=numbers) for trial in ordered]


def with_cost(columns: Sequence[str], rows: Sequence[View]) -> tuple[str, ...]:
    """Returns the columns of a table of trials, with the cost that the reward counts where it is no usual one."""
    extra = [name for name in COSTS if rows and name in rows[0] and name not in columns]
    place = list(columns).index("params") + 1
    return (*columns[:place], *extra, *columns[place:])


def has_front(reward: Reward | None, directions: Sequence[str]) -> bool:
    """Returns whether the best of a study are the trials that no other beats, rather than one."""
    return len(directions) > 1 if reward is None else reward.kind == "pareto"


def best_views(
    trials: Sequence[TrialRecord],
    reward: Reward | None,
    *,
    count: int = 1,
    directions: Sequence[str] = ("maximize",),
) -> list[View]:
    """Returns the complete trials with the highest rewards, the best first and each architecture once.

    Equal rewards are told apart by the fewer MACs, then by the lower number. Under `pareto` there is no
    single number: the trials that no other beats in both accuracy and cost, by rising cost. So it is with a study of
    several objectives that plain Optuna made; its trials are told with all of them, the best in the first one first.

    Args:
        trials: of a study.
        reward: under which they are compared; None takes the stored objectives.
        count: how many are wanted at most.
        directions: of the stored objectives: "maximize" or "minimize"; they matter only without a reward.
    """
    if reward is not None and reward.kind == "pareto":
        return _front(trials, reward)[:count]
    if has_front(reward, directions):
        return _unbeaten(trials, directions)[:count]
    scored = [view for view in trial_views(trials, reward) if view["reward"] is not None]
    sign = 1 if reward is None and directions[0] == "minimize" else -1
    scored.sort(key=lambda view: (sign * view["reward"], view["macs"] or 0, view["number"]))
    firsts: dict[object, View] = {}
    for view in scored:
        firsts.setdefault(view["digest"] or view["number"], view)
    return list(firsts.values())[:count]


def status_view(
    study: StudyRecord,
    trials: Sequence[TrialRecord],
    spent: Spent,
    sessions: Sequence[RunRecord],
    *,
    now: float,
    stages: Sequence[View] = (),
    exports: Sequence[View] = (),
) -> View:
    """Returns one study as `nas status` prints it.

    Args:
        study: the record.
        trials: all its trials.
        spent: what the ledger says has been used.
        sessions: the runs of its stages.
        now: UTC seconds since 1970; measures work that is under way.
        stages: of its arms, by `stage_view`.
        exports: of its trials and its arms', by `export_view`.
    """
    counts = Counter(_WORDS[trial.state] for trial in trials)
    counts["reused"] = spent.num_reused
    reward = study_reward(study)
    is_one = reward is not None or not has_front(reward, study.directions)
    best = best_views(trials, reward, directions=study.directions) if is_one else []
    return {
        "study": study.name,
        "state": study.state,
        "trials": {name: counts[name] for name in _COUNTED},
        "best": {"trial": best[0]["number"], **{key: best[0][key] for key in _BEST}} if best else None,
        "budget": budget_view(study, spent, sessions, now=now),
        "stages": list(stages),
        "exports": list(exports),
    }


def stage_views(store: Store, study: StudyRecord) -> list[View]:
    """Returns the arms of a study that were begun: control, finalists, fit, sweep, family."""
    return [stage_view(one, store.spent(one.id), store.fits(one.id)) for one in _arms(store, study)]


def export_views(store: Store, study: StudyRecord) -> list[View]:
    """Returns what was exported of a study and of its arms, oldest first."""
    found = [
        export_view(f"{one.name}/{number}", record)
        for one in (study, *_arms(store, study))
        for number, record in store.exports(one.id)
    ]
    return sorted(found, key=lambda view: float(view["created"]))


def export_view(trial: str, record: ArtifactRecord) -> View:
    """Returns one export as `nas status` and `nas show` list it.

    Args:
        trial: STUDY/NUMBER.
        record: of its manifest.
    """
    told = {key: record.details.get(key) for key in ("folder", "formats")}
    return {"trial": trial, **told, "manifest": record.sha256, "created": record.created}


def _arms(store: Store, study: StudyRecord) -> list[StudyRecord]:
    return [one for one in store.studies() if one.name.startswith(f"{study.name}.") and is_arm(one.name)]


def budget_view(study: StudyRecord, spent: Spent, sessions: Sequence[RunRecord], *, now: float) -> View:
    """Returns used and limit of each kind of budget; a limit of None was not set."""
    trials, hours, device_hours = _limits(study)
    return {
        "trials": {"used": num_paid(spent), "limit": trials},
        "hours": {"used": round(hours_at_work(sessions, now), 6), "limit": hours},
        "device_hours": {"used": round(spent.device_seconds / 3600, 6), "limit": device_hours},
    }


def _limits(study: StudyRecord) -> tuple[int | None, float | None, float | None]:
    """Returns a study's own limits of trials, hours and device-hours; an arm keeps its search's too, which are not."""
    plan, arm = study.settings.get("plan"), study.name.rpartition(".")[2]
    if plan is not None and is_arm(study.name):
        fitted = study.settings.get("fit") or {}
        times = (None, None) if arm == GROW else (fitted.get("hours"), fitted.get("device_hours"))
        return fitted.get("budget") if arm in (FIT, GRID) else len(plan), *times
    search = _search(study)
    return (None, None, None) if search is None else (search.trial_limit, search.hours, search.device_hours)


def stage_view(arm: StudyRecord, spent: Spent, fits: Sequence[FitRecord]) -> View:
    """Returns one arm of a study as `nas status` lists it.

    Args:
        arm: its study, named `STUDY.stage`.
        spent: what it has used.
        fits: what was fitted to its trials, oldest first.
    """
    plan = arm.settings.get("plan")
    return {
        "stage": arm.name.rpartition(".")[2],
        "study": arm.name,
        "state": arm.state,
        "planned": None if plan is None else len(plan),
        "complete": spent.counts[TrialState.COMPLETE],
        "failed": spent.counts[TrialState.FAILED],
        "device_hours": round(spent.device_seconds / 3600, 6),
        "rule": fits[-1].fit["rule"]["rule"] if fits and "rule" in fits[-1].fit else None,
    }


def study_view(study: StudyRecord, spent: Spent) -> View:
    """Returns one line of `nas list`."""
    return {
        "study": study.name,
        "state": study.state,
        "space": (study.space or {}).get("name"),
        "trials": spent.num_trials,
        "complete": spent.counts[TrialState.COMPLETE],
        "device_hours": round(spent.device_seconds / 3600, 6),
        "created": study.created,
    }


def detail_view(
    trial: TrialRecord,
    reward: Reward | None,
    *,
    attempts: Sequence[AttemptRecord],
    metrics: Sequence[MetricRecord],
    numbers: Mapping[int, int],
    exports: Sequence[View] = (),
) -> View:
    """Returns everything about one trial, as `nas show` prints it."""
    return trial_view(trial, reward, numbers=numbers) | {
        "choices": dict(trial.choices),
        "costs": {name: _whole(cost) for name, cost in trial.costs.items()},
        "metrics": dict(trial.metrics),
        "constraints": dict(trial.constraints),
        "weights": trial.weights,
        "started": trial.started,
        "ended": trial.ended,
        "attempts": [_attempt(attempt) for attempt in attempts],
        "curve": [{"step": m.step, "name": m.name, "value": m.value, "attempt": m.fence} for m in metrics],
        "exports": list(exports),
    }


def _search(study: StudyRecord) -> SearchSettings | None:
    """Returns the settings that a study was last searched with; None for one that plain Optuna made."""
    search = study.settings.get("search")
    return SearchSettings.model_validate(search) if isinstance(search, Mapping) else None


def _attempt(attempt: AttemptRecord) -> View:
    return {
        "attempt": attempt.fence,
        "host": attempt.host,
        "started": attempt.started,
        "ended": attempt.ended,
        "seconds": attempt.seconds,
        "error": attempt.failure_class.value if attempt.failure_class else None,
        "message": attempt.message,
        "traceback": attempt.traceback,
        "code_version": attempt.code_version,
    }


def _front(trials: Sequence[TrialRecord], reward: Reward) -> list[View]:
    """Returns the complete trials that no other dominates in accuracy and the reward's cost, by rising cost."""
    usable = [
        (cost, -view["accuracy"], view["number"], view)
        for trial, view in zip(trials, trial_views(trials, reward), strict=True)
        if view["state"] == "complete" and view["accuracy"] is not None
        if (cost := _cost(trial, reward)) is not None
    ]
    front: list[View] = []
    for _, _, _, view in sorted(usable, key=lambda row: row[:3]):
        if not front or view["accuracy"] > front[-1]["accuracy"]:
            front.append(view)
    return front


def _unbeaten(trials: Sequence[TrialRecord], directions: Sequence[str]) -> list[View]:
    """Returns the complete trials that no other dominates in the stored objectives, the best in the first one first."""
    signs = [-1.0 if direction == "maximize" else 1.0 for direction in directions]
    found = []
    for trial, view in zip(trials, trial_views(trials, None), strict=True):
        if trial.state is TrialState.COMPLETE and trial.objectives:
            told = view | {"objectives": list(trial.objectives)}
            found.append(([sign * one for sign, one in zip(signs, trial.objectives, strict=True)], told))
    kept: list[tuple[list[float], View]] = []
    found.sort(key=lambda one: (one[0], one[1]["number"]))  # who beats one comes before it
    for row, told in found:
        if not any(all(map(le, other, row)) and other != row for other, _ in kept):
            kept.append((row, told))
    return [told for _, told in kept]


def _reward(trial: TrialRecord, reward: Reward | None) -> float | None:
    if trial.state is not TrialState.COMPLETE:
        return None
    if reward is None:
        return trial.objectives[0] if trial.objectives else None
    accuracy, cost = trial.metrics.get("accuracy"), _cost(trial, reward)
    if reward.kind == "pareto" or accuracy is None or cost is None:
        return None
    return reward.scalar(accuracy, cost)


def _cost(trial: TrialRecord, reward: Reward) -> float | None:
    """Returns the cost that the reward wants; a latency stands with the metrics."""
    return trial.costs.get(reward.cost, trial.metrics.get(reward.cost))


def _error(trial: TrialRecord) -> str | None:
    if trial.state is TrialState.CANCELLED:
        return "cancelled"
    if trial.state is not TrialState.FAILED:
        return None
    name = trial.failure_class.value if trial.failure_class else "failed"
    return f"{name}: {trial.message}" if trial.message else name


def _parsed(text: str | None) -> object:
    """Returns the fidelity as the object it is stored as, or the text itself."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
