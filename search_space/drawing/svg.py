"""A sketch as an SVG document: places, colours and letters, without styles, scripts or ids.

Colours are attributes on an opaque panel, so the picture reads the same on light and dark pages, under a strict
content security policy, and several times in one page. They are tints of Okabe and Ito's palette, which colour-
blind readers tell apart; what they say is also said in words. All text is escaped, and characters that XML
forbids or that could act on a reader are replaced.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

from search_space.drawing.layout import Item, Placement, Point, layout
from search_space.drawing.sketch import Box, Frame, Sketch

FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
PANEL, INK, QUIET, LINK, BAND, RULE = "#ffffff", "#1b1f24", "#5a6068", "#6b7280", "#f4f5f7", "#d5d9df"
COLOURS: dict[str, tuple[str, str]] = {  # kind: (fill, line)
    "image": ("#ffffff", "#6b7280"),
    "conv": ("#c9dff0", "#0072b2"),
    "depthwise": ("#d8eefb", "#2f8fc4"),
    "linear": ("#fae3b8", "#b87400"),
    "pool": ("#c5e8dc", "#00805c"),
    "merge": ("#f6d3bf", "#b64a00"),
    "route": ("#f0d9e6", "#a3487c"),
    "plain": ("#e8eaed", "#6b7280"),
}
UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
LONGEST_TITLE = 200

MARGIN, HEADING = 20.0, 44.0
GAP = 24.0  # px between rows
FRAME_GAP, FRAME_PAD = 20.0, 12.0  # between frames, inside a frame
LEAST_ROOM = 30.0  # of a row with a caption of two lines
LINE = 14.0
LETTER = {"heading": 9.6, "title": 7.2, "small": 6.6, "frame": 6.8}  # px of a letter, generously
BAR = 56.0  # length of the longest bar


@dataclass(frozen=True, slots=True)
class Picture:
    """A sketch whose boxes have places; all in px from the picture's upper left."""

    title: str
    sketch: Sketch
    placement: Placement
    left: float  # where the boxes begin
    columns: tuple[float, ...]  # where the captions' columns begin: title, output, MACs, parameters; none: ()
    width: float
    height: float

    def rectangle(self, number: int) -> tuple[float, float, float, float]:
        """Returns a box's left, top, right and bottom."""
        box, (x, y) = self.sketch.boxes[number], self.placement.centres[number]
        left, top = x - box.width / 2 + self.left, y - box.height / 2
        return left, top, left + box.width, top + box.height

    def route(self, number: int) -> tuple[Point, ...]:
        """Returns a link's way."""
        return tuple([(x + self.left, y) for x, y in self.placement.routes[number]])

    def band(self, frame: Frame) -> tuple[float, float, float, float]:
        """Returns a frame's left, top, right and bottom."""
        layers = self.placement.layers
        top, content = layers[frame.first][0], layers[frame.last][1] - layers[frame.first][0]
        bottom = top + max(content, _least(frame))
        return MARGIN / 2, top - FRAME_PAD, self.width - MARGIN / 2, bottom + FRAME_PAD


def picture(sketch: Sketch, title: str) -> Picture:
    """Returns a sketch with places for everything, wide enough for its title."""
    captioned = any(box.caption for box in sketch.boxes)
    least = LEAST_ROOM if captioned else 0.0
    items = [Item(box.row, box.width, box.height, max(box.height, least), box.pinned) for box in sketch.boxes]
    links = [(link.source, link.target) for link in sketch.links]
    placement = layout(items, links, _gaps(sketch.frames, items), [link.pull for link in sketch.links])
    words = max([len(line) for frame in sketch.frames for line in frame.lines], default=0)
    left = MARGIN + (LETTER["frame"] * words + 20 if words else 0)
    right = left + placement.width
    columns = tuple(_columns(sketch.boxes, right + 28)) if captioned else ()
    name = _text(title[:LONGEST_TITLE])
    width = max(columns[-1] if columns else right, MARGIN + LETTER["heading"] * len(name)) + MARGIN
    whole = Picture(name, sketch, placement, left, columns, width, 0)
    ends = [placement.layers[-1][1], *[whole.band(frame)[3] for frame in sketch.frames]]
    return replace(whole, height=max(ends) + MARGIN)


def svg(shown: Picture) -> str:
    """Returns the picture as a document of its own, which may also stand inside a page."""
    name, width, height = shown.title, _number(shown.width), _number(shown.height)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
            f' height="{height}" role="img" aria-label={quoteattr(name)} font-family="{FONT}" font-size="11">',
            f"<title>{escape(name)}</title>",
            f'<rect width="{width}" height="{height}" rx="6" fill="{PANEL}"/>',
            _words(MARGIN, 26, name, size=15, bold=True),
            *_headings(shown.columns),
            *[line for frame in shown.sketch.frames for line in _band(shown, frame)],
            *[line for number in range(len(shown.sketch.links)) for line in _link(shown.route(number))],
            *[line for number in range(len(shown.sketch.boxes)) for line in _box(shown, number)],
            "</svg>\n",
        ]
    )


