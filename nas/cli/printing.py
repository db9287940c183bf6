"""What goes to the terminal: data to stdout, messages to stderr, nothing that could drive the terminal.

Every text may come from a database or a file that somebody else wrote, so control and bidirectional
characters are made visible, and markup in it means nothing. A reader that goes away (`nas trials | head`)
never ends a running search.
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from runs.text import visible

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


LONG = 40  # characters of a cell; longer ones are broken where a table is too wide


def log_line(level: str, message: str, *, logger: str = "nas", error: str | None = None) -> str:
    """Returns one log line as JSON: UTC time, level, logger, message, and a traceback where there is one.

    >>> json.loads(log_line("info", "hello"))["message"]
    'hello'
    """
    entry = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "level": level,
        "logger": logger,
        "message": message,
    }
    return json.dumps(entry | ({"traceback": error} if error else {}), ensure_ascii=True)


@dataclass(frozen=True, slots=True)
class Printer:
    """Prints for one command.

    Args:
        quiet: messages other than errors are left out.
        colour: None lets the terminal decide (and `NO_COLOR`, which rich obeys).
        as_json: messages and errors are log lines in JSON, for a collector.
    """

    quiet: bool = False
    colour: bool | None = None
    as_json: bool = False

    def data(self, text: str) -> None:
        """Writes lines of text to stdout."""
        _write(sys.stdout, _lines(text))

    def json(self, value: object) -> None:
        """Writes one JSON document to stdout; not a number and infinity become null."""
        _write(sys.stdout, json.dumps(_finite(value), indent=2, ensure_ascii=True, default=str) + "\n")

    def message(self, text: str) -> None:
        """Writes lines for people to stderr, unless the user wants quiet; as log lines, each is a record."""
        if not self.quiet:
            lines = [line for line in text.split("\n") if line.strip()]
            told = "".join(log_line("info", line.strip()) + "\n" for line in lines)
            _write(sys.stderr, told if self.as_json else _lines(text))

    def error(self, sentence: str) -> None:
        """Writes an error to stderr; one with several faults has a line for each."""
        if self.as_json:
            _write(sys.stderr, log_line("error", sentence) + "\n")
            return
        _write(sys.stderr, _lines("error: " + sentence.replace("\n", "\n       ")))

    def table(self, rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str], title: str = "") -> None:
        """Writes rows as a table to stdout; numbers stand to the right, digests are cut to 12 digits.

        Nothing else is cut: where the terminal is too narrow, long words are broken, then lines run over.
        """
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, title=visible(title) or None, title_justify="left", pad_edge=False)
        cells = [
            [visible(shown(row.get(name))[: 12 if name == "digest" else None]) for name in columns]
            for row in rows
        ]
        for index, name in enumerate(columns):
            numeric = any(isinstance(row.get(name), int | float) for row in rows)
            is_short = all(len(texts[index]) <= LONG for texts in cells)
            table.add_column(
                visible(name.replace("_", " ")),
                justify="right" if numeric else "left",
                no_wrap=is_short,
                overflow="fold",
            )
        for texts in cells:
            table.add_row(*map(Text, texts))
        self._render(table)

    def facts(self, values: Mapping[str, Any], *, title: str = "") -> None:
        """Writes names and values, one pair a line, to stdout."""
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in values.items():
            label = Text(visible(name.replace("_", " ")), style="bold")
            grid.add_row(label, Text(_lines(shown(value)).rstrip("\n")))
        if title:
            self._render(Text(visible(title), style="bold"))
        self._render(grid)

    def _render(self, item: Table | Text) -> None:
        from rich.console import Console

        no_color = self.colour is False or None
        console = Console(file=sys.stdout, no_color=no_color, highlight=False, markup=False)
        # A pipe has no width; and what would be cut runs over: a terminal goes on in the next line.
        width = console.width if console.is_terminal else 200
        needed = console.measure(item, options=console.options.update(width=1_000_000)).minimum
        needed += 3 * len(getattr(item, "columns", ()))  # rich leaves out what stands between columns
        text = io.StringIO()
        Console(
            file=text,
            no_color=no_color,
            highlight=False,
            markup=False,
            force_terminal=console.is_terminal,
            width=max(width, needed),
        ).print(item)
        _write(sys.stdout, "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n")


def shown(value: object) -> str:
    """Returns a value as people read it: large whole numbers in groups, reals with four decimals.

    >>> shown(5321000), shown(0.93217), shown(None)
    ('5,321,000', '0.9322', '-')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return (
            f"{value:,.0f}"
            if value.is_integer() and abs(value) >= 10_000
            else f"{value:.4f}".rstrip("0").rstrip(".")
        )
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {shown(item)}" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(shown(item) for item in value)
    return str(value)


def _lines(text: str) -> str:
    return "".join(visible(line) + "\n" for line in text.split("\n"))


@contextmanager
def until_nobody_reads(stream: TextIO) -> Iterator[None]:
    """Lets what is written to a pipe or terminal that is gone end in nothing, from then on; other errors are raised."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise
        write_nowhere([stream.fileno()])


def write_nowhere(descriptors: Iterable[int]) -> None:
    """Turns descriptors into the null device."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _write(stream: TextIO, text: str) -> None:
    """Writes and flushes, as long as somebody reads."""
    with until_nobody_reads(stream):
        encoding = stream.encoding or "utf-8"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()


def _finite(value: object) -> object:
    """Returns `value` as JSON can hold it."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
