"""Decoded images on disk: one folder of plain .npy arrays a data set, written once, verified when read, never
pickled.

A folder is written under a temporary name and renamed when it is whole, so a reader sees all of it or
nothing, and two workers that write the same data set at once both end with a good one. Test images lie in
files of their own, which only
`read_split(folder, TEST)` opens.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from nas.evaluation.examples import SPLITS, DataError, Labels, Pixels

_SUMMARY = "summary.json"


class SplitWriter:
    """Appends images to a .npy file, whose header gets the final count at the end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._shape: tuple[int, ...] = (0, 0, 0)
        self._digest = hashlib.sha256()
        self._labels: list[int] = []
        self._sums = np.zeros((2, 0))  # [sum and sum of squares, channels]

    def append(self, image: Pixels, label: int) -> None:
        """Adds one image [channels, height, width]."""
        if not self._labels:
            self._shape = image.shape
            self._sums = np.zeros((2, image.shape[0]))
            self._write_header()
        content = np.ascontiguousarray(image).tobytes()
        self._file.write(content)
        self._digest.update(content)
        self._labels.append(label)
        levels = image.astype(np.int64)
        self._sums += np.stack([levels.sum(axis=(1, 2)), (levels**2).sum(axis=(1, 2))])

    def finished(self) -> tuple[Labels, dict[str, Any]]:
        """Completes the file; returns all labels and a summary: shape, hashes, mean, deviation."""
        if self._labels:
            self._write_header()
        labels = np.array(self._labels, dtype=np.int64)
        count = max(1, len(labels) * int(np.prod(self._shape[1:])))
        mean, mean_square = self._sums / count / [[255.0], [255.0**2]]
        return labels, {
            "shape": [len(labels), *self._shape],
            "images_sha256": self._digest.hexdigest(),
            "labels_sha256": hashlib.sha256(labels.tobytes()).hexdigest(),
            "mean": mean.tolist(),
            "std": np.sqrt(np.maximum(mean_square - mean**2, 0.0)).tolist(),
        }

    def _write_header(self) -> None:
        # numpy pads a header so that the first axis can grow in place.
        self._file.seek(0)
        shape = (len(self._labels), *self._shape)
        npy.write_array_header_1_0(self._file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        self._file.seek(0, os.SEEK_END)


def write(folder: Path, images: Iterable[tuple[int, Pixels, int]], facts: dict[str, Any]) -> None:
    """Writes (split, image, label) triples and `facts` as a new cache folder; an existing one is replaced.

    `facts` is looked at when the images are exhausted, so whoever yields them may add to it.

    Raises:
        DataError: the folder cannot be written.
    """
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise _not_writable(folder, error) from error
    try:
        splits = _written(unfinished, images)
        (unfinished / _SUMMARY).write_text(json.dumps({**facts, "splits": splits}, indent=1))
        _replace(unfinished, folder)
    except OSError as error:
        raise _not_writable(folder, error) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _written(folder: Path, images: Iterable[tuple[int, Pixels, int]]) -> dict[str, dict[str, Any]]:
    """Writes the files of all splits and returns their summaries by name."""
    with ExitStack() as files:
        writers = [
            SplitWriter(files.enter_context((folder / f"{name}.images.npy").open("w+b"))) for name in SPLITS
        ]
        for split, image, label in images:
            writers[split].append(image, label)
        summaries = {}
        for name, writer in zip(SPLITS, writers, strict=True):
            labels, summaries[name] = writer.finished()
            np.save(folder / f"{name}.labels.npy", labels, allow_pickle=False)
    return summaries


def read_summary(folder: Path) -> dict[str, Any] | None:
    """Returns what `write` stored as facts, and `splits`; None when there is no such cache."""
    try:
        summary = json.loads((folder / _SUMMARY).read_text())
    except (OSError, ValueError):
        return None
    return summary if isinstance(summary, dict) and "splits" in summary else None


def read_split(folder: Path, split: int, *, max_bytes: int) -> tuple[Pixels, Labels] | None:
    """Returns a split's images and labels; None when a file is missing or its content is not what was
    written.

    Images of more than `max_bytes` are mapped from the file instead of read, and then only their size is
    verified.
    """
    summary = read_summary(folder)
    assert summary is not None
    expected = summary["splits"][SPLITS[split]]
    path = folder / f"{SPLITS[split]}.images.npy"
    if expected["shape"][0] == 0:
        return np.empty(expected["shape"], dtype=np.uint8), np.empty(0, dtype=np.int64)
    is_large = int(np.prod(expected["shape"])) > max_bytes
    try:
        images = np.load(path, mmap_mode="r" if is_large else None, allow_pickle=False)
        labels = np.load(folder / f"{SPLITS[split]}.labels.npy", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if list(images.shape) != expected["shape"] or _sha256(labels) != expected["labels_sha256"]:
        return None
    if not is_large and _sha256(images) != expected["images_sha256"]:
        return None
    return images, labels


def _sha256(array: Pixels | Labels) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def _replace(source: Path, target: Path) -> None:
    """Renames a folder over another; when somebody else was quicker, theirs is as good and stays."""
    if target.exists() and read_summary(target) is None:
        shutil.rmtree(target, ignore_errors=True)
    try:
        source.rename(target)
    except OSError:
        if read_summary(target) is None:
            raise


def _not_writable(folder: Path, error: OSError) -> DataError:
    reason = error.strerror or type(error).__name__
    return DataError(
        f"decoded images are kept in {folder.parent}, which cannot be written ({reason});"
        " free space there or point XDG_CACHE_HOME to another folder"
    )
