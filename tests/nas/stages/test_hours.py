"""Limits of time, by a clock that passes when it is told to: what does not end in time is not begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from nas.execution.simulations import Modelled
from nas.execution.virtual import Course, Simulation, VirtualClock, VirtualExecutor
from nas.interfaces import Task
from nas.reward import Reward
from nas.settings import DataSettings, Fidelity, Recipe
from nas.stages import driver
from nas.stages.budget import Budget
from nas.stages.driver import Driver
from nas.stages.proposals import SampledSource
from nas.stages.rules import Ending, Rules
from nas.strategies.registry import make_sampler
from nas.strategies.rungs import make_rungs
from runs import EvaluationKey, Progress, Start, Store, TrialState, open_store
from runs.records import JOINS
from search_space import open_space

SPACE = open_space("mnasnet", resolution=16, num_classes=10, input_channels=1, width=0.25)
REWARD = Reward("soft", 5e6, "macs")
MINUTES = Modelled(3 * 60.0, spread=0.0)


class Session:
    """Sessions of one search, each a driver of its own; their trainings have three epochs of a minute."""

    def __init__(self, store: Store, clock: VirtualClock) -> None:
        self._store, self._clock = store, clock
        self._study = store.create_study(
            "s", directions=REWARD.directions, seed=0, space=SPACE.describe(), settings={}
        )

    def __call__(
        self,
        minutes: float | None = None,
        *,
        device_minutes: float | None = None,
        num_workers: int = 1,
        watch: Callable[[Store], None] = lambda store: None,
        simulation: Simulation = MINUTES,
    ) -> tuple[Ending, float]:
        """Returns how a session ended whose study may use so many minutes, in all or of devices, and those it took."""
        begun = self._clock.now()
        rules = Rules(
            data=DataSettings(),
            fingerprint="pretended",
            recipe=Recipe(),
            reward=REWARD,
            rungs=make_rungs("none", max_epochs=3),
            budget=Budget(hours=_hours(minutes), device_hours=_hours(device_minutes)),
        )
        sampler = make_sampler("random", seed=0, space=SPACE, reward=REWARD, num_trials=100)
        source = SampledSource(self._store, self._study, SPACE, sampler, Fidelity(epochs=3))
        executor = VirtualExecutor(simulation, self._clock, num_slots=num_workers)
        run = self._store.open_run(self._study.id, "search", {})
        driver = Driver(
            self._store, self._study, run, source, executor, rules, watch=lambda history: watch(self._store)
        )
        try:
            ending = driver.drive()
        finally:
            self._store.close_run(run.id, "done")
        return ending, (self._clock.now() - begun) / 60

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Within it another driver is at work too."""
        run = self._store.open_run(self._study.id, "search", {JOINS: True}, is_exclusive=False)
        yield
        self._store.close_run(run.id, "done")

    def left_behind(self) -> None:
        """Leaves a trial as a driver does that is killed in its second epoch, 110 s after the trial's beginning."""
        killed = self._killed = Store(
            self._store.database
        )  # kept: a store that is let go closes its database
        [claim] = killed.begin(self._study.id)
        network = SPACE.decode(SPACE.sample(np.random.default_rng(0)))
        key = EvaluationKey(network.digest, "pretended", "{}", "3 epochs", 0)
        killed.start([Start(claim, key, network.to_json(), {"macs": 1e6})])
        self._clock.advance(self._clock.now() + 60.0)
        killed.renew([claim], [Progress(claim, 1, {"accuracy": 0.5}, 60.0)])
        self._clock.advance(self._clock.now() + 50.0)
        killed.renew([claim])
        self._clock.advance(self._clock.now() + self._store.lease_s + 1.0)
        assert self._store.reclaim(self._study.id) is None, (
            "its lease must be seen to stand still for a while"
        )
        self._clock.advance(self._clock.now() + self._store.lease_s)

    def curve(self, number: int) -> list[int]:
        return sorted(self._store.curves(self._study.id, "accuracy")[number])

    def charged_s(self) -> float:
        return self._store.spent(self._study.id).device_seconds

    def states(self) -> list[TrialState]:
        return [trial.state for trial in self._store.trials(self._study.id) if trial.key]


