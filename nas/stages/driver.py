"""The driver: claims trials, sends the affordable and the new to workers, and records what comes back.

Around every source of proposals stand, in this order: the canonical digest, the arithmetic cost (too dear: recorded as
infeasible, never trained), the cache (measured before: the stored result is used again), the budget, the execution, and
the policy for failures. The driver keeps nothing that the ledger could not give back: killed at any moment and started
again, it goes on with the same trials.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from nas.interfaces import Event, Executor, Failure, Measurement, Progress
from nas.stages import outcomes
from nas.stages.budget import counted, num_paid
from nas.stages.device_time import DeviceTime
from nas.stages.heartbeat import HEARTBEAT_S
from nas.stages.history import History
from nas.stages.proposals import ClaimLost, Proposal, Source, evaluation_key
from nas.stages.rules import ENDED_BY_STATE, STOPPED, Ending, Rules
from nas.stages.trainings import Training
from runs import Claim, EvaluationKey, Outcome, Start, Store, StudyRecord, TrialState
from runs import Progress as Step
from runs.records import RunRecord

logger = logging.getLogger(__name__)

POLL_S = 0.25  # how long the driver sleeps when nothing happens: its reaction time to a stop
MAX_BEGUN = 50  # trials begun in one transaction: none waits for all the others
MAX_BARREN = 100  # proposals in a row that needed no training, after which the source has nothing new


class Driver:
    """Runs the trials of one source. One driver serves one session; several may share a study.

    Args:
        store: the ledger; the only truth.
        study: whose trials these are.
        run: this session's row in the ledger, whose lease the driver renews.
        source: proposes.
        executor: measures; closed by whoever opened it.
        rules: what holds for every trial.
        should_stop: asked a few times a second; True drains: running trainings stop after their epoch, their trials go
            back to the queue with their checkpoints.
        watch: called after every change and heartbeat, with the history so far.
    """

    def __init__(
        self,
        store: Store,
        study: StudyRecord,
        run: RunRecord,
        source: Source,
        executor: Executor,
        rules: Rules,
        *,
        should_stop: Callable[[], bool] = lambda: False,
        watch: Callable[[History], None] = lambda history: None,
    ) -> None:
        self._store, self._study, self._run = store, study, run
        self._source, self._executor, self._rules = source, executor, rules
        self._should_stop, self._watch = should_stop, watch
        self._history = History(store, study, rules.reward)
        self._running: dict[str, Training] = {}  # by the key of the work
        self._time = DeviceTime(rules.budget.device_hours, self._history, self._running.values())
        self._starts: list[Start] = []
        self._outcomes: list[Outcome] = []
        self._steps: list[Step] = []
        self._trained: dict[str, str] = {}  # keys of trainings whose end is not recorded yet, by attempt
        self._ending: Ending | None = None
        self._num_barren = self._history.num_barren
        self._is_behind = False  # whether we have written what the history has not read
        self._is_due_to_reclaim = True
        self._is_paused = False
        self._now = store.database.clock.monotonic
        self._last_beat = self._now()

    def drive(self) -> Ending:
        """Runs until the source, the budget or somebody's patience ends; returns why.

        Raises:
            StoreError: when the ledger stays out of reach; what was recorded stays recorded.
        """
        self._obey()  # what was asked while the workers were being started
        try:
            while True:
                self._fill()
                if not self._running:
                    if self._ending is not None:
                        break
                    time.sleep(POLL_S)  # the study is paused, or the last trials are other drivers'
                events = self._executor.events(POLL_S)
                if self._time.num_others and any(isinstance(event, Progress) for event in events):
                    self._catch_up()  # an epoch is judged by what other drivers' trials have reported too
                for event in events:
                    self._absorb(event)
                self._flush()
                self._beat()
        finally:
            self._store.release(self._claimed(), self._used_s())
        assert self._ending is not None
        self._catch_up()
        self._watch(self._history)
        return self._final(self._ending)

    def _final(self, ending: Ending) -> Ending:
        """Returns the ending with the numbers after the last training, and with what is left to go on with."""
        if ending.kind != "done":
            return ending
        exceeded = self._rules.budget.exceeded(self._history.spent, self._history.hours)
        reason = exceeded or self._time.refusal or ending.reason
        num_waiting = self._history.spent.counts[TrialState.QUEUED]
        waiting = f"; {counted(num_waiting, 'trial')} stopped in the middle and can go on"
        return Ending(ending.kind, reason + (waiting if num_waiting else ""))

    def _fill(self) -> None:
        """Claims and places trials until the workers are busy or there is a reason to end."""
        while self._ending is None and not self._is_paused:
            num_free = self._executor.num_slots - len(self._running)
            if num_free <= 0 < self._executor.num_slots:
                return
            if self._is_behind:
                self._catch_up()
            self._ending = self._reason_to_end()
            if self._ending is not None:
                self._drain()
                return
            reason = self._rules.budget.too_short(self._history.hours, self._history.usual_epoch_s)
            if reason := reason or self._time.too_short(self._now()):
                self._ending = Ending("done", reason)
                return
            if not (claims := self._claims(min(num_free, MAX_BEGUN))):
                return
            self._place(claims)
            self._flush()
            self._beat()

    def _catch_up(self) -> None:
        self._history.refresh()
        self._time.read()
        self._is_behind = False

    def _reason_to_end(self) -> Ending | None:
        rules, spent = self._rules, self._history.spent
        if self._should_stop():
            return STOPPED
        if self._executor.num_slots == 0:
            return Ending(
                "failures", "no worker can be started any more; look at the last trial's error, then resume"
            )
        if failures := rules.too_many_failures(spent):
            return Ending("failures", failures)
        if self._source.num_trials is None and self._num_barren >= MAX_BARREN:
            return Ending(
                "exhausted", f"the last {MAX_BARREN} proposals were refused or known; nothing new came"
            )
        reason = rules.budget.exceeded(spent, self._history.hours)
        return None if reason is None else Ending("done", reason)

    def _claims(self, num_free: int) -> Sequence[Claim]:
        """Returns trials to work on: those that somebody left behind first, then new ones within the budget."""
        claims: list[Claim] = []
        may_be_left = self._is_due_to_reclaim or self._history.spent.counts[TrialState.QUEUED] > 0
        num_afforded = self._time.affordable(num_free, self._now())
        while may_be_left and len(claims) < num_afforded:
            claim = self._store.reclaim(self._study.id)
            if claim is None:
                self._is_due_to_reclaim = False  # until the next heartbeat: leases end slowly
                break
            claims.append(claim)
        if claims:
            return self._afforded(claims)
        num_free = self._time.affordable(num_free, self._now(), beside_others=True)
        room = self._rules.budget.room(self._history.spent, self._history.hours)
        if self._source.num_trials is not None:
            left = self._source.num_trials - self._history.spent.num_trials
            room = left if room is None else min(left, room)
        num_new = num_free if room is None else min(num_free, room)
        if num_new > 0:
            self._is_behind = True
            limits = {"max_paid": self._rules.budget.trials, "max_trials": self._source.num_trials}
            claims += self._store.begin(self._study.id, num_new, **limits)
        # while other drivers' trials are in hand, the arm is not over, and they may be left
        if not claims and not self._running and not self._history.spent.num_held:
            num_done = num_paid(self._history.spent)
            text = "the one trial is done" if num_done == 1 else f"all {num_done} trials are done"
            self._ending = Ending("done", text)
        return claims

    def _afforded(self, claims: list[Claim]) -> list[Claim]:
        """Returns those of taken-over trials that have an epoch left: an owner that is gone has used time too."""
        if self._rules.budget.device_hours is None:
            return claims
        self._catch_up()
        num_afforded = self._time.affordable(len(claims), self._now())
        self._store.release(claims[num_afforded:])
        if reason := self._time.too_short(self._now()):
            self._ending = Ending("done", reason)
        return claims[:num_afforded]

    def _claimed(self) -> list[Claim]:
        """Returns every trial that this driver holds."""
        claims = [running.claim for running in self._running.values()]
        claims += [start.claim for running in self._running.values() for start in running.followers]
        return claims

    def _used_s(self) -> dict[str, float]:
        """Returns the device seconds of what is trained now, by attempt: those of a present epoch by our clock."""
        return {one.claim.attempt: one.used_s(self._now()) for one in self._running.values()}

    def _place(self, claims: Sequence[Claim]) -> None:
        """Decides what becomes of claimed trials: refused, reused, joined to a running one, or trained."""
        work = self._proposed(claims)
        evaluations = self._store.cached_all([key for _, key, _ in work])
        for proposal, key, start in work:
            self._num_barren += 1
            refused = outcomes.infeasible(start, self._rules.reward)
            if refused is not None:
                self._outcomes.append(refused)
            elif (evaluation := evaluations.get(key)) is not None:
                self._outcomes.append(outcomes.reused(start, evaluation, self._rules))
            elif (earlier := self._history.without_result(key.hash)) is not None:
                self._outcomes.append(outcomes.repeated(start, earlier))
            elif key.hash in self._running:
                self._running[key.hash].followers.append(start)
            else:
                self._num_barren = 0
                self._starts.append(start)
                self._history.own.add(start.claim.number)
                self._running[key.hash] = Training(start.claim, proposal, key, start.costs)

    def _proposed(self, claims: Sequence[Claim]) -> list[tuple[Proposal, EvaluationKey, Start]]:
        """Returns the work of claimed trials, all proposed from one reading of the history."""
        work = []
        with self._source.one_history():
            for claim in claims:
                try:
                    proposal = self._source.propose(claim)
                except ClaimLost as loss:  # we stood still for too long; whoever has it now goes on
                    logger.warning("%s", loss)
                    continue
                key = evaluation_key(proposal, self._rules.fingerprint, proposal.recipe or self._rules.recipe)
                start = Start(
                    claim=claim,
                    key=key,
                    architecture=proposal.architecture.to_json(),
                    costs=self._rules.costs(proposal.architecture),
                    choices=proposal.choices,
                )
                work.append((proposal, key, start))
        return work

    def _absorb(self, event: Event) -> None:
        running = self._running.get(event.key)
        if running is None:
            return
        if isinstance(event, Progress):
            self._judge(running, event)
            return
        del self._running[event.key]
        self._time.add(event.seconds - running.seconds)
        if running.is_lost:
            logger.warning(
                "trial %d went to another driver; its late result is dropped", running.claim.number
            )
        elif isinstance(event, Measurement):
            self._end(running, outcomes.complete(running.claim, running.costs, event, self._rules))
        elif isinstance(event, Failure):
            self._fail(running, event)
        elif running.is_pruned or event.is_pruned:
            self._end(running, outcomes.pruned(running.claim, event))
        else:
            followers = [start.claim for start in running.followers]
            self._write_steps()  # its last epoch is told before it goes
            self._store.release([running.claim, *followers], {running.claim.attempt: event.seconds})
            self._time.wrote()

    def _judge(self, running: Training, progress: Progress) -> None:
        """Notes an epoch and stops the trial where its rung says so."""
        claim = running.claim
        self._time.add(progress.seconds - running.seconds)
        epoch_s = running.hear(progress, self._now())
        gain = self._history.gain(running.costs, progress.accuracy)
        metrics = {"accuracy": progress.accuracy, "loss": progress.loss}
        if isinstance(gain, float):
            metrics["intermediate"] = gain  # what Optuna's samplers read
        self._steps.append(Step(claim, progress.epoch, metrics, progress.seconds))
        self._history.note(claim.number, progress.epoch, gain)
        if not running.is_pruned and not self._rules.rungs.keeps(
            claim.number, progress.epoch, self._history.curves
        ):
            running.is_pruned = running.is_ending = True
            self._executor.stop(progress.key)
            return
        if epoch_s is None or running.epoch_s is None:
            return
        self._history.time(epoch_s, running.epoch_s)
        reason = self._rules.budget.too_short(self._history.hours, epoch_s)
        reason = reason or self._time.overdrawn(running, self._now())
        if reason and not running.is_ending:  # trainings whose epochs are shorter go on
            running.is_ending = True
            self._ending = self._ending or Ending("done", reason)
            self._executor.stop(progress.key)

    def _fail(self, running: Training, failure: Failure) -> None:
        followers, running.followers = running.followers, []
        self._end(running, outcomes.failed(running.claim, failure))
        # they are placed anew, by what is known then
        self._store.release([start.claim for start in followers])

    def _end(self, running: Training, leader: Outcome) -> None:
        """Records the end of a training, and of the trials that waited for it, as reused."""
        self._trained[leader.claim.attempt] = running.key.hash
        self._outcomes += [leader, *outcomes.followed(leader, running.followers)]

    def _flush(self) -> None:
        """Writes what has ended and what begins, each in one transaction, then sends the new work out."""
        if self._outcomes:
            ends, self._outcomes = self._outcomes, []
            steps, self._steps = self._steps, []
            finished = self._store.finish(ends, steps)
            self._time.wrote()
            for outcome in finished.refused:
                logger.warning(
                    "trial %d ended under another driver; our result is dropped", outcome.claim.number
                )
            for outcome in finished.accepted:
                self._forget_checkpoints(outcome)
            self._catch_up()
            self._watch(self._history)
        if self._starts:
            self._is_behind = True
            starts, self._starts = self._starts, []
            self._store.start(starts)
            for start in starts:
                assert start.key is not None
                running = self._running[start.key.hash]
                running.since = self._now()
                patience_s, url = self._history.patience_s, self._store.artifacts.url
                self._executor.submit(running.task(self._rules, checkpoints=url, patience_s=patience_s))

    def _write_steps(self) -> None:
        steps, self._steps = self._steps, []
        if steps:
            self._store.renew(list({step.claim.attempt: step.claim for step in steps}.values()), steps)

    def _forget_checkpoints(self, outcome: Outcome) -> None:
        """Removes the checkpoints of a training whose end is recorded."""
        key = self._trained.pop(outcome.claim.attempt, None)
        if key is not None:
            self._store.artifacts.drop_checkpoints(key)

    def _beat(self) -> None:
        """Renews leases and the run, writes epochs, and ends the stage when time or patience is over."""
        now = self._now()
        if now - self._last_beat < HEARTBEAT_S and not self._should_stop():
            return
        self._last_beat = now
        steps, self._steps = self._steps, []
        self._is_due_to_reclaim = True
        self._catch_up()
        claims = self._claimed()
        lost = self._store.renew(claims, steps) if claims else []
        self._time.wrote()
        self._store.renew_run(self._run.id)
        for key, running in self._running.items():
            if running.claim in lost and not running.is_lost:
                running.is_lost = True
                self._history.own.discard(running.claim.number)
                self._executor.stop(key)
        self._obey()
        if self._ending is None:
            self._ending = self._reason_to_end()
            if self._ending is not None:
                self._drain()
        self._watch(self._history)

    def _obey(self) -> None:
        """Does what somebody in another terminal has asked of all drivers of the study."""
        state = self._store.study(self._study.id).state
        self._is_paused = state == "paused"
        if self._ending is None and state == "stopped":
            self._ending = ENDED_BY_STATE[state]
            self._drain()
        elif state == "cancelled":
            self._ending = ENDED_BY_STATE[state]
            used_s = self._used_s()
            self._outcomes += [
                outcomes.cancelled(one, used_s.get(one.attempt, 0.0)) for one in self._claimed()
            ]
            self._trained |= {one.claim.attempt: one.key.hash for one in self._running.values()}
            self._running.clear()  # whoever opened the workers ends them; what they still say is not heard
            self._flush()

    def _drain(self) -> None:
        """Asks every running training to stop after its epoch, unless its limit counts trials it has begun."""
        for key in self._running:
            self._executor.stop(key)
