"""Colours, symbols and the shape that all figures share.

Colours are Paul Tol's "bright" scheme (SRON technical note SRON/EPS/TN/09-002, 2021), told apart by people who see few
of them, on light and on dark ground; a symbol or a word always says the same. Text and lines take the page's colours
by its style sheet, so that a figure follows a change of theme.
"""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

BLUE, CYAN, GREEN, YELLOW = "#4477AA", "#66CCEE", "#228833", "#CCBB44"
RED, PURPLE, GREY = "#EE6677", "#AA3377", "#999999"
INK, LINE = "#24292f", "rgba(128, 128, 128, 0.22)"
SEQUENCE = (BLUE, RED, GREEN, YELLOW, CYAN, PURPLE, GREY)
# From blue over grey to yellow: as told apart by everybody as Cividis, but no end of it is lost on a dark ground.
TIME_SCALE = [[0.0, "#3f6fb5"], [0.5, "#96968a"], [1.0, "#e0b000"]]

OUTCOMES: dict[str, str] = {
    "complete": BLUE,
    "trained": BLUE,
    "pruned": YELLOW,
    "failed": RED,
    "refused": GREY,
    "infeasible": GREY,
    "reused": CYAN,
    "running": GREEN,
    "waiting": GREY,
    "given back": PURPLE,
}
SYMBOLS: dict[str, str] = {"complete": "circle", "reused": "diamond", "running": "triangle-up"}
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"

TEMPLATE = go.layout.Template(
    layout=go.Layout(
        font={"family": FONT, "size": 13, "color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        colorway=SEQUENCE,
        margin={"l": 60, "r": 16, "t": 12, "b": 48},
        hovermode="closest",
        hoverlabel={
            "bgcolor": "#1f2933",
            "font": {"color": "#ffffff", "family": FONT},
            "bordercolor": "#1f2933",
        },
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 12}},
        xaxis={
            "gridcolor": LINE,
            "zerolinecolor": LINE,
            "linecolor": LINE,
            "automargin": True,
            "title": {"standoff": 8},
        },
        yaxis={
            "gridcolor": LINE,
            "zerolinecolor": LINE,
            "linecolor": LINE,
            "automargin": True,
            "title": {"standoff": 8},
        },
        bargap=0.25,
        uirevision="kept",  # zoom and hidden traces outlive an update
    )
)


def figure(*traces: Any, **layout: Any) -> go.Figure:
    """Returns a figure in our style."""
    drawn = go.Figure(data=list(traces))
    drawn.update_layout(template=TEMPLATE, **layout)
    return drawn


def nothing(sentence: str) -> go.Figure:
    """Returns an empty figure that says why it is empty."""
    drawn = figure(xaxis={"visible": False}, yaxis={"visible": False})
    drawn.add_annotation(
        text=sentence, showarrow=False, font={"size": 14}, xref="paper", yref="paper", x=0.5, y=0.5
    )
    return drawn
