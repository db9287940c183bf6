"""JSON as the ledger stores it: compact, keys in the order given, with NaN and infinities as Python writes them."""

from __future__ import annotations

import json
from typing import Any

from runs.errors import BadRecord


def dump(value: object) -> str:
    """Returns `value` as one line of JSON. Raises BadRecord when it holds something that JSON has no form for."""
    try:
        return json.dumps(value, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise BadRecord(
            f"a stored value must be numbers, texts, lists and string-keyed mappings, got {type(value).__name__}"
            f" ({error}); convert it first"
        ) from None


def load(text: str | None) -> Any:
    """Returns the value of a stored text; None for no text."""
    return None if text is None else json.loads(text)
