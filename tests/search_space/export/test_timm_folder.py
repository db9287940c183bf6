"""timm builds the same network from what is written for it; what it cannot build is refused with the reason."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from search_space import Architecture, Stage, open_space, reference, reference_names
from search_space.blocks import ConvOptions, MBConvOptions, SeparableOptions, SqueezeExcitation, StemOptions
from search_space.export.preprocessing import Preprocessing
from search_space.export.timm_definition import TimmError, timm_definition
from search_space.export.timm_folder import timm_files
from tests.search_space.export.networks import TINY, images, lively
from tests.search_space.weight_sources.libraries import timm


def _require_same(name: str, network: Architecture, folder: Path) -> None:
    module = lively(network)
    known = Preprocessing(network.resolution, (0.4,) * 3, (0.2,) * 3, tuple("abcde"))
    for path, content in timm_files(name, network, module.state_dict(), preprocessing=known).items():
        (folder / path).write_bytes(content)
    library = timm()
    spec = importlib.util.spec_from_file_location(f"nas_{name}", folder / f"nas_{name}_timm.py")
    assert spec is not None and spec.loader is not None
    registering = importlib.util.module_from_spec(spec)
    sys.modules[f"nas_{name}"] = registering  # where timm looks for what it registers
    spec.loader.exec_module(registering)
    theirs = library.create_model(f"local-dir:{folder}", pretrained=True).eval()
    given = images(network, 2)
    with torch.no_grad():
        torch.testing.assert_close(theirs(given), module(given), atol=1e-4, rtol=1e-4)
    assert list(theirs.pretrained_cfg["input_size"]) == [3, network.resolution, network.resolution]
    assert theirs.pretrained_cfg["mean"] == [0.4] * 3


@pytest.mark.parametrize(
    "name",
    [
        "mnasnet_a1_0_35",
        "mobilenet_v2_0_35_224",
        "mobilenet_v3_small_0_75",
        "efficientnet_v2_b0",
        "efficientnet_b0",
    ],
)
def test_reference_networks_are_the_same_in_timm(name: str, tmp_path: Path) -> None:
    _require_same(name, reference(name).at(resolution=64, num_classes=5), tmp_path)


def test_a_searched_network_for_small_images_is_the_same_in_timm(tmp_path: Path) -> None:
    blocks = (
        Stage("conv", 2, 12, 1, ConvOptions(3, skip="identity")),
        Stage("separable", 2, 20, 2, SeparableOptions(5, "relu6")),
        Stage("mbconv", 3, 24, 2, MBConvOptions(1, 5, squeeze=SqueezeExcitation(0.3))),
        Stage("mbconv", 2, 24, 1, MBConvOptions(2, 3, skip="none", squeeze=SqueezeExcitation(0.5))),
    )
    small = replace(TINY, stem=Stage("stem", 1, 10, 1), stages=blocks)
    _require_same("small", small, tmp_path)


def test_nearly_all_networks_of_its_families_can_be_said() -> None:
    families = ("mnasnet", "mobilenet", "efficientnet")
    names = [name for name in reference_names() if name.startswith(families)]
    refused = []
    for name in names:
        try:
            timm_definition(reference(name))
        except TimmError:
            refused.append(name)
    assert refused == ["mobilenet_v1_conv_full"] or set(refused) <= {"mobilenet_v1_conv_full"}


STEM = Stage("stem", 1, 8, 2, StemOptions(activation="silu"))


@pytest.mark.parametrize(
    ("network", "says"),
    [
        (reference("resnet18"), "normalised convolution"),
        (replace(TINY, stages=(Stage("shuffle_v2", 1, 16, 2),)), "the block shuffle_v2"),
        (replace(TINY, stem=STEM), "same activation in stem and head"),
        (replace(TINY, stages=(Stage("mbconv", 1, 8, 4),)), "strides of 1 and 2, got 4"),
        (replace(TINY, stages=(Stage("mbconv", 1, 8, 1, MBConvOptions(1.5)),)), "multiples of 8, got 12"),
        (replace(TINY, stages=(Stage("mbconv", 1, 8, 1, MBConvOptions(skip="pool")),)), "pooled"),
        (replace(TINY, stages=(Stage("mbconv", 1, 8, 1, MBConvOptions(activation="elu")),)), "got elu"),
        (replace(TINY, stages=(Stage("conv", 1, 8, 1, ConvOptions(bias=True)),)), "no more"),
        (replace(TINY, stages=()), "have a stage"),
    ],
)
def test_what_timm_cannot_build_is_refused_with_the_reason(network: Architecture, says: str) -> None:
    with pytest.raises(TimmError, match=says):
        timm_definition(network)


def test_points_of_a_space_are_said_or_refused_but_nothing_else_happens() -> None:
    space, rng = open_space("mnasnet", resolution=96, num_classes=10), np.random.default_rng(0)
    said = 0
    for _ in range(40):
        try:
            definition = timm_definition(space.decode(space.sample(rng)))
        except TimmError:
            continue
        said += 1
        assert len(definition.arch_def) > 0
    assert said < 40  # pooled skips are in most of them
