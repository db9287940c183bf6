"""The verbs for runs (a stage's execution, whose lease shows its driver alive), fits and artifacts."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from runs import studies
from runs.claims import Tenant
from runs.errors import StudyBusy
from runs.owner import code_version, is_known_dead
from runs.records import EXPORT, JOINS, ArtifactRecord, FitRecord, Holder, RunRecord
from runs.schema import SCHEMA_VERSION, Seconds, artifact, attempt, run, scaling_fit, study, trial, utc_now
from runs.states import TrialState
from runs.text import dump, load


def open_run(
    connection: Connection,
    run_id: uuid.UUID,
    tenant: Tenant,
    *,
    study_id: int | None,
    stage: str,
    settings: Mapping[str, Any],
    parent: str | None,
    is_exclusive: bool,
) -> RunRecord:
    """Stores that a stage has begun. Raises StudyBusy when exclusive, and another driver is alive.

    A driver is found at the study and at its arms, so that one which has gone on to an arm keeps the study; one that
    has only joined does not. A run whose driver is gone ends at the last renewal of its lease, when it was alive.
    """
    if study_id is not None:
        studies.touch(connection, study_id)
        for row in connection.execute(_RUNNING, {"the_study": study_id}).all():
            if row.is_over or is_known_dead(row.owner):
                ended = min(row.now, max(row.started, row.lease_until - tenant.lease_s))
                connection.execute(_END, {"the_run": row.id, "the_end": ended})
            elif is_exclusive and not _joins(row):
                raise _busy(row)
    connection.execute(
        run.insert().values(
            id=str(run_id),
            study_id=study_id,
            stage=stage,
            parent=parent,
            settings=dump(settings),
            status="running",
            owner=tenant.owner.token,
            host=tenant.owner.host,
            pid=tenant.owner.pid,
            lease_until=utc_now() + sa.literal(tenant.lease_s, Seconds),
            started=utc_now(),
            code_version=code_version(),
            schema_version=SCHEMA_VERSION,
        )
    )
    opened = by_id(connection, run_id)
    assert opened is not None
    return opened


def check_idle(connection: Connection, study_id: int) -> None:
    """Does nothing unless a driver is at work on a study or its arms. Raises StudyBusy then."""
    for row in _at_work(connection, study_id):
        raise _busy(row)


def at_work(connection: Connection, study_id: int) -> list[str]:
    """Returns the name of the study or arm that each driver is at work on, the latest last."""
    return [row.name for row in sorted(_at_work(connection, study_id), key=lambda row: float(row.started))]


def _at_work(connection: Connection, study_id: int) -> list[Row[Any]]:
    """Returns the runs of drivers that live as far as is known, but for those that have joined another."""
    rows = connection.execute(_RUNNING, {"the_study": study_id}).all()
    return [row for row in rows if not (row.is_over or is_known_dead(row.owner) or _joins(row))]


def _joins(row: Row[Any]) -> bool:
    return bool(load(row.settings).get(JOINS))


def _busy(row: Row[Any]) -> StudyBusy:
    return StudyBusy(
        "a study must have one driver unless others join it,"
        f" got process {row.pid} on {row.host}, at work for {row.age:.0f} s on {row.name};"
        f" stop that one with `nas stop {row.asked}`, or join it with `nas resume {row.asked} --join`"
    )


def by_id(connection: Connection, run_id: uuid.UUID) -> RunRecord | None:
    row = connection.execute(sa.select(run).where(run.c.id == str(run_id))).one_or_none()
    return None if row is None else _run(row)


def renew_run(connection: Connection, run_id: str, lease_s: float) -> bool:
    """Prolongs the run's lease; returns False when another driver has closed it."""
    return bool(connection.execute(_RENEW, {"the_run": run_id, "the_lease_s": lease_s}).rowcount)


def close_run(connection: Connection, run_id: str, status: str) -> None:
    connection.execute(_CLOSE, {"the_run": run_id, "new_status": status})


def runs_of(connection: Connection, study_id: int | None) -> list[RunRecord]:
    """Returns the runs of one study, or of all, oldest first."""
    statement = sa.select(run).order_by(run.c.started, run.c.id)
    if study_id is not None:
        statement = statement.where(run.c.study_id == study_id)
    return [_run(row) for row in connection.execute(statement)]


def holders(connection: Connection, study_id: int) -> list[Holder]:
    """Returns the unfinished trials that somebody holds, by number."""
    rows = connection.execute(_HOLDERS, {"the_study": study_id})
    return [
        Holder(
            study_id, row.number, TrialState(row.state), row.fence, row.host, row.pid, row.for_s, row.left_s
        )
        for row in rows
    ]


def add_fit(
    connection: Connection,
    fit_id: uuid.UUID,
    kind: str,
    fit: Mapping[str, Any],
    study_id: int | None,
    run_id: str | None,
) -> FitRecord:
    connection.execute(
        scaling_fit.insert().values(
            id=str(fit_id),
            study_id=study_id,
            run_id=run_id,
            kind=kind,
            fit=dump(fit),
            created=utc_now(),
            code_version=code_version(),
            schema_version=SCHEMA_VERSION,
        )
    )
    stored = fit_by_id(connection, fit_id)
    assert stored is not None
    return stored


