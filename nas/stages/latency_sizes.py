"""Sizes of a family by their latency: the MACs are sought whose network, the nearest to the rule, takes as long.

A latency is no arithmetic, and never twice the same. So a handful of networks on the rule is timed, on the machine
where the stage runs, and what was found is written to the ledger with the member's plan: a stage that goes on, there
or elsewhere, trains what was decided and times nothing again.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from nas.stages.baseline import Baseline, SmallTarget
from nas.stages.forecast import size_called
from nas.stages.scaled_trainings import ScaledTraining
from scaling_rules import Member, Regularisation, ScalingRule, family, member_at
from search_space import Architecture

Clock = Callable[[Architecture], float]  # milliseconds of one image

TOLERANCE = 0.05  # of a target; two timings of one network differ by about as much
MOST_TIMED = 10
_STEP = 1.1  # of MACs, at least, while no network was too slow


@dataclass(eq=False)
class LatencySizes:
    """Finds a baseline's members of some latency; what an earlier session has decided stays as it is.

    Args:
        baseline: what grows.
        decided: trainings that the ledger holds.
        clock: times a network.
        told: is told in words of each that is timed.
        as_built: names of the rules that are in multipliers as built.
    """

    baseline: Baseline
    decided: Sequence[ScaledTraining]
    clock: Clock
    told: Callable[[str], None]
    as_built: Collection[str] = ()
    _times: dict[str, float] = field(default_factory=dict)

    def member(
        self, name: str, rule: ScalingRule, target_ms: float, regularisation: Regularisation
    ) -> Member:
        """Returns the member of a rule that takes a time; its cost and its target are milliseconds.

        Args:
            name: of the rule.
            rule: how to grow.
            target_ms: greater than 0.
            regularisation: how it grows along.

        Raises:
            SmallTarget: the baseline takes longer.
            ScalingError: the rule's table ends before.
        """
        macs, size = self.baseline.macs, size_called(target_ms)
        for one in self.decided:
            if (one.rule, one.size) == (name, size) and one.latency_ms is not None:
                member = member_at(one.multipliers, macs, regularisation=regularisation)
                return _in_ms(member, one.latency_ms, target_ms)
        built_of = self.baseline.built if name in self.as_built else None

        def timed(macs_wanted: float) -> tuple[float, Member]:
            [found] = family(
                rule, macs, targets=[macs_wanted], built_of=built_of, regularisation=regularisation
            )
            return self._timed(self.baseline.scaled(**found.multipliers)), found

        least = self._timed(self.baseline.architecture)
        if target_ms < least * (1.0 - TOLERANCE):
            raise SmallTarget(
                f"a family grows, so `grow.latency` must be at least the baseline's {least:.3g} ms here,"
                f" got {target_ms:g} ms; shrink with a negative phi"
            )
        ms, member = _nearest(timed, float(macs(depth=1.0, width=1.0, resolution=1.0)), least, target_ms)
        return _in_ms(member, ms, target_ms)

    def _timed(self, network: Architecture) -> float:
        if network.digest not in self._times:
            self._times[network.digest] = self.clock(network)
            self.told(
                f"timed   {network.digest[:12]} of {network.resolution} pixels:"
                f" {self._times[network.digest]:.3g} ms"
            )
        return self._times[network.digest]


def _nearest(
    timed: Callable[[float], tuple[float, Member]], base: float, least: float, target: float
) -> tuple[float, Member]:
    """Returns the time and the member that is nearest to a target, of those that a search by MACs comes across.

    Between the slowest that is quick enough and the quickest that is too slow the next is where a straight line of
    logarithms meets the target, but never so close to an end that the search would creep.
    """
    low, high = (math.log(base), math.log(least)), None
    goal, at = math.log(target), math.log(base * target / least)
    found: dict[float, tuple[float, Member]] = {}
    for _ in range(MOST_TIMED):
        at = max(at, math.log(base))
        ms, member = timed(math.exp(at))
        found[member.cost] = ms, member
        if abs(ms / target - 1.0) <= TOLERANCE / 2.0:
            break
        here = at, math.log(ms)
        if ms < target:
            low = max(low, here)
        else:
            high = here if high is None else min(high, here)
        if high is None:
            at = low[0] + max(goal - low[1], math.log(_STEP))
            continue
        if high[0] - low[0] < math.log1p(TOLERANCE / 4.0):
            break
        share = (goal - low[1]) / (high[1] - low[1]) if high[1] > low[1] else 0.5
        at = low[0] + min(max(share, 0.1), 0.9) * (high[0] - low[0])
    return min(found.values(), key=lambda one: abs(math.log(one[0]) - goal))


def _in_ms(member: Member, ms: float, target_ms: float) -> Member:
    """Returns a member whose cost and target are milliseconds."""
    is_met = abs(ms / target_ms - 1.0) <= TOLERANCE
    return dataclasses.replace(member, name=size_called(target_ms), cost=ms, target=target_ms, met=is_met)
