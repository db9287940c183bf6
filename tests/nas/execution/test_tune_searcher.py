"""A study behind Ray Tune's searcher interface, asked and told as a `Tuner` does it, on a real ledger, without Ray."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle
from ray.tune.search import Searcher

from nas.execution.tune_searcher import StudySearcher, StudyStopper, TuneError
from nas.settings import Settings, make_settings
from nas.stages.tuning import study_searcher
from runs import TrialRecord, TrialState, open_store

DEADLINE_S = 60.0


def settings(folder: Path, **search: Any) -> Settings:
    chosen = {"study": "t", "storage": f"sqlite:///{folder / 'nas.db'}", "trials": 3, "target": "0.5M"}
    chosen |= {"width": 0.1, "strategy": "random", "pruning": "none", "repeats": 0} | search
    return make_settings({"search": chosen, "data": {"resolution": 8}, "fidelity": {"epochs": 2}})


def trials(folder: Path) -> list[TrialRecord]:
    with open_store(f"sqlite:///{folder / 'nas.db'}") as store:
        assert list(store.check()) == []
        return store.trials(store.study("t").id)


@pytest.fixture
def searcher(tmp_path: Path) -> Iterator[StudySearcher]:
    with study_searcher(settings(tmp_path)) as opened:
        yield opened


def suggested(searcher: StudySearcher, name: str) -> Any:
    """Returns what Tune gets when it asks until there is something."""
    give_up_at = time.monotonic() + DEADLINE_S
    while (found := searcher.suggest(name)) is None:
        assert time.monotonic() < give_up_at
    return found


def result(epoch: int, accuracy: float = 0.5, **more: Any) -> dict[str, Any]:
    return {"training_iteration": epoch, "accuracy": accuracy, "time_total_s": 1.0 * epoch, **more}


def train(searcher: StudySearcher, name: str, accuracy: float = 0.5) -> None:
    for epoch in (1, 2):
        searcher.on_trial_result(name, result(epoch, accuracy))
    searcher.on_trial_complete(name, result(2, accuracy))


def test_a_study_is_trained_to_its_end_and_says_so(searcher: StudySearcher, tmp_path: Path) -> None:
    names = iter("abcdefgh")
    while (found := suggested(searcher, name := next(names))) != Searcher.FINISHED:
        assert {"architecture", "epochs", "seed", "key"} <= set(found)
        train(searcher, name, accuracy=0.7)
    records = trials(tmp_path)
    assert [record.state for record in records] == [TrialState.COMPLETE] * 3
    assert all(record.metrics["accuracy"] == 0.7 and record.metrics["epoch"] == 2 for record in records)


def test_several_trials_are_in_hand_at_once_and_no_two_are_the_same(searcher: StudySearcher) -> None:
    found = [suggested(searcher, name) for name in "abc"]
    assert len({one["key"] for one in found}) == 3


def test_an_early_end_by_a_scheduler_is_pruned_and_no_result(searcher: StudySearcher, tmp_path: Path) -> None:
    suggested(searcher, "a")
    searcher.on_trial_result("a", result(1, 0.9))
    searcher.on_trial_complete("a", result(1, 0.9))
    suggested(searcher, "b")
    [first] = [record for record in trials(tmp_path) if record.number == 0]
    assert first.state is TrialState.PRUNED and not first.objectives


@pytest.mark.parametrize(
    ("told", "words"),
    [({"accuracy": math.nan}, "finite"), ({}, "must report `accuracy`"), (None, "without an exception")],
)
def test_what_is_no_result_fails_the_trial_and_the_study_goes_on(
    searcher: StudySearcher, tmp_path: Path, told: dict[str, float] | None, words: str
) -> None:
    suggested(searcher, "a")
    if told is None:
        searcher.on_trial_complete("a", None, error=True)
    else:
        searcher.on_trial_complete("a", {"training_iteration": 2, **told})
    suggested(searcher, "b")
    [first] = [record for record in trials(tmp_path) if record.number == 0]
    assert first.state is TrialState.FAILED and words in first.message


def test_what_tune_has_not_finished_goes_back_to_the_queue_and_is_proposed_again(tmp_path: Path) -> None:
    with study_searcher(settings(tmp_path)) as first:
        cut = [suggested(first, name) for name in "ab"]
        train(first, "a", accuracy=0.8)
        suggested(first, "c")
    before = trials(tmp_path)
    assert [record.state for record in before] == [
        TrialState.COMPLETE,
        TrialState.QUEUED,
        TrialState.QUEUED,
    ]
    with study_searcher(settings(tmp_path)) as second:
        again = suggested(second, "x")
        assert again["key"] == cut[1]["key"]
        train(second, "x")
        suggested(second, "y")
        train(second, "y")
        assert suggested(second, "z") == Searcher.FINISHED
    after = trials(tmp_path)
    assert [record.state for record in after] == [TrialState.COMPLETE] * 3
    assert after[0] == before[0]


def test_results_of_trials_that_a_restored_tuner_goes_on_with_find_their_way(tmp_path: Path) -> None:
    """Tune knows them by its own names, which the new searcher has not given; their configurations have the key."""
    with study_searcher(settings(tmp_path)) as first:
        key = suggested(first, "a")["key"]
    with study_searcher(settings(tmp_path)) as second:
        assert suggested(second, "new")["key"] == key
        for epoch in (1, 2):
            second.on_trial_result("a", result(epoch, 0.6, **{"config/key": key}))
        second.on_trial_complete("a", result(2, 0.6, **{"config/key": key}))
        second.on_trial_complete("new", result(2, 0.9))  # the same work, and too late
        suggested(second, "next")
    assert trials(tmp_path)[0].metrics["accuracy"] == 0.6


def test_weak_trials_are_stopped_where_the_tuner_has_our_stopper(tmp_path: Path) -> None:
    asked = settings(tmp_path, trials=4, pruning="halving")
    with study_searcher(asked) as searcher:
        stop = StudyStopper(searcher)
        for index, name in enumerate("abc"):
            suggested(searcher, name)
            train(searcher, name, accuracy=0.9 - 0.01 * index)
        suggested(searcher, "d")
        searcher.on_trial_result("d", result(1, 0.1))
        give_up_at = time.monotonic() + DEADLINE_S
        while not stop("d", {}):
            assert time.monotonic() < give_up_at
            time.sleep(0.01)
        searcher.on_trial_complete("d", result(1, 0.1))
        assert suggested(searcher, "e") == Searcher.FINISHED
    assert trials(tmp_path)[3].state is TrialState.PRUNED


def test_what_ends_our_driver_is_raised_where_tune_asks(tmp_path: Path) -> None:
    with study_searcher(settings(tmp_path / "nowhere" / "at" / "all", space="missing")) as searcher:
        with pytest.raises(ValueError, match="missing"):
            suggested(searcher, "a")


def test_nothing_is_saved_and_a_tuner_keeps_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    url = "postgresql+psycopg://ann:hunter2@db/nas"
    searcher = study_searcher(settings(tmp_path, storage=url))
    packed = cloudpickle.dumps(searcher)
    assert b"hunter2" not in packed
    with cloudpickle.loads(packed) as restored:
        with pytest.raises(TuneError, match="set NAS_STORAGE"):
            suggested(restored, "a")
    searcher.save(str(tmp_path / "state"))
    assert json.loads((tmp_path / "state").read_text()) == {"state": "in the ledger"}
    searcher.restore(str(tmp_path / "state"))
