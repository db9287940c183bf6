"""torchvision's and timm's networks with random weights, for tests alone; neither is a dependency of ours."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import math
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

# torchvision's operators written in C++, none of which a classifier uses. Its wheel belongs to another build of torch,
# where they cannot be loaded; declared, they let it be imported.
INTEGERS = "SymInt pooled_height, SymInt pooled_width"
SIZES = "SymInt batch_size, SymInt channels, SymInt height, SymInt width"
CONVOLUTION = (
    "Tensor bias, SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, "
    "SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask"
)
OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    f"roi_align(Tensor input, Tensor rois, float spatial_scale, {INTEGERS}, int sampling_ratio, bool aligned)"
    " -> Tensor",
    f"_roi_align_backward(Tensor grad, Tensor rois, float spatial_scale, {INTEGERS}, {SIZES}, int sampling_ratio, "
    "bool aligned) -> Tensor",
    f"roi_pool(Tensor input, Tensor rois, float spatial_scale, {INTEGERS}) -> (Tensor, Tensor)",
    f"_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, float spatial_scale, {INTEGERS}, {SIZES}) -> Tensor",
    f"ps_roi_align(Tensor input, Tensor rois, float spatial_scale, {INTEGERS}, int sampling_ratio) -> (Tensor, Tensor)",
    f"_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float spatial_scale, {INTEGERS}, "
    f"int sampling_ratio, {SIZES}) -> Tensor",
    f"ps_roi_pool(Tensor input, Tensor rois, float spatial_scale, {INTEGERS}) -> (Tensor, Tensor)",
    f"_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float spatial_scale, {INTEGERS}, {SIZES})"
    " -> Tensor",
    f"deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, {CONVOLUTION}) -> Tensor",
    f"_deform_conv2d_backward(Tensor grad, Tensor input, Tensor weight, Tensor offset, Tensor mask, {CONVOLUTION})"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
)
# Apart from the other packages: a torchvision that cannot be imported would break those that try to.
FOLDER = Path(sys.prefix) / "test-libraries"
POOL_SIZE = 1_000_003  # random numbers for weights; a prime, so that no row of a matrix repeats another


@lru_cache(maxsize=1)
def torchvision() -> Any:
    """Returns torchvision, imported with whatever build of torch there is."""
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    spec = importlib.util.find_spec("torchvision")
    assert spec is not None and spec.origin is not None, "torchvision must be installed: run `make test`"
    try:
        torch.ops.load_library(Path(spec.origin).parent / "_C_stable.so")
    except OSError:
        declared = torch.library.Library("torchvision", "DEF")
        for operator in OPERATORS:
            declared.define(operator)
        _KEPT.append(declared)
    return importlib.import_module("torchvision")


_KEPT: list[torch.library.Library] = []  # a library that is collected takes its operators with it


@lru_cache(maxsize=1)
def timm() -> Any:
    """Returns timm, which imports torchvision."""
    torchvision()
    return importlib.import_module("timm")


def library_module(source: str, name: str) -> nn.Module:
    """Returns a library's network with undefined weights; the name may have an argument, as in `f(width=0.5)`."""
    function, _, argument = name.rstrip(")").partition("(")
    key, _, value = argument.partition("=")
    arguments = {key: ast.literal_eval(value)} if key else {}
    if function == "googlenet":
        arguments["init_weights"] = False
    with torch.device("meta"):
        if source == "timm":
            module = timm().create_model(function, **arguments)
        else:
            module = torchvision().models.get_model(function, weights=None, **arguments)
    assert isinstance(module, nn.Module)
    return module.to_empty(device="cpu")


@torch.no_grad()
def randomise(module: nn.Module, image: torch.Tensor) -> None:
    """Fills a module with random weights, and its normalisations with the statistics that an image gives.

    So every layer has values of a common size behind it, and a wrong weight, padding or epsilon shows in the scores.
    """
    pool = torch.empty(POOL_SIZE).uniform_(-1.0, 1.0, generator=torch.Generator().manual_seed(0)).repeat(2)
    for index, (name, tensor) in enumerate(module.state_dict().items()):
        numbers = pool[index * 7919 % POOL_SIZE :]
        if name.endswith("num_batches_tracked"):
            tensor.fill_(index)
        elif tensor.dim() > 1:
            _fill(tensor, numbers, math.sqrt(6.0 / tensor[0].numel()))  # He et al. 2015: variance 2 / fan-in
        elif name.endswith(("weight", "running_var")):
            _fill(tensor, numbers, 0.3, 0.8)
        else:
            _fill(tensor, numbers, 0.2)
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    if norms:
        module.train()(image)


def _fill(tensor: torch.Tensor, numbers: torch.Tensor, scale: float, centre: float = 0.0) -> None:
    """Fills a tensor with numbers in [-1, 1], scaled and moved, over and over again."""
    for piece in tensor.view(-1).split(POOL_SIZE):
        torch.mul(numbers[: len(piece)], scale, out=piece).add_(centre)


def scores(module: nn.Module, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Returns class scores, then those of auxiliary classifiers, the one nearest to the image first."""
    result = module(image)
    if hasattr(result, "logits"):  # torchvision's GoogLeNet, which names them from the end
        return result.logits, result.aux_logits1, result.aux_logits2
    return result if isinstance(result, tuple) else (result,)
