"""The grid of all trials of a study: rows come in pages as one scrolls, sorted and filtered on the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash_ag_grid as dag
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from dashboards.drawing.components import Node, Nodes, aria, facts, pill
from dashboards.info import grid
from dashboards.info.rewards import weighing
from dashboards.info.words import compact, duration, share
from dashboards.site import Site

CACHE_ROWS = 100  # a page
THEME = (
    "themeQuartz.withParams({backgroundColor: 'var(--card)', foregroundColor: 'var(--ink)', borderColor: 'var(--line)',"
    " headerBackgroundColor: 'var(--soft)', accentColor: 'var(--accent)', fontFamily: 'inherit', rowHeight: 36})"
)
ASIDE = ("search", "states")  # what is asked for beside the grid
HINTS = ("Tick two rows to compare their networks.", "Tick one more row to compare two networks.")
_REAL = {"function": "params.value == null ? '' : d3.format('.4f')(params.value)"}
_SHORT = {"function": "params.value == null ? '' : d3.format('.3~s')(params.value)"}
_SECONDS = {"function": "params.value == null ? '' : d3.format(',.1f')(params.value)"}
_CLOCK = {"function": "params.value == null ? '' : d3.utcFormat('%Y-%m-%d %H:%M:%S')(params.value * 1000)"}
_FORMATS = {
    "reward": _REAL,
    "accuracy": _REAL,
    "macs": _SHORT,
    "params": _SHORT,
    "peak_memory_bytes": _SHORT,
    "latency_ms": _REAL,
    "seconds": _SECONDS,
    "ended": _CLOCK,
}
_TITLES = {
    "number": "Trial",
    "macs": "MACs",
    "params": "Parameters",
    "peak_memory_bytes": "Peak memory (bytes)",
    "latency_ms": "Latency (ms)",
    "seconds": "Device seconds",
    "fence": "Attempts",
    "ended": "Ended (UTC)",
}
_WIDTHS = {"number": 95, "state": 175, "params": 140, "error": 320, "digest": 130, "ended": 175, "fence": 118}


def layout(site: Site, study_id: int) -> Component:
    """Returns the page of one study's grid."""
    table = site.reader.table(study_id)
    shown = [
        name for name in ("number", "state", "reward", "accuracy", *table.costs()) if name in grid.COLUMNS
    ]
    shown += ["seconds", "fence", "ended", "digest", "error"]
    field = dcc.Input(
        id="trials-search", type="search", debounce=0.3, placeholder="number, digest, state or failure"
    )
    search = html.Label([html.Span("Search", className="control-label"), field])
    states = dcc.Checklist(
        id="trials-states", options=list(grid.WORDS), value=[], inline=True, className="choice"
    )
    rows = dag.AgGrid(
        id="trials-grid",
        rowModelType="infinite",
        columnDefs=[*(_column(name) for name in shown), *(_hidden(name) for name in ASIDE)],
        defaultColDef={
            "sortable": True,
            "resizable": True,
            "filter": True,
            "minWidth": 80,
            "wrapHeaderText": True,
            "autoHeaderHeight": True,
        },
        dashGridOptions={
            "theme": {"function": THEME},
            "rowSelection": {"mode": "multiRow", "enableClickSelection": True, "headerCheckbox": False},
            "selectionColumnDef": {"pinned": "left", "width": 48, "minWidth": 48},
            "tabToNextCell": {"function": "false"},  # Tab leaves the grid; arrows move inside it
            "cacheBlockSize": CACHE_ROWS,
            "maxBlocksInCache": 20,
            "infiniteInitialRowCount": len(table),
            "rowBuffer": 20,
            "suppressDragLeaveHidesColumns": True,
            "ensureDomOrder": True,
        },
        getRowId="params.data.id",
        style={"height": "62vh", "minHeight": "420px"},
        dangerously_allow_code=False,
    )
    return html.Div(
        [
            html.Section(
                [
                    html.Div(
                        [
                            html.H2("All trials"),
                            html.A(
                                "CSV",
                                href=site.link(f"/_nas/csv/{study_id}/trials"),
                                className="save",
                                download="",
                            ),
                        ],
                        className="card-head",
                    ),
                    html.Div(
                        [search, html.Div(states, role="group", **aria(label="States"))], className="controls"
                    ),
                    html.P(id="trials-count", className="note", role="status"),
                    html.Div(_compare(), className="controls"),
                    rows,
                    html.P(
                        "Click a row, or pick it with the space bar, to see it below; a double click opens it.",
                        className="note",
                    ),
                ],
                className="card",
            ),
            html.Div(id="trials-chosen"),
            dcc.Store(id="trials-study", data=study_id),
        ],
        className="page",
    )


