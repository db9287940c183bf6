"""Two networks side by side, stage by stage, with what differs marked."""

from __future__ import annotations

from dash import dcc, html
from dash.development.base_component import Component

from dashboards.drawing import components as parts
from dashboards.drawing.components import Node
from dashboards.info.networks import Pair, StageRow, comparison, cost_rows, parsed
from dashboards.info.words import TITLES, compact
from dashboards.pages.architecture import measurements
from dashboards.pages.drawn import picture
from dashboards.site import Site
from search_space import Architecture, reference, reference_names


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
    names = _short(first_key), _short(second_key)
    pairs = comparison(first, second)
    same = sum(not pair.different for pair in pairs)
    return html.Div(
        [
            html.H1(" and ".join(names)),
            html.P(f"{same} of {len(pairs)} parts are the same; what differs is marked.", className="note"),
            html.Div(
                [_identity(site, first, first_key, "first"), _identity(site, second, second_key, "second")],
                className="grid",
            ),
            parts.card("Costs", html.Div(_costs(first, second, names), className="sides")),
            parts.card("Stage by stage", html.Div(_table(pairs, names), className="sides")),
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


def _short(key: str) -> str:
    """Returns a reference network's name, or as many digits of a digest as tell networks apart."""
    return key if key in reference_names() else key[:12]


def _costs(left: Architecture, right: Architecture, names: tuple[str, str]) -> Component:
    rows: list[list[Node]] = [
        [TITLES[name], f"{one:,}", f"{two:,}", _multiple(ratio)]
        for name, one, two, ratio in cost_rows(left, right)
    ]
    return parts.table(("", *names, "Second / first"), rows, caption="Costs of both", numeric=(1, 2, 3))


def _multiple(ratio: float) -> str:
    return f"×{ratio:,.0f}" if ratio >= 100 else f"×{ratio:.3g}"


def _table(pairs: list[Pair], names: tuple[str, str]) -> Component:
    rows = [[_name(one), _cell(one.left, one.right), _cell(one.right, one.left)] for one in pairs]
    return parts.table(("Stage", *names), rows, caption="Stages of both")


def _name(pair: Pair) -> str:
    row = pair.left or pair.right
    return row.name if row else ""


def _cell(row: StageRow | None, other: StageRow | None) -> Node:
    """Returns a stage in words; those that the other network's stage does not have are marked."""
    if row is None:
        return html.Span("not there", className="different")
    theirs = set() if other is None else set(_words(other))
    shown: list[Node] = []
    for text in _words(row):
        shown += [text if text in theirs else html.Mark(text, className="different"), " · "]
    costs = f"{compact(row.macs)} MACs, {compact(row.params)} parameters"
    return html.Div([*shown[:-1], html.Div(costs, className="muted")])


def _words(row: StageRow) -> list[str]:
    sizes = f"×{row.repeats}", f"{row.channels} channels", f"{row.side} px", f"stride {row.stride}"
    return [row.block, *sizes, *row.options]


def _drawing(site: Site, key: str) -> Component:
    name = _short(key)
    return parts.card(
        name,
        html.Div(
            html.Img(src=picture(site, key, "1"), alt=f"Drawing of {name}"),
            className="drawing whole",  # side by side: as small as its half of the page
            tabIndex=0,
            role="region",
            **parts.aria(label=f"Drawing of {name}"),
        ),
    )


def _identity(site: Site, architecture: Architecture, key: str, which: str) -> Component:
    """Returns the whole digest of a network, to be copied, and where it was measured."""
    digest = architecture.digest
    measured = measurements(site, digest, caption=f"Measurements of {_short(key)}")
    body: list[Node] = [
        html.Div(
            parts.code(digest, f"the digest of {_short(key)}", f"{which}-digest"), className="whole-digest"
        ),
        measured or html.P("No measurement of it is kept.", className="muted"),
    ]
    page = dcc.Link("Page of this architecture", href=site.link(f"/a/{digest}")) if key == digest else None
    return parts.card(_short(key), body, actions=page)
