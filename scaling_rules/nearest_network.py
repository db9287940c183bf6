"""The network nearest to a rule that costs a target: a search over all that rounding lets be built near the rule.

Pixels are whole, channels are multiples of a divisor and repeats are rounded up, so that each dimension grows in steps
and a target may be met only a little off the rule. What is built is known through functions of multipliers alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Literal, Protocol

from scaling_rules.errors import ScalingError
from scaling_rules.rule import Multipliers, ScalingRule

NUDGE = 1.15  # the largest factor by which one dimension may leave the rule to meet a target
# How far is looked for a network, as logarithms: most targets are met near, and few networks are there.
REACHES = (0.01, 0.03, 0.06, 0.1, math.log(NUDGE))
PIECES = 1_024  # into which a reach is cut: a step narrower than one of them may be missed
FEW_PIECES = 64  # of them, where every one is a step: the cost grows without steps, and some stand for all
BISECTIONS = 24  # of a range of at most the 64-fold: exact to a millionth

Dimension = Literal["depth", "width", "resolution"]
DIMENSIONS: tuple[Dimension, ...] = ("depth", "width", "resolution")


class CostOf(Protocol):
    """What the baseline costs when scaled and rounded, in any unit: `lambda **m: cost(scale(b0, **m)).macs`.

    It must not fall as a factor rises. (It does at a width of 1 where the baseline's channels are no multiples of the
    divisor: 1 leaves 12 channels, 0.99 rounds them to 16. Networks below 1 may then be passed over.)
    """

    def __call__(self, *, depth: float, width: float, resolution: float) -> float: ...


class BuiltOf(Protocol):
    """What is built for nominal multipliers, each dimension by itself: a depth of 1.1 may build 1.4 times the layers.

    It must not fall as a factor rises.
    """

    def __call__(self, *, depth: float, width: float, resolution: float) -> Multipliers: ...


@dataclass(frozen=True, slots=True)
class Level:
    """What rounding makes of a stretch of one dimension's factors.

    Attributes:
        factor: the nominal one that is nearest to the rule among those that build the same.
        beyond: by how much that (or what it builds) is above the rule's, as a logarithm.
    """

    factor: float
    beyond: float

    @property
    def distance(self) -> float:
        """How far it is from the rule, as a logarithm of at least 0."""
        return abs(self.beyond)


def nearest_network(
    rule: ScalingRule,
    cost_of: CostOf,
    target: float,
    *,
    tolerance: float,
    built_of: BuiltOf | None = None,
) -> Multipliers:
    """Returns nominal multipliers of the network nearest to a rule whose cost is within the tolerance of a target.

    Nearest is whose dimension that is farthest from the rule is nearest: from where the rule's own networks begin to
    cost more than the target (which rounding up lets them do early), or, for a rule in what is built, from what it says
    at the target. Where no network near the rule meets the target, the result is the one among them that is nearest in
    cost. A dimension that the rule leaves as it is stays as it is.

    Args:
        rule: how to grow.
        cost_of: what a scaled and rounded network costs.
        target: in the unit of `cost_of`, greater than 0.
        tolerance: share of the target, at least 0.
        built_of: what nominal multipliers build, for a rule in multipliers as built.

    Raises:
        ScalingError: the rule's table ends before the target.
    """
    reader = Reader(built_of)
    baseline = cost_of(depth=1.0, width=1.0, resolution=1.0)
    log_multiple = math.log(target / baseline)
    bracket = _bracket(rule, log_multiple)
    if built_of is None:
        below, above = bisected(lambda at: cost_of(**rule.multipliers(cost=math.exp(at))), target, *bracket)
        log_multiple = (below + above) / 2.0
    ideal = rule.multipliers(cost=math.exp(log_multiple))
    moving = [name for name in DIMENSIONS if _moves(rule, name, bracket)]
    search = _Search(cache(_by_position(cost_of)), target, tolerance)
    nominal = reader.of(ideal)
    levels: dict[Dimension, list[Level]] = {}
    for reach in REACHES:
        for name in DIMENSIONS:
            here = reader.levels(name, cost_of, nominal, ideal[name], reach) if name in moving else []
            levels[name] = here or [Level(nominal[name], 0.0)]
        found = search.meeting(levels)
        if found is not None and found[0] <= reach:
            return found[1]
    found = search.meeting(levels)
    return found[1] if found is not None else search.nearest_in_cost(levels)


@dataclass(frozen=True, slots=True)
class Reader:
    """Turns what a rule says into nominal multipliers, and these into what counts: them, or what they build."""

    built_of: BuiltOf | None

    def of(self, ideal: Multipliers) -> Multipliers:
        """Returns the nominal multipliers whose network comes nearest to `ideal`."""
        return Multipliers(
            depth=self._one("depth", ideal["depth"]),
            width=self._one("width", ideal["width"]),
            resolution=self._one("resolution", ideal["resolution"]),
        )

    def levels(
        self, dimension: Dimension, cost_of: CostOf, nominal: Multipliers, ideal: float, reach: float
    ) -> list[Level]:
        """Returns what can be built of one dimension near the rule, by rising factors.

        Args:
            dimension: which.
            cost_of: tells what is built apart: two networks that differ in one dimension alone differ in cost.
            nominal: of the rule.
            ideal: what the rule says of the dimension.
            reach: how far to look, as a logarithm; where nothing is so near, the next step to each side.
        """
        start, wanted = math.log(nominal[dimension]), math.log(ideal)

        def cost_at(log_factor: float) -> float:
            return cost_of(**_with(nominal, dimension, math.exp(log_factor)))

        def built_at(log_factor: float) -> float:
            return math.log(self._built_at(dimension, log_factor))

        ends = start - reach, start + reach
        if self.built_of is not None:
            around = start - 2.0 * math.log(2.0), start + 2.0 * math.log(2.0)
            ends = (
                bisected(built_at, wanted - reach, *around)[0],
                bisected(built_at, wanted + reach, *around)[1],
            )
        found = []
        for low, high in _stretches(cost_at, *ends):
            at = min(max(start, low), high)
            factor = nominal[dimension] if at == start else math.exp(at)
            found.append(Level(factor, built_at(at) - wanted))
        # no steps but pieces: all of three dimensions would be a billion networks
        if len(found) > PIECES // 2:
            kept = {
                *range(0, len(found), PIECES // FEW_PIECES),
                min(range(len(found)), key=lambda k: found[k].distance),
            }
            found = [found[place] for place in sorted(kept)]
        return _near(found, reach)

    def _built_at(self, dimension: Dimension, log_factor: float) -> float:
        """Returns what one dimension's factor builds."""
        if self.built_of is None:
            return math.exp(log_factor)
        alone = _with(Multipliers(depth=1.0, width=1.0, resolution=1.0), dimension, math.exp(log_factor))
        return self.built_of(**alone)[dimension]

    def _one(self, dimension: Dimension, ideal: float) -> float:
        """Returns one dimension's nominal multiplier."""

        def built_at(log_factor: float) -> float:
            return self._built_at(dimension, log_factor)

        as_named = math.log(ideal)
        if self.built_of is None or abs(built_at(as_named) / ideal - 1.0) < 1e-9:
            return ideal
        reach = math.log(2.0)  # rounding up one repeat doubles it
        ends = bisected(built_at, ideal, as_named - reach, as_named + reach)
        return math.exp(min(ends, key=lambda end: abs(math.log(built_at(end) / ideal))))


