"""Sampling inside a budget: points whose MACs and parameters lie in given windows.

Where the cost separates into tables (a staged space), the draw is exactly uniform over the points in the
window. The ways to spend a cost are counted backwards, section by section, with costs rounded to bins; a
path is drawn forwards in proportion to the ways to end in the window, widened by what the rounding can do,
and rejected if its exact cost is outside. Every point of the window is proposed with one and the same
probability, so what is accepted is uniform, up to the rounding of float64 counts (about 1e-12). Tries are
bounded, so nothing can hang.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_space.schema import shown
from search_space.spaces.costs import Costs, Integers, Table
from search_space.spaces.errors import SpaceError

Window = tuple[float, float]
Point = tuple[int, ...]

MAX_BINS = 8_192
MAX_COUNTS = 2_000_000  # of all states together, on one ladder; two sums of 8 bytes each
DRAWS = (1, 15, 240, *(512,) * 8)  # proposals at a time: most windows need one
WALK_BATCHES, WALK_BATCH, WALK_STEPS = 8, 256, 2_000
QUANTITIES = ("macs", "params")


@dataclass(frozen=True, slots=True)
class Windows:
    """Lowest and highest MACs and parameters, both ends included; None leaves a quantity free.

    Raises:
        SpaceError: an end is no finite number, or the lowest is above the highest.
    """

    macs: Window | None = None
    params: Window | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in self.active():
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise SpaceError(
                    f"{name} must be two finite numbers, the lower one first, got {shown((low, high))}; "
                    "swap or correct them"
                )

    def active(self) -> list[tuple[str, Window]]:
        """Returns the quantities that are bounded, with their windows."""
        return [(name, window) for name in QUANTITIES if (window := getattr(self, name)) is not None]

    def distance(self, costs: Costs) -> NDArray[np.float64]:
        """Returns how far outside each architecture is, as a share of the window's nearer end; 0 inside."""
        total = np.zeros(len(costs))
        for name, (low, high) in self.active():
            value = getattr(costs, name)
            total += np.maximum(low - value, 0) / max(low, 1.0) + np.maximum(value - high, 0) / max(high, 1.0)
        return total

    def __str__(self) -> str:
        return " and ".join(f"{name} in [{low:,.0f}, {high:,.0f}]" for name, (low, high) in self.active())


