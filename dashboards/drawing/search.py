"""The figures of a search: best so far, accuracy against cost, choices, curves, and where compute went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboards.drawing.theme import (
    BLUE,
    CYAN,
    GREEN,
    GREY,
    LINE,
    OUTCOMES,
    PURPLE,
    RED,
    TIME_SCALE,
    YELLOW,
    figure,
    nothing,
)
from dashboards.info.curves import Curve
from dashboards.info.front import Mark, Scatter
from dashboards.info.importances import MIN_TRIALS, Importance
from dashboards.info.progress import Climb, Spending, Throughput
from dashboards.info.rewards import Weighing
from dashboards.info.table import Array, Table
from dashboards.info.words import TITLES, duration
from runs import TrialState

FRONT_TRACES = ("trials", "reused", "front", "winner", "line")  # their order in the Pareto figure
CLOUD_TRACES = ("trials", "late", "front")  # in the figure of every point
CURVES_ABOVE = (str(TrialState.RUNNING), "winner")  # drawn last
_CURVE_STYLES: dict[str, tuple[dict[str, Any], float]] = {  # line and opacity; all others as complete ones
    "winner": ({"color": RED, "width": 3}, 1.0),
    str(TrialState.RUNNING): ({"color": GREEN, "width": 2}, 1.0),
    str(TrialState.PRUNED): ({"color": YELLOW, "width": 1.2, "dash": "dot"}, 0.5),
}


def best_so_far(climbed: Climb, *, by_time: bool = False, title: str = "Reward") -> go.Figure:
    """Returns the best reward over trials that ended with a result, or over time."""
    if not climbed.last:
        return nothing("No trial has ended with a result yet.")
    x: list[Any] = times(climbed.ended) if by_time else climbed.ranks.tolist()
    y = climbed.values.tolist()
    line = go.Scatter(
        x=x if by_time else [*x, climbed.last],
        y=y if by_time else [*y, y[-1]],
        mode="lines",
        line={"shape": "hv", "color": BLUE, "width": 2.5},
        hoverinfo="skip",
        showlegend=False,
    )
    points = go.Scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"color": BLUE, "size": 8},
        customdata=climbed.numbers.tolist(),
        hovertemplate="trial %{customdata}<br>best %{y:.4f}<extra></extra>",
        showlegend=False,
    )
    axis = {"title": {"text": "Time (UTC)" if by_time else "Trials with a result"}}
    return figure(line, points, xaxis=axis, yaxis={"title": {"text": f"Best {title.lower()} so far"}})


def points(table: Table, numbers: Array, cost: str) -> dict[str, list[Any]]:
    """Returns x, y, the trial's number and its place in time of trials, as a figure's trace holds them."""
    return {
        "x": table[cost][numbers].tolist(),
        "y": np.round(table["accuracy"][numbers], 5).tolist(),
        "customdata": numbers.tolist(),
    }


def pareto(
    table: Table,
    shown: Scatter,
    how: Weighing | None,
    *,
    cost: str,
    colour: str = "time",
    winner: int | None = None,
    references: Sequence[Mark] = (),
) -> go.Figure:
    """Returns accuracy against cost, with the front, the feasible region, the target and the winner.

    Args:
        table: the trials.
        shown: which of them are drawn.
        how: the reward; its target and its line of equal reward are drawn where it is about this cost.
        cost: the horizontal axis.
        colour: "time", by trial number, or "state", measured or reused.
        winner: number of the best trial.
        references: networks to mark on the axis of cost.
    """
    if not shown.num_all:
        return nothing("No trial has an accuracy yet.")
    reused = table.reused[shown.numbers]
    parts = (shown.numbers[~reused], shown.numbers[reused])
    drawn = figure(
        _cloud(table, parts[0], cost, colour, "trained", "circle"),
        _cloud(table, parts[1], cost, colour, "reused", "diamond"),
        front_trace(table, shown, cost),
        winner_trace(table, winner, cost),
        equal_reward(table, shown, how, winner, cost),
        **_axes(cost),
    )
    drawn.update_layout(shapes=region(how, cost), annotations=_annotations(how, cost, references))
    for mark in references:
        drawn.add_vline(x=mark.cost, line={"color": GREY, "dash": "dot", "width": 1}, opacity=0.6)
    drawn.update_xaxes(range=_extent(table[cost][shown.numbers], how, cost))
    return drawn


def every_point(table: Table, shown: Scatter, how: Weighing | None, cost: str) -> go.Figure:
    """Returns accuracy against cost of however many trials, by WebGL, with the front over it and the target.

    The traces are CLOUD_TRACES; those that end while the page is open go into the second.
    """
    if not shown.num_all:
        return nothing("No trial has an accuracy yet.")
    numbers = shown.numbers.astype(np.int32)
    cloud = go.Scattergl(  # arrays go as bytes: a third of their text
        x=table[cost][numbers].astype(np.float32),
        y=table["accuracy"][numbers].astype(np.float32),
        customdata=numbers,
        name="trials",
        mode="markers",
        marker={"size": 4, "opacity": 0.6, "color": numbers, "coloraxis": "coloraxis"},
        hovertemplate="trial %{customdata}<br>accuracy %{y:.4f}<br>%{x:.4s}<extra></extra>",
    )
    late = go.Scattergl(
        cloud, **points(table, np.array([], np.int64), cost), name="ended since", showlegend=False
    )
    late.marker.color = []
    drawn = figure(cloud, late, front_trace(table, shown, cost), **_axes(cost))
    drawn.update_layout(shapes=region(how, cost), annotations=_annotations(how, cost, ()))
    drawn.update_xaxes(range=_extent(table[cost][numbers], how, cost))
    return drawn


def _axes(cost: str) -> dict[str, Any]:
    """Returns the axes of accuracy against a cost, and the scale of time."""
    bar = {"title": {"text": "trial"}, "thickness": 10, "len": 0.8}
    return {
        "xaxis": {"title": {"text": TITLES.get(cost, cost)}, "type": "log"},
        "yaxis": {"title": {"text": "Validation accuracy"}},
        "coloraxis": {"colorscale": TIME_SCALE, "colorbar": bar},
    }


def _extent(costs: Array, how: Weighing | None, cost: str) -> list[float]:
    """Returns the ends of a logarithmic axis that holds all costs and the target, as logarithms."""
    held = [*costs.tolist(), *([how.target] if how is not None and how.cost == cost else [])]
    low, high = np.log10(min(held)), np.log10(max(held))
    pad = max(0.05 * (high - low), 0.05)
    return [float(low - pad), float(high + pad)]


def _cloud(table: Table, numbers: Array, cost: str, colour: str, name: str, symbol: str) -> go.Scatter:
    coloured = (
        {"color": numbers.tolist(), "coloraxis": "coloraxis"}
        if colour == "time"
        else {"color": OUTCOMES[name]}
    )
    return go.Scatter(
        **points(table, numbers, cost),
        name=name,
        mode="markers",
        marker={"size": 7, "symbol": symbol, "opacity": 0.75, **coloured},
        hovertemplate=f"trial %{{customdata}}<br>accuracy %{{y:.4f}}<br>%{{x:.4s}} {cost}<extra>{name}</extra>",
        showlegend=bool(len(numbers)),
    )


def front_trace(table: Table, shown: Scatter, cost: str) -> go.Scatter:
    """Returns the Pareto front: always SVG, always above the cloud."""
    return go.Scatter(
        **points(table, shown.on_front, cost),
        name="Pareto front",
        mode="lines+markers",
        line={"shape": "hv", "color": PURPLE, "width": 2},
        marker={"color": PURPLE, "size": 7, "symbol": "square"},
        hovertemplate="trial %{customdata}<br>accuracy %{y:.4f}<br>%{x:.4s}<extra>front</extra>",
    )


def winner_trace(table: Table, winner: int | None, cost: str) -> go.Scatter:
    """Returns the best trial as a star."""
    numbers = np.array([] if winner is None else [winner], np.int64)
    return go.Scatter(
        **points(table, numbers, cost),
        name="winner",
        showlegend=winner is not None,
        mode="markers",
        marker={"color": RED, "size": 17, "symbol": "star", "line": {"color": "white", "width": 1}},
        hovertemplate="winner: trial %{customdata}<br>accuracy %{y:.4f}<br>%{x:.4s}<extra></extra>",
    )


def equal_reward(
    table: Table, shown: Scatter, how: Weighing | None, winner: int | None, cost: str
) -> go.Scatter:
    """Returns the line on which every point has the winner's reward: what lies above it would win."""
    x: list[float] = []
    y: list[float] = []
    if (
        how is not None
        and winner is not None
        and how.cost == cost
        and how.kind != "pareto"
        and len(shown.numbers)
    ):
        costs = table[cost][shown.numbers]
        grid = np.geomspace(costs.min(), max(costs.max(), how.target), 60)
        best = float(how.rewards(table["accuracy"][winner], table[cost][winner]))
        line = how.accuracies(best, grid)
        inside = line <= 1.02
        x, y = grid[inside].tolist(), np.round(line[inside], 5).tolist()
    return go.Scatter(
        x=x,
        y=y,
        name="equal reward",
        mode="lines",
        line={"color": RED, "dash": "dash", "width": 1.5},
        hoverinfo="skip",
        showlegend=bool(x),
    )


