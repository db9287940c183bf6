"""Several drivers on one study: who may join, who takes over, and that together they keep to the budget."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from nas.settings import Fidelity
from nas.stages.proposals import ClaimLost, SampledSource
from nas.strategies.registry import make_sampler
from runs import Store, TrialState, open_store
from runs.database import Clock
from tests.fakes.drivers import QueueWorker, driving, heal
from tests.fakes.histories import contradictions, proven
from tests.fakes.ledger_driver import REWARD, SPACE

pytestmark = pytest.mark.faults

NUM_QUEUED = 960  # trials of each study: thirty for each owner, more than are done in a wait for the lock


def test_four_drivers_that_begin_together_keep_to_one_budget(url: str) -> None:
    with (
        driving(url, 24) as one,
        driving(url, 24) as two,
        driving(url, 24) as three,
        driving(url, 24) as four,
    ):
        drivers = [one, two, three, four]
        assert [driver.end() for driver in drivers] == [0] * 4, "".join(driver.errors for driver in drivers)
    assert sum(len(driver.history.accepted) for driver in drivers) == 24
    with open_store(url) as store:
        proven([driver.history for driver in drivers], store)
        assert len(store.trials(store.study("s").id)) == 24


def test_a_second_driver_is_told_who_has_the_study_and_takes_it_when_that_one_has_died(url: str) -> None:
    with driving(url, 4_000, exclusive=True, seconds=0.3) as first:
        first.wait_for("accepted")
        with driving(url, 4_000, exclusive=True) as second:
            assert second.end() == 4
            [told] = second.history.said("StudyBusy", "fail")
        assert f"process {first.process.pid} on" in told["message"]
        first.kill(signal.SIGKILL)
        first.end()
    heal(url, len(first.history.accepted) + 2, [first.history], exclusive=True)


def test_a_trial_that_another_driver_took_over_before_it_had_choices_is_let_go() -> None:
    """As when a driver is stopped for longer than its lease while its sampler thinks."""
    now = [1_000.0]
    with open_store("sqlite://", lease_s=1.0, clock=Clock(lambda: now[0])) as first:
        study = first.create_study(
            "s", directions=REWARD.directions, seed=0, space=SPACE.describe(), settings={}
        )
        sampler = make_sampler("random", seed=0, space=SPACE, reward=REWARD, num_trials=4)
        source = SampledSource(first, study, SPACE, sampler, Fidelity(epochs=1))
        [late] = first.begin(study.id)
        second = Store(first.database, lease_s=1.0)
        second.tenant = replace(second.tenant, watch=None)
        now[0] += 2.0
        taken = second.reclaim(study.id)
        assert taken is not None and taken.trial_id == late.trial_id
        with pytest.raises(ClaimLost):
            source.propose(late)
        assert not first.trial(late.trial_id).choices, "nothing was written into the other's trial"
        assert first.check() == []


def test_sixty_four_owners_in_eight_processes_empty_two_queues_and_none_starves(
    url: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with open_store(url) as store, contextlib.ExitStack() as stack:
        for name in ("a", "b"):
            study = store.create_study(
                name, directions=["maximize"], seed=0, space={"version": "1"}, settings={}
            )
            store.release(store.begin(study.id, NUM_QUEUED))
        workers = {
            name: [QueueWorker(url, 8, study=name, gate=str(gate)) for _ in range(4)] for name in ("a", "b")
        }
        for worker in (*workers["a"], *workers["b"]):
            stack.callback(worker.kill)
        for worker in (*workers["a"], *workers["b"]):
            worker.wait_for("ready", "info", count=8)
        gate.touch()
        for name, of_study in workers.items():
            assert [worker.end() for worker in of_study] == [0] * 4, "".join(one.errors for one in of_study)
            histories = [history for worker in of_study for history in worker.histories]
            assert list(contradictions(histories, store, name)) == []
            assert sum(len(history.accepted) for history in histories) == NUM_QUEUED
            assert all(worker.history.accepted for worker in of_study), "every process had its share"
            for history in histories:
                taken = [number for line in history.said("reclaim") for number, _ in line["claims"]]
                assert taken == sorted(taken), "the queue is a queue"
            trials = store.trials(store.study(name).id)
            # Releasing was each trial's first attempt: a second claim of any would have raised its fence further.
            assert {(trial.state, trial.fence) for trial in trials} == {(TrialState.COMPLETE, 2)}
        assert store.check(grace_s=0.0) == []


@pytest.mark.long
def test_a_queue_of_ten_thousand_is_taken_in_order(url: str) -> None:
    with open_store(url) as store:
        study = store.create_study("q", directions=["maximize"], seed=0, space={"version": "1"}, settings={})
        for _ in range(100):
            store.release(store.begin(study.id, 100))
        others = [open_store(url) for _ in range(64)]
        order = [others[number % 64].reclaim(study.id) for number in range(640)]
        assert [claim and claim.number for claim in order] == list(range(640))
        for other in others:
            other.close()
        assert store.check() == []


def test_a_file_that_another_program_locks_for_seconds_stops_nobody(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    with driving(url, 40, seconds=0.1) as one, driving(url, 40, seconds=0.1) as two:
        drivers = [one, two]
        for driver in drivers:
            driver.wait_for("accepted")
        with contextlib.closing(sqlite3.connect(tmp_path / "nas.db", timeout=60.0)) as outside:
            outside.execute("begin exclusive")
            [[num_ended]] = outside.execute("select count(*) from trial where ended is not null")
            time.sleep(3.0)
            told = sum(len(driver.history.accepted) for driver in drivers)
            assert told <= num_ended < 40, "nobody is told that a trial ended while nobody can write"
            assert [driver.process.poll() for driver in drivers] == [None, None]
            outside.rollback()
        assert [driver.end() for driver in drivers] == [0, 0], one.errors + two.errors
    heal(url, 40, [one.history, two.history])
