"""Whether a search's winner beats the control's beyond seed noise.

The noise is that of training the same architecture again from another seed: the standard deviation within
candidates, pooled over all repeated candidates of both arms (one-way analysis of variance). Pooling assumes
that the noise of the top candidates is alike; it makes the interval useful at three repeats, where Welch's
would have two to four degrees of freedom. The repeats must be new seeds: the run that made a candidate the
best was lucky, and is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit  # scipy.stats takes a second to import


class ComparisonError(ValueError):
    """Too few repeats to tell a difference from noise: rule, value and remedy."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference between two winners, with its interval."""

    difference: float  # mean of the winner minus mean of the control's, in the unit of the values
    low: float
    high: float
    noise: float  # standard deviation between seeds, pooled
    num_degrees: int  # degrees of freedom of the noise
    confidence: float
    is_same: bool = False  # whether both winners are one network, so that there is nothing to compare

    @property
    def is_better(self) -> bool:
        """Returns whether the whole interval is above zero."""
        return self.low > 0.0

    @property
    def is_worse(self) -> bool:
        """Returns whether the whole interval is below zero."""
        return self.high < 0.0

    @property
    def verdict(self) -> str:
        """Returns the result as one sentence for people."""
        numbers = (
            f"{self.difference:+.4f}, {self.confidence:.0%} interval {self.low:+.4f} to {self.high:+.4f},"
            f" seed noise {self.noise:.4f}"
        )
        if self.is_same:
            noise = f"seed noise {self.noise:.4f}"
            return f"The winner and the control's are one architecture: both arms found it ({noise})."
        if self.is_better:
            return f"The winner beats the control beyond seed noise ({numbers})."
        if self.is_worse:
            return f"The winner is worse than the control beyond seed noise ({numbers})."
        return f"The winner and the control do not differ beyond seed noise ({numbers})."


def compare(
    winners: Sequence[Sequence[float]], controls: Sequence[Sequence[float]], *, confidence: float = 0.95
) -> Comparison:
    """Returns how much better the first candidate of `winners` is than the first of `controls`.

    Args:
        winners: for each top candidate of the search, best first, its values from new seeds (accuracies or
            rewards).
        controls: the same for the control, for example random search at equal budget.
        confidence: of the interval, in (0, 1).

    Raises:
        ComparisonError: when a first candidate has no values, no candidate has two, or one is not finite.

    Source: the two-sided t-interval of a contrast after one-way analysis of variance (Montgomery, Design and
        Analysis
        of Experiments, section 3.5).

    Example:
        >>> compare([[0.91, 0.92, 0.93]], [[0.85, 0.86, 0.87]]).is_better
        True
    """
    if not 0.0 < confidence < 1.0:
        raise ComparisonError(f"the confidence must be between 0 and 1, got {confidence}; try 0.95")
    if not (winners and controls and winners[0] and controls[0]):
        raise ComparisonError("both arms need a repeated first candidate, got none; repeat it with new seeds")
    if not all(math.isfinite(value) for group in (*winners, *controls) for value in group):
        raise ComparisonError(
            "every repeat must have a finite value, got one that has not; leave failed repeats out"
        )
    noise, num_degrees = seed_noise((*winners, *controls))
    winner, control = winners[0], controls[0]
    difference = float(np.mean(winner) - np.mean(control))
    error = noise * math.sqrt(1.0 / len(winner) + 1.0 / len(control))
    reach = float(stdtrit(num_degrees, 0.5 + confidence / 2.0)) * error
    return Comparison(difference, difference - reach, difference + reach, noise, num_degrees, confidence)


def seed_noise(groups: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Returns the standard deviation within groups, pooled, and its degrees of freedom.

    Args:
        groups: for each candidate its values from different seeds.

    Raises:
        ComparisonError: when no group has two values.
    """
    num_degrees = sum(len(group) - 1 for group in groups if group)
    if num_degrees < 1:
        raise ComparisonError(
            "noise needs a candidate with at least two repeats, got none; repeat with new seeds"
        )
    squares = sum(float(np.sum((np.asarray(group) - np.mean(group)) ** 2)) for group in groups if group)
    return math.sqrt(squares / num_degrees), num_degrees
