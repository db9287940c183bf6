"""What is logged, and how: for people as lines of text, for collectors (`--log-json`) as one JSON object a line."""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback

from nas.cli.printing import log_line
from runs.text import visible

# Libraries that tell at length what they do; what they warn of is passed on.
_TALKATIVE = ("optuna", "alembic", "ray", "datasets", "httpx", "fsspec")


class JsonFormatter(logging.Formatter):
    """Writes a record as `log_line` does."""

    def format(self, record: logging.LogRecord) -> str:
        error = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else None
        return log_line(record.levelname.lower(), record.getMessage(), logger=record.name, error=error)


class TextFormatter(logging.Formatter):
    """Writes a record as a line in which nothing acts on the terminal, and a traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        lines = [visible(f"{record.levelname.lower()}: {record.getMessage()}")]
        if record.exc_info:
            trace = "".join(traceback.format_exception(*record.exc_info)).rstrip()
            lines += [visible(line) for line in trace.split("\n")]
        return "\n".join(lines)


class _Stderr(logging.Handler):
    """Writes to what stderr is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):  # whoever read it is gone; a search goes on
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()


def configure(*, as_json: bool, verbose: bool) -> None:
    """Sends what this program and its libraries log to stderr: warnings, and under `verbose` what is done."""
    handler = _Stderr()
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    root = logging.getLogger()
    root.handlers = [handler, *(one for one in root.handlers if not isinstance(one, _Stderr))]
    root.setLevel(logging.WARNING)
    logging.getLogger("nas").setLevel(logging.INFO if verbose else logging.WARNING)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
