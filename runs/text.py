"""Text as the ledger stores it, and as it may be shown.

JSON is compact, its keys in the order given, NaN and infinities as Python has them.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from sys import intern
from typing import Any

from runs.errors import BadRecord

# Cc: control, Cf: format (bidirectional, zero width), Cs: lone surrogates, Zl and Zp: line separators
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
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


def load_shared(text: str | None) -> Any:
    """Returns a stored mapping, its names and texts the same objects as in all others; None for no text.

    The trials of a study have the same choices of the same few options: each is held once, not once a trial.

    >>> first, second = load_shared('{"s0.op":"mbconv"}'), load_shared('{"s0.op":"mbconv"}')
    >>> first["s0.op"] is second["s0.op"]
    True
    """
    mapping = load(text)
    if not mapping:
        return mapping
    return {intern(name): intern(one) if type(one) is str else one for name, one in mapping.items()}


def plain(text: str, max_length: int, secrets: Sequence[str] = ()) -> str:
    """Returns `text` as it may be stored: without secrets and NUL, its end where it is too long.

    >>> plain("could not connect to ada:secret@host", 100, ["secret"])
    'could not connect to ada:***@host'
    """
    for secret in secrets:
        text = text.replace(secret, "***")
    text = text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    return text if len(text) <= max_length else f"[...]{text[5 - max_length :]}"


def visible(text: str, kept: str = "") -> str:
    """Returns `text` with every character that could act on a terminal, or hide or reorder what stands beside it,
    written as its escape.

    Args:
        text: somebody else's.
        kept: characters that stay as they are, such as a line's end.

    >>> visible("red \\x1b[31m")
    'red \\\\x1b[31m'
    """
    return "".join(_escaped(c) if unicodedata.category(c) in _UNSAFE and c not in kept else c for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
