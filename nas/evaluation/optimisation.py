"""Optimisers, their learning-rate schedule, the moving average of weights, and their state as plain files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer, RMSprop

from nas.settings import Recipe


def make_optimizer(module: nn.Module, recipe: Recipe) -> Optimizer:
    """Returns the recipe's optimiser over a module's parameters; biases and normalisation do not decay.

    `rmsprop` has decay 0.9 and momentum 0.9 as in MnasNet (arXiv:1807.11626, section 5), with 1e-3 added to
    the root of the mean square, where TensorFlow adds it under the root.
    """
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    rate = recipe.learning_rate
    match recipe.optimizer:
        case "sgd":
            return SGD(groups, lr=rate, momentum=0.9, nesterov=True, fused=True)
        case "rmsprop":
            return RMSprop(groups, lr=rate, alpha=0.9, momentum=0.9, eps=1e-3)
        case "adamw":
            return AdamW(groups, lr=rate, fused=True)


def rate_factor(step: int, num_steps: int, num_warmup_steps: float) -> float:
    """Returns the share of the peak learning rate for a step: linear from zero, then half a cosine to zero.

    Args:
        step: 0 to `num_steps` - 1.
        num_steps: of the whole training.
        num_warmup_steps: cut to half of the training.

    Example:
        >>> [round(rate_factor(step, 6, 2), 2) for step in range(6)]
        [0.5, 1.0, 0.9, 0.65, 0.35, 0.1]
    """
    warmup = min(num_warmup_steps, num_steps / 2)
    if step + 1 <= warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step + 1 - warmup) / (num_steps + 1 - warmup)))


@torch.no_grad()
def update_average(average: nn.Module, module: nn.Module, decay: float, num_updates: int) -> None:
    """Moves the average's weights and buffers towards the module's, in place.

    The decay is at most (1 + n) / (10 + n) after n updates, as in TensorFlow's ExponentialMovingAverage, so
    that a short training is not an average of its start. Counters are copied.
    """
    share = 1.0 - min(decay, (1.0 + num_updates) / (10.0 + num_updates))
    for mean, current in zip(average.state_dict().values(), module.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(current, share)
        else:
            mean.copy_(current)


def module_bytes(module: nn.Module) -> bytes:
    """Returns all weights and buffers as safetensors."""
    return safetensors.torch.save({name: value.contiguous() for name, value in module.state_dict().items()})


def load_module(module: nn.Module, content: bytes) -> None:
    """Sets all weights and buffers, in the memory layout that the module has.

    Raises:
        RuntimeError: names or shapes are not the module's.
    """
    module.load_state_dict(safetensors.torch.load(content))


def optimizer_files(optimizer: Optimizer) -> dict[str, bytes]:
    """Returns an optimiser's state as two files: its tensors, and its plain numbers by parameter and name.

    Hyperparameters are not in it: the recipe gives them again.
    """
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value.contiguous()
            else:
                numbers[f"{index}.{name}"] = value
    return {
        "optimizer.safetensors": safetensors.torch.save(tensors),
        "optimizer.json": json.dumps(numbers, sort_keys=True).encode(),
    }


def load_optimizer(optimizer: Optimizer, files: Mapping[str, bytes]) -> None:
    """Sets an optimiser's state from `optimizer_files` of one over the same parameters, bit for bit.

    Tensors get their parameter's memory layout: fused kernels walk both in step.
    """
    values: dict[str, Any] = dict(safetensors.torch.load(files["optimizer.safetensors"]))
    values.update(json.loads(files["optimizer.json"]))
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    states: dict[int, dict[str, Any]] = {}
    for key, value in values.items():
        index, name = key.split(".", 1)
        parameter = parameters[int(index)]
        if isinstance(value, Tensor) and value.shape == parameter.shape:
            value = torch.empty_like(parameter).copy_(value)
        states.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
