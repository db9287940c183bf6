"""An architecture as text to copy: JSON, Python, and what timm's builder is told where it can say the network."""

from __future__ import annotations

import json

from dash import Dash, Input, Output, State, html
from dash.development.base_component import Component

from dashboards.drawing import components as parts
from dashboards.drawing.components import choice
from dashboards.info.words import visible
from dashboards.site import Site

FORMS = {"json": "JSON", "python": "Python"}
TIMM = {"timm": "timm"}


def register(app: Dash, site: Site) -> None:
    """Adds what changes the text."""

    @app.callback(
        Output("encoding-text", "children"),
        Input("encoding-form", "value"),
        State("drawing-digest", "data"),
        prevent_initial_call=True,
    )
    def write(form: str, digest: str) -> str:
        return text(site, form, site.reader.browse.architecture(digest) or "{}")


def card(site: Site, document: str) -> Component:
    """Returns the box."""
    forms = FORMS | (TIMM if site.timm_text is not None else {})
    shown = text(site, "json", document)
    return parts.card(
        "As text",
        [
            html.Div(choice("encoding-form", "As", forms, "json"), className="controls"),
            parts.code(shown, "the architecture as text", "encoding-text"),
        ],
    )


def text(site: Site, form: str, document: str) -> str:
    """Returns the architecture in one of the forms; where timm cannot build it, the reason."""
    if form == "python":
        return (
            f"from search_space import Architecture\n\narchitecture = Architecture.from_json({document!r})\n"
        )
    if form == "timm" and site.timm_text is not None:
        try:
            return site.timm_text(document)
        except ValueError as error:
            return f"timm cannot build this network: {visible(str(error), 500)}"
    return json.dumps(json.loads(document), indent=1)
