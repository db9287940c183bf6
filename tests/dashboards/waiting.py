"""Waiting for a page whose policy forbids scripts made of text, by which Playwright polls: one looks from outside."""

from __future__ import annotations

import time

from playwright.sync_api import Page

PATIENCE_S = 60.0


def wait_until(page: Page, expression: str, *, patience_s: float = PATIENCE_S, every_ms: int = 20) -> None:
    """Waits until an expression is true in a page. Raises TimeoutError where it does not become so."""
    end = time.monotonic() + patience_s
    while not page.evaluate(f"Boolean({expression})"):
        if time.monotonic() > end:
            raise TimeoutError(f"the page must come to {expression!r}, did not in {patience_s:g} s")
        page.wait_for_timeout(every_ms)
