"""The rule for study names: what may become a label in a path, a log, a page and a terminal without harm."""

from __future__ import annotations

import re
import unicodedata

from runs.errors import BadName

MAX_NAME_LENGTH = 128
_NAME = re.compile(r"[\w][\w .:@+-]{0,127}")


def study_name(text: str) -> str:
    """Returns `text` in Unicode normal form C when it may name a study.

    A name starts with a letter, a digit or `_`, goes on with those and ` . : @ + -`, ends without a space,
    and has at most 128 characters.

    Raises:
        BadName: for every other text, including control and bidirectional characters.

    >>> study_name("mnasnet on digits, take 2".replace(",", ":"))
    'mnasnet on digits: take 2'
    """
    name = unicodedata.normalize("NFC", text)
    if _NAME.fullmatch(name) is None or name != name.rstrip():
        raise BadName(
            "a study name must start with a letter, digit or `_`, go on with those and ` .:@+-`,"
            f" end without a space and have at most {MAX_NAME_LENGTH} characters,"
            f" got {_shown(text)}; choose a plainer name"
        )
    return name


def name_key(name: str) -> str:
    """Returns the form under which names must be unique: `Digits` and `digits` are one study.

    >>> name_key("Digits") == name_key("DIGITS")
    True
    """
    return unicodedata.normalize("NFC", name.casefold())


def _shown(text: str) -> str:
    """Returns `text` quoted in printable ASCII, shortened: safe to print to any terminal."""
    quoted = ascii(text)
    return quoted if len(quoted) <= 60 else f"{quoted[:57]}... ({len(text)} characters)"
