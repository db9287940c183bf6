"""What is left of a study's device-hours: an epoch begins where it will end within them, as far as epochs are known.

The ledger knows what epochs have taken that have ended. Those under way are given their time already, each as much as
the last epoch of its training took, a first one as much as the longest of the latest epochs of all. So workers that
come to their next epoch one after the other share what is left, and whoever is too long for it stops.
"""

from __future__ import annotations

from collections.abc import Collection

from nas.stages.history import History
from nas.stages.trainings import Training
from runs import TrialState


class DeviceTime:
    """The device seconds of one study, as its driver gives them away.

    Args:
        limit_hours: of the study; None: nothing is ever too long.
        history: what has been read of the ledger.
        trainings: the driver's own, those that are under way.
    """

    def __init__(self, limit_hours: float | None, history: History, trainings: Collection[Training]) -> None:
        self._limit_s = None if limit_hours is None else 3600 * limit_hours
        self._history, self._trainings = history, trainings
        self._unwritten_s = self._unread_s = 0.0
        self._refused_s: float | None = None  # the epoch that was too long
        self.read()

    def add(self, seconds: float) -> None:
        """Notes what a training has told and the ledger does not know."""
        self._unwritten_s += max(0.0, seconds)

    def wrote(self) -> None:
        """Notes that everything told is in the ledger."""
        self._unread_s, self._unwritten_s = self._unread_s + self._unwritten_s, 0.0

    def read(self) -> None:
        """Notes that the history knows all that is in the ledger."""
        self._unread_s = 0.0
        num_own = sum(one.since is not None and not one.is_lost for one in self._trainings)
        # trainings of other drivers
        self.num_others = max(0, self._history.spent.counts[TrialState.RUNNING] - num_own)

    def affordable(self, num_trainings: int, now: float, *, beside_others: bool = False) -> int:
        """Returns how many of so many trainings may begin, each with an epoch.

        Args:
            num_trainings: at most.
            now: by the driver's clock.
            beside_others: whether other drivers' trainings have their epochs too; one that is gone may have left them.
        """
        epoch_s = self._history.longest_epoch_s
        if self._limit_s is None or not epoch_s:
            return num_trainings
        given_s = self._given_s(now) + (self.num_others * epoch_s if beside_others else 0.0)
        return min(num_trainings, max(0, int((self._limit_s - given_s) / epoch_s + _ROUNDING)))

    def too_short(self, now: float) -> str | None:
        """Returns why not even one more training may begin, in words; None where one may, or nobody knows."""
        if self.affordable(1, now):
            return None
        self._refused_s = self._refused_s or self._history.longest_epoch_s
        return self.refusal

    def overdrawn(self, training: Training, now: float) -> str | None:
        """Returns why a training that has told of an epoch must not begin the next, in words; None where it may."""
        if self._limit_s is None or training.epoch_s is None or training.is_ending:
            return None
        given_s = self._given_s(now) + self.num_others * (self._history.longest_epoch_s or 0.0)
        if given_s <= self._limit_s + _ROUNDING * training.epoch_s:
            return None
        self._refused_s = training.epoch_s
        return self.refusal

    @property
    def refusal(self) -> str | None:
        """Returns why an epoch was too long, with what is used by now, in words; None where none was."""
        if self._limit_s is None or self._refused_s is None:
            return None
        used, limit = self._used_s / 3600, self._limit_s / 3600
        return (
            f"{used:.3g} of {limit:g} device-hours are used, too many for one more epoch of about"
            f" {self._refused_s:.3g} s"
        )

    @property
    def _used_s(self) -> float:
        return self._history.spent.device_seconds + self._unread_s + self._unwritten_s

    def _given_s(self, now: float) -> float:
        """Returns what is used, and what our epochs under way will have used."""
        first_s = self._history.longest_epoch_s or 0.0
        return self._used_s + sum(one.present_epoch_s(first_s, now) for one in self._trainings)


_ROUNDING = 1e-6  # of an epoch: sums of seconds are not exact
