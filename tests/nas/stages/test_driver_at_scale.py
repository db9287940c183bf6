"""The real driver and ledger with hundreds of pretended workers that fail, hang, leave and join, in virtual time."""

from __future__ import annotations

import pytest

from nas.execution.simulations import Faults, Modelled
from nas.execution.virtual import VirtualClock, VirtualExecutor
from nas.reward import Reward
from nas.settings import DataSettings, Fidelity, Recipe
from nas.stages.budget import Budget
from nas.stages.driver import Driver
from nas.stages.proposals import SampledSource
from nas.stages.rules import Rules
from nas.strategies.registry import make_sampler
from nas.strategies.rungs import make_rungs
from runs import FailureClass, TrialState, open_store
from search_space import open_space

NUM_TRIALS = 400


@pytest.mark.slow
def test_a_large_unreliable_cluster_loses_nothing_and_keeps_to_the_budget() -> None:
    clock = VirtualClock()
    simulation = Faults(Modelled(60.0), preempted=0.1, hung=0.02, diverged=0.02, failed=0.02).simulate()
    changes = ((100.0, 40), (200.0, 300), (400.0, 120))  # spot nodes leave, come and leave again
    executor = VirtualExecutor(simulation, clock, num_slots=200, changes=changes)
    space = open_space("mnasnet", resolution=16, num_classes=10, input_channels=1, width=0.25)
    reward = Reward("soft", 5e6, "macs")
    rules = Rules(
        data=DataSettings(),
        fingerprint="pretended",
        recipe=Recipe(),
        reward=reward,
        rungs=make_rungs("halving", max_epochs=4),
        budget=Budget(NUM_TRIALS),
        time_limit_s=900.0,
    )
    with open_store("sqlite://", clock=clock.clock) as store:
        study = store.create_study(
            "s", directions=reward.directions, seed=0, space=space.describe(), settings={}
        )
        sampler = make_sampler("random", seed=0, space=space, reward=reward, num_trials=NUM_TRIALS)
        source = SampledSource(store, study, space, sampler, Fidelity(epochs=4))
        ending = Driver(store, study, store.open_run(study.id, "search", {}), source, executor, rules).drive()
        trials = store.trials(study.id)
        assert ending.kind == "done" and store.check() == []
        assert all(trial.state.is_finished for trial in trials)
        paid = [
            trial for trial in trials if trial.state is not TrialState.INFEASIBLE and not trial.reused_from
        ]
        assert len(paid) == NUM_TRIALS
        classes = {trial.failure_class for trial in trials if trial.failure_class}
        assert classes >= {FailureClass.TIMEOUT, FailureClass.DIVERGED, FailureClass.USER_ERROR}
        preempted = [trial for trial in trials if trial.fence > 1]
        assert len(preempted) > 20 and {trial.state for trial in preempted} > {TrialState.COMPLETE}
        assert store.spent(study.id).device_seconds > 0
