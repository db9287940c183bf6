"""A second driver at a fit, a sweep or a family, on a real ledger: it takes trainings, and decides nothing."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest

from nas.config import overlaid
from nas.evaluation.data import Dataset, load
from nas.interfaces import Measurement, Progress, Task
from nas.pipeline import run
from nas.settings import DataSettings, Settings
from nas.stages import joining
from nas.stages.arms import Watch
from nas.stages.baseline import adopt
from nas.stages.budget import Budget
from nas.stages.fit import FitReport, fit
from nas.stages.grow import grow
from nas.stages.history import History
from nas.stages.joining import JoinReport, join, stage_at_work
from nas.stages.search import SpaceChanged
from nas.stages.sweep import sweep
from runs import open_store
from runs.errors import StudyBusy
from tests.fakes.scaling import Lawful, network, settings
from tests.fakes.searches import Formula, settings_of_all

T = TypeVar("T")

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Together(Lawful):
    """The first training waits for the second, which must be another driver's: each has one worker."""

    gate: threading.Barrier = field(default_factory=lambda: threading.Barrier(2))
    number: Iterator[int] = field(default_factory=itertools.count)

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement:
        if next(self.number) < 2:
            self.gate.wait(PATIENCE_S)
        return super().evaluate(task, report)


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'nas.db'}"


def in_background(work: Callable[[], T]) -> Future[T]:
    return ThreadPoolExecutor(1).submit(work)


def wait_for(owner: Future[T], folder: Path) -> None:
    """Waits until a driver is at work."""
    with open_store(url(folder)) as store:
        while stage_at_work(store, store.study("s")) is None:
            assert not owner.done(), owner.result()


def joined(folder: Path, owner: Future[T], evaluator: Lawful) -> tuple[T, JoinReport]:
    """Joins a driver as soon as it is at work; returns its report and the joiner's."""
    wait_for(owner, folder)
    report = join("s", storage=url(folder), evaluator=evaluator)
    return owner.result(PATIENCE_S), report


def owners(folder: Path, arm: str) -> dict[str, int]:
    """Returns how many results each driver has brought; the ledger is as it should be, and no training was twice."""
    found: dict[str, int] = {}
    with open_store(url(folder)) as store:
        assert store.check() == []
        for trial in store.trials(store.study(f"s.{arm}").id):
            [attempt] = store.attempts(trial.id)
            found[attempt.owner] = found.get(attempt.owner, 0) + 1
    return found


@pytest.fixture
def together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Together:
    monkeypatch.setattr(joining, "GRACE_S", 2.0)
    monkeypatch.setattr(joining, "LOOK_S", 0.02)
    return Together(tmp_path / "notes", seconds=0.005)


def test_two_drivers_share_a_fit_and_find_what_one_finds(tmp_path: Path, together: Together) -> None:
    chosen = settings(tmp_path, fit={"budget": 28, "batch": 2, "region": 0.0001})
    adopt(network(), chosen)
    alone = tmp_path / "alone"
    alone.mkdir()
    adopt(network(), settings(alone, fit={"budget": 28, "batch": 2, "region": 0.0001}))
    owner = in_background(lambda: fit("s", storage=url(tmp_path), evaluator=together))
    found, report = joined(tmp_path, owner, together)
    counts = owners(tmp_path, "fit")
    assert len(counts) == 2 and sum(counts.values()) == 28
    assert report.num_trained["fit"] in counts.values() and report.ending.kind == "done"
    assert report.ending.reason == "28 of 28 trainings of s.fit are done"
    expected = fit("s", storage=url(alone), evaluator=Lawful(alone / "notes"))
    assert found.fit is not None and expected.fit is not None and found.fit.rule == expected.fit.rule