def _near(levels: Sequence[Level], reach: float) -> list[Level]:
    """Returns the levels within reach; where steps are so large that none is, the last below and the first above."""
    within = [level for level in levels if level.distance <= reach + 1e-9]
    if within:
        return within
    below = [level for level in levels if level.beyond < 0.0]
    return [*below[-1:], *[level for level in levels if level.beyond > 0.0][:1]]


Levels = Mapping[Dimension, Sequence[Level]]
Chosen = Mapping[Dimension, Level]
Cost = Callable[[float, float, float], float]  # of depth, width and resolution


@dataclass(frozen=True, slots=True)
class _Line:
    """The networks that differ in one dimension alone, by rising costs."""

    fixed: Chosen
    along: Dimension
    levels: Sequence[Level]

    def at(self, place: int) -> Chosen:
        return {**self.fixed, self.along: self.levels[place]}


@dataclass(frozen=True, slots=True)
class _Search:
    """Looks for a target among all networks of some levels; what a network costs is asked once."""

    cost: Cost
    target: float
    tolerance: float

    def meeting(self, levels: Levels) -> tuple[float, Multipliers] | None:
        """Returns the nearest network within the tolerance, with its distance from the rule; None: there is none."""
        best: tuple[float, float, Multipliers] | None = None
        least = self.target * (1.0 - self.tolerance)
        [first, second, along] = _by_number(levels)
        for one in sorted(levels[first], key=_distance):
            if best is not None and one.distance > best[0]:
                break  # this and all that follow are farther than what is found
            for other in sorted(levels[second], key=_distance):
                if best is not None and other.distance > best[0]:
                    break
                line = _Line({first: one, second: other}, along, levels[along])
                for place in range(self._first_above(line, least), len(levels[along])):
                    chosen = line.at(place)
                    miss = self._miss(chosen)
                    if miss > self.tolerance:
                        break
                    distance = max(level.distance for level in chosen.values())
                    if best is None or (distance, miss) < best[:2]:
                        best = distance, miss, _factors(chosen)
        return None if best is None else (best[0], best[2])

    def nearest_in_cost(self, levels: Levels) -> Multipliers:
        """Returns the network of the smallest difference to the target."""
        [*others, along] = _by_number(levels)
        lines = (
            _Line(dict(zip(others, fixed, strict=True)), along, levels[along])
            for fixed in product(*(levels[name] for name in others))
        )

        def key(chosen: Chosen) -> tuple[float, float]:
            return self._miss(chosen), max(level.distance for level in chosen.values())

        return _factors(min((chosen for line in lines for chosen in self._around_target(line)), key=key))

    def _around_target(self, line: _Line) -> list[Chosen]:
        """Returns the last network of a line below the target, and the first above."""
        above = self._first_above(line, self.target)
        return [line.at(place) for place in (above - 1, above) if 0 <= place < len(line.levels)]

    def _first_above(self, line: _Line, cost: float) -> int:
        """Returns where a line of rising networks reaches a cost; its length where it does not."""
        low, high = 0, len(line.levels)
        while low < high:
            middle = (low + high) // 2
            if self._cost(line.at(middle)) < cost:
                low = middle + 1
            else:
                high = middle
        return low

    def _miss(self, chosen: Chosen) -> float:
        return abs(self._cost(chosen) / self.target - 1.0)

    def _cost(self, chosen: Chosen) -> float:
        return self.cost(*(chosen[name].factor for name in DIMENSIONS))


