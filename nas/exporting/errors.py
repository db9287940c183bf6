"""What can go wrong while a network is exported: one sentence each, with rule, value and remedy."""

from __future__ import annotations


class ExportError(ValueError):
    """A network cannot be exported as asked."""

    exit_code = 2


class NothingToExport(ExportError):
    """What should be exported is not there: no weights, no manifest."""

    exit_code = 3


class ExportExists(ExportError):
    """The folder exists already."""

    exit_code = 4


class RuntimeMissing(ExportError):
    """An export cannot be run here: the library that it is for is not installed."""


class ExportDiffers(ExportError):
    """An export is not the network that was exported, or not what was written."""

    exit_code = 9
