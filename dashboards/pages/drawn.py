"""A network drawn from coarse to fine; a click on a stage opens the graph of its operators."""

from __future__ import annotations

from typing import Any

from dash import ALL, Dash, Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from dashboards.drawing import components as parts
from dashboards.drawing.components import Node, choice
from dashboards.info.networks import Band, bands, name_of, parsed, stage_rows
from dashboards.site import Site
from search_space import Architecture

DEPTHS = {"0": "sizes", "1": "stages", "2": "blocks", "3": "operators", "4": "every operator"}
STAGES, OPERATORS = "1", "3"  # depths


def register(app: Dash, site: Site) -> None:
    """Adds what changes the drawing's depth, and what opens a stage."""

    @app.callback(
        Output("drawing", "src"),
        Output("drawing-stages", "hidden"),
        Input("drawing-depth", "value"),
        State("drawing-digest", "data"),
        prevent_initial_call=True,
    )
    def redraw(depth: str, digest: str) -> tuple[str, bool]:
        return picture(site, digest, depth), depth != STAGES

    @app.callback(
        Output("stage-drawing", "children"),
        Input({"type": "stage", "place": ALL}, "n_clicks"),
        State("drawing-digest", "data"),
        prevent_initial_call=True,
    )
    def open_stage(clicks: list[int | None], digest: str) -> Component:
        wanted = ctx.triggered_id
        if wanted is None or not any(clicks):
            raise PreventUpdate
        return _operators(site, digest, str(wanted["place"]))


def picture(site: Site, key: str, depth: str, place: str | None = None) -> str:
    """Returns the address of a drawing, of a whole network or of one of its stages."""
    level = depth if depth in DEPTHS else STAGES
    return site.link(f"/_nas/drawing/{key}/{level}.svg", place=place)


def card(site: Site, digest: str, document: str, *, actions: Node = None) -> Component:
    """Returns the network drawn, with a choice of how finely; `actions` stand before the button that saves it."""
    architecture = parsed(document)
    if architecture is None:
        return parts.card("Network", "This version cannot read the stored architecture; its text is below.")
    image = html.Img(id="drawing", src=picture(site, digest, STAGES), alt=_sentence(architecture))
    save = html.A("SVG", href=picture(site, digest, STAGES), download=f"{digest[:12]}.svg", className="save")
    body: list[Node] = [
        html.Div(choice("drawing-depth", "Show", DEPTHS, STAGES), className="controls"),
        _region(html.Div([image, _stages(architecture)], className="map"), "Drawing of the network"),
        html.Div(id="stage-drawing", role="status"),
        dcc.Store(id="drawing-digest", data=digest),
    ]
    note = "A box is as wide as its channels and as high as its resolution; a click on a stage shows its operators."
    return parts.card("Network", body, actions=[actions, save], note=note)


def _sentence(architecture: Architecture) -> str:
    rows = stage_rows(architecture)
    stages = ", ".join(f"{row.repeats}×{row.block} {row.channels} at {row.side}px" for row in rows)
    return f"{len(architecture.stages)} stages at {architecture.resolution} pixels: {stages}"


def _stages(architecture: Architecture) -> Component:
    """Returns a button over each row of the drawing by stages."""
    return html.Div([_button(band) for band in bands(architecture)], id="drawing-stages")


def _button(band: Band) -> Component:
    place: Any = {"type": "stage", "place": band.place}
    return html.Button(
        id=place,
        type="button",
        className="stage-button",
        style={"top": f"{band.top:.2%}", "height": f"{band.height:.2%}"},
        title=f"{band.name}: its operators",
        **parts.aria(label=f"Operators of {band.name}"),
    )


def _operators(site: Site, digest: str, place: str) -> Component:
    source = picture(site, digest, OPERATORS, place)
    image = html.Img(src=source, alt=f"Operators of {name_of(place)}, from what enters to what leaves")
    heading = html.H3(f"Operators of {name_of(place)}", id="stage-title")
    save = html.A("SVG", href=source, download=f"{digest[:12]}-{place}.svg", className="save")
    return html.Div([html.Div([heading, save], className="card-head"), _region(image, f"Graph of {place}")])


def _region(content: Component, label: str) -> Component:
    return html.Div(content, className="drawing", tabIndex=0, role="region", **parts.aria(label=label))
