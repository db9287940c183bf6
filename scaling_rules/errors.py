"""Errors of this package, and the checks of numbers at its doors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]


class ScalingError(ValueError):
    """What was given breaks a rule; the message is one sentence with the rule, the value and the remedy."""


def numbers(name: str, given: npt.ArrayLike, *, ndim: int, positive: bool = False) -> Array:
    """Returns `given` as an array of finite (and, when asked, positive) numbers.

    Args:
        name: what the numbers are, for the message.
        given: numbers, nested `ndim` deep.
        ndim: the dimensions that the array must have.
        positive: whether every number must be greater than zero.

    Raises:
        ScalingError: the shape differs, or a number is NaN, infinite or, where forbidden, not positive.
    """
    array = np.asarray(given, dtype=np.float64)
    if array.ndim != ndim:
        raise ScalingError(f"`{name}` must have {ndim} dimension(s), got {array.ndim}; reshape it")
    wrong = ~np.isfinite(array) | ((array <= 0.0) if positive else False)
    if wrong.any():
        kind = "finite and greater than 0" if positive else "finite"
        bad = array[wrong].ravel()[0]
        raise ScalingError(f"`{name}` must be {kind}, got {bad:g}; leave out measurements that failed")
    return array


def fraction(name: str, value: float) -> float:
    """Returns `value` when it lies in (0, 1).

    Raises:
        ScalingError: it does not.
    """
    if not 0.0 < value < 1.0:
        raise ScalingError(f"`{name}` must lie in (0, 1), got {value:g}; 0.95 is usual for a level")
    return value