def _gaps(frames: Sequence[Frame], items: Sequence[Item]) -> list[float]:
    """Returns the px above each row: more where a frame begins or ends, or needs them for its words."""
    rooms = [0.0] * (1 + max(item.layer for item in items))
    for item in items:
        rooms[item.layer] = max(rooms[item.layer], item.room)
    gaps = [HEADING, *[GAP] * (len(rooms) - 1)]
    for frame in frames:
        gaps[frame.first] = FRAME_GAP + FRAME_PAD
    for frame in frames:
        if frame.last + 1 < len(gaps):
            content = sum(rooms[frame.first : frame.last + 1]) + GAP * (frame.last - frame.first)
            outside = gaps[frame.last + 1] if gaps[frame.last + 1] > GAP else FRAME_GAP
            gaps[frame.last + 1] = outside + FRAME_PAD + max(0.0, _least(frame) - content)
    return gaps


def _least(frame: Frame) -> float:
    return LINE * len(frame.lines)


def _columns(boxes: Sequence[Box], left: float) -> Iterator[float]:
    """Yields where the columns of the captions begin, and where the last one ends."""
    captions = [box.caption for box in boxes if box.caption]
    titles = max(LETTER["title"] * len(caption[0]) for caption in captions)
    details = max(LETTER["small"] * len(caption[1]) for caption in captions)
    outputs = max(LETTER["small"] * len(caption[2]) for caption in captions)
    yield left
    for width in (max(titles, details) + 20, outputs + 28, 72 + BAR, 60):
        left += width
        yield left


def _headings(columns: Sequence[float]) -> Iterator[str]:
    if columns:
        for x, words in zip(columns[1:], ("output", "MACs", "params"), strict=False):
            yield _words(x, 44, words, colour=QUIET)


def _band(shown: Picture, frame: Frame) -> Iterator[str]:
    left, top, right, bottom = shown.band(frame)
    yield (
        f'<rect x="{_number(left)}" y="{_number(top)}" width="{_number(right - left)}"'
        f' height="{_number(bottom - top)}" rx="6" fill="{BAND}" stroke="{RULE}"/>'
    )
    for number, line in enumerate(frame.lines):
        y = top + FRAME_PAD + 11 + LINE * number
        colour = INK if number < 2 else QUIET
        yield _words(left + 12, y, line, size=12 if number == 0 else 11, bold=number == 0, colour=colour)


def _link(way: Sequence[Point]) -> Iterator[str]:
    """Yields a link's line and its arrowhead."""
    (x, y), (_, end) = way[0], way[-1]
    path = [f"M{_number(x)} {_number(y)}"]
    stop = (way[-1][0], end - 4)  # under the head, so that the line does not blunt it
    for (x0, y0), (x1, y1) in pairwise((*way[:-1], stop)):
        if x0 == x1:
            path.append(f"V{_number(y1)}")
        else:
            middle = _number((y0 + y1) / 2)
            path.append(f"C{_number(x0)} {middle} {_number(x1)} {middle} {_number(x1)} {_number(y1)}")
    yield f'<path d="{"".join(path)}" fill="none" stroke="{LINK}" stroke-width="1.3"/>'
    tip = way[-1][0]
    head = f"{_number(tip - 3.5)},{_number(end - 6.5)} {_number(tip + 3.5)},{_number(end - 6.5)}"
    yield f'<polygon points="{head} {_number(tip)},{_number(end)}" fill="{LINK}"/>'


def _box(shown: Picture, number: int) -> Iterator[str]:
    box, (left, top, right, bottom) = shown.sketch.boxes[number], shown.rectangle(number)
    fill, line = COLOURS[box.kind]
    tooltip = "\n".join(_text(line) for line in box.tooltip.split("\n"))
    yield f"<g><title>{escape(tooltip)}</title>"
    yield (
        f'<rect x="{_number(left)}" y="{_number(top)}" width="{_number(right - left)}"'
        f' height="{_number(bottom - top)}" rx="{_number(min(4, (bottom - top) / 3))}" fill="{fill}"'
        f' stroke="{line}"/>'
    )
    middle = (left + right) / 2
    for index, words in enumerate(box.lines):
        y = top + 15 + LINE * index
        yield _words(middle, y, words, bold=index == 0, anchor="middle", colour=INK if index == 0 else QUIET)
    if box.caption:
        most = max(other.share for other in shown.sketch.boxes) or 1.0
        yield from _caption(box, shown.columns, (top + bottom) / 2, box.share / most)
    yield "</g>"


def _caption(box: Box, columns: Sequence[float], middle: float, share: float) -> Iterator[str]:
    title, details, output, macs, params = box.caption
    yield _words(columns[0], middle + (-2 if details else 4), title, size=12, bold=True)
    if details:
        yield _words(columns[0], middle + 12, details, colour=QUIET)
    for x, words in zip(columns[1:], (output, macs, params), strict=False):
        yield _words(x, middle + 4, words)
    if share:
        start, wide = _number(columns[2] + 52), _number(max(1.0, BAR * share))
        colour = COLOURS["conv"][1]
        yield f'<rect x="{start}" y="{_number(middle - 5)}" width="{wide}" height="10" fill="{colour}"/>'


def _words(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 11,
    bold: bool = False,
    anchor: str = "start",
    colour: str = INK,
) -> str:
    if not words:
        return ""
    weight = ' font-weight="600"' if bold else ""
    place = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return (
        f'<text x="{_number(x)}" y="{_number(y)}" font-size="{size}" fill="{colour}"{weight}{place}>'
        f"{escape(_text(words))}</text>"
    )


def _text(words: str) -> str:
    """Returns text that cannot act: what is invisible, forbidden in XML or turns the reading is replaced."""
    return "".join(c if unicodedata.category(c) not in UNSAFE else "\ufffd" for c in words)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
