"""A figure as it looks before the browser can draw it: the points and lines of a scatter chart, as plain markup.

It stands on the page for the second or two that the scripts take. It is as wide as its place, so all that is inside the
axes is drawn in a square that is stretched: dots and lines keep their width (SVG 2, section 13.6, non-scaling strokes),
and a dot is a line without length that has round ends. Symbols, legends and colour bars are left to the real one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from dashboards.info.words import compact, markup

SIDE = 1_000  # of the square that is stretched
LEFT, RIGHT, TOP, BOTTOM = 60, 16, 12, 44  # pixels around the axes, about as the theme has them
LEGEND, BAR = 40, 61  # further pixels above for a legend, to the right for a bar of colours
NUM_COLOURS = 12
NUM_TICKS = 5  # on an axis, about
DIGITS_BELOW = 3  # decades; a longer logarithmic axis is marked once in each
PAD = 0.06  # of an axis that is as long as its values

PLAIN = "currentColor"

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
Scale = Sequence[tuple[float, str]]  # colours as #rrggbb, at places from 0 to 1


@dataclass(frozen=True, slots=True)
class Axis:
    """Where values lie between 0 and 1.

    Args:
        low: the value at 0, or its logarithm to base 10.
        high: the same at 1.
        is_log: whether ends are logarithms.
    """

    low: float
    high: float
    is_log: bool

    def places(self, values: Sequence[Any]) -> Array:
        """Returns the places of values; NaN where there is none."""
        numbers = np.array([math.nan if value is None else value for value in values], float)
        if self.is_log:
            numbers = np.log10(np.where(numbers > 0, numbers, math.nan))
        return np.asarray((numbers - self.low) / (self.high - self.low))

    def ticks(self) -> list[float]:
        """Returns round values on the axis, some five of them."""
        if self.is_log:
            decades = range(math.floor(self.low), math.ceil(self.high) + 1)
            digits = (1, 2, 5) if self.high - self.low < DIGITS_BELOW else (1,)
            found = [digit * 10.0**decade for decade in decades for digit in digits]
            return [value for value in found if self.low <= math.log10(value) <= self.high]
        rough = (self.high - self.low) / NUM_TICKS
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough * 0.99)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [float(f"{number * step:.15g}") for number in range(first, last + 1)]


def sketch(drawn: go.Figure, height: int) -> str:
    """Returns a figure as markup, with what stands inside and beside its axes; empty where it is no scatter chart.

    Args:
        drawn: the figure.
        height: in pixels.

    >>> sketch(go.Figure(go.Scatter(x=[1, 2], y=[3, 4])), 200).count("<path")
    1
    """
    layout = drawn.layout
    if any(trace.type != "scatter" for trace in drawn.data):
        return ""
    traces = [trace for trace in drawn.data if trace.x is not None and len(trace.x)]
    if not traces:
        return ""
    try:
        across = _axis(layout.xaxis, [trace.x for trace in traces])
        up = _axis(layout.yaxis, [trace.y for trace in traces])
    except (TypeError, ValueError):  # dates and names
        return ""
    scale = layout.coloraxis.colorscale or ()
    paths = [path for trace in traces for path in _paths(trace, across, up, scale)]
    inner = "".join([*_shapes(layout.shapes, across), *paths])
    top = TOP + (LEGEND if sum(trace.showlegend is not False for trace in traces) > 1 else 0)
    right = RIGHT + (BAR if scale or any(trace.marker.colorscale for trace in traces) else 0)
    box = f"left:{LEFT}px;top:{top}px;width:calc(100% - {LEFT + right}px);height:{height - top - BOTTOM}px"
    svg = f'<svg viewBox="0 0 {SIDE} {SIDE}" preserveAspectRatio="none">{inner}</svg>'
    marks = "".join([*_marks(across, "left", "under"), *_marks(up, "bottom", "beside")])
    titles = _title(layout.xaxis, "below") + _title(layout.yaxis, "upright")
    return (
        f'<div class="sketch" style="height:{height}px"><div style="{box}">{svg}{marks}{titles}</div></div>'
    )


def _axis(given: Any, values: Sequence[Sequence[Any]]) -> Axis:
    """Returns an axis, as long as the figure says or its values are. Raises ValueError where they are no numbers."""
    is_log = given.type == "log"
    if given.type not in (None, "linear", "log"):
        raise ValueError(given.type)
    if given.range:
        return Axis(float(given.range[0]), float(given.range[1]), is_log)
    numbers = np.array([float(one) for part in values for one in part if one is not None])
    numbers = np.log10(numbers[numbers > 0]) if is_log else numbers[np.isfinite(numbers)]
    if not len(numbers):
        raise ValueError("an axis must have a value")
    low, high = float(numbers.min()), float(numbers.max())
    pad = PAD * (high - low) or 0.5
    return Axis(low - pad, high + pad, is_log)


def _paths(trace: Any, across: Axis, up: Axis, scale: Scale) -> Iterator[str]:
    """Gives a trace's line and its dots, those of one colour together."""
    x, y = across.places(trace.x) * SIDE, (1.0 - up.places(trace.y)) * SIDE
    mode, opacity = trace.mode or "lines", trace.opacity if trace.opacity is not None else 1.0
    if "lines" in mode:
        dashed = ' stroke-dasharray="6 5"' if trace.line.dash else ""
        style = f'stroke="{_word(trace.line.color)}" stroke-width="{trace.line.width or 2}"{dashed}'
        yield _path(_line(x, y, has_steps=trace.line.shape == "hv"), f'{style} opacity="{opacity:g}"')
    if "markers" in mode:
        faint = opacity * (1.0 if trace.marker.opacity is None else float(trace.marker.opacity))
        size = 6 if trace.marker.size is None else trace.marker.size
        sizes = np.round(np.broadcast_to(np.array(size, float), len(x)))
        for colour, alike in _coloured(trace, len(x), scale):
            for size in np.unique(sizes[alike]).tolist():
                dots = [
                    f"M{x[one]:.1f} {y[one]:.1f}h0"
                    for one in alike[sizes[alike] == size]
                    if np.isfinite(x[one]) and np.isfinite(y[one])
                ]
                style = f'stroke="{_word(colour)}" stroke-width="{size:g}" stroke-linecap="round"'
                yield _path("".join(dots), f'{style} opacity="{faint:g}"')


