"""The verbs for studies: create, find, list, change, delete, and what each has spent."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from runs.errors import BadRecord, StudyExists, StudyMissing
from runs.metrics import dialect_insert
from runs.names import name_key
from runs.owner import code_version
from runs.prepared import Prepared
from runs.records import Spent, StudyRecord
from runs.schema import COUNTERS, SCHEMA_VERSION, attempt, study, trial, utc_now
from runs.states import TrialState
from runs.text import dump, load

_DIRECTIONS = ("minimize", "maximize")
# What its drivers do: go on, begin nothing new, stop after the current epochs, end at once; or it has come to its end.
STUDY_STATES = ("active", "paused", "stopped", "cancelled", "finished")
_CANCELLED = (
    "nas:cancelled"  # version 1 of the schema knows no such state: a stopped study with this attribute
)


def create(
    connection: Connection,
    uid: uuid.UUID,
    name: str,
    directions: Sequence[str],
    *,
    seed: int | None,
    space: Mapping[str, Any] | None,
    settings: Mapping[str, Any],
    budget: Mapping[str, Any],
) -> StudyRecord:
    """Stores a new study. Raises StudyExists when the name, letter case ignored, is taken."""
    if not directions or any(direction not in _DIRECTIONS for direction in directions):
        raise BadRecord(
            f"`directions` must be one or more of {', '.join(_DIRECTIONS)}, got {list(directions)!r};"
            " give one per objective"
        )
    taken = connection.scalar(sa.select(study.c.name).where(study.c.name_key == name_key(name)))
    if taken is not None:
        raise _taken(name)
    # Two processes may make it at once; whoever comes second waits for the first and then makes nothing.
    connection.execute(
        dialect_insert(connection.dialect.name, study)
        .values(
            uid=str(uid),
            name=name,
            name_key=name_key(name),
            directions=dump(list(directions)),
            seed=seed,
            space=None if space is None else dump(space),
            space_version=None if space is None else str(space.get("version", "")),
            settings=dump(settings),
            budget=dump(budget),
            state="active",
            user_attrs="{}",
            system_attrs="{}",
            created=utc_now(),
            code_version=code_version(),
            schema_version=SCHEMA_VERSION,
            revision=1,
            num_trials=0,
            device_seconds=0.0,
            **dict.fromkeys(COUNTERS, 0),
        )
        .on_conflict_do_nothing(index_elements=[study.c.name_key])
    )
    created = by_uid(connection, uid)
    if created is None:
        raise _taken(name)
    return created


def by_uid(connection: Connection, uid: uuid.UUID) -> StudyRecord | None:
    row = connection.execute(_SELECT.where(study.c.uid == str(uid))).one_or_none()
    return None if row is None else _record(row)


def by_name(connection: Connection, name: str) -> StudyRecord:
    row = connection.execute(_SELECT.where(study.c.name_key == name_key(name))).one_or_none()
    if row is None:
        raise StudyMissing(
            f"a study must exist before it is opened, got {name!r}, which does not; `nas list` shows all"
        )
    return _record(row)


def by_id(connection: Connection, study_id: int) -> StudyRecord:
    row = connection.execute(_SELECT.where(study.c.id == study_id)).one_or_none()
    if row is None:
        raise missing(study_id)
    return _record(row)


def everything(connection: Connection) -> list[StudyRecord]:
    return [_record(row) for row in connection.execute(_SELECT.order_by(study.c.id))]


def touch(
    connection: Connection,
    study_id: int,
    *,
    num_new: int = 0,
    ended: Mapping[str, int] = MappingProxyType({}),
    seconds: float = 0.0,
) -> Any:
    """Raises the study's revision, and so locks it until the transaction ends; returns what it has then.

    Args:
        num_new: trials that the transaction adds; they get the numbers below the returned `num_trials`. Below zero: as
            many fewer than it had said before.
        ended: trials that it ends, by state, and those "reused" among them.
        seconds: device seconds of the attempts that it ends.
    """
    counted = {f"add_{name}": ended.get(name.removeprefix("num_"), 0) for name in COUNTERS}
    columns = {"the_study": study_id, "num_new": num_new, "more_seconds": seconds}
    row = _TOUCH.first(connection, columns | counted)
    if row is None:
        raise missing(study_id)
    return row


def set_state(connection: Connection, study_id: int, state: str) -> None:
    """Sets what the study's drivers should do."""
    change(connection, study_id, state="stopped" if state == "cancelled" else state)
    is_cancelled = state == "cancelled"
    if attributes(connection, study_id, "system_attrs").get(_CANCELLED, False) != is_cancelled:
        set_attribute(connection, study_id, "system_attrs", _CANCELLED, is_cancelled)


