"""Decoded images on disk: exact, whole or absent, verified, and written with one image in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nas.evaluation import array_cache
from nas.evaluation.examples import SPLITS, TEST, TRAIN, VALIDATION, DataError, Pixels

MAX = 1 << 20


def triples(count: int = 12) -> Iterator[tuple[int, Pixels, int]]:
    rng = np.random.default_rng(0)
    for index in range(count):
        yield index % 3, rng.integers(0, 256, size=(2, 5, 5), dtype=np.uint8), index


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    array_cache.write(tmp_path / "a", triples(), {"classes": ["x"]})
    written = list(triples())
    for split in range(len(SPLITS)):
        stored = array_cache.read_split(tmp_path / "a", split, max_bytes=MAX)
        assert stored is not None
        images, labels = stored
        assert np.array_equal(images, [image for number, image, _ in written if number == split])
        assert labels.tolist() == [label for number, _, label in written if number == split]


def test_the_summary_has_mean_and_deviation_of_each_channel(tmp_path: Path) -> None:
    array_cache.write(tmp_path / "a", triples(), {})
    stored = array_cache.read_split(tmp_path / "a", TRAIN, max_bytes=MAX)
    summary = array_cache.read_summary(tmp_path / "a")
    assert stored is not None and summary is not None
    levels = stored[0] / 255.0
    assert summary["splits"]["train"]["mean"] == pytest.approx(levels.mean(axis=(0, 2, 3)))
    assert summary["splits"]["train"]["std"] == pytest.approx(levels.std(axis=(0, 2, 3)))


def test_large_splits_are_mapped_and_small_ones_read(tmp_path: Path) -> None:
    array_cache.write(tmp_path / "a", triples(), {})
    mapped = array_cache.read_split(tmp_path / "a", TRAIN, max_bytes=10)
    held = array_cache.read_split(tmp_path / "a", TRAIN, max_bytes=MAX)
    assert mapped is not None and held is not None
    assert isinstance(mapped[0], np.memmap) and not isinstance(held[0], np.memmap)
    assert np.array_equal(mapped[0], held[0])


@pytest.mark.parametrize("part", ["images", "labels"])
def test_a_flipped_bit_is_found(tmp_path: Path, part: str) -> None:
    array_cache.write(tmp_path / "a", triples(), {})
    path = tmp_path / "a" / f"validation.{part}.npy"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    assert array_cache.read_split(tmp_path / "a", VALIDATION, max_bytes=MAX) is None
    assert array_cache.read_split(tmp_path / "a", TEST, max_bytes=MAX) is not None


@pytest.mark.parametrize("size", [0, 50, 130])
def test_a_truncated_file_is_found_even_when_it_is_mapped(tmp_path: Path, size: int) -> None:
    array_cache.write(tmp_path / "a", triples(), {})
    path = tmp_path / "a" / "train.images.npy"
    path.write_bytes(path.read_bytes()[:size])
    assert array_cache.read_split(tmp_path / "a", TRAIN, max_bytes=10) is None


def test_a_write_that_fails_midway_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> Iterator[tuple[int, Pixels, int]]:
        yield from triples(4)
        raise KeyError("source went away")

    with pytest.raises(KeyError):
        array_cache.write(tmp_path / "a", interrupted(), {})
    assert list(tmp_path.iterdir()) == []


def test_the_second_of_two_writers_keeps_the_first_ones_copy(tmp_path: Path) -> None:
    array_cache.write(tmp_path / "a", triples(), {"writer": 1})
    array_cache.write(tmp_path / "a", triples(), {"writer": 2})
    summary = array_cache.read_summary(tmp_path / "a")
    assert summary is not None and summary["writer"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_no_file_is_a_pickle(tmp_path: Path) -> None:
    array_cache.write(tmp_path / "a", triples(), {})
    for path in (tmp_path / "a").iterdir():
        if path.suffix == ".npy":
            np.load(path, allow_pickle=False)
        else:
            json.loads(path.read_text())


def test_a_place_that_cannot_be_written_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot be written \(Not a directory\); free space there or point"):
        array_cache.write(tmp_path / "file" / "images" / "a", triples(), {})
