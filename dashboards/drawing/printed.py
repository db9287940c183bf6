"""Single figures for print: the same numbers as the pages', drawn by matplotlib as PNG, SVG or PDF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from dashboards.drawing.theme import BLUE, GREEN, OUTCOMES, PURPLE, SEQUENCE, YELLOW
from dashboards.info.curves import Curve
from dashboards.info.front import Scatter
from dashboards.info.importances import Importance
from dashboards.info.progress import Climb, Spending
from dashboards.info.rewards import Weighing
from dashboards.info.scaling import Member
from dashboards.info.table import Table
from dashboards.info.words import TITLES, compact
from runs import TrialState

SIZE_IN = (7.0, 4.4)
DPI = 200

Draw = Callable[[Axes], None]


def save(draw: Draw, path: Path, title: str) -> None:
    """Writes one figure; the suffix of `path` is its format."""
    figure = Figure(figsize=SIZE_IN, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw(axes)
    axes.set_title(title, loc="left", fontsize=11)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    figure.savefig(path, dpi=DPI, metadata={"Creator": "nas"} if path.suffix == ".pdf" else None)


def front(table: Table, shown: Scatter, how: Weighing | None, cost: str) -> Draw:
    """Returns the drawing of accuracy against cost."""

    def draw(axes: Axes) -> None:
        x, y = table[cost], table["accuracy"]
        axes.scatter(
            x[shown.numbers], y[shown.numbers], s=9, color=BLUE, alpha=0.6, label="trials", linewidths=0
        )
        best = shown.on_front
        axes.step(
            x[best], y[best], where="post", color=PURPLE, marker="s", markersize=4, label="Pareto front"
        )
        if how is not None and how.cost == cost:
            axes.axvline(how.target, color=GREEN, linestyle="--", linewidth=1.2, label="target")
        axes.set_xscale("log")
        for axis in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            axis(FuncFormatter(lambda value, _: compact(value)))
        axes.tick_params(axis="x", which="minor", labelsize=7)
        axes.set(xlabel=TITLES.get(cost, cost), ylabel="Validation accuracy")
        axes.legend(frameon=False, fontsize=9)

    return draw


def best_so_far(found: Climb) -> Draw:
    """Returns the drawing of the best reward over trials."""

    def draw(axes: Axes) -> None:
        x, y = [*found.ranks.tolist(), found.last], [*found.values.tolist(), found.values[-1]]
        axes.step(x, y, where="post", color=BLUE, linewidth=2)
        axes.plot(found.ranks, found.values, "o", color=BLUE, markersize=4)
        axes.set(xlabel="Trials with a result", ylabel="Best reward so far")

    return draw


def importance_bars(found: Sequence[Importance], limit: int = 16) -> Draw:
    """Returns the drawing of the choices that matter."""

    def draw(axes: Axes) -> None:
        top = list(reversed(found[:limit]))
        axes.barh([one.name for one in top], [one.share for one in top], color=BLUE)
        axes.tick_params(axis="y", labelsize=7)
        axes.set(xlabel="Share of the reward's variance explained alone")

    return draw


def learning_curves(curves: Sequence[Curve], metric: str) -> Draw:
    """Returns the drawing of learning curves; pruned ones are faded and dotted."""

    def draw(axes: Axes) -> None:
        for curve in curves:
            pruned = curve.state is TrialState.PRUNED
            colour, line = (YELLOW, ":") if pruned else (BLUE, "-")
            axes.plot(curve.steps, curve.values, linewidth=1, alpha=0.5, color=colour, linestyle=line)
        axes.set(xlabel="Epoch", ylabel=metric.capitalize())

    return draw


def spending_bars(rows: Sequence[Spending]) -> Draw:
    """Returns the drawing of where the compute went."""

    def draw(axes: Axes) -> None:
        labels = [f"{row.outcome} ({row.num_trials:,})" for row in rows]
        signs = [-1.0 if row.outcome == "reused" else 1.0 for row in rows]
        hours = [sign * row.seconds / 3600 for sign, row in zip(signs, rows, strict=True)]
        axes.barh(labels[::-1], hours[::-1], color=[OUTCOMES[row.outcome] for row in reversed(rows)])
        axes.set(xlabel="Device hours (saved by reuse: left of zero)")

    return draw


def family(members: Sequence[Member]) -> Draw:
    """Returns the drawing of a family."""

    def draw(axes: Axes) -> None:
        for index, rule in enumerate(dict.fromkeys(one.rule for one in members)):
            chosen = [one for one in members if one.rule == rule or one.size == "phi 0"]
            means = np.array([one.mean for one in chosen])
            macs = [one.macs for one in chosen]
            axes.plot(macs, means, "os^D"[index % 4] + "-", color=SEQUENCE[index % len(SEQUENCE)], label=rule)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))
        axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: compact(value)))
        axes.tick_params(axis="x", which="minor", labelsize=7)
        axes.set(xlabel="MACs (the papers' FLOPs)", ylabel="Validation accuracy")
        axes.legend(frameon=False, fontsize=9)

    return draw
