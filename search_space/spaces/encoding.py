"""The inverse of decoding for a space of sections: the choices of a network, or where it leaves the space."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from search_space.architecture import Architecture, Stage
from search_space.schema import shown
from search_space.spaces.errors import SpaceError

Point = tuple[int, ...]
SectionAt = Callable[[int, Sequence[int], Any], tuple[tuple[Stage, ...], Hashable]]

NETWORK_FIELDS = ("num_classes", "input_channels", "auxiliary", "conventions")


@dataclass(slots=True)
class _Search:
    """The layers to be found, and the farthest position that was reached with what the space had there."""

    layers: tuple[Stage, ...]
    radices: Sequence[tuple[int, ...]]
    section_at: SectionAt
    farthest: int = -1
    offers: list[Stage | None] = field(default_factory=list)  # None: the space's network ends there
    hopeless: set[tuple[int, int, Hashable]] = field(default_factory=set)

    def find(
        self, section: int, position: int, carry: Hashable, allowed: Iterable[Point] | None = None
    ) -> Point | None:
        """Returns the indices of this and later sections that make the layers from `position` on, or None."""
        if section == len(self.radices):
            if position == len(self.layers):
                return ()
            self._missed(position, None)
            return None
        if (section, position, carry) in self.hopeless:
            return None
        for own in allowed if allowed is not None else itertools.product(*map(range, self.radices[section])):
            stages, after = self.section_at(section, own, carry)
            reached = self._matched(position, _layers(stages))
            rest = None if reached is None else self.find(section + 1, reached, after)
            if rest is not None:
                return (*own, *rest)
        self.hopeless.add((section, position, carry))
        return None

    def _matched(self, position: int, offered: Sequence[Stage]) -> int | None:
        for layer in offered:
            if position == len(self.layers) or self.layers[position] != layer:
                self._missed(position, layer)
                return None
            position += 1
        return position

    def _missed(self, position: int, offer: Stage | None) -> None:
        if position > self.farthest:
            self.farthest, self.offers = position, []
        if position == self.farthest:
            self.offers.append(offer)


def encoded(
    radices: Sequence[tuple[int, ...]],
    section_at: SectionAt,
    side_at: Callable[[Point], int],
    decode: Callable[[Point], Architecture],
    architecture: Architecture,
) -> Point:
    """Returns the first point that decodes to `architecture`.

    Args:
        radices: for each section, the number of options of each of its choices.
        section_at: (section, own option indices, carry) -> (stages, next carry).
        side_at: the input's side in pixels, given the first section's option indices.
        decode: the space's own decoding.
        architecture: the network to be found.

    Raises:
        SpaceError: there is none; the message leads to the field where the architecture leaves the space.
    """
    first = list(itertools.product(*map(range, radices[0])))
    allowed = [own for own in first if side_at(own) == architecture.resolution]
    stages = (architecture.stem, *architecture.stages, architecture.head)
    search = _Search(_layers(stages), radices, section_at)
    point = search.find(0, 0, None, allowed or first)
    if point is None:
        raise _departure(search, _paths(architecture))
    candidate = decode(point)
    if not allowed:
        offered = " or ".join(map(str, dict.fromkeys(map(side_at, first))))
        raise _leaves("resolution", f"it is {architecture.resolution}, the space has {offered}")
    for name in NETWORK_FIELDS:
        ours, theirs = getattr(candidate, name), getattr(architecture, name)
        if ours != theirs:
            raise _leaves(name, f"it is {shown(theirs)}, the space has {shown(ours)}")
    if candidate != architecture:
        raise _leaves(
            "stages", "its layers are grouped otherwise; join neighbours that differ only in repeats"
        )
    return point


def _leaves(where: str, how: str) -> SpaceError:
    return SpaceError(f"the architecture leaves the space at {where}: {how}")


def _layers(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Returns single layers: stages of one repeat, the first with the stride."""
    return tuple(
        replace(stage, repeats=1, stride=stage.stride if copy == 0 else 1)
        for stage in stages
        for copy in range(stage.repeats)
    )


def _paths(architecture: Architecture) -> list[str]:
    """Returns the path of every layer."""
    middle = [
        f"stages[{index}]" for index, stage in enumerate(architecture.stages) for _ in range(stage.repeats)
    ]
    return ["stem", *middle, "head"]


def _departure(search: _Search, paths: Sequence[str]) -> SpaceError:
    """Returns the error about the layer at which no point goes on: the fields of what comes nearest to it."""
    if search.farthest == len(search.layers):
        return _leaves("its end", "every point has more stages there; add them")
    layer, path = _fields(search.layers[search.farthest]), paths[search.farthest]
    offers = [_fields(offer) for offer in search.offers if offer is not None]
    if not offers:
        return _leaves(path, "every point ends before it; remove it")
    differing = [_different(layer, offer) for offer in offers]
    names = min(differing, key=lambda names: ("block" in names, len(names)))
    alike = [offer for offer, other in zip(offers, differing, strict=True) if other == names]
    hows = []
    for name in names:
        there = " or ".join(dict.fromkeys(shown(offer.get(name)) for offer in alike))
        hows.append(f"{path}.{name}, where it has {shown(layer.get(name))} and the space {there}")
    return SpaceError(f"the architecture leaves the space at {', and at '.join(hows)}")


def _fields(stage: Stage) -> dict[str, Any]:
    """Returns a layer's fields by path, the options' among them."""
    own = {name: getattr(stage, name) for name in ("block", "channels", "stride")}
    options = {
        f"options.{part.name}": getattr(stage.options, part.name)
        for part in dataclasses.fields(stage.options)
    }
    return own | options


def _different(layer: dict[str, Any], offer: dict[str, Any]) -> list[str]:
    if layer["block"] != offer["block"]:
        return ["block", *(name for name in ("channels", "stride") if layer[name] != offer[name])]
    return [name for name in layer if layer[name] != offer[name]]
