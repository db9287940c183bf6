"""Several drivers on one study: who may join, who takes over, and that together they keep to the budget."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from nas.settings import Fidelity
from nas.stages.proposals import ClaimLost, SampledSource
from nas.strategies.registry import make_sampler
from runs import Store, open_store
from runs.database import Clock
from tests.fakes.drivers import driving, heal
from tests.fakes.histories import proven
from tests.fakes.ledger_driver import REWARD, SPACE

pytestmark = pytest.mark.faults


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


@pytest.mark.long_faults
def test_sixty_four_workers_and_a_long_queue_starve_nobody(url: str) -> None:
    with open_store(url) as store:
        study = store.create_study("q", directions=["maximize"], seed=0, space={"version": "1"}, settings={})
        for _ in range(100):
            store.release(store.begin(study.id, 100))
        order = []
        others = [open_store(url) for _ in range(64)]
        for number in range(640):
            claim = others[number % 64].reclaim(study.id)
            assert claim is not None
            order.append(claim.number)
        assert order == list(range(640))
        for other in others:
            other.close()
        assert store.check() == []
