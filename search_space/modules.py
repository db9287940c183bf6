"""The torch twins of the operators: the same names in the same order as `operators.py`.

`construction` says how an operator is made (class and keyword arguments), so that building a module and
writing its source are one thing. The classes here need torch alone: their source is copied into standalone
exports.
"""

from __future__ import annotations

import operator as python_operator
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from search_space import operators
from search_space.operators import Operator, Shape

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "hard_swish": nn.Hardswish,
    "sigmoid": nn.Sigmoid,
    "hard_sigmoid": nn.Hardsigmoid,
    "elu": nn.ELU,
    "gelu": nn.GELU,
}


class Rates(NamedTuple):
    """What only training needs to know: chances in [0, 1), and the share of a batch in running statistics."""

    dropout: float = 0.0
    drop_path: float = 0.0
    norm_momentum: float = 0.1


NO_RATES = Rates()


class Construction(NamedTuple):
    """How a module is made: its class and keyword arguments."""

    cls: type[nn.Module]
    arguments: dict[str, Any]

    def module(self) -> nn.Module:
        """Returns a new module."""
        return self.cls(**self.arguments)


class SameConv2d(nn.Conv2d):
    """A convolution padded like TensorFlow's SAME: the odd pixel at the end."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(same_padded(x, self.kernel_size[0], self.stride[0]))


class SameMaxPool2d(nn.Module):
    """A max-pool padded like TensorFlow's SAME."""

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        padded = same_padded(x, self.kernel_size, self.stride, float("-inf"))
        return F.max_pool2d(padded, self.kernel_size, self.stride)


class SameAvgPool2d(nn.Module):
    """An average pool padded like TensorFlow's SAME: padding is not counted, unless asked for."""

    def __init__(self, kernel_size: int, stride: int, count_include_pad: bool = False) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.count_include_pad = kernel_size, stride, count_include_pad

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = F.avg_pool2d(same_padded(x, self.kernel_size, self.stride), self.kernel_size, self.stride)
        if self.count_include_pad:
            return total
        inside = same_padded(torch.ones_like(x[:1, :1]), self.kernel_size, self.stride)
        return total / F.avg_pool2d(inside, self.kernel_size, self.stride)


def same_padded(x: torch.Tensor, kernel: int, stride: int, value: float = 0.0) -> torch.Tensor:
    """Returns maps with the pixels that TensorFlow's SAME adds: half before, the odd one after."""
    height, width = (max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[-2:])
    return F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2), value=value)


class DropPath(nn.Module):
    """Zeroes whole images' residual branches while training, and scales the others up (Huang et al. 2016)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0.0:
            return x
        kept = torch.empty((x.shape[0], 1, 1, 1), dtype=x.dtype, device=x.device).bernoulli_(1.0 - self.p)
        return x * kept / (1.0 - self.p)


class Gather(nn.Module):
    """An index layer: picks channels, repeats allowed."""

    index: torch.Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.register_buffer("index", torch.empty(out_channels, dtype=torch.int64))
        self.reset_buffers()

    def reset_buffers(self) -> None:
        """Picks every channel in order, from the first again after the last; or some, evenly spread, if fewer."""
        number = torch.arange(len(self.index), device=self.index.device)
        fewer = len(self.index) < self.in_channels
        self.index.copy_(number * self.in_channels // len(self.index) if fewer else number % self.in_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.index_select(1, self.index)


class LearnedGroupConv2d(nn.Module):
    """A dense 1x1 convolution whose filter groups drop inputs while training (CondenseNet, section 3.1).

    The filters are split into equal groups, in order; `kept` says which inputs each of them still uses.
    """

    kept: torch.Tensor  # [groups, in_channels]

    def __init__(self, in_channels: int, out_channels: int, groups: int, condensation: int) -> None:
        super().__init__()
        self.groups, self.condensation = groups, condensation
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, 1, 1))
        self.register_buffer("kept", torch.empty(groups, in_channels, dtype=torch.bool))
        self.reset_buffers()

    def reset_buffers(self) -> None:
        """Keeps all inputs."""
        self.kept.fill_(True)

    def used(self) -> torch.Tensor:
        """Returns the weights by group, [groups, filters, inputs], zero at dropped inputs."""
        grouped = self.weight.reshape(self.groups, -1, self.kept.shape[1])
        return grouped * self.kept.unsqueeze(1)

    @torch.no_grad()
    def condense(self, stage: int) -> None:
        """Drops inputs until every group has lost `stage` in `condensation` of them, the least in sum |w| first."""
        inputs = self.kept.shape[1]
        lost = stage * (inputs // self.condensation)
        if lost > inputs - int(self.kept[0].sum()):
            order = self.used().abs().sum(1).masked_fill(~self.kept, -1.0).argsort(dim=1, stable=True)
            self.kept.scatter_(1, order[:, :lost], False)

    def group_lasso(self) -> torch.Tensor:
        """Returns the sum over groups and inputs of the root of the filters' summed squares; 0 once all is dropped."""
        if int(self.kept[0].sum()) * self.condensation == self.kept.shape[1]:
            return self.weight.new_zeros(())
        return self.used().square().sum(1).clamp(min=1e-6).sqrt().sum()  # the clamp is the released code's

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.used().reshape(self.weight.shape))


