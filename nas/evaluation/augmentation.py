"""Random changes of training images, in batches on the device that holds them.

`shift` and `crop-flip` are one gather each, written by hand because that took 0.9 ms for a batch of 128 where
kornia took 2.5. `trivial` is TrivialAugment (Müller and Hutter, arXiv:2103.10158) and `rand` RandAugment
(Cubuk et al., arXiv:1909.13719; 2 operations, whose magnitude the recipe says), both kornia's. Its RandAugment
draws one operation for a whole batch, where the paper draws for each image, so a batch is cut into groups of
`_GROUP` images.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_GROUP = 16
_SHIFT = 16  # images move by up to 1/16 of their side; CIFAR's customary 1/8 costs short trainings accuracy

Augmentation = Callable[[Tensor], Tensor]


def augmentation(name: str, magnitude: int = 9) -> Augmentation:
    """Returns the augmentation of this name, uint8 [images, channels, side, side] to the same.

    It draws from torch's default generators, which `seeded` sets. `magnitude`, in [1, 29], is that of `rand`.

    Raises:
        KeyError: no such name; `nas.settings.Recipe` admits only those that exist.
    """
    augmentations: dict[str, Callable[[], Augmentation]] = {
        "none": lambda: unchanged,
        "shift": lambda: shifted,
        "crop-flip": lambda: cropped_and_flipped,
        "trivial": lambda: _policy("trivial", magnitude),
        "rand": lambda: _policy("rand", magnitude),
    }
    return augmentations[name]()


def _policy(name: str, magnitude: int) -> Augmentation:
    """Returns one of kornia's."""
    from kornia.augmentation.auto import RandAugment, TrivialAugment

    return _in_groups(TrivialAugment() if name == "trivial" else RandAugment(n=2, m=magnitude))


def unchanged(images: Tensor) -> Tensor:
    """Returns the images as they are."""
    return images


def shifted(images: Tensor) -> Tensor:
    """Returns each image moved by up to 1/16 of its side, at least one pixel; edge pixels are repeated."""
    rows, columns = _moved_coordinates(images)
    return _gathered(images, rows, columns)


def cropped_and_flipped(images: Tensor) -> Tensor:
    """Returns each image moved as by `shifted`, and half of them mirrored left to right."""
    rows, columns = _moved_coordinates(images)
    mirrored = torch.rand(len(images), 1, device=images.device) < 0.5
    return _gathered(images, rows, torch.where(mirrored, columns.flip(1), columns))


def _moved_coordinates(images: Tensor) -> tuple[Tensor, Tensor]:
    """Returns for each image the source rows and the source columns, each [images, side]."""
    side = images.shape[-1]
    reach = max(1, side // _SHIFT)
    offsets = torch.randint(-reach, reach + 1, (2, len(images), 1), device=images.device)
    rows, columns = (torch.arange(side, device=images.device) + offsets).clamp(0, side - 1)
    return rows, columns


def _gathered(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    count, channels = images.shape[:2]
    image = torch.arange(count, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[None, :, None, None]
    return images[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


def _in_groups(policy: Callable[[Tensor], Tensor]) -> Augmentation:
    """Returns a kornia policy as an augmentation; grey images are shown to it as colour, which it needs."""

    def apply(images: Tensor) -> Tensor:
        channels = images.shape[1]
        levels = images.to(torch.float32).div(255.0).expand(-1, 3, -1, -1)
        changed = torch.cat([policy(group) for group in torch.split(levels, _GROUP)])
        return changed[:, :channels].clamp(0.0, 1.0).mul(255.0).round().to(torch.uint8)

    return apply
