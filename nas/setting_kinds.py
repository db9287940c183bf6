"""What a field of the settings may hold beside plain numbers and text: shares, quantities, lists and pairs.

On the command line and in variables all is text: lists have commas, pairs are written `name=value,name=value`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from nas.reward import parse_quantity


def _listed(value: object) -> object:
    """Returns what was written as a list, or with commas as on the command line, as a tuple."""
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, int | float) else value


def _number(value: object) -> object:
    """Returns a number that was written as text; other text stays as it is, to be refused."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _milliseconds(value: object) -> object:
    """Returns a number of milliseconds that was written as text, with its unit or without."""
    return _number(value.strip().removesuffix("ms")) if isinstance(value, str) else value


def _whole(value: object) -> object:
    """Returns a whole number that was written as text; other text stays as it is, to be refused."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _paired(value: object) -> object:
    """Returns `name=value,name=value` as a table; what is no text stays as it is."""
    if not isinstance(value, str):
        return value
    pairs = [word.partition("=") for word in value.split(",")]
    if not all(name.strip() and sign and text.strip() for name, sign, text in pairs):
        raise ValueError(f"pairs are written name=value,name=value, got {value!r}; write for example a=1,b=2")
    return {name.strip(): text.strip() for name, _, text in pairs}


Share = Annotated[float, Field(gt=0.0, le=1.0)]
Quantity = Annotated[
    float,
    BeforeValidator(lambda value: parse_quantity(value) if isinstance(value, str) else value),
    Field(gt=0.0),
]
Quantities = Annotated[tuple[Quantity, ...], BeforeValidator(_listed)]
Phis = Annotated[
    tuple[Annotated[float, BeforeValidator(_number), Field(ge=-20.0, le=20.0)], ...], BeforeValidator(_listed)
]
Milliseconds = Annotated[
    tuple[Annotated[float, BeforeValidator(_milliseconds), Field(gt=0.0, le=1e6)], ...],
    BeforeValidator(_listed),
]
Epochs = Annotated[
    tuple[Annotated[int, BeforeValidator(_whole), Field(ge=1, le=10_000)], ...], BeforeValidator(_listed)
]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Word = Annotated[str, Field(min_length=1, max_length=128)]
Labels = Annotated[dict[Word, Word], BeforeValidator(_paired)]
Amounts = Annotated[
    dict[Word, Annotated[float, BeforeValidator(_number), Field(gt=0.0)]], BeforeValidator(_paired)
]