class ChannelShuffle(nn.Module):
    """Channels dealt round the groups: channel g * n + i goes to i * groups + g."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, channels, height, width = x.shape
        grouped = x.reshape(batch, self.groups, channels // self.groups, height, width)
        return grouped.transpose(1, 2).reshape(batch, channels, height, width)


def sliced(x: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """Returns the channels from `start` up to, not including, `stop`."""
    return x[:, start:stop]


def pad_channels(x: torch.Tensor, channels: int) -> torch.Tensor:
    """Returns the map with channels of zeros appended, `channels` in all."""
    return F.pad(x, (0, 0, 0, 0, 0, channels - x.shape[1]))


def shifted(x: torch.Tensor) -> torch.Tensor:
    """Returns the map moved by one pixel to the upper left; zeros enter."""
    return F.pad(x, (-1, 1, -1, 1))


def construction(
    operator: Operator, inputs: tuple[Shape, ...], rates: Rates = NO_RATES
) -> Construction | None:
    """Returns how the operator's module is made, or None for an operator that is a function (see `call`)."""
    maker = CONSTRUCTIONS.get(type(operator))
    return None if maker is None else maker(operator, inputs[0][0], rates)


def call(operator: Operator, inputs: tuple[Any, ...]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Returns the function that is an operator without state, and its arguments."""
    return CALLS[type(operator)](operator, inputs)


def _conv(operator: operators.Conv2d, channels: int, rates: Rates) -> Construction:
    balanced = operator.stride == 1 and operator.kernel % 2 == 1  # then SAME pads both sides alike
    same = operator.padding == "same" and not balanced
    arguments = {
        "in_channels": channels,
        "out_channels": operator.out_channels,
        "kernel_size": operator.kernel,
        "stride": operator.stride,
        "padding": 0
        if same
        else (operator.kernel - 1) // 2
        if operator.padding == "same"
        else operator.padding,
        "groups": operator.groups,
        "bias": operator.bias,
    }
    return Construction(SameConv2d if same else nn.Conv2d, arguments)


def _linear(operator: operators.Linear, features: int, rates: Rates) -> Construction:
    arguments = {"in_features": features, "out_features": operator.out_features, "bias": operator.bias}
    return Construction(nn.Linear, arguments)


def _batch_norm(operator: operators.BatchNorm, channels: int, rates: Rates) -> Construction:
    arguments = {"num_features": channels, "eps": operator.eps, "momentum": rates.norm_momentum}
    return Construction(nn.BatchNorm2d, arguments)


def _local_response_norm(operator: operators.LocalResponseNorm, channels: int, rates: Rates) -> Construction:
    # torch divides alpha by the window's size, the paper does not
    arguments = {"size": operator.size, "alpha": operator.alpha * operator.size}
    return Construction(nn.LocalResponseNorm, arguments | {"beta": operator.beta, "k": operator.k})


def _activation(operator: operators.Activation, channels: int, rates: Rates) -> Construction:
    return Construction(ACTIVATIONS[operator.kind], {})


def _max_pool(operator: operators.MaxPool, channels: int, rates: Rates) -> Construction:
    window = {"kernel_size": operator.kernel, "stride": operator.stride}
    if operator.padding == "same":
        return Construction(SameMaxPool2d, window)
    return Construction(nn.MaxPool2d, window | {"padding": operator.padding, "ceil_mode": operator.ceil})


def _average_pool(operator: operators.AveragePool, channels: int, rates: Rates) -> Construction:
    window = {"kernel_size": operator.kernel, "stride": operator.stride}
    if operator.padding == "same":
        counted = {"count_include_pad": True} if operator.counts_padding else {}
        return Construction(SameAvgPool2d, window | counted)
    edges = {"padding": operator.padding, "ceil_mode": operator.ceil}
    return Construction(nn.AvgPool2d, window | edges | {"count_include_pad": operator.counts_padding})


def _adaptive_average_pool(
    operator: operators.AdaptiveAveragePool, channels: int, rates: Rates
) -> Construction:
    return Construction(nn.AdaptiveAvgPool2d, {"output_size": operator.size})


def _dropout(operator: operators.Dropout, channels: int, rates: Rates) -> Construction:
    return Construction(nn.Dropout, {"p": rates.dropout})


def _drop_path(operator: operators.DropPath, channels: int, rates: Rates) -> Construction:
    return Construction(DropPath, {"p": rates.drop_path})


def _channel_shuffle(operator: operators.ChannelShuffle, channels: int, rates: Rates) -> Construction:
    return Construction(ChannelShuffle, {"groups": operator.groups})


def _gather(operator: operators.Gather, channels: int, rates: Rates) -> Construction:
    return Construction(Gather, {"in_channels": channels, "out_channels": operator.channels})


def _learned_group_conv(operator: operators.LearnedGroupConv, channels: int, rates: Rates) -> Construction:
    arguments = {"in_channels": channels, "out_channels": operator.out_channels}
    return Construction(
        LearnedGroupConv2d, arguments | {"groups": operator.groups, "condensation": operator.condensation}
    )


CONSTRUCTIONS: dict[type[Operator], Callable[[Any, int, Rates], Construction]] = {
    operators.Conv2d: _conv,
    operators.Linear: _linear,
    operators.BatchNorm: _batch_norm,
    operators.LocalResponseNorm: _local_response_norm,
    operators.Activation: _activation,
    operators.MaxPool: _max_pool,
    operators.AveragePool: _average_pool,
    operators.AdaptiveAveragePool: _adaptive_average_pool,
    operators.Dropout: _dropout,
    operators.DropPath: _drop_path,
    operators.ChannelShuffle: _channel_shuffle,
    operators.Gather: _gather,
    operators.LearnedGroupConv: _learned_group_conv,
}

CALLS: dict[type[Operator], Callable[[Any, tuple[Any, ...]], tuple[Callable[..., Any], tuple[Any, ...]]]] = {
    operators.Flatten: lambda op, inputs: (torch.flatten, (inputs[0], 1)),
    operators.Add: lambda op, inputs: (python_operator.add, inputs),
    operators.Multiply: lambda op, inputs: (python_operator.mul, inputs),
    operators.Concat: lambda op, inputs: (torch.cat, (inputs, 1)),
    operators.Slice: lambda op, inputs: (sliced, (inputs[0], op.start, op.stop)),
    operators.PadChannels: lambda op, inputs: (pad_channels, (inputs[0], op.channels)),
    operators.Shift: lambda op, inputs: (shifted, inputs),
}