def _hours(minutes: float | None) -> float | None:
    return None if minutes is None else minutes / 60


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def session(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    for name in ("POLL_S", "HEARTBEAT_S"):  # virtual seconds; they divide an epoch
        monkeypatch.setattr(driver, name, 20.0)
    with open_store("sqlite://", clock=clock.clock) as store:
        yield Session(store, clock)
        assert store.check() == []


def test_an_epoch_that_would_end_too_late_is_not_begun_and_its_trial_can_go_on(session: Session) -> None:
    ending, minutes = session(2.5)
    assert ending.kind == "done" and minutes == pytest.approx(2.0)
    assert "too many for one more epoch of about 60 s; 1 trial stopped in the middle" in ending.reason
    assert session.states() == [TrialState.QUEUED]


def test_the_hours_count_all_sessions_and_nothing_between_them(session: Session, clock: VirtualClock) -> None:
    assert session(2.5)[1] == pytest.approx(2.0)
    clock.advance(clock.now() + 86_400.0)
    ending, minutes = session(5.5)  # these pretended workers begin their trial anew: it takes three minutes
    assert minutes == pytest.approx(3.0) and session.states() == [TrialState.COMPLETE]
    assert "too many for one more epoch" in ending.reason
    assert session(5.5)[1] == pytest.approx(0.0, abs=0.1), "no session begins what the last one has left out"
    assert session(6.9)[1] == pytest.approx(1.0) and session.states()[1:] == [TrialState.QUEUED]


def test_an_hour_of_two_drivers_at_a_time_is_one_hour(session: Session) -> None:
    with session.joined():
        assert session(3.5)[1] == pytest.approx(3.0)
    assert session(6.5)[1] == pytest.approx(3.0) and session.states() == [TrialState.COMPLETE] * 2


def test_an_epoch_that_ends_in_time_is_trained_on_every_worker(session: Session) -> None:
    _, minutes = session(3.1, num_workers=4)
    assert minutes == pytest.approx(3.0) and session.states() == [TrialState.COMPLETE] * 4


def test_what_is_given_up_in_its_first_epoch_has_cost_what_it_took(
    session: Session, clock: VirtualClock
) -> None:
    def cancel(store: Store) -> None:
        if clock.now() >= 20.0:
            store.set_study_state(store.studies()[0].id, "cancelled")

    _, minutes = session(60.0, watch=cancel)
    assert session.states() == [TrialState.CANCELLED]
    assert session.charged_s() == pytest.approx(60.0 * minutes) and minutes < 1.0


def test_what_an_error_of_ours_interrupts_has_cost_what_it_took(
    session: Session, clock: VirtualClock
) -> None:
    def fail(store: Store) -> None:
        if clock.now() >= 100.0:
            raise KeyError("ours")

    with pytest.raises(KeyError):
        session(60.0, watch=fail)
    assert session.states() == [TrialState.QUEUED]
    assert session.charged_s() == pytest.approx(clock.now())


def test_the_patience_with_a_silent_worker_follows_the_longest_epoch(session: Session) -> None:
    patience: list[float | None] = []

    def slow(task: Task) -> Course:
        patience.append(task.stall_s)
        return Modelled(3 * 3000.0, spread=0.0)(task)

    session(210.0, simulation=slow)
    assert patience == [3600.0, 9000.0]


def test_device_hours_end_before_the_epoch_that_would_exceed_them_across_restarts(session: Session) -> None:
    ending, _ = session(device_minutes=2.5)
    assert ending.reason == (
        "0.0333 of 0.0416667 device-hours are used, too many for one more epoch of about 60 s;"
        " 1 trial stopped in the middle and can go on"
    )
    assert session.states() == [TrialState.QUEUED] and session.charged_s() == pytest.approx(120.0)
    assert session(device_minutes=2.5)[1] == pytest.approx(0.0, abs=0.1) and session.charged_s() == 120.0
    ending, _ = session(device_minutes=6.0)  # these pretended workers begin their trial anew
    assert session.states() == [TrialState.COMPLETE, TrialState.QUEUED]
    assert session.charged_s() == pytest.approx(360.0)
    assert ending.reason.startswith("0.1 of 0.1 device-hours are used")


@pytest.mark.parametrize(("device_minutes", "used"), [(10.5, 10.0), (12.0, 12.0), (30.9, 30.0)])
def test_workers_share_the_device_hours_to_the_last_epoch(
    session: Session, device_minutes: float, used: float
) -> None:
    ending, _ = session(device_minutes=device_minutes, num_workers=4)
    assert ending.kind == "done" and session.charged_s() == pytest.approx(60.0 * used)


def test_epochs_of_other_lengths_do_not_exceed_the_device_hours(session: Session) -> None:
    session(device_minutes=120.0, num_workers=4, simulation=Modelled(3 * 60.0, spread=0.5))
    assert 110 * 60.0 < session.charged_s() <= 120 * 60.0


def test_what_a_killed_driver_has_used_is_known_before_an_epoch_begins(session: Session) -> None:
    session.left_behind()
    session(device_minutes=2.8)  # the 60 s that it had told of left room for another minute; its 110 s do not
    assert session.states() == [TrialState.QUEUED] and session.charged_s() == pytest.approx(110.0)
    session(device_minutes=4.0)
    assert session.charged_s() == pytest.approx(230.0)


def test_the_epoch_after_which_a_trial_goes_back_is_in_the_ledger(session: Session) -> None:
    session(device_minutes=2.5)
    assert session.curve(0) == [1, 2]
