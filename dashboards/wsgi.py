"""The types of WSGI (PEP 3333), as loose as the protocol is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Environ = dict[str, Any]
Header = tuple[str, str]
StartResponse = Callable[..., Any]  # (status, headers, exc_info=None)
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
