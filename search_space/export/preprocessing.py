"""What a network expects of an image: stored in every export, so that a consumer needs no other file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SMALLEST_STD = 1e-3  # a channel that never changes is not divided by zero


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What maps an image's levels, 0 to 255, to a network's input: (level / 255 - mean) / std.

    Args:
        resolution: side of the square input in pixels.
        mean: of each channel, in [0, 1].
        std: of each channel, above 0.
        classes: names of the scores, in their order.

    Example:
        >>> Preprocessing(8, (0.5,), (0.25,), ("no", "yes")).to_dict()["mean"]
        [0.5]
    """

    resolution: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        lists = {"mean": list(self.mean), "std": list(self.std), "classes": list(self.classes)}
        return {"resolution": self.resolution} | lists

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Preprocessing:
        """Returns what `to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        mean, std = (tuple(float(value) for value in data[name]) for name in ("mean", "std"))
        return Preprocessing(int(data["resolution"]), mean, std, tuple(str(name) for name in data["classes"]))


def preprocessing_json(preprocessing: Preprocessing | None) -> dict[str, str]:
    """Returns the text metadata of a file: under `preprocessing`, nothing where it is not known."""
    return {} if preprocessing is None else {"preprocessing": json.dumps(preprocessing.to_dict())}
