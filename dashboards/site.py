"""What every page is given: where to read, how to link, and what may be exported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlencode

from dashboards.reader import Reader


class Download(NamedTuple):
    """A file for the browser to keep."""

    file_name: str
    content: bytes


# Makes one verified export of a trial: (study name, trial number, format) -> file. Given by the command line, because
# building a network is the engine's work.
Exporter = Callable[[str, int, str], Download]


@dataclass(frozen=True, slots=True)
class Site:
    """One dashboard.

    Args:
        reader: of the storage.
        prefix: under which a reverse proxy serves it, with a slash at both ends.
        formats: what can be exported, a sentence by name; empty where exporting is switched off.
        exporter: makes an export.
        timm_text: says an architecture's JSON in timm's words, or raises ValueError with the reason; None where it is
            switched off.
        has_optuna: whether Optuna Dashboard is mounted.
    """

    reader: Reader
    prefix: str = "/"
    formats: Mapping[str, str] = field(default_factory=dict)
    exporter: Exporter | None = None
    timm_text: Callable[[str], str] | None = None
    has_optuna: bool = False

    def link(self, path: str, **query: str | int | None) -> str:
        """Returns the address of one of our pages."""
        given = {key: value for key, value in query.items() if value is not None}
        return self.prefix + path.lstrip("/") + (f"?{urlencode(given)}" if given else "")

    def path(self, address: str | None) -> str:
        """Returns the path of a page inside this site, without the prefix and a last slash."""
        text = (address or "/").removeprefix(self.prefix.rstrip("/"))
        return "/" + text.strip("/")
