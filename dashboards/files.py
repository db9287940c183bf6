"""What a page lets its viewer keep: the data of charts as CSV, and artifacts as sandboxed attachments."""

from __future__ import annotations

import html
import re
from typing import Any

from flask import Flask, Response, abort, request

from dashboards.info import spreadsheet
from dashboards.info.networks import parsed
from dashboards.pages import data
from dashboards.site import Site
from runs.errors import LedgerError
from search_space import Architecture, reference, reference_names
from search_space.drawing import DEPTHS, DrawingError, draw

ROUTES = "/_nas"
# Whatever was stored, a browser must neither show it nor guess at it.
SANDBOX = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Content-Type": "application/octet-stream",
}


def register(server: Flask, site: Site) -> None:
    """Adds the routes; all of them only read."""

    @server.get(f"{ROUTES}/csv/<int:study_id>/<name>")
    def csv(study_id: int, name: str) -> Response:
        if name not in data.TABLES:
            abort(404)
        return _sheet(data.TABLES[name](site.reader, study_id), f"{_study(study_id)}-{name}")

    @server.get(f"{ROUTES}/csv/<int:study_id>/trials/<int:number>")
    def trial_csv(study_id: int, number: int) -> Response:
        rows = data.trial_curves(site.reader, study_id, number)
        return _sheet(rows, f"{_study(study_id)}-trial-{number}-curves")

    def _study(study_id: int) -> str:
        return site.reader.head(study_id).name

    @server.get(f"{ROUTES}/artifact/<artifact_id>")
    def artifact(artifact_id: str) -> Response:
        record = site.reader.browse.artifact(artifact_id)
        if record is None:
            abort(404)
        label = str(record.details.get("file_name") or f"{record.kind}-{record.sha256[:12]}")
        return _attachment(site, record.sha256, label)

    @server.get(f"{ROUTES}/weights/<int:study_id>/<int:number>")
    def weights(study_id: int, number: int) -> Response:
        trial = site.reader.browse.trial(study_id, number)
        if trial.weights is None:
            abort(404)
        return _attachment(site, trial.weights, f"trial-{number}.safetensors")

    @server.get(f"{ROUTES}/drawing/<key>/<int:depth>.svg")
    def drawing(key: str, depth: int) -> Response:
        text = drawn(site, key, depth, request.args.get("place", ""))
        if text is None:
            abort(404)
        headers = {"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'"}
        return Response(text, headers=headers, content_type="image/svg+xml; charset=utf-8")

    @server.get(f"{ROUTES}/<path:rest>")
    def nothing(rest: str) -> Response:
        abort(404)  # else Dash would answer with its page

    @server.errorhandler(LedgerError)
    def refused(error: LedgerError) -> Response:
        status = 404 if error.exit_code == 3 else 503
        return Response(str(error), status=status, content_type="text/plain; charset=utf-8")


def drawn(site: Site, key: str, depth: int, place: str = "") -> str | None:
    """Returns the drawing of an architecture, or of one part, by its digest or a reference network's name.

    Returns:
        None where there is no such network; a sentence as a picture where it cannot be drawn.
    """
    if depth not in DEPTHS:
        return None
    if key in reference_names():
        architecture: Architecture | None = reference(key)
    else:
        document = site.reader.browse.architecture(key)
        architecture = parsed(document) if document else None
    try:
        return None if architecture is None else draw(architecture, depth=depth, place=place)
    except DrawingError as error:
        return _sentence(str(error))


def _sentence(text: str) -> str:
    """Returns a picture that says why there is none."""
    words = html.escape(text)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 60">'
        f'<text x="10" y="35" font-family="sans-serif" font-size="15">{words}</text></svg>'
    )


def file_name(label: str) -> str:
    """Returns a label as the name of a file that no system takes for a path or an option.

    >>> file_name("../a b.html")
    'a_b.html'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "_", label).lstrip("._-")[:120] or "file"


def _sheet(rows: list[dict[str, Any]], label: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{file_name(label + ".csv")}"'}
    return Response(spreadsheet.text(rows), headers=headers, content_type="text/csv; charset=utf-8")


def _attachment(site: Site, sha256: str, label: str) -> Response:
    answer = Response(site.reader.artifacts.get_bytes(sha256))  # verified: a damaged file is refused
    answer.headers.update(SANDBOX | {"Content-Disposition": f'attachment; filename="{file_name(label)}"'})
    return answer
