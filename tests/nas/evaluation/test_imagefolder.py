"""Folders of images: layouts, damaged files, and one sentence for each way in which they cannot be used."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.evaluation.data import load, load_test
from nas.evaluation.examples import DataError
from nas.settings import DataSettings

MakeFolder = Callable[..., Path]


def settings(path: Path, **fields: object) -> DataSettings:
    return DataSettings.model_validate({"name": f"imagefolder:{path}", "resolution": 12, **fields})


def test_class_folders_become_classes(make_folder: MakeFolder, cache: Path) -> None:
    data = load(settings(make_folder(classes=3)), cache=cache)
    assert data.classes == ("class0", "class1", "class2")
    assert data.train.images.shape == (18, 3, 12, 12)
    assert np.bincount(data.validation.labels).tolist() == [2, 2, 2]
    means = [data.train.images[data.train.labels == label].mean() for label in range(3)]
    assert means == sorted(means) and means[2] - means[0] > 100


def test_grey_images_have_one_channel(make_folder: MakeFolder, cache: Path) -> None:
    assert load(settings(make_folder(mode="L")), cache=cache).input_channels == 1


def test_one_colour_image_makes_all_of_them_colour(make_folder: MakeFolder, cache: Path) -> None:
    path = make_folder(mode="L")
    Image.new("RGB", (9, 9), "red").save(path / "class0" / "red.png")
    assert load(settings(path), cache=cache).input_channels == 3


def test_given_splits_are_kept_and_a_missing_one_is_cut_from_the_training_images(
    make_folder: MakeFolder, cache: Path
) -> None:
    path = make_folder("split/train").parent
    shutil.copytree(path / "train", path / "test")
    data = load(settings(path), cache=cache)
    assert (len(data.train), len(data.validation), data.num_test) == (16, 4, 20)
    shutil.copytree(path / "train", path / "val")
    data = load(settings(path), cache=cache)
    assert (len(data.train), len(data.validation), data.num_test) == (20, 20, 20)
    assert len(load_test(settings(path), cache=cache)) == 20


def test_hidden_files_and_other_files_are_passed_over(make_folder: MakeFolder, cache: Path) -> None:
    path = make_folder()
    (path / "class0" / "._0.png").write_bytes(b"resource fork")
    (path / "class0" / "notes.txt").write_text("hello")
    (path / ".cache").mkdir()
    (path / "__MACOSX").mkdir()
    assert load(settings(path), cache=cache).corrupt == ()


def test_a_touched_file_is_read_again(make_folder: MakeFolder, cache: Path) -> None:
    path = make_folder()
    before = load(settings(path), cache=cache).fingerprint
    Image.new("RGB", (20, 20), "blue").save(path / "class0" / "3.png")
    assert load(settings(path), cache=cache).fingerprint != before


def test_damaged_images_are_skipped_and_named(make_folder: MakeFolder, cache: Path) -> None:
    path = make_folder(images=20)
    (path / "class1" / "4.png").write_bytes(b"not a picture")
    data = load(settings(path, max_corrupt_share=0.1), cache=cache)
    [report] = data.corrupt
    assert report == f"class1{os.sep}4.png: not an image that can be identified"
    assert len(data.train) + len(data.validation) + data.num_test == 39
    assert "1 unreadable skipped (class1" in data.describe()


def test_too_many_damaged_images_are_an_error_also_when_they_were_allowed_before(
    make_folder: MakeFolder, cache: Path
) -> None:
    path = make_folder(images=20)
    for index in range(3):
        (path / "class1" / f"{index}.png").write_bytes(b"")
    load(settings(path, max_corrupt_share=0.1), cache=cache)
    with pytest.raises(
        DataError, match=r"at most 1.0% .* but 3 of 40 are \(class1.0.png: .*; repair or remove"
    ):
        load(settings(path), cache=cache)


def test_a_fresh_read_with_too_many_damaged_images_leaves_no_cache(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    path = make_folder()
    (path / "class1" / "0.png").write_bytes(b"")
    with pytest.raises(DataError, match="1 of 20 are"):
        load(settings(path), cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_decompression_bomb_counts_as_damaged(make_folder: MakeFolder, cache: Path) -> None:
    path = make_folder()
    Image.new("1", (10_000, 10_000)).save(path / "class0" / "bomb.png")
    with pytest.raises(DataError, match="bomb.png: more than 89 million pixels, refused"):
        load(settings(path), cache=cache)


def no_folder(path: Path) -> None:
    shutil.rmtree(path)


def a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("hello")


def empty(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


def one_class(path: Path) -> None:
    shutil.rmtree(path / "class1")


def empty_class(path: Path) -> None:
    (path / "class2").mkdir()


def too_few(path: Path) -> None:
    for index in range(2, 10):
        (path / "class1" / f"{index}.png").unlink()


def two_validation_folders(path: Path) -> None:
    for name in ("train", "val", "valid"):
        (path / name).mkdir()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (no_folder, "does not exist; correct --data"),
        (a_file, "is a file; correct --data"),
        (empty, "has no folders; sort the images into folders"),
        (one_class, "has only 'class0'; add a second folder"),
        (empty_class, "class2 holds none; add some or remove the folder"),
        (too_few, "'class1' of imagefolder:.* has 2 in all, none for test; add images"),
        (two_validation_folders, "a split has one folder, but .* holds train, val, valid; keep one"),
    ],
)
def test_a_folder_that_cannot_be_used_gets_one_sentence(
    spoil: Callable[[Path], None], sentence: str, make_folder: MakeFolder, cache: Path
) -> None:
    path = make_folder()
    spoil(path)
    with pytest.raises(DataError, match=sentence) as caught:
        load(settings(path), cache=cache)
    assert "\n" not in str(caught.value)
