"""The timeline of attempts: a lane for each worker, a bar for each attempt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from dashboards.drawing.search import times
from dashboards.drawing.theme import OUTCOMES, RED, figure, nothing
from dashboards.info.failures import outcome_words
from dashboards.info.timeline import Bar
from dashboards.info.words import duration


def timeline(bars: Sequence[Bar]) -> go.Figure:
    """Returns attempts as bars from begin to end; the outcome is the colour and stands in the hover text."""
    if not bars:
        return nothing("No attempt has begun yet.")
    traces = []
    for outcome in dict.fromkeys(bar.outcome for bar in bars):
        chosen = [bar for bar in bars if bar.outcome == outcome]
        words = outcome_words(outcome)
        traces.append(
            go.Bar(
                base=times(np.array([bar.begin for bar in chosen])),
                x=[max(1000 * (bar.end - bar.begin), 1) for bar in chosen],
                y=[bar.lane for bar in chosen],
                orientation="h",
                name=words,
                marker={
                    "color": OUTCOMES.get(outcome, RED),
                    "line": {"width": 0.5, "color": "rgba(255,255,255,0.6)"},
                    "pattern": {"shape": "" if outcome in OUTCOMES else "x"},
                },
                customdata=[[bar.number, bar.fence, duration(bar.end - bar.begin)] for bar in chosen],
                hovertemplate="trial %{customdata[0]}, attempt %{customdata[1]}<br>%{customdata[2]}"
                f"<extra>{words}</extra>",
            )
        )
    axis = {"type": "date", "title": {"text": "Time (UTC)"}}
    return figure(
        *traces,
        barmode="overlay",
        xaxis=axis,
        yaxis={"autorange": "reversed", "categoryorder": "category ascending"},
        bargap=0.15,
    )
