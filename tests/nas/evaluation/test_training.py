"""Training: it learns, repeats, goes on where it was interrupted, and gives up when it diverges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nas.evaluation.data import load
from nas.evaluation.evaluator import untrained
from nas.evaluation.feeding import open_feed
from nas.evaluation.scores import InputScale, score
from nas.evaluation.training import Diverged, Training
from nas.settings import DataSettings, Recipe
from runs import FailureClass
from search_space.architecture import Architecture

CPU = torch.device("cpu")
DIGITS = DataSettings(name="digits", resolution=8)


@pytest.fixture
def start(cache: Path, tiny: Architecture) -> Any:
    dataset = load(DIGITS, cache=cache)
    feed = open_feed(dataset.train, resolution=8, device=CPU)

    def make(num_epochs: int = 4, seed: int = 5, num_images: int = 1_000, **recipe: Any) -> Training:
        wanted = Recipe(**recipe)
        return Training(
            untrained(tiny, dataset, 8, wanted, seed),
            wanted,
            feed=feed,
            indices=np.arange(num_images),
            scale=InputScale(dataset.mean, dataset.std),
            num_classes=10,
            num_epochs=num_epochs,
            seed=seed,
        )

    return make


def weights(training: Training) -> list[torch.Tensor]:
    return [value.clone() for value in training.scored.state_dict().values()]


def are_equal(first: Training, second: Training) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


def test_loss_falls_and_accuracy_is_far_beyond_chance(start: Any, cache: Path) -> None:
    training = start(num_epochs=5, augmentation="none")
    losses = [training.run_epoch() for _ in range(5)]
    assert losses[-1] < 0.6 * losses[0]
    dataset = load(DIGITS, cache=cache)
    feed = open_feed(dataset.validation, resolution=8, device=CPU)
    assert score(training.scored, feed, InputScale(dataset.mean, dataset.std)).accuracy > 0.8


EVERYTHING: list[dict[str, Any]] = [
    {"optimizer": "adamw", "augmentation": "shift"},
    {"optimizer": "sgd", "augmentation": "none", "dropout": 0.2, "drop_path": 0.3},
    {"optimizer": "rmsprop", "learning_rate": 1e-3, "augmentation": "none", "ema_decay": 0.9},
    {"augmentation": "trivial", "batch_size": 200},
]


@pytest.mark.parametrize("recipe", EVERYTHING, ids=["adamw", "sgd-dropout", "rmsprop-average", "trivial"])
def test_interrupted_after_any_epoch_it_ends_with_the_same_bits(start: Any, recipe: dict[str, Any]) -> None:
    unbroken = start(num_epochs=2, num_images=300, **recipe)
    files, losses = [unbroken.files()], []
    for _ in range(2):
        losses.append(unbroken.run_epoch())
        files.append(unbroken.files())
    for epoch in (0, 1):
        resumed = start(num_epochs=2, num_images=300, **recipe)
        resumed.run_epoch()  # of another life: all of it must be overwritten
        resumed.restore(files[epoch])
        torch.rand(7)  # other work in the process
        assert resumed.epoch == epoch
        assert [resumed.run_epoch() for _ in range(2 - epoch)] == losses[epoch:]
        assert are_equal(unbroken, resumed)
        assert resumed.files() == files[-1]


def test_another_seed_trains_another_network(start: Any) -> None:
    first, second = start(seed=5), start(seed=6)
    first.run_epoch()
    second.run_epoch()
    assert not are_equal(first, second)


def test_the_average_is_scored_and_differs_from_the_last_weights(start: Any) -> None:
    training = start(ema_decay=0.99)
    training.run_epoch()
    files = training.files()
    assert "average.safetensors" in files and files["average.safetensors"] != files["model.safetensors"]
    assert not any(parameter.requires_grad for parameter in training.scored.parameters())


def test_training_with_an_absurd_rate_is_given_up_with_its_class(start: Any) -> None:
    training = start(optimizer="sgd", learning_rate=1e12, warmup_epochs=0.0, augmentation="none")
    with pytest.raises(Diverged, match="training loss must stay below 23.0, .* in epoch 1; lower") as caught:
        training.run_epoch()
    assert caught.value.failure_class is FailureClass.DIVERGED


def test_a_checkpoint_of_another_architecture_is_refused(start: Any, tiny: Architecture) -> None:
    files = start().files()
    name = "model.safetensors"
    with pytest.raises(Exception, match="deserializing|header"):
        start().restore({**files, name: files[name][:40]})


def test_no_part_of_a_checkpoint_is_a_pickle(start: Any) -> None:
    training = start()
    training.run_epoch()
    for content in training.files().values():
        assert content[:1] == b"{" or content[8:9] == b"{"
