"""The verbs that give, keep and return the right to work on a trial: begin, take, renew, release.

A claim is a lease by the database's clock and a fence number, drawn in one transaction. Whoever holds the
highest fence owns the trial; everything an older fence sends is refused.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from runs import attempts, studies
from runs.metrics import add_metrics
from runs.owner import Owner, is_known_dead
from runs.prepared import Prepared
from runs.records import Claim, Outcome, Progress
from runs.schema import Seconds, attempt, result, trial, utc_now
from runs.states import MAX_ATTEMPTS, FailureClass, TrialState
from runs.text import load

# Not `in`: a list of values must be written out before each execution, and not for many rows at once.
_IS_ACTIVE = sa.or_(trial.c.state == TrialState.LEASED, trial.c.state == TrialState.RUNNING)
_MAX_RENEWED = 500  # leases a statement


class Watch:
    """Whether a lease that seems over is still being renewed, seen by a clock that nobody can set.

    SQLite's clock is the host's: after a step of an hour every lease seems over. So a lease whose owner may
    be alive must stay unrenewed before our eyes for one lease time. PostgreSQL has one clock for all.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seen: dict[int, tuple[float, float]] = {}  # by trial: its lease's end, since when

    def is_abandoned(self, trial_id: int, lease_until: float, lease_s: float) -> bool:
        """Returns whether this same end of the lease has been there for as long as a lease is."""
        now = self._monotonic()
        end, since = self._seen.get(trial_id, (lease_until, now))
        self._seen[trial_id] = (lease_until, since if end == lease_until else now)
        return end == lease_until and now - since >= lease_s


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who asks for claims, and for how long at a time."""

    owner: Owner
    lease_s: float
    watch: Watch | None = None


def begin(
    connection: Connection,
    study_id: int,
    attempt_ids: Sequence[uuid.UUID],
    tenant: Tenant,
    *,
    max_paid: int | None = None,
    max_trials: int | None = None,
) -> tuple[Claim, ...]:
    """Adds one trial per attempt, leased to the tenant, with the study's next numbers; fewer where limits say so.

    The study's row is locked while its trials are counted, so that several drivers together keep to the limits.

    Args:
        max_paid: trials that may be begun in all, without those that cost nothing.
        max_trials: trials that there may be in all.
    """
    study = studies.touch(connection, study_id, num_new=len(attempt_ids))
    over = 0 if max_paid is None else study.num_paid - max_paid
    over = over if max_trials is None else max(over, study.num_trials - max_trials)
    if over > 0:
        num_left = max(0, len(attempt_ids) - over)
        study = studies.touch(connection, study_id, num_new=num_left - len(attempt_ids))
        attempt_ids = attempt_ids[:num_left]
        if not attempt_ids:
            return ()
    first = study.num_trials - len(attempt_ids)
    columns = {
        "study_id": study_id,
        "owner": tenant.owner.token,
        "the_lease_s": _lease_s(study, tenant),
        "revision": study.revision,
    }
    rows = [columns | {"number": number} for number in range(first, study.num_trials)]
    claims = [
        Claim(row.id, study_id, row.number, 1, str(attempt_ids[row.number - first]), started=row.started)
        for row in sorted(_INSERT_TRIAL.rows_of_all(connection, rows), key=lambda row: row.number)
    ]
    attempts.open_all(connection, claims, tenant.owner)
    return tuple(claims)


def begun(connection: Connection, attempt_ids: Sequence[uuid.UUID]) -> tuple[Claim, ...] | None:
    """Returns the claims that `begin` or `take` made for these attempts; None when it never committed."""
    rows = connection.execute(
        sa.select(
            trial.c.id, trial.c.study_id, trial.c.number, attempt.c.fence, attempt.c.id.label("attempt")
        )
        .add_columns(trial.c.choices, attempt.c.started)
        .join_from(attempt, trial)
        .where(attempt.c.id.in_([str(one) for one in attempt_ids]))
        .order_by(trial.c.number)
    ).all()
    return tuple(_claim(row, row.fence, row.attempt, row.started) for row in rows) or None


def take(connection: Connection, study_id: int, attempt_id: uuid.UUID, tenant: Tenant) -> Claim | None:
    """Gives the tenant a trial whose owner is gone, else the first queued one, else None.

    Gone is an owner whose lease is over, or whose process is known to have ended. A trial that has lost too
    many owners is ended as failed instead: it may be what kills them.
    """
    parameters = {"the_study": study_id, "me": tenant.owner.token}
    if not any(_is_gone(row, tenant) for row in connection.execute(_HELD_BY_OTHERS, parameters).all()):
        if connection.execute(_QUEUED, parameters).first() is None:
            return None  # the usual case: nothing is written
    locked = studies.touch(connection, study_id)
    for row in connection.execute(_HELD_BY_OTHERS.with_for_update(skip_locked=True), parameters).all():
        if _is_gone(row, tenant) and _evict(connection, locked, row, tenant.lease_s):
            return _seize(connection, locked, row, attempt_id, tenant)
    queued = connection.execute(_QUEUED.with_for_update(skip_locked=True), parameters).first()
    return None if queued is None else _seize(connection, locked, queued, attempt_id, tenant)


def take_queued(connection: Connection, trial_id: int, attempt_id: uuid.UUID, tenant: Tenant) -> Claim | None:
    """Gives the tenant this trial if it is still queued; else None."""
    row = connection.execute(_SELECT.where(trial.c.id == trial_id)).one_or_none()
    if row is None or row.state != TrialState.QUEUED:
        return None
    locked = studies.touch(connection, row.study_id)
    row = connection.execute(
        _SELECT.where(trial.c.id == trial_id, trial.c.state == TrialState.QUEUED)
    ).one_or_none()
    return None if row is None else _seize(connection, locked, row, attempt_id, tenant)


def renew(
    connection: Connection, claims: Sequence[Claim], progress: Sequence[Progress], lease_s: float
) -> list[Claim]:
    """Prolongs leases, stores steps; returns the claims that are lost."""
    revisions = {
        study_id: studies.touch(connection, study_id).revision
        for study_id in sorted({c.study_id for c in claims})
    }
    held: set[int] = set()
    for study_id, revision in revisions.items():
        of_study = [(claim.trial_id, claim.fence) for claim in claims if claim.study_id == study_id]
        for first in range(0, len(of_study), _MAX_RENEWED):
            some = of_study[first : first + _MAX_RENEWED]
            parameters = {
                "the_trials": [trial_id for trial_id, _ in some],
                "the_claims": some,
                "the_lease_s": lease_s,
                "new_revision": revision,
            }
            held.update(connection.scalars(_RENEW, parameters))
    lost = [claim for claim in claims if claim.trial_id not in held]
    keep_steps(connection, [step for step in progress if step.claim.trial_id in held])
    return lost


def keep_steps(connection: Connection, steps: Sequence[Progress]) -> None:
    """Stores the metrics and the device seconds of steps whose claims are known to hold."""
    attempts.keep_seconds(connection, steps)
    add_metrics(
        connection,
        [
            (step.claim.trial_id, step.claim.fence, step.step, name, value)
            for step in steps
            for name, value in step.metrics.items()
        ],
    )


def release(connection: Connection, claims: Sequence[Claim], seconds: Mapping[str, float]) -> None:
    """Puts trials back into the queue with what is stored of them; claims already lost are passed over.

    Args:
        seconds: device seconds by attempt, where an attempt has used any since its last progress.
    """
    for study_id in sorted({claim.study_id for claim in claims}):
        locked = studies.touch(connection, study_id)
        given_up = []
        for claim in sorted((c for c in claims if c.study_id == study_id), key=lambda claim: claim.trial_id):
            parameters = {
                "the_trial": claim.trial_id,
                "the_fence": claim.fence,
                "new_revision": locked.revision,
            }
            if connection.execute(_RELEASE, parameters).rowcount:
                used = seconds.get(claim.attempt, 0.0)
                given_up.append(Outcome(claim, TrialState.QUEUED, seconds=used))
        total = attempts.end_all(connection, given_up)
        if total:
            studies.touch(connection, study_id, seconds=total)


def _is_gone(row: Row[*tuple[Any, ...]], tenant: Tenant) -> bool:
    if is_known_dead(row.owner):
        return True
    return bool(row.is_over) and (
        tenant.watch is None or tenant.watch.is_abandoned(row.id, row.lease_until, tenant.lease_s)
    )


def _lease_s(locked: Any, tenant: Tenant) -> float | None:
    """Plain Optuna renews no leases; its trials have none, as in its own storages."""
    return None if locked.space_version is None else tenant.lease_s


def _seize(
    connection: Connection,
    locked: Any,
    row: Row[*tuple[Any, ...]],
    attempt_id: uuid.UUID,
    tenant: Tenant,
) -> Claim:
    fence = row.fence + 1
    now = connection.execute(
        trial.update()
        .where(trial.c.id == row.id)
        .values(
            state=TrialState.LEASED,
            fence=fence,
            owner=tenant.owner.token,
            lease_until=utc_now() + sa.literal(_lease_s(locked, tenant), Seconds),
            started=sa.func.coalesce(trial.c.started, utc_now()),
            revision=locked.revision,
        )
        .returning(utc_now())
    ).scalar_one()
    claim = _claim(row, fence, str(attempt_id), now)
    attempts.open_all(connection, [claim], tenant.owner)
    return claim


def _evict(connection: Connection, locked: Any, row: Row[*tuple[Any, ...]], lease_s: float) -> bool:
    """Ends the attempt of an owner that is gone; returns whether the trial may be tried again.

    An attempt that ran is charged from its start to the last renewal of its lease, up to which its owner was alive: so
    what kills an owner before it has told of an epoch is not free. Both times are the database's.
    """
    current, started = connection.execute(
        sa.select(attempt.c.id, attempt.c.started).where(
            attempt.c.trial_id == row.id, attempt.c.fence == row.fence
        )
    ).one()
    lost = FailureClass.LOST_LEASE
    claim = _claim(row, row.fence, current, 0.0)
    ran_s = max(0.0, row.lease_until - lease_s - started) if row.state == TrialState.RUNNING else 0.0
    ended = Outcome(claim, TrialState.FAILED, seconds=ran_s, failure_class=lost, message="its owner is gone")
    seconds = attempts.end_all(connection, [ended])
    if attempts.num_failures(connection, row.id, lost) < MAX_ATTEMPTS[lost]:
        studies.touch(connection, row.study_id, seconds=seconds)
        return True
    connection.execute(
        trial.update()
        .where(trial.c.id == row.id)
        .values(
            state=TrialState.FAILED, ended=utc_now(), owner=None, lease_until=None, revision=locked.revision
        )
    )
    total = sa.select(sa.func.sum(attempt.c.seconds)).where(attempt.c.trial_id == row.id).scalar_subquery()
    connection.execute(
        result.insert().values(
            trial_id=row.id,
            attempt_id=current,
            metrics="{}",
            constraints="{}",
            seconds=total,
            failure_class=lost,
            message=f"lost its owner {MAX_ATTEMPTS[lost]} times",
            created=utc_now(),
        )
    )
    studies.touch(connection, row.study_id, ended={TrialState.FAILED: 1}, seconds=seconds)
    return False


def _claim(row: Row[*tuple[Any, ...]], fence: int, attempt_id: str, started: float) -> Claim:
    return Claim(row.id, row.study_id, row.number, fence, attempt_id, load(row.choices), started)


def held(statement: sa.Update) -> sa.Update:
    """The compare-and-set of every verb: the trial is unfinished and ours."""
    return statement.where(
        trial.c.id == sa.bindparam("the_trial"),
        trial.c.fence == sa.bindparam("the_fence"),
        _IS_ACTIVE,
    )


_LEASE_END = utc_now() + sa.bindparam("the_lease_s", type_=Seconds)  # null when there is no lease
_SELECT = sa.select(
    trial.c.id, trial.c.study_id, trial.c.number, trial.c.state, trial.c.fence, trial.c.owner, trial.c.choices
)
_OF_STUDY = (trial.c.study_id == sa.bindparam("the_study"), trial.c.ended.is_(None))
_HELD_BY_OTHERS = (  # few: as many as are worked on
    _SELECT.add_columns((trial.c.lease_until < utc_now()).label("is_over"), trial.c.lease_until)
    .where(*_OF_STUDY, trial.c.lease_until.is_not(None), trial.c.owner != sa.bindparam("me"))
    .order_by(trial.c.number)
)
_QUEUED = _SELECT.where(*_OF_STUDY, trial.c.state == TrialState.QUEUED).order_by(trial.c.number).limit(1)
_INSERT_TRIAL = Prepared(
    trial.insert()
    .values(
        study_id=sa.bindparam("study_id"),
        number=sa.bindparam("number"),
        state=TrialState.LEASED,
        fence=1,
        owner=sa.bindparam("owner"),
        lease_until=_LEASE_END,
        choices="{}",
        parameters="[]",
        user_attrs="{}",
        system_attrs="{}",
        costs="{}",
        started=utc_now(),
        revision=sa.bindparam("revision"),
    )
    .returning(trial.c.id, trial.c.number, trial.c.started)
)
_RENEW = (  # many at once; the first condition finds the rows, the second compares their fences
    trial.update()
    .where(
        trial.c.id.in_(sa.bindparam("the_trials", expanding=True)),
        sa.tuple_(trial.c.id, trial.c.fence).in_(sa.bindparam("the_claims", expanding=True)),
        _IS_ACTIVE,
    )
    .values(lease_until=_LEASE_END, revision=sa.bindparam("new_revision"))
    .returning(trial.c.id)
)
_RELEASE = held(trial.update()).values(
    state=TrialState.QUEUED, owner=None, lease_until=None, revision=sa.bindparam("new_revision")
)
