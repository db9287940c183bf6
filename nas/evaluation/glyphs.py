"""Rendered characters among clutter: an image data set of any size and resolution, made from nothing but a
seed.

A scene (character, font, pose, background, distractors, strokes) is drawn in unit coordinates on a fine
canvas and then averaged down, so the same scene at 12 and at 32 pixels is one picture at two resolutions and
details are truly lost. Depth, width and resolution of a network all have something to gain, which makes
scaling rules measurable in minutes on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import PIL
from matplotlib.ft2font import FT2Font
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from nas.evaluation.examples import UNASSIGNED, DataError, Examples, Pixels
from nas.evaluation.pictures import resampled
from nas.settings import DataSettings

VERSION = 3  # raised whenever any pixel would change

# Classes are taken from the front. Characters that no rotation-free eye tells apart (O and 0, I and l, c and
# C) are left out.
CHARACTERS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZabdefghijkmnqrty&@#%$?!+=<>*ΓΔΘΛΞΠΣΦΨΩαβγδεθλμξπσφψω"
_DEFAULT_SAMPLES, _DEFAULT_CLASSES = 10_000, 10

# Families that matplotlib bundles. Computer Modern's symbols lie at other code points, so it draws letters
# and digits only.
_FULL_FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
)
_LETTER_FONTS = ("cmr10", "cmb10", "cmss10", "cmtt10")

_CANVAS = 128  # pixels a side; at larger resolutions the canvas is the image
_GLYPH = 64  # font size in pixels at which a character is drawn before it is placed

Canvas = NDArray[np.float32]  # [side, side], grey levels 0..255


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a character stands: all lengths in sides of the image, angles in radians."""

    x: float
    y: float
    height: float
    aspect: float
    angle: float
    shear: float


def examples(settings: DataSettings, argument: str = "") -> Examples:
    """Returns rendered characters; sample i depends on (seed, i) alone and shows class i mod `num_classes`.

    Args:
        settings: `resolution`; `num_samples` over all splits (10,000 unless given); `num_classes` (10 unless
            given), the first of `CHARACTERS`; `seed`, another one draws other scenes; `clutter`.
        argument: unused, other sources have one.

    Raises:
        DataError: more classes than there are characters.

    Example:
        >>> examples(DataSettings(name="glyphs", resolution=16)).read(3).shape
        (1, 16, 16)
    """
    del argument
    num_samples = settings.num_samples or _DEFAULT_SAMPLES
    num_classes = settings.num_classes or _DEFAULT_CLASSES
    if num_classes > len(CHARACTERS):
        rule = f"glyphs draws at most {len(CHARACTERS)} classes"
        raise DataError(f"{rule}, got data.num_classes = {num_classes}; choose fewer")

    def read(index: int) -> Pixels:
        return glyph(
            np.random.default_rng((settings.seed, index)),
            CHARACTERS[index % num_classes],
            resolution=settings.resolution,
            clutter=settings.clutter,
            others=CHARACTERS[:num_classes],
        )

    return Examples(
        classes=tuple(CHARACTERS[:num_classes]),
        labels=np.arange(num_samples, dtype=np.int64) % num_classes,
        splits=np.full(num_samples, UNASSIGNED, dtype=np.int8),
        identity=f"glyphs {VERSION} pillow {PIL.__version__} matplotlib {matplotlib.__version__}",
        read=read,
    )


def glyph(
    rng: np.random.Generator,
    character: str,
    *,
    resolution: int,
    clutter: float = 1.0,
    others: Sequence[str] = CHARACTERS,
) -> Pixels:
    """Returns one scene as uint8 [1, resolution, resolution]; what is drawn does not depend on the
    resolution.

    Args:
        rng: used up in the same order at every resolution.
        character: the one that names the class, in front and near the middle.
        resolution: side in pixels.
        clutter: 0 to 2, scales the pose, the background and the number of distractors.
        others: characters that may lie small at the rim as distractors.
    """
    side = max(_CANVAS, resolution)
    paper = rng.uniform(60.0, 195.0)
    canvas = _background(rng, side, paper, clutter)
    for _ in range(rng.poisson(1.5 * clutter)):
        angle = rng.uniform(0.0, 2.0 * math.pi)
        distance = rng.uniform(0.34, 0.52)
        pose = Pose(
            x=0.5 + distance * math.cos(angle),
            y=0.5 + distance * math.sin(angle),
            height=rng.uniform(0.16, 0.30),
            aspect=rng.uniform(0.8, 1.25),
            angle=rng.uniform(-math.pi, math.pi),
            shear=rng.uniform(-0.3, 0.3),
        )
        other = others[int(rng.integers(len(others)))]
        _blend(canvas, _placed(_font_mask(rng, other), pose, side), _ink(rng, paper, 25.0, 80.0))
    _strokes(rng, canvas, rng.poisson(1.0 * clutter), paper, longest=0.6)
    pose = Pose(
        x=0.5 + clutter * rng.uniform(-0.13, 0.13),
        y=0.5 + clutter * rng.uniform(-0.13, 0.13),
        height=0.5 + clutter * rng.uniform(-0.16, 0.06),
        aspect=1.0 + clutter * rng.uniform(-0.2, 0.25),
        angle=clutter * rng.uniform(-0.4, 0.4),
        shear=clutter * rng.uniform(-0.25, 0.25),
    )
    _blend(canvas, _placed(_font_mask(rng, character), pose, side), _ink(rng, paper, 60.0, 120.0))
    _strokes(rng, canvas, rng.poisson(0.6 * clutter), paper, longest=0.35)
    canvas += _texture(rng, side, 32, 10.0 * clutter)
    image = Image.fromarray(np.clip(canvas, 0.0, 255.0).astype(np.uint8))
    blurred = image.filter(ImageFilter.GaussianBlur(side * clutter * rng.uniform(0.0, 0.012)))
    return resampled(np.asarray(blurred)[None], resolution)


