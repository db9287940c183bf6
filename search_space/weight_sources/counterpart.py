"""A library's network as one of ours: which reference network it is, what it changes, how it names tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

from search_space.architecture import Architecture
from search_space.graph import Conventions
from search_space.weight_sources.naming import Naming
from search_space.zoo import reference

Change = Callable[[Architecture], Architecture]


def as_it_is(network: Architecture) -> Architecture:
    """Returns the network unchanged."""
    return network


class Counterpart(NamedTuple):
    """What a library's network is here."""

    network: str  # name of the reference network
    naming: Naming
    change: Change = as_it_is  # what the library has otherwise

    def architecture(self) -> Architecture:
        """Returns the library's network."""
        return self.change(reference(self.network))


def conventions(padding: Literal["symmetric", "same"], norm_eps: float) -> Change:
    """Returns the change to other conventions."""
    return lambda network: replace(network, conventions=Conventions(padding, norm_eps))
