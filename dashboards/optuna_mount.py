"""Optuna Dashboard beside ours: on the same storage, under the paths that it has compiled in, read-only and guarded.

Its bundle knows only absolute paths, so a prefix cannot move it; these five (and its icon) go to it unchanged, and
ours never begin with them. It answers any host and lets forms write: the door in front and the method check here take
that away. What was uploaded leaves only as a sandboxed attachment, and its CSV without formulas.
"""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.test import run_wsgi_app

from dashboards.info import spreadsheet
from dashboards.wsgi import Application, Environ, Header, StartResponse
from runs.errors import LedgerError

PREFIXES = ("/dashboard", "/static/", "/api/", "/csv/", "/artifacts/", "/favicon.ico")
MAX_TRIALS = 3_000  # above that its pages take tens of seconds and hundreds of megabytes (measured at 10,000)

# Its bundle compiles its WebGL charts as ours does, and keeps some scripts inside its page.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none';"
    " frame-ancestors 'none'; form-action 'none'"
)
_SANDBOX = "sandbox; default-src 'none'"


class OptunaMount:
    """A WSGI application that sends Optuna Dashboard's paths there, and everything else to ours.

    Args:
        inner: ours.
        make: makes Optuna Dashboard's application; called once, when it is first visited.
        heavy: returns a sentence that says why it is switched off, or None.
    """

    def __init__(
        self, inner: Application, make: Callable[[], Application], heavy: Callable[[], str | None]
    ) -> None:
        self._inner, self._make, self._heavy = inner, make, heavy
        self._lock = threading.Lock()
        self._made: Application | None = None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path in ("/optuna", "/optuna/"):
            start_response("302 Found", [("Location", "/dashboard/"), ("Content-Length", "0")])
            return []
        if not path.startswith(PREFIXES):
            return self._inner(environ, start_response)
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _plain(start_response, "403 Forbidden", "Optuna Dashboard is mounted for reading only.")
        try:
            reason = self._heavy()
        except LedgerError as error:
            reason = str(error)
        if reason is not None:
            return _plain(start_response, "503 Service Unavailable", reason)
        if path.startswith("/csv/"):
            return _without_formulas(self._application(), environ, start_response)
        return self._application()(
            environ, _guarded(start_response, is_upload=path.startswith("/artifacts/"))
        )

    def _application(self) -> Application:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made


def _guarded(start_response: StartResponse, *, is_upload: bool) -> StartResponse:
    def start(status: str, headers: list[Header], *rest: Any) -> Any:
        dropped = {"access-control-allow-origin", "content-security-policy"}
        if is_upload:
            dropped |= {"content-type", "content-disposition"}
        kept = [one for one in headers if one[0].lower() not in dropped]
        kept.append(("Content-Security-Policy", _SANDBOX if is_upload else _POLICY))
        if is_upload:
            kept += [("Content-Type", "application/octet-stream"), ("Content-Disposition", "attachment")]
        return start_response(status, kept, *rest)

    return start


def _without_formulas(inner: Application, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answers with a table in which no cell is a formula; Optuna Dashboard writes names as they are."""
    content, status, headers = run_wsgi_app(inner, environ | {"REQUEST_METHOD": "GET"}, buffered=True)
    text = b"".join(content)
    if status.startswith("200"):
        rows = csv.reader(io.StringIO(text.decode("utf-8", "replace")))
        text = spreadsheet.rewritten(rows).encode()
        headers["Content-Type"] = "text/csv; charset=utf-8"
    headers["Content-Length"] = str(len(text))
    _guarded(start_response, is_upload=False)(status, list(headers))
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [text]


def _plain(start_response: StartResponse, status: str, sentence: str) -> Iterable[bytes]:
    content = sentence.encode()
    start_response(
        status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(content)))]
    )
    return [content]
