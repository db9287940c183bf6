"""Metrics per step, and the insert that both databases spell in their own dialect."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from runs.prepared import Prepared
from runs.records import MetricRecord
from runs.schema import metric, trial

INTERMEDIATE = "intermediate"  # the metric that Optuna knows as intermediate values


DIALECTS = ("sqlite", "postgresql")


def dialect_insert(dialect: str, table: sa.Table) -> Any:
    """Returns an insert that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return (sqlite if dialect == "sqlite" else postgresql).insert(table)


def add_metrics(connection: Connection, rows: Sequence[tuple[int, int, int, str, float]]) -> None:
    """Stores (trial, fence, step, name, value); a value sent again replaces the earlier one."""
    if not rows:
        return
    _UPSERT.change(
        connection,
        [
            {
                "trial_id": trial_id,
                "fence": fence,
                "step": step,
                "name": name,
                "value": None if math.isnan(value) else float(value),
            }
            for trial_id, fence, step, name, value in rows
        ],
    )


def of_trial(connection: Connection, trial_id: int) -> list[MetricRecord]:
    """Returns what all attempts of a trial have reported, by step."""
    rows = connection.execute(
        sa.select(metric)
        .where(metric.c.trial_id == trial_id)
        .order_by(metric.c.step, metric.c.name, metric.c.fence)
    )
    return [MetricRecord(row.trial_id, row.fence, row.step, row.name, _value(row.value)) for row in rows]


def of_trials(
    connection: Connection,
    study_id: int,
    trial_ids: Sequence[int],
    name: str,
    *,
    after_step: int | None = None,
) -> dict[int, dict[int, float]]:
    """Returns one metric by trial id and step, the latest attempt's where several reported a step.

    Args:
        trial_ids: of these trials; empty means all of the study.
        after_step: only later steps; None: all.
    """
    found: dict[int, dict[int, float]] = {}
    for trial_id, step, value in _points(connection, study_id, trial_ids, name, after_step):
        found.setdefault(trial_id, {})[step] = _value(value)
    return found


def _points(
    connection: Connection, study_id: int, trial_ids: Sequence[int], name: str, after_step: int | None
) -> Iterable[Any]:
    """Returns trial, step and value of what is wanted, by step."""
    if 0 < len(trial_ids) <= _FEW and after_step is None:
        padded = {f"trial_{k}": trial_ids[min(k, len(trial_ids) - 1)] for k in range(_FEW)}
        return _OF_FEW.rows(connection, {"the_name": name, **padded})
    statement = _OF_TRIALS if trial_ids else _OF_STUDY
    if after_step is not None:
        statement = statement.where(metric.c.step > after_step)
    wanted = {"the_name": name} | ({"the_trials": trial_ids} if trial_ids else {"the_study": study_id})
    return connection.execute(statement, wanted)


def curves(connection: Connection, study_id: int, name: str) -> dict[int, dict[int, float]]:
    """Returns one metric of a whole study by trial number and step."""
    rows = connection.execute(sa.select(trial.c.id, trial.c.number).where(trial.c.study_id == study_id))
    numbers = {trial_id: number for trial_id, number in rows}
    return {numbers[trial_id]: steps for trial_id, steps in of_trials(connection, study_id, [], name).items()}


_ONE = (
    sa.select(metric.c.trial_id, metric.c.step, metric.c.value)
    .where(metric.c.name == sa.bindparam("the_name"))
    .order_by(metric.c.step, metric.c.fence)
)
_FEW = 4  # trials change between two readings of a busy driver
_OF_FEW = Prepared(_ONE.where(metric.c.trial_id.in_([sa.bindparam(f"trial_{k}") for k in range(_FEW)])))
_OF_TRIALS = _ONE.where(metric.c.trial_id.in_(sa.bindparam("the_trials", expanding=True)))
_OF_STUDY = _ONE.join_from(metric, trial, metric.c.trial_id == trial.c.id).where(
    trial.c.study_id == sa.bindparam("the_study")
)


def _upsert(dialect: str) -> Any:
    insert = dialect_insert(dialect, metric)
    return insert.on_conflict_do_update(
        index_elements=list(metric.primary_key), set_={"value": insert.excluded.value}
    )


_UPSERT = Prepared({dialect: _upsert(dialect) for dialect in DIALECTS})


def _value(stored: float | None) -> float:
    return math.nan if stored is None else stored
