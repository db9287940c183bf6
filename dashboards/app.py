"""The dashboard as one WSGI application: Dash inside, Optuna Dashboard beside it, the door in front."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update, set_props
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate
from flask import Flask, has_request_context, request

from dashboards import asking, files, inert, scripts, zipped
from dashboards.drawing.components import aria, data
from dashboards.info.words import clock, visible
from dashboards.optuna_mount import MAX_TRIALS, OptunaMount
from dashboards.pages import router
from dashboards.security import Door, Policy
from dashboards.site import Site
from dashboards.still import still
from dashboards.wsgi import Application
from runs.errors import LedgerError, StorageUnreachable

TICK_MS = 1_000
TOLD_S = 10.0  # how long a failure stands above the page
FAILED = "Something on this page went wrong; the server's log has the details."
BEAT_S = 3  # how often running curves and leases are drawn again, which raise no revision
INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    {%metas%}
    <title>{%title%}</title>
    {%favicon%}
    {%css%}
  </head>
  <body>
    {%app_entry%}
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>"""
logger = logging.getLogger(__name__)


def make_application(
    site: Site, policy: Policy, *, make_optuna: Callable[[], Application] | None = None
) -> Application:
    """Returns what a WSGI server serves.

    Args:
        site: what the pages are given.
        policy: of the door.
        make_optuna: makes Optuna Dashboard's application on the same storage; None leaves it out.
    """
    app = make_dash(site)
    hashes = tuple(app.csp_hashes())
    inner: Application = app.server.wsgi_app
    if make_optuna is not None:
        inner = OptunaMount(inner, make_optuna, lambda: too_heavy(site))
    guarded = replace(policy, script_hashes=hashes, compiling=scripts.WEBGL_PAGES)
    return zipped.Zipped(_Unprefixed(Door(inner, guarded), policy.prefix))


def make_dash(site: Site) -> Dash:
    """Returns the Dash application; its pages read when they are asked for."""
    server = Flask(__name__)
    app = _Dash(
        site,
        __name__,
        server=cast(
            Any, server
        ),  # Dash's own annotation leaves out the one case that its documentation names
        assets_folder=str(Path(__file__).parent / "assets"),
        requests_pathname_prefix=site.prefix,
        routes_pathname_prefix="/",
        index_string=INDEX,
        title=router.TITLE,
        update_title="",
        suppress_callback_exceptions=True,
        serve_locally=True,
        meta_tags=[
            {"name": "viewport", "content": "width=device-width, initial-scale=1"},
            {"name": "color-scheme", "content": "light dark"},
        ],
        on_error=lambda error: _tell(site, error),
        enable_mcp=False,
        add_log_handler=False,
    )
    app.layout = lambda: _shell(site, request.args.get("page") if has_request_context() else None)
    asking.register(server, app)
    inert.register(server)
    files.register(server, site)
    scripts.register(server)
    router.register(app, site)
    _register(app, site)
    return app


def too_heavy(site: Site) -> str | None:
    """Returns why Optuna Dashboard is switched off; None: it is not."""
    largest = max(site.reader.browse.heads(), key=lambda head: head.num_trials, default=None)
    if largest is None or largest.num_trials <= MAX_TRIALS:
        return None
    return (
        f"Optuna Dashboard is switched off for this storage: {largest.name} has {largest.num_trials:,} trials, and it"
        f" loads all of a study into the browser, which above {MAX_TRIALS:,} takes minutes. Ours shows them all."
    )


