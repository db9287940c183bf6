"""Which address is which page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dash import Dash, dcc, html
from dash.development.base_component import Component

from dashboards.drawing.components import EMPTY, Node, aria, empty
from dashboards.pages import (
    architecture,
    compare,
    drawn,
    encoding,
    exports,
    family,
    points,
    scaling,
    search,
    studies,
    trial,
    trials,
    workers,
)
from dashboards.site import Site
from runs.errors import LedgerError, StudyMissing, TrialMissing

TITLE = "nas"
AWAITED = "awaited"


@dataclass(frozen=True, slots=True)
class Page:
    """One kind of address.

    Args:
        pattern: of the path, with a group for each argument of `layout`.
        title: of the window.
        layout: makes the page.
        tab: which of a study's tabs it belongs to.
    """

    pattern: str
    title: str
    layout: Callable[..., Component]
    tab: str = ""
    numbers: tuple[str, ...] = field(default=("study_id", "number"))


PAGES: tuple[Page, ...] = (
    Page(r"/", "Studies", studies.layout),
    Page(r"/s/(?P<study_id>\d{1,12})", "Search", search.layout),
    Page(r"/s/(?P<study_id>\d{1,12})/trials", "Trials", trials.layout, "trials"),
    Page(r"/s/(?P<study_id>\d{1,12})/trials/(?P<number>\d{1,12})", "Trial", trial.layout, "trials"),
    Page(r"/s/(?P<study_id>\d{1,12})/points", "Points", points.layout),
    Page(r"/s/(?P<study_id>\d{1,12})/scaling", "Scaling", scaling.layout, "scaling"),
    Page(r"/s/(?P<study_id>\d{1,12})/family", "Family", family.layout, "family"),
    Page(r"/s/(?P<study_id>\d{1,12})/workers", "Workers", workers.layout, "workers"),
    Page(r"/a/(?P<digest>[0-9a-f]{64})", "Architecture", architecture.layout),
    Page(r"/compare/(?P<left>[\w.-]{1,80})/(?P<right>[\w.-]{1,80})", "Comparison", compare.layout),
)
TABS = (
    ("", "Search"),
    ("trials", "Trials"),
    ("scaling", "Scaling"),
    ("family", "Family"),
    ("workers", "Workers"),
)
WHOLE_TABS = ("trials",)  # entered by loading a document, which then has the grid's script


def register(app: Dash, site: Site) -> None:
    """Adds the callbacks of all pages."""
    for module in (studies, search, points, trials, workers, architecture, drawn, encoding, exports):
        module.register(app, site)


def found(path: str) -> tuple[Page, dict[str, Any]] | None:
    """Returns the page at a path and the arguments of its layout; None: there is none."""
    for page in PAGES:
        match = re.fullmatch(page.pattern, path)
        if match:
            given = match.groupdict()
            return page, {key: int(text) if key in page.numbers else text for key, text in given.items()}
    return None


def content(site: Site, path: str) -> tuple[Component, Component, str]:
    """Returns a page, the navigation above it and its title; a sentence where it cannot be shown."""
    match = found(path)
    if match is None:
        return (
            empty("There is no such page", dcc.Link("All studies", href=site.link("/"))),
            html.Span(),
            TITLE,
        )
    page, given = match
    study_id = given.get("study_id")
    try:
        name = site.reader.head(study_id).name if study_id is not None else ""
        body = _awaited(page.layout(site, **given))
        return body, _navigation(site, study_id, name, page), _title(page, name)
    except StudyMissing:
        back: Node = dcc.Link("All studies", href=site.link("/"))
        return (
            empty("This study is not here", ["It was deleted, or never was in this storage. ", back]),
            html.Span(),
            TITLE,
        )
    except TrialMissing as error:
        back = html.A("all trials", href=site.link(f"/s/{study_id}/trials"))
        return (
            empty("This trial is not here", [f"{error}: see ", back, "."]),
            _navigation(site, study_id, "", page),
            TITLE,
        )
    except LedgerError as error:
        sentence = f"{error}. This page tries again by itself."
        stand_in = _awaited(empty("The storage does not answer", sentence))
        return stand_in, _navigation(site, study_id, "", page), TITLE


def arrived(site: Site, path: str) -> Component | None:
    """Returns the page that something stands in for; None: it is still awaited."""
    page, _, _ = content(site, path)
    return None if getattr(page, "className", "") == AWAITED else page


def _awaited(page: Component) -> Component:
    """Returns a page; what stands in for one that has nothing to show yet is replaced when there is something."""
    if getattr(page, "className", "") != EMPTY:
        return page
    return html.Div(page, id="awaited", className=AWAITED)


def _title(page: Page, name: str) -> str:
    return " · ".join(part for part in (page.title, name, TITLE) if part)


def _navigation(site: Site, study_id: int | None, name: str, page: Page) -> Component:
    if study_id is None:
        return html.Span()
    links = []
    for tab, title in TABS:
        here = aria(current="page") if tab == page.tab else {}
        href = site.link(f"/s/{study_id}" + (f"/{tab}" if tab else ""))
        link = dcc.Link(title, href=href, refresh=tab in WHOLE_TABS)
        links.append(html.Li(html.Span(link, **here)))
    return html.Div(
        [
            html.Div(
                [
                    dcc.Link("Studies", href=site.link("/")),
                    html.Span(" / ", **aria(hidden="true")),
                    html.H1(name),
                ],
                className="crumbs",
            ),
            html.Nav(html.Ul(links), className="tabs", **aria(label="Parts of the study")),
        ]
    )
