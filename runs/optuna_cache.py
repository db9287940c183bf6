"""What Optuna's view remembers of a study: finished trials for good, others until their revision rises."""

from __future__ import annotations

import bisect
import copy
from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import Row

from runs import states
from runs.drafts import Draft
from runs.text import load, load_shared

CONSTRAINT_PREFIX = (
    "constraints:"  # as `optuna.trial.Trial.set_constraint` stores them; above zero = violated
)

_STATES: Mapping[states.TrialState, TrialState] = {
    states.TrialState.QUEUED: TrialState.WAITING,
    states.TrialState.LEASED: TrialState.RUNNING,
    states.TrialState.RUNNING: TrialState.RUNNING,
    states.TrialState.COMPLETE: TrialState.COMPLETE,
    states.TrialState.PRUNED: TrialState.PRUNED,
    states.TrialState.FAILED: TrialState.FAIL,
    states.TrialState.INFEASIBLE: TrialState.PRUNED,  # with a violated constraint: `_system_attrs`
    states.TrialState.CANCELLED: TrialState.FAIL,
}


class StudyCache:
    """The trials of one study as Optuna's frozen trials. What it gives out is never changed afterwards."""

    def __init__(self, name: str, directions: list[StudyDirection]) -> None:
        self.name = name
        self.directions = directions
        self.revision = 0
        self.distributions: dict[str, BaseDistribution] = {}  # the first of each name: later ones must agree
        self.best: FrozenTrial | None = None  # of a single objective
        self.parameters: dict[int, BaseDistribution] = {}  # by id
        self._trials: list[FrozenTrial] = []  # by number
        self._finished: dict[TrialState, list[FrozenTrial]] = {s: [] for s in TrialState if s.is_finished()}
        self._unfinished: dict[int, FrozenTrial] = {}  # by number

    def __len__(self) -> int:
        return len(self._trials)

    def learn(self, row: Row[*tuple[Any, ...]]) -> None:
        """Notes a stored distribution."""
        distribution = parsed(row.distribution)
        self.parameters[row.id] = distribution
        self.distributions.setdefault(row.name, distribution)

    def put(self, trial: FrozenTrial) -> None:
        """Replaces or adds a trial; numbers arrive without gaps."""
        known = self._trials[trial.number] if trial.number < len(self._trials) else None
        if known is trial or (known is not None and known.state.is_finished()):
            return  # finished trials never change
        self._trials[trial.number : trial.number + 1] = [trial]
        if not trial.state.is_finished():
            self._unfinished[trial.number] = trial
            return
        self._unfinished.pop(trial.number, None)
        bisect.insort(self._finished[trial.state], trial, key=lambda one: one.number)
        if trial.state == TrialState.COMPLETE and len(self.directions) == 1 and self._is_best(trial):
            self.best = trial

    def by_number(self, number: int) -> FrozenTrial | None:
        return self._trials[number] if 0 <= number < len(self._trials) else None

    def select(self, wanted: Container[TrialState] | None) -> list[FrozenTrial]:
        """Returns a new list of the trials in these states, by number; one state costs no look at others."""
        if wanted is None:
            return list(self._trials)
        parts = [trials for state, trials in self._finished.items() if state in wanted and trials]
        unfinished = sorted(
            (t for t in self._unfinished.values() if t.state in wanted), key=lambda t: t.number
        )
        parts += [unfinished] if unfinished else []
        if len(parts) == 1:
            return list(parts[0])
        return sorted((trial for part in parts for trial in part), key=lambda trial: trial.number)

    def frozen(self, row: Any, intermediate: Mapping[int, float]) -> FrozenTrial:
        """Returns a stored trial as Optuna sees it."""
        choices = load_shared(row.choices)
        # Choices that did not come through Optuna have no distribution, and are no parameters to it.
        parameters = dict(zip(choices, load(row.parameters), strict=False))
        return FrozenTrial(
            number=row.number,
            state=_STATES[states.TrialState(row.state)],
            value=None,
            values=load(row.objectives),
            datetime_start=_local(row.started),
            datetime_complete=_local(row.ended),
            params={name: choices[name] for name in parameters},
            distributions={name: self.parameters[key] for name, key in parameters.items()},
            user_attrs=load(row.user_attrs),
            system_attrs=_system_attrs(row),
            intermediate_values=dict(intermediate),
            trial_id=row.id,
        )

    def _is_best(self, trial: FrozenTrial) -> bool:
        if self.best is None:
            return True
        assert trial.value is not None and self.best.value is not None
        # As max() and min() over the trials by number choose: the first of equals.
        ours, theirs = (trial.value, -trial.number), (self.best.value, -self.best.number)
        if self.directions[0] == StudyDirection.MAXIMIZE:
            return ours > theirs
        return (-ours[0], ours[1]) > (-theirs[0], theirs[1])


def frozen_draft(trial_id: int, number: int, draft: Draft) -> FrozenTrial:
    """Returns a trial that we hold, as its draft has it."""
    return FrozenTrial(
        number=number,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=_local(draft.started),
        datetime_complete=None,
        params={name: draft.choices[name] for name in draft.distributions},
        distributions={name: parsed(text) for name, text in draft.distributions.items()},
        user_attrs=dict(draft.user_attrs),
        system_attrs=dict(draft.system_attrs),
        intermediate_values=dict(draft.intermediate),
        trial_id=trial_id,
    )


def drafted(trial: FrozenTrial) -> Draft:
    """Returns a trial of Optuna's as a draft of ours."""
    return Draft(
        started=local_time(trial.datetime_start),
        choices=dict(trial.params),
        distributions={name: distribution_to_json(trial.distributions[name]) for name in trial.params},
        user_attrs=dict(trial.user_attrs),
        system_attrs=dict(trial.system_attrs),
        intermediate=dict(trial.intermediate_values),
    )


@lru_cache(maxsize=4096)
def parsed(text: str) -> BaseDistribution:
    """Returns the distribution of a stored text; equal texts share one, as nobody changes it."""
    return json_to_distribution(text)


def copied(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Returns copies that may be changed; distributions, which nobody changes, are shared."""
    return [
        FrozenTrial(
            number=trial.number,
            state=trial.state,
            value=None,
            values=trial.values,
            datetime_start=trial.datetime_start,
            datetime_complete=trial.datetime_complete,
            params=dict(trial.params),
            distributions=dict(trial.distributions),
            user_attrs=copy.deepcopy(trial.user_attrs),
            system_attrs=copy.deepcopy(trial.system_attrs),
            intermediate_values=dict(trial.intermediate_values),
            trial_id=trial._trial_id,
        )
        for trial in trials
    ]


def local_time(moment: datetime | None) -> float | None:
    """Returns UTC seconds of one of Optuna's times, which are naive and local."""
    return None if moment is None else moment.timestamp()


def _local(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds)


def _system_attrs(row: Any) -> dict[str, Any]:
    attrs: dict[str, Any] = load(row.system_attrs)
    constraints = load(row.constraints) or {}
    if row.state == states.TrialState.INFEASIBLE and not any(value > 0 for value in constraints.values()):
        constraints["infeasible"] = 1.0
    return attrs | {f"{CONSTRAINT_PREFIX}{name}": value for name, value in constraints.items()}