def _by_number(levels: Levels) -> list[Dimension]:
    """Returns the dimensions by their number of levels."""
    return sorted(DIMENSIONS, key=lambda name: len(levels[name]))


def _distance(level: Level) -> float:
    return level.distance


def _factors(chosen: Chosen) -> Multipliers:
    depth, width, resolution = (chosen[name].factor for name in DIMENSIONS)
    return Multipliers(depth=depth, width=width, resolution=resolution)


def _by_position(cost_of: CostOf) -> Cost:
    return lambda depth, width, resolution: cost_of(depth=depth, width=width, resolution=resolution)


def _with(factors: Multipliers, dimension: Dimension, factor: float) -> Multipliers:
    changed = factors.copy()
    changed[dimension] = factor
    return changed


def _moves(rule: ScalingRule, dimension: Dimension, log_multiples: tuple[float, float]) -> bool:
    """Returns whether the rule changes a dimension at all."""
    low, high = (rule.multipliers(cost=math.exp(at))[dimension] for at in log_multiples)
    return not (math.isclose(low, 1.0, rel_tol=1e-9) and math.isclose(high, 1.0, rel_tol=1e-9))


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


def bisected(
    value_at: Callable[[float], float], target: float, low: float, high: float
) -> tuple[float, float]:
    """Returns where a rising step function passes a target: the last below and the first above."""
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        if value_at(middle) <= target:
            low = middle
        else:
            high = middle
    return low, high


def _stretches(value_at: Callable[[float], float], low: float, high: float) -> list[tuple[float, float]]:
    """Returns the stretches, both ends included, on which a rising step function stays the same."""
    finest = (high - low) / PIECES
    edges: list[tuple[float, float]] = []
    waiting = [(low, value_at(low), high, value_at(high))]
    while waiting:
        left, at_left, right, at_right = waiting.pop()
        if at_left == at_right:
            continue
        if right - left <= finest:
            edges.append((left, right))
            continue
        middle = (left + right) / 2.0
        at_middle = value_at(middle)
        waiting += [(left, at_left, middle, at_middle), (middle, at_middle, right, at_right)]
    starts = sorted([low, *(right for _, right in edges)])
    stops = sorted([*(left for left, _ in edges), high])
    return list(zip(starts, stops, strict=True))
