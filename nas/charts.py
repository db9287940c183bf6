"""Pictures of numbers, as files: networks as bubbles over their cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from matplotlib.transforms import Bbox, BboxBase

from nas.networks import View

# Okabe and Ito (2008): eight colours that colour-blind readers tell apart; names stand beside the bubbles too.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000")
LARGEST_BUBBLE = 2400.0  # points squared, of the network with the most parameters
DISTANCES = (8.0, 20.0, 40.0, 60.0, 90.0)  # px from a bubble's rim to its name, the nearest that fits
DIRECTIONS = 16
DOTS_PER_INCH = 144
SETTINGS: dict[Any, Any] = {"svg.hashsalt": "nas", "svg.fonttype": "path", "font.size": 10}


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

    Equal rows give equal bytes.

    Args:
        rows: as `nas.networks.network_view` gives them, all with `top1` on the same data.
        kind: `svg` or `png`.
    """
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(8, 5.5), dpi=DOTS_PER_INCH, layout="constrained")
        axes = figure.add_subplot()
        radii = _circles(axes, rows)
        axes.set_xscale("log")
        axes.set_xlabel("MACs (the papers' FLOPs)")
        axes.set_ylabel(f"published top-1 on {rows[0]['top1_data']}, %")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(_quantity)
        axes.xaxis.set_minor_formatter("")
        axes.margins(0.15)
        axes.grid(color="#d5d9df", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_title("The area of a bubble is its network's parameters", fontsize=10, loc="left")
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # names are placed by pixels: nothing may move after them
        _names(axes, rows, radii)
        content = BytesIO()
        figure.savefig(content, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return content.getvalue()


def _circles(axes: Axes, rows: Sequence[View]) -> list[float]:
    """Draws the bubbles, the large ones below; returns their radii in points."""
    most = max(row["params"] for row in rows)
    families = list(dict.fromkeys(row["family"] for row in rows))
    areas = [LARGEST_BUBBLE * row["params"] / most for row in rows]
    for row, area in sorted(zip(rows, areas, strict=True), key=lambda pair: -pair[1]):
        colour = COLOURS[families.index(row["family"]) % len(COLOURS)]
        axes.scatter(
            row["macs"], row["top1"], s=area, color=colour, alpha=0.6, edgecolor="#1b1f24", linewidth=0.8
        )
    return [math.sqrt(area / math.pi) for area in areas]


def _names(axes: Axes, rows: Sequence[View], radii: Sequence[float]) -> None:
    """Writes each network's name and parameters beside its bubble, off the other names and bubbles if it can."""
    scale = axes.figure.dpi / 72
    centres = [axes.transData.transform((row["macs"], row["top1"])) for row in rows]
    taken = [_around(x, y, 2 * r * scale, 2 * r * scale) for (x, y), r in zip(centres, radii, strict=True)]
    for row, (x, y), radius in zip(rows, centres, radii, strict=True):
        text = axes.annotate(
            f"{row['name']} ({row['params'] / 1e6:.3g} M)",
            (row["macs"], row["top1"]),
            (0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8.5,
            parse_math=False,
            arrowprops={"arrowstyle": "-", "color": "#6b7280", "linewidth": 0.6, "shrinkB": radius},
        )
        size = text.get_window_extent()
        place = _free_place((x, y), radius * scale, (size.width, size.height), axes.bbox, taken)
        middle = ((place.x0 + place.x1) / 2 - x, (place.y0 + place.y1) / 2 - y)
        text.set_position((middle[0] / scale, middle[1] / scale))
        stands_near = math.hypot(*middle) < radius * scale + size.width / 2 + 2 * DISTANCES[0] * scale
        if text.arrow_patch is not None and stands_near:
            text.arrow_patch.set_visible(False)
        taken.append(place)


def _free_place(
    centre: tuple[float, float],
    radius: float,
    size: tuple[float, float],
    inside: BboxBase,
    taken: Sequence[BboxBase],
) -> Bbox:
    """Returns where a name of that size covers least of what is taken and stays inside, the nearest first."""
    best: tuple[float, Bbox] | None = None
    for distance in DISTANCES:
        for step in range(DIRECTIONS):
            angle = 2 * math.pi * step / DIRECTIONS
            reach = radius + distance
            x = centre[0] + reach * math.cos(angle) + size[0] / 2 * _rounded(math.cos(angle))
            y = centre[1] + reach * math.sin(angle) + size[1] / 2 * _rounded(math.sin(angle))
            place = _around(x, y, *size)
            outside = size[0] * size[1] - _overlap(place, inside)
            covered = outside + sum(_overlap(place, other) for other in taken)
            if best is None or covered < best[0] - 1e-6:
                best = (covered, place)
        if best is not None and best[0] < 1e-6:
            break
    assert best is not None
    return best[1]


def _rounded(share: float) -> int:
    """Returns -1, 0 or 1: on which side of its bubble a name stands."""
    return 0 if abs(share) < 0.3 else 1 if share > 0 else -1


def _around(x: float, y: float, width: float, height: float) -> Bbox:
    return Bbox.from_extents(x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _overlap(one: BboxBase, two: BboxBase) -> float:
    width = min(one.x1, two.x1) - max(one.x0, two.x0)
    height = min(one.y1, two.y1) - max(one.y0, two.y0)
    return float(max(0.0, width) * max(0.0, height))


def _quantity(value: float, _: float) -> str:
    return f"{value / 1e9:g} G" if value >= 1e9 else f"{value / 1e6:g} M"
