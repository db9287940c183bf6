"""An operator's arithmetic is that of its torch twin, at every size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from search_space import modules, operators
from search_space.operators import Operator, Shape, ShapeError

SIDES = st.integers(1, 23)
CHANNELS = st.sampled_from((4, 8, 12))
WINDOWS = {"kernel": st.integers(1, 7), "stride": st.integers(1, 4)}
PADDINGS = st.just("same") | st.integers(0, 3)

OPERATORS: dict[type[Operator], st.SearchStrategy[Any]] = {
    operators.Conv2d: st.builds(
        operators.Conv2d,
        st.sampled_from((4, 8)),
        **WINDOWS,
        padding=PADDINGS,
        groups=st.sampled_from((1, 2, 4)),
    ),
    operators.Linear: st.builds(operators.Linear, st.integers(1, 9), st.booleans()),
    operators.BatchNorm: st.builds(operators.BatchNorm),
    operators.LocalResponseNorm: st.builds(operators.LocalResponseNorm),
    operators.Activation: st.builds(operators.Activation, st.sampled_from(sorted(modules.ACTIVATIONS))),
    operators.MaxPool: st.builds(operators.MaxPool, **WINDOWS, padding=PADDINGS, ceil=st.booleans()),
    operators.AveragePool: st.builds(
        operators.AveragePool, **WINDOWS, padding=PADDINGS, ceil=st.booleans(), counts_padding=st.booleans()
    ),
    operators.AdaptiveAveragePool: st.builds(operators.AdaptiveAveragePool, st.integers(1, 3)),
    operators.Flatten: st.builds(operators.Flatten),
    operators.Dropout: st.builds(operators.Dropout),
    operators.DropPath: st.builds(operators.DropPath),
    operators.Add: st.builds(operators.Add),
    operators.Multiply: st.builds(operators.Multiply),
    operators.Concat: st.builds(operators.Concat),
    operators.Slice: st.builds(operators.Slice, st.integers(0, 1), st.integers(2, 4)),
    operators.ChannelShuffle: st.builds(operators.ChannelShuffle, st.sampled_from((1, 2, 4))),
    operators.Gather: st.builds(operators.Gather, st.integers(1, 20)),
    operators.LearnedGroupConv: st.builds(operators.LearnedGroupConv, st.just(8), st.just(4), st.just(2)),
    operators.PadChannels: st.builds(operators.PadChannels, st.integers(12, 20)),
    operators.Shift: st.builds(operators.Shift),
}
TWO_INPUTS = (operators.Add, operators.Multiply, operators.Concat)


def _inputs(operator: Operator, shape: Shape) -> tuple[Shape, ...]:
    if isinstance(operator, operators.Linear):
        return (shape[:1],)
    return (shape, shape) if isinstance(operator, TWO_INPUTS) else (shape,)


def _counted(operator: Operator, inputs: tuple[Shape, ...]) -> tuple[Shape, int, int]:
    """Returns (output shape, params, macs) of the torch twin, on the meta device."""
    images = tuple(torch.empty(2, *shape, device="meta") for shape in inputs)
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        made = modules.construction(operator, inputs)
        if made is None:
            function, arguments = modules.call(operator, images)
            output, params = function(*arguments), 0
        else:
            module = made.module()
            output, params = module(*images), sum(p.numel() for p in module.parameters())
    return tuple(output.shape[1:]), params, counter.get_total_flops() // 2 // 2  # MACs of one of two images


def test_every_operator_has_a_law_and_a_twin() -> None:
    known = {cls for cls in vars(operators).values() if isinstance(cls, type) and issubclass(cls, Operator)}
    assert set(OPERATORS) == known - {Operator}
    assert set(OPERATORS) == set(modules.CONSTRUCTIONS) | set(modules.CALLS)


def test_twins_stand_in_the_same_order() -> None:
    order = [cls for cls in vars(operators).values() if isinstance(cls, type) and cls in OPERATORS]
    for table in (modules.CONSTRUCTIONS, modules.CALLS):
        assert list(table) == [cls for cls in order if cls in table]


@pytest.mark.parametrize("cls", OPERATORS, ids=lambda cls: cls.__name__)
@settings(max_examples=30)
@given(data=st.data())
def test_shape_params_and_macs_equal_the_modules(cls: type[Operator], data: st.DataObject) -> None:
    operator = data.draw(OPERATORS[cls])
    shape = (data.draw(CHANNELS), data.draw(SIDES), data.draw(SIDES))
    padding = getattr(operator, "padding", 0)
    if (
        cls in (operators.MaxPool, operators.AveragePool)
        and padding != "same"
        and padding > operator.kernel // 2
    ):
        return  # torch refuses padding of more than half a window
    inputs = _inputs(operator, shape)
    try:
        expected = (operator.shape(*inputs), operator.params(*inputs), operator.macs(*inputs))
    except ShapeError:
        with pytest.raises((RuntimeError, ValueError)):
            _counted(operator, inputs)
        return
    assert _counted(operator, inputs) == expected


@given(side=st.integers(1, 20), kernel=st.sampled_from((1, 3, 5)), stride=st.integers(1, 3))
def test_same_padding_puts_the_odd_pixel_at_the_end(side: int, kernel: int, stride: int) -> None:
    image = torch.arange(float(side)).reshape(1, 1, 1, side).expand(1, 1, side, side)
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    padded = modules.same_padded(image, kernel, stride)
    assert padded.shape[-1] == side + total
    assert torch.equal(padded[0, 0, total // 2, total // 2 : total // 2 + side], image[0, 0, 0])


def test_average_pools_do_not_count_padding() -> None:
    ones = torch.ones(1, 2, 5, 5)
    for padding in (1, "same"):
        made = modules.construction(operators.AveragePool(3, 2, padding), ((2, 5, 5),))
        assert made is not None and torch.equal(made.module()(ones), torch.ones(1, 2, 3, 3))


def test_average_pools_count_padding_where_they_are_asked_to() -> None:
    ones = torch.ones(1, 2, 5, 5)
    edge = torch.tensor([[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]]) / 9.0
    for padding in (1, "same"):
        made = modules.construction(operators.AveragePool(3, 2, padding, counts_padding=True), ((2, 5, 5),))
        assert made is not None and torch.allclose(made.module()(ones), edge.expand(1, 2, 3, 3))


def test_response_norm_is_alexnets_formula() -> None:
    made = modules.construction(operators.LocalResponseNorm(), ((3, 1, 1),))
    x = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)
    expected = x / (2.0 + 1e-4 * (x**2).sum()) ** 0.75  # five neighbours hold all three channels
    assert made is not None and torch.allclose(made.module()(x), expected)


def test_shuffle_deals_channels_round_the_groups() -> None:
    x = torch.arange(6.0).reshape(1, 6, 1, 1)
    assert modules.ChannelShuffle(2)(x).flatten().tolist() == [0, 3, 1, 4, 2, 5]


def test_drop_path_drops_whole_images_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    layer: nn.Module = modules.DropPath(0.25)
    x = torch.ones(4000, 1, 2, 2)
    dropped = layer.train()(x)
    assert dropped.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(layer.eval()(x), x)
