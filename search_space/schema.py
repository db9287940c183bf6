"""Frozen dataclasses as documents: checks with the path to the wrong field, JSON out and in, and JSON Schema.

A field says what it allows by its annotation (`int`, `float`, `bool`, `Literal`, another dataclass, `X |
None`, `tuple[X, ...]`) and, inside `Annotated`, a `Range` or `Aliases`. A field equal to its default is left
out of the document, so that a new option with a default changes no digest; hence a default, once released,
never changes.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
Plain = dict[str, Any]


class ArchitectureError(ValueError):
    """A field holds what it may not; `path` leads to it from the document's root, `problem` says the rest."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path} {problem}".strip())
        self.path = path
        self.problem = problem

    def under(self, parent: str) -> ArchitectureError:
        """Returns the same error as seen from one level above."""
        joint = "." if parent and self.path and not self.path.startswith("[") else ""
        return ArchitectureError(f"{parent}{joint}{self.path}", self.problem)


@dataclass(frozen=True, slots=True)
class Range:
    """A closed interval of numbers; `odd` asks for odd whole numbers."""

    minimum: float
    maximum: float
    odd: bool = False


@dataclass(frozen=True, slots=True)
class Aliases:
    """Other names of a choice: pairs (alias, name); the name is what is stored."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a document: name, default (`MISSING` when required), check and JSON Schema."""

    name: str
    default: Any
    accepted: Callable[[Any], Any]  # returns the value to store, or raises ArchitectureError with path ""
    document: Plain
    nested: type | None  # the dataclass of an object, or of a list's objects


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a remedy that names the closest of `known`, or lists them when none is close."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(close)}?" if close else f"choose one of {', '.join(names)}"


def check(instance: Any) -> None:
    """Checks every field of a frozen dataclass from its `__post_init__`; stores numbers and names uniformly.

    Raises:
        ArchitectureError: a field breaks its rule; the message has path, rule, value and remedy.
    """
    for field in fields(type(instance)):
        value = getattr(instance, field.name)
        try:
            accepted = field.accepted(value)
        except ArchitectureError as error:
            raise error.under(field.name) from None
        if accepted is not value:
            object.__setattr__(instance, field.name, accepted)


def encode(instance: Any) -> Plain:
    """Returns the dataclass as plain JSON values, without the fields that equal their defaults."""
    table = {field.name: (field.default, getattr(instance, field.name)) for field in fields(type(instance))}
    plain = {name: _plain(value) for name, (default, value) in table.items() if value != default}
    bare = [name for name, value in plain.items() if value == {} and dataclasses.is_dataclass(table[name][0])]
    return {name: value for name, value in plain.items() if name not in bare}


def decode(cls: type[T], data: object, converted: Plain | None = None) -> T:
    """Returns the `cls` that a JSON object describes; fields in `converted` are values already.

    Raises:
        ArchitectureError: a field is unknown, missing or wrong; the message has its path.
    """
    table = require_object(data, [field.name for field in fields(cls)])
    values = dict(converted or {})
    for field in fields(cls):
        if field.name in values:
            continue
        if field.name in table:
            values[field.name] = _value(field, table[field.name])
        elif field.default is dataclasses.MISSING:
            raise ArchitectureError(field.name, "is required, got nothing; add it")
    return cls(**values)


def require_object(data: object, known: list[str]) -> Plain:
    """Returns `data` if it is a JSON object with known keys only.

    Raises:
        ArchitectureError: it is not an object, or has an unknown key.
    """
    if not isinstance(data, dict):
        raise ArchitectureError("", f'must be an object, got {shown(data)}; write {{"{known[0]}": ...}}')
    for key in data:
        if key not in known:
            raise ArchitectureError(str(key)[:60], f"is not a known field; {nearest(str(key)[:60], known)}")
    return data


def json_schema(cls: type) -> Plain:
    """Returns the JSON Schema (2020-12) of documents that `decode(cls, ...)` accepts."""
    required = [field.name for field in fields(cls) if field.default is dataclasses.MISSING]
    properties = {field.name: field.document | _default(field) for field in fields(cls)}
    schema: Plain = {"type": "object", "additionalProperties": False, "properties": properties}
    summary = (cls.__doc__ or "").strip().splitlines()[:1]
    return schema | ({"required": required} if required else {}) | {"description": summary[0]}


def shown(value: object) -> str:
    """Returns a value as an error message shows it: one short line."""
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _fields(cls: type) -> tuple[Field, ...]:
    hints = get_type_hints(cls, include_extras=True)
    return tuple(_field(field, hints[field.name]) for field in dataclasses.fields(cls) if field.init)


# What is known of each field of a dataclass, in order: worked out once a class.
fields: Callable[[Any], tuple[Field, ...]] = cache(_fields)


def _field(field: dataclasses.Field[Any], hint: Any) -> Field:
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    accepted, document, nested = _rule(hint)
    return Field(field.name, default, accepted, document, nested)


