"""How far short trainings may be trusted: what longer trainings of some of the same networks say of them.

A rule that was fitted to short trainings is of use for longer ones where these order the networks alike. The rank
correlation of the two says so, as for the fidelities of a search (Zela et al. 2018; White et al. 2021, section 4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy.special import stdtrit

from scaling_rules import plain_json
from scaling_rules.errors import Array, ScalingError, numbers
from scaling_rules.law_fit import Estimate, LawFit, fit_law
from scaling_rules.rank_correlation import RankCorrelation, rank_correlation

LEAST_LACKING = 1e-3  # of accuracy, below which a logarithm would say nothing


@dataclass(frozen=True, slots=True)
class FidelityPoint:
    """One training of a network for a number of epochs; `network` is any name that its other trainings have too."""

    network: str
    cost: float
    epochs: int
    accuracy: float


@dataclass(frozen=True, slots=True)
class FidelityCheck:
    """What trainings of `epochs` say of the short ones, over the networks that have both.

    Args:
        epochs: of the longer trainings.
        kendall, spearman: between the networks' mean accuracies, each with its interval.
        gain: mean of what the longer trainings have gained.
        factor: by which each doubling of a network's cost multiplies what longer training leaves of its errors: 1 where
            small and large networks gain alike, as forecasts of longer trainings take it to be.
    """

    epochs: int
    kendall: RankCorrelation
    spearman: RankCorrelation
    gain: float
    factor: Estimate

    @property
    def holds(self) -> bool:
        """Whether the longer trainings surely order networks as the short ones do rather than at random."""
        return self.kendall.low > 0.0

    def __str__(self) -> str:
        return f"{self.epochs} epochs: {self.kendall}, {self.gain:+.4f} in the mean; {self.factor}"


@dataclass(frozen=True, slots=True)
class Trust:
    """How far trainings of `epochs` may be trusted.

    Args:
        epochs: of the short trainings.
        checks: by rising epochs.
        law: of accuracy against (cost, epochs); None where the trainings do not determine one.
        why: says why there is no law; empty where there is one.
    """

    epochs: int
    checks: tuple[FidelityCheck, ...]
    law: LawFit | None
    why: str

    @property
    def upto(self) -> int:
        """The epochs up to which all trainings that were checked surely order networks alike."""
        reached = self.epochs
        for check in self.checks:
            if not check.holds:
                break
            reached = check.epochs
        return reached

    @property
    def verdict(self) -> str:
        """One sentence for people."""
        if self.upto == self.epochs:
            return (
                f"trainings of {self.checks[0].epochs} epochs are not shown to order networks as those of {self.epochs}"
                " do: trust the rule for trainings like the fit's only"
            )
        doubtful = [check.epochs for check in self.checks if check.epochs > self.upto]
        beyond = (
            f"; at {doubtful[0]} that is not shown" if doubtful else ", beyond which nothing was measured"
        )
        return f"trainings of up to {self.upto} epochs order networks as those of {self.epochs} do{beyond}"

    def __str__(self) -> str:
        return "\n".join(
            [self.verdict, *map(str, self.checks), self.why or f"accuracy = {self.law and self.law.law}"]
        )

    def to_json(self) -> str:
        """Returns the result as one line of JSON."""
        return plain_json.dumps(self)

    @classmethod
    def from_json(cls, text: str) -> Trust:
        """Returns the result that `to_json` wrote."""
        return plain_json.loads(cls, text)


def trust(points: Sequence[FidelityPoint], *, level: float = 0.95) -> Trust:
    """Returns how far the shortest of some trainings may be trusted.

    Args:
        points: trainings of different networks; several of one network and length are averaged. Networks that were
            trained only for the shortest time are left out.
        level: confidence of the intervals, in (0, 1).

    Raises:
        ScalingError: a number is not finite; all trainings have one length; or of one length there are fewer than
            six networks, or all have one accuracy or one cost.

    Example:
        >>> short = [FidelityPoint(str(cost), cost, 5, 0.9 - 0.3 * cost**-0.5) for cost in range(1, 8)]
        >>> long = [FidelityPoint(str(cost), cost, 20, 0.95 - 0.2 * cost**-0.5) for cost in range(1, 8)]
        >>> trust([*short, *long]).upto
        20
    """
    numbers("accuracies", [point.accuracy for point in points], ndim=1)
    numbers("costs", [point.cost for point in points], ndim=1, positive=True)
    lengths = sorted({point.epochs for point in points})
    if len(lengths) < 2:
        raise ScalingError(
            f"trainings must have two lengths to be compared, got {lengths or 'none'}; train some for longer"
        )
    shortest, *longer = lengths
    means = _means(points)
    checks = tuple(_check(means, shortest, epochs, level) for epochs in longer)
    again = {network for network, epochs in means if epochs != shortest}
    used = [point for point in points if point.network in again]
    try:
        law = fit_law(
            [(point.cost, point.epochs) for point in used],
            [point.accuracy for point in used],
            variables=("cost", "epochs"),
            level=level,
        )
    except ScalingError as error:
        return Trust(shortest, checks, None, f"no law of (cost, epochs): {error}")
    return Trust(shortest, checks, law, "")


@dataclass(frozen=True, slots=True)
class _Mean:
    """Of a network's trainings of one length."""

    cost: float
    accuracy: float
    num: int