def fit_by_id(connection: Connection, fit_id: uuid.UUID) -> FitRecord | None:
    row = connection.execute(sa.select(scaling_fit).where(scaling_fit.c.id == str(fit_id))).one_or_none()
    return None if row is None else _fit(row)


def fits_of(connection: Connection, study_id: int | None) -> list[FitRecord]:
    """Returns the fits of one study, or of all, oldest first."""
    statement = sa.select(scaling_fit).order_by(scaling_fit.c.created, scaling_fit.c.id)
    if study_id is not None:
        statement = statement.where(scaling_fit.c.study_id == study_id)
    return [_fit(row) for row in connection.execute(statement)]


def add_artifact(
    connection: Connection,
    artifact_id: uuid.UUID,
    sha256: str,
    kind: str,
    num_bytes: int,
    trial_id: int | None,
    details: Mapping[str, Any],
) -> ArtifactRecord:
    connection.execute(
        artifact.insert().values(
            id=str(artifact_id),
            sha256=sha256,
            kind=kind,
            num_bytes=num_bytes,
            trial_id=trial_id,
            details=dump(details),
            created=utc_now(),
            code_version=code_version(),
        )
    )
    stored = artifact_by_id(connection, artifact_id)
    assert stored is not None
    return stored


def artifact_by_id(connection: Connection, artifact_id: uuid.UUID | str) -> ArtifactRecord | None:
    row = connection.execute(sa.select(artifact).where(artifact.c.id == str(artifact_id))).one_or_none()
    return None if row is None else _artifact(row)


def artifacts_of(connection: Connection, trial_id: int | None) -> list[ArtifactRecord]:
    """Returns the artifacts of one trial, or all, oldest first."""
    statement = sa.select(artifact).order_by(artifact.c.created, artifact.c.id)
    if trial_id is not None:
        statement = statement.where(artifact.c.trial_id == trial_id)
    return [_artifact(row) for row in connection.execute(statement)]


def exports_of(connection: Connection, study_id: int) -> list[tuple[int, ArtifactRecord]]:
    """Returns what was exported of a study, oldest first, each with its trial's number."""
    statement = (
        sa.select(trial.c.number, artifact)
        .join_from(artifact, trial, artifact.c.trial_id == trial.c.id)
        .where(artifact.c.kind == EXPORT, trial.c.study_id == study_id)
        .order_by(artifact.c.created, artifact.c.id)
    )
    return [(row.number, _artifact(row)) for row in connection.execute(statement)]


def _artifact(row: Row[*tuple[Any, ...]]) -> ArtifactRecord:
    columns = {name: getattr(row, name) for name in ArtifactRecord.__dataclass_fields__}
    return ArtifactRecord(**columns | {"details": load(row.details)})


def _run(row: Row[*tuple[Any, ...]]) -> RunRecord:
    columns = {name: getattr(row, name) for name in RunRecord.__dataclass_fields__}
    return RunRecord(**columns | {"settings": load(row.settings)})


def _fit(row: Row[*tuple[Any, ...]]) -> FitRecord:
    columns = {name: getattr(row, name) for name in FitRecord.__dataclass_fields__}
    return FitRecord(**columns | {"fit": load(row.fit)})


_HOLDERS = (
    sa.select(trial.c.number, trial.c.state, trial.c.fence, attempt.c.host, attempt.c.pid)
    .add_columns(
        (utc_now() - attempt.c.started).label("for_s"), (trial.c.lease_until - utc_now()).label("left_s")
    )
    .join_from(trial, attempt, sa.and_(attempt.c.trial_id == trial.c.id, attempt.c.fence == trial.c.fence))
    .where(trial.c.study_id == sa.bindparam("the_study"), trial.c.ended.is_(None), trial.c.owner.is_not(None))
    .order_by(trial.c.number)
)
_ASKED = sa.select(study.c.name).where(study.c.id == sa.bindparam("the_study")).scalar_subquery()
_RUNNING = (
    sa.select(run.c.id, run.c.owner, run.c.host, run.c.pid, run.c.started, run.c.lease_until)
    .add_columns(
        run.c.settings,
        (run.c.lease_until < utc_now()).label("is_over"),
        (utc_now() - run.c.started).label("age"),
        utc_now().label("now"),
        study.c.name,
        _ASKED.label("asked"),
    )
    .join_from(run, study, study.c.id == run.c.study_id)
    .where(
        run.c.status == "running",
        sa.or_(
            run.c.study_id == sa.bindparam("the_study"),
            sa.func.substr(study.c.name, 1, sa.func.length(_ASKED) + 1) == _ASKED.concat("."),
        ),
    )
)
_RENEW = (
    run.update()
    .where(run.c.id == sa.bindparam("the_run"), run.c.status == "running")
    .values(lease_until=utc_now() + sa.bindparam("the_lease_s", type_=Seconds))
)
_END = (
    run.update()
    .where(run.c.id == sa.bindparam("the_run"))
    .values(status="failed", ended=sa.bindparam("the_end"))
)
_CLOSE = (
    run.update()
    .where(run.c.id == sa.bindparam("the_run"), run.c.status == "running")
    .values(status=sa.bindparam("new_status"), ended=utc_now())
)
