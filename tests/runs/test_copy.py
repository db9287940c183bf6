"""Studies to and from real stock Optuna storages: nothing lost, nothing doubled, nothing mixed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from runs.copy import Copied, copy_from_optuna, copy_study, copy_to_optuna, optuna_storage
from runs.errors import BadStorage, StorageUnreachable, StudyExists, StudyMissing
from runs.store import Store, open_store
from tests.fakes.ledgers import write_study

NAME = "digits"
START = datetime(2026, 3, 29, 1, 59, 59, 123_456)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/ledger.db") as opened:
        yield opened


@pytest.fixture(params=["sqlite", "journal", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a stock storage that does not exist yet."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_database"))
    return f"sqlite:///{tmp_path}/stock.db" if request.param == "sqlite" else str(tmp_path / "stock.log")


@pytest.fixture
def journal(tmp_path: Path) -> str:
    """The quickest such place, for what does not depend on the kind."""
    return str(tmp_path / "stock.log")


def _trials() -> list[FrozenTrial]:
    """One trial in each state, with everything that a trial can hold."""
    distributions = {
        "kernel": CategoricalDistribution((3, 5, "seven", None, True, 0.5)),
        "rate": FloatDistribution(1e-5, 1.0, log=True),
        "drop": FloatDistribution(0.0, 0.5, step=0.1),
        "depth": IntDistribution(1, 9, step=2),
    }
    full: dict[str, Any] = {
        "params": {"kernel": "seven", "rate": 3e-4, "drop": 0.2, "depth": 7},
        "distributions": distributions,
        "user_attrs": {"note": "Ünïcode\n", "nested": {"list": [1, 2.5, None, True]}},
        "system_attrs": {"constraints:memory": -1.5},
        "intermediate_values": {1: 0.25, 2: math.nan, 3: math.inf, 10: -0.0},
    }
    return [
        create_trial(state=TrialState.COMPLETE, values=[0.1 + 0.2, -1e300], **full),
        create_trial(state=TrialState.PRUNED, **(full | {"params": full["params"] | {"kernel": None}})),
        create_trial(state=TrialState.FAIL, system_attrs={"fail_reason": "out of memory"}),
        create_trial(state=TrialState.RUNNING, **full),
        create_trial(state=TrialState.WAITING, system_attrs={"fixed_params": {"depth": 3}}),
        create_trial(state=TrialState.COMPLETE, values=[-0.0, 5.0]),
    ]


def _filled(storage: BaseStorage, name: str = NAME) -> BaseStorage:
    study_id = storage.create_new_study([StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE], name)
    storage.set_study_user_attr(study_id, "owner", {"name": "ada"})
    storage.set_study_system_attr(study_id, "study:metric_names", ["reward", "macs"])
    for number, trial in enumerate(_trials()):
        if trial.state != TrialState.WAITING:
            trial.datetime_start = START + timedelta(minutes=number)
        if trial.state.is_finished():
            trial.datetime_complete = START + timedelta(minutes=number, microseconds=1)
        storage.create_new_trial(study_id, template_trial=trial)
    return storage


def _content(storage: BaseStorage, name: str = NAME, *, times: bool = True) -> list[object]:
    """All of a study, as something that can be compared: NaN as text."""
    study_id = storage.get_study_id_from_name(name)
    trials = [
        (
            trial.number,
            trial.state,
            trial.values,
            trial.params,
            trial.distributions,
            {step: repr(value + 0.0) for step, value in trial.intermediate_values.items()},
            trial.user_attrs,
            trial.system_attrs,
            (trial.datetime_start, trial.datetime_complete) if times else None,
        )
        for trial in storage.get_all_trials(study_id)
    ]
    attributes = (storage.get_study_user_attrs(study_id), storage.get_study_system_attrs(study_id))
    return [storage.get_study_directions(study_id), attributes, *trials]


def test_a_study_goes_to_a_stock_storage_whole_and_comes_back_whole(
    store: Store, url: str, tmp_path: Path
) -> None:
    whole = _content(_filled(store.optuna))
    assert whole == _content(_filled(InMemoryStorage())), "the ledger itself must hold everything"
    assert copy_to_optuna(store, NAME, url) == Copied(NAME, num_added=6, num_advanced=0, num_present=0)
    with optuna_storage(url, must_exist=True) as stock:
        assert _content(stock) == whole
    with open_store(f"sqlite:///{tmp_path}/second.db") as second:
        assert copy_from_optuna(second, NAME, url).num_added == 6
        assert _content(second.optuna) == whole
        assert second.check() == []


def test_a_second_copy_adds_nothing_in_either_direction(store: Store, url: str) -> None:
    _filled(store.optuna)
    copy_to_optuna(store, NAME, url)
    nothing = Copied(NAME, num_added=0, num_advanced=0, num_present=6)
    assert copy_to_optuna(store, NAME, url) == nothing
    assert copy_from_optuna(store, NAME, url) == nothing
    assert store.check() == []


def test_a_later_copy_adds_what_is_new_and_ends_what_was_unfinished(store: Store, url: str) -> None:
    _filled(store.optuna)
    copy_to_optuna(store, NAME, url)
    study_id = store.optuna.get_study_id_from_name(NAME)
    running, waiting = (trial._trial_id for trial in store.optuna.get_all_trials(study_id)[3:5])
    store.optuna.set_trial_intermediate_value(running, 11, 0.5)
    store.optuna.set_trial_user_attr(running, "note", "done")
    store.optuna.set_trial_state_values(running, TrialState.COMPLETE, [1.0, 2.0])
    store.optuna.set_trial_state_values(waiting, TrialState.RUNNING)
    store.optuna.set_trial_param(waiting, "depth", 3.0, IntDistribution(1, 9, step=2))
    store.optuna.set_trial_system_attr(waiting, "why", "slow")
    store.optuna.set_trial_state_values(waiting, TrialState.PRUNED)
    store.optuna.create_new_trial(study_id, create_trial(state=TrialState.COMPLETE, values=[3.0, 4.0]))
    assert copy_to_optuna(store, NAME, url) == Copied(NAME, num_added=1, num_advanced=2, num_present=4)
    with optuna_storage(url, must_exist=True) as stock:
        assert _content(stock, times=False) == _content(store.optuna, times=False)
    assert copy_to_optuna(store, NAME, url) == Copied(NAME, num_added=0, num_advanced=0, num_present=7)


def test_a_target_that_is_ahead_is_left_as_it_is(store: Store, url: str) -> None:
    _filled(store.optuna)
    copy_to_optuna(store, NAME, url)
    with optuna_storage(url, must_exist=True) as stock:
        study_id = stock.get_study_id_from_name(NAME)
        stock.set_trial_state_values(
            stock.get_all_trials(study_id)[3]._trial_id, TrialState.COMPLETE, [0.0, 0.0]
        )
        stock.create_new_trial(study_id, create_trial(state=TrialState.COMPLETE, values=[9.0, 9.0]))
        ahead = _content(stock)
        assert copy_study(store.optuna, stock, NAME) == Copied(NAME, 0, 0, 6)
        assert _content(stock) == ahead
    assert copy_from_optuna(store, NAME, url) == Copied(NAME, num_added=1, num_advanced=1, num_present=5)


@pytest.mark.parametrize("difference", ["directions", "trial"])
def test_a_different_study_of_that_name_is_refused_untouched(
    store: Store, journal: str, difference: str
) -> None:
    _filled(store.optuna)
    with optuna_storage(journal, must_exist=False) as stock:
        directions = [StudyDirection.MINIMIZE] * (1 if difference == "directions" else 2)
        if difference == "trial":
            directions[0] = StudyDirection.MAXIMIZE
        study_id = stock.create_new_study(directions, NAME)
        stock.create_new_trial(
            study_id, create_trial(state=TrialState.COMPLETE, values=[7.0] * len(directions))
        )
        before = _content(stock)
        with pytest.raises(StudyExists, match=f"{difference}.*; copy under another name"):
            copy_to_optuna(store, NAME, journal)
        assert _content(stock) == before
    assert copy_to_optuna(store, NAME, journal, target_name="digits 2") == Copied("digits 2", 6, 0, 0)


def test_a_ledgers_study_whose_name_differs_by_capitals_is_refused(store: Store, journal: str) -> None:
    with optuna_storage(journal, must_exist=False) as stock:
        _filled(stock, "DIGITS")
    store.optuna.create_new_study([StudyDirection.MAXIMIZE], NAME)
    with pytest.raises(StudyExists, match="'DIGITS'"):
        copy_from_optuna(store, "DIGITS", journal)


def test_a_copy_that_was_cut_short_is_completed_by_the_next(store: Store, journal: str) -> None:
    class PowerCut(Exception):
        pass

    class CutShort(InMemoryStorage):
        def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
            if self.get_n_trials(study_id) == 3:
                raise PowerCut
            return super().create_new_trial(study_id, template_trial)

    _filled(store.optuna)
    half = CutShort()
    with pytest.raises(PowerCut):
        copy_study(store.optuna, half, NAME)
    with optuna_storage(journal, must_exist=False) as stock:
        copy_study(half, stock, NAME)
        assert copy_study(store.optuna, stock, NAME) == Copied(
            NAME, num_added=3, num_advanced=0, num_present=3
        )
        assert _content(stock) == _content(store.optuna)


def test_a_search_begun_in_plain_optuna_goes_on_in_the_ledger(store: Store, url: str) -> None:
    def objective(trial: optuna.Trial) -> float:
        return trial.suggest_float("x", -1.0, 1.0) ** 2 + trial.suggest_int("n", 0, 3)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with optuna_storage(url, must_exist=False) as stock:
        optuna.create_study(study_name=NAME, storage=stock).optimize(objective, n_trials=3)
    copy_from_optuna(store, NAME, url)
    study = optuna.load_study(study_name=NAME, storage=store.optuna)
    study.optimize(objective, n_trials=2)
    assert [trial.number for trial in study.trials] == [0, 1, 2, 3, 4]
    assert copy_to_optuna(store, NAME, url) == Copied(NAME, num_added=2, num_advanced=0, num_present=3)


def test_a_study_that_is_not_there_is_named(store: Store, journal: str) -> None:
    with pytest.raises(StudyMissing, match="'absent'"):
        copy_to_optuna(store, "absent", journal)
    assert not Path(journal).exists(), "no target is made for nothing"
    Path(journal).touch()
    with pytest.raises(StudyMissing, match="'absent'"):
        copy_from_optuna(store, "absent", journal)


@pytest.mark.parametrize(
    "address, rule",
    [
        ("sqlite:///{folder}/absent.db", "must exist to be copied from"),
        ("sqlite:///{folder}/empty.db", "must exist to be copied from"),
        ("{folder}/absent.log", "must be a file"),
        ("{folder}", "must be a file"),
        ("{folder}/ledger.db", "write sqlite:///"),
        ("{folder}/empty.db", None),
        ("sqlite:///{folder}/ledger.db", "no ledger of ours"),
        ("nosuch://host/database", "SQLAlchemy URL"),
        ("mysql+nosuch://host/database", "SQLAlchemy URL"),
        ("://", "SQLAlchemy URL"),
    ],
)
def test_a_place_that_cannot_be_copied_from_is_refused(
    store: Store, tmp_path: Path, address: str, rule: str | None
) -> None:
    (tmp_path / "empty.db").touch()
    with pytest.raises(BadStorage if rule else StudyMissing, match=rule or NAME):
        copy_from_optuna(store, NAME, address.format(folder=tmp_path))
    assert not (tmp_path / "absent.db").exists()
    assert not (tmp_path / "absent.log").exists()


def test_a_ledger_is_never_written_as_a_stock_storage(store: Store, tmp_path: Path) -> None:
    _filled(store.optuna)
    with pytest.raises(BadStorage, match="no ledger of ours"):
        copy_to_optuna(store, NAME, f"sqlite:///{tmp_path}/ledger.db")
    assert store.check() == []


def test_an_unreachable_database_is_an_error_without_its_password(store: Store) -> None:
    with pytest.raises(StorageUnreachable) as error:
        copy_from_optuna(store, NAME, "postgresql://ada:hunter2@127.0.0.1:1/nas")
    assert "hunter2" not in str(error.value)
    assert "127.0.0.1" in str(error.value)


def test_what_optuna_has_no_place_for_goes_along_and_does_not_come_back(store: Store, url: str) -> None:
    known = write_study(store, "measured")
    copy_to_optuna(store, "measured", url)
    with optuna_storage(url, must_exist=True) as stock:
        trials = stock.get_all_trials(stock.get_study_id_from_name("measured"))
    first = next(trial for trial in store.trials(known.id) if trial.number == 0)
    attributes = trials[0].user_attrs
    assert attributes["nas:digest"] == first.digest and attributes["nas:accuracy"] == 0.8
    assert attributes["nas:macs"] == first.costs["macs"] and attributes["nas:params"] == first.costs["params"]
    copy_from_optuna(store, "measured", url, target_name="back")
    assert all(not trial.user_attrs for trial in store.trials(store.study("back").id))
