"""Reading for those who look: narrow rows by revision, pages by number, and all of it by an index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from runs import TrialState, open_store
from runs import browsing as module
from runs.browsing import Browsing
from runs.errors import TrialMissing
from tests.fakes.ledgers import architecture, write_study


@pytest.fixture
def browse(tmp_path: Path) -> Iterator[Browsing]:
    with open_store(f"sqlite:///{tmp_path / 'nas.db'}") as store:
        write_study(store)
        yield Browsing(store.database)


def check_everything(browse: Browsing) -> None:
    [head] = browse.heads()
    assert (head.num_trials, head.counts[TrialState.COMPLETE], head.num_reused) == (7, 3, 1)
    glances = browse.changed(head.id, 0)
    assert sorted(one.number for one in glances) == list(range(7))
    by_number = {one.number: one for one in glances}
    assert by_number[1].metrics["accuracy"] == 0.9 and by_number[3].failure_class == "diverged"
    assert by_number[5].reused_from == by_number[1].id
    assert browse.changed(head.id, max(one.revision for one in glances)) == []
    assert [one.number for one in browse.page(head.id, [3, 1, 99])] == [3, 1]
    assert [number for _, number, _ in browse.measured(architecture(11).digest)] == [5, 1]
    assert browse.digest(architecture(11).digest[:12]) == architecture(11).digest
    assert browse.choices(head.id, [0, 1]) == {0: {"choice": 0}, 1: {"choice": 1}}
    assert len(browse.attempts([by_number[0].id, by_number[3].id])) == 2
    assert browse.curves(head.id, [by_number[1].id], "accuracy") == {by_number[1].id: {1: 0.3, 2: 0.6}}


def test_a_ledger_is_read_on_sqlite(browse: Browsing) -> None:
    check_everything(browse)


def test_a_ledger_is_read_on_postgresql(postgres_database: str) -> None:
    with open_store(postgres_database) as store:
        write_study(store)
        check_everything(Browsing(store.database))


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_chunks_together_are_the_whole_and_no_transaction_is_torn(browse: Browsing, limit: int) -> None:
    numbers, revision = [], 0
    while glances := browse.changed(1, revision, limit=limit):
        numbers += [one.number for one in glances]
        assert min(one.revision for one in glances) > revision
        revision = max(one.revision for one in glances)
        if len(numbers) > 7:
            break
    assert sorted(numbers) == list(range(7))


def test_a_digest_is_found_by_its_beginning_only_where_it_is_one(browse: Browsing) -> None:
    assert browse.digest("' or 1=1 --") is None
    assert browse.digest("abc") is None
    assert browse.digest("0" * 64) is None


def test_a_missing_trial_and_study_are_told(browse: Browsing) -> None:
    with pytest.raises(TrialMissing):
        browse.trial(1, 99)
    assert browse.revision(99) is None
    assert browse.number(10**9) is None


def test_what_pages_ask_again_and_again_is_answered_by_an_index(tmp_path: Path) -> None:
    numbers = sa.select(module.trial).where(module.trial.c.study_id == 1, module.trial.c.number.in_([1, 2]))
    statements = [module._CHANGED, module._OF_REVISION, numbers]

    def plans(connection: Connection) -> list[str]:
        texts = []
        for statement in statements:
            compiled = statement.compile(connection, compile_kwargs={"render_postcompile": True})
            rows = connection.exec_driver_sql(
                f"explain query plan {compiled}", (1,) * str(compiled).count("?")
            )
            texts.append(" ".join(str(row) for row in rows))
        return texts

    with open_store(f"sqlite:///{tmp_path / 'nas.db'}") as store:
        for plan in store.database.read(plans):
            assert "SCAN trial" not in plan and "USING INDEX" in plan
