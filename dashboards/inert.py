"""What a page is told has no character that could hide or reorder what stands beside it, whoever wrote it.

Names, errors and parameters reach the pages in many places, and all of them through the JSON of Dash's two endpoints:
there such characters are written as escapes (`runs.text.visible` does it elsewhere), so that no page can forget it.
"""

from __future__ import annotations

import json
import re

from flask import Flask, Response, request

from dashboards.asking import ENDPOINT
from runs.text import visible

PATHS = ("/_dash-layout", ENDPOINT)
# In JSON a character stands as itself, or as one or two \uXXXX; another backslash before it makes it a text about one.
_CODED = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL
)
_RARE = re.compile(r"[^\x20-\x7e\n\r\t]")
_LINES = "\n\r\t"


def register(server: Flask) -> None:
    """Adds the filter behind all that answers on these paths."""

    @server.after_request
    def filtered(answer: Response) -> Response:
        if request.path in PATHS and answer.mimetype == "application/json":
            answer.set_data(inert(answer.get_data(as_text=True)))
        return answer


def inert(document: str) -> str:
    """Returns a JSON document whose texts are visible; lines' ends and tabs, which it writes otherwise, stay.

    >>> inert('{"name": "a\\u202eb", "line": "\\\\n"}')
    '{"name": "a\\\\\\\\u202eb", "line": "\\\\n"}'
    """
    if "\\" in document:
        document = _CODED.sub(_decoded, document)
    return document if document.isascii() else _RARE.sub(lambda found: _shown(found[0]), document)


def _decoded(found: re.Match[str]) -> str:
    """Returns a coded character as visible text in JSON; one that is harmless stays as it is coded."""
    if len(found[0]) < 6 and found[0] not in ("\\b", "\\f"):
        return found[0]
    character = json.loads(f'"{found[0]}"')
    return found[0] if visible(character, kept=_LINES) == character else _shown(character)


def _shown(character: str) -> str:
    return visible(character).replace("\\", "\\\\")
