"""JSON of frozen dataclasses of numbers, strings, tuples and each other, and back."""

from __future__ import annotations

import dataclasses
import json
import math
import types
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from scaling_rules.errors import ScalingError

T = TypeVar("T")


def dumps(value: Any) -> str:
    """Returns a dataclass as one line of JSON; infinities become the strings "inf" and "-inf"."""
    return json.dumps(_encoded(dataclasses.asdict(value)), sort_keys=True, allow_nan=False)


def loads(kind: type[T], text: str) -> T:
    """Returns the dataclass that `dumps` wrote.

    Raises:
        ScalingError: the text is no JSON of a `kind`.
    """
    try:
        value: T = _decoded(kind, json.loads(text))
    except (TypeError, ValueError, KeyError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ScalingError(
            f"the text must be the JSON of a {kind.__name__}, got one that is not ({reason}); "
            "give what its `to_json` wrote"
        ) from error
    return value


def _encoded(value: Any) -> Any:
    """Returns plain values without infinities; NaN is refused by `dumps`."""
    if isinstance(value, dict):
        return {name: _encoded(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_encoded(part) for part in value]
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value


def _decoded(kind: Any, value: Any) -> Any:
    """Returns `value` as the annotation `kind` says."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, dict):
            raise TypeError(f"{value!r} is no object")
        hints = get_type_hints(kind)
        unknown = set(value) - {field.name for field in dataclasses.fields(kind)}
        if unknown:
            raise KeyError(", ".join(sorted(unknown)))
        return kind(**{name: _decoded(hints[name], part) for name, part in value.items()})
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
        return tuple(_decoded(part, item) for part, item in zip(kinds, value, strict=True))
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        [kind] = [part for part in arguments if part is not type(None)]
        return _decoded(kind, value)
    if kind is float and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {getattr(kind, '__name__', kind)}")
    return value
