"""Rendered characters: repeatable, the same scene at every resolution, and what resolution costs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.evaluation.examples import DataError
from nas.evaluation.glyphs import CHARACTERS, examples, glyph
from nas.evaluation.pictures import resampled
from nas.settings import DataSettings


def data(**fields: object) -> DataSettings:
    return DataSettings.model_validate({"name": "glyphs", **fields})


@given(index=st.integers(0, 999), seed=st.integers(0, 2**40))
@settings(max_examples=20, deadline=None)
def test_a_sample_depends_on_its_seed_and_number_alone(index: int, seed: int) -> None:
    few, many = data(seed=seed, num_samples=1_000), data(seed=seed, num_samples=50_000)
    image = examples(few).read(index)
    assert image.shape == (1, 16, 16) and image.dtype == np.uint8
    assert np.array_equal(image, examples(few).read(index))
    assert np.array_equal(image, examples(many).read(index))


@given(index=st.integers(0, 999), clutter=st.sampled_from([0.0, 1.0, 2.0]))
@settings(max_examples=20, deadline=None)
def test_a_smaller_image_is_the_larger_one_averaged(index: int, clutter: float) -> None:
    large = examples(data(resolution=64, clutter=clutter)).read(index)
    small = examples(data(resolution=16, clutter=clutter)).read(index)
    assert np.abs(resampled(large, 16).astype(int) - small).max() <= 1  # rounded twice


def test_images_beyond_the_canvas_show_the_same_scene() -> None:
    large = examples(data(resolution=256)).read(7)
    small = examples(data(resolution=32)).read(7)
    assert np.abs(resampled(large, 32).astype(int) - small).mean() < 3.0


def test_other_seeds_and_other_numbers_give_other_images() -> None:
    images = [examples(data(seed=seed)).read(index) for seed in range(3) for index in range(0, 30, 10)]
    assert len({image.tobytes() for image in images}) == 9


def test_labels_take_turns_so_that_classes_are_balanced() -> None:
    drawn = examples(data(num_samples=1_000, num_classes=36))
    assert drawn.classes == tuple(CHARACTERS[:36])
    counts = np.bincount(drawn.labels)
    assert counts.max() - counts.min() <= 1


def test_every_character_has_ink_and_its_own_shape() -> None:
    drawn = [
        glyph(np.random.default_rng(3), character, resolution=48, clutter=0.0) for character in CHARACTERS
    ]
    assert min(image.std() for image in drawn) > 5.0
    assert len({image.tobytes() for image in drawn}) == len(CHARACTERS)


def test_without_clutter_paper_is_flat() -> None:
    image = examples(data(resolution=32, clutter=0.0)).read(1)
    corners = image[0, [0, 0, -1, -1], [0, -1, 0, -1]].astype(int)
    assert corners.max() - corners.min() == 0


def test_more_classes_than_characters_are_refused() -> None:
    with pytest.raises(DataError, match=r"at most \d+ classes, got data.num_classes = 500; choose fewer"):
        examples(data(num_classes=500))
