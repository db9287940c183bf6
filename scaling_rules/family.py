"""A family of networks: a baseline grown by a rule to chosen sizes, with regularisation that grows along.

Rounding happens where networks are built, so a family asks what a scaled network really costs and, for a target,
searches around the rule for the nearest one that costs it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from scaling_rules.errors import ScalingError, numbers
from scaling_rules.rule import Multipliers, ScalingRule

TOLERANCE = 0.02  # of a target's cost
NUDGE = 1.15  # the largest factor by which one dimension may leave the rule to meet a target
BISECTIONS = 40

Dimension = Literal["depth", "width", "resolution"]


class CostOf(Protocol):
    """What the baseline costs when scaled and rounded, in any unit: `lambda **m: cost(scale(b0, **m)).macs`.

    It must not fall as a factor rises.
    """

    def __call__(self, *, depth: float, width: float, resolution: float) -> float: ...


class BuiltOf(Protocol):
    """What is built for nominal multipliers, each dimension by itself: a depth of 1.1 may build 1.4 times the layers.

    It must not fall as a factor rises.
    """

    def __call__(self, *, depth: float, width: float, resolution: float) -> Multipliers: ...


@dataclass(frozen=True, slots=True)
class Ramp:
    """A setting that rises by a fixed step with every doubling of the cost, between two bounds."""

    baseline: float
    per_doubling: float
    least: float
    most: float

    def at(self, cost_multiple: float) -> float:
        """Returns the setting for a network of that multiple of the baseline's cost."""
        return min(max(self.baseline + self.per_doubling * math.log2(cost_multiple), self.least), self.most)


