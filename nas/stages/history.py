"""What a study has seen so far, kept in step with the ledger: what is spent, what is known, what is best."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from itertools import takewhile
from statistics import median

from nas.reward import Reward
from runs import MAX_ATTEMPTS, Spent, Store, StudyRecord, TrialRecord, TrialState
from runs.browsing import Browsing
from runs.records import hours_at_work

Gain = float | tuple[float, ...]
_NUM_TIMED = 50  # latest epochs that say how long one takes
_STALL_S = 3600.0  # of silence, after which a worker is taken for lost; more where epochs have taken longer
_STALL_EPOCHS = 3.0  # no network of a space takes so many times the longest epoch of fifty others


class History:
    """The trials of one study, read once and then only what has changed.

    Args:
        store: the ledger.
        study: whose trials these are.
        reward: decides which trial is best, and what the rungs compare.
    """

    def __init__(self, store: Store, study: StudyRecord, reward: Reward) -> None:
        self._store, self._study, self._reward = store, study, reward
        self._monotonic = store.database.clock.monotonic
        self._opened = self._monotonic()
        self._hours_before = hours_at_work(store.runs(study.id), store.now())
        self._revision = 0
        self._trials: dict[int, TrialRecord] = {}  # by number
        self._ended_without_result: dict[str, TrialRecord] = {}  # by the key of the work
        self.curves: dict[int, dict[int, Gain]] = {}  # by trial number and epoch
        self.own: set[int] = set()  # trials of this driver, whose epochs it hears itself
        self._browsing = Browsing(store.database)
        # Before the trials, so that each is known: another driver may begin one and report its epoch between the two.
        curves = store.curves(study.id, "accuracy")
        self._changed()
        self.epoch_s = deque((s for trial in self.trials if (s := _epoch_s(trial))), maxlen=_NUM_TIMED)
        self._charged_s = deque(self._charged(curves), maxlen=_NUM_TIMED)
        for number, steps in curves.items():
            for epoch, accuracy in steps.items():
                self.note(number, epoch, self.gain(self._trials[number].costs, accuracy))

    def refresh(self) -> None:
        """Reads what has changed, by this driver or another, and which epochs others' trials have reported since."""
        told = {one.id: one for one in self._changed() if one.number not in self.own and _was_trained(one)}
        heard = min((max(self.curves.get(one.number, ()), default=0) for one in told.values()), default=0)
        curves = self._browsing.curves(self._study.id, list(told), "accuracy", after_step=heard)
        for trial_id, steps in curves.items():
            for epoch, accuracy in steps.items():
                self.note(told[trial_id].number, epoch, self.gain(told[trial_id].costs, accuracy))

    def _changed(self) -> list[TrialRecord]:
        """Reads what is spent and which trials have changed; returns these."""
        self.spent: Spent
        self.spent, changed = self._store.news(self._study.id, self._revision)
        for trial in changed:
            self._revision = max(self._revision, trial.revision)
            self._trials[trial.number] = trial
            is_final = trial.failure_class is None or trial.failure_class not in MAX_ATTEMPTS
            if trial.state in (TrialState.PRUNED, TrialState.FAILED) and trial.key and is_final:
                self._ended_without_result.setdefault(trial.key, trial)
        return changed

    def note(self, number: int, epoch: int, gain: Gain) -> None:
        """Adds one point to the curve of a trial."""
        self.curves.setdefault(number, {})[epoch] = gain

    def time(self, epoch_s: float, charged_s: float) -> None:
        """Notes how long an epoch took.

        Args:
            epoch_s: from one report to the next.
            charged_s: of its device.
        """
        self.epoch_s.append(epoch_s)
        self._charged_s.append(charged_s)

    def gain(self, costs: Mapping[str, float], accuracy: float) -> Gain:
        """Returns what the rungs compare, larger is better: the reward, or (accuracy, -cost).

        While a latency is not measured it stands at the target, where it weighs nothing.
        """
        cost = costs.get(self._reward.cost, self._reward.target)
        objectives = self._reward.objectives(accuracy, cost)
        return objectives[0] if len(objectives) == 1 else (objectives[0], -objectives[1])

    def without_result(self, key: str) -> TrialRecord | None:
        """Returns the trial that ended this work for good without a result: pruned, or failed by its own fault."""
        return self._ended_without_result.get(key)

    @property
    def usual_epoch_s(self) -> float | None:
        """Returns the median seconds of the latest epochs; None before there is one."""
        return median(self.epoch_s) if self.epoch_s else None

    @property
    def longest_epoch_s(self) -> float | None:
        """Returns the most device seconds of the latest epochs; None before there is one."""
        return max(self._charged_s, default=None)

    @property
    def patience_s(self) -> float:
        """Returns the seconds without an epoch after which a worker is taken for lost, where nobody has said it."""
        return max([_STALL_S, *(_STALL_EPOCHS * seconds for seconds in self.epoch_s)])

    @property
    def num_barren(self) -> int:
        """Returns how many trials in a row, up to the last, ended without a training: refused, or known."""
        is_barren = (
            trial.state is TrialState.INFEASIBLE or trial.reused_from is not None
            for trial in reversed(self.trials)
        )
        return sum(1 for _ in takewhile(bool, is_barren))

    def _charged(self, curves: Mapping[int, Mapping[int, float]]) -> Iterator[float]:
        """Yields the mean device seconds of an epoch of each trial that has reported one and did not fail."""
        for trial in self.trials:
            num_epochs = max(curves.get(trial.number, ()), default=0)
            if not num_epochs or trial.state is TrialState.FAILED:
                continue
            seconds = trial.seconds
            if not trial.state.is_finished:
                seconds = sum(one.seconds for one in self._store.attempts(trial.id))
            if seconds:
                yield seconds / num_epochs

    @property
    def hours(self) -> float:
        """Returns for how many hours by the clock drivers were at work, this session included."""
        return self._hours_before + (self._monotonic() - self._opened) / 3600

    @property
    def trials(self) -> list[TrialRecord]:
        """Returns all trials by number."""
        return [self._trials[number] for number in sorted(self._trials)]


def _was_trained(trial: TrialRecord) -> bool:
    """Returns whether a trial has been, or is being, trained itself."""
    return bool(trial.key) and trial.reused_from is None and trial.state is not TrialState.INFEASIBLE


def _epoch_s(trial: TrialRecord) -> float | None:
    """Returns the mean seconds of an epoch of a complete trial that was trained."""
    if trial.state is not TrialState.COMPLETE or trial.reused_from is not None or not trial.seconds:
        return None
    return trial.seconds / max(1.0, trial.metrics.get("epoch", 1.0))
