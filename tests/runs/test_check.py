"""The check finds each kind of damage; a ledger that was only written through the store has none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from runs import EvaluationKey, Outcome, Start, Store, TrialState, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/ledger.db") as store:
        study = store.create_study("s", directions=["maximize"], seed=0, space={"version": "1"}, settings={})
        claims = store.begin(study.id, 4)
        store.start(
            [Start(claim, EvaluationKey(str(claim.number), "d", "r", "f", 0)) for claim in claims[:3]]
        )
        store.finish([Outcome(claim, TrialState.COMPLETE, (0.5,), seconds=1.0) for claim in claims[:2]])
        assert store.check() == []
        yield store


@pytest.mark.parametrize(
    ("statement", "invariant"),
    [
        ("delete from result where trial_id = 1", "I1"),
        ("update trial set state = 'queued' where id = 1", "I1"),
        ("update study set num_complete = 3", "I1"),
        ("update study set num_reused = 1", "I1"),
        ("update study set num_trials = 5", "I2"),
        ("update trial set number = 9 where id = 4", "I2"),
        ("update trial set fence = 2 where id = 2", "I2"),
        ("update trial set lease_until = 1.0 where id = 3", "I3"),
        ("update trial set owner = null where id = 4", "I3"),
        ("update result set objectives = '[NaN]' where trial_id = 1", "I4"),
        ("update result set objectives = '[Infinity]' where trial_id = 1", "I4"),
        ("update result set objectives = '[1.0, 2.0]' where trial_id = 1", "I4"),
        ("update result set objectives = null where trial_id = 1", "I4"),
        ("update study set device_seconds = 7.0", "I5"),
        ("update attempt set seconds = 7.0 where trial_id = 1", "I5"),
        ("update trial set evaluation_key = 'x' where id in (1, 2)", "I6"),
        ("insert into parameter values (1, 99, 'x', '{}', 'd')", "I7"),
    ],
)
def test_damage_is_found(store: Store, statement: str, invariant: str) -> None:
    with store.database.connection() as connection:
        connection.exec_driver_sql("commit")
        connection.exec_driver_sql("pragma foreign_keys = off")  # as another program may leave it
        connection.exec_driver_sql("begin immediate")
        connection.execute(sa.text(statement))
    found = store.check()
    assert invariant in {violation.invariant for violation in found}, found


def test_a_lease_that_is_just_over_has_its_grace(store: Store) -> None:
    with store.database.connection() as connection:
        connection.execute(sa.text("update trial set lease_until = utc_now() - 10 where id = 3"))
    assert store.check(grace_s=60.0) == []
    [violation] = store.check(grace_s=1.0)
    assert (violation.invariant, violation.subject) == ("I3", "trial 3")
    assert "resume the study" in violation.message


def test_a_stored_password_is_found(postgres_database: str) -> None:
    password = sa.make_url(postgres_database).password
    assert password is not None
    with open_store(postgres_database) as store:
        store.create_study("s", directions=["maximize"], seed=0, space={}, settings={})
        assert store.check() == []
        with store.database.connection() as connection:
            connection.execute(sa.text("update study set settings = :text"), {"text": f'"{password}"'})
        [violation] = store.check()
        assert violation.invariant == "I8" and password not in violation.message