@dataclass(frozen=True, slots=True)
class Regularisation:
    """How regularisation grows.

    Attributes:
        dropout: before the classifier; EfficientNet's goes from 0.2 (B0) to 0.5 (B7, 98 times the MACs).
        drop_path: rate of the last block; the released EfficientNets keep 0.2.
        augmentation: strength as a share of the strongest; the released Noisy Student settings go from magnitude 6
            (B2) to 27 (B7) of 30.
    """

    dropout: Ramp = Ramp(0.2, 0.045, 0.0, 0.5)
    drop_path: Ramp = Ramp(0.2, 0.0, 0.0, 0.5)
    augmentation: Ramp = Ramp(0.02, 0.133, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Member:
    """One size of a family.

    Attributes:
        name: for people.
        depth, width, resolution: what to give to `scale`.
        cost: of the rounded network, in the unit of `cost_of`.
        target: asked for; None where a phi was.
        met: whether the cost is within the tolerance of the target; the nearest possible otherwise.
        dropout, drop_path, augmentation: as `Regularisation` has them at this size.
    """

    name: str
    depth: float
    width: float
    resolution: float
    cost: float
    target: float | None
    met: bool
    dropout: float
    drop_path: float
    augmentation: float

    @property
    def multipliers(self) -> Multipliers:
        """What to give to `scale`."""
        return Multipliers(depth=self.depth, width=self.width, resolution=self.resolution)


def family(
    rule: ScalingRule,
    cost_of: CostOf,
    *,
    phis: Sequence[float] = (),
    targets: Sequence[float] = (),
    built_of: BuiltOf | None = None,
    tolerance: float = TOLERANCE,
    regularisation: Regularisation | None = None,
) -> tuple[Member, ...]:
    """Returns the members of a family: one per phi, then one per target.

    Args:
        rule: how to grow.
        cost_of: what a scaled and rounded network costs.
        phis: compound coefficients; negative ones shrink.
        targets: costs in the unit of `cost_of` (MACs, parameters, milliseconds), greater than 0.
        built_of: for a rule in multipliers as built (such as `fit_rule` gives), what nominal ones build, so that the
            members' layers and channels are the rule's; left out, the rule's numbers are given to `scale`.
        tolerance: share of a target by which a member may miss it, at least 0.
        regularisation: how dropout, drop-path and augmentation grow; EfficientNet's when left out.

    Raises:
        ScalingError: there is neither a phi nor a target, a target is not positive, or the rule's table ends before.

    Example:
        >>> from scaling_rules import named_rule
        >>> macs = lambda *, depth, width, resolution: 400e6 * depth * width**2 * resolution**2
        >>> [small, large] = family(named_rule("efficientnet"), macs, phis=[0], targets=[800e6])
        >>> round(large.cost / 1e6)
        800
    """
    numbers("phis", phis, ndim=1)
    numbers("targets", targets, ndim=1, positive=True)
    if not phis and not targets:
        raise ScalingError("a family needs `phis` or `targets`, got neither; name a size")
    ramps = regularisation or Regularisation()
    nominal = _Nominal(rule, built_of)
    baseline = cost_of(depth=1.0, width=1.0, resolution=1.0)

    def member(name: str, chosen: Multipliers, target: float | None) -> Member:
        cost = cost_of(**chosen)
        met = target is None or abs(cost / target - 1.0) <= tolerance
        grown = cost / baseline
        settings = (ramps.dropout.at(grown), ramps.drop_path.at(grown), ramps.augmentation.at(grown))
        factors = (chosen["depth"], chosen["width"], chosen["resolution"])
        return Member(name, *factors, cost, target, met, *settings)

    by_phi = [member(f"phi {phi:g}", nominal.of(rule.multipliers(phi=phi)), None) for phi in phis]
    by_target = [
        member(f"target {target:.4g}", _meeting(nominal, cost_of, target, (baseline, tolerance)), target)
        for target in targets
    ]
    return (*by_phi, *by_target)


@dataclass(frozen=True, slots=True)
class _Nominal:
    """A rule, and the nominal multipliers that build what it says."""

    rule: ScalingRule
    built_of: BuiltOf | None

    def at(self, log_multiple: float) -> Multipliers:
        """Returns the nominal multipliers at the logarithm of a cost multiple."""
        return self.of(self.rule.multipliers(cost=math.exp(log_multiple)))

    def of(self, ideal: Multipliers) -> Multipliers:
        """Returns the nominal multipliers whose network comes nearest to `ideal`."""
        return Multipliers(
            depth=self._one("depth", ideal["depth"]),
            width=self._one("width", ideal["width"]),
            resolution=self._one("resolution", ideal["resolution"]),
        )

    def built(self, nominal: Multipliers) -> Multipliers:
        """Returns what nominal multipliers build."""
        return self.built_of(**nominal) if self.built_of else nominal

    def _one(self, dimension: Dimension, ideal: float) -> float:
        """Returns one dimension's nominal multiplier."""

        def built_at(log_factor: float) -> float:
            nominal = Multipliers(depth=1.0, width=1.0, resolution=1.0)
            nominal[dimension] = math.exp(log_factor)
            return self.built(nominal)[dimension]

        as_named = math.log(ideal)
        if self.built_of is None or abs(built_at(as_named) / ideal - 1.0) < 1e-9:
            return ideal
        reach = math.log(2.0)  # rounding up one repeat doubles it
        ends = _bisected(built_at, ideal, as_named - reach, as_named + reach)
        return math.exp(min(ends, key=lambda end: abs(math.log(built_at(end) / ideal))))


def _meeting(
    nominal: _Nominal, cost_of: CostOf, target: float, baseline_and_tolerance: tuple[float, float]
) -> Multipliers:
    """Returns the multipliers nearest to the rule whose network costs the target, or the nearest cost."""
    baseline, tolerance = baseline_and_tolerance
    low, high = _bracket(nominal.rule, math.log(target / baseline))
    below, above = _bisected(lambda at: cost_of(**nominal.at(at)), target, low, high)
    ideal = nominal.rule.multipliers(cost=math.exp((below + above) / 2.0))
    ends = (nominal.at(below), nominal.at(above))
    candidates = [moved for end in ends for moved in _nudged(end, cost_of, target)]
    misses = [abs(cost_of(**candidate) / target - 1.0) for candidate in candidates]
    meeting = [item for item, miss in zip(candidates, misses, strict=True) if miss <= tolerance]
    if not meeting:
        return candidates[misses.index(min(misses))]
    return min(meeting, key=lambda candidate: _distance(nominal.built(candidate), ideal))


def _bracket(rule: ScalingRule, start: float) -> tuple[float, float]:
    """Returns logarithms of cost multiples around a start at which the rule has multipliers.

    Rounding up repeats can double a small network's cost, so the search reaches to an eighth and to the eightfold.
    """
    rule.multipliers(cost=math.exp(start))  # a table says here that it ends before
    reaches = [math.log(8.0) * share for share in (1.0, 0.5, 0.25, 0.1, 0.0)]
    low = next(start - reach for reach in reaches if _has(rule, start - reach))
    high = next(start + reach for reach in reaches if _has(rule, start + reach))
    return low, high


def _has(rule: ScalingRule, log_multiple: float) -> bool:
    try:
        rule.multipliers(cost=math.exp(log_multiple))
    except ScalingError:
        return False
    return True


def _bisected(
    cost_at: Callable[[float], float], target: float, low: float, high: float
) -> tuple[float, float]:
    """Returns where a rising step function passes a target: the last below and the first above."""
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        if cost_at(middle) <= target:
            low = middle
        else:
            high = middle
    return low, high


def _nudged(start: Multipliers, cost_of: CostOf, target: float) -> Iterator[Multipliers]:
    """Yields a network and what becomes of it when one dimension alone is moved to meet the target."""
    yield start
    reach = math.log(NUDGE)
    for moved in ({"resolution"}, {"width"}, {"depth"}, {"width", "resolution"}):

        def at(log_factor: float, moved: set[str] = moved) -> Multipliers:
            factor = math.exp(log_factor)
            return Multipliers(
                depth=start["depth"] * (factor if "depth" in moved else 1.0),
                width=start["width"] * (factor if "width" in moved else 1.0),
                resolution=start["resolution"] * (factor if "resolution" in moved else 1.0),
            )

        def cost_at(log_factor: float, at: Callable[[float], Multipliers] = at) -> float:
            return cost_of(**at(log_factor))

        below, above = _bisected(cost_at, target, -reach, reach)
        yield at(below)
        yield at(above)


def _distance(first: Multipliers, second: Multipliers) -> float:
    """Returns the largest ratio of a pair of factors, as a logarithm."""
    pairs = (
        (first["depth"], second["depth"]),
        (first["width"], second["width"]),
        (first["resolution"], second["resolution"]),
    )
    return max(abs(math.log(a / b)) for a, b in pairs)
