"""A network by itself: drawn from coarse to fine, its stages and layers with their costs, its texts to copy."""

from __future__ import annotations

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from dashboards.drawing import components as parts
from dashboards.drawing.components import Node
from dashboards.info.networks import StageRow, layer_rows, parsed, stage_rows
from dashboards.info.words import compact, fidelity, quantity, share
from dashboards.pages import drawn, encoding
from dashboards.site import Site
from search_space import cost


def layout(site: Site, digest: str) -> Component:
    """Returns the page of one architecture."""
    document = site.reader.browse.architecture(digest)
    if document is None:
        return parts.empty("This architecture is not here", "No study of this storage has it.")
    architecture = parsed(document)
    tiles: list[Node] = []
    if architecture is not None:
        price = cost(architecture)
        tiles = [
            parts.figure_tile(quantity(price.macs), "MACs (the papers' FLOPs)"),
            parts.figure_tile(quantity(price.params), "Parameters"),
            parts.figure_tile(
                quantity(price.peak_memory_bytes, "B"), "Peak memory", "live maps, float32, one image"
            ),
            parts.figure_tile(
                f"{architecture.resolution} px", "Resolution", f"{len(architecture.stages)} stages"
            ),
        ]
    return html.Div(
        [
            html.H1(f"Architecture {digest[:12]}"),
            html.Div(tiles, className="tiles"),
            drawn.card(site, digest, document),
            stage_card(document),
            layer_card(document),
            html.Div([_measured(site, digest), _compare(site, digest)], className="grid"),
            encoding.card(site, document),
        ],
        className="page",
    )


def register(app: Dash, site: Site) -> None:
    """Adds what opens a comparison."""

    @app.callback(
        Output("url", "pathname", allow_duplicate=True),
        Input("compare-go", "n_clicks"),
        State("compare-with", "value"),
        State("drawing-digest", "data"),
        prevent_initial_call=True,
    )
    def compare(clicks: int | None, other: str | None, digest: str) -> str:
        if not clicks or not other:
            raise PreventUpdate
        return site.link(f"/compare/{digest}/{other}")


def stage_card(document: str) -> Component:
    """Returns the stages with their shapes and costs."""
    architecture = parsed(document)
    if architecture is None:
        return html.Div()
    header = (
        "Stage",
        "Block",
        "Repeats",
        "Output",
        "Stride",
        "Options",
        "MACs",
        "Share",
        "Parameters",
        "Share",
    )
    rows = [_stage(row) for row in stage_rows(architecture)]
    return parts.card(
        "Stages and what they cost", parts.table(header, rows, caption="Stages", numeric=(2, 4, 6, 8))
    )


def _stage(row: StageRow) -> list[Node]:
    return [
        row.name,
        row.block,
        row.repeats,
        f"{row.channels}\u00a0×\u00a0{row.side}²",
        row.stride,
        html.Span(", ".join(row.options) or "–", className="words"),
        compact(row.macs),
        parts.bar(row.macs_share, f"{row.macs_share:.0%}"),
        compact(row.params),
        parts.bar(row.params_share, f"{row.params_share:.0%}"),
    ]


def layer_card(document: str) -> Component:
    """Returns every operator with its own cost, folded away until it is asked for."""
    architecture = parsed(document)
    if architecture is None:
        return html.Div()
    rows: list[list[Node]] = [
        [
            one.name,
            one.operator,
            " × ".join(map(str, one.output)),
            f"{one.macs:,}",
            f"{one.params:,}",
            f"{one.output_bytes:,}",
        ]
        for one in layer_rows(architecture)
    ]
    header = ("Layer", "Operator", "Output", "MACs", "Parameters", "Output bytes")
    inner = parts.table(header, rows, caption="Layers", numeric=(3, 4, 5))
    return html.Section(html.Details([html.Summary(f"All {len(rows)} layers"), inner]), className="card")


def _measured(site: Site, digest: str) -> Component:
    measured = measurements(site, digest, caption="Measurements")
    return parts.card("Measured", measured or html.P("No measurement of it is kept.", className="muted"))


def measurements(site: Site, digest: str, *, caption: str, besides: int | None = None) -> Component | None:
    """Returns where an architecture was measured, in all studies; None: nowhere.

    Args:
        site: the dashboard.
        digest: of the architecture.
        caption: of the table.
        besides: id of a trial that is left out.
    """
    names = {one.id: one.name for one in site.reader.browse.heads()}
    rows: list[list[Node]] = [
        [
            dcc.Link(
                f"{names.get(study_id, '?')} / {number}", href=site.link(f"/s/{study_id}/trials/{number}")
            ),
            share(trial.metrics.get("accuracy")),
            str(trial.seed),
            fidelity(trial.fidelity),
        ]
        for study_id, number, trial in site.reader.browse.measured(digest)
        if trial.id != besides
    ]
    header = ("Trial", "Accuracy", "Seed", "Trained for")
    return parts.table(header, rows, caption=caption, numeric=(1, 2)) if rows else None


def _compare(site: Site, digest: str) -> Component:
    field = html.Label(
        ["Architecture ", dcc.Input(id="compare-with", type="text", placeholder="digest or name")]
    )
    button = html.Button("Compare", id="compare-go", type="button", className="plain")
    note = "The first digits of a digest are enough, or a reference network such as mnasnet_a1_1_0."
    return parts.card("Compare with another", html.Div([field, " ", button]), note=note)
