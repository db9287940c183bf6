"""The reading verbs for trials, attempts and the cache of evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from runs.errors import TrialMissing
from runs.prepared import Prepared
from runs.records import AttemptRecord, Evaluation, EvaluationKey, TrialRecord
from runs.schema import architecture, attempt, evaluation, result, trial
from runs.states import FailureClass, TrialState
from runs.text import load, load_shared


def of_study(connection: Connection, study_id: int, after_revision: int) -> list[TrialRecord]:
    """Returns the study's trials that changed after a revision, by number."""
    rows = _OF_STUDY.rows(connection, {"the_study": study_id, "after": after_revision})
    return sorted((_record(row) for row in rows), key=lambda record: record.number)


def by_id(connection: Connection, trial_id: int) -> TrialRecord:
    row = connection.execute(_BY_ID, {"the_trial": trial_id}).one_or_none()
    if row is None:
        raise TrialMissing(f"a trial must exist before it is read, got id {trial_id}, which does not")
    return _record(row)


def by_numbers(connection: Connection, study_id: int, numbers: Sequence[int]) -> list[TrialRecord]:
    """Returns the trials with these numbers, in their order; numbers that do not exist are left out."""
    rows = connection.execute(_BY_NUMBERS, {"the_study": study_id, "the_numbers": list(numbers)})
    found = {row.number: row for row in rows}
    return [_record(found[number]) for number in numbers if number in found]


def attempts(connection: Connection, trial_id: int) -> list[AttemptRecord]:
    """Returns the tries at one trial, first to last."""
    return attempts_of(connection, [trial_id])


def attempts_of(connection: Connection, trial_ids: Sequence[int]) -> list[AttemptRecord]:
    """Returns the tries at these trials, by their beginning."""
    rows = connection.execute(
        sa.select(attempt)
        .where(attempt.c.trial_id.in_(trial_ids))
        .order_by(attempt.c.started, attempt.c.fence)
    )
    return [
        AttemptRecord(
            id=row.id,
            trial_id=row.trial_id,
            fence=row.fence,
            owner=row.owner,
            host=row.host,
            pid=row.pid,
            started=row.started,
            ended=row.ended,
            seconds=row.seconds,
            failure_class=_failure(row.failure_class),
            message=row.message,
            traceback=row.traceback,
            code_version=row.code_version,
        )
        for row in rows
    ]


def cached(connection: Connection, keys: Sequence[EvaluationKey]) -> dict[EvaluationKey, Evaluation]:
    by_hash = {key.hash: key for key in keys}
    found = {}
    for row in _cached(connection, list(by_hash)):
        key = by_hash[row.hash]
        found[key] = Evaluation(key, load(row.metrics), row.seconds, row.trial_id, row.weights)
    return found


def _cached(connection: Connection, hashes: Sequence[str]) -> Sequence[Any]:
    if len(hashes) == 1:
        return _CACHED_ONE.rows(connection, {"the_hash": hashes[0]})
    return connection.execute(_CACHED, {"the_hashes": hashes}).all()


def document(connection: Connection, digest: str) -> str | None:
    return connection.scalar(sa.select(architecture.c.document).where(architecture.c.digest == digest))


def _record(row: Any) -> TrialRecord:
    objectives = load(row.objectives)
    return TrialRecord(
        id=row.id,
        study_id=row.study_id,
        number=row.number,
        state=TrialState(row.state),
        fence=row.fence,
        choices=load_shared(row.choices),
        digest=row.digest,
        data=row.data,
        recipe=row.recipe,
        fidelity=row.fidelity,
        seed=row.seed,
        key=row.evaluation_key,
        costs=load_shared(row.costs),
        objectives=None if objectives is None else tuple(objectives),
        metrics=load_shared(row.metrics) or {},
        constraints=load(row.constraints) or {},
        seconds=row.seconds,
        failure_class=_failure(row.failure_class),
        message=row.message or "",
        reused_from=row.reused_from,
        weights=row.weights,
        owner=row.owner,
        lease_until=row.lease_until,
        started=row.started,
        ended=row.ended,
        user_attrs=load(row.user_attrs),
        system_attrs=load(row.system_attrs),
        revision=row.revision,
    )


def _failure(text: str | None) -> FailureClass | None:
    return None if text is None else FailureClass(text)


_SELECT = sa.select(
    *(column for column in trial.c if column.name != "parameters"),
    *(column for column in result.c if column.name not in ("trial_id", "attempt_id", "created")),
).outerjoin_from(trial, result)
_OF_STUDY = Prepared(
    _SELECT.where(trial.c.study_id == sa.bindparam("the_study"), trial.c.revision > sa.bindparam("after"))
)
_CACHED = sa.select(evaluation).where(evaluation.c.hash.in_(sa.bindparam("the_hashes", expanding=True)))
_CACHED_ONE = Prepared(sa.select(evaluation).where(evaluation.c.hash == sa.bindparam("the_hash")))
_BY_NUMBERS = _SELECT.where(
    trial.c.study_id == sa.bindparam("the_study"),
    trial.c.number.in_(sa.bindparam("the_numbers", expanding=True)),
)
_BY_ID = _SELECT.where(trial.c.id == sa.bindparam("the_trial"))
