"""Two networks side by side, stage by stage, with what differs marked."""

from __future__ import annotations

from dash import dcc, html
from dash.development.base_component import Component

from dashboards.drawing import components as parts
from dashboards.drawing.components import Node
from dashboards.info.networks import Pair, StageRow, comparison, cost_rows, parsed
from dashboards.info.words import compact, short_cost
from dashboards.pages.drawn import picture
from dashboards.site import Site
from search_space import Architecture, reference, reference_names

FIELDS = ("block", "repeats", "channels", "side", "stride", "options")


def layout(site: Site, left: str, right: str) -> Component:
    """Returns the page; each side is a digest, its beginning, or a reference network's name."""
    sides = [found(site, text) for text in (left, right)]
    for text, side in zip((left, right), sides, strict=True):
        if side is None:
            sentence = (
                f"No architecture here begins with {text[:64]!r}, and no reference network has that name."
            )
            return parts.empty(
                "Nothing to compare with", [sentence, " ", dcc.Link("Back", href=site.link(f"/a/{left}"))]
            )
    (first, first_key), (second, second_key) = [side for side in sides if side is not None]
    pairs = comparison(first, second)
    same = sum(not pair.different for pair in pairs)
    return html.Div(
        [
            html.H1(f"{first_key[:24]} and {second_key[:24]}"),
            html.P(f"{same} of {len(pairs)} parts are the same; what differs is marked.", className="note"),
            parts.card("Costs", _costs(first, second, first_key, second_key)),
            parts.card("Stage by stage", _table(pairs, first_key, second_key)),
            html.Div([_drawing(site, key) for key in (first_key, second_key)], className="grid"),
        ],
        className="page",
    )


def found(site: Site, text: str) -> tuple[Architecture, str] | None:
    """Returns the architecture that a text names, and its whole key."""
    if text in reference_names():
        return reference(text), text
    digest = site.reader.browse.digest(text)
    document = site.reader.browse.architecture(digest) if digest else None
    architecture = parsed(document) if document else None
    return (architecture, digest) if architecture is not None and digest else None


def _costs(left: Architecture, right: Architecture, first: str, second: str) -> Component:
    rows: list[list[Node]] = [
        [short_cost(name), f"{one:,}", f"{two:,}", f"×{ratio:.3g}"]
        for name, one, two, ratio in cost_rows(left, right)
    ]
    return parts.table(
        ("", first[:12], second[:12], "Second / first"), rows, caption="Costs of both", numeric=(1, 2, 3)
    )


def _table(pairs: list[Pair], first: str, second: str) -> Component:
    rows = [
        [_name(pair), _cell(pair.left, pair.different), _cell(pair.right, pair.different)] for pair in pairs
    ]
    return parts.table(("Stage", first[:12], second[:12]), rows, caption="Stages of both")


def _name(pair: Pair) -> str:
    row = pair.left or pair.right
    return row.name if row else ""


def _cell(row: StageRow | None, different: tuple[str, ...]) -> Node:
    if row is None:
        return html.Span("not there", className="different")
    texts = {
        "block": row.block,
        "repeats": f"×{row.repeats}",
        "channels": f"{row.channels} channels",
        "side": f"{row.side} px",
        "stride": f"stride {row.stride}",
        "options": row.options,
    }
    shown: list[Node] = []
    for name in FIELDS:
        if texts[name]:
            mark = html.Mark(texts[name], className="different") if name in different else texts[name]
            shown += [mark, " · "]
    return html.Div(
        [
            *shown[:-1],
            html.Div(f"{compact(row.macs)} MACs, {compact(row.params)} parameters", className="muted"),
        ]
    )


def _drawing(site: Site, key: str) -> Component:
    return parts.card(
        key[:24],
        html.Div(
            html.Img(src=picture(site, key, "1"), alt=f"Drawing of {key[:24]}"),
            className="drawing whole",  # side by side: as small as its half of the page
            tabIndex=0,
            role="region",
            **parts.aria(label=f"Drawing of {key[:24]}"),
        ),
    )
