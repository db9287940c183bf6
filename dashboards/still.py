"""A page as plain markup: what is read before the scripts have run, and all there is where none may run.

It is made of the same components as the page itself, and goes when that is drawn (`assets/site.js`). Nothing in it has
an id, for the page behind it has them all; its links work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, cast

from dash.development.base_component import Component

from dashboards.drawing.sketch import sketch
from dashboards.info.words import markup

_VOID = ("br", "hr", "img", "input")  # elements without an end (HTML, section 13.1.2)
_NAMES = {"className": "class", "colSpan": "colspan", "rowSpan": "rowspan", "tabIndex": "tabindex"}
_KEPT = (
    *("class", "role", "lang", "title", "tabindex"),
    *("href", "src", "alt", "scope", "colspan", "rowspan", "type", "open", "disabled"),
)
_IDS = ("aria-labelledby", "aria-describedby", "aria-controls", "data-chart", "data-copy")  # name others' ids
_ADDRESSES = ("href", "src")


def still(node: Any) -> str:
    """Returns a component, text or list of both as markup.

    >>> from dash import html
    >>> still(html.P(["1 < 2", html.B("!", id="sure")], className="note"))
    '<p class="note">1 &lt; 2<b>!</b></p>'
    """
    return "".join(_parts(node))


def _parts(node: Any) -> Iterator[str]:
    if node is None or isinstance(node, bool):
        return
    if isinstance(node, list | tuple):
        for one in node:
            yield from _parts(one)
    elif not isinstance(node, Component):
        yield markup(str(node))
    else:
        given = cast(Any, node).to_plotly_json()  # Dash has no annotation for it
        props, kind = given["props"], str(given["type"])
        if given["namespace"] == "dash_html_components":
            yield from _element(kind.lower(), props)
        elif kind in _OTHERS:
            yield from _OTHERS[kind](props)


def _element(tag: str, props: dict[str, Any]) -> Iterator[str]:
    yield f"<{tag}{_attributes(props)}>"
    if tag not in _VOID:
        yield from _parts(props.get("children"))
        yield f"</{tag}>"


def _attributes(props: dict[str, Any]) -> str:
    found = []
    for name, value in props.items():
        name = _NAMES.get(name, name)
        if name == "style":
            value = _style(value)
        elif name not in _KEPT and (not name.startswith(("aria-", "data-")) or name in _IDS):
            continue
        if value is None or value is False or (name in _ADDRESSES and not _is_ours(str(value))):
            continue
        found.append(f' {name}="{markup("" if value is True else str(value))}"')
    return "".join(found) + (" hidden" if props.get("hidden") else "")


def _is_ours(address: str) -> bool:
    """Returns whether an address is of this site."""
    return address.startswith("/") and not address.startswith("//")


def _style(rules: dict[str, Any]) -> str:
    """Returns a style as an attribute; React counts numbers in pixels, but for a share of what is there."""
    return ";".join(
        f"{re.sub('([A-Z])', lambda found: '-' + found[0].lower(), name)}:{_length(name, value)}"
        for name, value in rules.items()
    )


def _length(name: str, value: Any) -> str:
    plain = name in ("opacity", "flex", "flexGrow", "lineHeight", "order", "zIndex", "fontWeight")
    return f"{value}px" if isinstance(value, int | float) and not plain else str(value)


def _link(props: dict[str, Any]) -> Iterator[str]:
    return _element("a", props)


def _graph(props: dict[str, Any]) -> Iterator[str]:
    """Gives a chart as it is sketched, or its room."""
    height = int(str(props["style"]["height"]).removesuffix("px"))
    yield sketch(props["figure"], height) or f'<div style="height:{height}px"></div>'


def _options(props: dict[str, Any]) -> Iterator[str]:
    """Gives a row of options of which one is chosen, or some."""
    chosen = props.get("value")
    kind, marked = ("checkbox", chosen) if isinstance(chosen, list) else ("radio", [chosen])
    yield f'<div class="{markup(str(props.get("className") or ""))}">'
    for option in props["options"]:
        label, value = (option, option) if isinstance(option, str) else (option["label"], option["value"])
        tick = " checked" if value in marked else ""
        yield f'<label><input type="{kind}" disabled{tick}> {markup(str(label))}</label>'
    yield "</div>"


def _slider(props: dict[str, Any]) -> Iterator[str]:
    yield '<div class="unmoved"></div>'


def _field(props: dict[str, Any]) -> Iterator[str]:
    yield f'<input type="text" class="unasked" disabled placeholder="{markup(str(props.get("placeholder") or ""))}">'


def _grid(props: dict[str, Any]) -> Iterator[str]:
    yield f'<div style="{markup(_style(props.get("style") or {}))}"></div>'


_OTHERS: dict[str, Callable[[dict[str, Any]], Iterator[str]]] = {  # all further components show nothing
    "Link": _link,
    "Graph": _graph,
    "RadioItems": _options,
    "Checklist": _options,
    "Slider": _slider,
    "Input": _field,
    "AgGrid": _grid,
}
