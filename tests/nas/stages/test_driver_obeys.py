"""What drivers do when somebody pauses, stops or cancels their study from elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nas.interfaces import Measurement, Progress, StopTraining, Task
from nas.stages import driver
from nas.stages.arms import Watch
from nas.stages.budget import Budget
from nas.stages.history import History
from nas.stages.search import SearchReport, resume, search
from runs import TrialState, open_store
from runs.artifacts import ArtifactStore
from tests.fakes.processes import wait_until
from tests.fakes.searches import Formula, settings


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'nas.db'}"


def when_running(folder: Path, act: Callable[[], None]) -> Watch:
    """Acts once, from another thread's point of view, when the second trial is running."""
    done: list[bool] = []

    def progress(arm: str, history: History, budget: Budget) -> None:
        found = {trial.state for trial in history.trials}
        if not done and found >= {TrialState.COMPLETE, TrialState.RUNNING}:
            done.append(True)
            act()

    return Watch(progress=progress)


def say(folder: Path, state: str) -> None:
    with open_store(url(folder)) as store:
        store.set_study_state(store.study("s").id, state)


def states(folder: Path) -> list[TrialState]:
    with open_store(url(folder)) as store:
        assert store.check() == []
        return [trial.state for trial in store.trials(store.study("s").id)]


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Formula:
    """An evaluator whose driver looks at the ledger after every epoch, so that no more depends on time."""
    monkeypatch.setattr(driver, "HEARTBEAT_S", 0.0)
    return Formula(tmp_path / "notes", seconds=0.01, keeps=True)


def test_a_stop_drains_and_a_resume_goes_on_from_the_checkpoint(tmp_path: Path, slow: Formula) -> None:
    chosen = settings(tmp_path, trials=3)
    report = search(chosen, evaluator=slow, watch=when_running(tmp_path, lambda: say(tmp_path, "stopped")))
    assert (report.ending.kind, report.ending.reason) == ("stopped", "`nas stop` asked for it")
    assert TrialState.QUEUED in states(tmp_path)
    report = resume("s", storage=url(tmp_path), evaluator=slow)
    assert report.ending.kind == "done" and states(tmp_path) == [TrialState.COMPLETE] * 3
    assert len(slow.trainings()) == 9, "no epoch was trained twice"


def test_a_cancel_ends_at_once_and_what_was_running_is_given_up(tmp_path: Path, slow: Formula) -> None:
    chosen = settings(tmp_path, trials=3)
    report = search(chosen, evaluator=slow, watch=when_running(tmp_path, lambda: say(tmp_path, "cancelled")))
    assert (report.ending.kind, report.ending.reason) == ("stopped", "`nas cancel` asked for it")
    found = states(tmp_path)
    assert TrialState.CANCELLED in found and TrialState.QUEUED not in found
    with open_store(url(tmp_path)) as store:
        assert store.study("s").state == "cancelled"
    assert resume("s", storage=url(tmp_path), evaluator=slow).ending.kind == "done"
    with open_store(url(tmp_path)) as store:
        assert store.study("s").state == "finished"


@dataclass(frozen=True)
class Held(Formula):
    """Holds its second training in the second epoch, after a checkpoint of the first, until it is let go."""

    let_go: threading.Event = field(default_factory=threading.Event)
    keys: list[str] = field(default_factory=list)

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement:
        self.keys.append(task.key)
        if len(self.keys) == 1:
            return super().evaluate(task, report)
        ArtifactStore(str(task.checkpoints)).save_checkpoint(task.key, 1, {"state": b"1"})
        report(Progress(task.key, 1, 0.5, 0.5, 0.0))
        self.let_go.wait()
        raise StopTraining


def test_a_cancelled_training_leaves_no_checkpoint(tmp_path: Path) -> None:
    held, seen = Held(tmp_path / "notes", keeps=True), list[bool]()

    def checkpoints() -> list[bool]:
        with open_store(url(tmp_path)) as store:
            return [store.artifacts.load_checkpoint(key) is not None for key in held.keys]

    def progress(arm: str, history: History, budget: Budget) -> None:
        if not seen and checkpoints() == [False, True]:
            seen.append(True)
            say(tmp_path, "cancelled")

    try:
        search(settings(tmp_path, trials=3), evaluator=held, watch=Watch(progress=progress))
        assert seen and checkpoints() == [False, False]
    finally:
        held.let_go.set()


def test_a_pause_lets_the_running_end_begins_nothing_and_is_over_when_it_is_called_off(
    tmp_path: Path, slow: Formula
) -> None:
    reports: list[SearchReport] = []
    watch = when_running(tmp_path, lambda: say(tmp_path, "paused"))
    driving = threading.Thread(
        target=lambda: reports.append(search(settings(tmp_path, trials=4), evaluator=slow, watch=watch))
    )
    driving.start()
    wait_until(lambda: (tmp_path / "nas.db").exists() and _rests(tmp_path))
    paused = states(tmp_path)
    assert len(paused) < 4 and driving.is_alive()
    say(tmp_path, "active")
    driving.join(120)
    [report] = reports
    assert report.ending.kind == "done" and states(tmp_path) == [TrialState.COMPLETE] * 4


def _rests(folder: Path) -> bool:
    with open_store(url(folder)) as store:
        [study] = store.studies()[:1] or [None]
        if study is None or study.state != "paused":
            return False
        return all(trial.state.is_finished for trial in store.trials(study.id))
