"""What a page lets its viewer keep: the data of charts as CSV, and artifacts as sandboxed attachments."""

from __future__ import annotations

import re

from flask import Flask, Response, abort

from dashboards.info import spreadsheet
from dashboards.pages import data
from dashboards.site import Site
from runs.errors import LedgerError

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
        rows = data.TABLES[name](site.reader, study_id)
        label = file_name(f"{site.reader.head(study_id).name}-{name}.csv")
        headers = {"Content-Disposition": f'attachment; filename="{label}"'}
        return Response(spreadsheet.text(rows), headers=headers, content_type="text/csv; charset=utf-8")

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

    @server.errorhandler(LedgerError)
    def refused(error: LedgerError) -> Response:
        status = 404 if error.exit_code == 3 else 503
        return Response(str(error), status=status, content_type="text/plain; charset=utf-8")


def file_name(label: str) -> str:
    """Returns a label as the name of a file that no system takes for a path or an option.

    >>> file_name("../a b.html")
    'a_b.html'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "_", label).lstrip("._-")[:120] or "file"


def _attachment(site: Site, sha256: str, label: str) -> Response:
    answer = Response(site.reader.artifacts.get_bytes(sha256))  # verified: a damaged file is refused
    answer.headers.update(SANDBOX | {"Content-Disposition": f'attachment; filename="{file_name(label)}"'})
    return answer