def test_a_finished_fit_that_goes_on_with_more_is_joined_until_its_driver_ends(
    tmp_path: Path, together: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopt(network(), settings(tmp_path, fit={"budget": 24, "batch": 1, "region": 0.0001}))
    fit("s", storage=url(tmp_path), evaluator=Lawful(tmp_path / "notes"))
    loaded: list[DataSettings] = []

    def loading(data: DataSettings) -> Dataset:
        loaded.append(data)
        return load(data)

    monkeypatch.setattr(joining, "load", loading)

    def changes(stored: Settings) -> Settings:
        return stored.model_copy(update={"fit": stored.fit.model_copy(update={"budget": 32})})

    owner = in_background(lambda: fit("s", storage=url(tmp_path), changes=changes, evaluator=together))
    _, report = joined(tmp_path, owner, together)
    assert sum(owners(tmp_path, "fit").values()) == 32 and report.num_trained["fit"] > 0
    assert len(loaded) == 1, "between two plans of one driver nothing is begun anew"


def test_ctrl_c_while_the_next_stage_is_awaited_is_a_stop(tmp_path: Path, together: Together) -> None:
    adopt(network(), settings(tmp_path, fit={"budget": 24}))
    owner = in_background(lambda: fit("s", storage=url(tmp_path), evaluator=together))
    told: list[str] = []
    watch = Watch(told=told.append, should_stop=lambda: any(text.startswith("wait") for text in told))
    wait_for(owner, tmp_path)
    report = join("s", storage=url(tmp_path), evaluator=together, watch=watch)
    assert owner.result(PATIENCE_S).ending.kind == "done" and report.ending.kind == "stopped"


def test_whoever_joined_goes_on_to_the_longer_trainings(tmp_path: Path, together: Together) -> None:
    fewest = {"budget": 24, "region": 0.0001, "longer": (10,), "longer_networks": 6, "epochs": 5}
    adopt(network(), settings(tmp_path, fit=fewest))
    slow = replace(together, seconds=0.02)
    owner = in_background(lambda: fit("s", storage=url(tmp_path), evaluator=slow))
    _, report = joined(tmp_path, owner, slow)
    assert set(report.num_trained) == {"fit", "longer"}
    assert sum(owners(tmp_path, "fit").values()) == 24 and sum(owners(tmp_path, "longer").values()) == 6


def test_a_sweep_and_a_family_are_shared_too(tmp_path: Path, together: Together) -> None:
    adopt(network(), settings(tmp_path, grow={"rule": ("width",), "phi": (0.0, 1.0, 2.0), "seeds": 4}))
    owner = in_background(
        lambda: sweep("s", {"width": [1.5, 2.0, 3.0]}, storage=url(tmp_path), evaluator=together)
    )
    swept, report = joined(tmp_path, owner, together)
    assert len(owners(tmp_path, "sweep")) == 2 and report.num_trained["sweep"] > 0
    assert [len(point.accuracies) for point in swept.curves[0].points] == [2, 2, 2, 2]
    again = Together(tmp_path / "notes", seconds=0.005)
    grown, report = joined(
        tmp_path, in_background(lambda: grow("s", storage=url(tmp_path), evaluator=again)), again
    )
    assert len(owners(tmp_path, "grow")) == 2 and report.num_trained["grow"] > 0
    assert [len(one.accuracies) for one in grown.members] == [4, 4, 4]


def test_who_joined_works_off_the_plan_of_a_driver_that_is_gone_and_keeps_nobody_out(
    tmp_path: Path, together: Together
) -> None:
    adopt(network(), settings(tmp_path, fit={"budget": 24}))
    slow = Lawful(tmp_path / "notes", seconds=0.04)
    gone = threading.Event()
    owner = in_background(
        lambda: fit(
            "s", storage=url(tmp_path), evaluator=slow, watch=Watch(should_stop=lambda: gone.is_set())
        )
    )

    def plan(text: str) -> None:
        gone.set()  # as soon as somebody has joined

    wait_for(owner, tmp_path)
    joiner = in_background(lambda: join("s", storage=url(tmp_path), evaluator=slow, watch=Watch(plan=plan)))
    assert owner.result(PATIENCE_S).ending.kind == "stopped"
    with open_store(url(tmp_path)) as store:
        store.check_idle(store.study("s").id)  # whoever joined does not have the study
    report = joiner.result(PATIENCE_S)
    assert report.ending.kind == "done" and report.ending.reason.endswith("and its driver is gone")
    resumed: FitReport = fit("s", storage=url(tmp_path), evaluator=slow)
    assert resumed.ending.kind == "done"


def test_a_stop_from_elsewhere_ends_whoever_joined(tmp_path: Path, together: Together) -> None:
    adopt(network(), settings(tmp_path, fit={"budget": 24}))
    owner = in_background(lambda: fit("s", storage=url(tmp_path), evaluator=together))

    def plan(text: str) -> None:
        with open_store(url(tmp_path)) as store:
            for name in ("s", "s.fit"):
                store.set_study_state(store.study(name).id, "stopped")

    wait_for(owner, tmp_path)
    report = join("s", storage=url(tmp_path), evaluator=together, watch=Watch(plan=plan))
    assert report.ending.kind == "stopped" and report.ending.reason == "`nas stop` asked for it"
    assert report.num_trained == {"fit": 0}
    together.gate.abort()
    owner.result(PATIENCE_S)


def test_with_other_images_nobody_joins(tmp_path: Path, together: Together) -> None:
    adopt(network(), settings(tmp_path, fit={"budget": 24}))
    owner = in_background(lambda: fit("s", storage=url(tmp_path), evaluator=together))
    wait_for(owner, tmp_path)
    with pytest.raises(StudyBusy, match="join it with `nas resume s --join`"):
        fit("s", storage=url(tmp_path), evaluator=together)
    with pytest.raises(SpaceChanged, match="must have the images it was begun with"):
        join("s", storage=url(tmp_path), changes=lambda one: overlaid(one, {"resolution": "32"}))
    together.gate.abort()
    owner.exception(PATIENCE_S)


def test_who_joins_a_run_in_its_search_goes_on_with_it_to_the_family(
    tmp_path: Path, together: Together
) -> None:
    slow = Formula(tmp_path / "notes", seconds=0.1)
    reached = {name: threading.Event() for name in ("s", "s.fit", "s.grow")}

    def progress(arm: str, history: History, budget: Budget) -> None:  # the run waits until it is joined
        if arm in reached:
            assert reached[arm].wait(PATIENCE_S)

    def plan(text: str) -> None:
        first, name, *_ = text.replace(",", "").split()
        reached[name if first == "join" else "s"].set()

    chosen = settings_of_all(tmp_path)
    owner = in_background(
        lambda: run(
            chosen,
            out=tmp_path / "out",
            formats=("json",),
            watch=Watch(progress=progress),
            evaluator=slow,
        )
    )
    while not (tmp_path / "nas.db").exists():
        assert not owner.done()
    with open_store(url(tmp_path)) as store:
        while not [one for one in store.studies() if store.at_work(one.id)]:
            assert not owner.done()
    report = join("s", storage=url(tmp_path), evaluator=slow, watch=Watch(plan=plan))
    done = owner.result(PATIENCE_S)
    assert done.stage == "export" and report.ending.kind == "done"
    assert set(report.num_trained) == {"fit", "grow"} and report.num_trained["fit"] > 0
    with open_store(url(tmp_path)) as store:
        assert store.check() == []
        tried = [store.attempts(trial.id) for one in store.studies() for trial in store.trials(one.id)]
    assert all(len(attempts) <= 1 for attempts in tried)


def test_where_nobody_is_at_work_there_is_nothing_to_join(tmp_path: Path) -> None:
    adopt(network(), settings(tmp_path))
    report = join("s", storage=url(tmp_path))
    assert report.num_trained == {} and report.ending.reason == "no driver is at work on s"
