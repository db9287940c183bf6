"""CSV that is safe to open: a text that a spreadsheet would run as a formula is prefixed, numbers stay numbers.

The rule is that of OWASP's ASVS 4.0.3, section 5.3.10 (CSV injection).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_STARTERS = ("=", "+", "-", "@", "\t", "\r", "\0")


def safe_cell(value: object) -> object:
    """Returns a cell's value.

    >>> safe_cell("=1+1"), safe_cell(-3.5), safe_cell("plain"), safe_cell(None)
    ("'=1+1", -3.5, 'plain', '')
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return (
            f"'{value}" if value.lstrip(" ").startswith(_STARTERS) or value.startswith(_STARTERS) else value
        )
    return value


def text(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    """Returns rows as CSV with a header; `columns` left out, those of the first row."""
    names = list(columns or (rows[0] if rows else ()))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([safe_cell(name) for name in names])
    writer.writerows([safe_cell(row.get(name)) for name in names] for row in rows)
    return out.getvalue()


def rewritten(rows: Iterable[Sequence[str]]) -> str:
    """Returns a table that another program wrote as CSV, with texts that would be formulas made texts.

    >>> rewritten([["=1+1", "-3.5"]])
    "'=1+1,-3.5\\n"
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([cell if _is_number(cell) else safe_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
