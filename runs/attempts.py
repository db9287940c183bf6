"""The attempts of trials: opened with a claim, told of device seconds while they run, closed with an outcome."""

from __future__ import annotations

import math
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from runs.owner import Owner, code_version
from runs.prepared import Prepared
from runs.records import Claim, Outcome, Progress
from runs.schema import SCHEMA_VERSION, attempt, utc_now
from runs.states import FailureClass


def open_all(connection: Connection, claims: Sequence[Claim], owner: Owner) -> None:
    """Adds the attempt of each claim, by this owner and the code that runs now."""
    _INSERT.change(
        connection,
        [
            {
                "id": claim.attempt,
                "trial_id": claim.trial_id,
                "fence": claim.fence,
                "owner": owner.token,
                "host": owner.host,
                "pid": owner.pid,
                "code_version": code_version(),
            }
            for claim in claims
        ],
    )


def keep_seconds(connection: Connection, steps: Sequence[Progress]) -> None:
    """Stores the device seconds used so far; they never shrink."""
    if steps:
        used = [{"the_attempt": step.claim.attempt, "new_seconds": step.seconds} for step in steps]
        _SECONDS.change(connection, used)


def end_all(connection: Connection, outcomes: Sequence[Outcome]) -> float:
    """Closes attempts; returns their device seconds, for each never fewer than its progress had reported."""
    if not outcomes:
        return 0.0
    rows = [
        {
            "the_attempt": outcome.claim.attempt,
            "new_seconds": outcome.seconds,
            "new_class": outcome.failure_class,
            "new_message": outcome.message,
            "new_traceback": outcome.traceback,
        }
        for outcome in outcomes
    ]
    if len(rows) == 1:
        return math.fsum(row.seconds for row in _END_ONE.rows(connection, rows[0]))
    _END_ALL.change(connection, rows)
    ended = {"the_attempts": [row["the_attempt"] for row in rows]}
    return math.fsum(connection.scalars(_SECONDS_OF, ended))


def num_failures(connection: Connection, trial_id: int, failure_class: FailureClass) -> int:
    """Attempts of the trial that have ended with this class."""
    return connection.execute(
        sa.select(sa.func.count()).where(
            attempt.c.trial_id == trial_id, attempt.c.failure_class == failure_class
        )
    ).scalar_one()


_INSERT = Prepared(
    attempt.insert().values(
        started=utc_now(), seconds=0.0, message="", traceback="", schema_version=SCHEMA_VERSION
    )
)
_MORE_SECONDS = sa.case(
    (attempt.c.seconds > sa.bindparam("new_seconds"), attempt.c.seconds), else_=sa.bindparam("new_seconds")
)
_SECONDS = Prepared(
    attempt.update().where(attempt.c.id == sa.bindparam("the_attempt")).values(seconds=_MORE_SECONDS)
)
_END = (
    attempt.update()
    .where(attempt.c.id == sa.bindparam("the_attempt"))
    .values(
        ended=utc_now(),
        seconds=_MORE_SECONDS,
        failure_class=sa.bindparam("new_class"),
        message=sa.bindparam("new_message"),
        traceback=sa.bindparam("new_traceback"),
    )
)
_END_ALL, _END_ONE = Prepared(_END), Prepared(_END.returning(attempt.c.seconds))
_SECONDS_OF = sa.select(attempt.c.seconds).where(
    attempt.c.id.in_(sa.bindparam("the_attempts", expanding=True))
)