class WindowSampler:
    """Draws from the points of a staged space that lie in given windows."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._tables = tables
        self._reach = {name: _reachable(tables, row) for row, name in enumerate(QUANTITIES)}
        self._ladder: dict[tuple[str, int], Ladder] = {}

    def draw(self, windows: Windows, rng: np.random.Generator) -> Point:
        """Returns a point in the windows, all of them equally likely.

        With two windows, the points are drawn by the one that fewer points satisfy, and rejected by the
        other.

        Raises:
            SpaceError: the windows hold no point, or so few beside their edges that the bounded tries found
                none.
        """
        for name, (low, high) in windows.active():
            lowest, highest = self._reach[name]
            if high < lowest or low > highest:
                raise SpaceError(
                    f"{name} must reach into what the space has, {lowest:,} to {highest:,}, got "
                    f"[{low:,.0f}, {high:,.0f}]; move the window"
                )
        ladders = [(self._ladder_of(name, window[1]), window) for name, window in windows.active()]
        ladder, window = min(ladders, key=lambda pair: pair[0].ways(pair[1]))
        nearest = math.inf
        for num in DRAWS if ladder.ways(window) else ():
            points, costs = ladder.propose(window, rng, num)
            distance = windows.distance(costs)
            if not distance.min():
                return tuple(points[int(distance.argmin())].tolist())
            nearest = min(nearest, float(distance.min()))
        missed = (
            f", the nearest of {sum(DRAWS):,} draws being {nearest:.2%} away" if nearest < math.inf else ""
        )
        reach = " and ".join(f"{name} from {low:,} to {high:,}" for name, (low, high) in self._reach.items())
        raise SpaceError(
            f"no point was found with {windows}{missed}; the space has {reach}; widen the window"
        )

    def _ladder_of(self, name: str, high: float) -> Ladder:
        """Returns the counts whose top is the lowest of maximum / 2^k that is not below `high`."""
        maximum = self._reach[name][1]
        halvings = max(0, math.floor(math.log2(maximum / high))) if high > 0 and maximum > 0 else 0
        key = (name, halvings)
        if key not in self._ladder:
            self._ladder[key] = Ladder(self._tables, QUANTITIES.index(name), maximum / 2**halvings)
        return self._ladder[key]


class Ladder:
    """For every state, how many ways through the remaining sections cost how much, in bins from zero to
    `top`.

    The counts are kept summed up from either end; a window's count is a difference of the smaller sums, so
    that the few points of a tail are not lost in rounding.
    """

    def __init__(self, tables: Sequence[Table], row: int, top: float) -> None:
        bins = min(MAX_BINS, MAX_COUNTS // sum(len(table.following) for table in tables))
        self._tables = tables
        self._width = max(1, math.ceil(top / bins))
        self._slack = (
            0 if self._width == 1 else len(tables) // 2 + 1
        )  # bins by which rounding can be wrong in all
        self._bins = [np.rint(table.costs[row] / self._width).astype(np.intp) for table in tables]
        num_bins = math.ceil(top / self._width) + self._slack + 1
        counts = np.zeros((int(tables[-1].following.max()) + 1, num_bins))
        counts[:, 0] = 1.0
        sums = [_summed(counts)]
        for table, own in zip(reversed(tables), reversed(self._bins), strict=True):
            counts = _one_back(table, own, counts)
            sums.append(_summed(counts))
        self._sums = sums[::-1]

    def ways(self, window: Window) -> float:
        """Returns how many points have a cost in the window, widened by what rounding can do."""
        nothing = np.zeros(1, dtype=np.intp)
        return float(self._count(0, nothing, nothing, window)[0])

    def propose(self, window: Window, rng: np.random.Generator, num: int) -> tuple[Integers, Costs]:
        """Draws `num` points of the widened window, all equally likely; returns them with exact costs."""
        state = np.zeros(num, dtype=np.intp)
        spent = np.zeros(num, dtype=np.intp)
        totals = np.zeros((4, num), dtype=np.int64)
        columns: list[NDArray[np.intp]] = []
        for section, (table, own) in enumerate(zip(self._tables, self._bins, strict=True)):
            after = spent[:, None] + own[state]
            ways = np.cumsum(self._count(section + 1, table.following[state], after, window), axis=1)
            aim = rng.random(num)[:, None] * ways[:, -1:]
            k = np.minimum((ways <= aim).sum(axis=1), (ways < ways[:, -1:]).sum(axis=1))
            columns += np.unravel_index(k, table.radices) if table.radices else ()
            totals += table.costs[:, state, k]
            spent = spent + own[state, k]
            state = table.following[state, k]
        return np.stack(columns, axis=1), Costs(*totals)

    def _count(
        self, section: int, state: NDArray[np.intp], spent: NDArray[np.intp], window: Window
    ) -> NDArray[np.float64]:
        """Returns the ways to end in the widened window from each state, `spent` bins being used up."""
        below, above = self._sums[section]
        last = below.shape[1] - 1
        first_bin = math.floor(window[0] / self._width) - self._slack
        behind_bin = min(last, math.ceil(window[1] / self._width) + self._slack + 1)
        # Several times faster than `clip` on the few numbers of one draw.
        start = np.minimum(np.maximum(first_bin - spent, 0), last)
        stop = np.minimum(np.maximum(behind_bin - spent, 0), last)
        under, over = below[state, stop], above[state, start]
        fewer: NDArray[np.float64] = np.where(
            under <= over, under - below[state, start], over - above[state, stop]
        )
        return fewer


def by_enumeration(points: Integers, costs: Costs, windows: Windows, rng: np.random.Generator) -> Point:
    """Returns one of `points` inside the windows, all equally likely.

    Raises:
        SpaceError: none is inside.
    """
    inside = np.flatnonzero(windows.distance(costs) == 0.0)
    if not len(inside):
        raise SpaceError(f"no point has {windows}; the space has {_span(costs)}; widen the window")
    return tuple(points[inside[int(rng.integers(len(inside)))]].tolist())


def by_walking(
    sample: Callable[[np.random.Generator], Point],
    mutate: Callable[[Point, np.random.Generator], Point],
    costs_of: Callable[[Integers], Costs],
    windows: Windows,
    rng: np.random.Generator,
) -> Point:
    """Returns a point inside the windows of a space about which nothing is known.

    Up to 2,048 uniform draws come first: a window that holds more than about 1 % of the points is sampled
    uniformly. Where all miss, up to 2,000 mutations that never lead farther away walk from the nearest draw
    to the window, whose edge is then favoured.

    Raises:
        SpaceError: nothing was found; the message has the costs that were seen.
    """
    nearest: tuple[float, Point] = (math.inf, ())
    seen: list[Costs] = []
    for _ in range(WALK_BATCHES):
        points = [sample(rng) for _ in range(WALK_BATCH)]
        seen.append(costs_of(np.array(points, dtype=np.int64)))
        distance = windows.distance(seen[-1])
        best = int(distance.argmin())
        if not distance[best]:
            return points[best]
        nearest = min(nearest, (float(distance[best]), points[best]))
    away, point = nearest
    for _ in range(WALK_STEPS):
        step = mutate(point, rng)
        costs = costs_of(np.array([step], dtype=np.int64))
        if (distance_now := float(windows.distance(costs)[0])) <= away:
            away, point = distance_now, step
        if not away:
            return point
    drawn = Costs(*(np.concatenate(parts) for parts in zip(*map(_arrays, seen), strict=True)))
    raise SpaceError(
        f"no point was found with {windows} in {WALK_BATCHES * WALK_BATCH:,} draws and {WALK_STEPS:,} steps "
        f"towards it, the nearest being {away:.2%} away; the draws had {_span(drawn)}; widen the window"
    )


def _one_back(table: Table, bins: NDArray[np.intp], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the counts before a section from those after it: each option shifts them by its cost."""
    num_bins = counts.shape[1]
    before = np.zeros((len(table.following), num_bins))
    for s, following in enumerate(table.following):
        pairs, times = np.unique(np.stack([following, bins[s]]), axis=1, return_counts=True)
        for after, shift, multiplicity in zip(*pairs.tolist(), times.tolist(), strict=True):
            if shift < num_bins:
                before[s, shift:] += multiplicity * counts[after, : num_bins - shift]
    return before


def _summed(counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the sums of all bins below each position, and of all from it on."""
    none = np.zeros((len(counts), 1))
    below = np.concatenate([none, np.cumsum(counts, axis=1)], axis=1)
    above = np.concatenate([np.cumsum(counts[:, ::-1], axis=1)[:, ::-1], none], axis=1)
    return below, above


def _reachable(tables: Sequence[Table], row: int) -> tuple[int, int]:
    """Returns the exact minimum and maximum of a quantity over the whole space."""
    num_last = int(tables[-1].following.max()) + 1
    lowest = highest = np.zeros(num_last, dtype=np.int64)
    for table in reversed(tables):
        lowest = (table.costs[row] + lowest[table.following]).min(axis=1)
        highest = (table.costs[row] + highest[table.following]).max(axis=1)
    return int(lowest[0]), int(highest[0])


def _span(costs: Costs) -> str:
    parts = ((name, getattr(costs, name)) for name in QUANTITIES)
    return " and ".join(
        f"{name} from {int(values.min()):,} to {int(values.max()):,}" for name, values in parts
    )


def _arrays(costs: Costs) -> Iterator[Integers]:
    yield from (costs.macs, costs.params, costs.activations, costs.peak_memory_bytes)