def change(connection: Connection, study_id: int, **columns: Any) -> None:
    """Sets columns of a study; mappings are stored as JSON. The study must not have been deleted."""
    touch(connection, study_id)
    values = {key: value if isinstance(value, str) else dump(value) for key, value in columns.items()}
    connection.execute(study.update().where(study.c.id == study_id).values(**values))


def set_attribute(connection: Connection, study_id: int, column: str, key: str, value: object) -> None:
    """Sets one key of the study's `user_attrs` or `system_attrs`."""
    touch(connection, study_id)
    known = load(connection.scalar(sa.select(study.c[column]).where(study.c.id == study_id)))
    text = dump({**known, key: value})
    connection.execute(study.update().where(study.c.id == study_id).values(**{column: text}))


def attributes(connection: Connection, study_id: int, column: str) -> dict[str, Any]:
    """Returns the study's `user_attrs` or `system_attrs`."""
    text = connection.scalar(sa.select(study.c[column]).where(study.c.id == study_id))
    if text is None:
        raise missing(study_id)
    found: dict[str, Any] = load(text)
    return found


def overview(connection: Connection) -> list[tuple[int, str, list[str], dict[str, Any], dict[str, Any]]]:
    """Returns id, name, directions, user and system attributes of all studies, oldest first."""
    columns = (study.c.id, study.c.name, study.c.directions, study.c.user_attrs, study.c.system_attrs)
    rows = connection.execute(sa.select(*columns).order_by(study.c.id))
    return [(row[0], row[1], load(row[2]), load(row[3]), load(row[4])) for row in rows]


def delete(connection: Connection, study_id: int) -> None:
    """Removes the study with its trials. Evaluations stay: they were paid for and are shared."""
    if connection.execute(study.delete().where(study.c.id == study_id)).rowcount == 0:
        raise missing(study_id)


def spent(connection: Connection, study_id: int) -> Spent:
    row = _COUNTERS.first(connection, {"the_study": study_id})
    if row is None:
        raise missing(study_id)
    unfinished = _UNFINISHED.rows(connection, {"the_study": study_id})
    counts = {state: getattr(row, f"num_{state}", 0) for state in TrialState}
    for state, count, _ in unfinished:
        counts[TrialState(state)] = count
    running = sum(float(seconds) for _, _, seconds in unfinished)
    return Spent(float(row.device_seconds) + running, counts, row.num_reused)


def _taken(name: str) -> StudyExists:
    return StudyExists(
        f"a study's name must be new, got {name!r}, which exists; resume it, or choose another name"
    )


def missing(study_id: int) -> StudyMissing:
    return StudyMissing(
        f"a study must exist before it is used, got id {study_id}, which does not; was it deleted?"
    )


def _record(row: Row[*tuple[Any, ...]]) -> StudyRecord:
    return StudyRecord(
        id=row.id,
        name=row.name,
        directions=tuple(load(row.directions)),
        seed=row.seed,
        space=load(row.space),
        space_version=row.space_version,
        settings=load(row.settings),
        budget=load(row.budget),
        state="cancelled" if row.state == "stopped" and load(row.system_attrs).get(_CANCELLED) else row.state,
        created=row.created,
        revision=row.revision,
    )


_SELECT = sa.select(
    study.c.id,
    study.c.name,
    study.c.directions,
    study.c.seed,
    study.c.space,
    study.c.space_version,
    study.c.settings,
    study.c.budget,
    study.c.state,
    study.c.system_attrs,
    study.c.created,
    study.c.revision,
)
_IS_CURRENT_ATTEMPT = sa.and_(
    attempt.c.trial_id == trial.c.id, attempt.c.fence == trial.c.fence, attempt.c.ended.is_(None)
)
_COUNTERS = Prepared(
    sa.select(study.c.device_seconds, *(study.c[name] for name in COUNTERS)).where(
        study.c.id == sa.bindparam("the_study")
    )
)
_UNFINISHED = Prepared(
    sa.select(trial.c.state, sa.func.count(), sa.func.coalesce(sa.func.sum(attempt.c.seconds), 0.0))
    .select_from(trial)
    .outerjoin(attempt, _IS_CURRENT_ATTEMPT)
    .where(trial.c.study_id == sa.bindparam("the_study"), trial.c.ended.is_(None))
    .group_by(trial.c.state)
)
_NUM_PAID = study.c.num_trials - study.c.num_infeasible - study.c.num_cancelled - study.c.num_reused
_TOUCH = Prepared(
    study.update()
    .where(study.c.id == sa.bindparam("the_study"))
    .values(
        revision=study.c.revision + 1,
        num_trials=study.c.num_trials + sa.bindparam("num_new"),
        device_seconds=study.c.device_seconds + sa.bindparam("more_seconds"),
        **{name: study.c[name] + sa.bindparam(f"add_{name}") for name in COUNTERS},
    )
    .returning(
        study.c.id, study.c.revision, study.c.num_trials, study.c.space_version, _NUM_PAID.label("num_paid")
    )
)
