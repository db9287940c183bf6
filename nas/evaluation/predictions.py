"""What a trained network says of every validation image, for committees: probabilities, and the true classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from numpy.typing import NDArray

from nas.evaluation.data import load
from nas.evaluation.evaluator import chosen_device, served_resolution, untrained, without_auxiliary
from nas.evaluation.feeding import open_feed, ordered_batches
from nas.evaluation.optimisation import load_module
from nas.evaluation.scores import InputScale
from nas.settings import DataSettings, Recipe
from search_space.architecture import Architecture

_BATCH_SIZE = 512


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """A network's probabilities, and what was true."""

    probabilities: NDArray[np.float32]  # [images, classes]
    labels: NDArray[np.int64]  # [images]

    def to_bytes(self) -> bytes:
        """Returns both as safetensors."""
        return safetensors.numpy.save({"probabilities": self.probabilities, "labels": self.labels})

    @classmethod
    def from_bytes(cls, content: bytes) -> Predictions:
        """Returns what `to_bytes` wrote."""
        arrays = safetensors.numpy.load(content)
        return cls(arrays["probabilities"], arrays["labels"])


def predictions(
    architecture: Architecture,
    weights: bytes,
    data: DataSettings,
    *,
    device: str = "auto",
    cache: Path | None = None,
) -> Predictions:
    """Returns what a trained network says of the validation images, in their order.

    Args:
        architecture: as it was trained.
        weights: safetensors of `Measurement.weights`, from the artifact store.
        data: as it was trained on.
        device: `auto` or a torch device.
        cache: folder of decoded images; None is the platform's cache folder.

    Raises:
        DataError: the data cannot be read, or do not fit the architecture.
        RuntimeError: the weights are another architecture's.
    """
    dataset, place = load(data, cache=cache), chosen_device(device)
    side = served_resolution(dataset, architecture, None)
    module = untrained(without_auxiliary(architecture), dataset, side, Recipe(), seed=0)
    load_module(module, weights)
    module.to(place).eval()
    feed = open_feed(dataset.validation, resolution=side, device=place)
    scale = InputScale(dataset.mean, dataset.std)
    with torch.inference_mode():
        parts = [
            torch.softmax(module(scale.apply(images)).float(), dim=1).cpu()
            for images, _ in feed.batches(ordered_batches(len(feed), _BATCH_SIZE))
        ]
    labels = np.asarray(dataset.validation.labels, dtype=np.int64)
    return Predictions(torch.cat(parts).numpy(), labels)
