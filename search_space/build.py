"""From an architecture to a torch module: its graph as a `torch.fx.GraphModule` with readable names.

The forward is generated Python (print `module.code`), and state-dict names are the graph's
(`stages.2.blocks.0.depthwise.weight`). What only training needs (drop rates, momentum, initialisation) is an
argument here and no part of the architecture.

Initialisation: convolutions normal with variance 2 / fan-out, the fan-out of a group (He et al. 2015, section
2.2, as the MobileNets and EfficientNets do); linear layers normal with standard deviation 0.01, biases zero;
normalisation one and zero, except that the last scale of a residual branch starts at zero (Goyal et al. 2017,
section 5.1), so that a deep network starts as its shortcuts: without it, accuracy falls again with depth in
short trainings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import fx, nn

from search_space.architecture import Architecture
from search_space.graph import Part
from search_space.lowering import parts
from search_space.modules import Gather, LearnedGroupConv2d, Rates, call, construction
from search_space.operators import BatchNorm, Shape

LINEAR_STD = 0.01  # MobileNetV2's and AlexNet's


def build(
    architecture: Architecture,
    *,
    input_shape: Shape | None = None,
    dropout: float = 0.0,
    drop_path: float | Sequence[float] = 0.0,
    norm_momentum: float = 0.1,
    zero_init_residual: bool = True,
    seed: int | None = None,
    device: str = "cpu",
) -> fx.GraphModule:
    """Returns the network as a module, in training mode, with fresh weights.

    In training, a network with auxiliary classifiers gives a tuple (scores, auxiliary scores...), in
    evaluation too: drop them by `dataclasses.replace(architecture, auxiliary=())`.

    Args:
        architecture: what to build.
        input_shape: (channels, height, width) in pixels; matters only where the image is not pooled to a
            fixed size.
        dropout: chance in [0, 1) that a value before a linear layer is zeroed.
        drop_path: chance in [0, 1) that the last residual branch is dropped, the others in proportion to their
            place (see `linear_drop_path`); or one chance per block of the stages. It is drawn for each image,
            where Huang et al. draw for the batch, and what remains is scaled up in training, not down in use.
        norm_momentum: share of a batch in the running statistics, in (0, 1].
        zero_init_residual: start residual branches at zero.
        seed: draws the weights without touching torch's global generator; None draws from that.
        device: where; `meta` allocates and draws nothing.

    Raises:
        ArchitectureError: a block cannot take what enters it.
        ValueError: a rate is outside its interval.

    Example:
        >>> from search_space.zoo import reference
        >>> module = build(reference("mobilenet_v2_0_35_224"), seed=0, device="meta")
        >>> sum(p.numel() for p in module.parameters())
        1677128
    """
    chain = list(parts(architecture, input_shape))
    rates = training_rates(chain, dropout, drop_path, norm_momentum)
    with torch.device("meta"):
        module = _assembled(chain, rates)
    if device != "meta":
        module.to_empty(device=device)
        generator = None if seed is None else torch.Generator(device).manual_seed(seed)
        initialise(module, generator)
        if zero_init_residual:
            _silence_branches(module, chain)
    return module


def linear_drop_path(num_blocks: int, rate: float) -> tuple[float, ...]:
    """Returns each block's chance of being dropped, `rate` * l / L for block l of L = `num_blocks`, l from 1.

    Source:
        Stochastic depth's linear decay rule, p_l = 1 - l / L * (1 - p_L) for survival (Huang et al. 2016,
        equation 4). EfficientNet's code counts l from 0, timm from 0 to L - 1: give those per block.

    Example:
        >>> linear_drop_path(4, 0.5)
        (0.125, 0.25, 0.375, 0.5)
    """
    return tuple(rate * number / num_blocks for number in range(1, num_blocks + 1))


def initialise(module: nn.Module, generator: torch.Generator | None = None) -> None:
    """Draws all weights of a module anew, in the order of their names, and resets all statistics."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | LearnedGroupConv2d):
            groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
            fan_out = layer.weight.shape[0] * layer.weight[0, 0].numel() // groups
            nn.init.normal_(layer.weight, 0.0, math.sqrt(2.0 / fan_out), generator=generator)
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0.0, LINEAR_STD, generator=generator)
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.BatchNorm2d | LearnedGroupConv2d | Gather):
            layer.reset_parameters() if isinstance(layer, nn.BatchNorm2d) else layer.reset_buffers()


def training_rates(
    chain: Sequence[Part], dropout: float, drop_path: float | Sequence[float], norm_momentum: float
) -> dict[str, Rates]:
    """Returns the training rates of each part by name."""
    blocks = [part.name for part in chain if part.name.startswith("stages.")]
    if isinstance(drop_path, int | float):
        _check_chance("drop_path", drop_path)
    chances = (
        linear_drop_path(len(blocks), drop_path) if isinstance(drop_path, int | float) else tuple(drop_path)
    )
    if len(chances) != len(blocks):
        raise ValueError(
            f"drop_path must have a chance per block, got {len(chances)} for {len(blocks)}; add some"
        )
    for name, chance in (("dropout", dropout), *(("drop_path", chance) for chance in chances)):
        _check_chance(name, chance)
    if not 0.0 < norm_momentum <= 1.0:
        raise ValueError(
            f"norm_momentum must be in (0, 1], got {norm_momentum}; TensorFlow's decay 0.99 is 0.01 here"
        )
    given = dict(zip(blocks, chances, strict=True))
    return {part.name: Rates(dropout, given.get(part.name, 0.0), norm_momentum) for part in chain}


def _check_chance(name: str, chance: float) -> None:
    if not 0.0 <= chance < 1.0:
        raise ValueError(f"{name} must be in [0, 1), got {chance}; it is the chance of dropping")


def _assembled(chain: Sequence[Part], rates: dict[str, Rates]) -> fx.GraphModule:
    """Returns the parts as one module whose forward computes them in order."""
    graph = fx.Graph()
    modules: dict[str, nn.Module] = {}
    carry = tuple([graph.placeholder("image")])
    auxiliary: tuple[fx.Node, ...] = ()
    for part in chain:
        outputs = _written(graph, modules, part, carry, rates[part.name])
        carry, auxiliary = (carry, auxiliary + outputs) if part.auxiliary else (outputs, auxiliary)
    graph.output((*carry, *auxiliary) if auxiliary else carry[0])
    return fx.GraphModule(modules, graph, class_name="Network")


def _written(
    graph: fx.Graph, modules: dict[str, nn.Module], part: Part, carry: tuple[fx.Node, ...], rates: Rates
) -> tuple[fx.Node, ...]:
    """Writes one part into the fx graph and its modules into the table; returns what leaves it."""
    values = list(carry)
    for node in part.graph.nodes:
        inputs = tuple([values[value] for value in node.inputs])
        made = construction(node.operator, part.graph.input_shapes(node), rates)
        if made is None:
            function, arguments = call(node.operator, inputs)
            values.append(graph.call_function(function, arguments))
        else:
            name = f"{part.name}.{node.name}"
            modules[name] = made.module()
            values.append(graph.call_module(name, inputs))
    return tuple([values[value] for value in part.graph.outputs])


def _silence_branches(module: nn.Module, chain: Sequence[Part]) -> None:
    """Sets the last scale of every residual branch to zero."""
    for part in chain:
        for node in part.graph.nodes:
            if isinstance(node.operator, BatchNorm) and node.operator.closes_branch:
                scale = module.get_parameter(f"{part.name}.{node.name}.weight")
                nn.init.zeros_(scale)
