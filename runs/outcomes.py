"""The verbs that move trials on, many to a transaction: start, finish, and flush of what Optuna set."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from runs import attempts, studies
from runs.claims import held, keep_steps, renew
from runs.drafts import Holdings
from runs.errors import BadRecord
from runs.metrics import DIALECTS, INTERMEDIATE, add_metrics, dialect_insert
from runs.owner import code_version
from runs.parameters import parameter_ids
from runs.prepared import Prepared
from runs.records import Claim, Finished, Outcome, Progress, Start
from runs.schema import (
    SCHEMA_VERSION,
    Digest,
    Id,
    Json,
    Seconds,
    architecture,
    attempt,
    evaluation,
    result,
    trial,
    utc_now,
)
from runs.states import MAX_ATTEMPTS, TrialState
from runs.text import dump


def start(connection: Connection, starts: Sequence[Start], holdings: Holdings, lease_s: float) -> list[Claim]:
    """Sets trials RUNNING with what is known of them; returns the claims that are lost."""
    lost = []
    for study_id, of_study in _by_study(starts, lambda one: one.claim):
        revision = studies.touch(connection, study_id).revision
        rows = [_known(connection, one.claim, one, holdings) | {"the_lease_s": lease_s} for one in of_study]
        moved = _move(connection, _START, rows, revision)
        started = [one for one in of_study if _place(one.claim) in moved]
        lost += [one.claim for one in of_study if _place(one.claim) not in moved]
        _store_architectures(connection, started)
        _store_steps(connection, [one.claim for one in started], holdings)
    return lost


def flush(connection: Connection, claims: Sequence[Claim], holdings: Holdings) -> None:
    """Writes drafts without a change of state; those of lost claims are passed over."""
    for study_id, of_study in _by_study(claims, lambda claim: claim):
        revision = studies.touch(connection, study_id).revision
        rows = [_known(connection, claim, None, holdings) for claim in of_study]
        moved = _move(connection, _FLUSH, rows, revision)
        _store_steps(connection, [claim for claim in of_study if _place(claim) in moved], holdings)


def finish(
    connection: Connection,
    outcomes: Sequence[Outcome],
    holdings: Holdings,
    progress: Sequence[Progress],
    lease_s: float,
) -> Finished:
    """Ends attempts: a compare-and-set on (trial, fence, state) together with the result's row.

    Args:
        progress: the attempts' last steps, stored where the end is accepted; those of others renew their leases.

    Raises:
        BadRecord: an outcome that must not be stored; then nothing is written.
    """
    ending = {outcome.claim.attempt for outcome in outcomes}
    others = [step for step in progress if step.claim.attempt not in ending]
    renew(connection, list({step.claim.attempt: step.claim for step in others}.values()), others, lease_s)
    accepted: list[Outcome] = []
    requeued: list[Outcome] = []
    refused: list[Outcome] = []
    for study_id, of_study in _by_study(outcomes, lambda outcome: outcome.claim):
        # Mostly all goes as expected; then one statement locks the study and counts.
        expected, expected_s = Counter[str](), math.fsum(outcome.seconds for outcome in of_study)
        states = [TrialState.QUEUED if _may_retry(connection, one) else one.state for one in of_study]
        for outcome, state in zip(of_study, states, strict=True):
            expected.update(_counted(outcome, state))
        locked = studies.touch(connection, study_id, ended=expected, seconds=expected_s)
        for outcome in of_study:
            _check(outcome, may_be_infinite=locked.space_version is None)
        moved = _end(connection, of_study, states, locked.revision, holdings)
        ended = [pair for pair in zip(of_study, states, strict=True) if _place(pair[0].claim) in moved]
        late = [outcome for outcome in of_study if _place(outcome.claim) not in moved]
        _store_steps(connection, [outcome.claim for outcome, _ in ended], holdings)
        last = [step for step in progress if step.claim.attempt in ending and _place(step.claim) in moved]
        keep_steps(connection, last)
        seconds = attempts.end_all(connection, [outcome for outcome, _ in ended])
        seconds += sum(_late_seconds(connection, outcome) for outcome in late)
        counted = Counter[str]()
        for outcome, state in ended:
            counted.update(_counted(outcome, state))
        done = [outcome for outcome, state in ended if state is not TrialState.QUEUED]
        _store_results(connection, done, may_be_cached=locked.space_version is not None)
        accepted += done
        requeued += [outcome for outcome, state in ended if state is TrialState.QUEUED]
        refused += late
        if counted != expected or seconds != expected_s:
            counted.subtract(expected)
            studies.touch(connection, study_id, ended=counted, seconds=seconds - expected_s)
    return Finished(tuple(accepted), tuple(requeued), tuple(refused))


def finished(connection: Connection, outcomes: Sequence[Outcome]) -> Finished | None:
    """Returns what `finish` did with these outcomes when it did commit; None when it did not."""
    ids = [outcome.claim.attempt for outcome in outcomes]
    with_result = set(connection.scalars(sa.select(result.c.attempt_id).where(result.c.attempt_id.in_(ids))))
    ended = {
        row.id: row.failure_class
        for row in connection.execute(
            sa.select(attempt.c.id, attempt.c.failure_class).where(
                attempt.c.id.in_(ids), attempt.c.ended.is_not(None)
            )
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


def _check(outcome: Outcome, *, may_be_infinite: bool) -> None:
    """Refuses what a trial must not end with. Plain Optuna allows infinite objectives, we do not."""
    if not outcome.state.is_finished:
        raise BadRecord(
            f"an outcome's state must be a finished one, got {outcome.state}; give a trial up with `release`"
        )
    values = outcome.objectives or ()
    if any(math.isnan(value) or (math.isinf(value) and not may_be_infinite) for value in values) or (
        outcome.state is TrialState.COMPLETE and not values
    ):
        raise BadRecord(
            f"a complete trial must have finite objectives, got {outcome.objectives!r};"
            " finish it as failed with the class `diverged`"
        )
    if outcome.state is TrialState.FAILED and outcome.failure_class is None:
        raise BadRecord("a failed trial must have a failure class, got none; give one of FailureClass")


def _counted(outcome: Outcome, state: TrialState) -> dict[str, int]:
    """Returns what an outcome adds to the study's counters."""
    return {
        state: int(state.is_finished),
        "reused": int(state.is_finished and outcome.reused_from is not None),
    }


