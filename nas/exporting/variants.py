"""Smaller or quicker versions of a network, each with its own tolerance, and run like every other export.

`folded` has no normalisation left; `fp16` and `bf16` are half as large; `int8` is quantised statically, with ranges
from validation images (Jacob et al. 2018, section 3), by onnxruntime, per channel.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import torch

from nas.exporting.errors import ExportError
from nas.exporting.formats import DType, Files, Runnable, require_packages, written_source, written_weights
from nas.exporting.images import Images
from nas.exporting.network import EXACT, Network
from search_space.export.folding import folded_tensors
from search_space.lowering import parts

Written = tuple[Files, tuple[Runnable, ...]]


@dataclass(frozen=True, slots=True)
class Variant:
    """One word of `--variants`.

    Args:
        write: (network, formats, images) -> files and what can be run of them.
        formats: those it is made in; one of them must be asked for.
        tolerance: largest difference of its scores to the network's, as a share of the largest score; None: any, the
            accuracy decides.
        repeatable: largest difference of its scores to its own on another machine, as such a share.
        packages: that it needs.
    """

    write: Callable[[Network, Collection[str], Images], Written]
    formats: tuple[str, ...]
    tolerance: float | None
    repeatable: float
    packages: tuple[str, ...] = ()


def tolerance_of(variant: str) -> float | None:
    """Returns by how much scores may differ from the network's, as a share of the largest; None: by any amount."""
    return VARIANTS[variant].tolerance if variant else EXACT


def repeatability_of(variant: str) -> float:
    """Returns by how much scores may differ from the same file's on another machine, as a share of the largest."""
    return VARIANTS[variant].repeatable if variant else EXACT


def variants_of(
    names: Collection[str], network: Network, formats: Collection[str], images: Images
) -> Written:
    """Returns the files of the variants with these names, and what can be run of them.

    Raises:
        ExportError: a name is unknown, none of a variant's formats is asked for, or int8 has no images.
    """
    files: Files = {}
    runnables: list[Runnable] = []
    for word in names:
        if word not in VARIANTS:
            raise ExportError(
                f"a variant must be one of {', '.join(VARIANTS)}, got {word!r}; choose from them"
            )
        variant = VARIANTS[word]
        require_packages(word, variant.packages)
        if not set(variant.formats) & set(formats):
            raise ExportError(
                f"{word} must have one of the formats {', '.join(variant.formats)}, got {', '.join(formats)};"
                " add one to --to"
            )
        more, run = variant.write(network, formats, images)
        files |= more
        runnables += run
    return files, tuple(runnables)


def _folded(network: Network, formats: Collection[str], images: Images) -> Written:
    code, weights = f"{network.name}_folded.py", f"{network.name}_folded.safetensors"
    tensors = folded_tensors(list(parts(network.architecture)), network.tensors)
    files = {code: written_source(network, fold=True), weights: written_weights(network, tensors)}
    return files, (Runnable(code, "with_torch", code, weights, variant="folded"),)


def _half(name: str, dtype: DType) -> Callable[[Network, Collection[str], Images], Written]:
    def write(network: Network, formats: Collection[str], images: Images) -> Written:
        files: Files = {}
        runnables: list[Runnable] = []
        if {"safetensors", "hf"} & set(formats):
            path = f"{network.name}_{name}.safetensors"
            number = getattr(torch, dtype)
            files[path] = written_weights(
                network,
                {key: t.to(number) if t.is_floating_point() else t for key, t in network.tensors.items()},
            )
            runnables.append(Runnable(path, "with_torch", weights=path, dtype=dtype, variant=name))
        if "onnx" in formats and dtype == "float16":
            path = f"{network.name}_{name}.onnx"
            files[path] = importlib.import_module("search_space.export.onnx_file").onnx_bytes(
                network.architecture,
                network.tensors,
                preprocessing=network.preprocessing,
                dtype=np.float16,
            )
            runnables.append(Runnable(path, "with_onnxruntime", variant=name))
        return files, tuple(runnables)

    return write


def _int8(network: Network, formats: Collection[str], images: Images) -> Written:
    if not len(images.calibration):
        raise ExportError("int8 must have images to take its ranges from, got no data; give --data")
    quantised = importlib.import_module("nas.exporting.quantising").quantised
    onnx = importlib.import_module("search_space.export.onnx_file").onnx_bytes
    content = onnx(network.architecture, network.tensors, preprocessing=network.preprocessing)
    path = f"{network.name}_int8.onnx"
    return {path: quantised(content, images.calibration)}, (
        Runnable(path, "with_onnxruntime", variant="int8"),
    )


# The words of --variants. Tolerances: float16 keeps 11 bits and bfloat16 8, over tens of layers. Processors add up
# products of 8 bits in several ways, some of which saturate at 16 bits.
VARIANTS: dict[str, Variant] = {
    "folded": Variant(_folded, ("python", "safetensors", "hf"), EXACT, EXACT),
    "fp16": Variant(_half("fp16", "float16"), ("safetensors", "hf", "onnx"), 0.05, 0.01),
    "bf16": Variant(_half("bf16", "bfloat16"), ("safetensors", "hf"), 0.25, 0.05),
    "int8": Variant(_int8, ("onnx",), None, 0.1, ("onnx", "onnxruntime")),
}