def _means(points: Sequence[FidelityPoint]) -> dict[tuple[str, int], _Mean]:
    """Returns the mean of every network and length."""
    grouped: dict[tuple[str, int], list[FidelityPoint]] = {}
    for point in points:
        grouped.setdefault((point.network, point.epochs), []).append(point)
    return {
        key: _Mean(same[0].cost, fmean(one.accuracy for one in same), len(same))
        for key, same in grouped.items()
    }


def _check(means: dict[tuple[str, int], _Mean], shortest: int, epochs: int, level: float) -> FidelityCheck:
    """Compares the networks that were trained both for the shortest time and for `epochs`."""
    networks = [name for name, length in means if length == epochs and (name, shortest) in means]
    sides = [[means[name, length] for name in networks] for length in (shortest, epochs)]
    short, long = (np.array([one.accuracy for one in side]) for side in sides)
    kendall = rank_correlation(short, long, level=level)
    spearman = rank_correlation(short, long, kind="spearman", level=level)
    lacking = [np.maximum(1.0 - side, LEAST_LACKING) for side in (short, long)]
    # Noise in an accuracy is noise in the logarithm of what is lacking, divided by that.
    nums = [np.array([one.num for one in side]) for side in sides]
    variances = sum(1.0 / (num * left**2) for num, left in zip(nums, lacking, strict=True))
    costs = np.array([one.cost for one in sides[0]])
    factor = _factor(np.log2(costs), np.log(lacking[1] / lacking[0]), 1.0 / variances, level)
    return FidelityCheck(epochs, kendall, spearman, float((long - short).mean()), factor)


def _factor(doublings: Array, shrunk: Array, weights: Array, level: float) -> Estimate:
    """Returns the factor of each doubling of the cost: the slope of a weighted line, with Student's interval."""
    if np.ptp(doublings) == 0.0:
        raise ScalingError("networks must differ in cost, got one cost; train others for longer, too")
    centred = doublings - np.average(doublings, weights=weights)
    spread = float(weights @ centred**2)
    slope = float((weights * centred) @ shrunk) / spread
    rest = shrunk - np.average(shrunk, weights=weights) - slope * centred
    dof = len(shrunk) - 2
    reach = float(stdtrit(dof, 0.5 + level / 2.0)) * math.sqrt(float(weights @ rest**2) / dof / spread)
    bounds = (math.exp(slope - reach), math.exp(slope + reach))
    return Estimate("factor of errors a doubling of the cost", math.exp(slope), *bounds)
