"""CondenseNet's procedure: what its training adds, and the network that is used afterwards (Huang et al. 2018).

A training of condensation factor C begins with C - 1 condensing stages, which share its first half; at the end of
each, every filter group drops a C-th of its inputs (section 3.1). What a group has left in the end, an index layer
picks, so that an ordinary group convolution does the work of the learned one (section 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import fx, nn

from search_space.architecture import Architecture, Stage
from search_space.blocks import ClassifierOptions, CondenseOptions
from search_space.build import build
from search_space.modules import LearnedGroupConv2d
from search_space.weights import set_weights

NORM = ("weight", "bias", "running_mean", "running_var")


class CondensingError(ValueError):
    """A network has nothing to condense, or has not been condensed to the end."""


def learned_convolutions(module: nn.Module) -> list[LearnedGroupConv2d]:
    """Returns the learned group convolutions of a module, in order; none for other networks than CondenseNets."""
    return [layer for layer in module.modules() if isinstance(layer, LearnedGroupConv2d)]


def condensing_stage(step: int, num_steps: int, condensation: int) -> int:
    """Returns how many condensing stages are over before a step of a training, in [0, condensation - 1].

    Args:
        step: steps that are done. num_steps: of the whole training. condensation: the factor C.

    Example:
        >>> [condensing_stage(step, 12, condensation=4) for step in range(0, 12, 2)]
        [0, 1, 2, 3, 3, 3]
    """
    return min(condensation - 1, 2 * step * (condensation - 1) // num_steps)


def condense(layers: Sequence[LearnedGroupConv2d], step: int, num_steps: int) -> None:
    """Drops what is due before a step of a training; safe to call before each, also after a restart.

    Args:
        layers: see `learned_convolutions`. step: steps that are done. num_steps: of the whole training.

    Example:
        layers = learned_convolutions(module)
        for step in range(num_steps):
            condense(layers, step, num_steps)
            loss = cross_entropy(module(images), labels) + 1e-5 * group_lasso(layers)
    """
    for layer in layers:
        layer.condense(condensing_stage(step, num_steps, layer.condensation))


def group_lasso(layers: Sequence[LearnedGroupConv2d]) -> torch.Tensor:
    """Returns the regulariser that lets a group's filters agree on what to drop (section 3.1), to be weighted.

    The authors weight it by 1e-5 on ImageNet and by 0 elsewhere. It ends with the last condensing stage.
    """
    return torch.stack([layer.group_lasso() for layer in layers]).sum()


def condensed(architecture: Architecture, *, halve_classifier: bool = False) -> Architecture:
    """Returns the architecture as it is used after its training: index layers and ordinary group convolutions.

    Args:
        architecture: with learned group convolutions.
        halve_classifier: whether the classifier sees the more important half of its features only, as in the
            authors' released models.

    Example:
        >>> from search_space.zoo import reference
        >>> trained = reference("condensenet86_cifar10_learned")
        >>> condensed(trained, halve_classifier=True) == reference("condensenet86_cifar10")
        True
    """
    head = architecture.head
    if halve_classifier and isinstance(head.options, ClassifierOptions):
        head = replace(head, options=replace(head.options, condensed=True))
    stages = tuple(
        replace(stage, options=replace(options, learned=False)) if (options := _learned(stage)) else stage
        for stage in architecture.stages
    )
    return replace(architecture, stages=stages, head=head)


def is_learned(architecture: Architecture) -> bool:
    """Returns whether an architecture is one to be trained, with groups still to be learned or just learned."""
    return any(_learned(stage) for stage in architecture.stages)


def converted(
    architecture: Architecture, tensors: Mapping[str, torch.Tensor], *, halve_classifier: bool = False
) -> tuple[Architecture, fx.GraphModule]:
    """Returns the network as it is used after its training, in evaluation mode: the same scores for less work.

    Args:
        architecture: with learned group convolutions.
        tensors: its trained weights by name (a module's state dict).
        halve_classifier: see `condensed`; the scores then differ from those of the trained network.

    Raises:
        CondensingError: nothing is learned in it, or a group has not dropped all that it must.

    Source:
        Huang et al. 2018, section 3.2; the authors' converter for the classifier.
    """
    weights = dict(tensors)
    for name, options in _learned_blocks(architecture).items():
        _convert_layer(weights, name, options.condensation)
    if halve_classifier:
        _halve_classifier(weights)
    used = condensed(architecture, halve_classifier=halve_classifier)
    module = build(used, device="meta").to_empty(device="cpu")
    set_weights(module, weights)
    return used, module.eval()


def _learned(stage: Stage) -> CondenseOptions | None:
    """Returns the options of a stage that learns its groups; None for any other."""
    options = stage.options
    return options if isinstance(options, CondenseOptions) and options.learned else None


def _learned_blocks(architecture: Architecture) -> dict[str, CondenseOptions]:
    """Returns the options of every block that learns its groups, by the block's name."""
    blocks = {
        f"stages.{index}.blocks.{copy}": options
        for index, stage in enumerate(architecture.stages)
        if (options := _learned(stage))
        for copy in range(stage.repeats)
    }
    if not blocks:
        raise CondensingError(
            "an architecture to be condensed must have learned group convolutions, got none"
        )
    return blocks


def _convert_layer(weights: dict[str, torch.Tensor], name: str, condensation: int) -> None:
    """Writes one layer's weights as an index, gathered normalisation and a group convolution's weights."""
    kept, weight = weights.pop(f"{name}.reduce.kept"), weights[f"{name}.reduce.weight"]
    groups, inputs = kept.shape
    left = sorted({int(count) for count in kept.sum(1)})
    if left != [inputs // condensation]:
        raise CondensingError(
            f"every group of {name}.reduce must be left with {inputs // condensation} of its {inputs} inputs, got "
            f"{' to '.join(map(str, left))}; train through all condensing stages, calling `condense` at each step"
        )
    index = kept.nonzero()[:, 1]  # group by group
    picked = index.reshape(groups, 1, -1).expand(-1, len(weight) // groups, -1)
    grouped = weight.reshape(groups, -1, inputs).gather(2, picked)
    weights[f"{name}.reduce.weight"] = grouped.reshape(len(weight), -1, 1, 1)
    weights[f"{name}.index.index"] = index
    weights |= {f"{name}.norm1.{tensor}": weights[f"{name}.norm1.{tensor}"][index] for tensor in NORM}


def _halve_classifier(weights: dict[str, torch.Tensor]) -> None:
    """Keeps the half of the features whose weights are largest in sum |w|."""
    weight = weights["head.linear.weight"]
    index = weight.abs().sum(0).topk(weight.shape[1] // 2).indices.sort().values
    weights |= {"head.index.index": index, "head.linear.weight": weight[:, index]}
