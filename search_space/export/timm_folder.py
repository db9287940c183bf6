"""A network as a folder that timm opens: a file that registers it, its configuration, its weights by timm's names.

import first_timm, timm                                             # first_timm.py lies in the folder
timm.create_model("local-dir:FOLDER", pretrained=True)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import save

from search_space.architecture import Architecture
from search_space.export.layout import Call, lines
from search_space.export.preprocessing import Preprocessing
from search_space.export.timm_definition import (
    TIMM_STEM_STRIDE,
    TimmDefinition,
    TimmError,
    timm_definition,
    timm_tensors,
)

_HOMES = {"EfficientNet": "timm.models.efficientnet", "MobileNetV3": "timm.models.mobilenetv3"}


def timm_files(
    name: str,
    architecture: Architecture,
    tensors: Mapping[str, torch.Tensor],
    *,
    preprocessing: Preprocessing | None = None,
) -> dict[str, bytes]:
    """Returns the folder's files by name.

    Args:
        name: of the network, a Python identifier; in timm's registry it stands with `nas_` before it.
        architecture: what to write.
        tensors: all its parameters and buffers by our names.
        preprocessing: becomes `mean`, `std` and `label_names`.

    Raises:
        TimmError: timm's builder cannot express the network.
    """
    definition, name = timm_definition(architecture), f"nas_{name}"
    configuration = _configuration(name, architecture, preprocessing)
    return {
        "config.json": (json.dumps(configuration, indent=2) + "\n").encode(),
        "model.safetensors": save(timm_tensors(definition, tensors), metadata={"format": "pt"}),
        f"{name}_timm.py": _source(name, definition).encode(),
    }


def _configuration(
    name: str, architecture: Architecture, preprocessing: Preprocessing | None
) -> dict[str, Any]:
    definition = timm_definition(architecture)
    return {
        "architecture": name,
        "num_classes": architecture.num_classes,
        "num_features": definition.arguments["num_features"],
        "global_pool": "avg",
        "pretrained_cfg": _pretrained(architecture, preprocessing),
        "definition": definition.to_dict(),
    }


def require_timm_folder(files: Mapping[str, bytes], name: str, architecture: Architecture) -> None:
    """Checks that opening a folder with timm does no more than opening one of ours: before one from elsewhere is run.

    Args:
        files: the folder's, by name.
        name, architecture: of the network that it must be for.

    Raises:
        TimmError: it holds other files, other Python, or a configuration that asks for more.
    """
    module, known = f"nas_{name}_timm.py", {"mean", "std", "label_names"}
    what = sorted(files)
    if name.isidentifier() and what == sorted(("config.json", "model.safetensors", module)):
        source = _source(f"nas_{name}", timm_definition(architecture)).encode()
        what = [module]
        if files[module] == source:
            what = ["config.json"]
            if _without(files["config.json"], known) == _configuration(f"nas_{name}", architecture, None):
                return
    raise TimmError(
        f"a folder for timm must hold what `nas export` writes for its network, got {', '.join(what)!a} with"
        " something else; export it again"
    )


def _without(content: bytes, keys: set[str]) -> Any:
    """Returns a configuration without what says how images are normalised; None where it is none."""
    try:
        configuration = json.loads(content)
        for key in keys:
            configuration["pretrained_cfg"].pop(key, None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return configuration


def _pretrained(architecture: Architecture, preprocessing: Preprocessing | None) -> dict[str, Any]:
    side = architecture.resolution
    known: dict[str, Any] = {
        "input_size": [architecture.input_channels, side, side],
        "num_classes": architecture.num_classes,
        "crop_pct": 1.0,
        "interpolation": "bilinear",
        "first_conv": "conv_stem",
        "classifier": "classifier",
    }
    if preprocessing is not None:
        known |= {"mean": list(preprocessing.mean), "std": list(preprocessing.std)}
        known |= {"label_names": list(preprocessing.classes)}
    return known


def _source(name: str, definition: TimmDefinition) -> str:
    kind, given = definition.kind, definition.arguments
    stride = given["stem_stride"]
    stages = [Call("[", [f'"{word}"' for word in words], "]") for words in definition.arch_def]
    arguments = ["block_args=decode_arch_def(ARCH_DEF)", "round_chs_fn=int"]
    for key in ("num_classes", "in_chans", "stem_size", "stem_kernel_size", "num_features"):
        arguments += [f"{key}={given[key]}"] if key in given else []
    arguments += [f'act_layer=get_act_layer("{given["act_layer"]}")', f'pad_type="{given["pad_type"]}"']
    arguments += [f"norm_layer=partial(nn.BatchNorm2d, eps={given['norm_eps']!r})"]
    if given["squeeze"]:
        activation, gate = given["squeeze"]
        squeeze = f'SqueezeExcite, force_act_layer="{activation}", gate_layer="{gate}"'
        arguments += [f"se_layer=partial({squeeze})"]
    arguments += ["se_from_exp=False"] if kind == "MobileNetV3" else []
    body = [
        *lines(Call("arguments: dict[str, Any] = dict(", arguments), 1),
        f'    network = build_model_with_cfg({kind}, "{name}", pretrained, **(arguments | kwargs))',
        *([f"    network.conv_stem.stride = ({stride}, {stride})"] if stride != TIMM_STEM_STRIDE else []),
        "    return network",
    ]
    blocks = ["from timm.models._efficientnet_blocks import SqueezeExcite"] if given["squeeze"] else []
    imported = [
        "from timm.layers import get_act_layer",
        "from timm.models import register_model",
        "from timm.models._builder import build_model_with_cfg",
        *blocks,
        "from timm.models._efficientnet_builder import decode_arch_def",
        f"from {_HOMES[kind]} import {kind}",
        "from torch import nn",
    ]
    return f'''"""The network `{name}` for timm: importing this file registers it, and the folder holds its weights.

    timm.create_model("local-dir:FOLDER", pretrained=True)
"""

from __future__ import annotations

from functools import partial
from typing import Any

{_joined(imported)}

{_joined(lines(Call("ARCH_DEF = [", stages, "]"), 0))}


@register_model
def {name}(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """Returns the network, with the weights of its folder where `pretrained`."""
{_joined(body)}
'''


def _joined(text: list[str]) -> str:
    return "\n".join(text)
