"""Metrics per step, and the two inserts that both databases spell in their own dialect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from runs.records import MetricRecord, Progress
from runs.schema import metric, trial

INTERMEDIATE = "intermediate"  # the name under which Optuna's intermediate values are stored


def dialect_insert(connection: Connection, table: sa.Table) -> Any:
    """Returns an insert that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


def add_metrics(connection: Connection, rows: Sequence[tuple[int, int, int, str, float]]) -> None:
    """Stores (trial, fence, step, name, value); a value sent again replaces the earlier one."""
    if not rows:
        return
    insert = dialect_insert(connection, metric)
    statement = insert.on_conflict_do_update(
        index_elements=list(metric.primary_key), set_={"value": insert.excluded.value}
    )
    names = ("trial_id", "fence", "step", "name", "value")
    connection.execute(
        statement,
        [dict(zip(names, (*row[:4], None if math.isnan(row[4]) else float(row[4])), strict=True)) for row in rows],
    )


def add_progress(connection: Connection, progress: Sequence[Progress]) -> None:
    """Stores the metrics of steps; of a step sent again the later values count."""
    add_metrics(
        connection,
        [(p.claim.trial_id, p.claim.fence, p.step, name, value) for p in progress for name, value in p.metrics.items()],
    )


def curves(connection: Connection, study_id: int, name: str) -> dict[int, dict[int, float]]:
    """Returns one metric of all trials of a study, by trial number and step; the latest attempt's word counts."""
    rows = connection.execute(
        sa.select(trial.c.number, metric.c.step, metric.c.value)
        .join_from(metric, trial, metric.c.trial_id == trial.c.id)
        .where(trial.c.study_id == study_id, metric.c.name == name)
        .order_by(trial.c.number, metric.c.fence, metric.c.step)
    )
    found: dict[int, dict[int, float]] = {}
    for number, step, value in rows:
        found.setdefault(number, {})[step] = math.nan if value is None else value
    return found


def of_trial(connection: Connection, trial_id: int) -> list[MetricRecord]:
    """Returns what all attempts of a trial have reported, by step."""
    rows = connection.execute(
        sa.select(metric).where(metric.c.trial_id == trial_id).order_by(metric.c.step, metric.c.name, metric.c.fence)
    )
    return [
        MetricRecord(row.trial_id, row.fence, row.step, row.name, math.nan if row.value is None else row.value)
        for row in rows
    ]
