"""The parts that pages are made of: cards, charts with their downloads, facts, tables, pills and empty states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from dash import dcc, html
from dash.development.base_component import Component

from dashboards.info.words import visible

Node = Component | str | int | float | None
Nodes = Node | Sequence[Node]

EMPTY = "empty"  # class of what stands where there is nothing yet

GRAPH_CONFIG: Any = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d", "toImage"],
}


def aria(**values: Any) -> dict[str, Any]:
    """Returns what readers of the screen are told of an element."""
    return {f"aria-{name.replace('_', '-')}": value for name, value in values.items()}


def data(**values: Any) -> dict[str, Any]:
    """Returns what the page's own script finds at an element."""
    return {f"data-{name.replace('_', '-')}": value for name, value in values.items()}


def card(
    title: str, body: Nodes, *, actions: Nodes = None, note: str = "", wide: bool = False, id: str = ""
) -> Component:
    """Returns a titled part of a page."""
    head = html.Div([html.H2(title), html.Div(actions, className="actions")], className="card-head")
    parts: list[Node] = [head]
    if note:
        parts.append(html.P(note, className="note"))
    parts.append(html.Div(body, className="card-body"))
    named: dict[str, Any] = {"id": id} if id else {}
    return html.Section(parts, className="card wide" if wide else "card", **named)


def chart(
    id: str,
    title: str,
    drawn: go.Figure,
    *,
    csv: str,
    note: str = "",
    controls: Nodes = None,
    actions: Sequence[Node] = (),
    height: int = 340,
    wide: bool = False,
) -> Component:
    """Returns a card with one chart; it can be saved as PNG and SVG, and its data as CSV.

    Args:
        id: of the graph.
        title: of the card; names the chart for readers of the screen too.
        drawn: the figure.
        csv: address of its data.
        note: a sentence under the title.
        controls: what changes the chart.
        actions: what stands before the buttons that save it.
        height: in pixels.
        wide: whether it takes a whole row.
    """
    save: list[Node] = [
        html.Button(
            kind.upper(),
            className="save",
            type="button",
            **data(save=kind, chart=id),
            **aria(label=f"Save {title} as {kind.upper()}"),
        )
        for kind in ("png", "svg")
    ]
    label = f"Save the data of {title} as CSV"
    save.append(html.A("CSV", href=csv, className="save", download="", **aria(label=label)))
    graph = dcc.Graph(id=id, figure=drawn, config=GRAPH_CONFIG, style={"height": f"{height}px"})
    body: list[Node] = [html.Div(controls, className="controls")] if controls else []
    body.append(html.Figure(graph, role="group", className="chart", **aria(label=title)))
    return card(title, body, actions=[*actions, *save], note=note, wide=wide)


def facts(values: Mapping[str, Nodes]) -> Component:
    """Returns names and values as a list of pairs."""
    rows = [html.Div([html.Dt(name), html.Dd(value)]) for name, value in values.items()]
    return html.Dl(rows, className="facts")


def table(
    header: Sequence[str], rows: Sequence[Sequence[Nodes]], *, caption: str, numeric: Sequence[int] = ()
) -> Component:
    """Returns a table; `numeric` are the columns whose cells stand to the right."""
    kinds = ["number" if column in numeric else "" for column in range(len(header))]
    head = html.Tr(
        [html.Th(name, scope="col", className=kind) for name, kind in zip(header, kinds, strict=True)]
    )
    body = [
        html.Tr(
            [
                html.Td(cell, className=kind, **data(label=name))
                for cell, kind, name in zip(row, kinds, header, strict=True)
            ]
        )
        for row in rows
    ]
    inner = html.Table([html.Caption(caption, className="hidden"), html.Thead(head), html.Tbody(body)])
    return html.Div(inner, className="scroll", tabIndex=0, role="region", **aria(label=caption))


def pill(word: str) -> Component:
    """Returns a state as a coloured word with a sign before it."""
    return html.Span(word, className=f"pill pill-{word.split(' ')[0].replace('_', '-')}")


def bar(share: float | None, label: str) -> Component:
    """Returns a progress bar with its meaning as text; without a share only the text."""
    if share is None:
        return html.Span(label, className="bar-label")
    fill = html.Div(className="bar-fill", style={"width": f"{100 * share:.1f}%"})
    values = aria(valuenow=round(100 * share), valuemin=0, valuemax=100, label=label)
    return html.Div(
        [
            html.Div(fill, className="bar", role="progressbar", **values),
            html.Span(label, className="bar-label"),
        ],
        className="progress",
    )


def figure_tile(value: Nodes, name: str, detail: Nodes = None) -> Component:
    """Returns one number with what it is."""
    return html.Div(
        [
            html.Div(name, className="tile-name"),
            html.Div(value, className="tile-value"),
            html.Div(detail, className="tile-detail"),
        ],
        className="tile",
    )


def empty(title: str, sentence: Nodes, command: str = "") -> Component:
    """Returns what stands where there is nothing yet: why, and what to do about it."""
    parts: list[Node] = [html.H2(title), html.P(sentence)]
    if command:
        parts.append(to_run(command))
    return html.Div(parts, className=EMPTY)


def to_run(command: str) -> Component:
    """Returns a command that the reader may run."""
    return html.Pre(command, tabIndex=0, **aria(label="Command to run"))


def code(text: str, label: str, id: str) -> Component:
    """Returns text to copy, with a button that copies it."""
    return html.Div(
        [
            html.Button(
                "Copy", className="save", type="button", **data(copy=id), **aria(label=f"Copy {label}")
            ),
            html.Pre(text, id=id, tabIndex=0, **aria(label=label)),
        ],
        className="code",
    )


def error_text(text: str, label: str) -> Component:
    """Returns somebody else's text, such as a traceback, as it is."""
    return html.Pre(visible(text, 65_536), className="trace", tabIndex=0, **aria(label=label))


def choice(id: str, label: str, options: Mapping[str, str], value: str) -> Component:
    """Returns a row of options of which one is chosen."""
    listed = [{"label": text, "value": key} for key, text in options.items()]
    radio = dcc.RadioItems(id=id, options=listed, value=value, inline=True, className="choice")
    return html.Div(
        [html.Span(label, className="control-label", id=f"{id}-label"), radio],
        role="group",
        className="control",
        **aria(labelledby=f"{id}-label"),
    )
