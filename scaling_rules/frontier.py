"""Frontiers: which points none beats, how much they dominate, the best for a budget, and whole populations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scaling_rules.errors import Array, Flags, ScalingError, fraction, numbers


def pareto(objectives: npt.ArrayLike) -> Flags:
    """Returns which points no other dominates: [n].

    A point dominates another when it is at most as large in every objective and smaller in one; equal points stay
    together.

    Args:
        objectives: [n, objectives], all to be made small (negate an accuracy).

    Raises:
        ScalingError: a number is not finite.

    Example:
        >>> pareto([[1, 3], [2, 2], [2, 4], [3, 1]])
        array([ True,  True, False,  True])
    """
    table = numbers("objectives", objectives, ndim=2)
    different, back = np.unique(table, axis=0, return_inverse=True)  # by the first objective, then the others
    kept = np.ones(len(different), dtype=np.bool_)
    for index, row in enumerate(different):
        if kept[index]:  # who is dominated is dominated by a kept one
            kept[index + 1 :] &= (different[index + 1 :] < row).any(axis=1)
    return np.asarray(kept[back.ravel()])


def hypervolume(objectives: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Returns the volume that points dominate below a reference (Zitzler and Thiele 1998).

    Args:
        objectives: [n, objectives], all to be made small.
        reference: [objectives]; points not below it in every objective count nothing.

    Raises:
        ScalingError: a number is not finite, or the lengths differ.

    Example:
        >>> hypervolume([[1, 3], [2, 2]], [4, 4])
        5.0
    """
    table, corner = numbers("objectives", objectives, ndim=2), numbers("reference", reference, ndim=1)
    if len(table) and table.shape[1] != len(corner):
        raise ScalingError(
            f"`reference` must have {table.shape[1]} number(s), got {len(corner)}; give one per objective"
        )
    return _volume(table[(table < corner).all(axis=1)], corner)


def _volume(table: Array, corner: Array) -> float:
    """Returns the dominated volume by slices along the last objective."""
    if len(table) == 0:
        return 0.0
    if table.shape[1] == 1:
        return float(corner[0] - table.min())
    table = table[pareto(table)]
    table = table[table[:, -1].argsort(kind="stable")]
    tops = [*table[1:, -1], corner[-1]]
    return sum(
        float(top - row[-1]) * _volume(table[: index + 1, :-1], corner[:-1])
        for index, (row, top) in enumerate(zip(table, tops, strict=True))
        if top > row[-1]
    )


def envelope(costs: npt.ArrayLike, values: npt.ArrayLike, budgets: npt.ArrayLike) -> Array:
    """Returns the best value that each budget buys: [budgets]; minus infinity below the cheapest.

    Args:
        costs: [n].
        values: [n]; more is better.
        budgets: [budgets].

    Raises:
        ScalingError: a number is not finite, the lengths differ, or there are no points.
    """
    priced, valued = _pairs(costs, values, least=1)
    order = priced.argsort(kind="stable")
    best = np.maximum.accumulate(valued[order])
    index = np.searchsorted(priced[order], numbers("budgets", budgets, ndim=1), side="right")
    return np.asarray(np.concatenate([[-math.inf], best])[index])


@dataclass(frozen=True, slots=True)
class Distribution:
    """The empirical distribution of a population's values, with a band that holds at all values at once.

    Attributes:
        values: in order: [n].
        shares: of the population at most as large: [n].
        margin: the band reaches that far above and below the shares.
    """

    values: tuple[float, ...]
    shares: tuple[float, ...]
    margin: float


def distribution(values: npt.ArrayLike, *, level: float = 0.95) -> Distribution:
    """Returns the empirical distribution function of a population (as in RegNet, Radosavovic et al. 2020, section 3.1).

    Args:
        values: [n], for example errors of networks sampled from a space.
        level: confidence of the band, in (0, 1) (Dvoretzky, Kiefer and Wolfowitz; Massart 1990).

    Raises:
        ScalingError: a number is not finite, or there is none.
    """
    sample = np.sort(numbers("values", values, ndim=1))
    if len(sample) == 0:
        raise ScalingError("a distribution needs values, got none; sample some networks")
    margin = math.sqrt(math.log(2.0 / (1.0 - fraction("level", level))) / (2.0 * len(sample)))
    shares = np.arange(1, len(sample) + 1) / len(sample)
    return Distribution(tuple(map(float, sample)), tuple(map(float, shares)), margin)


def _pairs(costs: npt.ArrayLike, values: npt.ArrayLike, *, least: int) -> tuple[Array, Array]:
    priced, valued = numbers("costs", costs, ndim=1), numbers("values", values, ndim=1)
    if len(priced) != len(valued) or len(priced) < least:
        raise ScalingError(
            f"`costs` and `values` must be equally long and at least {least}, got {len(priced)} and "
            f"{len(valued)}; give one of each per point"
        )
    return priced, valued
