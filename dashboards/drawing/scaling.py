"""The figures of a scaling rule: its region, its comparisons, its predictions, and the family that it grew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboards.drawing.theme import (
    BLUE,
    GREEN,
    GREY,
    LINE,
    PURPLE,
    RED,
    SEQUENCE,
    TIME_SCALE,
    figure,
    nothing,
)
from dashboards.info.scaling import Compared, LawCurve, Member, Region, Saturation, law_curve, rule_shares
from scaling_rules import Committee, LawFit, RuleFit

_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star")
_TERNARY = {"gridcolor": LINE, "linecolor": GREY, "min": 0, "tickformat": ".0%"}


def share_region(found: Region | None, fit: RuleFit) -> go.Figure:
    """Returns how the cost is best shared among depth, width and resolution, with what the data leave possible."""
    if found is None:
        return nothing("A fit by grid has no surface.")
    a, b, c = found.shares.T.tolist()
    possible = found.possible
    text = [f"accuracy {value:.4f}" for value in found.values.tolist()]
    cloud = go.Scatterternary(
        a=a,
        b=b,
        c=c,
        mode="markers",
        marker={
            "color": found.values.tolist(),
            "colorscale": TIME_SCALE,
            "size": [9 if one else 5 for one in possible.tolist()],
            "line": {"width": [1.5 if one else 0 for one in possible.tolist()], "color": RED},
            "colorbar": {
                "title": {"text": "accuracy", "side": "top"},
                "orientation": "h",  # beside the triangle it would lie on its numbers where the page is narrow
                "thickness": 10,
                "len": 0.8,
                "y": -0.68,
                "yanchor": "bottom",
            },
        },
        text=text,
        hovertemplate="depth %{a:.0%}, width %{b:.0%}, resolution %{c:.0%}<br>%{text}<extra></extra>",
        name="ringed: possible best",
    )
    shares = rule_shares(fit)
    rule = go.Scatterternary(
        a=[shares[0]],
        b=[shares[1]],
        c=[shares[2]],
        mode="markers",
        marker={"symbol": "star", "size": 17, "color": RED, "line": {"color": "white", "width": 1}},
        name="fitted rule",
        hovertemplate="fitted rule: depth %{a:.0%}, width %{b:.0%}, resolution %{c:.0%}<extra></extra>",
    )
    titles = {"aaxis": "depth", "baxis": "width", "caxis": "resolution"}
    axes = {name: _TERNARY | {"title": {"text": title}} for name, title in titles.items()}
    return figure(
        cloud,
        rule,
        ternary={"bgcolor": "rgba(0,0,0,0)", "sum": 1} | axes,
        margin={"t": 40, "b": 150, "l": 50, "r": 60},
        legend={"y": -0.14, "yanchor": "top"},
    )


def parameters(fit: RuleFit) -> go.Figure:
    """Returns alpha, beta and gamma with their intervals."""
    names = [f"{one.name}" for one in fit.parameters]
    values = [one.value for one in fit.parameters]
    finite = [(min(one.low, one.value), _finite(one.high, one.value)) for one in fit.parameters]
    dots = go.Scatter(
        x=values,
        y=names,
        mode="markers",
        marker={"color": BLUE, "size": 11},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [high - value for (_, high), value in zip(finite, values, strict=True)],
            "arrayminus": [value - low for (low, _), value in zip(finite, values, strict=True)],
            "color": BLUE,
            "thickness": 2,
        },
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )
    axis = {"title": {"text": "Factor for each doubling of the cost"}}
    return figure(dots, xaxis=axis, yaxis={"autorange": "reversed"})


def _finite(bound: float, value: float) -> float:
    return bound if np.isfinite(bound) else value


def comparisons(fit: RuleFit) -> go.Figure:
    """Returns what the fitted rule gains over others at equal cost, with intervals."""
    rows = fit.comparisons
    if not rows:
        return nothing("Nothing was compared.")
    dots = go.Scatter(
        x=[row.gain for row in rows],
        y=[row.name for row in rows],
        mode="markers",
        marker={
            "color": [GREEN if row.distinguishable else GREY for row in rows],
            "symbol": ["circle" if row.distinguishable else "circle-open" for row in rows],
            "size": 11,
        },
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [row.high - row.gain for row in rows],
            "arrayminus": [row.gain - row.low for row in rows],
            "color": GREY,
        },
        hovertemplate="%{y}: %{x:+.4f}<extra></extra>",
        showlegend=False,
    )
    drawn = figure(
        dots,
        xaxis={"title": {"text": "Accuracy gained over it at equal cost"}},
        yaxis={"autorange": "reversed"},
    )
    drawn.add_vline(x=0, line={"color": GREY, "width": 1})
    return drawn


def _interval(known: Sequence[Member]) -> dict[str, Any]:
    """Returns the forecasts' intervals as bars to both sides."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [
            (one.high or 0.0) - (one.predicted or 0.0) if one.high is not None else 0.0 for one in known
        ],
        "arrayminus": [
            (one.predicted or 0.0) - (one.low or 0.0) if one.low is not None else 0.0 for one in known
        ],
        "thickness": 1,
        "color": RED,
    }


