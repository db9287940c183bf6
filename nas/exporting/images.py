"""The images on which exports are compared with their source: random ones, and real ones of the validation split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from nas.evaluation.data import Dataset
from nas.evaluation.pictures import resampled
from nas.evaluation.scores import InputScale
from nas.exporting.network import Network

Floats = NDArray[np.float32]

NUM_RANDOM = 8
MAX_REAL = 1_000  # images that accuracy is measured on
MAX_CALIBRATION = 128  # images that ranges of int8 are taken from; never those of the accuracy
MAX_BYTES = 256 << 20  # of all of them as float32
_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Normalised inputs; the first `NUM_RANDOM` are drawn from a normal distribution, the others are real."""

    inputs: Floats  # [images, channels, height, width]
    labels: NDArray[np.int64]  # of the real ones
    calibration: Floats  # further real ones; empty without data

    @property
    def num_random(self) -> int:
        return len(self.inputs) - len(self.labels)


def images_for(
    network: Network, dataset: Dataset | None, *, calibrates: bool = False, seed: int = 0
) -> Images:
    """Returns the images to compare on; without a data set, random ones only.

    Args:
        network: gives their shape.
        dataset: whose validation images are used.
        calibrates: whether a random part of them is kept for calibration, and not compared on.
        seed: draws both.
    """
    rng = np.random.default_rng(seed)
    side, channels = network.architecture.resolution, network.architecture.input_channels
    shape = (channels, side, side)
    drawn = rng.standard_normal((NUM_RANDOM, *shape)).astype(np.float32)
    if dataset is None:
        nothing = np.empty((0, *shape), dtype=np.float32)
        return Images(drawn, np.empty(0, dtype=np.int64), nothing)
    affordable = max(8, MAX_BYTES // (4 * channels * side * side))
    order = rng.permutation(len(dataset.validation))
    num_calibration = min(MAX_CALIBRATION, len(order) // 4, affordable // 4) if calibrates else 0
    chosen = np.sort(order[num_calibration : num_calibration + min(MAX_REAL, affordable)])
    real = _normalised(dataset, chosen, side)
    calibration = _normalised(dataset, np.sort(order[:num_calibration]), side)
    return Images(np.concatenate([drawn, real]), dataset.validation.labels[chosen], calibration)


def scores_of(network: Network, inputs: Floats) -> Floats:
    """Returns the source module's scores: [images, classes]."""
    with torch.inference_mode():
        parts = [
            network.module(torch.from_numpy(inputs[start : start + _BATCH]))
            for start in range(0, len(inputs), _BATCH)
        ]
    return np.asarray(torch.cat(parts).numpy(), dtype=np.float32)


def _normalised(dataset: Dataset, indices: NDArray[np.int64], side: int) -> Floats:
    levels = torch.from_numpy(resampled(np.asarray(dataset.validation.images[indices]), side))
    scaled = InputScale(dataset.mean, dataset.std).apply(levels)
    return np.ascontiguousarray(scaled.numpy(), dtype=np.float32)
