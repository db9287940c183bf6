"""The verbs that move a trial on: start and finish, many to a transaction, and the flush of what Optuna has set."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from runs import studies
from runs.claims import end_attempt, held, num_failures
from runs.drafts import Draft
from runs.errors import BadRecord
from runs.metrics import INTERMEDIATE, add_metrics, add_progress, dialect_insert
from runs.owner import code_version
from runs.parameters import parameter_ids
from runs.records import Claim, Finished, Outcome, Progress, Start
from runs.schema import SCHEMA_VERSION, Digest, Id, Json, Seconds, architecture, attempt, evaluation, result, trial, utc_now
from runs.states import MAX_ATTEMPTS, TrialState
from runs.text import dump, load

logger = logging.getLogger(__name__)


def start(
    connection: Connection, starts: Sequence[Start], drafts: Mapping[int, Draft], lease_s: float
) -> list[Claim]:
    """Sets trials RUNNING with what is known of them; returns the claims that are lost."""
    lost = []
    for study_id, of_study in _by_study(starts, lambda one: one.claim):
        revision = studies.touch(connection, study_id).revision
        for one in of_study:
            columns = _known(connection, one.claim, one, drafts.get(one.claim.trial_id))
            columns |= {"new_revision": revision, "the_lease_s": lease_s}
            if connection.execute(_START, columns).rowcount:
                _store_architecture(connection, one)
                _store_steps(connection, one.claim, drafts.get(one.claim.trial_id))
            else:
                lost.append(one.claim)
    return lost


def flush(connection: Connection, claims: Sequence[Claim], drafts: Mapping[int, Draft]) -> None:
    """Writes drafts without a change of state; those of lost claims are dropped."""
    for study_id, of_study in _by_study(claims, lambda claim: claim):
        revision = studies.touch(connection, study_id).revision
        for claim in of_study:
            columns = _known(connection, claim, None, drafts[claim.trial_id])
            if connection.execute(_FLUSH, columns | {"new_revision": revision}).rowcount:
                _store_steps(connection, claim, drafts[claim.trial_id])


def finish(
    connection: Connection, outcomes: Sequence[Outcome], drafts: Mapping[int, Draft], progress: Sequence[Progress] = ()
) -> Finished:
    """Ends attempts: a compare-and-set on (trial, fence, state) together with the result's row and last steps.

    Raises:
        BadRecord: an outcome's state is unfinished, or a complete trial lacks finite objectives. Nothing is written.
    """
    for outcome in outcomes:
        _check(outcome)
    accepted, requeued, refused = [], [], []
    for study_id, of_study in _by_study(outcomes, lambda outcome: outcome.claim):
        locked = studies.touch(connection, study_id)
        ended: Counter[str] = Counter()
        seconds = 0.0
        for outcome in of_study:
            claim, draft = outcome.claim, drafts.get(outcome.claim.trial_id)
            state = TrialState.QUEUED if _may_retry(connection, outcome) else outcome.state
            columns = _known(connection, claim, outcome.start, draft) | {"new_revision": locked.revision}
            statement = _REQUEUE if state is TrialState.QUEUED else _END
            if not connection.execute(statement, columns | {"new_state": state}).rowcount:
                refused.append(outcome)
                seconds += _late_seconds(connection, outcome)
                continue
            seconds += end_attempt(
                connection, claim.attempt, outcome.seconds, outcome.failure_class, outcome.message, outcome.traceback
            )
            _store_steps(connection, claim, draft)
            if state is TrialState.QUEUED:
                requeued.append(outcome)
                continue
            accepted.append(outcome)
            ended[state] += 1
            ended["reused"] += outcome.reused_from is not None
            _store_result(connection, outcome)
        studies.account(connection, locked, ended, seconds)
    late = {outcome.claim.attempt for outcome in refused}
    add_progress(connection, [step for step in progress if step.claim.attempt not in late])
    for outcome in refused:
        logger.warning("refused a late result of trial %d: its fence is past %d", outcome.claim.trial_id, outcome.claim.fence)
    return Finished(tuple(accepted), tuple(requeued), tuple(refused))


def finished(connection: Connection, outcomes: Sequence[Outcome]) -> Finished | None:
    """Returns what `finish` did with these outcomes when it did commit; None when it did not."""
    ids = [outcome.claim.attempt for outcome in outcomes]
    with_result = set(connection.scalars(sa.select(result.c.attempt_id).where(result.c.attempt_id.in_(ids))))
    ended = {
        row.id: row.failure_class
        for row in connection.execute(
            sa.select(attempt.c.id, attempt.c.failure_class).where(attempt.c.id.in_(ids), attempt.c.ended.is_not(None))
        )
    }
    accepted = tuple(o for o in outcomes if o.claim.attempt in with_result)
    requeued = tuple(
        o
        for o in outcomes
        if o not in accepted and o.failure_class is not None and ended.get(o.claim.attempt) == o.failure_class
    )
    if not accepted and not requeued:
        return None  # nothing of it is there, or all of it was refused: doing it again decides
    return Finished(accepted, requeued, tuple(o for o in outcomes if o not in accepted and o not in requeued))


def _check(outcome: Outcome) -> None:
    if not outcome.state.is_finished:
        raise BadRecord(f"an outcome's state must be a finished one, got {outcome.state}; use `release` to give up a trial")
    values = outcome.objectives
    if outcome.state is TrialState.COMPLETE and (not values or not all(map(math.isfinite, values))):
        raise BadRecord(
            f"a complete trial must have finite objectives, got {values!r}; finish it as failed with class `diverged`"
        )
    if outcome.state is TrialState.FAILED and outcome.failure_class is None:
        raise BadRecord("a failed trial must have a failure class, got none; give one of FailureClass")


def _may_retry(connection: Connection, outcome: Outcome) -> bool:
    if outcome.state is not TrialState.FAILED or outcome.failure_class not in MAX_ATTEMPTS:
        return False
    before = num_failures(connection, outcome.claim.trial_id, outcome.failure_class)
    return before + 1 < MAX_ATTEMPTS[outcome.failure_class]


def _known(connection: Connection, claim: Claim, start: Start | None, draft: Draft | None) -> dict[str, Any]:
    """Returns the columns that a start or a draft knows of a trial; None keeps what is stored."""
    key = None if start is None else start.key
    choices = start.choices if start is not None and start.choices is not None else (draft and draft.choices)
    ids = draft and parameter_ids(connection, claim.study_id, draft.distributions)
    return {
        "the_trial": claim.trial_id,
        "the_fence": claim.fence,
        "new_choices": None if choices is None else dump(dict(choices)),
        "new_parameters": None if ids is None else dump(ids),
        "new_user_attrs": None if draft is None else dump(draft.user_attrs),
        "new_system_attrs": None if draft is None else dump(draft.system_attrs),
        "new_digest": key and key.digest,
        "new_data": key and key.data,
        "new_recipe": key and key.recipe,
        "new_fidelity": key and key.fidelity,
        "new_seed": key and key.seed,
        "new_evaluation_key": key and key.hash,
        "new_costs": dump(dict(start.costs)) if start is not None and start.costs else None,
    }


def _store_architecture(connection: Connection, start: Start) -> None:
    if start.architecture is None or start.key is None:
        return
    connection.execute(
        dialect_insert(connection, architecture)
        .values(digest=start.key.digest, document=start.architecture, costs=dump(dict(start.costs)), created=utc_now())
        .on_conflict_do_nothing()
    )


def _store_steps(connection: Connection, claim: Claim, draft: Draft | None) -> None:
    if draft is not None:
        add_metrics(
            connection,
            [(claim.trial_id, claim.fence, step, INTERMEDIATE, value) for step, value in draft.steps.items()],
        )


def _store_result(connection: Connection, outcome: Outcome) -> None:
    claim = outcome.claim
    if outcome.start is not None:
        _store_architecture(connection, outcome.start)
    connection.execute(
        _RESULT,
        {
            "the_trial": claim.trial_id,
            "trial_id": claim.trial_id,
            "attempt_id": claim.attempt,
            "objectives": None if outcome.objectives is None else dump(list(outcome.objectives)),
            "metrics": dump(dict(outcome.metrics)),
            "constraints": dump(dict(outcome.constraints)),
            "failure_class": outcome.failure_class,
            "message": outcome.message,
            "reused_from": outcome.reused_from,
            "weights": outcome.weights,
        },
    )
    if outcome.state is TrialState.COMPLETE and outcome.reused_from is None:
        copied = sa.select(
            *(trial.c[name] for name in ("evaluation_key", "digest", "data", "recipe", "fidelity", "seed")),
            sa.literal(dump(dict(outcome.metrics)), Json),
            sa.literal(outcome.seconds, Seconds),
            trial.c.id,
            sa.literal(outcome.weights, Digest),
            utc_now(),
            sa.literal(code_version()),
            sa.literal(SCHEMA_VERSION),
        ).where(trial.c.id == claim.trial_id, trial.c.evaluation_key.is_not(None))
        insert = dialect_insert(connection, evaluation).from_select(list(evaluation.c), copied, include_defaults=False)
        connection.execute(insert.on_conflict_do_nothing())


def _late_seconds(connection: Connection, outcome: Outcome) -> float:
    """Books what a late attempt has used on its row; returns what was not booked before. It was spent, if in vain."""
    known = connection.scalar(
        sa.select(attempt.c.seconds).where(attempt.c.id == outcome.claim.attempt, attempt.c.ended.is_not(None))
    )
    if known is None or known >= outcome.seconds:
        return 0.0
    connection.execute(attempt.update().where(attempt.c.id == outcome.claim.attempt).values(seconds=outcome.seconds))
    return outcome.seconds - float(known)


def _by_study(items: Sequence[Any], claim_of: Any) -> list[tuple[int, list[Any]]]:
    """Groups by study, both in ascending order of id: all writers lock in one order, so none waits in a circle."""
    groups: dict[int, list[Any]] = {}
    for item in sorted(items, key=lambda item: (claim_of(item).study_id, claim_of(item).trial_id)):
        groups.setdefault(claim_of(item).study_id, []).append(item)
    return list(groups.items())


_KNOWN = {
    name: sa.func.coalesce(sa.bindparam(f"new_{name}", type_=trial.c[name].type), trial.c[name])
    for name in (
        "choices",
        "parameters",
        "user_attrs",
        "system_attrs",
        "digest",
        "data",
        "recipe",
        "fidelity",
        "seed",
        "evaluation_key",
        "costs",
    )
} | {"revision": sa.bindparam("new_revision", type_=Id)}
_START = held(trial.update()).values(
    **_KNOWN,
    state=TrialState.RUNNING,
    # A trial of a study without leases keeps having none.
    lease_until=sa.case((trial.c.lease_until.is_not(None), utc_now() + sa.bindparam("the_lease_s", type_=Seconds))),
)
_FLUSH = held(trial.update()).values(**_KNOWN)
_GIVEN_UP = {"state": sa.bindparam("new_state"), "owner": None, "lease_until": None}
_REQUEUE = held(trial.update()).values(**_KNOWN, **_GIVEN_UP)
_END = held(trial.update()).values(**_KNOWN, **_GIVEN_UP, ended=utc_now())
_RESULT = result.insert().values(
    seconds=sa.select(sa.func.sum(attempt.c.seconds))
    .where(attempt.c.trial_id == sa.bindparam("the_trial"))
    .scalar_subquery(),
    created=utc_now(),
)