def _may_retry(connection: Connection, outcome: Outcome) -> bool:
    if outcome.state is not TrialState.FAILED or outcome.failure_class not in MAX_ATTEMPTS:
        return False
    before = attempts.num_failures(connection, outcome.claim.trial_id, outcome.failure_class)
    return before + 1 < MAX_ATTEMPTS[outcome.failure_class]


def _end(
    connection: Connection,
    outcomes: Sequence[Outcome],
    states: Sequence[TrialState],
    revision: int,
    holdings: Holdings,
) -> set[tuple[int, int]]:
    """Takes trials to their states where the claims still hold them; returns those that it took."""
    rows = [
        _known(connection, outcome.claim, outcome.start, holdings) | {"new_state": state}
        for outcome, state in zip(outcomes, states, strict=True)
    ]
    requeued = [row for row in rows if row["new_state"] is TrialState.QUEUED]
    ended = [row for row in rows if row["new_state"] is not TrialState.QUEUED]
    return _move(connection, _END, ended, revision) | _move(connection, _REQUEUE, requeued, revision)


def _move(
    connection: Connection, statement: Prepared, rows: Sequence[dict[str, Any]], revision: int
) -> set[tuple[int, int]]:
    """Executes a compare-and-set of many trials of one study; returns the (trial, fence) of those that it changed.

    Args:
        revision: the transaction's own, which nothing else in the study can have.
    """
    asked = {(row["the_trial"], row["the_fence"]) for row in rows}
    if not rows:
        return asked
    changed = statement.change(connection, [row | {"new_revision": revision} for row in rows])
    if changed == len(rows):
        return asked
    of_now = sa.select(trial.c.id, trial.c.fence).where(
        trial.c.id.in_([trial_id for trial_id, _ in asked]), trial.c.revision == revision
    )
    return asked & {(row.id, row.fence) for row in connection.execute(of_now)}


def _place(claim: Claim) -> tuple[int, int]:
    return claim.trial_id, claim.fence


def _known(connection: Connection, claim: Claim, start: Start | None, holdings: Holdings) -> dict[str, Any]:
    """Returns what a start and the claim's draft know of a trial, by column; None keeps what is stored."""
    columns: dict[str, Any] = dict.fromkeys(f"new_{name}" for name in _DRAFTED + _KEYED)
    draft = holdings.draft(claim)
    if draft is not None:
        ids = parameter_ids(
            connection, claim.study_id, draft.distributions, holdings.parameter_ids.get(claim.study_id, {})
        )
        columns |= {
            "new_choices": dump(draft.choices),
            "new_parameters": dump(ids),
            "new_user_attrs": dump(draft.user_attrs),
            "new_system_attrs": dump(draft.system_attrs),
        }
    if start is not None and start.choices is not None:
        columns["new_choices"] = dump(dict(start.choices))
    if start is not None and start.costs:
        columns["new_costs"] = dump(dict(start.costs))
    if start is not None and start.key is not None:
        columns |= {f"new_{name}": getattr(start.key, name) for name in _KEYED[:-1]}
        columns["new_evaluation_key"] = start.key.hash
    return columns | {"the_trial": claim.trial_id, "the_fence": claim.fence}


def _store_architectures(connection: Connection, starts: Sequence[Start]) -> None:
    rows = [
        {"digest": start.key.digest, "document": start.architecture, "costs": dump(dict(start.costs))}
        for start in starts
        if start.architecture is not None and start.key is not None
    ]
    if rows:
        _ARCHITECTURE.change(connection, rows)


def _store_steps(connection: Connection, claims: Sequence[Claim], holdings: Holdings) -> None:
    steps = [
        (claim.trial_id, claim.fence, step, INTERMEDIATE, value)
        for claim in claims
        if (draft := holdings.draft(claim)) is not None
        for step, value in draft.new_steps.items()
    ]
    add_metrics(connection, steps)


