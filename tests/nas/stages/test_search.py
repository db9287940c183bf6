"""A search on a real ledger with a real space; only the training is replaced by a formula."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas.settings import Settings
from nas.stages.arms import Watch
from nas.stages.budget import Budget, LoweredBudget, num_paid
from nas.stages.history import History
from nas.stages.search import NothingFeasible, SpaceChanged, report, resume, search
from runs import FailureClass, TrialRecord, TrialState, open_store
from runs.errors import StudyExists
from search_space.spaces import SpaceError
from tests.fakes.searches import Formula, settings


def trials(folder: Path, name: str = "s") -> list[TrialRecord]:
    with open_store(f"sqlite:///{folder / 'nas.db'}") as store:
        return store.trials(store.study(name).id)


def count(records: list[TrialRecord], state: TrialState) -> int:
    return sum(record.state is state and record.reused_from is None for record in records)


def violations(folder: Path) -> list[Any]:
    with open_store(f"sqlite:///{folder / 'nas.db'}") as store:
        return list(store.check())


def until(num_ended: int) -> Watch:
    """Asks to stop once so many trials have ended."""
    seen = [0]

    def progress(arm: str, history: History, budget: Budget) -> None:
        seen[0] = sum(trial.state.is_finished for trial in history.trials)

    return Watch(progress=progress, should_stop=lambda: seen[0] >= num_ended)


@pytest.mark.parametrize("strategy", ["random", "tpe", "evolution", "nsga2"])
def test_a_search_spends_exactly_its_trials(tmp_path: Path, strategy: str) -> None:
    formula = Formula(tmp_path / "notes")
    result = search(settings(tmp_path, strategy=strategy, trials=12), evaluator=formula)
    records = trials(tmp_path)
    assert result.ending.kind == "done"
    assert count(records, TrialState.COMPLETE) == 12
    assert len({note["key"] for note in formula.trainings()}) == 12 == len(formula.trainings()) / 3
    assert violations(tmp_path) == []


@pytest.mark.parametrize(("strategy", "most"), [("evolution", 1), ("nsga2", 2), ("random", 0)])
def test_a_candidate_names_the_measured_trials_that_it_was_bred_from(
    tmp_path: Path, strategy: str, most: int
) -> None:
    search(settings(tmp_path, strategy=strategy, trials=16), evaluator=Formula(tmp_path / "notes"))
    records = trials(tmp_path)
    assert max(len(child.parents) for child in records) == most
    for child in records:
        for number in child.parents:
            parent = records[number]
            assert number < child.number and parent.state is TrialState.COMPLETE
            assert any(child.choices[name] == value for name, value in parent.choices.items())


def test_the_winner_is_the_best_complete_trial(tmp_path: Path) -> None:
    result = search(settings(tmp_path), evaluator=Formula(tmp_path / "notes"))
    best = max(record.objectives[0] for record in trials(tmp_path) if record.objectives)
    assert result.winner is not None
    assert result.winner.reward == pytest.approx(best)


def test_what_arithmetic_refuses_is_never_trained(tmp_path: Path) -> None:
    formula = Formula(tmp_path / "notes")
    chosen = settings(tmp_path, target="30K", max_cost="30K", space="tests.fakes.searches:Tiny", trials=3)
    search(chosen, evaluator=formula)
    trained = {note["key"] for note in formula.trainings()}
    for record in trials(tmp_path):
        if record.state is TrialState.INFEASIBLE:
            assert record.costs["macs"] > 30e3
            assert record.key not in trained
            assert record.constraints["macs"] > 0


def test_a_measurement_of_another_study_is_used_again(tmp_path: Path) -> None:
    formula = Formula(tmp_path / "notes")
    search(settings(tmp_path, study="first"), evaluator=formula)
    num_before = len(formula.trainings())
    search(settings(tmp_path, study="second", strategy="random", trials=1), evaluator=formula)
    reused = [record for record in trials(tmp_path, "second") if record.reused_from is not None]
    assert len(reused) == 8  # the same seed proposes the same first eight
    assert len(formula.trainings()) == num_before + 3
    assert violations(tmp_path) == []


def test_a_failure_is_recorded_with_its_class_and_the_search_goes_on(tmp_path: Path) -> None:
    search(settings(tmp_path, trials=10), evaluator=Formula(tmp_path / "notes", breaks="user"))
    failed = [record for record in trials(tmp_path) if record.state is TrialState.FAILED]
    assert failed and all(record.failure_class is FailureClass.USER_ERROR for record in failed)
    assert count(trials(tmp_path), TrialState.COMPLETE) + len(failed) == 10
    with open_store(f"sqlite:///{tmp_path / 'nas.db'}") as store:
        [attempt] = store.attempts(failed[0].id)
    assert "KeyError" in attempt.traceback


def test_a_diverged_training_is_not_tried_again(tmp_path: Path) -> None:
    search(settings(tmp_path, trials=10), evaluator=Formula(tmp_path / "notes", breaks="diverged"))
    failed = [record for record in trials(tmp_path) if record.state is TrialState.FAILED]
    assert failed and all(
        record.failure_class is FailureClass.DIVERGED and record.fence == 1 for record in failed
    )


def test_too_many_failures_end_the_search(tmp_path: Path) -> None:
    evaluator = Formula(tmp_path / "notes", breaks="user")
    result = search(settings(tmp_path, trials=40, max_failures=2), evaluator=evaluator)
    assert result.ending.kind == "failures"
    assert count(trials(tmp_path), TrialState.FAILED) == 3


@pytest.mark.parametrize("strategy", ["random", "tpe", "evolution", "nsga2"])
@pytest.mark.parametrize("pruning", ["none", "hyperband"])
def test_a_search_stopped_often_proposes_what_the_unbroken_one_does(
    tmp_path: Path, strategy: str, pruning: str
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    changes = {"strategy": strategy, "pruning": pruning, "trials": 14}
    search(settings(whole, **changes), evaluator=Formula(whole / "notes"))
    formula = Formula(broken / "notes", keeps=True)
    result = search(settings(broken, **changes), evaluator=formula, watch=until(1))
    for num_ended in range(3, 30, 3):
        if result.ending.kind != "stopped":
            break
        url = f"sqlite:///{broken / 'nas.db'}"
        result = resume("s", storage=url, evaluator=formula, watch=until(num_ended))
    assert result.ending.kind == "done"
    expected, found = trials(whole), trials(broken)
    assert [record.choices for record in found] == [record.choices for record in expected]
    assert [record.state for record in found] == [record.state for record in expected]
    assert [record.objectives for record in found] == [record.objectives for record in expected]
    assert [record.parents for record in found] == [record.parents for record in expected]
    notes = formula.trainings()
    assert len({(note["key"], note["epoch"]) for note in notes}) == len(notes)  # no epoch is trained twice
    assert violations(broken) == []


def test_weak_trials_are_stopped_early(tmp_path: Path) -> None:
    formula = Formula(tmp_path / "notes")
    search(settings(tmp_path, trials=20, pruning="halving"), evaluator=formula)
    records = trials(tmp_path)
    assert count(records, TrialState.PRUNED) > 0
    assert count(records, TrialState.PRUNED) + count(records, TrialState.COMPLETE) == 20
    assert len(formula.trainings()) < 60


def test_weak_trials_are_stopped_early_with_two_objectives(tmp_path: Path) -> None:
    chosen = settings(tmp_path, trials=20, pruning="halving", reward="pareto", strategy="nsga2")
    search(chosen, evaluator=Formula(tmp_path / "notes"))
    records = trials(tmp_path)
    assert count(records, TrialState.PRUNED) > 0
    assert all(len(record.objectives) == 2 for record in records if record.objectives)


def test_device_hours_end_a_search_across_sessions(tmp_path: Path) -> None:
    formula = Formula(tmp_path / "notes", seconds=0.05)
    chosen = settings(tmp_path, trials=None, device_hours=1.0 / 3600)
    result = search(chosen, evaluator=formula, watch=until(1))
    assert result.ending.kind == "stopped"
    result = resume("s", storage=f"sqlite:///{tmp_path / 'nas.db'}", evaluator=formula)
    used = f"{result.device_seconds / 3600:.3g} of 0.000277778 device-hours are used"
    assert result.ending.kind == "done" and result.ending.reason.startswith(used), "the final numbers"
    with open_store(f"sqlite:///{tmp_path / 'nas.db'}") as store:
        num_waiting = store.spent(store.study("s").id).counts[TrialState.QUEUED]
    assert ("in the middle" in result.ending.reason) == (num_waiting > 0)
    num_epochs = len(formula.trainings())
    assert 0.7 < 0.05 * num_epochs <= 1.0, "no epoch begins that would end beyond them"
    again = resume("s", storage=f"sqlite:///{tmp_path / 'nas.db'}", evaluator=formula)
    assert again.ending.kind == "done" and len(formula.trainings()) == num_epochs


def test_a_space_without_anything_new_ends_the_search(tmp_path: Path) -> None:
    chosen = settings(tmp_path, space="tests.fakes.searches:Tiny", trials=5000, target="60K")
    result = search(chosen, evaluator=Formula(tmp_path / "notes"))
    assert result.ending.kind == "exhausted"
    num_trials = len(trials(tmp_path))
    again = resume("s", storage=f"sqlite:///{tmp_path / 'nas.db'}", evaluator=Formula(tmp_path / "notes"))
    assert again.ending.kind == "exhausted" and len(trials(tmp_path)) == num_trials


def test_the_control_and_the_finalists_say_whether_the_search_beat_chance(tmp_path: Path) -> None:
    formula = Formula(tmp_path / "notes")
    chosen = settings(tmp_path, trials=10, strategy="evolution", control="random", repeats=2, finalists=2)
    result = search(chosen, evaluator=formula)
    assert result.comparison is not None and result.comparison.verdict
    assert result.winner is not None and len(result.winner.repeats) == 2
    assert count(trials(tmp_path, "s.control"), TrialState.COMPLETE) <= 10
    assert len({note["seed"] for note in formula.trainings()}) > 10
    url = f"sqlite:///{tmp_path / 'nas.db'}"
    with open_store(url) as store:
        assert {study.state for study in store.studies()} == {"finished"}
    num_epochs = len(formula.trainings())
    again = resume("s", storage=url, evaluator=formula)
    assert again.comparison == result.comparison
    assert len(formula.trainings()) == num_epochs  # nothing is trained again


def test_each_arm_pays_for_its_own_candidates_and_for_as_many(tmp_path: Path) -> None:
    url, formula = f"sqlite:///{tmp_path / 'nas.db'}", Formula(tmp_path / "notes")
    chosen = settings(tmp_path, space="tests.fakes.searches:Tiny", target="60K", trials=3, control="random")
    search(chosen, evaluator=formula)

    def paid() -> tuple[list[TrialRecord], list[TrialRecord]]:
        arms = [trials(tmp_path, name) for name in ("s", "s.control")]
        ids = [{trial.id for trial in arm} for arm in arms]
        for arm, own in zip(arms, ids, strict=True):
            assert {trial.reused_from for trial in arm} - {None} <= own, "nothing comes from the other arm"
        of_search, of_control = (
            [one for one in arm if one.state is TrialState.COMPLETE and one.reused_from is None]
            for arm in arms
        )
        return of_search, of_control

    of_search, of_control = paid()
    assert len(of_search) == len(of_control) == 3
    assert [one.digest for one in of_search] != [one.digest for one in of_control], "it has its own proposals"

    def larger(stored: Settings) -> Settings:
        return stored.model_copy(update={"search": stored.search.model_copy(update={"trials": 5})})

    resume("s", storage=url, evaluator=formula, changes=larger)
    of_search, of_control = paid()
    assert len(of_search) == len(of_control) == 5
    assert {one.digest for one in of_search} & {one.digest for one in of_control}, "the case is a real one"


def test_it_is_said_when_both_arms_found_one_architecture(tmp_path: Path) -> None:
    small = {"space": "tests.fakes.searches:Tiny", "target": "60K", "trials": 6}
    result = search(
        settings(tmp_path, **small, control="random", repeats=2, finalists=1),
        evaluator=Formula(tmp_path / "notes"),
    )
    assert result.comparison is not None and result.comparison.is_same
    assert "one architecture" in result.comparison.verdict


def test_a_finished_study_is_extended_by_a_larger_budget(tmp_path: Path) -> None:
    formula = Formula(tmp_path / "notes")
    search(settings(tmp_path, trials=4), evaluator=formula)

    def larger(stored: Settings) -> Settings:
        return stored.model_copy(update={"search": stored.search.model_copy(update={"trials": 6})})

    resume("s", storage=f"sqlite:///{tmp_path / 'nas.db'}", evaluator=formula, changes=larger)
    assert count(trials(tmp_path), TrialState.COMPLETE) == 6


def test_an_extended_search_repeats_its_new_finalists_and_keeps_the_old_repeats(tmp_path: Path) -> None:
    url, formula = f"sqlite:///{tmp_path / 'nas.db'}", Formula(tmp_path / "notes")
    before = search(settings(tmp_path, trials=2, repeats=2, finalists=1), evaluator=formula)
    with open_store(url) as store:  # as a driver leaves it that is killed before it says what it will measure
        store.release(store.begin(store.study("s.finalists").id))

    def larger(stored: Settings) -> Settings:
        return stored.model_copy(update={"search": stored.search.model_copy(update={"trials": 16})})

    after = resume("s", storage=url, evaluator=formula, changes=larger)
    assert before.winner and after.winner and after.winner.trial.digest != before.winner.trial.digest
    assert len(after.winner.repeats) == 2
    repeats = trials(tmp_path, "s.finalists")
    assert [one.digest for one in repeats] == [before.winner.trial.digest] * 2 + [
        after.winner.trial.digest
    ] * 2
    assert len({one.seed for one in repeats}) == 4 and violations(tmp_path) == []


def test_a_budget_below_what_is_spent_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    formula, url = Formula(tmp_path / "notes", seconds=0.01), f"sqlite:///{tmp_path / 'nas.db'}"
    search(settings(tmp_path, trials=4), evaluator=formula)

    def limited(**limits: float) -> Callable[[Settings], Settings]:
        return lambda stored: stored.model_copy(update={"search": stored.search.model_copy(update=limits)})

    with pytest.raises(LoweredBudget, match="`trials` must be at least the 4 .* got 3"):
        resume("s", storage=url, evaluator=formula, changes=limited(trials=3))
    with pytest.raises(LoweredBudget, match="`device_hours` must be at least"):
        resume("s", storage=url, evaluator=formula, changes=limited(device_hours=1e-12))
    with open_store(url) as store:
        assert store.study("s").settings["search"]["trials"] == 4
    assert resume("s", storage=url, evaluator=formula, changes=limited(trials=4)).ending.kind == "done"


def test_a_taken_name_is_refused_and_the_study_left_alone(tmp_path: Path) -> None:
    search(settings(tmp_path, trials=2), evaluator=Formula(tmp_path / "notes"))
    with pytest.raises(StudyExists, match="resume"):
        search(settings(tmp_path, trials=2), evaluator=Formula(tmp_path / "notes"))
    assert len(trials(tmp_path)) == 2


def test_a_changed_space_is_refused_with_the_difference(tmp_path: Path) -> None:
    search(settings(tmp_path, trials=2), evaluator=Formula(tmp_path / "notes"))

    def wider(stored: Settings) -> Settings:
        return stored.model_copy(update={"search": stored.search.model_copy(update={"width": 0.75})})

    with pytest.raises(SpaceChanged, match="width"):
        resume("s", storage=f"sqlite:///{tmp_path / 'nas.db'}", changes=wider)


def test_changed_data_are_refused(tmp_path: Path) -> None:
    search(settings(tmp_path, trials=2), evaluator=Formula(tmp_path / "notes"))

    def other(stored: Settings) -> Settings:
        return stored.model_copy(update={"data": stored.data.model_copy(update={"seed": 7})})

    with pytest.raises(SpaceChanged, match="data"):
        resume("s", storage=f"sqlite:///{tmp_path / 'nas.db'}", changes=other)


def test_a_search_in_which_everything_fails_says_so(tmp_path: Path) -> None:
    class Broken(Formula):
        def evaluate(self, task: Any, report: Any) -> Any:
            raise KeyError("mine")

    with pytest.raises(NothingFeasible, match=r"2 trials failed \(2 user_error\).* recipe.*nas show s/0"):
        search(settings(tmp_path, trials=2), evaluator=Broken(tmp_path / "notes"))


def test_a_target_that_nothing_reaches_is_refused_before_a_study_is_made(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="reach"):
        search(settings(tmp_path, target="1G", width=0.1), evaluator=Formula(tmp_path / "notes"))
    assert not (tmp_path / "nas.db").exists()


def test_the_plan_is_told_before_anything_is_spent(tmp_path: Path) -> None:
    formula = Formula(tmp_path / "notes")
    plans: list[str] = []

    def plan(text: str) -> None:
        assert formula.trainings() == []
        plans.append(text)

    search(settings(tmp_path, trials=2), evaluator=formula, watch=Watch(plan=plan))
    assert "2 trials" in plans[0] and "digits" in plans[0]


def test_it_is_told_how_fast_it_went(tmp_path: Path) -> None:
    told: list[str] = []
    search(settings(tmp_path, trials=2), evaluator=Formula(tmp_path / "notes"), watch=Watch(told=told.append))
    assert told[0].startswith("pace    2 trials ended in ") and told[0].endswith(" an hour on 1 worker")


def test_no_password_reaches_the_ledger(tmp_path: Path) -> None:
    search(settings(tmp_path, trials=2), evaluator=Formula(tmp_path / "notes"))
    with open_store(f"sqlite:///{tmp_path / 'nas.db'}") as store:
        study = store.study("s")
        assert study.settings["search"]["storage"] is None
        assert num_paid(store.spent(study.id)) == 2
        assert report(store, study).winner is not None
