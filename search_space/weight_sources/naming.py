"""How a library names the tensors that we name `stages.2.blocks.0.depthwise.weight`: rules as data.

A naming says for every part of a network (`stem`, `stages.2`, `head`) where it stands there and what its layers
are called there. Nothing is guessed from the order or the shape of tensors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class AsConvolution(NamedTuple):
    """Our linear layer is their convolution over the whole map of `kernel` pixels a side."""

    layer: str
    kernel: int = 1


Layers = Mapping[str, str | AsConvolution]  # our layer: theirs


class Place(NamedTuple):
    """Where a part stands there, and the names of its layers.

    Names may count: `layer{1+stage}.{block}` is `layer3.0` for the first block of `stages.2`, and
    `features.{5+2*block}` goes in twos; `unit` is the block's number in the whole network. Of several tables, a
    block's is the first that has all its layers.
    """

    prefix: str
    tables: tuple[Layers, ...]


# Of `stem`, `head`, `auxiliary.0`, `stages.2` or `units.7`; `stages` is for blocks without a place of their own.
Naming = Mapping[str, Place]


class SourceName(NamedTuple):
    """A tensor's name there; where `kernel` is not 0, it is a convolution's of so many pixels a side."""

    name: str
    kernel: int = 0

    def shape(self, own: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape there of a tensor that has the shape `own` here."""
        if not self.kernel or len(own) == 1:
            return own
        return (own[0], own[1] // self.kernel**2, self.kernel, self.kernel)


def source_names(naming: Naming, names: Iterable[str]) -> dict[str, SourceName]:
    """Returns what each of a network's tensors is called there.

    Example:
        >>> naming = {"stages": Place("layer{1+stage}.{block}", ({"conv1_norm": "bn1"},))}
        >>> source_names(naming, ["stages.2.blocks.0.conv1_norm.bias"])["stages.2.blocks.0.conv1_norm.bias"]
        SourceName(name='layer3.0.bn1.bias', kernel=0)
    """
    split = {own: own.rsplit(".", 2) for own in names}
    layers: dict[str, set[str]] = {}  # of each part
    for part, layer, _ in split.values():
        layers.setdefault(part, set()).add(layer)
    numbers = _numbers(layers)
    places = {part: _place(naming, part, numbers[part], used) for part, used in layers.items()}
    result = {}
    for own, (part, layer, tensor) in split.items():
        prefix, table = places[part]
        there = table[layer]
        name, kernel = there if isinstance(there, AsConvolution) else (there, 0)
        path = ".".join(filter(None, (prefix, name, tensor)))
        result[own] = SourceName(_counted(path, numbers[part]), kernel)
    return result


def paired(conv: str, norm: str, /, **layers: str) -> dict[str, str]:
    """Returns a table for convolutions that stand there in one module with their normalisations.

    >>> paired("0", "1", depthwise="conv.1")
    {'depthwise': 'conv.1.0', 'depthwise_norm': 'conv.1.1'}
    """
    pairs = ((own, f"{theirs}." if theirs else "") for own, theirs in layers.items())
    return {
        own + suffix: prefix + name for own, prefix in pairs for suffix, name in (("", conv), ("_norm", norm))
    }


def _numbers(parts: Iterable[str]) -> dict[str, dict[str, int]]:
    """Returns the numbers of each part: of `stages.2.blocks.0` 2, 0, and its place among all blocks."""
    numbers: dict[str, dict[str, int]] = {}
    blocks = []
    for part in parts:
        stage, _, block = part.removeprefix("stages.").partition(".blocks.")
        numbers[part] = {"block": 0}
        if block:
            blocks.append((int(stage), int(block), part))
    for unit, (stage_number, block_number, part) in enumerate(sorted(blocks)):
        numbers[part] = {"stage": stage_number, "block": block_number, "unit": unit}
    return numbers


def _place(naming: Naming, part: str, numbers: Mapping[str, int], layers: set[str]) -> tuple[str, Layers]:
    """Returns the prefix of one part there, and the table with its layers."""
    keys = [part.partition(".blocks.")[0]]
    if "unit" in numbers:
        keys += [f"units.{numbers['unit']}", "stages"]
    place = next(naming[key] for key in keys if key in naming)
    return place.prefix, next(table for table in place.tables if layers <= table.keys())


def _counted(path: str, numbers: Mapping[str, int]) -> str:
    """Returns a path with its counts, `{first+step*number}`, written out."""

    def value(match: re.Match[str]) -> str:
        first, step, number = match.groups()
        return str(int(first or 0) + int(step or 1) * numbers[number])

    return re.sub(r"\{(?:(\d+)\+)?(?:(\d+)\*)?(stage|block|unit)\}", value, path)
