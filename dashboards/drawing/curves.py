"""The curves of one trial: a line for each attempt."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from dashboards.drawing.theme import SEQUENCE, figure

Line = tuple[tuple[int, ...], tuple[float, ...]]


def trial_curves(metric: str, attempts: Mapping[int, Line]) -> go.Figure:
    """Returns one metric over epochs, an attempt a line; dashes tell them apart as well as colours."""
    styles = ("solid", "dash", "dot", "dashdot")
    traces = [
        go.Scatter(
            x=list(steps),
            y=list(values),
            mode="lines+markers",
            name=f"attempt {fence}",
            line={"color": SEQUENCE[index % len(SEQUENCE)], "dash": styles[index % len(styles)]},
            hovertemplate="epoch %{x}: %{y:.4f}<extra></extra>",
            showlegend=len(attempts) > 1,
        )
        for index, (fence, (steps, values)) in enumerate(attempts.items())
    ]
    return figure(*traces, xaxis={"title": {"text": "Epoch"}}, yaxis={"title": {"text": metric.capitalize()}})
