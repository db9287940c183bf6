"""Every operator and every block has its words and its colour."""

from __future__ import annotations

import dataclasses

import pytest

from search_space import operators, reference
from search_space.blocks import BLOCKS
from search_space.drawing.svg import COLOURS
from search_space.drawing.wording import (
    block_kind,
    count_words,
    operator_kind,
    operator_words,
    shape_words,
    stage_details,
    stage_words,
)

SAMPLES = {
    operators.Conv2d: operators.Conv2d(8, 3, 2),
    operators.LearnedGroupConv: operators.LearnedGroupConv(8, 4, 4),
    operators.Linear: operators.Linear(10),
    operators.MaxPool: operators.MaxPool(3, 2),
    operators.AveragePool: operators.AveragePool(3, 1),
    operators.Slice: operators.Slice(0, 4),
    operators.ChannelShuffle: operators.ChannelShuffle(2),
    operators.Gather: operators.Gather(4),
    operators.PadChannels: operators.PadChannels(16),
}
OPERATORS = [
    kind
    for kind in vars(operators).values()
    if isinstance(kind, type) and issubclass(kind, operators.Operator) and kind is not operators.Operator
]


@pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.__name__)
def test_every_operator_has_words_and_a_colour(kind: type[operators.Operator]) -> None:
    required = [field for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING]
    operator = SAMPLES[kind] if required else kind()
    assert operator_words(operator, 8)
    assert operator_kind(operator, 8) in COLOURS


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_has_a_colour(block: str) -> None:
    assert block_kind(block) in COLOURS


def test_words_say_what_matters() -> None:
    assert operator_words(operators.Conv2d(96, 3, 2, 1, 96), 96) == "depthwise 3×3 /2"
    assert operator_words(operators.Conv2d(256, 5, 1, 2, 2), 96) == "conv 5×5, 2 groups"
    b0 = reference("efficientnet_b0").stages[2]
    assert stage_words(b0) == "mbconv ×2"
    assert stage_details(b0) == "5×5, expansion 6, squeeze-excitation, stride 2"
    assert stage_details(reference("googlenet_v1_original").stages[4]) == "64 | 96→128 | 16→32 | 32"
    assert stage_details(reference("vgg16").head) == "hidden 4096 and 4096"
    assert shape_words((64, 7, 7)) == "64×7×7"


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1.00 K"),
        (999_499, "999 K"),
        (999_500, "1.00 M"),
        (9_995_000, "10.0 M"),
    ],
)
def test_counts_have_three_digits(count: int, words: str) -> None:
    assert count_words(count) == words