def _background(rng: np.random.Generator, side: int, paper: float, clutter: float) -> Canvas:
    """Returns paper of one level with a linear gradient and slow, cloudy texture on it."""
    steps = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    along_x, along_y = clutter * rng.uniform(-45.0, 45.0, size=2)
    clouds = _texture(rng, side, 5, clutter * rng.uniform(0.0, 30.0))
    slope = along_x * steps[None, :] + along_y * steps[:, None]
    return np.asarray(paper + slope + clouds, dtype=np.float32)


def _texture(rng: np.random.Generator, side: int, knots: int, amplitude: float) -> Canvas:
    """Returns smooth noise within ± `amplitude`: uniform at `knots` points a side, bilinear in between."""
    values = rng.integers(0, 256, size=(knots, knots), dtype=np.uint8)
    return (resampled(values, side).astype(np.float32) - 127.5) * np.float32(amplitude / 127.5)


def _ink(rng: np.random.Generator, paper: float, low: float, high: float) -> float:
    """Returns a level that differs from the paper's by `low` to `high`, within 0 to 255."""
    sign = 1.0 if rng.random() < (255.0 - paper) / 255.0 else -1.0
    return min(255.0, max(0.0, paper + sign * rng.uniform(low, high)))


def _strokes(rng: np.random.Generator, canvas: Canvas, count: int, paper: float, *, longest: float) -> None:
    """Draws arcs and straight strokes anywhere on the canvas, in place."""
    side = canvas.shape[0]
    for _ in range(count):
        x, y = rng.uniform(0.05, 0.95, size=2) * side
        length, angle = side * rng.uniform(0.3, 1.0) * longest, rng.uniform(0.0, 2.0 * math.pi)
        width = max(1, round(side * rng.uniform(0.012, 0.035)))
        mask = Image.new("L", (side, side))
        pen = ImageDraw.Draw(mask)
        if rng.random() < 0.5:
            dx, dy = 0.5 * length * math.cos(angle), 0.5 * length * math.sin(angle)
            pen.line((x - dx, y - dy, x + dx, y + dy), fill=255, width=width)
        else:
            start, radius = math.degrees(angle), 0.5 * length
            pen.arc(
                (x - radius, y - radius, x + radius, y + radius), start, start + 200.0, fill=255, width=width
            )
        _blend(canvas, mask, _ink(rng, paper, 25.0, 100.0))


def _blend(canvas: Canvas, mask: Image.Image, level: float) -> None:
    share = np.asarray(mask, dtype=np.float32) / np.float32(255.0)
    canvas += (np.float32(level) - canvas) * share


def _placed(mask: Image.Image, pose: Pose, side: int) -> Image.Image:
    """Returns the character's mask on the canvas: sheared, stretched, turned about its centre and shifted."""
    scale = pose.height * side / mask.height  # canvas pixels for a pixel of the mask
    cos, sin = math.cos(pose.angle), math.sin(pose.angle)
    # Forward, about the centres: rotate · stretch · shear. Pillow wants the inverse, from canvas to mask.
    aspect, shear = pose.aspect, pose.shear
    a, b = (cos / aspect + shear * sin) / scale, (sin / aspect - shear * cos) / scale
    c, d = -sin / scale, cos / scale
    x, y = side * pose.x, side * pose.y
    coefficients = (a, b, mask.width / 2.0 - a * x - b * y, c, d, mask.height / 2.0 - c * x - d * y)
    return mask.transform((side, side), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)


def _font_mask(rng: np.random.Generator, character: str) -> Image.Image:
    fonts = _fonts_with(character)
    return _mask(fonts[rng.integers(len(fonts))], character)


@cache
def _fonts_with(character: str) -> tuple[str, ...]:
    """Returns the names of the bundled fonts that draw this character."""
    names = _FULL_FONTS + _LETTER_FONTS if character.isascii() and character.isalnum() else _FULL_FONTS
    return tuple(name for name in names if ord(character) in FT2Font(_font_path(name)).get_charmap())


@cache
def _mask(font_name: str, character: str) -> Image.Image:
    """Returns a character as a mask, cropped to its ink with a rim of one pixel, tall or flat as the font has
    it.

    Characters much wider or flatter than tall (=, *) are padded to a square's height, so that a pose gives
    them their natural size and not that of a letter.
    """
    font = ImageFont.truetype(_font_path(font_name), _GLYPH)
    left, top, right, bottom = font.getbbox(character)
    width, height = math.ceil(right - left), math.ceil(bottom - top)
    tall = max(height, math.ceil(0.75 * _GLYPH))
    mask = Image.new("L", (width + 2, tall + 2))
    ImageDraw.Draw(mask).text((1 - left, 1 - top + (tall - height) / 2), character, fill=255, font=font)
    return mask


def _font_path(name: str) -> str:
    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf")
