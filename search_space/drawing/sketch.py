"""A picture before its boxes have places: what stands in it, and what is linked to what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search_space.drawing.wording import Kind

MAX_BOXES = 3000  # more than anybody looks at; a document of 5,000 blocks must not fill the memory
IMAGE = 0  # the number of the image's box

SPINE = 1000.0  # how much straighter the main way through a network is than what branches off it


class DrawingError(ValueError):
    """A picture cannot be drawn as asked."""


@dataclass(frozen=True, slots=True)
class Box:
    """One thing in a picture."""

    key: str  # what it stands for, named as the weights are
    row: int
    width: float
    height: float
    kind: Kind
    tooltip: str
    lines: tuple[str, ...] = ()  # written inside
    caption: tuple[str, ...] = ()  # written beside: title, details, output, MACs, parameters
    share: float = 0.0  # of the network's MACs
    pinned: bool = False  # on the picture's axis


@dataclass(frozen=True, slots=True)
class Link:
    """A map that one box hands to another, by their numbers."""

    source: int
    target: int
    pull: float = 1.0  # how much it wants to be straight


@dataclass(frozen=True, slots=True)
class Frame:
    """A band around rows, with what is written at its left."""

    lines: tuple[str, ...]
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Sketch:
    """Boxes by row, links from a row to a later one, frames that do not overlap."""

    boxes: tuple[Box, ...]
    links: tuple[Link, ...]
    frames: tuple[Frame, ...] = ()


def require_drawable(num_boxes: int) -> None:
    """Checks that a picture does not get too large.

    Raises:
        DrawingError: it does.
    """
    if num_boxes > MAX_BOXES:
        raise DrawingError(
            f"a picture must have at most {MAX_BOXES} boxes, got {num_boxes}; choose a smaller depth"
        )


def wrapped(text: str, width: int) -> tuple[str, ...]:
    """Returns text in lines of at most `width` characters, broken after commas.

    >>> wrapped("3×3, expansion 6, stride 2", 18)
    ('3×3, expansion 6,', 'stride 2')
    """
    lines: list[str] = []
    for phrase in text.split(", "):
        if lines and len(lines[-1]) + len(phrase) + 2 <= width:
            lines[-1] += f", {phrase}"
        else:
            lines = [*(f"{line}," if line is lines[-1] else line for line in lines), phrase]
    return tuple(line for line in lines if line)


def span(first: str, last: str) -> str:
    """Returns a run of names in one: `blocks.2` and `blocks.9` are `blocks.2–9`."""
    return first if first == last else f"{first}–{last.rpartition('.')[2]}"


def listed(words: Sequence[str]) -> str:
    """Returns words one after another, equal neighbours counted.

    >>> listed(["conv", "conv", "pool"])
    'conv ×2, pool'
    """
    counts: list[tuple[str, int]] = []
    for word in words:
        again = bool(counts) and counts[-1][0] == word
        counts = [*counts[:-1], (word, counts[-1][1] + 1)] if again else [*counts, (word, 1)]
    return ", ".join(word if count == 1 else f"{word} ×{count}" for word, count in counts)
