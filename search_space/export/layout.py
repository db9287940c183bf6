"""Python calls laid out as formatters do: on one line, else arguments on the next, else one a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

LINE_LENGTH = 110


class Call(NamedTuple):
    """`start` items `end`, such as `Stage(` blocks `)`."""

    start: str
    items: Sequence[str | Call | Repeat]
    end: str = ")"


class Repeat(NamedTuple):
    """The same call several times, as arguments: `*(call for _ in range(count))`."""

    call: Call
    times: int


Item = str | Call | Repeat


def flat(item: Item) -> str:
    """Returns an item on one line."""
    if isinstance(item, str):
        return item
    if isinstance(item, Repeat):
        return f"*({flat(item.call)} for _ in range({item.times}))"
    return f"{item.start}{', '.join(map(flat, item.items))}{item.end}"


def lines(item: Item, indent: int, end: str = "") -> list[str]:
    """Returns an item in lines of at most 110 characters, `indent` levels of four spaces in."""
    margin = "    " * indent
    line = f"{margin}{flat(item)}{end}"
    if isinstance(item, str) or len(line) <= LINE_LENGTH:
        return [line]
    if isinstance(item, Repeat):
        inner = [*lines(item.call, indent + 1), f"{margin}    for _ in range({item.times})"]
        return [f"{margin}*(", *inner, f"{margin}){end}"]
    together = f"{margin}    {', '.join(map(flat, item.items))}"
    if len(together) <= LINE_LENGTH and not any(isinstance(each, Repeat) for each in item.items):
        body = [together]
    else:
        body = [line for each in item.items for line in lines(each, indent + 1, ",")]
    return [f"{margin}{item.start}", *body, f"{margin}{item.end}{end}"]