def _line(x: Array, y: Array, *, has_steps: bool) -> str:
    """Returns a line as path data; it has a gap where a value lacks."""
    parts, is_open = [], False
    for a, b in zip(x, y, strict=True):
        if not (np.isfinite(a) and np.isfinite(b)):
            is_open = False
            continue
        joined = f"H{a:.1f}V{b:.1f}" if has_steps else f"L{a:.1f} {b:.1f}"
        parts.append(joined if is_open else f"M{a:.1f} {b:.1f}")
        is_open = True
    return "".join(parts)


def _path(places: str, style: str) -> str:
    return f'<path d="{places}" {style} fill="none" vector-effect="non-scaling-stroke"/>' if places else ""


def _coloured(trace: Any, count: int, scale: Scale) -> list[tuple[str, Places]]:
    """Returns colours, and which points have them: of a scale, its NUM_COLOURS shades."""
    given, everyone = trace.marker.color, np.arange(count)
    if given is None or isinstance(given, str):
        return [(given or trace.line.color or PLAIN, everyone)]
    numbers, own = np.array(given, float), trace.marker.colorscale or scale
    if not own:
        return [(PLAIN, everyone)]
    span = float(np.ptp(numbers)) or 1.0
    shades = np.minimum((numbers - numbers.min()) / span * NUM_COLOURS, NUM_COLOURS - 1).astype(int)
    return [
        (_shade(own, (shade + 0.5) / NUM_COLOURS), np.flatnonzero(shades == shade))
        for shade in np.unique(shades).tolist()
    ]


def _shade(scale: Scale, place: float) -> str:
    """Returns the colour at a place of a scale of #rrggbb, from 0 to 1."""
    stops = [float(stop) for stop, _ in scale]
    parts = np.array([[int(colour[start : start + 2], 16) for start in (1, 3, 5)] for _, colour in scale])
    mixed = [round(float(np.interp(place, stops, parts[:, part]))) for part in range(3)]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _shapes(shapes: Sequence[Any], across: Axis) -> Iterator[str]:
    """Gives the regions and upright lines that a figure marks."""
    for shape in shapes:
        low, high = across.places([shape.x0, shape.x1]) * SIDE
        if shape.type == "rect" and low < SIDE:
            width = max(min(high, SIDE) - low, 0.0)
            yield f'<rect x="{low:.1f}" y="0" width="{width:.1f}" height="{SIDE}" fill="{_word(shape.fillcolor)}"/>'
        elif shape.type == "line" and 0 <= low <= SIDE:
            dashed = ' stroke-dasharray="6 5"' if shape.line.dash else ""
            style = f'stroke="{_word(shape.line.color)}" stroke-width="{shape.line.width or 2}"{dashed}'
            yield _path(f"M{low:.1f} 0V{SIDE}", style)


def _marks(axis: Axis, edge: str, kind: str) -> Iterator[str]:
    """Gives the labels of an axis."""
    for value in axis.ticks():
        [place] = axis.places([value])
        yield f'<span class="{kind}" style="{edge}:{place:.2%}">{markup(compact(value))}</span>'


def _title(axis: Any, kind: str) -> str:
    return f'<span class="{kind}">{markup(axis.title.text)}</span>' if axis.title.text else ""


def _word(colour: Any) -> str:
    return markup(str(colour or PLAIN))
