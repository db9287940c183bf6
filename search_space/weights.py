"""Weights on disk: safetensors files, which hold tensors and names and can run nothing."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from search_space.schema import nearest


class WeightsError(ValueError):
    """A file's weights are not those of the module; the message names the first differences."""


def save_weights(module: nn.Module, path: str | Path) -> None:
    """Writes all parameters and buffers of a module to a safetensors file.

    Example:
        save_weights(module, "mnasnet.safetensors")
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    Path(path).write_bytes(save(tensors))


def load_weights(module: nn.Module, path: str | Path) -> None:
    """Loads a safetensors file into a module; every name and every shape must agree.

    Raises:
        WeightsError: the file is no safetensors file, or a name is missing, unknown or of another shape.
    """
    try:
        tensors = load(Path(path).read_bytes())
    except SafetensorError as error:
        raise WeightsError(
            f"{path} must be a safetensors file, got {error}; export the weights again"
        ) from None
    set_weights(module, tensors)


def set_weights(module: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Copies named tensors into a module; every name and every shape must agree.

    Raises:
        WeightsError: a name is missing, unknown or of another shape.
    """
    own = module.state_dict()
    missing, unknown = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    if missing:
        raise WeightsError(
            f"weights must have {missing[0]} ({len(missing)} missing); take those of this network"
        )
    if unknown:
        raise WeightsError(
            f"weights must not have {unknown[0]} ({len(unknown)} unknown); {nearest(unknown[0], own)}"
        )
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            expected, given = tuple(own[name].shape), tuple(tensor.shape)
            raise WeightsError(
                f"{name} must have the shape {expected}, got {given}; take those of this network"
            )
    module.load_state_dict(tensors, strict=True)
