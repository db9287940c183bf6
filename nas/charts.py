"""Pictures of numbers, as files: networks as bubbles over their cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from nas.name_places import name_places
from nas.networks import View

# Okabe and Ito (2008): eight colours that colour-blind readers tell apart; with three edges, for 24 families.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000")
DARK = "#1b1f24"
EDGES = (
    (0.6, DARK, 0.8),
    (0.15, "", 2.2),
    (0.6, DARK, 2.2),
)  # opacity inside, edge (of its colour), its points
LARGEST_BUBBLE = 1900.0  # points squared, of the network with the most parameters, among few
FEW = 10  # networks; among more, bubbles are smaller
MOST_NAMES = 20  # beside bubbles; of more networks there are numbers, and a key
MANY = 60  # networks that need a larger picture
INCHES, INCHES_OF_MANY = (8.0, 5.5), (11.0, 8.5)
KEY_LINE, KEY_CHARACTER = 0.15, 0.062  # inches, at KEY_SIZE points
NAME_SIZE, KEY_SIZE = 8.5, 7.5
DOTS_PER_INCH = 144
SETTINGS: dict[Any, Any] = {"svg.hashsalt": "nas", "svg.fonttype": "path", "font.size": 10}
NO_FAMILY = "of a file"


def drawable(rows: Sequence[View]) -> tuple[list[View], list[View]]:
    """Returns the networks whose accuracies can stand in one picture, and the others.

    Those with a published accuracy on the data on which most of them have one; the first such data where it is a tie.
    """
    counts: dict[str, int] = {}
    for row in rows:
        if row["top1"] is not None:
            counts[row["top1_data"]] = counts.get(row["top1_data"], 0) + 1
    most = max(counts, key=lambda data: counts[data], default=None)
    shown = [row for row in rows if row["top1"] is not None and row["top1_data"] == most]
    return shown, [row for row in rows if row not in shown]


def bubbles(rows: Sequence[View], kind: str) -> bytes:
    """Returns a picture of published accuracy over MACs, the area of a bubble by its parameters.

    Equal rows give equal bytes. Of more than 20 networks the bubbles have numbers, and the picture a key.

    Args:
        rows: as `nas.networks.network_view` gives them, all with `top1` on the same data.
        kind: `svg` or `png`.
    """
    with matplotlib.rc_context(SETTINGS):
        content = BytesIO()
        metadata = {"Date": None} if kind == "svg" else None
        bubble_figure(rows).savefig(content, format=kind, metadata=metadata)
    return content.getvalue()


def bubble_figure(rows: Sequence[View]) -> Figure:
    """Returns the picture of `bubbles`; bubbles, names and lines are labelled with their networks' names."""
    keyed = len(rows) > MOST_NAMES
    titles = [_title(row) for row in rows]
    figure, axes = _panes(titles if keyed else ())
    axes.set_xscale("log")
    axes.set_xlabel("MACs (the papers' FLOPs)")
    axes.set_ylabel(f"published top-1 on {rows[0]['top1_data']}, %")
    axes.margins(0.15 if len(rows) < MANY else 0.08)
    axes.grid(color="#d5d9df", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title("The area of a bubble is its network's parameters", fontsize=10, loc="left")
    radii = _circles(figure, axes, rows)
    axes.set_xticks(cost_ticks(*axes.get_xlim()))
    axes.xaxis.set_major_formatter(_quantity)
    axes.xaxis.set_minor_formatter("")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # names are placed by pixels: nothing may move after them
    _names(axes, rows, [str(number) for number in range(1, len(rows) + 1)] if keyed else titles, radii)
    return figure


def cost_ticks(low: float, high: float) -> list[float]:
    """Returns which values of an axis from low to high are named: by tens, by 1-2-5, or evenly over a narrow one.

    Example:
        >>> cost_ticks(3e8, 6e9), cost_ticks(1e6, 1e12)[:3]
        ([500000000.0, 1000000000.0, 2000000000.0, 5000000000.0], [1000000.0, 10000000.0, 100000000.0])
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if math.log10(high / low) > 3 else (1, 2, 5)
    ticks = [float(f"{step}e{decade}") for decade in decades for step in steps]
    inside = [tick for tick in ticks if low <= tick <= high]
    return (
        inside if len(inside) > 2 else [float(tick) for tick in MaxNLocator(5).tick_values(low, high)[1:-1]]
    )


def _panes(key: Sequence[str]) -> tuple[Figure, Axes]:
    """Returns a figure and the axes of its bubbles, beside a key if there is one."""
    width, height = INCHES if len(key) <= MANY else INCHES_OF_MANY
    lines = int((height - 1.0) / KEY_LINE)
    columns = [key[start : start + lines] for start in range(0, len(key), lines)]
    widths = [KEY_CHARACTER * (6 + max(map(len, column))) for column in columns]
    figure = Figure(figsize=(width + sum(widths), height), dpi=DOTS_PER_INCH, layout="constrained")
    grid = figure.add_gridspec(1, 1 + len(columns), width_ratios=[width, *widths])
    for index, column in enumerate(columns):
        pane = figure.add_subplot(grid[1 + index])
        pane.set_axis_off()
        for line, title in enumerate(column):
            y = 1 - (line + 0.5) / lines
            style: dict[str, Any] = {"transform": pane.transAxes, "fontsize": KEY_SIZE, "va": "center"}
            pane.text(0.0, y, str(index * lines + line + 1), **style)
            pane.text(5 * KEY_CHARACTER / widths[index], y, title, parse_math=False, **style)
    return figure, figure.add_subplot(grid[0])


def _circles(figure: Figure, axes: Axes, rows: Sequence[View]) -> list[float]:
    """Draws the bubbles, the large ones below, and the legend of families; returns their radii in points."""
    most = max(row["params"] for row in rows)
    largest = LARGEST_BUBBLE / max(1.0, math.sqrt(len(rows) / FEW))
    looks = _looks(rows)
    radii = [math.sqrt(largest * row["params"] / most / math.pi) for row in rows]
    for row, radius in sorted(zip(rows, radii, strict=True), key=lambda pair: -pair[1]):
        look = looks[row["family"]]
        size: dict[str, Any] = {
            "s": (2 * radius) ** 2,
            "linewidth": min(look["linewidth"], max(1.0, radius / 2)),
        }
        axes.scatter(row["macs"], row["top1"], label=row["name"], **look | size)
    handles = [axes.scatter([], [], s=45, **look) for look in looks.values()]
    labels = [family or NO_FAMILY for family in looks]
    columns = int(figure.get_figwidth() // 1.5)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8.5, frameon=False)
    return radii


def _looks(rows: Sequence[View]) -> dict[str | None, dict[str, Any]]:
    """Returns what tells each family from the others, in the order in which they come."""
    looks: dict[str | None, dict[str, Any]] = {}
    for number, family in enumerate(dict.fromkeys(row["family"] for row in rows)):
        opacity, edge, width = EDGES[number // len(COLOURS) % len(EDGES)]
        colour = COLOURS[number % len(COLOURS)]
        looks[family] = {
            "facecolor": to_rgba(colour, opacity),
            "edgecolor": edge or colour,
            "linewidth": width,
        }
    return looks


def _names(axes: Axes, rows: Sequence[View], words: Sequence[str], radii: Sequence[float]) -> None:
    """Writes beside each bubble its words, with a line to its centre where they could be another's."""
    scale = axes.figure.dpi / 72
    centres = np.array([axes.transData.transform((row["macs"], row["top1"])) for row in rows])
    texts = [_text(axes, row["name"], name) for row, name in zip(rows, words, strict=True)]
    canvas: Any = FigureCanvasAgg(
        axes.get_figure(root=True)
    )  # one for all: a renderer is an image to draw on
    extents = [text.get_window_extent(canvas.get_renderer()) for text in texts]
    sizes = np.array([(extent.width, extent.height) for extent in extents])
    places = name_places(centres, np.array(radii) * scale, sizes, np.array(axes.bbox.extents))
    whole = (
        axes.figure.transSubfigure
    )  # shares of the picture stay where they are at every resolution, in SVG too
    shares = whole.inverted().transform
    for text, centre, place in zip(texts, centres, places, strict=True):
        text.set(position=shares((place.x, place.y)), transform=whole)
        if place.line is not None:
            line = Line2D(*shares([place.line, centre]).T, color="#4b5563", linewidth=0.6, zorder=3)
            line.set(label=text.get_label(), marker=".", markersize=2.5, markevery=[1], transform=whole)
            axes.add_artist(line)


def _text(axes: Axes, network: str, words: str) -> Text:
    text = Text(0, 0, words, ha="center", va="center", fontsize=NAME_SIZE, parse_math=False, zorder=4)
    text.set_label(network)
    axes.add_artist(text)
    return text


def _title(row: View) -> str:
    return f"{row['name']} ({row['params'] / 1e6:.3g} M)"


def _quantity(value: float, _: float) -> str:
    unit = next((unit for unit in (1e9, 1e6, 1e3) if value >= unit), 1.0)
    return f"{value / unit:g} {({1e9: 'G', 1e6: 'M', 1e3: 'K'}).get(unit, '')}".rstrip()
