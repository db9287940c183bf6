"""The statements that only Optuna's view needs: news, changes to trials of other processes, templates."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from runs import studies
from runs.claims import Tenant
from runs.drafts import Draft
from runs.metrics import INTERMEDIATE, add_metrics, of_trials
from runs.owner import code_version
from runs.parameters import parameter_ids
from runs.prepared import Prepared
from runs.records import Claim
from runs.schema import SCHEMA_VERSION, attempt, parameter, result, trial, utc_now
from runs.states import FailureClass, TrialState
from runs.text import dump, load

MAX_LISTED = 100  # trials whose metrics are asked for one by one rather than with the study's


@dataclass(frozen=True, slots=True)
class News:
    """What changed in a study since a revision."""

    revision: int
    parameters: Sequence[Row[*tuple[Any, ...]]]
    trials: Sequence[Any]  # by number
    intermediate: dict[int, dict[int, float]]  # by trial id and step


@dataclass(frozen=True, slots=True)
class Template:
    """A trial that is stored as it is, in whatever state it is in."""

    state: TrialState
    draft: Draft
    ended: float | None
    objectives: Sequence[float] | None


def news(connection: Connection, study_id: int, after_revision: int, known: Container[int]) -> News:
    """Returns what is new.

    Args:
        after_revision: what was seen before. All trials below a seen revision were seen, as a study's
            transactions come one after another.
        known: ids of the distributions that were seen.
    """
    trials = _CHANGED.rows(connection, {"the_study": study_id, "after": after_revision})
    if not trials:
        return News(after_revision, (), (), {})
    # After the trials: a distribution or metric may then be early, but is never missing.
    used = {key for row in trials for key in load(row.parameters)}
    is_known = all(key in known for key in used)
    parameters = () if is_known else connection.execute(_PARAMETERS, {"the_study": study_id}).all()
    are_many = len(trials) > MAX_LISTED
    steps = of_trials(connection, study_id, [] if are_many else [row.id for row in trials], INTERMEDIATE)
    revision = max(row.revision for row in trials)
    return News(revision, parameters, sorted(trials, key=lambda row: row.number), steps)


def locate(connection: Connection, trial_id: int) -> Any:
    """Returns study, number, state, fence and current attempt of a trial; None where there is none."""
    return _LOCATE.first(connection, {"the_trial": trial_id})


def draft_of(connection: Connection, trial_id: int) -> Draft:
    """Returns a stored trial as a draft."""
    row = connection.execute(sa.select(trial).where(trial.c.id == trial_id)).one()
    choices = load(row.choices)
    ids = load(row.parameters)
    texts = {
        found.id: found.distribution
        for found in connection.execute(
            sa.select(parameter.c.id, parameter.c.distribution).where(parameter.c.id.in_(ids))
        )
    }
    steps = of_trials(connection, row.study_id, [trial_id], INTERMEDIATE).get(trial_id, {})
    distributions = {name: texts[key] for name, key in zip(choices, ids, strict=False)}
    return Draft(row.started, choices, distributions, load(row.user_attrs), load(row.system_attrs), steps)


def amend(connection: Connection, trial_id: int, change: Callable[[Draft], None]) -> bool:
    """Changes an unfinished trial, whoever holds it; returns False when it has finished or is gone."""
    study_id = connection.scalar(sa.select(trial.c.study_id).where(trial.c.id == trial_id))
    if study_id is None:
        return False
    revision = studies.touch(connection, study_id).revision
    row = locate(connection, trial_id)
    if row is None or TrialState(row.state).is_finished:
        return False
    draft = draft_of(connection, trial_id)
    change(draft)
    connection.execute(
        trial.update()
        .where(trial.c.id == trial_id)
        .values(revision=revision, **_columns(connection, study_id, draft))
    )
    add_metrics(connection, [(trial_id, row.fence, s, INTERMEDIATE, v) for s, v in draft.new_steps.items()])
    return True


def insert(
    connection: Connection, study_id: int, template: Template, attempt_id: uuid.UUID, tenant: Tenant
) -> Claim:
    """Adds a trial as the template has it, with one attempt and, if it has finished, its result."""
    state, draft = template.state, template.draft
    ended: dict[str, int] = {state: 1} if state.is_finished else {}
    locked = studies.touch(connection, study_id, num_new=1, ended=ended)
    is_held = state is TrialState.LEASED
    trial_id = connection.execute(
        trial.insert()
        .values(
            study_id=study_id,
            number=locked.num_trials - 1,
            state=state,
            fence=1,
            owner=tenant.owner.token if is_held else None,
            lease_until=utc_now() + tenant.lease_s if is_held and locked.space_version is not None else None,
            costs="{}",
            started=draft.started,
            ended=template.ended if state.is_finished else None,
            revision=locked.revision,
            **_columns(connection, study_id, draft),
        )
        .returning(trial.c.id)
    ).scalar_one()
    connection.execute(
        attempt.insert().values(
            id=str(attempt_id),
            trial_id=trial_id,
            fence=1,
            owner=tenant.owner.token,
            host=tenant.owner.host,
            pid=tenant.owner.pid,
            started=utc_now() if draft.started is None else draft.started,
            ended=None if is_held else (utc_now() if template.ended is None else template.ended),
            seconds=0.0,
            failure_class=FailureClass.USER_ERROR if state is TrialState.FAILED else None,
            message="",
            traceback="",
            code_version=code_version(),
            schema_version=SCHEMA_VERSION,
        )
    )
    add_metrics(
        connection, [(trial_id, 1, step, INTERMEDIATE, value) for step, value in draft.intermediate.items()]
    )
    if state.is_finished:
        connection.execute(
            result.insert().values(
                trial_id=trial_id,
                attempt_id=str(attempt_id),
                objectives=None if template.objectives is None else dump(list(template.objectives)),
                metrics="{}",
                constraints="{}",
                seconds=0.0,
                failure_class=FailureClass.USER_ERROR if state is TrialState.FAILED else None,
                message=str(draft.system_attrs.get("fail_reason", "")),
                created=utc_now(),
            )
        )
    return Claim(
        trial_id, study_id, locked.num_trials - 1, 1, str(attempt_id), draft.choices, draft.started or 0.0
    )


def _columns(connection: Connection, study_id: int, draft: Draft) -> dict[str, str]:
    return {
        "choices": dump(draft.choices),
        "parameters": dump(parameter_ids(connection, study_id, draft.distributions, {})),
        "user_attrs": dump(draft.user_attrs),
        "system_attrs": dump(draft.system_attrs),
    }


_PARAMETERS = (
    sa.select(parameter.c.id, parameter.c.name, parameter.c.distribution)
    .where(parameter.c.study_id == sa.bindparam("the_study"))
    .order_by(parameter.c.id)
)
_CHANGED = Prepared(
    sa.select(
        trial.c.id,
        trial.c.number,
        trial.c.state,
        trial.c.fence,
        trial.c.choices,
        trial.c.parameters,
        trial.c.user_attrs,
        trial.c.system_attrs,
        trial.c.started,
        trial.c.ended,
        trial.c.revision,
        result.c.objectives,
        result.c.constraints,
    )
    .outerjoin_from(trial, result)
    .where(trial.c.study_id == sa.bindparam("the_study"), trial.c.revision > sa.bindparam("after"))
)
_LOCATE = Prepared(
    sa.select(
        trial.c.id,
        trial.c.study_id,
        trial.c.number,
        trial.c.state,
        trial.c.fence,
        attempt.c.id.label("attempt"),
    )
    .outerjoin_from(
        trial, attempt, sa.and_(attempt.c.trial_id == trial.c.id, attempt.c.fence == trial.c.fence)
    )
    .where(trial.c.id == sa.bindparam("the_trial"))
)