def predicted_against_observed(pairs: Sequence[Compared], family: Sequence[Member]) -> go.Figure:
    """Returns fitted points and family members, predicted and observed; the line is where both agree."""
    traces = [
        go.Scatter(
            x=[one.predicted for one in pairs],
            y=[one.observed for one in pairs],
            text=[one.name for one in pairs],
            mode="markers",
            marker={"color": BLUE, "size": 7, "opacity": 0.7},
            name="fitted to",
            hovertemplate="%{text}<br>fitted %{x:.4f}, observed %{y:.4f}<extra>depth × width × resolution</extra>",
        )
    ]
    known = [one for one in family if one.predicted is not None]
    if known:
        traces.append(
            go.Scatter(
                x=[one.predicted for one in known],
                y=[one.mean for one in known],
                text=[one.name for one in known],
                mode="markers",
                marker={"color": RED, "size": 12, "symbol": "diamond"},
                error_x=_interval(known),
                name="family, not fitted to",
                hovertemplate="%{text}<br>predicted %{x:.4f}, observed %{y:.4f}<extra></extra>",
            )
        )
    held = [value for trace in traces for axis in (trace.x, trace.y) for value in axis]
    if not held:
        return nothing("Nothing was measured yet.")
    ends = [min(held), max(held)]
    line = go.Scatter(
        x=ends, y=ends, mode="lines", line={"color": GREY, "dash": "dash"}, hoverinfo="skip", showlegend=False
    )
    return figure(
        line,
        *traces,
        xaxis={"title": {"text": "Predicted accuracy"}},
        yaxis={"title": {"text": "Observed accuracy"}},
    )


def measured_points(fit: RuleFit) -> go.Figure:
    """Returns the measured points: accuracy over cost, the dimensions as colours of a scale."""
    points = fit.points
    base = min(one.cost for one in points)
    dots = go.Scatter(
        x=[one.cost / base for one in points],
        y=[one.value for one in points],
        customdata=[[one.depth, one.width, one.resolution, one.seed] for one in points],
        mode="markers",
        marker={
            "color": [one.resolution for one in points],
            "colorscale": TIME_SCALE,
            "size": [6 + 5 * np.log2(max(one.width, 0.5) * 2) for one in points],
            "colorbar": {"title": {"text": "resolution ×"}, "thickness": 10, "len": 0.8},
            "line": {"width": 0.5, "color": "white"},
        },
        hovertemplate="depth ×%{customdata[0]:.3g}, width ×%{customdata[1]:.3g}, resolution ×%{customdata[2]:.3g}"
        "<br>cost ×%{x:.3g}: %{y:.4f}<extra></extra>",
    )
    axis = {"title": {"text": "Measured cost over the cheapest"}, "type": "log"}
    return figure(dots, xaxis=axis, yaxis={"title": {"text": "Validation accuracy"}})


