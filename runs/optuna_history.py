"""What the Optuna view knows of the ledger: each study's trials as Optuna has them, those we hold with their drafts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from runs import optuna_rows, states
from runs.drafts import Draft
from runs.errors import StudyMissing
from runs.optuna_cache import StudyCache, frozen_draft
from runs.records import Claim
from runs.store import Store


class Histories:
    """The studies that were read so far. One thread at a time: the view's lock is held around every call."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held = store.holdings
        self._caches: dict[int, StudyCache] = {}
        self._frozen: dict[int, tuple[int, FrozenTrial]] = {}  # of trials we hold, with their draft's version
        self._places: dict[int, tuple[int, int]] = {}  # study and number by trial id
        self._read: set[int] | None = None  # studies read since `begin_reading_once`; None outside of it

    def begin_reading_once(self) -> set[int] | None:
        """From now on a study is read once; returns what `end_reading_once` needs."""
        outer, self._read = self._read, set()
        return outer

    def end_reading_once(self, outer: set[int] | None) -> None:
        """Goes back to how it was before `begin_reading_once`."""
        self._read = outer

    def forget(self, study_id: int) -> None:
        """Drops a study that is no more."""
        self._caches.pop(study_id, None)

    def note_place(self, claim: Claim) -> None:
        """Notes where a new trial stands."""
        self._places[claim.trial_id] = (claim.study_id, claim.number)

    def cache(self, study_id: int) -> StudyCache:
        """Returns a study as it was read last. Raises KeyError."""
        if study_id not in self._caches:
            with missing_is_key_error():
                record = self._store.study(study_id)
            self._caches[study_id] = StudyCache(record.name, directions_of(record.directions))
        return self._caches[study_id]

    def refreshed(self, study_id: int) -> StudyCache:
        """Returns the study's cache with everything in it that is committed now, and our drafts on top."""
        cache = self.cache(study_id)
        touched = [  # few, of the thousands that a driver may hold
            claim
            for trial_id in self._held.touched
            if (claim := self._held.claims[trial_id]).study_id == study_id
        ]
        is_read = self._read is not None and study_id in self._read
        if not is_read or any(cache.by_number(claim.number) is None for claim in touched):
            self._read_news(study_id, cache)
        if self._read is not None:
            self._read.add(study_id)
        for claim in touched:
            if (own := self.own(claim.trial_id)) is not None:
                cache.put(own)
                self._held.touched.discard(claim.trial_id)
        return cache

    def own(self, trial_id: int) -> FrozenTrial | None:
        """Returns a trial that we hold, its draft included."""
        claim = self._held.claims.get(trial_id)
        if claim is None:
            self._frozen.pop(trial_id, None)
            return None
        draft = self.draft(claim)
        version, frozen = self._frozen.get(trial_id, (-1, None))
        if frozen is None or version != draft.version:
            frozen = frozen_draft(trial_id, claim.number, draft)
            self._frozen[trial_id] = (draft.version, frozen)
        return frozen

    def draft(self, claim: Claim) -> Draft:
        """Returns what a trial's holder has set on it: ours as it is, another's as it is stored."""
        if self._held.claims.get(claim.trial_id) != claim:
            return self._store.database.read(
                lambda connection: optuna_rows.draft_of(connection, claim.trial_id)
            )
        if claim.trial_id not in self._held.drafts:
            self._frozen.pop(claim.trial_id, None)
            self._held.drafts[claim.trial_id] = self._store.database.read(
                lambda connection: optuna_rows.draft_of(connection, claim.trial_id)
            )
        return self._held.drafts[claim.trial_id]

    def place(self, trial_id: int) -> tuple[int, int]:
        """Returns the study and the number of a trial. Raises KeyError."""
        if trial_id not in self._places:
            row = self._store.database.read(lambda connection: optuna_rows.locate(connection, trial_id))
            if row is None:
                raise KeyError(f"No trial with {trial_id=} exists.")
            self._places[trial_id] = (row.study_id, row.number)
        return self._places[trial_id]

    def _read_news(self, study_id: int, cache: StudyCache) -> None:
        """Puts what was committed since the last reading into the cache."""
        news = self._store.database.read(
            lambda connection: optuna_rows.news(connection, study_id, cache.revision, cache.parameters)
        )
        known = self._held.parameter_ids.setdefault(study_id, {})
        for row in news.parameters:
            cache.learn(row)
            known[row.name, row.distribution] = row.id
        for row in news.trials:
            self._places[row.id] = (study_id, row.number)
            self._let_go(row)
            own = self.own(row.id)
            cache.put(cache.frozen(row, news.intermediate.get(row.id, {})) if own is None else own)
        cache.revision = news.revision

    def _let_go(self, row: Any) -> None:
        """Forgets a trial that the ledger no longer counts as ours."""
        claim = self._held.claims.get(row.id)
        if claim is not None and (row.fence > claim.fence or states.TrialState(row.state).is_finished):
            self._held.drop([claim])


class missing_is_key_error:
    """Optuna's contract asks for KeyError where the ledger says StudyMissing."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, StudyMissing):
            raise KeyError(str(error)) from None


def directions_of(names: Sequence[str]) -> list[StudyDirection]:
    """Returns Optuna's directions for the ledger's."""
    return [StudyDirection[name.upper()] for name in names]
