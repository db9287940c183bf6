"""The ledger against a model of thirty lines: any order of claims, ends, crashes and late messages."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from runs import Claim, FailureClass, Outcome, Progress, Start, Store, TrialState, open_store
from runs.database import Clock
from runs.states import MAX_ATTEMPTS

LEASE_S = 10.0
OWNERS = st.sampled_from([0, 1, 2])
SECONDS = st.integers(0, 9).map(float)


@dataclass
class Trial:
    """What the model knows of a trial."""

    state: TrialState = TrialState.LEASED
    fence: int = 1
    owner: int | None = 0
    lease_until: float = 0.0
    started: float = 0.0  # its last attempt
    used: dict[int, float] = field(default_factory=lambda: {1: 0.0})  # device seconds by fence
    failures: list[FailureClass] = field(default_factory=list)

    def holds(self, claim: Claim) -> bool:
        return self.fence == claim.fence and self.state in (TrialState.LEASED, TrialState.RUNNING)

    def evict(self) -> None:
        """Charges a running attempt up to the last renewal of its lease."""
        if self.state is TrialState.RUNNING:
            ran_s = self.lease_until - LEASE_S - self.started
            self.used[self.fence] = max(self.used[self.fence], ran_s)
        self.failures.append(FailureClass.LOST_LEASE)

    def end(self, state: TrialState) -> None:
        self.state, self.owner = state, None


class LedgerMachine(RuleBasedStateMachine):
    """Three owners of one database whose clock the test turns; claims stay in the bundle after they are lost."""

    claims: Bundle[Claim] = Bundle("claims")

    @initialize()
    def open(self) -> None:
        self.now = 1_000_000.0
        first = open_store("sqlite://", lease_s=LEASE_S, clock=Clock(lambda: self.now))
        self.stores = [first, *(Store(first.database, lease_s=LEASE_S) for _ in range(2))]
        for store in self.stores:
            store.tenant = replace(store.tenant, watch=None)  # nobody sets this clock back
        record = first.create_study("s", directions=["minimize"], seed=0, space={"version": ""}, settings={})
        self.study = record.id
        self.model: list[Trial] = []  # by number

    @rule(target=claims, owner=OWNERS, num_trials=st.integers(1, 3))
    def begin(self, owner: int, num_trials: int) -> object:
        made = self.stores[owner].begin(self.study, num_trials)
        assert [claim.number for claim in made] == [len(self.model) + k for k in range(num_trials)]
        self.model += [Trial(owner=owner, lease_until=self.now + LEASE_S, started=self.now) for _ in made]
        return multiple(*made)

    @rule(target=claims, owner=OWNERS)
    def reclaim(self, owner: int) -> object:
        claim = self.stores[owner].reclaim(self.study)
        number = self._abandoned(owner)
        if number is not None:
            self.model[number].evict()
        else:
            queue = (n for n, trial in enumerate(self.model) if trial.state is TrialState.QUEUED)
            number = next(queue, None)
        if number is None:
            assert claim is None
            return multiple()
        assert claim is not None
        trial = self.model[number]
        trial.fence += 1
        assert (claim.number, claim.fence) == (number, trial.fence)
        trial.state, trial.owner, trial.lease_until = TrialState.LEASED, owner, self.now + LEASE_S
        trial.started = self.now
        trial.used[trial.fence] = 0.0
        return claim

    @rule(claim=claims, owner=OWNERS)
    def start(self, claim: Claim, owner: int) -> None:
        trial = self.model[claim.number]
        lost = self.stores[owner].start([Start(claim, choices={"a": claim.fence})])
        assert bool(lost) != trial.holds(claim)
        if trial.holds(claim):
            trial.state, trial.lease_until = TrialState.RUNNING, self.now + LEASE_S

    @rule(claim=claims, owner=OWNERS, seconds=SECONDS)
    def renew(self, claim: Claim, owner: int, seconds: float) -> None:
        trial = self.model[claim.number]
        more = trial.used.get(claim.fence, 0.0) + seconds
        lost = self.stores[owner].renew([claim], [Progress(claim, 1, {"accuracy": 0.5}, more)])
        assert bool(lost) != trial.holds(claim)
        if trial.holds(claim):
            trial.lease_until, trial.used[claim.fence] = self.now + LEASE_S, more

    @rule(claim=claims, seconds=SECONDS, failure=st.none() | st.sampled_from(FailureClass))
    def finish(self, claim: Claim, seconds: float, failure: FailureClass | None) -> None:
        trial = self.model[claim.number]
        state = TrialState.COMPLETE if failure is None else TrialState.FAILED
        outcome = Outcome(claim, state, objectives=(0.5,), seconds=seconds, failure_class=failure)
        done = self.stores[0].finish([outcome])
        trial.used[claim.fence] = max(trial.used[claim.fence], seconds)
        if not trial.holds(claim):
            assert done.refused
            return
        trial.failures += [] if failure is None else [failure]
        may_retry = failure is not None and trial.failures.count(failure) < MAX_ATTEMPTS.get(failure, 0)
        assert bool(done.requeued) == may_retry and bool(done.accepted) != may_retry
        trial.end(TrialState.QUEUED if may_retry else state)

    @rule(claim=consumes(claims))
    def release(self, claim: Claim) -> None:
        self.stores[0].release([claim])
        if self.model[claim.number].holds(claim):
            self.model[claim.number].end(TrialState.QUEUED)

    @rule(seconds=st.floats(0.5, 2 * LEASE_S))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def the_ledger_says_what_the_model_says(self) -> None:
        found = self.stores[1].trials(self.study)
        assert [(t.number, t.state, t.fence) for t in found] == [
            (number, trial.state, trial.fence) for number, trial in enumerate(self.model)
        ]
        used = sum(sum(trial.used.values()) for trial in self.model)
        assert abs(self.stores[2].spent(self.study).device_seconds - used) < 1e-6

    def teardown(self) -> None:
        assert self.stores[0].check(grace_s=1e9) == []
        for store in self.stores:
            store.close()

    def _abandoned(self, owner: int) -> int | None:
        """The first trial whose lease is over and whose owner is another."""
        for number, trial in enumerate(self.model):
            if trial.owner not in (None, owner) and trial.lease_until < self.now:
                return number
        return None


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