def saturation_curves(curves: Sequence[Saturation], laws: Mapping[str, LawFit]) -> go.Figure:
    """Returns accuracy over the cost of one dimension scaled alone, with the stored laws and their intervals."""
    if not curves:
        return nothing("No dimension was scaled alone: nas fit STUDY --sweep width=1,2,4")
    traces = []
    for index, one in enumerate(curves):
        colour, law = SEQUENCE[index], laws.get(one.dimension)
        traces.append(
            go.Scatter(
                x=list(one.sizes),
                y=list(one.means),
                customdata=list(one.factors),
                error_y={"type": "data", "array": list(one.spreads), "thickness": 1.2},
                mode="markers" if law else "lines+markers",
                name=one.dimension,
                marker={"symbol": _SYMBOLS[index], "size": 9},
                line={"color": colour},
                hovertemplate=f"{one.dimension} ×%{{customdata:.3g}}, MACs ×%{{x:.3g}}: %{{y:.4f}}<extra></extra>",
            )
        )
        traces += _law(law_curve(law), f"law of {one.dimension}", colour) if law else []
    axis = {"title": {"text": "MACs over the baseline's"}, "type": "log"}
    return figure(*traces, xaxis=axis, yaxis={"title": {"text": "Validation accuracy"}})


def _law(curve: LawCurve, name: str, colour: str) -> list[go.Scatter]:
    x = curve.sizes.tolist()
    band = go.Scatter(
        x=[*x, *x[::-1]],
        y=[*curve.highs.tolist(), *curve.lows.tolist()[::-1]],
        fill="toself",
        fillcolor=colour,
        opacity=0.15,
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )
    line = go.Scatter(x=x, y=curve.values.tolist(), mode="lines", line={"color": colour}, name=name)
    return [band, line]


def family_curve(members: Sequence[Member], committees: Sequence[Committee] = ()) -> go.Figure:
    """Returns the members' accuracy over MACs, a line a rule, with their seeds, and the committees' frontier."""
    if not members:
        return nothing("No member is trained yet.")
    traces = []
    for index, rule in enumerate(dict.fromkeys(one.rule for one in members)):
        # the baseline belongs to every rule, and is trained once
        chosen = [one for one in members if one.rule == rule or one.size == "phi 0"]
        colour, symbol = SEQUENCE[index % len(SEQUENCE)], _SYMBOLS[index % len(_SYMBOLS)]
        traces += [
            go.Scatter(
                x=[one.macs for one in chosen],
                y=[one.mean for one in chosen],
                text=[one.name for one in chosen],
                mode="lines+markers",
                name=rule,
                line={"color": colour, "width": 2.5},
                marker={"symbol": symbol, "size": 11},
                hovertemplate="%{text}<br>%{x:.4s} MACs: %{y:.4f}<extra>mean of seeds</extra>",
            ),
            go.Scatter(
                x=[one.macs for one in chosen for _ in one.accuracies],
                y=[value for one in chosen for value in one.accuracies],
                mode="markers",
                marker={"color": colour, "size": 5, "opacity": 0.5},
                showlegend=False,
                hoverinfo="skip",
            ),
        ]
    best = [one for one in committees if not one.beaten]
    if best:
        traces.append(
            go.Scatter(
                x=[one.cost for one in best],
                y=[one.accuracy for one in best],
                text=[f"{one.kind}: {' + '.join(one.names)}" for one in best],
                mode="lines+markers",
                line={"color": PURPLE, "dash": "dot", "shape": "hv"},
                marker={"color": PURPLE, "symbol": "hexagon", "size": 9},
                name="committees",
                hovertemplate="%{text}<br>%{x:.4s} MACs: %{y:.4f}<extra>committee</extra>",
            )
        )
    axis = {"title": {"text": "MACs (the papers' FLOPs)"}, "type": "log"}
    return figure(*traces, xaxis=axis, yaxis={"title": {"text": "Validation accuracy"}})
