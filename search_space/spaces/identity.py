"""What tells two spaces apart: the hash of a definition, and the difference between two of them in words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

NUM_MIXED_PROBES = 32
SETTINGS = ("name", "resolution", "num_classes", "input_channels", "width")


def fingerprint(document: Mapping[str, Any]) -> str:
    """Returns a hash of plain JSON values: 16 hexadecimal digits, the same in every process."""
    text = json.dumps(document, sort_keys=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def decoding_digest(radices: Sequence[int], digest: Callable[[tuple[int, ...]], str]) -> str:
    """Returns a hash of what probe points decode to, so that a change of the decoding code is noticed.

    Args:
        radices: number of options of each choice.
        digest: returns the architecture's digest of a point.

    The probes are the all-zero point, each option once with all others at zero, and 32 mixed points.
    """
    hashed = hashlib.sha256()
    for point in _probes(radices):
        hashed.update(digest(point).encode())
    return hashed.hexdigest()[:16]


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Returns in words, a line each, how the space described by `new` differs from `old`; empty when it
    does not.

    Args:
        old, new: what `SearchSpace.describe` returned, then and now.

    Example: >>> difference({"width": 1.0, "choices": {"kernel": [3]}}, {"width": 1.0, "choices": {"kernel":
        [3, 5]}}) 'the options of kernel were 3 and are now 3, 5'
    """
    lines = [
        f"{field} was {old.get(field)} and is now {new.get(field)}"
        for field in SETTINGS
        if old.get(field) != new.get(field)
    ]
    before, after = old.get("choices", {}), new.get("choices", {})
    lines += _gone_and_new(list(before), list(after))
    for name in before:
        if name in after and before[name] != after[name]:
            lines.append(
                f"the options of {name} were {_listed(before[name])} and are now {_listed(after[name])}"
            )
    if not lines and list(before) != list(after):
        lines.append("the same choices stand in another order")
    if not lines and old.get("decoding") != new.get("decoding"):
        lines.append("the same choices decode to other networks: the code of the space has changed")
    return "\n".join(lines)


def _probes(radices: Sequence[int]) -> list[tuple[int, ...]]:
    zero = (0,) * len(radices)
    single = [
        (*zero[:position], option, *zero[position + 1 :])
        for position, radix in enumerate(radices)
        for option in range(1, radix)
    ]
    mixed = [
        tuple(_pseudorandom(f"{probe}.{position}") % radix for position, radix in enumerate(radices))
        for probe in range(NUM_MIXED_PROBES)
    ]
    return [zero, *single, *mixed]


def _pseudorandom(text: str) -> int:
    """Returns a whole number that no library version changes."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def _gone_and_new(before: list[str], after: list[str]) -> list[str]:
    gone = [name for name in before if name not in after]
    new = [name for name in after if name not in before]
    return [
        f"{len(names)} {'choice is' if len(names) == 1 else 'choices are'} {what}: {_listed(names)}"
        for names, what in ((gone, "gone"), (new, "new"))
        if names
    ]


def _listed(values: Sequence[Any]) -> str:
    shown = ", ".join(map(str, values[:12]))
    return f"{shown}, ... ({len(values)})" if len(values) > 12 else shown
