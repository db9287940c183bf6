"""Pixels in, pixels out: image files decoded safely, and squares resampled exactly.

Resampling is done in whole numbers, so a data set has the same fingerprint on every machine, whatever its
linear algebra library: each output pixel is a weighted mean of input pixels whose weights are integers over a
common divisor.
"""

from __future__ import annotations

import io
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from nas.evaluation.examples import Pixels, UnreadableImage

# Modes of Pillow that hold one grey channel (with or without transparency).
GREY_MODES = frozenset({"1", "L", "LA", "I;16", "I;16B", "I;16L"})


def resampled(images: Pixels, size: int) -> Pixels:
    """Returns square images at another size: exact area averages when shrinking, bilinear when growing.

    Args:
        images: uint8 [..., side, side].
        size: new side in pixels, at least 1.

    Example:
        >>> resampled(np.array([[0, 10], [20, 30]], dtype=np.uint8), 1)
        array([[15]], dtype=uint8)
    """
    side = images.shape[-1]
    if side == size:
        return images
    weights, divisor = _resampling_weights(side, size)
    # Whole numbers below 2^53 are exact in float64, in whatever order the library adds them.
    sums = weights @ images.astype(np.float64) @ weights.T
    return np.floor((sums + divisor * divisor // 2) / (divisor * divisor)).astype(np.uint8)


@lru_cache(maxsize=64)
def _resampling_weights(side: int, size: int) -> tuple[NDArray[np.float64], int]:
    """Returns whole-number weights [size, side] and the divisor that each row sums to."""
    inputs = np.arange(side, dtype=np.int64)[None, :]
    outputs = np.arange(size, dtype=np.int64)[:, None]
    if size < side:  # lengths in units of 1/size of an input pixel: an output pixel is `side` of them long
        start = np.maximum(outputs * side, inputs * size)
        end = np.minimum((outputs + 1) * side, (inputs + 1) * size)
        return np.maximum(end - start, 0).astype(np.float64), side
    # Centres in units of 1/(2 size) of an input pixel, kept inside the image; tents of one pixel's
    # half-width.
    centres = np.clip((2 * outputs + 1) * side, size, 2 * size * side - size)
    distances = np.abs(centres - (2 * inputs + 1) * size)
    return np.maximum(2 * size - distances, 0).astype(np.float64), 2 * size


def is_grey(source: Path | bytes) -> bool | None:
    """Returns whether an image file's header says one grey channel; None where it is unreadable."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(_stream(source)) as image:
            return image.mode in GREY_MODES
    except _DECODING_ERRORS:
        return None


def decoded(source: Path | bytes, name: str, *, resolution: int, channels: int) -> Pixels:
    """Returns one image file as a square: turned upright, cropped about its centre, resized, on white where
    transparent.

    Args:
        source: path or content of a file in any format that Pillow reads.
        name: what the image is called in the error.
        resolution: side of the square in pixels.
        channels: 1 for grey, 3 for red, green, blue.

    Returns:
        uint8 [channels, resolution, resolution].

    Raises:
        UnreadableImage: the file is missing, damaged, of an unknown format, or a decompression bomb (more
            pixels than
            `PIL.Image.MAX_IMAGE_PIXELS`, 89 million); the reason is given.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(_stream(source)) as image:
                image.draft("L" if channels == 1 else "RGB", (2 * resolution, 2 * resolution))
                upright = _flat(ImageOps.exif_transpose(image), channels)
                square = ImageOps.fit(upright, (resolution, resolution), Image.Resampling.BILINEAR)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise UnreadableImage(
            f"{name}: more than {limit:.0f} million pixels, refused as a decompression bomb"
        ) from error
    except _DECODING_ERRORS as error:
        raise UnreadableImage(f"{name}: {_reason(error)}") from error
    pixels = np.asarray(square, dtype=np.uint8)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


# Pillow's decoders raise all of these for damaged files; SyntaxError comes from its PNG chunk reader.
_DECODING_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
)


def _stream(source: Path | bytes) -> Path | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _flat(image: Image.Image, channels: int) -> Image.Image:
    """Returns 8-bit grey or colour; 16-bit grey keeps its upper byte, transparency lies on white."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError(
            f"pixels of type {image.mode} have no fixed range; save it with 8 or 16 bits a channel"
        )
    elif image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image.convert("L" if channels == 1 else "RGB")


def _reason(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "permission denied"
    if text and "cannot identify image file" in text[0]:
        return "not an image that can be identified"
    return text[0] if text else type(error).__name__
