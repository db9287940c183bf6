"""Batches of images on the device: resident there as uint8 where they fit, streamed from disk where not.

Both give exactly the same batches, so which one serves is a matter of memory and never of results.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nas.evaluation.data import Split
from nas.evaluation.pictures import resampled

Batch = tuple[Tensor, Tensor]  # uint8 [size, channels, side, side], int64 [size]
Indices = NDArray[np.int64]

_RESAMPLED_AT_ONCE = 512  # images; bounds the memory of int64 copies


class Feed(Protocol):
    """Images of one split at one resolution. Guarantees: the batches asked for, in order, on the device."""

    def __len__(self) -> int: ...

    def batches(self, order: Sequence[Indices]) -> Iterator[Batch]: ...


@dataclass(frozen=True, slots=True, eq=False)
class ResidentFeed:
    """All images on the device."""

    images: Tensor  # uint8 [num_images, channels, side, side]
    labels: Tensor  # int64 [num_images]

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, order: Sequence[Indices]) -> Iterator[Batch]:
        for indices in order:
            chosen = torch.from_numpy(indices).to(self.images.device)
            yield self.images[chosen], self.labels[chosen]


@dataclass(frozen=True, slots=True, eq=False)
class StreamedFeed:
    """Images read from a mapped file, batch by batch, by a DataLoader."""

    split: Split
    resolution: int
    device: torch.device
    num_workers: int

    def __len__(self) -> int:
        return len(self.split)

    def batches(self, order: Sequence[Indices]) -> Iterator[Batch]:
        loader = DataLoader(
            _MappedImages(self.split, self.resolution),
            batch_size=None,  # the sampler's items are whole batches
            sampler=list(order),
            num_workers=self.num_workers,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # or it would draw from the default one and change the training
        )
        for images, labels in loader:
            yield images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)


class _MappedImages(Dataset[Batch]):
    def __init__(self, split: Split, resolution: int) -> None:
        self._split, self._resolution = split, resolution

    def __getitem__(self, indices: Indices) -> Batch:
        images = resampled(self._split.images[indices], self._resolution)
        return torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(self._split.labels[indices])


def open_feed(split: Split, *, resolution: int, device: torch.device, num_workers: int = 0) -> Feed:
    """Returns the split's batches at a resolution: resident, or streamed if its images are mapped from disk.

    Args:
        split: images of any side.
        resolution: side in pixels to which they are resampled.
        device: where batches are wanted.
        num_workers: processes that read ahead of a streamed feed; 0 reads in this one.
    """
    if isinstance(split.images, np.memmap):
        return StreamedFeed(split, resolution, device, num_workers)
    parts = range(0, len(split), _RESAMPLED_AT_ONCE)
    images = [resampled(split.images[start : start + _RESAMPLED_AT_ONCE], resolution) for start in parts]
    return ResidentFeed(
        torch.from_numpy(np.concatenate(images)).to(device), torch.from_numpy(split.labels).to(device)
    )


def shuffled_batches(indices: Indices, batch_size: int, rng: np.random.Generator) -> list[Indices]:
    """Returns one epoch's batches: as few as keep within `batch_size`, all of one size.

    Fewer images than there are batches are left out, others each epoch. One size keeps a network from seeing
    a last batch of one or two images, from which batch normalisation learns nothing.
    """
    num_batches = -(-len(indices) // batch_size)
    size = len(indices) // num_batches
    return list(rng.permutation(indices)[: num_batches * size].reshape(num_batches, size))


def ordered_batches(count: int, batch_size: int) -> list[Indices]:
    """Returns all of `count` images once, in order."""
    everything = np.arange(count, dtype=np.int64)
    return [everything[start : start + batch_size] for start in range(0, count, batch_size)]
