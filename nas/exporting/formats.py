"""The formats of `nas export --to`: what each writes, what runs it, and which packages that needs."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import safetensors.torch

from nas.exporting.errors import ExportError, NothingToExport
from nas.exporting.network import Network
from search_space import Architecture, cost
from search_space.export import python_source
from search_space.export.drawing import dot, graphml
from search_space.export.preprocessing import preprocessing_json
from search_space.export.program import program_bytes
from search_space.export.timm_definition import timm_definition
from search_space.export.timm_folder import timm_files

Files = dict[str, bytes]  # by path inside the folder
Probe = Literal["with_torch", "with_onnxruntime", "with_program", "with_timm", "with_predict"]
DType = Literal["float32", "float16", "bfloat16"]
_TIMM_WEIGHTS = "timm/model.safetensors"


@dataclass(frozen=True, slots=True)
class Runnable:
    """Something in the folder that gives scores, and how it is run.

    Args:
        path: of the file that is meant.
        probe: the program that runs it.
        code: the Python file, for `with_torch`; empty: made anew from the architecture.
        weights: its weights, for `with_torch`; empty: they are not in the folder.
        dtype: that torch computes in.
        variant: name of the variant; empty: the network as it is.
    """

    path: str
    probe: Probe
    code: str = ""
    weights: str = ""
    dtype: DType = "float32"
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Format:
    """One word of `--to`.

    Args:
        files: writes a network.
        runnables: what of a network of this name gives scores.
        packages: that are needed.
        needs_weights: whether an untrained network cannot be written.
        require: raises where an architecture cannot be said in this format.
    """

    files: Callable[[Network], Files]
    runnables: Callable[[str], tuple[Runnable, ...]] = lambda name: ()
    packages: tuple[str, ...] = ()
    needs_weights: bool = False
    require: Callable[[Architecture], object] = lambda architecture: None


def chosen(names: Sequence[str], *, trained: bool, name: str) -> dict[str, Format]:
    """Returns the formats of these names.

    Raises:
        ExportError: a name is unknown, or a package is missing.
        NothingToExport: a format is about weights, and there are none.
    """
    for word in names:
        if word not in FORMATS:
            raise ExportError(f"a format must be one of {', '.join(FORMATS)}, got {word!r}; choose from them")
        require_packages(word, FORMATS[word].packages)
        if FORMATS[word].needs_weights and not trained:
            raise NothingToExport(
                f"{word} needs trained weights, got none for {name!r};"
                " export a complete trial, give --weights FILE, or leave it out"
            )
    return {word: FORMATS[word] for word in names}


def require_packages(what: str, packages: Sequence[str]) -> None:
    """Checks that packages can be imported.

    Raises:
        ExportError: one is missing; the message has the command that installs it.
    """
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise ExportError(
            f"{what} must have the package {missing[0]}, got an installation without it;"
            f" pip install {' '.join(missing)}"
        )


def written_source(network: Network, *, fold: bool = False) -> bytes:
    """Returns the network's Python file."""
    return python_source(
        network.architecture, preprocessing=network.preprocessing, notes=network.notes, fold=fold
    ).encode()


def written_weights(network: Network, tensors: dict[str, Any]) -> bytes:
    """Returns tensors as safetensors that say which network and which input they are for."""
    document = network.architecture.to_json()
    known = {"format": "pt", "architecture": document, "digest": network.architecture.digest}
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    return safetensors.torch.save(contiguous, metadata=known | preprocessing_json(network.preprocessing))


def _json(network: Network) -> Files:
    return {f"{network.name}.json": (network.architecture.to_json() + "\n").encode()}


def _python(network: Network) -> Files:
    return {f"{network.name}.py": written_source(network)}


def _safetensors(network: Network) -> Files:
    return {f"{network.name}.safetensors": written_weights(network, dict(network.tensors))}


def _onnx(network: Network) -> Files:
    write = importlib.import_module("search_space.export.onnx_file").onnx_bytes  # onnx may be missing
    content = write(network.architecture, network.tensors, preprocessing=network.preprocessing)
    return {f"{network.name}.onnx": content}


def _program(network: Network) -> Files:
    side = network.architecture.resolution
    shape = (network.architecture.input_channels, side, side)
    content = program_bytes(network.module, shape, preprocessing=network.preprocessing)
    return {f"{network.name}.pt2": content}


def _timm(network: Network) -> Files:
    written = timm_files(
        network.name, network.architecture, network.tensors, preprocessing=network.preprocessing
    )
    return {f"timm/{path}": content for path, content in written.items()}


def timm_path(name: str) -> str:
    """Returns the path of the file that registers a network with timm."""
    return f"timm/nas_{name}_timm.py"


def _graphml(network: Network) -> Files:
    return {f"{network.name}.graphml": graphml(network.architecture).encode()}


def _dot(network: Network) -> Files:
    return {f"{network.name}.dot": dot(network.architecture).encode()}


def _hub(network: Network) -> Files:
    """Returns a folder for a model hub; its README is the model card, written at last."""
    total, architecture = cost(network.architecture), network.architecture
    known: dict[str, Any] = {
        "library_name": "pytorch",
        "model_type": "image-classification",
        "python_file": f"{network.name}.py",
        "digest": architecture.digest,
        "resolution": architecture.resolution,
        "input_channels": architecture.input_channels,
        "num_classes": architecture.num_classes,
        "params": total.params,
        "macs": total.macs,
        "preprocessing": network.preprocessing.to_dict() if network.preprocessing else None,
        "architecture": architecture.to_dict(),
    }
    return {
        "hf/config.json": (json.dumps(known, indent=2, allow_nan=False) + "\n").encode(),
        f"hf/{network.name}.py": written_source(network),
        "hf/model.safetensors": written_weights(network, dict(network.tensors)),
    }


# The words of --to.
FORMATS: dict[str, Format] = {
    "json": Format(_json),
    "python": Format(
        _python,
        lambda name: (
            Runnable(f"{name}.py", "with_torch", code=f"{name}.py", weights=f"{name}.safetensors"),
        ),
    ),
    "safetensors": Format(
        _safetensors,
        lambda name: (Runnable(f"{name}.safetensors", "with_torch", weights=f"{name}.safetensors"),),
        needs_weights=True,
    ),
    "onnx": Format(
        _onnx,
        lambda name: (Runnable(f"{name}.onnx", "with_onnxruntime"),),
        packages=("onnx", "onnxruntime"),
    ),
    "torch-export": Format(_program, lambda name: (Runnable(f"{name}.pt2", "with_program"),)),
    "timm": Format(
        _timm,
        lambda name: (Runnable(timm_path(name), "with_timm", code=timm_path(name), weights=_TIMM_WEIGHTS),),
        require=timm_definition,
    ),
    "graphml": Format(_graphml),
    "dot": Format(_dot),
    "hf": Format(
        _hub,
        lambda name: (
            Runnable(f"hf/{name}.py", "with_torch", code=f"hf/{name}.py", weights="hf/model.safetensors"),
        ),
        needs_weights=True,
    ),
}
