"""JSON as the ledger stores it: compact, keys in the order given, NaN and infinities as Python has it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from runs.errors import BadRecord

_ENCODER = json.JSONEncoder(separators=(",", ":"))


def dump(value: object) -> str:
    """Returns `value` as one line of JSON. Raises BadRecord for what JSON has no form for."""
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError) as error:
        raise BadRecord(
            "a stored value must be numbers, texts, lists and string-keyed mappings,"
            f" got {type(value).__name__} ({error}); convert it first"
        ) from None


def load(text: str | None) -> Any:
    """Returns the value of a stored text; None for no text."""
    return None if text is None else json.loads(text)


def plain(text: str, max_length: int, secrets: Sequence[str] = ()) -> str:
    """Returns `text` as it may be stored: without secrets and NUL, its end where it is too long.

    >>> plain("could not connect to ada:secret@host", 100, ["secret"])
    'could not connect to ada:***@host'
    """
    for secret in secrets:
        text = text.replace(secret, "***")
    text = text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    return text if len(text) <= max_length else f"[...]{text[5 - max_length :]}"
