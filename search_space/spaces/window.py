"""Sampling inside a budget: points whose MACs and parameters lie in given windows.

Where the cost separates into tables (a staged space), the draw is exactly uniform over the points in the window. The
number of ways to end inside the window is counted backwards, section by section, with costs rounded to bins and the
window widened by what the rounding can do; a path is drawn forwards in proportion to these counts, and rejected if its
exact cost is outside. Every point of the window is proposed with one and the same probability, so what is accepted is
uniform; the counts are float64, exact to about 1e-15. Tries are bounded.
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

MAX_COUNTS = 4_000_000  # float64 values that a plan may hold in all (32 MB)
MAX_BINS = 16_384
DRAWS = (1, 15, 240, *(512,) * 32)  # proposals at a time: most windows need one
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
                raise SpaceError(f"{name} must be (lowest, highest) in finite numbers, got {shown((low, high))}; swap or correct them")

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


class Plan:
    """The counts of one window over a space's tables; `draw` samples from it."""

    def __init__(self, tables: Sequence[Table], windows: Windows) -> None:
        self._tables = tables
        self._windows = windows
        reach = {name: _reachable(tables, row) for row, name in enumerate(QUANTITIES)}
        for name, (low, high) in windows.active():
            lowest, highest = reach[name]
            if high < lowest or low > highest:
                raise SpaceError(
                    f"no point has {windows}; {name} of this space reach from {lowest:,} to {highest:,}: choose inside"
                )
        self._reach = " and ".join(f"{name} from {low:,} to {high:,}" for name, (low, high) in reach.items())
        rows = [QUANTITIES.index(name) for name, _ in windows.active()]
        tops = [min(high, reach[name][1]) for name, (_, high) in windows.active()]
        num_states = sum(len(table.following) for table in tables)
        bins = int(min(MAX_BINS, MAX_COUNTS // num_states) ** (1 / len(rows)))
        widths = [max(1, math.ceil(top / bins)) for top in tops]
        self._bins = [
            np.stack([np.rint(table.costs[row] / width).astype(np.intp) for row, width in zip(rows, widths, strict=True)])
            for table in tables
        ]
        self._counts = self._count_backwards(widths, tops)

    def _count_backwards(self, widths: Sequence[int], tops: Sequence[float]) -> list[NDArray[np.float64]]:
        """Returns for each boundary between sections [state, spent bins ...]: the ways to end in the widened window.

        The last index along each axis of bins means too much, and has no ways.
        """
        slack = [0 if width == 1 else len(self._tables) // 2 + 1 for width in widths]
        ends = [math.ceil(top / width) + more for top, width, more in zip(tops, widths, slack, strict=True)]
        inside = np.zeros([end + 2 for end in ends])
        starts = [
            max(0, math.floor(low / width) - more)
            for (_, (low, _)), width, more in zip(self._windows.active(), widths, slack, strict=True)
        ]
        inside[tuple(slice(start, end + 1) for start, end in zip(starts, ends, strict=True))] = 1.0
        num_last = int(self._tables[-1].following.max()) + 1
        counts = [np.broadcast_to(inside, (num_last, *inside.shape))]
        for table, bins in zip(reversed(self._tables), reversed(self._bins), strict=True):
            counts.append(_one_back(table, bins, counts[-1]))
        return counts[::-1]

    def draw(self, rng: np.random.Generator) -> Point:
        """Returns a point in the window, all of them equally likely.

        Raises:
            SpaceError: the window holds no point, or so few beside its edges that the bounded tries found none.
        """
        if self._counts[0].flat[0] == 0.0:
            raise SpaceError(f"no point has {self._windows}; this space reaches {self._reach}: widen the window")
        nearest = math.inf
        for num in DRAWS:
            points, costs = self._propose(rng, num)
            distance = self._windows.distance(costs)
            if not distance.min():
                return tuple(points[int(distance.argmin())].tolist())
            nearest = min(nearest, float(distance.min()))
        raise SpaceError(
            f"no point with {self._windows} was found in {sum(DRAWS):,} draws beside it, the nearest being {nearest:.2%} "
            f"away; this space reaches {self._reach}: widen the window"
        )

    def _propose(self, rng: np.random.Generator, num: int) -> tuple[Integers, Costs]:
        """Draws `num` paths in proportion to the counts; returns their points and exact costs."""
        state = np.zeros(num, dtype=np.intp)
        spent = np.zeros((len(self._bins[0]), num), dtype=np.intp)
        totals = np.zeros((4, num), dtype=np.int64)
        columns: list[NDArray[np.intp]] = []
        every = np.arange(num)
        for table, bins, counts in zip(self._tables, self._bins, self._counts[1:], strict=True):
            too_much = np.array(counts.shape[1:])[:, None, None] - 1
            after = np.minimum(spent[:, :, None] + bins[:, state], too_much)
            ways = np.cumsum(counts[(table.following[state], *after)], axis=1)
            aim = rng.random(num)[:, None] * ways[:, -1:]
            k = np.minimum((ways <= aim).sum(axis=1), (ways < ways[:, -1:]).sum(axis=1))
            columns += np.unravel_index(k, table.radices) if table.radices else []
            totals += table.costs[:, state, k]
            spent = after[:, every, k]
            state = table.following[state, k]
        return np.stack(columns, axis=1), Costs(*totals)


def by_enumeration(points: Integers, costs: Costs, windows: Windows, rng: np.random.Generator) -> Point:
    """Returns one of `points` inside the windows, all equally likely.

    Raises:
        SpaceError: none is inside.
    """
    inside = np.flatnonzero(windows.distance(costs) == 0.0)
    if not len(inside):
        raise SpaceError(f"no point has {windows}; this space reaches {_span(costs)}: widen the window")
    return tuple(points[inside[int(rng.integers(len(inside)))]].tolist())


def by_walking(
    sample: Callable[[np.random.Generator], Point],
    mutate: Callable[[Point, np.random.Generator], Point],
    costs_of: Callable[[Integers], Costs],
    windows: Windows,
    rng: np.random.Generator,
) -> Point:
    """Returns a point inside the windows of a space about which nothing is known.

    Up to 2,048 uniform draws come first, so that a window which holds more than about 1 % of the points is sampled
    uniformly. Where all miss, a walk of up to 2,000 mutations that never go farther off leads from the nearest draw to
    the window: its edges are then favoured.

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
        f"no point with {windows} was found in {WALK_BATCHES * WALK_BATCH:,} draws and {WALK_STEPS:,} steps towards it, the "
        f"nearest being {away:.2%} away; draws reached {_span(drawn)}: widen the window"
    )


def _one_back(table: Table, bins: NDArray[np.intp], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the counts before a section from those after it: each option shifts them by its cost."""
    before = np.zeros((len(table.following), *counts.shape[1:]))
    for s, following in enumerate(table.following):
        transitions = np.stack([following, *bins[:, s]])
        unique, multiplicity = np.unique(transitions, axis=1, return_counts=True)
        for (after, *shift), times in zip(unique.T.tolist(), multiplicity.tolist(), strict=True):
            source, target = _shifted(shift, counts.shape[1:])
            before[(s, *target)] += times * counts[(after, *source)]
    return before


def _shifted(shift: Sequence[int], shape: Sequence[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Returns the slices (from, to) that move an array down by `shift`, the last index of each axis kept at zero."""
    kept = [max(0, size - 1 - step) for step, size in zip(shift, shape, strict=True)]
    source = tuple(slice(step, step + count) for step, count in zip(shift, kept, strict=True))
    return source, tuple(slice(0, count) for count in kept)


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
    return " and ".join(f"{name} from {int(values.min()):,} to {int(values.max()):,}" for name, values in parts)


def _arrays(costs: Costs) -> Iterator[Integers]:
    yield from (costs.macs, costs.params, costs.activations, costs.peak_memory_bytes)