def _store_results(connection: Connection, outcomes: Sequence[Outcome], *, may_be_cached: bool) -> None:
    if not outcomes:
        return
    _store_architectures(connection, [one.start for one in outcomes if one.start is not None])
    results = [
        {
            "the_trial": outcome.claim.trial_id,
            "trial_id": outcome.claim.trial_id,
            "attempt_id": outcome.claim.attempt,
            "objectives": None if outcome.objectives is None else dump(list(outcome.objectives)),
            "metrics": dump(dict(outcome.metrics)),
            "constraints": dump(dict(outcome.constraints)),
            "failure_class": outcome.failure_class,
            "message": outcome.message,
            "reused_from": outcome.reused_from,
            "weights": outcome.weights,
        }
        for outcome in outcomes
    ]
    _RESULT.change(connection, results)
    evaluations = [
        {
            "the_trial": outcome.claim.trial_id,
            "the_metrics": dump(dict(outcome.metrics)),
            "the_seconds": outcome.seconds,
            "the_weights": outcome.weights,
            "the_code": code_version(),
        }
        for outcome in outcomes
        if may_be_cached and outcome.state is TrialState.COMPLETE and outcome.reused_from is None
    ]
    if evaluations:
        _EVALUATION.change(connection, evaluations)


def _architecture(dialect: str) -> Any:
    """Returns the statement that stores an architecture; one digest has one document."""
    return dialect_insert(dialect, architecture).values(created=utc_now()).on_conflict_do_nothing()


def _evaluation(dialect: str) -> Any:
    """Returns the statement that copies a trial's metrics into the cache; the first of a key stays."""
    insert = dialect_insert(dialect, evaluation)
    return insert.from_select(list(evaluation.c), _CACHED, include_defaults=False).on_conflict_do_nothing()


def _late_seconds(connection: Connection, outcome: Outcome) -> float:
    """Books what a late attempt has used, if in vain; returns what was not booked before."""
    known = connection.scalar(
        sa.select(attempt.c.seconds).where(
            attempt.c.id == outcome.claim.attempt, attempt.c.ended.is_not(None)
        )
    )
    if known is None or known >= outcome.seconds:
        return 0.0
    connection.execute(
        attempt.update().where(attempt.c.id == outcome.claim.attempt).values(seconds=outcome.seconds)
    )
    return outcome.seconds - float(known)


def _by_study(items: Sequence[Any], claim_of: Any) -> list[tuple[int, list[Any]]]:
    """Groups by study, in ascending order of ids: all writers lock in one order, none in a circle."""
    groups: dict[int, list[Any]] = {}
    for item in sorted(items, key=lambda item: (claim_of(item).study_id, claim_of(item).trial_id)):
        groups.setdefault(claim_of(item).study_id, []).append(item)
    return list(groups.items())


_DRAFTED = ("choices", "parameters", "user_attrs", "system_attrs", "costs")
_KEYED = ("digest", "data", "recipe", "fidelity", "seed", "evaluation_key")
_KNOWN = {
    name: sa.func.coalesce(sa.bindparam(f"new_{name}", type_=trial.c[name].type), trial.c[name])
    for name in _DRAFTED + _KEYED
} | {"revision": sa.bindparam("new_revision", type_=Id)}
_START = Prepared(
    held(trial.update()).values(
        **_KNOWN,
        state=TrialState.RUNNING,
        # A trial of a study without leases keeps having none.
        lease_until=sa.case(
            (trial.c.lease_until.is_not(None), utc_now() + sa.bindparam("the_lease_s", type_=Seconds))
        ),
    )
)
_FLUSH = Prepared(held(trial.update()).values(**_KNOWN))
_GIVEN_UP: dict[str, Any] = {"state": sa.bindparam("new_state"), "owner": None, "lease_until": None}
_REQUEUE = Prepared(held(trial.update()).values(**_KNOWN, **_GIVEN_UP))
_END = Prepared(held(trial.update()).values(**_KNOWN, **_GIVEN_UP, ended=utc_now()))
_RESULT = Prepared(
    result.insert().values(
        seconds=sa.select(sa.func.sum(attempt.c.seconds))
        .where(attempt.c.trial_id == sa.bindparam("the_trial"))
        .scalar_subquery(),
        created=utc_now(),
    )
)
_ARCHITECTURE = Prepared({dialect: _architecture(dialect) for dialect in DIALECTS})
_CACHED = sa.select(
    trial.c.evaluation_key,
    *(trial.c[name] for name in _KEYED[:-1]),
    sa.bindparam("the_metrics", type_=Json),
    sa.bindparam("the_seconds", type_=Seconds),
    trial.c.id,
    sa.bindparam("the_weights", type_=Digest),
    utc_now(),
    sa.bindparam("the_code", type_=sa.Text),
    sa.literal(SCHEMA_VERSION),
).where(trial.c.id == sa.bindparam("the_trial"), trial.c.evaluation_key.is_not(None))
_EVALUATION = Prepared({dialect: _evaluation(dialect) for dialect in DIALECTS})
