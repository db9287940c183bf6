"""The one score on the test images, which no search has seen: for a network that was chosen."""

from __future__ import annotations

from pathlib import Path

import torch

from nas.evaluation.data import load, load_test
from nas.evaluation.evaluator import chosen_device, served_resolution, untrained, without_auxiliary
from nas.evaluation.feeding import open_feed
from nas.evaluation.optimisation import load_module
from nas.evaluation.scores import InputScale, Score, score
from nas.settings import DataSettings, Recipe
from search_space.architecture import Architecture


def test_score(
    architecture: Architecture,
    weights: bytes,
    data: DataSettings,
    *,
    resolution: int | None = None,
    device: str = "auto",
    cache: Path | None = None,
) -> Score:
    """Returns the accuracy on the test images, with its 95 % interval.

    Args:
        architecture: as it was trained.
        weights: safetensors of `Measurement.weights`, from the artifact store.
        data: as it was trained on.
        resolution: the fidelity's, where it was trained at another than the architecture's.
        device: `auto` or a torch device.
        cache: folder of decoded images; None is the platform's cache folder.

    Raises:
        DataError: the data cannot be read, or do not fit the architecture.
        RuntimeError: the weights are another architecture's.
    """
    dataset = load(data, cache=cache)
    side = served_resolution(dataset, architecture, resolution)
    module = untrained(without_auxiliary(architecture), dataset, side, Recipe(), seed=0)
    load_module(module, weights)
    place: torch.device = chosen_device(device)
    feed = open_feed(load_test(data, cache=cache), resolution=side, device=place)
    return score(module.to(place), feed, InputScale(dataset.mean, dataset.std))
