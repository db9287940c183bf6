"""Who is better when there are several objectives: non-dominated ranks and crowding distances.

NSGA-II (Deb et al., 2002), sections III-A (ranks) and III-B (crowding). Every objective is a gain: larger is
better.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def domination_ranks(gains: Array) -> npt.NDArray[np.int64]:
    """Returns for each row of `gains` [points, objectives] the number of the front it is on; 0 is the best.

    A row dominates another that it equals or exceeds in every objective and exceeds in one; equal rows share
    a front. With one objective the ranks order the values. Quadratic in the number of points: meant for
    populations and rungs.

    Example:
        >>> domination_ranks(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])).tolist()
        [0, 0, 1]
    """
    no_worse = (gains[:, None, :] >= gains[None, :, :]).all(axis=2)
    dominates = no_worse & ~no_worse.T
    ranks = np.zeros(len(gains), dtype=np.int64)
    remaining = np.ones(len(gains), dtype=bool)
    front = 0
    while remaining.any():
        first = remaining & ~(dominates & remaining[:, None]).any(axis=0)
        ranks[first] = front
        remaining &= ~first
        front += 1
    return ranks


def crowding_distances(gains: Array) -> Array:
    """Returns for each row of one front [points, objectives] its room; the ends have infinite room."""
    distances = np.zeros(len(gains))
    for column in gains.T:
        order = np.argsort(column, kind="stable")
        sorted_column = column[order]
        span = sorted_column[-1] - sorted_column[0]
        distances[order[[0, -1]]] = np.inf
        if span > 0:
            distances[order[1:-1]] += (sorted_column[2:] - sorted_column[:-2]) / span
    return distances


def preference(gains: Array) -> npt.NDArray[np.int64]:
    """Returns the place of each row of `gains` [points, objectives] by rank, then crowding; 0 is best."""
    ranks = domination_ranks(gains)
    crowding = np.zeros(len(gains))
    for front in range(int(ranks.max(initial=-1)) + 1):
        members = ranks == front
        crowding[members] = crowding_distances(gains[members])
    places = np.empty(len(gains), dtype=np.int64)
    places[np.lexsort((-crowding, ranks))] = np.arange(len(gains))
    return places
