"""Options in words: every one has some, and no two different values have the same."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

import pytest

from dashboards.info.options import BLOCK_OPTIONS, OPTIONS, stage_options
from search_space import Stage, reference, reference_names
from search_space.blocks import BLOCKS, Options, SqueezeExcitation

GATES = [
    SqueezeExcitation(),
    SqueezeExcitation(ratio=0.5),
    SqueezeExcitation(base="expanded"),
    SqueezeExcitation(base="output"),
    SqueezeExcitation(divisor=8),
    SqueezeExcitation(activation="silu"),
    SqueezeExcitation(gate="hard_sigmoid"),
]
POOL = [None, False, True, 0, 1, 3, 5, 0.5, 1.0, 2.0, (), (32,), (32, 64), *GATES]
REQUIRED = {"inception": 16, "dual_path": 32}  # blocks whose options have no default
CASES = [(block, field.name) for block, one in BLOCKS.items() for field in dataclasses.fields(one.options)]


def literals(hint: Any) -> Iterator[Any]:
    """Returns the words that an annotation lists."""
    for one in typing.get_args(hint):
        if isinstance(one, str | int):
            yield one
        yield from literals(one)


def possible(block: str, name: str) -> list[Options]:
    """Returns options that differ in one of them alone."""
    kind = BLOCKS[block].options
    given = {
        field.name: REQUIRED[block]
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING
    }
    found: list[Options] = []
    for value in [*literals(typing.get_type_hints(kind, include_extras=True)[name]), *POOL]:
        try:
            found.append(kind(**given | {name: value}))
        except ValueError:
            continue  # not one of its values
    return list(dict.fromkeys(found))


@pytest.mark.parametrize(("block", "name"), CASES)
def test_each_value_of_each_option_has_words_of_its_own(block: str, name: str) -> None:
    assert (block, name) in BLOCK_OPTIONS or name in OPTIONS
    said = [stage_options(Stage(block, 1, 8, 1, one)) for one in possible(block, name)]
    assert len(said) > 1 and len(set(said)) == len(said)


def test_no_words_are_left_of_an_option_that_there_is_no_more() -> None:
    assert set(BLOCK_OPTIONS) <= set(CASES)
    assert set(OPTIONS) <= {name for _, name in CASES}


def test_no_network_is_told_in_names_of_the_program() -> None:
    for name in reference_names():
        network = reference(name)
        ends = [one.head for one in network.auxiliary]
        for stage in (network.stem, *network.stages, *ends, network.head):
            text = ", ".join(stage_options(stage))
            assert not any(raw in text for raw in ("_", "()", "None", "True", "False", "yes")), text