class _Dash(Dash):
    """Dash whose documents show their page before any script runs, and load no more scripts than it needs."""

    def __init__(self, site: Site, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._site = site

    def interpolate_index(self, *given: Any, **parts: Any) -> str:
        """Returns the document of the page that is asked for."""
        path = self._site.path(request.path)
        parts["css"] += scripts.head_tags(self._site, path, parts["scripts"])
        parts["scripts"] = scripts.tags(self._site, path, parts["scripts"])
        parts["app_entry"] = _still(self._site, request.path) + parts["app_entry"]
        fill = cast(Any, super().interpolate_index)  # Dash has no annotation for it
        return str(fill(*given, **parts))


def _still(site: Site, address: str) -> str:
    """Returns the page at an address as plain markup; without it the page itself is waited for."""
    try:
        return f'<div id="still">{still(_shell(site, address))}</div>'
    except Exception:
        logger.exception("a page could not be shown before its scripts")
        return ""


class _Unprefixed:
    """Takes the proxy's prefix off the path, where the proxy has left it on."""

    def __init__(self, inner: Application, prefix: str) -> None:
        self._inner, self._prefix = inner, prefix.rstrip("/")

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = environ.get("PATH_INFO", "")
        if self._prefix and (path == self._prefix or path.startswith(self._prefix + "/")):
            environ = environ | {"PATH_INFO": path[len(self._prefix) :] or "/"}
        return self._inner(environ, start_response)


def _shell(site: Site, address: str | None) -> Component:
    """Returns the page at an address, in what stands around every page; without one what stands around it."""
    body, navigation, title, shown = _first(site, address)
    optuna = [html.A("Optuna Dashboard", href="/optuna")] if site.has_optuna else []
    return html.Div(
        [
            html.A("Skip to the content", href="#main", className="skip"),
            html.Header(
                [
                    dcc.Link(
                        [html.Span("◆", **aria(hidden="true")), " nas"],
                        href=site.link("/"),
                        className="brand",
                    ),
                    html.Div(site.reader.store.url_safe, className="storage"),
                    html.Div(
                        [
                            *optuna,
                            html.Button(
                                "Theme",
                                type="button",
                                className="plain",
                                **data(theme_switch="1"),
                                **aria(label="Theme: switch between light and dark"),
                            ),
                        ],
                        className="links",
                    ),
                    html.Div("Opening …", id="live", className="live", role="status", **data(beat="0")),
                ],
                className="top",
            ),
            html.Div(id="banner", role="alert"),
            html.Div(navigation, id="navigation"),
            html.Main(body, id="main", className="main", tabIndex=-1),
            dcc.Location(id="url", refresh="callback-nav"),
            dcc.Store(id="shown", data=shown),
            dcc.Interval(id="tick", interval=TICK_MS),
            dcc.Store(id="pulse"),
            dcc.Store(id="opening"),
            dcc.Store(id="told"),
            dcc.Store(id="title", data=title),
            dcc.Download(id="download"),
            dcc.Store(id="title-set"),
        ],
        className="site",
    )


def _first(site: Site, address: str | None) -> tuple[Component, Component, str, str | None]:
    """Returns the page that comes with the layout, and its path; one that fails is asked for again, by its path."""
    if address is not None:
        try:
            return *router.content(site, path := site.path(address)), path
        except Exception:  # `show` does the same, and its failure is shown and logged
            logger.debug("a page could not come with its layout", exc_info=True)
    return html.Div("Loading …", className="loading"), html.Span(), router.TITLE, None


def _register(app: Dash, site: Site) -> None:
    @app.callback(
        Output("main", "children"),
        Output("navigation", "children"),
        Output("title", "data"),
        Output("shown", "data"),
        Input("url", "pathname"),
        Input("opening", "data"),  # another database lies where the one was that is shown
        State("shown", "data"),
        prevent_initial_call=True,  # nothing to wait for: the first page came with the layout
    )
    def show(
        address: str | None, opening: int | None, shown: str | None
    ) -> tuple[Component, Component, str, str]:
        path = site.path(address)
        if path == shown and ctx.triggered_id == "url":
            raise PreventUpdate
        return *router.content(site, path), path

    @app.callback(
        Output("awaited", "children"),
        Output("awaited", "className"),
        Input("pulse", "data"),
        State("url", "pathname"),
        State("awaited", "className"),
        prevent_initial_call=True,
    )
    def arrive(pulse: Any, address: str | None, state: str) -> tuple[Component, str]:
        found = router.arrived(site, site.path(address)) if state == router.AWAITED else None
        if found is None:
            raise PreventUpdate
        return found, ""

    set_title = cast(Any, app.clientside_callback)  # Dash has no annotation for it
    set_title(ClientsideFunction("site", "title"), Output("title-set", "data"), Input("title", "data"))

    @app.callback(
        Output("pulse", "data"),
        Output("live", "children"),
        Output("banner", "children"),
        Output("live", "data-beat"),
        Output("opening", "data"),
        Input("tick", "n_intervals"),
        State("url", "pathname"),
        State("pulse", "data"),
        State("live", "children"),
        State("banner", "children"),
        State("told", "data"),
    )
    def tick(
        count: int | None,
        address: str | None,
        known: Mapping[str, Any] | None,
        live: Any,
        banner: Any,
        told: Mapping[str, Any] | None,
    ) -> tuple[Any, ...]:
        pulse, text, warning = beat(site, site.path(address), known)
        if not warning and told and site.reader.now() < told["until"]:
            warning = told["text"]
        before, now = (known or {}).get("opening"), pulse.get("opening")
        return (
            no_update if pulse == known else pulse,
            no_update if text == live else text,
            no_update if warning == banner else warning,
            str(count or 0),
            now if before is not None and now != before else no_update,
        )


def beat(site: Site, path: str, known: Mapping[str, Any] | None) -> tuple[dict[str, Any], str, str]:
    """Returns what a page must know to refresh itself, how live it is, and what is wrong.

    Args:
        site: the dashboard.
        path: of the page.
        known: what was returned the last time.
    """
    match = router.found(path)
    study_id = match[1].get("study_id") if match else None
    try:
        opening = site.reader.opening()
        if study_id is None:
            heads = site.reader.browse.heads()
            whole = all((one := site.reader.known(head.id)) is not None and one.is_whole for head in heads)
            total = sum(head.revision for head in heads)
            pulse = {
                "page": path,
                "opening": opening,
                "revision": total,
                "num_studies": len(heads),
                "whole": whole,
                "beat": 0 if whole else _beat(site),
            }
        else:
            reading = site.reader.read(study_id)
            if reading.revision is None:
                return (
                    {"page": path, "opening": opening, "gone": True},
                    "Gone",
                    "This study was deleted. What you see is its last state.",
                )
            moving = not reading.is_whole or reading.is_moving
            pulse = {
                "page": path,
                "opening": opening,
                "study": study_id,
                "revision": reading.revision,
                "whole": reading.is_whole,
                "beat": _beat(site) if moving else 0,
            }
    except LedgerError as error:
        return dict(known or {}) | {"away": True}, "Away", str(error)
    changed = known is None or any(known.get(key) != pulse[key] for key in ("page", "opening", "revision"))
    seen = site.reader.now() if known is None or changed else float(known.get("changed", 0.0))
    pulse["changed"] = seen
    return pulse, f"Live · last change seen {clock(seen)[11:19]} UTC", ""


def _beat(site: Site) -> int:
    return int(site.reader.now() // BEAT_S)


def _tell(site: Site, error: Exception) -> None:
    """Shows a callback's failure above the page for some seconds, and puts what is not the storage's in the log.

    An outage is left to the next beat, which also notices its end.
    """
    if not isinstance(error, LedgerError):
        logger.error("a page's callback failed", exc_info=error)
    text = visible(str(error)) if isinstance(error, LedgerError) else FAILED
    if not isinstance(error, StorageUnreachable):
        set_props("told", {"data": {"text": text, "until": site.reader.now() + TOLD_S}})
    set_props("banner", {"children": text})
