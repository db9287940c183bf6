"""Numbers, times and states as people read them."""

from __future__ import annotations

import html
import json
import math
import time

from runs.text import visible as text_visible

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
UNITS = {"peak_memory_bytes": "B", "latency_ms": "ms"}
TITLES = {
    "macs": "MACs (the papers' FLOPs)",
    "params": "Parameters",
    "peak_memory_bytes": "Peak memory (bytes)",
    "latency_ms": "Latency (ms)",
    "activations": "Activations",
    "resolution": "Resolution (px)",
}
_SHORT = {"macs": "MACs", "peak_memory_bytes": "bytes of memory", "latency_ms": "ms"}


def short_cost(name: str) -> str:
    """Returns a cost's name as it stands behind a number.

    >>> short_cost("macs"), short_cost("params")
    ('MACs', 'params')
    """
    return _SHORT.get(name, name.replace("_", " "))


def quantity(value: float | None, unit: str = "") -> str:
    """Returns a number with a metric prefix and its unit.

    >>> quantity(5_321_000, "MACs"), quantity(12.0), quantity(None)
    ('5.32 MMACs', '12', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    for size, prefix in _PREFIXES:
        if abs(value) >= size:
            return f"{value / size:.3g} {prefix}{unit}".strip()
    return f"{value:.3g} {unit}".strip()


def compact(value: float | None) -> str:
    """Returns a number with a metric prefix without a space: for axes, tables and cells.

    >>> compact(5_321_000)
    '5.32M'
    """
    return quantity(value).replace(" ", "")


def share(value: float | None, digits: int = 4) -> str:
    """Returns a number in [0, 1] with fixed decimals.

    >>> share(0.93217)
    '0.9322'
    """
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def duration(seconds: float | None) -> str:
    """Returns a length of time in its two largest units.

    >>> duration(93784), duration(75), duration(0.25)
    ('1 d 2 h', '1 min 15 s', '0.25 s')
    """
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = round(seconds)
    for size, name, below, lesser in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {name}" + (f" {rest} {lesser}" if rest else "")
    raise AssertionError(f"a minute has sixty seconds, got {whole}")


def ago(then: float | None, now: float) -> str:
    """Returns how long ago something was.

    >>> ago(100.0, 100.5), ago(100.0, 175.0)
    ('just now', '1 min 15 s ago')
    """
    if then is None or not math.isfinite(then):
        return "never"
    return "just now" if now - then < 2 else f"{duration(now - then)} ago"


def clock(seconds: float | None) -> str:
    """Returns a moment as UTC date and time.

    >>> clock(0.0)
    '1970-01-01 00:00:00 UTC'
    """
    if seconds is None or not math.isfinite(seconds):
        return "–"
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def fidelity(text: str | None) -> str:
    """Returns how a network was trained, from its stored form.

    >>> fidelity('{"epochs": 5, "resolution": null, "share": 0.5}')
    '5 epochs, 50% of the images'
    """
    try:
        stored = json.loads(text or "")
        epochs, side, images = stored["epochs"], stored.get("resolution"), stored.get("share", 1.0)
        parts = [
            f"{epochs} epochs",
            f"at {side} px" if side else "",
            f"{images:.0%} of the images" if images != 1 else "",
        ]
    except (ValueError, TypeError, KeyError, AttributeError):
        return visible(text or "–", 80)
    return ", ".join(filter(None, parts))


def visible(text: str, limit: int = 500) -> str:
    """Returns text that somebody else wrote, cut, and without characters that could reorder or hide what stands beside
    it (`runs.text.visible`).

    >>> visible("red \\x1b[31m"), visible("long", 2)
    ('red \\\\x1b[31m', 'lo…')
    """
    return text_visible(text if len(text) <= limit else f"{text[:limit]}…", kept="\n\t")


def markup(text: str) -> str:
    """Returns somebody else's text for the body of a document, to be read as it is.

    No part of it is markup, nor a place that Dash fills in (`{%scripts%}`), nor a character that hides others.

    >>> markup("a < b, {%title%}")
    'a &lt; b, &#123;%title%}'
    """
    return html.escape(text_visible(text, kept="\n\r\t")).replace("{%", "&#123;%")
