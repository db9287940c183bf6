"""Augmentations change images as they say, on whole batches, and draw from the default generators only."""

from __future__ import annotations

import pytest
import torch

from nas.evaluation.augmentation import augmentation, cropped_and_flipped, shifted, unchanged
from nas.evaluation.randomness import seeded

CPU = torch.device("cpu")
NAMES = ["none", "shift", "crop-flip", "trivial", "rand"]


def batch(channels: int = 1, side: int = 16, count: int = 40) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, channels, side, side), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_augmentation_keeps_shape_type_and_count(name: str, channels: int) -> None:
    images = batch(channels)
    with seeded(CPU, 1):
        changed = augmentation(name)(images)
    assert changed.shape == images.shape and changed.dtype == torch.uint8
    assert torch.equal(changed, images) == (name == "none")
    assert torch.equal(images, batch(channels))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_draws_the_same_changes(name: str) -> None:
    apply = augmentation(name)
    results = []
    for seed in (1, 1, 2):
        with seeded(CPU, seed):
            results.append(apply(batch()))
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2]) == (name == "none")


def test_a_shift_moves_each_image_by_at_most_a_sixteenth_of_its_side() -> None:
    images = torch.zeros(200, 1, 32, 32, dtype=torch.uint8)
    images[:, :, 16, 16] = 255
    with seeded(CPU, 3):
        places = shifted(images)[:, 0].nonzero()
    assert len(places) == 200
    offsets = places[:, 1:] - 16
    assert offsets.min() == -2 and offsets.max() == 2
    assert len(torch.unique(offsets, dim=0)) == 25


def test_a_shift_repeats_the_edge() -> None:
    levels = torch.arange(16, dtype=torch.uint8).expand(50, 1, 16, 16)
    with seeded(CPU, 3):
        rows = shifted(levels)[:, 0, 0].long()
    assert bool((rows.diff(dim=1) >= 0).all())
    assert {tuple(row[:2].tolist()) for row in rows} == {(0, 0), (0, 1), (1, 2)}


def test_about_half_of_the_images_are_mirrored() -> None:
    levels = torch.arange(16, dtype=torch.uint8).expand(400, 1, 16, 16)
    with seeded(CPU, 3):
        rows = cropped_and_flipped(levels)[:, 0, 0].long()
    mirrored = int((rows[:, 0] > rows[:, -1]).sum())
    assert 150 < mirrored < 250


def test_all_channels_of_an_image_move_together() -> None:
    grey = batch(1).expand(-1, 3, -1, -1).contiguous()
    with seeded(CPU, 3):
        changed = cropped_and_flipped(grey)
    assert torch.equal(changed[:, 0], changed[:, 1]) and torch.equal(changed[:, 0], changed[:, 2])


def test_nothing_is_nothing() -> None:
    images = batch()
    assert unchanged(images) is images


def test_drawing_inside_leaves_everybody_elses_draws_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(4)
    torch.manual_seed(0)
    with seeded(CPU, 9, 9):
        augmentation("rand")(batch())
    assert torch.equal(torch.rand(4), expected)
