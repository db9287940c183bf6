"""What a source of labelled images offers before any pixel is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from runs import FailureClass

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]

TRAIN, VALIDATION, TEST = 0, 1, 2
UNASSIGNED = -1
SPLITS = ("train", "validation", "test")


class DataError(ValueError):
    """Data that cannot be used as asked; one sentence with rule, value and remedy."""

    failure_class: ClassVar[FailureClass] = FailureClass.USER_ERROR


class UnreadableImage(ValueError):
    """One image that cannot be used, with its name and the reason; it is skipped and counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Labelled images that are still where they come from.

    `identity` is text that changes whenever the images would: files touched, another renderer, another seed.
    `read(i)` gives image i at the resolution that the source was opened with, or raises `UnreadableImage`.
    `splits` holds for each example the split that the source itself fixed (an index into `SPLITS`), or
    `UNASSIGNED`.
    """

    classes: tuple[str, ...]
    labels: Labels  # [num_examples]
    splits: NDArray[np.int8]  # [num_examples]
    identity: str
    read: Callable[[int], Pixels]  # [channels, height, width]
