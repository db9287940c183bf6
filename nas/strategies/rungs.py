"""Stopping trials early, from what the others had reached: median, successive halving and Hyperband.

Vizier (Golovin et al., KDD 2017), section 3.2.1: the median rule, as it stands there.
ASHA (Li et al., MLSys 2020), Algorithm 2 and section 3: halving without waiting. We use its stopping form: a
trial that reaches a rung goes on at once if it is in the best 1/eta of what the rung has seen so far, and is
stopped otherwise; nothing is paused, so no promotion ever waits, and a trial that went on is not called back
when better ones arrive. Hyperband (Li et al., JMLR 2018), Algorithm 1: brackets with later first rungs,
filled in proportion to their n.

Optuna's pruners refuse studies with several objectives; these do not. Everything here is a pure function of
plain
numbers: `curves[trial][epoch]` is what a trial had reached, a reward, or a tuple of gains (larger is better,
    so a cost enters with a minus) that are compared by their non-dominated rank at the rung: the first front
    is always kept.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nas.strategies.domination import domination_ranks

Value = float | tuple[float, ...]
Curve = Mapping[int, Value]  # epoch (1-based) -> reward, or gains
Curves = Mapping[int, Curve]  # trial number -> curve

ETA = 3  # Hyperband, section 2.6, and ASHA, section 4, recommend 3 or 4
NUM_STARTUP = 5  # complete trials before the median says anything; Optuna's default as well


class RungsError(ValueError):
    """A stopping rule that does not exist, or settings that mean nothing: rule, value and remedy."""


class Rungs(Protocol):
    """Decides whether a trial goes on. Guarantees: a function of its arguments; the last epoch is
    never stopped; a value that is not finite is stopped where the rule looks at it.
    """

    def keeps(self, number: int, epoch: int, curves: Curves) -> bool:
        """Returns whether trial `number`, which has just reported `epoch`, goes on; `curves` holds all."""
        ...


@dataclass(frozen=True, slots=True)
class Unpruned:
    """Keeps every trial."""

    def keeps(self, number: int, epoch: int, curves: Curves) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Median:
    """Stops a trial whose best value so far is below the median of the others' running averages.

    The others are complete trials: those that reached `max_epochs`.
    """

    max_epochs: int
    min_epochs: int = 1
    num_startup: int = NUM_STARTUP

    def keeps(self, number: int, epoch: int, curves: Curves) -> bool:
        others = [c for n, c in curves.items() if n != number and self.max_epochs in c]
        if not self.min_epochs <= epoch < self.max_epochs or len(others) < self.num_startup:
            return True
        best = _until(curves[number], epoch).max(axis=0)
        averages = [_until(curve, epoch).mean(axis=0) for curve in others]
        scores = _scores([best, *averages])
        return bool(np.isfinite(best).all()) and bool(scores[0] >= np.median(scores[1:]))


@dataclass(frozen=True, slots=True)
class Halving:
    """Keeps a trial at a rung if it is in the best 1/eta there; rungs are at `min_epochs` * eta^k.

    Until a rung has seen eta trials, all are kept: a share of fewer says nothing.
    """

    max_epochs: int
    min_epochs: int = 1
    eta: int = ETA

    def keeps(self, number: int, epoch: int, curves: Curves) -> bool:
        if epoch not in self.epochs:
            return True
        values = {n: np.atleast_1d(curve[epoch]) for n, curve in curves.items() if epoch in curve}
        if not np.isfinite(values[number]).all():
            return False
        own = list(values).index(number)
        scores = _scores(list(values.values()))
        num_better = int((scores > scores[own]).sum())
        return len(values) < self.eta or num_better < len(values) // self.eta

    @property
    def epochs(self) -> tuple[int, ...]:
        """Returns the epochs of the rungs, all before the last epoch."""
        rungs = []
        epoch = self.min_epochs
        while epoch < self.max_epochs:
            rungs.append(epoch)
            epoch *= self.eta
        return tuple(rungs)


@dataclass(frozen=True, slots=True)
class Hyperband:
    """Successive halving in brackets: some trials are judged from the first rung on, some from later ones.

    Trial k belongs to a bracket by its number alone; trials are compared within their bracket.
    """

    max_epochs: int
    min_epochs: int = 1
    eta: int = ETA

    def keeps(self, number: int, epoch: int, curves: Curves) -> bool:
        cycle = self.cycle
        bracket = cycle[number % len(cycle)]
        rivals = {n: curve for n, curve in curves.items() if cycle[n % len(cycle)] == bracket}
        first = self.min_epochs * self.eta**bracket
        return Halving(self.max_epochs, first, self.eta).keeps(number, epoch, rivals)

    @property
    def cycle(self) -> tuple[int, ...]:
        """Returns the brackets of trials 0, 1, ..., after which they repeat; every prefix is in proportion.

        Bracket 0 is judged from the first rung on, the last never before its end. A cycle has n of Algorithm
        1 trials of each bracket.
        """
        num_brackets = len(Halving(self.max_epochs, self.min_epochs, self.eta).epochs) + 1
        places = []
        for bracket in range(num_brackets):
            num_rungs = num_brackets - 1 - bracket
            size = math.ceil(num_brackets / (num_rungs + 1) * self.eta**num_rungs)
            places += [((i + 0.5) / size, bracket) for i in range(size)]
        return tuple(bracket for _, bracket in sorted(places))


def make_rungs(name: str, *, max_epochs: int, min_epochs: int = 1, eta: int = ETA) -> Rungs:
    """Returns the stopping rule called `name`.

    Args:
        name: a key of `RUNGS`.
        max_epochs: the epochs of a whole training, >= 1.
        min_epochs: nothing is stopped before it, >= 1.
        eta: one in eta is kept at each rung, >= 2 (halving and hyperband).

    Raises:
        RungsError: for an unknown name or a number outside its interval.

    Example:
        >>> make_rungs("halving", max_epochs=27).epochs
        (1, 3, 9)
    """
    if name not in RUNGS:
        near = difflib.get_close_matches(name, RUNGS, n=1)
        hint = f"did you mean {near[0]}?" if near else "choose one of them"
        raise RungsError(f"the stopping rule must be one of {', '.join(RUNGS)}, got {name!r}; {hint}")
    if not 1 <= min_epochs <= max_epochs:
        raise RungsError(f"the first rung must be from 1 to {max_epochs} epochs, got {min_epochs}; try 1")
    if eta < 2:
        raise RungsError(f"eta must be at least 2, got {eta}; {ETA} keeps one trial in {ETA}")
    return RUNGS[name](max_epochs, min_epochs, eta)


RUNGS: dict[str, Callable[[int, int, int], Rungs]] = {
    "none": lambda max_epochs, min_epochs, eta: Unpruned(),
    "median": lambda max_epochs, min_epochs, eta: Median(max_epochs, min_epochs),
    "halving": Halving,
    "hyperband": Hyperband,
}


def _until(curve: Curve, epoch: int) -> npt.NDArray[np.float64]:
    """Returns the values up to and including `epoch`: [epochs, gains]."""
    return np.array([np.atleast_1d(value) for at, value in curve.items() if at <= epoch], dtype=np.float64)


def _scores(values: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Returns one number per value, larger is better: itself, or minus its front; not finite is below all."""
    gains = np.where(np.isfinite(np.array(values)), np.array(values), -np.inf)
    if gains.shape[1] == 1:
        return gains[:, 0]
    return -domination_ranks(gains).astype(np.float64)