def register(app: Dash, site: Site) -> None:
    """Adds what serves rows, and what shows the chosen one."""

    @app.callback(
        Output("trials-grid", "getRowsResponse"),
        Output("trials-count", "children"),
        Input("trials-grid", "getRowsRequest"),
        State("trials-study", "data"),
    )
    def serve(request: Mapping[str, Any] | None, study_id: int) -> tuple[Any, str]:
        if request is None:
            raise PreventUpdate
        head, reading = site.reader.head(study_id), site.reader.read(study_id)
        how = weighing(head.settings)
        filters = request.get("filterModel") or {}
        search, states = (str(filters.get(name, {}).get("filter", "")) for name in ASIDE)
        numbers = grid.order(
            reading.table,
            how,
            sort=request.get("sortModel") or (),
            filters=filters,
            search=search,
            states=[word for word in states.split(",") if word],
        )
        begin = max(int(request.get("startRow") or 0), 0)
        end = min(int(request.get("endRow") or 0), begin + grid.MAX_PAGE)
        rows = grid.page(how, site.reader.browse.page(study_id, numbers[begin:end].tolist()))
        note = "" if reading.is_whole else f"; reading {len(reading.table):,} of {head.num_trials:,} …"
        return {
            "rowData": rows,
            "rowCount": len(numbers),
        }, f"{len(numbers):,} of {head.num_trials:,} trials{note}"

    @app.callback(
        Output("trials-grid", "filterModel"),
        Input("trials-search", "value"),
        Input("trials-states", "value"),
        State("trials-grid", "filterModel"),
        prevent_initial_call=True,
    )
    def narrow(
        search: str | None, states: list[str] | None, model: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        kept = {name: one for name, one in (model or {}).items() if name not in ASIDE}
        given = dict(zip(ASIDE, ((search or "").strip(), ",".join(states or ())), strict=True))
        return kept | {name: {"type": "contains", "filter": text} for name, text in given.items() if text}

    @app.callback(
        Output("trials-chosen", "children"),
        Output("trials-compare", "disabled"),
        Output("trials-hint", "children"),
        Output("trials-pair", "data"),
        Input("trials-grid", "selectedRows"),
        State("trials-study", "data"),
        prevent_initial_call=True,
    )
    def choose(rows: list[dict[str, Any]] | None, study_id: int) -> tuple[Any, bool, str, Any]:
        picked = rows or []
        pair, hint = compared(site, study_id, [int(row["number"]) for row in picked])
        shown = [_preview(site, study_id, row) for row in picked[:2]]
        return html.Div(shown, className="grid" if len(shown) > 1 else ""), pair is None, hint, pair

    @app.callback(
        Output("url", "pathname", allow_duplicate=True),
        Input("trials-compare", "n_clicks"),
        State("trials-pair", "data"),
        prevent_initial_call=True,
    )
    def compare(clicks: int | None, pair: list[str] | None) -> str:
        if not clicks or not pair:
            raise PreventUpdate
        return site.link(f"/compare/{pair[0]}/{pair[1]}")

    @app.callback(
        Output("url", "pathname", allow_duplicate=True),
        Input("trials-grid", "cellDoubleClicked"),
        State("trials-study", "data"),
        prevent_initial_call=True,
    )
    def open_trial(clicked: Mapping[str, Any] | None, study_id: int) -> Any:
        number = str((clicked or {}).get("rowId", ""))
        return site.link(f"/s/{study_id}/trials/{number}") if number.isdigit() else no_update


def compared(site: Site, study_id: int, numbers: Sequence[int]) -> tuple[tuple[str, str] | None, str]:
    """Returns the digests of two picked trials, or None, and a sentence about what is picked."""
    if len(numbers) != 2:
        return None, HINTS[len(numbers)] if len(numbers) < 2 else f"{len(numbers)} picked: two are compared."
    digests = {trial.number: trial.digest for trial in site.reader.browse.page(study_id, numbers)}
    first, second = (digests.get(number) for number in numbers)
    if first is None or second is None:
        return None, f"Trial {numbers[0] if first is None else numbers[1]} has no network."
    if first == second:
        return None, f"Trials {numbers[0]} and {numbers[1]} are of one network."
    return (first, second), f"Trials {numbers[0]} and {numbers[1]} are picked."


def _compare() -> list[Node]:
    """Returns the button that compares two picked rows, and what it waits for."""
    button = html.Button(
        "Compare the two networks",
        id="trials-compare",
        type="button",
        className="primary",
        disabled=True,
        **aria(describedby="trials-hint"),
    )
    hint = html.Span(HINTS[0], id="trials-hint", className="note", role="status")
    return [button, hint, dcc.Store(id="trials-pair")]


def _column(name: str) -> dict[str, Any]:
    column: dict[str, Any] = {"field": name, "headerName": _TITLES.get(name, name.capitalize())}
    if name in grid.NUMERIC:
        column |= {"type": "rightAligned", "filter": "agNumberColumnFilter"}
    else:
        options = ["contains", "notContains", "equals"]
        column |= {
            "filter": "agTextColumnFilter",
            "filterParams": {"filterOptions": options, "maxNumConditions": 1},
        }
    if name in _FORMATS:
        column["valueFormatter"] = _FORMATS[name]
    if name in _WIDTHS:
        column["width"] = _WIDTHS[name]
    else:
        column["width"] = 125
    if name == "number":
        column["pinned"] = "left"
    return column


def _hidden(name: str) -> dict[str, Any]:
    """Returns a column that is never shown: its filter takes what stands beside the grid along with each request."""
    return {"field": name, "hide": True, "filter": "agTextColumnFilter", "suppressColumnsToolPanel": True}


def _preview(site: Site, study_id: int, row: Mapping[str, Any]) -> Component:
    number = int(row["number"])
    link = dcc.Link(
        f"Open trial {number}", href=site.link(f"/s/{study_id}/trials/{number}"), className="primary"
    )
    values: dict[str, Nodes] = {
        "State": pill(str(row.get("state", ""))),
        "Reward": share(row.get("reward")),
        "Accuracy": share(row.get("accuracy")),
        "MACs": compact(row.get("macs")),
        "Parameters": compact(row.get("params")),
        "Device time": duration(row.get("seconds")),
        "Error": str(row.get("error") or "–"),
    }
    return html.Section(
        [html.Div([html.H2(f"Trial {number}"), link], className="card-head"), facts(values)], className="card"
    )
