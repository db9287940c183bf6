"""A family of networks: a baseline grown by a rule to chosen sizes, with regularisation that grows along.

Rounding happens where networks are built, so a family asks what a scaled network really costs and searches around the
rule for the nearest one that costs what was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scaling_rules.errors import ScalingError, numbers
from scaling_rules.nearest_network import BuiltOf, CostOf, Reader, nearest_network
from scaling_rules.rule import Multipliers, ScalingRule

TOLERANCE = 0.02  # of a target's cost


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
        target: the cost that was asked for, or that the rule promises at a phi; None where a table says the sizes.
        met: whether the cost is within the tolerance of the target; else no network near the rule is.
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
        phis: compound coefficients; negative ones shrink. A power rule's cost at phi is a target like any other; a
            table's sizes are built as they stand there.
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
    baseline = cost_of(depth=1.0, width=1.0, resolution=1.0)

    def member(name: str, chosen: Multipliers, target: float | None) -> Member:
        return member_at(
            chosen, cost_of, name=name, target=target, tolerance=tolerance, regularisation=regularisation
        )

    def meeting(target: float) -> Multipliers:
        return nearest_network(rule, cost_of, target, tolerance=tolerance, built_of=built_of)

    def by_phi(phi: float) -> Member:
        multiple = rule.promised_cost(phi)
        if multiple is None or phi == 0.0:
            return member(f"phi {phi:g}", Reader(built_of).of(rule.multipliers(phi=phi)), None)
        return member(f"phi {phi:g}", meeting(baseline * multiple), baseline * multiple)

    grown_to = [member(f"target {target:.4g}", meeting(target), target) for target in targets]
    return (*map(by_phi, phis), *grown_to)


def member_at(
    chosen: Multipliers,
    cost_of: CostOf,
    *,
    name: str = "",
    target: float | None = None,
    tolerance: float = TOLERANCE,
    regularisation: Regularisation | None = None,
) -> Member:
    """Returns the member of multipliers that are known.

    Args:
        chosen: what to give to `scale`.
        cost_of: what a scaled and rounded network costs.
        name: for people.
        target: the cost that was asked for, if one was.
        tolerance: share of the target by which the member may miss it.
        regularisation: how dropout, drop-path and augmentation grow; EfficientNet's when left out.
    """
    ramps, price = regularisation or Regularisation(), cost_of(**chosen)
    grown = price / cost_of(depth=1.0, width=1.0, resolution=1.0)
    return Member(
        name,
        **chosen,
        cost=price,
        target=target,
        met=target is None or abs(price / target - 1.0) <= tolerance,
        dropout=ramps.dropout.at(grown),
        drop_path=ramps.drop_path.at(grown),
        augmentation=ramps.augmentation.at(grown),
    )
