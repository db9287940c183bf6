"""What a study may spend, what it has spent, and how many trials it may still begin."""

from __future__ import annotations

from dataclasses import dataclass

from runs import Spent, TrialState

# A trial that trained, or is about to, uses up the budget of trials; a refused or reused one costs nothing.
_PAID = (
    TrialState.QUEUED,
    TrialState.LEASED,
    TrialState.RUNNING,
    TrialState.COMPLETE,
    TrialState.PRUNED,
    TrialState.FAILED,
)


class LoweredBudget(ValueError):
    """A study is to go on with less than it has spent already."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits over all sessions of a study; None leaves a quantity unlimited.

    Args:
        trials: trainings begun; a trial that arithmetic refused or the cache answered does not count.
        hours: wall-clock hours during which a driver was at work; no epoch begins that will not end in them.
        device_hours: hours of training, summed over workers and attempts.
    """

    trials: int | None = None
    hours: float | None = None
    device_hours: float | None = None

    def room(self, spent: Spent, hours: float) -> int | None:
        """Returns how many more trials may begin; None: as many as there are workers.

        Example:
            >>> Budget(trials=10).room(Spent(0.0, dict.fromkeys(TrialState, 0), 0), hours=0.0)
            10
        """
        if self.exceeded(spent, hours):
            return 0
        return None if self.trials is None else max(self.trials - num_paid(spent), 0)

    def exceeded(self, spent: Spent, hours: float) -> str | None:
        """Returns which limit of time is used up, in words; None while there is time left."""
        device_hours = spent.device_seconds / 3600
        if self.device_hours is not None and device_hours >= self.device_hours:
            return f"{device_hours:.3g} of {self.device_hours:g} device-hours are used"
        if self.hours is not None and hours >= self.hours:
            return f"{hours:.3g} of {self.hours:g} hours are used"
        return None

    def too_short(self, hours: float, epoch_s: float | None) -> str | None:
        """Returns why an epoch that begins now would end too late, in words; None where it will not, or nobody knows.

        Args:
            hours: that drivers were at work.
            epoch_s: that an epoch takes, as far as is known.

        Example:
            >>> Budget(hours=1.0).too_short(0.99, epoch_s=60.0)
            '0.99 of 1 hours are used, too many for one more epoch of about 60 s'
        """
        if self.hours is None or epoch_s is None or hours + epoch_s / 3600 <= self.hours:
            return None
        return f"{hours:.3g} of {self.hours:g} hours are used, too many for one more epoch of about {epoch_s:.3g} s"

    def check_lowered(self, spent: Spent, earlier: Budget) -> None:
        """Refuses a limit that is lowered below what is spent: it could not be kept.

        Args:
            spent: by the study.
            earlier: its limits so far. One that stays is never refused: time is always overdrawn a little.

        Raises:
            LoweredBudget: naming the limit.

        Example:
            >>> Budget(trials=10).check_lowered(Spent(0.0, dict.fromkeys(TrialState, 0), 0), Budget(trials=20))
        """
        device_hours = spent.device_seconds / 3600
        for name, used in (("trials", num_paid(spent)), ("device_hours", device_hours)):
            limit, before = getattr(self, name), getattr(earlier, name)
            if limit is not None and limit != before and limit < used:
                raise LoweredBudget(
                    f"`{name}` must be at least the {used:.6g} that the study has used, got {limit:g}; raise it, or"
                    " leave it out to go on as before"
                )


def counted(number: int, noun: str) -> str:
    """Returns a number with its noun, for people.

    >>> counted(1, "trial"), counted(2, "trial")
    ('1 trial', '2 trials')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def num_paid(spent: Spent) -> int:
    """Returns how many trials have used the budget: begun, neither refused nor reused."""
    return sum(spent.counts[state] for state in _PAID) - spent.num_reused
