"""Answers are compressed for browsers that can read it: text and JSON shrink to a quarter, scripts to a third."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from dashboards.wsgi import Application, Environ, Header, StartResponse

MIN_BYTES = 1_000
MAX_KEPT = 32_000_000  # bytes of compressed scripts that are kept
_TYPES = ("text/", "application/json", "application/javascript", "image/svg+xml")


class Zipped:
    """A WSGI application that compresses another one's answers; those of immutable scripts only once."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "HEAD" or "gzip" not in environ.get("HTTP_ACCEPT_ENCODING", ""):
            return self._inner(environ, start_response)
        begun: list[Any] = []

        def start(status: str, headers: list[Header], *rest: Any) -> None:
            begun[:] = [status, headers, rest]

        answer = self._inner(environ, start)
        status, headers, rest = begun  # none of the applications behind us waits with it until it is read
        names = {name.lower(): value for name, value in headers}
        if not names.get("content-type", "").startswith(_TYPES) or "content-encoding" in names:
            start_response(status, headers, *rest)
            return answer
        content = _read(answer)
        if len(content) >= MIN_BYTES:
            content = self._compressed(content, is_kept="script" in names["content-type"])
            headers = [one for one in headers if one[0].lower() not in ("content-length", "etag")]
            headers += [
                ("Content-Encoding", "gzip"),
                ("Vary", "Accept-Encoding"),
                ("Content-Length", str(len(content))),
            ]
        start_response(status, headers, *rest)
        return [content]

    def _compressed(self, content: bytes, *, is_kept: bool) -> bytes:
        if not is_kept:
            return gzip.compress(content, 5, mtime=0)
        key = hashlib.sha256(content).digest()
        with self._lock:
            found = self._kept.get(key)
        if found is None:
            found = gzip.compress(content, 6, mtime=0)
            with self._lock:
                self._kept[key] = found
                while sum(map(len, self._kept.values())) > MAX_KEPT:
                    self._kept.popitem(last=False)
        return found


def _read(answer: Iterable[bytes]) -> bytes:
    try:
        return b"".join(answer)
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()