def region(how: Weighing | None, cost: str) -> list[dict[str, Any]]:
    """Returns the shapes of the region that was never trained, and of the target."""
    if how is None or how.cost != cost:
        return []
    band = {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "layer": "below",
        "line": {"width": 0},
    }
    target = {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "x0": how.target,
        "x1": how.target,
    }
    return [
        band | {"x0": how.limit, "x1": how.limit * 1e3, "fillcolor": "rgba(128,128,128,0.14)"},
        target | {"line": {"color": GREEN, "width": 2, "dash": "dash"}},
    ]


def _annotations(how: Weighing | None, cost: str, references: Sequence[Mark]) -> list[dict[str, Any]]:
    base = {
        "xref": "x",
        "yref": "paper",
        "showarrow": False,
        "font": {"size": 11},
        "xanchor": "left",
        "textangle": -90,
    }
    found = [
        base | {"x": np.log10(mark.cost), "y": 0.01, "yanchor": "bottom", "text": mark.name}
        for mark in references
    ]
    if how is not None and how.cost == cost:
        found.append(base | {"x": np.log10(how.target), "y": 0.01, "yanchor": "bottom", "text": "target"})
    return found


def importance_bars(found: Sequence[Importance], num_trials: int, *, limit: int = 16) -> go.Figure:
    """Returns the choices that explain most of the reward's variance."""
    if not found:
        return nothing(
            f"Choices are compared from {MIN_TRIALS} trials with a result; this study has {num_trials}."
        )
    top = list(reversed(found[:limit]))
    bars = go.Bar(
        x=[one.share for one in top],
        y=[one.name for one in top],
        customdata=[[one.best, one.num_options] for one in top],
        orientation="h",
        marker={"color": BLUE},
        hovertemplate="%{y}: %{x:.1%}<br>best on average: %{customdata[0]} of %{customdata[1]}<extra></extra>",
    )
    axis = {
        "title": {"text": "Share of the variance explained"},
        "tickformat": ".2~p",
        "rangemode": "tozero",
    }
    return figure(bars, xaxis=axis, yaxis={"tickfont": {"size": 11}})


