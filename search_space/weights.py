"""Weights: safetensors files, which hold tensors and names and can run nothing, and other libraries' weights.

Everything here is strict: a missing, an unknown or a wrongly shaped tensor is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import fx, nn

from search_space.architecture import Architecture
from search_space.build import build
from search_space.schema import nearest
from search_space.weight_sources import naming_of, source_names

COUNTER = "num_batches_tracked"  # of a normalisation; older files of other libraries have none


class WeightsError(ValueError):
    """A file's weights are not those of the network; the message names the first difference and how many."""


def save_weights(module: nn.Module, path: str | Path) -> None:
    """Writes all parameters and buffers of a module to a safetensors file.

    Example:
        save_weights(module, "mnasnet.safetensors")
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    Path(path).write_bytes(save(tensors))


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Returns the tensors of a safetensors file by name.

    Raises:
        WeightsError: it is no safetensors file.
    """
    try:
        return load(Path(path).read_bytes())
    except SafetensorError as error:
        raise WeightsError(
            f"{path} must be a safetensors file, got {error}; export the weights again"
        ) from None


def load_weights(
    architecture: Architecture, tensors: Mapping[str, torch.Tensor], *, source: str | None = None
) -> fx.GraphModule:
    """Returns the network as a module, in training mode, with these weights.

    Args:
        architecture: what to build.
        tensors: all its parameters and buffers by name (a state dict, or what `read_weights` returns).
        source: whose names they have: `torchvision`, `timm`, or None for ours.

    Raises:
        WeightsError: a name is missing, unknown or of another shape.
        SourceError: the library is not known, or has not this network.

    Example:
        module = load_weights(counterpart("resnet50", source="timm"), read_weights(path), source="timm").eval()
    """
    module = build(architecture, device="meta")
    own = tensors if source is None else _translated(module, architecture, tensors, source)
    _check(_shapes(module), own)
    set_weights(module.to_empty(device="cpu"), own)
    return module


def translated_weights(
    architecture: Architecture, tensors: Mapping[str, torch.Tensor], source: str
) -> dict[str, torch.Tensor]:
    """Returns another library's weights of a network by our names, for `set_weights`.

    Args:
        architecture: the network. tensors: its state dict there. source: `torchvision` or `timm`.

    Raises:
        WeightsError: a name is missing, unknown or of another shape; the names are the library's.
        SourceError: the library is not known, or has not this network.
    """
    return _translated(build(architecture, device="meta"), architecture, tensors, source)


def set_weights(module: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Copies named tensors into a module; every name and every shape must agree.

    Raises:
        WeightsError: a name is missing, unknown or of another shape.
    """
    _check(_shapes(module), tensors)
    module.load_state_dict(tensors, strict=True)


def _translated(
    module: nn.Module, architecture: Architecture, tensors: Mapping[str, torch.Tensor], source: str
) -> dict[str, torch.Tensor]:
    """Returns a library's tensors by the names of our module, and in its shapes."""
    shapes = _shapes(module)
    names = source_names(naming_of(architecture, source), shapes)
    counters = {there.name for own, there in names.items() if own.endswith(COUNTER)}
    given = {name: torch.tensor(0) for name in counters} | dict(tensors)
    _check({there.name: there.shape(shapes[own]) for own, there in names.items()}, given)
    return {own: given[there.name].reshape(shapes[own]) for own, there in names.items()}


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def _check(shapes: Mapping[str, tuple[int, ...]], tensors: Mapping[str, torch.Tensor]) -> None:
    """Refuses tensors that have not exactly these names and shapes."""
    missing = [name for name in shapes if name not in tensors]
    if missing:
        raise WeightsError(
            f"weights must have {missing[0]} ({len(missing)} missing); take those of this network"
        )
    unknown = [name for name in tensors if name not in shapes]
    if unknown:
        raise WeightsError(
            f"weights must not have {unknown[0]} ({len(unknown)} unknown); {nearest(unknown[0], shapes)}"
        )
    other = [name for name in shapes if tuple(tensors[name].shape) != shapes[name]]
    if other:
        expected, given = shapes[other[0]], tuple(tensors[other[0]].shape)
        raise WeightsError(
            f"{other[0]} must have the shape {expected}, got {given} ({len(other)} of another shape); "
            "take those of this network"
        )
