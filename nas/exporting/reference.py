"""A few images with the scores that they got, kept in every export so that it can be compared again later.

The network itself and each of its variants have their own scores: a variant is not held against the network but against
what it gave when it was written, which is the narrower question.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from nas.exporting.errors import ExportDiffers
from nas.exporting.formats import Runnable
from nas.exporting.images import Images

REFERENCE = "reference.safetensors"
MAX_BYTES = 4 << 20  # of the images
MAX_IMAGES = 32
_IMAGES, _SCORES, _OWN = "images", "scores", "scores of "


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Images and scores.

    Args:
        images: [images, channels, height, width], as what runs takes them.
        scores: the network's, [images, classes].
        own: those of each variant, by its path.
    """

    images: NDArray[Any]
    scores: NDArray[np.float32]
    own: Mapping[str, NDArray[np.float32]]

    def expected(self, runnable: Runnable) -> NDArray[np.float32]:
        """Returns the scores that an export gave when it was written.

        Raises:
            ExportDiffers: a variant without any.
        """
        if not runnable.variant:
            return self.scores
        if runnable.path not in self.own:
            raise ExportDiffers(
                f"{REFERENCE} must hold the scores of {runnable.path}, got none; export it again"
            )
        return self.own[runnable.path]

    def to_bytes(self) -> bytes:
        """Returns the content of the file."""
        own = {_OWN + path: scores for path, scores in self.own.items()}
        return safetensors.numpy.save({_IMAGES: self.images, _SCORES: self.scores, **own})


def read_reference(folder: Path) -> Reference:
    """Returns the reference in a folder.

    Raises:
        ExportDiffers: the file holds something else.
    """
    try:
        stored = safetensors.numpy.load((folder / REFERENCE).read_bytes())
        found = Reference(
            stored.pop(_IMAGES),
            stored.pop(_SCORES),
            {key.removeprefix(_OWN): scores for key, scores in stored.items()},
        )
    except (SafetensorError, KeyError, ValueError) as error:
        raise ExportDiffers(
            f"{REFERENCE} must hold images and scores, got {type(error).__name__}; export it again"
        ) from None
    count = len(found.images) if found.images.ndim == 4 else 0
    for scores in (found.scores, *found.own.values()):
        if not count or scores.ndim != 2 or len(scores) != count:
            raise ExportDiffers(
                f"{REFERENCE} must hold scores of each of its images, got the shapes {found.images.shape} and"
                f" {scores.shape}; export it again"
            )
    return found


def few(images: Images) -> NDArray[np.int64]:
    """Returns the places of the images that are kept: as many as are small enough, random and real ones."""
    count = max(2, min(MAX_IMAGES, MAX_BYTES // images.inputs[0].nbytes))
    half = min(images.num_random, max(1, count // 2))
    return np.array([*range(half), *range(images.num_random, len(images.inputs))][:count])
