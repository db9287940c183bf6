"""The check finds each kind of damage; a ledger that was only written through the store has none."""

from __future__ import annotations

import shutil
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
        weights = [store.artifacts.put_bytes(text, kind="weights") for text in (b"first", b"second")]
        store.finish(
            [
                Outcome(claim, TrialState.COMPLETE, (0.5,), seconds=1.0, weights=digest)
                for claim, digest in zip(claims[:2], weights, strict=True)
            ]
        )
        store.add_artifact(
            store.artifacts.put_bytes(b"table", kind="predictions"), kind="predictions", num_bytes=5
        )
        for trials in (3, 4):  # the second session was given more
            store.open_run(
                study.id,
                "search",
                {"budget": {"trials": trials, "device_hours": 2 / 3600}},
                is_exclusive=False,
            )
        assert store.check(is_deep=True) == []
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
        ("update run set settings = replace(settings, '4', '3')", "I5"),
        ("update attempt set started = ended + 3600, seconds = 1.0 where trial_id = 2", "I5"),
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


def test_a_budget_of_which_one_session_had_none_is_not_held_against_the_study(store: Store) -> None:
    store.open_run(1, "search", {"budget": {"trials": None, "device_hours": None}}, is_exclusive=False)
    with store.database.connection() as connection:
        connection.execute(sa.text("update attempt set started = ended + 3600 where trial_id = 2"))
        connection.execute(
            sa.text("""update run set settings = '{"budget": {"trials": 1}}' where settings like '%4%'""")
        )
    assert store.check() == []


@pytest.mark.parametrize("subject", ["trial 1", "artifact "])
def test_a_file_that_a_row_names_and_that_is_gone_or_changed_is_found(store: Store, subject: str) -> None:
    path = store.artifacts.path(_digest(store, subject))
    sound = path.read_bytes()
    path.write_bytes(sound[:-1] + b"?")
    assert store.check() == [], "whether a file is sound takes reading it"
    [changed] = store.check(is_deep=True)
    path.unlink()
    [gone] = store.check()
    for violation in (changed, gone):
        assert violation.invariant == "I4" and violation.subject.startswith(subject)
        assert path.name in violation.message
    path.write_bytes(sound)
    assert store.check(is_deep=True) == []


def test_a_ledger_that_was_copied_without_its_artifacts_does_not_hold_together(
    store: Store, tmp_path: Path
) -> None:
    store.database.vacuum_into(tmp_path / "copy.db")
    with open_store(f"sqlite:///{tmp_path}/copy.db") as copy:
        assert [violation.invariant for violation in copy.check()] == ["I4"] * 3
    shutil.copytree(store.artifacts.path("0" * 64).parents[1], tmp_path / "copy.db.artifacts")
    with open_store(f"sqlite:///{tmp_path}/copy.db") as copy:
        assert copy.check(is_deep=True) == []


def _digest(store: Store, subject: str) -> str:
    if subject == "artifact ":
        return next(iter(store.artifacts.digests() - {trial.weights for trial in store.trials(1)}))
    weights = store.trial(1).weights
    assert weights is not None
    return weights


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
