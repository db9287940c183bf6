"""Weights that other libraries trained: which of their networks are ours, and what they call our tensors."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from search_space.architecture import Architecture
from search_space.graph import Conventions
from search_space.schema import nearest
from search_space.weight_sources import of_timm, of_torchvision
from search_space.weight_sources.counterpart import Counterpart
from search_space.weight_sources.naming import Naming, SourceName, source_names
from search_space.zoo import reference

SOURCES: dict[str, dict[str, Counterpart]] = {
    "timm": of_timm.NETWORKS,
    "torchvision": of_torchvision.NETWORKS,
}

__all__ = [
    "SOURCES",
    "Counterpart",
    "SourceError",
    "SourceName",
    "counterpart",
    "counterpart_names",
    "naming_of",
    "source_names",
]


class SourceError(ValueError):
    """There is no such library, or it has no such network."""


def counterpart_names(source: str) -> tuple[str, ...]:
    """Returns what a library calls those of its networks that are also ours.

    Raises:
        SourceError: the library is not known.
    """
    return tuple(_networks(source))


def counterpart(name: str, *, source: str) -> Architecture:
    """Returns a library's network: a reference network, with the library's own padding and epsilon.

    Args:
        name: what the library calls it. source: `torchvision` or `timm`.

    Raises:
        SourceError: the library is not known, or its network is none of ours.

    Example:
        >>> counterpart("tf_efficientnet_b0", source="timm").conventions
        Conventions(padding='same', norm_eps=0.001)
    """
    networks = _networks(source)
    if name not in networks:
        raise SourceError(
            f'a network of {source} must be one of ours, got "{name}"; {nearest(name, networks)}'
        )
    return networks[name].architecture()


def naming_of(architecture: Architecture, source: str) -> Naming:
    """Returns how a library names the tensors of an architecture; input size and classes do not matter.

    Raises:
        SourceError: the library is not known, or has not this network; the message says which it has, or which
            of them differs in its padding, epsilon or activation alone.
    """
    networks, known = _networks(source), _names(source)
    wanted = _at_any_size(architecture)
    if wanted in known:
        return networks[known[wanted]].naming
    alike = [name for name, row in networks.items() if _without_conventions(wanted) in _likenesses(row)]
    if alike:
        raise SourceError(
            f"padding, epsilon and activations must be {source}'s, and those of {' and '.join(alike)} differ from "
            f'this network\'s; take `counterpart("{alike[0]}", source="{source}")`'
        )
    raise SourceError(
        f"{source} must have the same network, and has none like this; it has {', '.join(networks)}"
    )


def _networks(source: str) -> dict[str, Counterpart]:
    if source not in SOURCES:
        raise SourceError(f'source must be {" or ".join(SOURCES)}, got "{source}"; choose one')
    return SOURCES[source]


@lru_cache(maxsize=len(SOURCES))
def _names(source: str) -> dict[Architecture, str]:
    return {_at_any_size(row.architecture()): name for name, row in SOURCES[source].items()}


def _likenesses(row: Counterpart) -> tuple[Architecture, Architecture]:
    """Returns a library's network, and the reference network that it is made from, without their conventions."""
    return _without_conventions(row.architecture()), _without_conventions(reference(row.network))


def _at_any_size(architecture: Architecture) -> Architecture:
    return replace(architecture, resolution=224, num_classes=1000, input_channels=3)


def _without_conventions(architecture: Architecture) -> Architecture:
    return replace(_at_any_size(architecture), conventions=Conventions())
