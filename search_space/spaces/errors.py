"""The error that every wrong use of a search space raises: one sentence with rule, value and remedy."""

from __future__ import annotations


class SpaceError(ValueError):
    """A space was defined, opened or used wrongly, or cannot give what was asked for."""
