"""The ledger as an Optuna storage: a view of the same rows, with nothing of its own to keep in step.

What Optuna sets on a trial that this process holds stays in its draft until the trial's state changes (see
`runs.drafts`); reads here see it at once, other processes within about a second. States map one to one,
but: LEASED and RUNNING are RUNNING; INFEASIBLE is PRUNED with a violated constraint; CANCELLED is FAIL.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from optuna.distributions import BaseDistribution, check_distribution_compatibility, distribution_to_json
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from runs import optuna_rows, states, studies
from runs.drafts import FLUSH_AFTER_S, Draft
from runs.errors import StudyExists
from runs.names import study_name
from runs.optuna_cache import copied, drafted, local_time
from runs.optuna_history import Histories, directions_of, missing_is_key_error
from runs.records import Claim, Outcome, Value
from runs.store import Store, open_store

_FINISHED = {
    TrialState.COMPLETE: states.TrialState.COMPLETE,
    TrialState.PRUNED: states.TrialState.PRUNED,
    TrialState.FAIL: states.TrialState.FAILED,
}
_ANY = {
    TrialState.WAITING: states.TrialState.QUEUED,
    TrialState.RUNNING: states.TrialState.LEASED,
    **_FINISHED,
}


class OptunaView(BaseStorage):
    """What `Store.optuna` is. Threads may share it; another process opens the store for its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held = store.holdings
        self._lock = threading.RLock()
        self._known = Histories(store)

    def __reduce__(self) -> tuple[Callable[..., BaseStorage], tuple[Any, ...]]:
        # Another process opens the storage anew and holds other trials.
        return _reopened, self._store.reopening

    # Studies

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """Adds a study without space or seed. Raises BadName, and DuplicatedStudyError."""
        name = f"no-name-{uuid.uuid4()}" if study_name is None else _checked(study_name)
        try:
            wanted = [direction.name.lower() for direction in directions]
            return self._store.create_plain_study(name, wanted).id
        except StudyExists as error:
            raise DuplicatedStudyError(str(error)) from None

    def delete_study(self, study_id: int) -> None:
        with self._lock, missing_is_key_error():
            self._store.delete_study(study_id)
            self._known.forget(study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._set_study_attribute(study_id, "user_attrs", key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._set_study_attribute(study_id, "system_attrs", key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        with missing_is_key_error():
            return self._store.study(study_name).id

    def get_study_name_from_id(self, study_id: int) -> str:
        with self._lock:
            return self._known.cache(study_id).name

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        with self._lock:
            return list(self._known.cache(study_id).directions)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._study_attributes(study_id, "user_attrs")

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self._study_attributes(study_id, "system_attrs")

    def get_all_studies(self) -> list[FrozenStudy]:
        return [
            FrozenStudy(name, None, user_attrs, system_attrs, study_id, directions=directions_of(directions))
            for study_id, name, directions, user_attrs, system_attrs in self._store.database.read(
                studies.overview
            )
        ]

    # Trials: writing

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        with self._lock, missing_is_key_error():
            if template_trial is None:
                [claim] = self._store.begin(study_id)
            else:
                claim = self._store.insert_trial(study_id, _template(template_trial))
            self._known.note_place(claim)
            return claim.trial_id

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        def change(draft: Draft) -> None:
            draft.choices[param_name] = distribution.to_external_repr(param_value_internal)
            draft.distributions[param_name] = distribution_to_json(distribution)

        with self._lock:
            study_id = self._updatable(trial_id)
            known = self._known.cache(study_id).distributions.setdefault(param_name, distribution)
            if vars(known) != vars(distribution) or type(known) is not type(distribution):
                check_distribution_compatibility(known, distribution)  # which looks at each option in Python
            self._change(trial_id, change)

    def set_trial_params(
        self, trial_id: int, values: Mapping[str, Value], distributions: Mapping[str, str]
    ) -> None:
        """Sets parameters of a trial that we hold, all at once; Optuna itself sets one at a time.

        Args:
            values: by name, as `suggest_categorical` returns them.
            distributions: by the same names, as `distribution_to_json` has them; the same in every trial of
                the study, for which the caller answers.
        """

        def change(draft: Draft) -> None:
            draft.choices.update(values)
            draft.distributions.update(distributions)

        with self._lock:
            self._updatable(trial_id)
            self._change(trial_id, change)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        def change(draft: Draft) -> None:
            draft.intermediate[step] = intermediate_value
            draft.unwritten_steps.add(step)

        with self._lock:
            self._updatable(trial_id)
            self._change(trial_id, change)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        with self._lock:
            self._updatable(trial_id)
            self._change(trial_id, lambda draft: draft.user_attrs.update({key: value}))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        with self._lock:
            self._updatable(trial_id)
            self._change(trial_id, lambda draft: draft.system_attrs.update({key: value}))

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Changes the state; a finished one is durable when this returns."""
        with self._lock:
            self._updatable(trial_id)
            claim = self._held.claims.get(trial_id)
            if state == TrialState.RUNNING:
                return claim is None and self._store.claim_queued(trial_id) is not None
            claim = claim or self._foreign_claim(trial_id)
            if state == TrialState.WAITING:
                self._store.release([claim])
                return True
            is_failed = state == TrialState.FAIL
            reason = self._known.draft(claim).system_attrs.get("fail_reason", "") if is_failed else ""
            outcome = Outcome(
                claim,
                _FINISHED[state],
                objectives=None if values is None else tuple(float(value) for value in values),
                failure_class=states.FailureClass.USER_ERROR if is_failed else None,
                message=str(reason),
            )
            if self._store.finish([outcome]).refused:
                self.check_trial_is_updatable(trial_id, self.get_trial(trial_id).state)
                raise UpdateFinishedTrialError(f"Trial {trial_id} was taken over by another process.")
            return True

    # Trials: reading

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        with self._lock:
            trial = self._known.refreshed(study_id).by_number(trial_number)
        if trial is None:
            raise KeyError(f"No trial with {trial_number=} exists in study with {study_id=}.")
        return trial._trial_id

    def get_trial_number_from_id(self, trial_id: int) -> int:
        with self._lock:
            return self._known.place(trial_id)[1]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        with self._lock:
            own = self._known.own(trial_id)
            if own is not None:
                return copied([own])[0]  # Optuna's Trial goes on writing into it
            study_id, number = self._known.place(trial_id)
            known = self._known.cache(study_id).by_number(number)
            if known is None or not known.state.is_finished():
                known = self._known.refreshed(study_id).by_number(number)
            if known is None:
                raise KeyError(f"No trial with {trial_id=} exists.")
            return known if known.state.is_finished() else copied([known])[0]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        with self._lock:
            self.flush(FLUSH_AFTER_S)
            trials = self._known.refreshed(study_id).select(states)
        return copied(trials) if deepcopy else trials

    def get_n_trials(self, study_id: int, state: tuple[TrialState, ...] | TrialState | None = None) -> int:
        wanted = (state,) if isinstance(state, TrialState) else state
        return len(self.get_all_trials(study_id, deepcopy=False, states=wanted))

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        with self._lock:
            cache = self._known.refreshed(study_id)
            if len(cache.directions) > 1:
                raise RuntimeError("Best trial can be obtained only for single-objective optimization.")
            if cache.best is None:
                raise ValueError("No trials are completed yet.")
            return cache.best

    def remove_session(self) -> None:
        self.flush()

    def flush(self, min_age_s: float = 0.0) -> None:
        """Writes what has been set for longer than `min_age_s` on trials that we hold."""
        with self._lock:
            claims = self._held.unwritten(min_age_s)
            if claims:
                self._store.flush(claims)

    # The view's own

    @contextmanager
    def reading_once(self) -> Iterator[None]:
        """Within it, each study is read from the ledger once: what others commit meanwhile is seen afterwards.

        For many proposals at one moment. Our own trials are seen as we have set them, all the time.

        Example:
            >>> with store.optuna.reading_once():
            ...     relative = [sampler.sample_relative(study, trial, space) for trial in begun]
        """
        with self._lock:
            outer = self._known.begin_reading_once()
        try:
            yield
        finally:
            with self._lock:
                self._known.end_reading_once(outer)

    def _updatable(self, trial_id: int) -> int:
        """Returns the study of a trial that is unfinished; raises UpdateFinishedTrialError or KeyError."""
        study_id, _ = self._known.place(trial_id)
        if trial_id in self._held.claims:
            self._known.cache(study_id)
        else:
            self.check_trial_is_updatable(trial_id, self.get_trial(trial_id).state)
        return study_id

    def _change(self, trial_id: int, change: Callable[[Draft], None]) -> None:
        """Applies a change to the draft of a trial that we hold, and to the database where another does."""
        claim = self._held.claims.get(trial_id)
        if claim is not None:
            draft = self._known.draft(claim)
            change(draft)
            draft.mark()
            self._held.touched.add(trial_id)
            self.flush(FLUSH_AFTER_S)
        elif not self._store.database.write(
            lambda connection: optuna_rows.amend(connection, trial_id, change)
        ):
            self.check_trial_is_updatable(trial_id, self.get_trial(trial_id).state)

    def _foreign_claim(self, trial_id: int) -> Claim:
        """Returns the claim of whoever holds the trial: Optuna lets any process tell any trial."""
        claim = self._store.claim_queued(trial_id)
        if claim is not None:
            return claim
        row = self._store.database.read(lambda connection: optuna_rows.locate(connection, trial_id))
        if row is None:
            raise KeyError(f"No trial with {trial_id=} exists.")
        return Claim(row.id, row.study_id, row.number, row.fence, row.attempt)

    def _set_study_attribute(self, study_id: int, column: str, key: str, value: Any) -> None:
        with missing_is_key_error():
            self._store.database.write(
                lambda connection: studies.set_attribute(connection, study_id, column, key, value)
            )

    def _study_attributes(self, study_id: int, column: str) -> dict[str, Any]:
        with missing_is_key_error():
            return self._store.database.read(lambda one: studies.attributes(one, study_id, column))


def _reopened(url: str, artifacts: str | None, lease_s: float, timeout_s: float) -> BaseStorage:
    return open_store(url, artifacts=artifacts, lease_s=lease_s, timeout_s=timeout_s).optuna


def _checked(name: str) -> str:
    # Optuna's own suite stores a study with an empty name; it harms nobody, so the view allows that one more.
    return name if name == "" else study_name(name)


def _template(trial: FrozenTrial) -> optuna_rows.Template:
    end = local_time(trial.datetime_complete)
    return optuna_rows.Template(_ANY[trial.state], drafted(trial), end, trial.values)
