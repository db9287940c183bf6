"""The file check of the ledger: proves, by reading the database and the files it names, that its invariants hold.

I1  no acknowledged result is lost: every finished trial has its result, and the studies' counters agree
I2  at most one accepted result a trial, by its last attempt; numbers are dense
I3  no trial is held without a live lease
I4  every complete trial has one finite value per objective, and the artifacts that rows name are there, with their hash
I5  what a study has spent is the sum over its attempts, and no more than its budget and what was in flight
I6  no measurement was paid for twice
I7  the database's own integrity and all foreign keys hold
I8  no stored text holds a secret of the storage's URL
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from runs.address import secrets
from runs.artifact_errors import ArtifactCorrupt, ArtifactMissing
from runs.artifacts import ArtifactStore
from runs.database import Database, Mode
from runs.records import Violation
from runs.schema import COUNTERS, artifact, attempt, evaluation, metadata, result, run, study, trial, utc_now
from runs.states import TrialState
from runs.text import load

_UNFINISHED = (TrialState.QUEUED, TrialState.LEASED, TrialState.RUNNING)
_HELD = (TrialState.LEASED, TrialState.RUNNING)
_READING_S = (
    60.0  # a driver reads what all have spent at every heartbeat, a few seconds; its database may be away
)


def violations(
    database: Database, artifacts: ArtifactStore, *, grace_s: float, is_deep: bool
) -> list[Violation]:
    """Returns every broken invariant; an empty list is the proof that none is.

    Args:
        artifacts: where what the rows name should lie.
        grace_s: how long after its lease's end a trial may wait for somebody to take it over.
        is_deep: whether to read the artifacts too and compare their hashes, not only whether they are there.
    """
    found = database.read(
        lambda connection: _of_rows(connection, grace_s, secrets(database.url)), Mode.SNAPSHOT
    )
    # A file is written before the row that names it, so files are looked for after the rows were read.
    return [*found, *_files(database.read(_named, Mode.SNAPSHOT), artifacts, is_deep)]


def _of_rows(connection: Connection, grace_s: float, hidden: Sequence[str]) -> list[Violation]:
    checks: tuple[Callable[[], Iterator[Violation]], ...] = (
        lambda: _integrity(connection),
        lambda: _results(connection),
        lambda: _counters(connection),
        lambda: _numbers(connection),
        lambda: _accepted(connection),
        lambda: _leases(connection, grace_s),
        lambda: _objectives(connection),
        lambda: _spending(connection),
        lambda: _budgets(connection),
        lambda: _repeats(connection),
        lambda: _secrets(connection, hidden),
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


def _budgets(connection: Connection) -> Iterator[Violation]:
    """What was begun against the limits that the study's runs were given; the highest counts, as they may change."""
    limits: dict[int, list[Mapping[str, float | None]]] = {}
    for study_id, settings in connection.execute(sa.select(run.c.study_id, run.c.settings)):
        limits.setdefault(study_id, []).append(load(settings).get("budget") or {})
    for row in connection.execute(sa.select(study).where(study.c.id.in_(limits))):
        of_study = limits[row.id]
        num_paid = row.num_trials - row.num_infeasible - row.num_cancelled - row.num_reused
        most = _highest(of_study, "trials")
        if most is not None and num_paid > most:
            yield Violation("I5", f"study {row.id}", f"has {num_paid} paid trials, its budget is {most:g}")
        hours = _highest(of_study, "device_hours")
        if hours is not None and (late := _begun_late(connection, row.id, hours * 3600)):
            message = f"began {late} attempts after its {hours:g} device-hours were used"
            yield Violation("I5", f"study {row.id}", message)


def _highest(limits: Sequence[Mapping[str, float | None]], name: str) -> float | None:
    """Returns the highest limit of this name; None where a run had none."""
    known = [limit.get(name) for limit in limits]
    return None if None in known else max(one for one in known if one is not None)


def _begun_late(connection: Connection, study_id: int, limit_s: float) -> int:
    """Returns how many attempts that cost something were not yet in flight when others had used up the limit."""
    rows = connection.execute(
        sa.select(attempt.c.started, attempt.c.ended, attempt.c.seconds)
        .join_from(attempt, trial)
        .where(trial.c.study_id == study_id, attempt.c.ended.is_not(None), attempt.c.seconds > 0)
        .order_by(attempt.c.ended)
    ).all()
    used = accumulate(row.seconds for row in rows)
    used_up_at = next(
        (row.ended for row, sum_s in zip(rows, used, strict=True) if sum_s >= limit_s), math.inf
    )
    return sum(row.started > used_up_at + _READING_S for row in rows)


def _named(connection: Connection) -> dict[str, str]:
    """Returns the artifacts that rows name, each with one row that does."""
    named: dict[str, str] = {}
    for digest, key in (
        (evaluation.c.weights, evaluation.c.hash),
        (artifact.c.sha256, artifact.c.id),
        (result.c.weights, result.c.trial_id),
    ):
        what = "trial" if key.table is result else key.table.name
        for sha256, subject in connection.execute(sa.select(digest, key).where(digest.is_not(None))):
            named[sha256] = f"{what} {subject}"
    return named


def _files(named: Mapping[str, str], artifacts: ArtifactStore, is_deep: bool) -> Iterator[Violation]:
    present = artifacts.digests() if named else frozenset()
    for sha256, subject in named.items():
        if sha256 not in present:
            message = f"names artifact {sha256}, which is not in {artifacts}; name the right store, or copy it there"
            yield Violation("I4", subject, message)
        elif is_deep:
            try:
                artifacts.get_bytes(sha256)
            except (ArtifactCorrupt, ArtifactMissing) as error:
                yield Violation("I4", subject, str(error))


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


def _secrets(connection: Connection, hidden: Sequence[str]) -> Iterator[Violation]:
    for secret in hidden:
        for table in metadata.sorted_tables:
            columns = [column for column in table.c if isinstance(column.type, sa.Text)]
            has_secret = sa.or_(*(column.contains(secret, autoescape=True) for column in columns))
            if columns and connection.execute(sa.select(sa.literal(1)).where(has_secret).limit(1)).first():
                yield Violation("I8", f"table {table.name}", "holds the password of the storage's URL")
