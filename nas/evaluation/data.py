"""Data sets by name: split by seed, fingerprinted, decoded once to uint8, and the test images kept apart.

`load` gives what a search may see; `load_test` is the only door to the test images and only final scoring
calls it.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from nas.evaluation import array_cache
from nas.evaluation.examples import (
    SPLITS,
    TEST,
    TRAIN,
    UNASSIGNED,
    VALIDATION,
    DataError,
    Examples,
    Labels,
    Pixels,
    UnreadableImage,
)
from nas.evaluation.splits import assigned_splits
from nas.settings import DataSettings

VERSION = 1  # of splitting and decoding; raised whenever cached arrays would change
MAX_RESIDENT_BYTES = 2 << 30  # a split of more bytes is mapped from disk and streamed, not held in memory

# Each module has `examples(settings, argument)`. It is imported when it is chosen: `datasets` alone takes a
# second, and every worker would wait for every source.
_SOURCES = {
    "digits": "nas.evaluation.digits",
    "glyphs": "nas.evaluation.glyphs",
    "imagefolder": "nas.evaluation.imagefolder",
    "hf": "nas.evaluation.huggingface",
}
_WITH_ARGUMENT = ("imagefolder", "hf")
_NAMED_CORRUPT = 5  # damaged images that a message names


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Images and labels of one split; large ones are mapped from disk, read-only."""

    images: Pixels  # [num_images, channels, height, width]
    labels: Labels  # [num_images], 0 to num_classes - 1

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """What a search sees of a data set. `fingerprint` covers the content of all three splits."""

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    num_test: int
    mean: tuple[float, ...]  # of the training images, a channel, in [0, 1]
    std: tuple[float, ...]
    corrupt: tuple[str, ...]  # "name: reason" of images that were skipped
    fingerprint: str

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def input_channels(self) -> int:
        return int(self.train.images.shape[1])

    @property
    def resolution(self) -> int:
        return int(self.train.images.shape[-1])

    @property
    def num_resident_bytes(self) -> int | None:
        """How much memory the images take; None where some are mapped from disk."""
        images = (self.train.images, self.validation.images)
        return (
            None if any(isinstance(one, np.memmap) for one in images) else sum(one.nbytes for one in images)
        )

    def describe(self) -> str:
        """Returns one line for the plan that is shown before anything is spent."""
        side = self.resolution
        skipped = f", {len(self.corrupt)} unreadable skipped ({self.corrupt[0]})" if self.corrupt else ""
        return (
            f"{self.name}: {self.num_classes} classes, images of {self.input_channels}×{side}×{side},"
            f" {len(self.train):,} for training, {len(self.validation):,} for validation,"
            f" {self.num_test:,} kept apart for the final test{skipped}; fingerprint {self.fingerprint[:12]}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """A data set and the settings that it was loaded by."""

    settings: DataSettings
    dataset: Dataset


def load(
    settings: DataSettings, *, cache: Path | None = None, max_resident_bytes: int = MAX_RESIDENT_BYTES
) -> Dataset:
    """Returns the training and validation images; the first call decodes, later ones read the cache.

    Args:
        settings: which images, how split, at which size.
        cache: folder of decoded images; by default `images` in the platform's cache folder.
        max_resident_bytes: a split with more bytes than this is mapped from disk instead of read into memory.

    Raises:
        DataError: the data cannot be used as asked; the message names rule, value and remedy.

    Example:
        >>> load(DataSettings(name="digits", resolution=16)).num_classes
        10
    """
    folder = _cached(settings, cache)
    train = array_cache.read_split(folder, TRAIN, max_bytes=max_resident_bytes)
    validation = array_cache.read_split(folder, VALIDATION, max_bytes=max_resident_bytes)
    if train is None or validation is None:
        folder = _cached(settings, cache, renew=True)
        train = array_cache.read_split(folder, TRAIN, max_bytes=max_resident_bytes)
        validation = array_cache.read_split(folder, VALIDATION, max_bytes=max_resident_bytes)
    if train is None or validation is None:
        raise _unreliable(folder)
    summary = array_cache.read_summary(folder)
    assert summary is not None
    return Dataset(
        name=settings.name,
        classes=tuple(summary["classes"]),
        train=Split(*train),
        validation=Split(*validation),
        num_test=summary["splits"][SPLITS[TEST]]["shape"][0],
        mean=tuple(summary["splits"][SPLITS[TRAIN]]["mean"]),
        std=tuple(summary["splits"][SPLITS[TRAIN]]["std"]),
        corrupt=tuple(summary["corrupt"]),
        fingerprint=_fingerprint(summary),
    )


def load_test(settings: DataSettings, *, cache: Path | None = None) -> Split:
    """Returns the test images, for one final score; nothing that chooses between networks may call this.

    Raises:
        DataError: as `load`.
    """
    folder = _cached(settings, cache)
    test = array_cache.read_split(folder, TEST, max_bytes=MAX_RESIDENT_BYTES)
    if test is None:
        folder = _cached(settings, cache, renew=True)
        test = array_cache.read_split(folder, TEST, max_bytes=MAX_RESIDENT_BYTES)
    if test is None:
        raise _unreliable(folder)
    return Split(*test)


def _opened(settings: DataSettings) -> Examples:
    """Returns the source's examples; the name before the colon chooses the source."""
    kind, _, argument = settings.name.partition(":")
    if kind not in _SOURCES or (kind in _WITH_ARGUMENT) != bool(argument):
        known = "digits, glyphs, imagefolder:PATH or hf:NAME"
        raise DataError(f"data.name must be {known}, got {settings.name!r}; correct --data")
    examples: Examples = importlib.import_module(_SOURCES[kind]).examples(settings, argument)
    if settings.num_classes not in (None, len(examples.classes)):
        raise DataError(
            f"data.num_classes is found in the data, where it is {len(examples.classes)},"
            f" but {settings.num_classes} was given; leave it out"
        )
    return examples


def _cached(settings: DataSettings, cache: Path | None, *, renew: bool = False) -> Path:
    """Returns the cache folder of these settings, filled if it was not."""
    examples = _opened(settings)
    counted = settings.model_dump(exclude={"name", "max_corrupt_share"})
    key = json.dumps([VERSION, examples.identity, counted], sort_keys=True)
    root = cache if cache is not None else platformdirs.user_cache_path("nas-compound") / "images"
    folder = root / hashlib.sha256(key.encode()).hexdigest()[:32]
    if renew:
        shutil.rmtree(folder, ignore_errors=True)
    summary = array_cache.read_summary(folder)
    if summary is None:
        facts: dict[str, Any] = {"name": settings.name, "classes": list(examples.classes), "corrupt": []}
        array_cache.write(folder, _decoded(settings, examples, facts["corrupt"]), facts)
    else:
        num_readable = sum(split["shape"][0] for split in summary["splits"].values())
        _check_corrupt(settings, summary["corrupt"], num_readable)
    return folder


def _decoded(
    settings: DataSettings, examples: Examples, corrupt: list[str]
) -> Iterator[tuple[int, Pixels, int]]:
    """Yields (split, image, label) of every readable image; the others' names are appended to `corrupt`."""
    splits = assigned_splits(settings, examples)
    chosen = np.flatnonzero(splits != UNASSIGNED)
    remaining = np.bincount(splits[chosen], minlength=len(SPLITS))
    for index in chosen:
        try:
            image = examples.read(int(index))
        except UnreadableImage as error:
            corrupt.append(str(error))
            remaining[splits[index]] -= 1
            continue
        yield int(splits[index]), image, int(examples.labels[index])
    _check_corrupt(settings, corrupt, len(chosen) - len(corrupt))
    if not remaining.all():
        empty = SPLITS[int(np.argmin(remaining))]
        raise DataError(f"{settings.name} has no readable {empty} images; replace the damaged files")


def _check_corrupt(settings: DataSettings, corrupt: list[str], num_readable: int) -> None:
    total = len(corrupt) + num_readable
    if len(corrupt) > settings.max_corrupt_share * total:
        named = "; ".join(corrupt[:_NAMED_CORRUPT]) + ("; …" if len(corrupt) > _NAMED_CORRUPT else "")
        raise DataError(
            f"at most {settings.max_corrupt_share:.1%} of the images may be unreadable,"
            f" but {len(corrupt)} of {total} are ({named}); repair or remove them,"
            " or raise data.max_corrupt_share"
        )


def _fingerprint(summary: dict[str, Any]) -> str:
    """Returns the sha256 over classes and the content of every split, in order."""
    content = [summary["classes"]] + [
        [split["shape"], split["images_sha256"], split["labels_sha256"]]
        for split in summary["splits"].values()
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _unreliable(folder: Path) -> DataError:
    return DataError(
        f"decoded images must read back as they were written, but those in {folder} do not;"
        " check that disk or point XDG_CACHE_HOME to another one"
    )