def learning_curves(curves: Sequence[Curve], metric: str, *, winner: int | None = None) -> go.Figure:
    """Returns a line for each trial: pruned ones faded and dashed, running ones green, the winner's bold."""
    if not curves:
        return nothing("No trial has reported an epoch yet.")
    kinds: dict[str, list[Curve]] = {}
    for curve in curves:
        kind = "winner" if curve.number == winner else str(curve.state)
        kinds.setdefault(kind, []).append(curve)
    order = [*(kind for kind in kinds if kind not in CURVES_ABOVE), *(k for k in CURVES_ABOVE if k in kinds)]
    traces = [_curve_trace(kind, kinds[kind]) for kind in order]
    return figure(*traces, xaxis={"title": {"text": "Epoch"}}, yaxis={"title": {"text": metric.capitalize()}})


def _curve_trace(kind: str, curves: Sequence[Curve]) -> go.Scatter:
    """Returns the curves of one kind as one trace, with a gap after each: eighty traces take ten times as long."""
    style, opacity = _CURVE_STYLES.get(kind, ({"color": BLUE, "width": 1.2}, 0.55))
    return go.Scatter(
        x=[step for curve in curves for step in (*curve.steps, None)],
        y=[value for curve in curves for value in (*(round(one, 5) for one in curve.values), None)],
        customdata=[curve.number for curve in curves for _ in (*curve.steps, None)],
        mode="lines+markers" if any(len(curve.steps) < 3 for curve in curves) else "lines",
        marker={"size": 4},
        line=style,
        opacity=opacity,
        name=kind,
        hovertemplate=f"trial %{{customdata}}<br>epoch %{{x}}: %{{y:.4f}}<extra>{kind}</extra>",
        showlegend=True,
    )


def spending_bars(rows: Sequence[Spending]) -> go.Figure:
    """Returns device time by outcome; what reuse saved stands apart, to the left of zero."""
    if not any(row.num_trials for row in rows):
        return nothing("No trial has ended yet.")
    unit, name = (3600.0, "hours") if max(row.seconds for row in rows) >= 3600 else (60.0, "minutes")
    traces = []
    for row in rows:
        sign = -1 if row.outcome == "reused" else 1
        label = "saved by reuse" if sign < 0 else row.outcome
        traces.append(
            go.Bar(
                x=[sign * row.seconds / unit],
                y=[f"{label} ({row.num_trials:,})"],
                orientation="h",
                marker={"color": OUTCOMES[row.outcome], "pattern": {"shape": "/" if sign < 0 else ""}},
                hovertemplate=f"{label}: {row.num_trials:,} trials, {duration(row.seconds)}<extra></extra>",
                showlegend=False,
            )
        )
    return figure(*traces, xaxis={"title": {"text": f"Device {name}"}}, yaxis={"autorange": "reversed"})


def throughput_bars(found: Throughput | None) -> go.Figure:
    """Returns how many trials ended when, stacked by outcome."""
    if found is None:
        return nothing("No trial has ended yet.")
    parts = (("trained", found.trained, BLUE), ("pruned", found.pruned, YELLOW), ("other", found.other, CYAN))
    bars = [
        go.Bar(
            x=times(found.begins),
            y=counts.tolist(),
            width=found.width_s * 1000,
            offset=0,
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate=f"%{{x}}<br>%{{y}} {name}<extra></extra>",
        )
        for name, counts, colour in parts
    ]
    return figure(
        *bars,
        barmode="stack",
        bargap=0,
        xaxis={"title": {"text": "Time (UTC)"}, "gridcolor": LINE},
        yaxis={"title": {"text": f"Trials each {duration(found.width_s)}"}},
    )


def times(seconds: Array) -> list[str]:
    """Returns UTC seconds as plotly reads times."""
    return [
        datetime.fromtimestamp(one, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] for one in seconds.tolist()
    ]
