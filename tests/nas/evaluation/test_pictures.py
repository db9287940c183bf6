"""Laws of exact resampling, and what becomes of odd or damaged image files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from nas.evaluation.examples import UnreadableImage
from nas.evaluation.pictures import decoded, is_grey, resampled

SIDES = st.integers(1, 40)


def content(image: Image.Image, kind: str = "png") -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def of(source: bytes | Path, channels: int = 3, resolution: int = 8) -> np.ndarray:
    return decoded(source, "it.png", resolution=resolution, channels=channels)


@given(level=st.integers(0, 255), side=SIDES, size=SIDES)
def test_a_flat_image_stays_flat_at_every_size(level: int, side: int, size: int) -> None:
    flat = np.full((1, side, side), level, dtype=np.uint8)
    assert np.array_equal(resampled(flat, size), np.full((1, size, size), level))


@given(image=arrays(np.uint8, (12, 12)), factor=st.sampled_from([2, 3, 4, 6, 12]))
def test_shrinking_by_a_whole_factor_is_the_mean_of_each_square(image: np.ndarray, factor: int) -> None:
    squares = image.reshape(12 // factor, factor, 12 // factor, factor).astype(int)
    expected = np.floor(squares.mean(axis=(1, 3)) + 0.5)
    assert np.array_equal(resampled(image, 12 // factor), expected)


@given(image=arrays(np.uint8, (9, 9)), size=st.integers(1, 30))
def test_resampling_commutes_with_mirroring_and_turning(image: np.ndarray, size: int) -> None:
    assert np.array_equal(resampled(image[:, ::-1], size), resampled(image, size)[:, ::-1])
    assert np.array_equal(resampled(image.T, size), resampled(image, size).T)


def test_growing_is_bilinear_about_pixel_centres() -> None:
    image = np.array([[0, 100], [0, 100]], dtype=np.uint8)
    assert resampled(image, 4)[0].tolist() == [0, 25, 75, 100]


def test_a_wide_image_is_cropped_about_its_centre() -> None:
    levels = np.zeros((10, 30), dtype=np.uint8)
    levels[:, 9:21] = 200  # resizing looks half a pixel beyond the crop
    assert of(content(Image.fromarray(levels)), channels=1).min() == 200


def test_transparent_pixels_lie_on_white() -> None:
    assert of(content(Image.new("RGBA", (9, 9), (0, 0, 0, 0)))).min() == 255


def test_sixteen_bit_grey_keeps_its_upper_byte() -> None:
    levels = np.full((9, 9), 0x8A7F, dtype=np.uint16)
    assert np.unique(of(content(Image.fromarray(levels)), channels=1)).tolist() == [0x8A]


def test_a_photograph_is_turned_upright_by_its_own_note() -> None:
    levels = np.zeros((8, 8, 3), dtype=np.uint8)
    levels[:4] = 255
    image = Image.fromarray(levels)
    exif = image.getexif()
    exif[0x0112] = 3  # the camera was upside down
    stream = io.BytesIO()
    image.save(stream, "png", exif=exif)
    upright = of(stream.getvalue())
    assert upright[:, :3].max() == 0 and upright[:, 5:].min() == 255


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "P", "RGB", "RGBA", "CMYK"])
def test_every_common_mode_of_pixels_is_read(mode: str) -> None:
    image = Image.new("I;16" if mode == "I;16" else mode, (9, 7))
    stored = content(image, "tiff" if mode == "CMYK" else "png")
    assert of(stored).shape == (3, 8, 8)
    assert of(stored, channels=1).shape == (1, 8, 8)
    assert is_grey(stored) is (mode in ("1", "L", "LA", "I;16"))


def test_a_missing_file_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"^it.png: no such file$"):
        of(tmp_path / "it.png")


@pytest.mark.parametrize("cut", [0, 1, 8, 20, 60, 200])
@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp"])
def test_a_file_cut_short_is_unreadable(kind: str, cut: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, size=(40, 40, 3), dtype=np.uint8)
    whole = content(Image.fromarray(noise), kind)
    with pytest.raises(UnreadableImage, match="^it.png: "):
        of(whole[:cut])


def test_text_is_not_an_image() -> None:
    with pytest.raises(UnreadableImage, match="not an image that can be identified"):
        of(b"hello")


@pytest.mark.parametrize("side", [10_000, 14_000])  # where Pillow warns, and where it refuses
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    bomb = content(Image.new("1", (side, side)))
    assert len(bomb) < 100_000
    with pytest.raises(UnreadableImage, match="decompression bomb"):
        of(bomb)


def test_floating_point_pixels_are_refused_because_they_have_no_range() -> None:
    with pytest.raises(UnreadableImage, match="no fixed range"):
        of(content(Image.new("F", (9, 9)), "tiff"))
