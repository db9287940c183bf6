"""The reader follows the ledger by its revision, in chunks, for all viewers at once."""

from __future__ import annotations

from typing import Any

import pytest

from dashboards import reader as module
from dashboards.reader import Reader
from runs import Outcome, Store, TrialState
from runs.browsing import Browsing
from runs.errors import StudyMissing


def test_only_what_has_changed_is_read_again(store: Store, monkeypatch: Any) -> None:
    reader = Reader(store, fresh_s=0.0)
    assert len(reader.table(1)) == 7
    asked = []
    changed = Browsing.changed

    def noted(self: Browsing, study_id: int, after: int, *, limit: int) -> Any:
        found = changed(self, study_id, after, limit=limit)
        asked.append(len(found))
        return found

    monkeypatch.setattr(Browsing, "changed", noted)
    [claim] = store.begin(1)
    store.finish([Outcome(claim, TrialState.CANCELLED)])
    assert len(reader.table(1)) == 8
    assert reader.table(1) is reader.table(1)
    assert asked == [1]  # the revision says that there is nothing else


def test_a_large_study_is_read_in_chunks_until_it_is_whole(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "FIRST_CHUNK", 2)
    reader = Reader(store, fresh_s=0.0)
    first = reader.read(1)
    assert len(reader.whole(1)) == 7
    assert reader.read(1).is_whole and not (first.is_whole and len(first.table) < 7)


def test_tables_of_many_studies_do_not_pile_up(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MAX_STUDIES", 1)
    store.create_study("other", directions=["maximize"], seed=0, space={}, settings={})
    reader = Reader(store, fresh_s=0.0)
    reader.table(1)
    reader.table(2)
    assert reader.known(1) is None and reader.known(2) is not None


def test_a_missing_study_is_named(store: Store) -> None:
    with pytest.raises(StudyMissing):
        Reader(store).head(99)