def _rule(hint: Any) -> tuple[Callable[[Any], Any], Plain, type | None]:
    """Returns (check, JSON Schema, nested dataclass) of an annotation."""
    limit: Range | None = None
    aliases: Aliases = Aliases(())
    if get_origin(hint) is Annotated:
        hint, *extras = get_args(hint)
        limit = next((extra for extra in extras if isinstance(extra, Range)), None)
        aliases = next((extra for extra in extras if isinstance(extra, Aliases)), aliases)
    if get_origin(hint) in (types.UnionType, Union):
        return _optional(hint)
    if get_origin(hint) is tuple:
        return _sequence(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return _choice(get_args(hint), dict(aliases.pairs))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _object(hint)
    return {int: _whole, float: _number, bool: _truth, str: _text}[hint](limit or Range(-math.inf, math.inf))


def _whole(limit: Range) -> tuple[Callable[[Any], Any], Plain, None]:
    kind = "an odd whole number" if limit.odd else "a whole number"
    rule = f"must be {kind} in [{limit.minimum:.0f}, {limit.maximum:.0f}]"

    def accepted(value: Any) -> Any:
        if type(value) is not int:
            raise ArchitectureError("", f"{rule}, got {shown(value)}; write it as a bare whole number")
        if not limit.minimum <= value <= limit.maximum or (limit.odd and value % 2 == 0):
            raise ArchitectureError("", f"{rule}, got {shown(value)}; choose one inside")
        return value

    odd: Plain = {"not": {"multipleOf": 2}} if limit.odd else {}
    return accepted, {"type": "integer", "minimum": limit.minimum, "maximum": limit.maximum} | odd, None


def _number(limit: Range) -> tuple[Callable[[Any], Any], Plain, None]:
    rule = f"must be a number in [{limit.minimum:g}, {limit.maximum:g}]"

    def accepted(value: Any) -> Any:
        if type(value) not in (int, float) or not limit.minimum <= value <= limit.maximum:
            raise ArchitectureError("", f"{rule}, got {shown(value)}; choose one inside")
        return value if type(value) is float else float(value)

    return accepted, {"type": "number", "minimum": limit.minimum, "maximum": limit.maximum}, None


def _truth(_: Range) -> tuple[Callable[[Any], Any], Plain, None]:
    def accepted(value: Any) -> Any:
        if type(value) is not bool:
            raise ArchitectureError("", f"must be true or false, got {shown(value)}; write it without quotes")
        return value

    return accepted, {"type": "boolean"}, None


def _text(_: Range) -> tuple[Callable[[Any], Any], Plain, None]:
    def accepted(value: Any) -> Any:
        if type(value) is not str or len(value) > 200:
            raise ArchitectureError(
                "", f"must be a text of at most 200 characters, got {shown(value)}; shorten it"
            )
        return value

    return accepted, {"type": "string", "maxLength": 200}, None


def _choice(options: tuple[Any, ...], aliases: dict[str, str]) -> tuple[Callable[[Any], Any], Plain, None]:
    rule = f"must be one of {', '.join(shown(option) for option in options)}"

    def accepted(value: Any) -> Any:
        name = aliases.get(value, value) if isinstance(value, str) else value
        if any(name == option and type(name) is type(option) for option in options):
            return name
        close = difflib.get_close_matches(str(value)[:60], [str(option) for option in options], n=1)
        remedy = f"did you mean {close[0]}?" if close else "choose one of them"
        raise ArchitectureError("", f"{rule}, got {shown(value)}; {remedy}")

    return accepted, {"enum": [*options, *aliases]}, None


def _object(cls: type) -> tuple[Callable[[Any], Any], Plain, type]:
    def accepted(value: Any) -> Any:
        if not isinstance(value, cls):
            raise ArchitectureError("", f"must be a {cls.__name__}, got {shown(value)}; make one")
        return value

    return accepted, json_schema(cls) if fields(cls) else {"type": "object"}, cls


def _optional(hint: Any) -> tuple[Callable[[Any], Any], Plain, type | None]:
    inner = next(part for part in get_args(hint) if part is not types.NoneType)
    check_inner, document, nested = _rule(inner)
    return (
        lambda value: None if value is None else check_inner(value),
        {"anyOf": [document, {"type": "null"}]},
        nested,
    )


def _sequence(item: Any) -> tuple[Callable[[Any], Any], Plain, type | None]:
    check_item, document, nested = _rule(item)

    def accepted(value: Any) -> Any:
        if not isinstance(value, tuple) or len(value) > 256:
            raise ArchitectureError(
                "", f"must be a sequence of at most 256 items, got {shown(value)}; write a list"
            )
        for index, element in enumerate(value):
            try:
                check_item(element)
            except ArchitectureError as error:
                raise error.under(f"[{index}]") from None
        return value

    return accepted, {"type": "array", "items": document, "maxItems": 256}, nested


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return encode(value)
    if isinstance(value, tuple):
        return [_plain(element) for element in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _value(field: Field, data: Any) -> Any:
    """Returns plain JSON as the field's type: objects become dataclasses, lists become tuples."""
    try:
        if isinstance(data, list):
            return tuple(_item(field, index, element) for index, element in enumerate(data))
        return decode(field.nested, data) if field.nested and isinstance(data, dict) else data
    except ArchitectureError as error:
        raise error.under(field.name) from None


def _item(field: Field, index: int, data: Any) -> Any:
    try:
        return decode(field.nested, data) if field.nested else data
    except ArchitectureError as error:
        raise error.under(f"[{index}]") from None


def _default(field: Field) -> Plain:
    return {} if field.default is dataclasses.MISSING else {"default": _plain(field.default)}
