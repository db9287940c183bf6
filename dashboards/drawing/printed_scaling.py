"""The figures of a scaling rule for print: its region, its intervals, its predictions, and single dimensions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from dashboards.drawing.printed import Draw
from dashboards.drawing.theme import BLUE, GREY, RED, SEQUENCE
from dashboards.info.scaling import Compared, Member, Region, Saturation, law_curve, rule_shares
from dashboards.info.table import Array
from scaling_rules import LawFit, RuleFit

CORNERS = np.array([[0.5, math.sqrt(0.75)], [0.0, 0.0], [1.0, 0.0]])  # of depth, width and resolution


def region(found: Region, fit: RuleFit) -> Draw:
    """Returns the drawing of all ways to share the cost, their accuracy, and which may be the best."""

    def draw(axes: Axes) -> None:
        x, y = (found.shares @ CORNERS).T
        dots = axes.scatter(x, y, c=found.values, cmap="cividis", s=22, linewidths=0)
        axes.figure.colorbar(dots, ax=axes, label="Accuracy of the surface", shrink=0.8)
        may = found.possible
        axes.scatter(
            x[may], y[may], s=44, facecolors="none", edgecolors=RED, linewidths=0.9, label="possibly the best"
        )
        [star] = (rule_shares(fit)[None] @ CORNERS).tolist()
        axes.plot(*star, "*", color=RED, markersize=15, markeredgecolor="white", label="fitted rule")
        for name, corner, lift in zip(("depth", "width", "resolution"), CORNERS, (1, -1, -1), strict=True):
            text = f"all on {name}"
            axes.annotate(text, corner, (0, 14 * lift), textcoords="offset points", ha="center", va="center")
        axes.set_aspect("equal")
        axes.set_axis_off()
        axes.margins(0.12)
        axes.legend(frameon=False, fontsize=9, loc="upper left")

    return draw


def parameters(fit: RuleFit) -> Draw:
    """Returns the drawing of alpha, beta and gamma with their intervals."""

    def draw(axes: Axes) -> None:
        dimensions = ("depth", "width", "resolution")
        names = [f"{one.name} ({what})" for one, what in zip(fit.parameters, dimensions, strict=True)]
        values = np.array([one.value for one in fit.parameters])
        lows, highs = (np.array([getattr(one, end) for one in fit.parameters]) for end in ("low", "high"))
        axes.errorbar(values, names, xerr=_around(values, lows, highs), fmt="o", color=BLUE, capsize=4)
        axes.invert_yaxis()
        axes.margins(y=0.3)
        axes.set(xlabel=f"Factor for each doubling of the cost, with {fit.level:.0%} intervals")

    return draw


def predictions(pairs: Sequence[Compared], family: Sequence[Member]) -> Draw:
    """Returns the drawing of predicted against observed accuracies; the line is where both agree."""

    def draw(axes: Axes) -> None:
        known = [one for one in family if one.predicted is not None]
        fitted, seen = ([getattr(one, end) for one in pairs] for end in ("predicted", "observed"))
        axes.plot(fitted, seen, "o", color=BLUE, markersize=4, alpha=0.6, label="fitted to")
        if known:
            ahead = np.array([one.predicted for one in known], dtype=float)
            lows, highs = (
                np.array([getattr(one, end) for one in known], dtype=float) for end in ("low", "high")
            )
            bars = np.nan_to_num(_around(ahead, lows, highs))
            means, label = [one.mean for one in known], "family, not fitted to"
            axes.errorbar(ahead, means, xerr=bars, fmt="D", color=RED, capsize=3, linewidth=1, label=label)
        ends = [min(axes.get_ylim()[0], *fitted), max(axes.get_ylim()[1], *fitted)]
        axes.plot(ends, ends, "--", color=GREY, linewidth=1, zorder=0)
        axes.set(xlabel="Predicted accuracy, with 95 % intervals", ylabel="Observed accuracy")
        axes.legend(frameon=False, fontsize=9)

    return draw


def saturation(curves: Sequence[Saturation], laws: Mapping[str, LawFit]) -> Draw:
    """Returns the drawing of single dimensions, with their laws and the laws' intervals."""

    def draw(axes: Axes) -> None:
        for index, one in enumerate(curves):
            colour, law = SEQUENCE[index], laws.get(one.dimension)
            axes.errorbar(
                one.sizes,
                one.means,
                yerr=one.spreads,
                fmt="os^"[index] + ("" if law else "-"),
                color=colour,
                capsize=2,
                markersize=5,
                label=one.dimension,
            )
            if law:
                curve = law_curve(law)
                axes.plot(curve.sizes, curve.values, color=colour, linewidth=1.5)
                axes.fill_between(curve.sizes, curve.lows, curve.highs, color=colour, alpha=0.15, linewidth=0)
        axes.set_xscale("log")
        for axis in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            axis(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.tick_params(axis="x", which="minor", labelsize=7)
        axes.set(
            xlabel="MACs over the baseline's (bands: 95 % intervals of the laws)",
            ylabel="Validation accuracy",
        )
        axes.legend(frameon=False, fontsize=9)

    return draw


def _around(values: Array, lows: Array, highs: Array) -> Array:
    """Returns what errorbar wants: how far the bounds lie from values, none below 0."""
    return np.asarray(np.maximum(np.stack([values - lows, highs - values]), 0.0))
