"""Optuna over the ledger: what its samplers see, how little they write, and how the two share a trial."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import TrialState as Seen

from runs import Claim, Outcome, Start, Store, TrialState, open_store
from runs.errors import BadName, BadRecord


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as store:
        yield store


@pytest.fixture
def other(store: Store, url: str) -> Iterator[Store]:
    with open_store(url) as other:
        yield other


@pytest.fixture
def study(store: Store) -> optuna.Study:
    space = {"version": "1"}
    store.create_study("ours", directions=["maximize"], seed=0, space=space, settings={})
    return optuna.load_study(study_name="ours", storage=store.optuna, sampler=RandomSampler(seed=0))


def num_commits(store: Store, work: object) -> int:
    """Returns how many transactions wrote while `work` was done."""
    commits = []

    def note(connection: sa.Connection) -> None:
        commits.append(connection.get_execution_options().get("nas_begin"))

    engine = store.database._engine
    sa.event.listen(engine, "commit", note)
    assert callable(work)
    work()
    sa.event.remove(engine, "commit", note)
    return commits.count("BEGIN IMMEDIATE")


def ask_and_tell(study: optuna.Study, num_choices: int = 42) -> None:
    trial = study.ask()
    for k in range(num_choices):
        trial.suggest_categorical(f"c{k}", [1, 2, 3])
    study.tell(trial, 0.5)


def claimed(store: Store, study: optuna.Study) -> tuple[Claim, optuna.trial.Trial]:
    [claim] = store.begin(study._study_id)
    return claim, optuna.trial.Trial(study, claim.trial_id)


def test_a_trial_of_42_choices_costs_two_transactions(store: Store, study: optuna.Study) -> None:
    assert num_commits(store, lambda: ask_and_tell(study)) == 2


def test_with_our_own_verbs_it_costs_three(store: Store, study: optuna.Study) -> None:
    def one_trial() -> None:
        claim, trial = claimed(store, study)
        trial.suggest_categorical("c", [1, 2, 3])
        store.start([Start(claim)])
        store.finish([Outcome(claim, TrialState.COMPLETE, (0.5,))])

    assert num_commits(store, one_trial) == 3


def test_choices_set_through_optuna_are_stored_with_the_start(
    store: Store, other: Store, study: optuna.Study
) -> None:
    claim, trial = claimed(store, study)
    value = trial.suggest_categorical("kernel", [3, 5])
    trial.set_user_attr("note", "x")
    assert other.trial(claim.trial_id).choices == {}, "held back"
    store.start([Start(claim)])
    found = other.trial(claim.trial_id)
    assert (found.choices, found.user_attrs) == ({"kernel": value}, {"note": "x"})
    assert other.optuna.get_trial(claim.trial_id).params == {"kernel": value}


def test_choices_of_a_start_are_kept_by_the_finish(store: Store, study: optuna.Study) -> None:
    [claim] = store.begin(study._study_id)
    store.start([Start(claim, choices={"a": 1})])
    store.finish([Outcome(claim, TrialState.COMPLETE, (0.5,))])
    assert store.trial(claim.trial_id).choices == {"a": 1}
    assert store.optuna.get_trial(claim.trial_id).params == {}, "no distribution, so no parameter of Optuna's"


def test_a_reclaimed_trial_keeps_its_parameters(store: Store, other: Store, study: optuna.Study) -> None:
    claim, trial = claimed(store, study)
    value = trial.suggest_int("depth", 1, 9)
    trial.report(0.5, 1)
    store.start([Start(claim)])
    store.release([claim])
    again = other.reclaim(study._study_id)
    assert again is not None and again.choices == {"depth": value}
    theirs = optuna.load_study(study_name="ours", storage=other.optuna)
    resumed = optuna.trial.Trial(theirs, again.trial_id)
    assert resumed.suggest_int("depth", 1, 9) == value
    resumed.report(0.75, 2)
    theirs.tell(resumed, 1.0)
    assert study.trials[0].intermediate_values == {1: 0.5, 2: 0.75}
    assert store.check() == []


def test_old_drafts_are_written_by_the_next_call(
    store: Store, other: Store, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = study.ask()
    trial.suggest_float("x", 0.0, 1.0)
    assert other.optuna.get_trial(trial._trial_id).params == {}
    monkeypatch.setattr("runs.optuna_storage.FLUSH_AFTER_S", 0.0)
    study.get_trials(deepcopy=False)
    assert list(other.optuna.get_trial(trial._trial_id).params) == ["x"]


def test_closing_writes_what_was_held_back(url: str) -> None:
    with open_store(url) as store:
        trial = optuna.create_study(study_name="s", storage=store.optuna).ask()
        trial.suggest_float("x", 0.0, 1.0)
    with open_store(url) as store:
        assert list(store.optuna.get_trial(trial._trial_id).params) == ["x"]


def test_infeasible_is_pruned_with_a_violated_constraint(store: Store, study: optuna.Study) -> None:
    first, second = store.begin(study._study_id, 2)
    store.finish(
        [
            Outcome(first, TrialState.INFEASIBLE, constraints={"macs": 0.25}),
            Outcome(second, TrialState.INFEASIBLE),
        ]
    )
    seen = study.trials
    assert [trial.state for trial in seen] == [Seen.PRUNED, Seen.PRUNED]
    assert [trial.constraints for trial in seen] == [{"macs": 0.25}, {"infeasible": 1.0}]


def test_each_state_has_its_name_in_optuna(store: Store, study: optuna.Study) -> None:
    claims = store.begin(study._study_id, 6)
    store.start([Start(claims[1])])
    store.release([claims[2]])
    store.finish(
        [
            Outcome(claims[3], TrialState.CANCELLED),
            Outcome(claims[4], TrialState.PRUNED),
            Outcome(claims[5], TrialState.COMPLETE, (1.0,), reused_from=claims[4].trial_id),
        ]
    )
    names = [trial.state.name for trial in study.trials]
    assert names == ["RUNNING", "RUNNING", "WAITING", "FAIL", "PRUNED", "COMPLETE"]


def test_a_queued_trial_is_served_by_ask_with_its_parameters(store: Store, study: optuna.Study) -> None:
    study.enqueue_trial({"kernel": 5})
    trial = study.ask()
    assert trial.suggest_categorical("kernel", [3, 5]) == 5
    study.tell(trial, 1.0)
    assert store.trial(trial._trial_id).state is TrialState.COMPLETE
    assert store.check() == []


def test_another_process_may_tell_a_plain_trial(store: Store, other: Store) -> None:
    study = optuna.create_study(study_name="plain", storage=store.optuna)
    trial = study.ask()
    trial.suggest_float("x", 0.0, 1.0)
    store.optuna.flush()
    theirs = optuna.load_study(study_name="plain", storage=other.optuna)
    other.optuna.set_trial_user_attr(trial._trial_id, "by", "other")
    theirs.tell(trial.number, 2.0)
    with pytest.raises(UpdateFinishedTrialError):
        store.optuna.set_trial_state_values(trial._trial_id, Seen.COMPLETE, [3.0])
    assert study.best_value == 2.0 and study.trials[0].user_attrs["by"] == "other"
    assert store.check() == []


def test_plain_studies_have_no_leases_and_nobody_takes_their_trials(store: Store, other: Store) -> None:
    study = optuna.create_study(study_name="plain", storage=store.optuna)
    trial = study.ask()
    assert store.trial(trial._trial_id).lease_until is None
    assert other.reclaim(study._study_id) is None
    assert store.check(grace_s=0.0) == []


def test_infinite_objectives_are_for_plain_studies_only(store: Store, study: optuna.Study) -> None:
    plain = optuna.create_study(study_name="plain", storage=store.optuna)
    plain.tell(plain.ask(), float("inf"))
    with pytest.raises(BadRecord, match="finite"):
        study.tell(study.ask(), float("inf"))
    assert store.check() == []


@pytest.mark.parametrize("name", ["../up", "a\x00b", "x" * 600, "<b>"])
def test_hostile_study_names_are_refused(store: Store, name: str) -> None:
    with pytest.raises(BadName):
        optuna.create_study(study_name=name, storage=store.optuna)


def test_a_name_that_differs_in_case_is_taken(store: Store, study: optuna.Study) -> None:
    with pytest.raises(DuplicatedStudyError):
        optuna.create_study(study_name="OURS", storage=store.optuna)


def test_two_processes_optimize_one_study(store: Store, other: Store) -> None:
    optuna.create_study(study_name="shared", storage=store.optuna, direction="maximize")

    def optimize(one: Store, seed: int) -> None:
        study = optuna.load_study(study_name="shared", storage=one.optuna, sampler=TPESampler(seed=seed))
        study.optimize(lambda trial: trial.suggest_float("x", 0.01, 1.0, log=True), n_trials=15)

    threads = [threading.Thread(target=optimize, args=(one, k)) for k, one in enumerate((store, other))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    study = optuna.load_study(study_name="shared", storage=other.optuna)
    assert [trial.number for trial in study.trials] == list(range(30))
    assert study.best_value == max(trial.value for trial in study.trials if trial.value is not None)
    assert store.check() == []


def test_the_same_seed_proposes_the_same_here_and_in_memory(store: Store) -> None:
    def proposals(storage: optuna.storages.BaseStorage | None) -> list[object]:
        study = optuna.create_study(storage=storage, sampler=TPESampler(seed=3, n_startup_trials=5))

        def objective(trial: optuna.trial.Trial) -> float:
            kernel = trial.suggest_categorical("kernel", [3, 5, 7])
            return trial.suggest_float("x", 0, 1) + trial.suggest_int("n", 1, 8, log=True) + kernel

        study.optimize(objective, n_trials=12)
        return [trial.params for trial in study.trials]

    assert proposals(store.optuna) == proposals(None)


def test_what_is_read_once_shows_our_own_trials_at_once_and_others_afterwards(
    store: Store, other: Store
) -> None:
    ours = optuna.create_study(study_name="shared", storage=store.optuna)
    theirs = optuna.load_study(study_name="shared", storage=other.optuna)

    def numbers() -> list[int]:
        return [trial.number for trial in store.optuna.get_all_trials(ours._study_id)]

    with store.optuna.reading_once():
        assert numbers() == []
        theirs.tell(theirs.ask(), 1.0)
        assert numbers() == []
        own = ours.ask()
        own.suggest_float("x", 0, 1)
        assert numbers() == [0, 1], "a trial of ours stands behind those that came before it"
        assert store.optuna.get_all_trials(ours._study_id)[1].params == own.params
        theirs.tell(theirs.ask(), 2.0)
        assert numbers() == [0, 1]
    assert numbers() == [0, 1, 2]
