"""Two drivers on one study: each judges an epoch by what the other's trials have reported by then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nas.execution.inline import InlineExecutor
from nas.interfaces import Measurement, Progress, StopTraining, Task
from nas.reward import Reward
from nas.settings import DataSettings, Fidelity, Recipe
from nas.stages import driver
from nas.stages.budget import Budget
from nas.stages.driver import Driver
from nas.stages.history import History
from nas.stages.proposals import SampledSource
from nas.stages.rules import Rules
from nas.strategies.registry import make_sampler
from nas.strategies.rungs import make_rungs
from runs import Store, StudyRecord, TrialState, open_store
from search_space import open_space

SPACE = open_space("mnasnet", resolution=16, num_classes=10, input_channels=1, width=0.25)
REWARD = Reward("soft", 5e6, "macs")
LEASE_S = 600.0  # nobody renews here: what is read, is read for a decision
WAIT_S = 300.0  # on a busy machine


class _Level:
    """An evaluator whose epochs all have one accuracy; it says that it has begun, and waits before its first report."""

    def __init__(self, accuracy: float, may_report: threading.Event) -> None:
        self._accuracy, self._may_report = accuracy, may_report
        self.has_begun = threading.Event()

    def evaluate(self, task: Task, report: Callable[[Progress], bool]) -> Measurement:
        self.has_begun.set()
        assert self._may_report.wait(WAIT_S)
        for epoch in range(1, task.fidelity.epochs + 1):
            if not report(Progress(task.key, epoch, self._accuracy, 1.0, float(epoch))):
                raise StopTraining
        return Measurement(task.key, self._accuracy, 1.0, task.fidelity.epochs, 3.0, num_examples=1)


def driven(
    store: Store,
    study: StudyRecord,
    evaluator: _Level,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    watch: Callable[[History], None] = lambda history: None,
) -> None:
    """Drives the study, which may have two trials of three epochs, the better half of which goes on at the first."""
    rules = Rules(
        data=DataSettings(),
        fingerprint="pretended",
        recipe=Recipe(),
        reward=REWARD,
        rungs=make_rungs("halving", max_epochs=3, eta=2),
        budget=Budget(2),
    )
    sampler = make_sampler("random", seed=0, space=SPACE, reward=REWARD, num_trials=2)
    source = SampledSource(store, study, SPACE, sampler, Fidelity(epochs=3))
    run = store.open_run(study.id, "search", {}, is_exclusive=False)
    executor = InlineExecutor(evaluator)
    try:
        Driver(store, study, run, source, executor, rules, should_stop=should_stop, watch=watch).drive()
    finally:
        executor.close()
        store.close_run(run.id, "done")


class JoinedDrivers:
    """Subclasses give the fixtures `store` and `other`: two openings of one empty database."""

    def test_a_trial_is_stopped_by_what_another_driver_has_just_reported(
        self, store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(driver, "HEARTBEAT_S", 3600.0)
        study = store.create_study(
            "s", directions=REWARD.directions, seed=0, space=SPACE.describe(), settings={}
        )
        good_is_recorded, is_over = threading.Event(), threading.Event()
        weak = _Level(0.1, may_report=good_is_recorded)
        good = _Level(0.9, may_report=weak.has_begun)

        def look(history: History) -> None:
            if history.spent.counts[TrialState.COMPLETE]:
                good_is_recorded.set()

        first = threading.Thread(
            target=driven,
            args=(other, study, good),
            kwargs={"should_stop": is_over.is_set, "watch": look},
        )
        first.start()
        try:
            assert good.has_begun.wait(WAIT_S)
            driven(store, study, weak)
        finally:
            is_over.set()
            first.join(WAIT_S)
        assert not first.is_alive()
        states = [trial.state for trial in store.trials(study.id)]
        assert states == [TrialState.COMPLETE, TrialState.PRUNED]
        assert sorted(store.curves(study.id, "accuracy")[1]) == [1]
        assert store.check() == []


class TestOnSqlite(JoinedDrivers):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with open_store(f"sqlite:///{tmp_path}/nas.db", lease_s=LEASE_S) as store:
            yield store

    @pytest.fixture
    def other(self, store: Store, tmp_path: Path) -> Iterator[Store]:
        with open_store(f"sqlite:///{tmp_path}/nas.db", lease_s=LEASE_S) as other:
            yield other


class TestOnPostgres(JoinedDrivers):
    @pytest.fixture
    def store(self, postgres_database: str) -> Iterator[Store]:
        with open_store(postgres_database, lease_s=LEASE_S) as store:
            yield store

    @pytest.fixture
    def other(self, store: Store, postgres_database: str) -> Iterator[Store]:
        with open_store(postgres_database, lease_s=LEASE_S) as other:
            yield other
