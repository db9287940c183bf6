"""Which image is for training, validation and test: fixed by a seed, the same share of every class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nas.evaluation.examples import SPLITS, TEST, TRAIN, UNASSIGNED, VALIDATION, DataError, Examples, Labels
from nas.settings import DataSettings


def stratified_ranks(labels: Labels, seed: int) -> NDArray[np.float64]:
    """Returns a rank in (0, 1) for each label, such that those below any threshold are that share of every
    class.

    One shuffle by `seed` thus gives splits, caps and nested training shares: all of them are intervals of
    ranks.

    Args:
        labels: whole numbers [n].
        seed: fixes the shuffle within each class.
    """
    ranks = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        order = np.random.default_rng((seed, int(label))).permutation(len(members))
        ranks[members[order]] = (np.arange(len(members)) + 0.5) / len(members)
    return ranks


def training_share(labels: Labels, share: float, seed: int) -> NDArray[np.int64]:
    """Returns the indices, ascending, of a share of the training images; smaller shares are in larger ones.

    Args:
        labels: whole numbers [n], each below n.
        share: in (0, 1], of every class, of which at least one image is taken.
        seed: fixes which.
    """
    ranks = stratified_ranks(labels, seed)
    smallest = 0.5 / np.bincount(labels)[labels]  # the first rank of each class
    return np.flatnonzero((ranks < share) | (ranks <= smallest))


def assigned_splits(settings: DataSettings, examples: Examples) -> NDArray[np.int8]:
    """Returns each example's split; `UNASSIGNED` for those beyond the cap `num_samples`.

    What the source fixed stays; a test or validation split that it lacks is cut from the rest.

    Raises:
        DataError: the shares leave nothing to train on, or a class has too few images for three splits.
    """
    if settings.validation_share + settings.test_share >= 1.0:
        raise DataError(
            "data.validation_share + data.test_share must be below 1, got"
            f" {settings.validation_share} + {settings.test_share}; make one of them smaller"
        )
    splits = np.where(examples.splits == UNASSIGNED, TRAIN, examples.splits).astype(np.int8)
    lacks = [split for split in (TEST, VALIDATION) if not np.any(splits == split)]
    ranks = np.empty(len(splits))
    for split in range(len(SPLITS)):
        members = np.flatnonzero(splits == split)
        ranks[members] = stratified_ranks(examples.labels[members], settings.seed)
    kept = np.ones(len(splits), dtype=bool)
    if settings.num_samples is not None and settings.num_samples < len(splits):
        kept = ranks < settings.num_samples / len(splits)
        ranks *= len(splits) / settings.num_samples
    start = 0.0
    for split, share in ((TEST, settings.test_share), (VALIDATION, settings.validation_share)):
        if split in lacks:
            splits[(splits == TRAIN) & kept & (ranks >= start) & (ranks < start + share)] = split
            start += share
    splits[~kept] = UNASSIGNED
    _check_splits(settings, examples, splits)
    return splits


def _check_splits(settings: DataSettings, examples: Examples, splits: NDArray[np.int8]) -> None:
    num_classes = len(examples.classes)
    if num_classes < 2:
        raise DataError(
            f"a classifier needs two classes or more, but {settings.name} has {num_classes}; add a second"
        )
    for split, name in enumerate(SPLITS):
        counts = np.bincount(examples.labels[splits == split], minlength=num_classes)
        if not counts.any():
            remedy = f"data.{name}_share" if settings.num_samples is None else "data.num_samples"
            raise DataError(
                f"each split needs images, but {settings.name} has none for {name}; raise {remedy}"
            )
        if split != TRAIN and np.any(examples.splits == split):
            continue  # the source's own split may lack a class
        if not counts.all():
            label = int(np.argmin(counts))
            total = int(np.sum(examples.labels == label))
            raise DataError(
                f"every class needs an image in each split, but {examples.classes[label]!r}"
                f" of {settings.name} has {total} in all, none for {name}; add images or take the class out"
            )
