"""Pixels in, pixels out: image files decoded safely, and squares resampled exactly.

Resampling is done in whole numbers, so a data set has the same fingerprint on every machine: each output pixel is
a weighted mean of input pixels whose weights are integers over a common divisor.
"""

from __future__ import annotations

import io
import warnings
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
    along_axis, divisor = (_shrunk, side) if size < side else (_grown, 2 * size)
    columns = along_axis(images.astype(np.int64), size)
    both = along_axis(columns.swapaxes(-1, -2), size).swapaxes(-1, -2)
    return ((both + divisor * divisor // 2) // (divisor * divisor)).astype(np.uint8)


def _shrunk(values: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Returns the area means along the last axis, times its length: differences of the integral, without BLAS.

    Lengths are in units of 1/size of an input pixel, so that every edge of an output pixel is a whole number. (A
    matrix product does the same in three lines, and fifty times slower where its threads contend.)
    """
    side = values.shape[-1]
    integral = np.zeros((*values.shape[:-1], side + 1), dtype=np.int64)
    np.cumsum(values, axis=-1, out=integral[..., 1:])
    whole, rest = np.divmod(np.arange(size) * side, size)
    edges = np.empty((*values.shape[:-1], size + 1), dtype=np.int64)
    edges[..., :size] = integral[..., whole] * size + values[..., whole] * rest
    edges[..., size] = integral[..., side] * size
    sums: NDArray[np.int64] = edges[..., 1:] - edges[..., :-1]
    return sums


def _grown(values: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Returns linear interpolation along the last axis, times twice the new size; edge pixels are repeated."""
    side = values.shape[-1]
    # Centres of output pixels, from the first input pixel's centre, in units of 1/(2 size) of an input pixel.
    centres = np.clip((2 * np.arange(size) + 1) * side - size, 0, 2 * size * (side - 1))
    left, weight = np.divmod(centres, 2 * size)
    right = np.minimum(left + 1, side - 1)
    sums: NDArray[np.int64] = values[..., left] * (2 * size - weight) + values[..., right] * weight
    return sums


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
