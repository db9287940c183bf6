"""The file check of the ledger: proves, by reading the database alone, that its invariants hold.

I1  no acknowledged result is lost: every finished trial has its result, and the studies' counters agree
I2  at most one accepted result a trial, by its last attempt; numbers are dense
I3  no trial is held without a live lease
I4  every complete trial has one finite value per objective
I5  what a study has spent is the sum over its attempts
I6  no measurement was paid for twice
I7  the database's own integrity and all foreign keys hold
I8  no stored text holds a secret of the storage's URL
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from runs.records import Violation
from runs.schema import COUNTERS, attempt, metadata, result, study, trial, utc_now
from runs.states import TrialState
from runs.text import load

_UNFINISHED = (TrialState.QUEUED, TrialState.LEASED, TrialState.RUNNING)
_HELD = (TrialState.LEASED, TrialState.RUNNING)


def violations(connection: Connection, *, grace_s: float, secrets: Sequence[str]) -> list[Violation]:
    """Returns every broken invariant; an empty list is the proof that none is.

    Args:
        grace_s: how long after its lease's end a trial may wait for somebody to take it over.
        secrets: texts that must not be stored.
    """
    checks: tuple[Callable[[], Iterator[Violation]], ...] = (
        lambda: _integrity(connection),
        lambda: _results(connection),
        lambda: _counters(connection),
        lambda: _numbers(connection),
        lambda: _accepted(connection),
        lambda: _leases(connection, grace_s),
        lambda: _objectives(connection),
        lambda: _spending(connection),
        lambda: _repeats(connection),
        lambda: _secrets(connection, secrets),
    )
    return [violation for check in checks for violation in check()]


def _integrity(connection: Connection) -> Iterator[Violation]:
    if connection.dialect.name == "sqlite":
        for (text,) in connection.execute(sa.text("pragma integrity_check")):
            if text != "ok":
                yield Violation("I7", "database", str(text))
        for row in connection.execute(sa.text("pragma foreign_key_check")):
            yield Violation("I7", f"table {row[0]}", f"row {row[1]} refers to a missing row of {row[2]}")
        return
    unproved = sa.text("select conrelid::regclass::text, conname from pg_constraint where not convalidated")
    for table, name in connection.execute(unproved):
        yield Violation("I7", f"table {table}", f"constraint {name} is not validated")


def _results(connection: Connection) -> Iterator[Violation]:
    is_unfinished = trial.c.state.in_(_UNFINISHED)
    rows = connection.execute(
        sa.select(trial.c.id, trial.c.state, trial.c.ended, result.c.trial_id.label("has_result"))
        .outerjoin_from(trial, result)
        .where(
            sa.or_(
                sa.and_(is_unfinished, sa.or_(trial.c.ended.is_not(None), result.c.trial_id.is_not(None))),
                sa.and_(~is_unfinished, sa.or_(trial.c.ended.is_(None), result.c.trial_id.is_(None))),
            )
        )
    )
    for row in rows:
        what = "a result" if row.has_result else "no result"
        yield Violation("I1", f"trial {row.id}", f"is {row.state}, and has {what} and end {row.ended}")


def _counters(connection: Connection) -> Iterator[Violation]:
    counted: dict[int, dict[str, int]] = {}
    grouped = sa.select(trial.c.study_id, trial.c.state, sa.func.count(), sa.func.count(result.c.reused_from))
    for study_id, state, count, num_reused in connection.execute(
        grouped.join_from(trial, result).group_by(trial.c.study_id, trial.c.state)
    ):
        tally = counted.setdefault(study_id, {})
        tally[state] = count
        tally["reused"] = tally.get("reused", 0) + num_reused
    for row in connection.execute(sa.select(study)):
        found = counted.get(row.id, {})
        for name in COUNTERS:
            what = name.removeprefix("num_")
            if getattr(row, name) != found.get(what, 0):
                message = f"counts {getattr(row, name)} trials as {what}, and has {found.get(what, 0)}"
                yield Violation("I1", f"study {row.id}", message)


def _numbers(connection: Connection) -> Iterator[Violation]:
    rows = connection.execute(
        sa.select(study.c.id, study.c.num_trials, sa.func.count(trial.c.id), sa.func.max(trial.c.number))
        .outerjoin_from(study, trial)
        .group_by(study.c.id, study.c.num_trials)
    )
    for study_id, num_trials, count, last in rows:
        if not num_trials == count == (-1 if last is None else last) + 1:
            yield Violation(
                "I2",
                f"study {study_id}",
                f"gave {num_trials} numbers, and has {count} trials up to number {last}",
            )


def _accepted(connection: Connection) -> Iterator[Violation]:
    rows = connection.execute(
        sa.select(result.c.trial_id, attempt.c.trial_id, attempt.c.fence, trial.c.fence)
        .join_from(result, attempt)
        .join(trial, trial.c.id == result.c.trial_id)
        .where(sa.or_(attempt.c.trial_id != result.c.trial_id, attempt.c.fence != trial.c.fence))
    )
    for trial_id, of_trial, fence, last in rows:
        yield Violation(
            "I2", f"trial {trial_id}", f"has a result of trial {of_trial}, attempt {fence} of {last}"
        )


def _leases(connection: Connection, grace_s: float) -> Iterator[Violation]:
    is_held = trial.c.state.in_(_HELD)
    rows = connection.execute(
        sa.select(
            trial.c.id, trial.c.state, trial.c.owner, (utc_now() - trial.c.lease_until).label("over_s")
        ).where(
            trial.c.ended.is_(None),
            sa.or_(
                sa.and_(is_held, trial.c.lease_until < utc_now() - grace_s),
                sa.and_(is_held, trial.c.owner.is_(None)),
                sa.and_(~is_held, trial.c.owner.is_not(None)),
            ),
        )
    )
    for row in rows:
        if row.state not in _HELD or row.owner is None:
            yield Violation("I3", f"trial {row.id}", f"is {row.state} with owner {row.owner}")
        else:
            message = f"is {row.state}, its lease was over {row.over_s:.0f} s ago; resume the study"
            yield Violation("I3", f"trial {row.id}", message)


def _objectives(connection: Connection) -> Iterator[Violation]:
    rows = connection.execute(
        sa.select(trial.c.id, result.c.objectives, study.c.directions, study.c.space_version)
        .join_from(trial, result)
        .join(study, study.c.id == trial.c.study_id)
        .where(trial.c.state == TrialState.COMPLETE)
    )
    for row in rows:
        values = load(row.objectives) or []
        # Plain Optuna accepts infinite objectives, so its studies may hold them.
        is_bad = math.isnan if row.space_version is None else lambda value: not math.isfinite(value)
        if len(values) != len(load(row.directions)) or any(map(is_bad, values)):
            yield Violation("I4", f"trial {row.id}", f"is complete with objectives {row.objectives}")


def _spending(connection: Connection) -> Iterator[Violation]:
    rows = connection.execute(
        sa.select(
            study.c.id,
            study.c.device_seconds,
            sa.func.coalesce(sa.func.sum(attempt.c.seconds), 0.0).label("sum"),
        )
        .select_from(study)
        .outerjoin(trial, trial.c.study_id == study.c.id)
        .outerjoin(attempt, sa.and_(attempt.c.trial_id == trial.c.id, attempt.c.ended.is_not(None)))
        .group_by(study.c.id, study.c.device_seconds)
    )
    for row in rows:
        # Sums of the same numbers in another order differ in their last digits.
        if not math.isclose(row.device_seconds, row.sum, rel_tol=1e-6, abs_tol=1e-3):
            message = f"says that {row.device_seconds:.3f} s are spent, its attempts say {row.sum:.3f} s"
            yield Violation("I5", f"study {row.id}", message)


def _repeats(connection: Connection) -> Iterator[Violation]:
    rows = connection.execute(
        sa.select(
            trial.c.evaluation_key, sa.func.count().label("count"), sa.func.min(trial.c.id).label("first")
        )
        .join_from(trial, result)
        .where(
            trial.c.state == TrialState.COMPLETE,
            trial.c.evaluation_key.is_not(None),
            result.c.reused_from.is_(None),
        )
        .group_by(trial.c.evaluation_key)
        .having(sa.func.count() > 1)
    )
    for row in rows:
        yield Violation("I6", f"trial {row.first}", f"was measured {row.count} times under one key")


def _secrets(connection: Connection, secrets: Sequence[str]) -> Iterator[Violation]:
    for secret in secrets:
        for table in metadata.sorted_tables:
            columns = [column for column in table.c if isinstance(column.type, sa.Text)]
            has_secret = sa.or_(*(column.contains(secret, autoescape=True) for column in columns))
            if columns and connection.execute(sa.select(sa.literal(1)).where(has_secret).limit(1)).first():
                yield Violation("I8", f"table {table.name}", "holds the password of the storage's URL")
