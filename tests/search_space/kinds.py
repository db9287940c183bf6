"""Which of many networks are worth a test of their own in every run: one of each kind; the others are long tests."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import fields
from functools import cache
from typing import Any

import pytest

from search_space import Architecture, cost, family, reference, reference_names
from search_space.architecture import Stage


def kind(network: Architecture) -> Hashable:
    """Returns what networks have in common that differ only in widths, depths, resolutions and classes."""
    return frozenset(map(_kind, (network.stem, *network.stages, network.head))), bool(network.auxiliary)


def one_of_each_kind(
    given: Iterable[Any], network: Callable[[Any], Architecture], group: Callable[[Any], Hashable]
) -> list[Any]:
    """Returns parameters of a test: the smallest network of each kind and group, and the others marked as long.

    Args:
        given: the parameters, as a test takes them: one value, or a tuple of several.
        network: of a parameter.
        group: in which kinds are looked for, such as a family.
    """
    every = list(given)
    networks = [network(one) for one in every]
    smallest: dict[Hashable, int] = {}
    for index, one in enumerate(every):
        key = group(one), kind(networks[index])
        if key not in smallest or _size(networks[index]) < _size(networks[smallest[key]]):
            smallest[key] = index
    chosen = set(smallest.values())
    return [
        one if index in chosen else pytest.param(*_values(one), marks=pytest.mark.long)
        for index, one in enumerate(every)
    ]


@cache
def reference_parameters() -> list[Any]:
    """Returns the names of all reference networks as parameters of a test."""
    return one_of_each_kind(reference_names(), reference, family)


def _kind(stage: Stage) -> Hashable:
    """Returns a stage's block, stride, kernel, and the options that are words or yes and no."""
    told = ((field.name, getattr(stage.options, field.name)) for field in fields(stage.options))
    words = tuple((name, one) for name, one in told if name == "kernel" or isinstance(one, str | bool | None))
    return stage.block, stage.stride, words


def _size(network: Architecture) -> tuple[int, int]:
    return sum(stage.repeats for stage in network.stages), cost(network).macs


def _values(given: Any) -> Sequence[Any]:
    return given if isinstance(given, tuple) else (given,)
