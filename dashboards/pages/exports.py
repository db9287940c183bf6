"""Buttons that export a trial's network: they run the same export as the command line, and hand over its file."""

from __future__ import annotations

import base64
import logging
from typing import Any

from dash import ALL, Dash, Input, Output, ctx, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from dashboards.drawing.components import Node
from dashboards.files import file_name
from dashboards.info.words import visible
from dashboards.site import Site
from runs import TrialState
from runs.browsing import Head
from runs.errors import LedgerError
from runs.records import TrialRecord

logger = logging.getLogger(__name__)


def buttons(site: Site, head: Head, trial: TrialRecord) -> Component:
    """Returns a button for each format; nothing where exporting is switched off or there is no network."""
    if site.exporter is None or trial.digest is None:
        return html.Div()
    made: list[Node] = [html.Span("Export ", className="control-label")]
    for name, sentence in site.formats.items():
        if name == "safetensors" and (trial.weights is None or trial.state is not TrialState.COMPLETE):
            continue
        key = {"type": "export", "study": head.id, "number": trial.number, "format": name}
        made += [html.Button(name, id=key, type="button", className="plain", title=sentence), " "]
    made.append(
        html.Div(
            id={"type": "export-said", "trial": f"{head.id}-{trial.number}"}, role="status", className="note"
        )
    )
    return html.Div(made)


def register(app: Dash, site: Site) -> None:
    """Adds what a click on a button does."""

    @app.callback(
        Output("download", "data"),
        Output({"type": "export-said", "trial": ALL}, "children"),
        Input({"type": "export", "study": ALL, "number": ALL, "format": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    def export(clicks: list[int | None]) -> tuple[Any, list[str]]:
        wanted = ctx.triggered_id
        exporter = site.exporter
        if exporter is None or wanted is None or not any(clicks) or not ctx.triggered[0].get("value"):
            raise PreventUpdate
        places = ctx.outputs_list[1]
        own = f"{wanted['study']}-{wanted['number']}"
        name = site.reader.head(int(wanted["study"])).name
        if wanted["format"] not in site.formats:
            raise PreventUpdate
        try:
            made = exporter(name, int(wanted["number"]), str(wanted["format"]))
        except Exception as error:  # whatever an export dies of is told at its button
            is_ours = not isinstance(error, ValueError | LedgerError)  # those say all there is to say
            logger.warning("an export failed: %s", error, exc_info=is_ours)
            return no_update, _at(places, own, f"This export failed: {visible(str(error), 300)}")
        said = f"{made.file_name}: {len(made.content):,} bytes"
        content = base64.b64encode(made.content).decode("ascii")
        return {"content": content, "filename": file_name(made.file_name), "base64": True}, _at(
            places, own, said
        )


def _at(places: list[dict[str, Any]], own: str, text: str) -> list[Any]:
    return [text if place["id"]["trial"] == own else no_update for place in places]
