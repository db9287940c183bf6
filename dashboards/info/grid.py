"""The grid of all trials: sorted, filtered and cut into pages here, where a column is an array.

What the browser sends is other people's input: column names are looked up in one list, values are compared as numbers
or texts, and everything else is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dashboards.info.failures import FAILURE_WORDS
from dashboards.info.rewards import Weighing, rewards
from dashboards.info.table import COSTS, FAILURES, NONE, STATES, Array, Flags, Table
from runs import TrialState
from runs.records import TrialRecord

NUMERIC = ("number", "reward", "accuracy", *COSTS, "seconds", "fence", "ended")
TEXTUAL = ("state", "digest", "error")
COLUMNS = (*NUMERIC, *TEXTUAL)
MAX_PAGE = 500

Row = dict[str, Any]


def order(
    table: Table,
    how: Weighing | None,
    *,
    sort: Sequence[Mapping[str, Any]] = (),
    filters: Mapping[str, Any] | None = None,
    search: str = "",
    states: Sequence[str] = (),
) -> Array:
    """Returns the numbers of the trials that pass, in the order wanted; the newest first where none is.

    Args:
        table: the trials.
        how: the reward that is shown.
        sort: `{"colId", "sort"}` with sort "asc" or "desc", the most important first.
        filters: the grid's filter model, by column.
        search: a trial's number, or a part of a digest, state or failure class.
        states: words of `state_words`; empty means all.
    """
    columns = {"reward": rewards(table, how)}
    kept = table["state"] > NONE
    if states:
        kept &= np.isin(np.array(_texts(table, "state")), list(states))
    for name, model in (filters or {}).items():
        if name in NUMERIC and isinstance(model, Mapping):
            kept &= _numbers_pass(_column(table, columns, name), model)
        elif name in TEXTUAL and isinstance(model, Mapping):
            kept &= _texts_pass(_texts(table, name), model)
    if search.strip():
        kept &= _found(table, search.strip())
    chosen = np.flatnonzero(kept)[::-1]
    for one in reversed([one for one in sort if one.get("colId") in COLUMNS]):
        chosen = chosen[_ranks(table, columns, str(one["colId"]), chosen, falling=one.get("sort") == "desc")]
    return chosen


def state_words(state: TrialState) -> str:
    """Returns the word under which a state is shown, as the command line shows it."""
    return {
        TrialState.QUEUED: "waiting",
        TrialState.LEASED: "running",
        TrialState.CANCELLED: "failed",
    }.get(state, str(state))


WORDS = ("complete", "pruned", "failed", "infeasible", "running", "waiting")
_WORD_OF = np.array([*(state_words(state) for state in STATES), ""])  # the last: NONE


def page(how: Weighing | None, trials: Sequence[TrialRecord]) -> list[Row]:
    """Returns rows as the grid shows them.

    Args:
        how: the reward that is shown.
        trials: the records of this page.
    """
    return [_shown(one, how) for one in trials]


def _shown(trial: TrialRecord, how: Weighing | None) -> Row:
    values = {name: trial.costs.get(name, trial.metrics.get(name)) for name in COSTS}
    return {
        "id": str(trial.number),
        "number": trial.number,
        "state": state_words(trial.state) + (" (reused)" if trial.reused_from is not None else ""),
        "reward": reward_of(trial, how),
        "accuracy": trial.metrics.get("accuracy"),
        **values,
        "seconds": trial.seconds,
        "fence": trial.fence,
        "ended": trial.ended,
        "digest": (trial.digest or "")[:12],
        "error": error_text(trial),
    }


def reward_of(trial: TrialRecord, how: Weighing | None) -> float | None:
    """Returns a complete trial's reward; without a weighing its stored objective."""
    if trial.state is not TrialState.COMPLETE:
        return None
    if how is None:
        return trial.objectives[0] if trial.objectives else None
    accuracy = trial.metrics.get("accuracy")
    cost = trial.costs.get(how.cost, trial.metrics.get(how.cost))
    return None if accuracy is None or not cost or cost <= 0 else float(how.rewards(accuracy, cost))


def error_text(trial: TrialRecord) -> str:
    """Returns why a trial has no result, in a line; empty where it has one."""
    if trial.failure_class is None:
        return trial.message if trial.state is TrialState.INFEASIBLE else ""
    words = FAILURE_WORDS[trial.failure_class]
    return f"{words}: {trial.message}" if trial.message else words


def _column(table: Table, extra: Mapping[str, Array], name: str) -> Array:
    return extra[name] if name in extra else table[name]


def _texts(table: Table, name: str) -> Array:
    if name == "state":
        return np.asarray(_WORD_OF[table["state"]])
    if name == "error":
        return np.array([*(FAILURE_WORDS[one] for one in FAILURES), ""])[table["failure"]]
    return np.char.decode(table["digest"], "ascii")


def _numbers_pass(column: Array, model: Mapping[str, Any]) -> Flags:
    conditions = model.get("conditions")
    if isinstance(conditions, list):
        parts = [_numbers_pass(column, one) for one in conditions if isinstance(one, Mapping)]
        joined = np.logical_or if model.get("operator") == "OR" else np.logical_and
        return np.asarray(joined.reduce(parts)) if parts else np.ones(len(column), bool)
    low, high = _real(model.get("filter")), _real(model.get("filterTo"))
    with np.errstate(invalid="ignore"):
        tests = {
            "equals": column == low,
            "notEqual": column != low,
            "lessThan": column < low,
            "lessThanOrEqual": column <= low,
            "greaterThan": column > low,
            "greaterThanOrEqual": column >= low,
            "inRange": (column >= low) & (column <= high),
            "blank": ~np.isfinite(column),
            "notBlank": np.isfinite(column),
        }
    return np.asarray(tests.get(str(model.get("type")), np.ones(len(column), bool)))


def _texts_pass(column: Array, model: Mapping[str, Any]) -> Flags:
    wanted, kind = str(model.get("filter", "")).lower()[:100], str(model.get("type", "contains"))
    if kind == "equals":
        return np.asarray(column == wanted)
    inside = np.char.find(column, wanted) >= 0
    return np.asarray(~inside if kind == "notContains" else inside)


def _found(table: Table, search: str) -> Flags:
    if search.isascii() and search.isdigit() and len(search) < 12:
        return np.asarray(table["number"] == int(search))
    model = {"filter": search}
    parts = [_texts_pass(_texts(table, name), model) for name in TEXTUAL]
    return np.asarray(np.logical_or.reduce(parts))


def _ranks(table: Table, extra: Mapping[str, Array], name: str, chosen: Array, *, falling: bool) -> Array:
    """Returns a stable order of `chosen` by one column; what has no value comes last either way."""
    if name in NUMERIC:
        keys = np.asarray(_column(table, extra, name)[chosen], np.float64)
        return np.argsort(np.nan_to_num(-keys if falling else keys, nan=np.inf), kind="stable")
    _, codes = np.unique(_texts(table, name)[chosen], return_inverse=True)
    return np.argsort(-codes if falling else codes, kind="stable")


def _real(value: object) -> float:
    try:
        return float(value) if isinstance(value, int | float | str) else float("nan")
    except ValueError:
        return float("nan")
