"""Whose a study is: its driver has it from before its workers start; others are sent away, or join."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nas.cli.operating import call_off
from nas.evaluation.probe import Candidates
from nas.interfaces import Measurement, Progress, Task
from nas.settings import DataSettings, Recipe, Settings
from nas.stages import heartbeat
from nas.stages.arms import Bench, Watch
from nas.stages.budget import Budget
from nas.stages.history import History
from nas.stages.proposals import ListedSource
from nas.stages.rules import Rules
from nas.stages.search import SearchReport, resume, search
from nas.strategies.rungs import make_rungs
from runs import Store, StudyRecord, TrialState, open_store
from runs.errors import StudyBusy
from runs.records import JOINS
from tests.fakes.processes import wait_until
from tests.fakes.searches import Formula, settings


class Enough(Exception):
    """Ends a probe that has been seen."""


def drive(store: Store, study: StudyRecord, folder: Path, probe: Callable[[], Candidates]) -> None:
    """Drives a study whose workers are chosen by a probe."""
    chosen = settings(folder, executor="ray", packing="probe")
    rules = Rules(
        data=DataSettings(),
        fingerprint="formula",
        recipe=Recipe(),
        reward=chosen.search.make_reward(),
        rungs=make_rungs("none", max_epochs=1),
        budget=Budget(1),
    )
    bench = Bench(store, chosen, Formula(folder / "notes"), Watch(), candidates=probe)
    with closing(bench):
        bench.drive("search", study, ListedSource([]), rules)


def test_a_driver_that_still_probes_has_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_S", 0.02)
    url, told = f"sqlite:///{tmp_path / 'nas.db'}", list[str]()

    def probe() -> Candidates:
        """What happens in other terminals while the candidates are looked at."""
        with open_store(url) as other:
            study = other.study("s")
            [run] = other.runs(study.id)
            other.set_study_state(study.id, "paused")
            assert call_off(other, "s", told.append), "no further driver is needed"
            with pytest.raises(StudyBusy, match=r"`nas stop s`.*`nas resume s --join`"):
                other.open_run(study.id, "search", {})
            with pytest.raises(StudyBusy):
                other.check_idle(study.id)
            wait_until(lambda: other.runs(study.id)[0].lease_until > run.lease_until)
        raise Enough

    with open_store(url) as store:
        study = store.create_study("s", directions=["maximize"], seed=0, space={}, settings={})
        with pytest.raises(Enough):
            drive(store, study, tmp_path, probe)
        assert [run.status for run in store.runs(study.id)] == ["failed"]
    assert len(told) == 1 and "goes on in process" in told[0]


def test_what_is_told_before_the_first_trial_is_obeyed_before_it(tmp_path: Path) -> None:
    def stop(text: str) -> None:
        with open_store(f"sqlite:///{tmp_path / 'nas.db'}") as store:
            store.set_study_state(store.study("s").id, "stopped")
            store.begin(store.study("s").id)  # of another driver, so that the search has trials at all

    formula = Formula(tmp_path / "notes")
    report = search(settings(tmp_path, trials=2), evaluator=formula, watch=Watch(plan=stop))
    assert report.ending.reason == "`nas stop` asked for it" and formula.trainings() == []


def test_a_driver_that_works_on_an_arm_has_the_whole_study(tmp_path: Path) -> None:
    with open_store("sqlite://") as store:
        parent, arm, stranger = (
            store.create_study(name, directions=["maximize"], seed=0, space={}, settings={})
            for name in ("s", "s.control", "s2")
        )
        store.open_run(arm.id, "fit", {JOINS: True}, is_exclusive=False)
        assert store.at_work(parent.id) == [], "who has joined keeps nobody out"
        store.open_run(arm.id, "search", {})
        assert store.at_work(parent.id) == ["s.control"]
        with pytest.raises(StudyBusy, match="on s.control"):
            store.open_run(parent.id, "search", {})
        with pytest.raises(StudyBusy, match="on s.control"):
            store.check_idle(parent.id)
        store.check_idle(stranger.id)
        store.open_run(stranger.id, "search", {})


@dataclass(frozen=True)
class Together(Formula):
    """Begins to train once the other driver is at work too."""

    others: threading.Event = field(default_factory=threading.Event)

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement:
        assert self.others.wait(60)
        return super().evaluate(task, report)


def test_two_drivers_share_a_search_and_one_trains_the_finalists(tmp_path: Path) -> None:
    chosen = settings(tmp_path, trials=8, control="random", repeats=1, finalists=2)
    url, together = f"sqlite:///{tmp_path / 'nas.db'}", Together(tmp_path / "notes", seconds=0.02)
    reports: list[SearchReport] = []
    first = threading.Thread(target=lambda: reports.append(search(chosen, evaluator=together)))
    first.start()
    wait_until(lambda: (tmp_path / "nas.db").exists() and _is_driven(url))
    with open_store(url) as other:
        before = other.study("s").settings
        with pytest.raises(StudyBusy):
            resume("s", storage=url, evaluator=together, changes=_with_more_trials)
        assert other.study("s").settings == before, "who is refused changes nothing"

    def progress(arm: str, history: History, budget: Budget) -> None:
        if any(trial.state is TrialState.RUNNING for trial in history.trials):
            together.others.set()

    joined = resume("s", storage=url, evaluator=together, watch=Watch(progress=progress), joins=True)
    together.others.set()
    first.join(60)
    assert joined.ending.kind == reports[0].ending.kind == "done"
    assert [len(one.repeats) for one in reports[0].finalists] == [1, 1]
    with open_store(url) as store:
        trials = [store.trials(store.study(name).id) for name in ("s", "s.control")]
        owners = {
            attempt.owner for trial in trials[0] for attempt in store.attempts(trial.id) if attempt.owner
        }
        assert len(owners) == 2 and store.check() == []
    for arm in trials:
        assert sum(one.state is TrialState.COMPLETE and one.reused_from is None for one in arm) == 8
    notes = [(note["key"], note["epoch"]) for note in together.trainings()]
    assert len(set(notes)) == len(notes), "no epoch is trained twice"


def _with_more_trials(settings: Settings) -> Settings:
    return settings.model_copy(update={"search": settings.search.model_copy(update={"trials": 99})})


def _is_driven(url: str) -> bool:
    with open_store(url) as store:
        return any(run.status == "running" for study in store.studies()[:1] for run in store.runs(study.id))
