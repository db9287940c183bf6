"""A training condenses a CondenseNet on the way, and goes on with what is left where it was interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.evaluation.data import Dataset, load
from nas.evaluation.evaluator import untrained
from nas.evaluation.feeding import open_feed
from nas.evaluation.scores import InputScale, score
from nas.evaluation.training import Training
from nas.settings import DataSettings, Recipe
from search_space import Architecture, Stage, cost
from search_space.blocks import ClassifierOptions, CondenseOptions, StemOptions
from search_space.condensing import converted, learned_convolutions

CPU = torch.device("cpu")
EPOCHS = 6  # of which three condense
NETWORK = Architecture(
    8,
    Stage("stem", 1, 16, options=StemOptions(norm=False)),
    (
        Stage("condense", 2, 8, options=CondenseOptions(learned=True)),
        Stage("pool", 1, 0, 2),
        Stage("condense", 2, 16, options=CondenseOptions(learned=True)),
    ),
    Stage("classifier", 1, 0, options=ClassifierOptions(entry="norm")),
    num_classes=10,
    input_channels=1,
)


@pytest.fixture
def dataset(cache: Path) -> Dataset:
    return load(DataSettings(name="digits", resolution=8), cache=cache)


@pytest.fixture
def start(dataset: Dataset) -> Callable[..., Training]:
    feed = open_feed(dataset.train, resolution=8, device=CPU)

    def make(**recipe: float) -> Training:
        wanted = Recipe(augmentation="none", **recipe)
        return Training(
            untrained(NETWORK, dataset, 8, wanted, 5),
            wanted,
            feed=feed,
            indices=np.arange(640),
            scale=InputScale(dataset.mean, dataset.std),
            num_classes=10,
            num_epochs=EPOCHS,
            seed=5,
        )

    return make


def kept_shares(training: Training) -> set[float]:
    return {float(layer.kept.float().mean()) for layer in learned_convolutions(training.scored)}


def test_a_training_condenses_learns_and_converts(start: Callable[..., Training], dataset: Dataset) -> None:
    training = start()
    losses, shares = [], []
    for _ in range(EPOCHS):
        losses.append(training.run_epoch())
        shares.append(kept_shares(training))
    assert shares == [{1.0}, {0.75}, {0.5}, {0.25}, {0.25}, {0.25}]
    assert losses[-1] < losses[0]
    used, twin = converted(NETWORK, training.scored.state_dict())
    feed = open_feed(dataset.validation, resolution=8, device=CPU)
    scale = InputScale(dataset.mean, dataset.std)
    ours, theirs = (score(module, feed, scale) for module in (training.scored.eval(), twin))
    assert ours.accuracy == theirs.accuracy > 0.8
    assert abs(ours.loss - theirs.loss) < 1e-5
    assert cost(used).macs < cost(NETWORK).macs
    images, _ = next(iter(feed.batches([np.arange(16)])))
    inputs = scale.apply(images)
    assert torch.allclose(training.scored(inputs), twin(inputs), atol=1e-5)


def test_an_interrupted_condensing_goes_on_exactly(start: Callable[..., Training]) -> None:
    whole, first, second = start(), start(), start()
    for _ in range(EPOCHS):
        whole.run_epoch()
    for _ in range(2):
        first.run_epoch()
    second.restore(first.files())
    while second.epoch < EPOCHS:
        second.run_epoch()
    pairs = zip(whole.scored.state_dict().values(), second.scored.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_moving_average_drops_the_same_inputs(start: Callable[..., Training]) -> None:
    training = start(ema_decay=0.9)
    for _ in range(EPOCHS):
        training.run_epoch()
    assert kept_shares(training) == {0.25}
    converted(NETWORK, training.scored.state_dict())


def test_the_regulariser_makes_weights_of_groups_smaller(start: Callable[..., Training]) -> None:
    norms = []
    for strength in (0.0, 1e-2):
        training = start(group_lasso=strength)
        training.run_epoch()
        norms.append(sum(layer.group_lasso().item() for layer in learned_convolutions(training.scored)))
    assert norms[1] < 0.9 * norms[0]
