"""Data sets by name: what a search sees, what it does not, and every way in which a name can be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from nas.evaluation.data import Dataset, Split, load, load_test
from nas.evaluation.examples import DataError
from nas.evaluation.pictures import resampled
from nas.settings import DataSettings
from runs import FailureClass

DIGITS = DataSettings(name="digits", resolution=8)


def keys(split: Split) -> set[bytes]:
    return {image.tobytes() for image in split.images}


def test_digits_are_all_of_scikit_learns_split_without_overlap(cache: Path) -> None:
    digits, test = load(DIGITS, cache=cache), load_test(DIGITS, cache=cache)
    expected = {image.tobytes() for image in np.floor(load_digits().images * 255 / 16 + 0.5).astype(np.uint8)}
    sets = [keys(digits.train), keys(digits.validation), keys(test)]
    assert set.union(*sets) == expected
    assert (len(digits.train), len(digits.validation), len(test)) == (1078, 360, 359)
    assert digits.num_test == 359
    assert not sets[2] & (sets[0] | sets[1])


def test_labels_belong_to_their_images(cache: Path) -> None:
    digits, original = load(DIGITS, cache=cache), load_digits()
    levels = np.floor(original.images * 255 / 16 + 0.5).astype(np.uint8)
    label_of = {image.tobytes(): label for image, label in zip(levels, original.target, strict=True)}
    expected = [label_of[image.tobytes()] for image in digits.train.images]
    assert digits.train.labels.tolist() == expected


def test_the_data_set_of_a_search_has_no_way_to_the_test_images(cache: Path) -> None:
    fields = {name: getattr(load(DIGITS, cache=cache), name) for name in Dataset.__dataclass_fields__}
    splits = [name for name, value in fields.items() if isinstance(value, Split | np.ndarray)]
    assert splits == ["train", "validation"]


def test_a_larger_resolution_shows_the_same_images(cache: Path) -> None:
    small = load(DIGITS, cache=cache)
    large = load(DigitsAt(16), cache=cache)
    assert large.resolution == 16 and large.input_channels == 1
    assert np.array_equal(resampled(small.train.images, 16), large.train.images)


def DigitsAt(resolution: int) -> DataSettings:
    return DataSettings(name="digits", resolution=resolution)


def test_the_fingerprint_follows_content_and_split_and_nothing_else(cache: Path, tmp_path: Path) -> None:
    first = load(DIGITS, cache=cache).fingerprint
    assert first == load(DIGITS, cache=tmp_path).fingerprint
    assert first == load(DIGITS.model_copy(update={"max_corrupt_share": 0.5}), cache=cache).fingerprint
    others = [
        load(DIGITS.model_copy(update=change), cache=cache).fingerprint
        for change in ({"seed": 1}, {"test_share": 0.3}, {"resolution": 9}, {"num_samples": 500})
    ]
    assert len({first, *others}) == 5


def test_a_damaged_cache_is_made_again(tmp_path: Path) -> None:
    before = load(DIGITS, cache=tmp_path)
    [path] = tmp_path.glob("*/train.images.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 255
    path.write_bytes(content)
    after = load(DIGITS, cache=tmp_path)
    assert np.array_equal(before.train.images, after.train.images)
    [test] = tmp_path.glob("*/test.images.npy")
    test.unlink()
    assert len(load_test(DIGITS, cache=tmp_path)) == before.num_test


def test_glyphs_are_rendered_once(tmp_path: Path) -> None:
    settings = DataSettings(name="glyphs", num_samples=60, num_classes=3, resolution=12)
    first = load(settings, cache=tmp_path)
    [folder] = tmp_path.iterdir()
    changed = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = load(settings, cache=tmp_path)
    assert first.fingerprint == again.fingerprint
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == changed


def test_one_line_describes_the_data(cache: Path) -> None:
    line = load(DIGITS, cache=cache).describe()
    assert line.startswith(
        "digits: 10 classes, images of 1×8×8, 1,078 for training, 360 for validation, 359 kept"
    )
    assert "\n" not in line


@pytest.mark.parametrize(
    "name", ["mnist", "digits:3", "imagefolder", "imagefolder:", "hf:", "", ":", "Digits"]
)
def test_a_wrong_name_is_answered_with_the_right_ones(name: str, cache: Path) -> None:
    with pytest.raises(
        DataError, match="must be digits, glyphs, imagefolder:PATH or hf:NAME, got '"
    ) as caught:
        load(DataSettings(name=name), cache=cache)
    assert caught.value.failure_class is FailureClass.USER_ERROR


def test_a_number_of_classes_that_the_data_do_not_have_is_refused(cache: Path) -> None:
    with pytest.raises(DataError, match="found in the data, where it is 10, but 7 was given; leave it out"):
        load(DIGITS.model_copy(update={"num_classes": 7}), cache=cache)


def test_a_cap_below_one_image_a_class_and_split_is_refused(cache: Path) -> None:
    with pytest.raises(DataError, match="digits has none for validation; raise data.num_samples"):
        load(DIGITS.model_copy(update={"num_samples": 10}), cache=cache)
