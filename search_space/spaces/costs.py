"""Costs of many points at once, gathered from tables that the scalar arithmetic filled.

A staged network's cost separates by section, given what enters the section. So a space is an automaton: the
states before a section are the things that can enter it (shapes, and what the space carries along), the
section's own options lead from a state to the next one, and the transition has a cost. MACs, parameters and
activations add up along the path; peak memory is the maximum.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_space.cost import Cost

Integers = NDArray[np.int64]
QUANTITIES = ("macs", "params", "activations", "peak_memory_bytes")
TOGETHER = (np.add, np.add, np.add, np.maximum)  # how the quantities of two parts make that of the whole
CHUNK = 8192  # rows whose intermediate values stay in the processor's cache
MAX_FUSED = 4096  # entries of a table that still do


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """Costs of n architectures: four int64 arrays of length n."""

    macs: Integers
    params: Integers
    activations: Integers
    peak_memory_bytes: Integers

    def __len__(self) -> int:
        return len(self.macs)

    def __getitem__(self, index: int) -> Cost:
        return Cost(*(int(getattr(self, quantity)[index]) for quantity in QUANTITIES))


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One section: where every state s and combination k of its own options leads, and what that costs."""

    radices: tuple[int, ...]  # options of each of its choices; k counts them with the last running fastest
    following: NDArray[np.intp]  # [s, k]: the state after the section
    costs: Integers  # [quantity, s, k]


def stacked(costs: Sequence[Cost]) -> Costs:
    """Returns single costs as arrays."""
    return Costs(
        *(np.array([getattr(cost, quantity) for cost in costs], dtype=np.int64) for quantity in QUANTITIES)
    )


def tabulate(
    radices: Sequence[tuple[int, ...]],
    step: Callable[[int, tuple[int, ...], Any], tuple[Cost, Hashable]],
) -> tuple[Table, ...]:
    """Returns the tables of all sections, by walking every transition between reachable states once.

    Args:
        radices: for each section, the number of options of each of its choices.
        step: (section, own option indices, state) -> (cost, next state); the first state is None.
    """
    tables = []
    states: list[Hashable] = [None]
    for section, own_radices in enumerate(radices):
        found: dict[Hashable, int] = {}
        own = list(itertools.product(*map(range, own_radices)))
        following = np.empty((len(states), len(own)), dtype=np.intp)
        costs = np.empty((len(QUANTITIES), len(states), len(own)), dtype=np.int64)
        for (s, state), (k, indices) in itertools.product(enumerate(states), enumerate(own)):
            cost, after = step(section, indices, state)
            following[s, k] = found.setdefault(after, len(found))
            costs[:, s, k] = [getattr(cost, quantity) for quantity in QUANTITIES]
        tables.append(Table(own_radices, following, costs))
        states = list(found)
    return tuple(tables)


def fused(tables: Sequence[Table]) -> tuple[Table, ...]:
    """Returns the same automaton with neighbouring small sections made one: fewer gathers for a batch."""
    result: list[Table] = []
    for table in tables:
        if result and result[-1].following.size * table.following.shape[1] <= MAX_FUSED:
            result[-1] = _fused_pair(result[-1], table)
        else:
            result.append(table)
    return tuple(result)


def gather(tables: Sequence[Table], batch: NDArray[np.integer[Any]]) -> Costs:
    """Returns the costs of the points in `batch` ([n, choices], every index inside its choice)."""
    totals = np.zeros((len(QUANTITIES), len(batch)), dtype=np.int64)
    for start in range(0, len(batch), CHUNK):
        _gather_chunk(tables, batch[start : start + CHUNK], totals[:, start : start + CHUNK])
    return Costs(*totals)


def _gather_chunk(tables: Sequence[Table], batch: NDArray[np.integer[Any]], totals: Integers) -> None:
    """Adds the costs of `batch` to `totals`. All indices are inside: `clip` only skips a check."""
    columns = iter(np.ascontiguousarray(batch.T, dtype=np.intp))
    state = np.zeros(len(batch), dtype=np.intp)
    row = np.empty_like(state)
    gathered = np.empty(len(batch), dtype=np.int64)
    for table in tables:
        np.copyto(row, state)
        for radix in table.radices:
            row *= radix
            row += next(columns)
        for quantity, put_together in enumerate(TOGETHER):
            table.costs[quantity].reshape(-1).take(row, out=gathered, mode="clip")
            put_together(totals[quantity], gathered, out=totals[quantity])
        table.following.reshape(-1).take(row, out=state, mode="clip")


def _fused_pair(first: Table, second: Table) -> Table:
    num_states = len(first.following)
    costs = [
        put_together(one[:, :, None], other[first.following]).reshape(num_states, -1)
        for put_together, one, other in zip(TOGETHER, first.costs, second.costs, strict=True)
    ]
    following = second.following[first.following].reshape(num_states, -1)
    return Table((*first.radices, *second.radices), following, np.stack(costs))
