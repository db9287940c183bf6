"""A watched storage: an outage is asked about by one caller at a time, and another file at its path is opened anew."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runs import Store, open_store
from runs.browsing import Browsing
from runs.errors import NotALedger, StorageAway, StorageUnreachable
from runs.outage import RETRY_S, Breaker
from tests.fakes.ledgers import write_study


class Storage:
    """A storage whose outages and clock a test sets."""

    def __init__(self) -> None:
        self.is_away, self.now, self.num_asked = True, 0.0, 0

    def answer(self) -> str:
        self.num_asked += 1
        if self.is_away:
            raise StorageUnreachable("the storage must answer, got nothing; start it")
        return "here"

    def clock(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    write(tmp_path / "nas.db", "first")
    with open_store(f"sqlite:///{tmp_path / 'nas.db'}", timeout_s=0.1, watched=True) as opened:
        yield opened


def write(path: Path, name: str) -> None:
    with open_store(f"sqlite:///{path}") as other:
        write_study(other, name)


def test_while_a_storage_is_away_only_one_try_in_a_while_reaches_it() -> None:
    storage = Storage()
    breaker = Breaker(storage.clock, storage.clock)
    for _ in range(5):
        with pytest.raises(StorageAway, match="away since 00:00:00 UTC") as told:
            breaker.call(storage.answer)
    assert storage.num_asked == 1 and told.value.since == 0.0
    storage.now = RETRY_S
    for _ in range(5):
        with pytest.raises(StorageAway, match="since 00:00:00"):  # the moment stays the first one
            breaker.call(storage.answer)
    assert storage.num_asked == 2
    storage.now, storage.is_away = 2 * RETRY_S, False
    assert [breaker.call(storage.answer) for _ in range(3)] == ["here"] * 3


def test_nobody_waits_for_the_one_who_tries() -> None:
    storage, tries, may_end = Storage(), threading.Event(), threading.Event()
    breaker = Breaker(storage.clock, storage.clock)
    with pytest.raises(StorageAway):
        breaker.call(storage.answer)
    storage.now, storage.is_away = RETRY_S, False

    def slowly() -> str:
        tries.set()
        assert may_end.wait(60)
        return storage.answer()

    trying = threading.Thread(target=lambda: breaker.call(slowly))
    trying.start()
    assert tries.wait(60)
    with pytest.raises(StorageAway):
        breaker.call(storage.answer)
    may_end.set()
    trying.join()
    assert breaker.call(storage.answer) == "here"


def test_a_wrong_question_is_no_outage() -> None:
    storage = Storage()
    storage.is_away = False
    breaker = Breaker(storage.clock, storage.clock)
    with pytest.raises(ZeroDivisionError):
        breaker.call(lambda: 1 // 0)
    assert breaker.call(storage.answer) == "here"


def test_a_file_that_was_deleted_is_told_and_not_made_again(store: Store, tmp_path: Path) -> None:
    os.unlink(tmp_path / "nas.db")
    with pytest.raises(StorageAway, match=r"got none that can be read at .*nas\.db"):
        Browsing(store.database).heads()
    assert not (tmp_path / "nas.db").exists()


def test_a_file_that_was_replaced_is_opened(store: Store, tmp_path: Path) -> None:
    browse = Browsing(store.database)
    assert [head.name for head in browse.heads()] == ["first"]
    write(tmp_path / "other.db", "second")
    os.replace(tmp_path / "other.db", tmp_path / "nas.db")
    assert [head.name for head in browse.heads()] == ["second"]
    assert store.database.num_openings == 2


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"not a database" * 100, "nas.db")])
def test_a_file_that_is_no_ledger_takes_no_ledgers_place(
    store: Store, tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "other.db").write_bytes(content)
    os.replace(tmp_path / "other.db", tmp_path / "nas.db")
    for _ in range(2):
        with pytest.raises(NotALedger, match=reason):
            Browsing(store.database).heads()
    assert (tmp_path / "nas.db").read_bytes() == content  # nothing was written into it
    write(tmp_path / "right.db", "second")
    os.replace(tmp_path / "right.db", tmp_path / "nas.db")
    assert [head.name for head in Browsing(store.database).heads()] == ["second"]
