"""Every reference network has exactly the measured parameters and MACs, by arithmetic and by counting its module."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from search_space import (
    Architecture,
    ArchitectureError,
    UnknownNetwork,
    cost,
    family,
    reference,
    reference_names,
    scale,
)
from search_space.build import build
from search_space.zoo.shufflenet import CHANNELS, shufflenet
from tests.search_space.kinds import reference_parameters

ROWS = json.loads((Path(__file__).parent / "data" / "measured.json").read_text(encoding="utf-8"))
MEASURED = {
    row["name"]: row for row in ROWS if row["family"] not in ("efficientnet_scaling", "efficientnet_fixres")
}
# A port that pads and crops computes one more row and column: this is not the network's count but the port's.
PADDED_AND_CROPPED = {"nasnet_a_mobile_4_1056": 568_234_858 - 563_638_816}
MOBILE = ("mobilenet_v2", "mobilenet_v3", "mnasnet", "efficientnet")


@pytest.mark.parametrize("name", MEASURED)
def test_arithmetic_gives_the_measured_integers(name: str) -> None:
    row = MEASURED[name]
    network = reference(name)
    total = cost(network)
    assert (network.resolution, network.num_classes) == (row["input_size"], row["num_classes"])
    assert (total.params, total.macs + PADDED_AND_CROPPED.get(name, 0)) == (row["params"], row["macs"])
    assert family(name) == row["family"]


@cache
def _count_module(network: Architecture) -> None:
    """Counts without the training form of normalisation and without gradients, which count the same and take longer."""
    module = build(network, device="meta").eval()
    image = torch.empty(1, 3, network.resolution, network.resolution, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(image)
    total = cost(network)
    assert sum(weight.numel() for weight in module.parameters()) == total.params
    assert counter.get_total_flops() == 2 * total.macs


@pytest.mark.parametrize(
    "name", ["mnasnet_a1_1_0", "mobilenet_v3_large_1_0", "efficientnet_b0", "mobilenet_v2_1_0_224"]
)
def test_counting_the_module_gives_the_same(name: str) -> None:
    _count_module(reference(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", reference_parameters())
def test_counting_every_module_gives_the_same(name: str) -> None:
    _count_module(reference(name))


def test_b1_to_b7_are_b0_scaled() -> None:
    b0 = reference("efficientnet_b0")
    assert reference("efficientnet_b3") == scale(b0, width=1.2, depth=1.4, resolution=300 / 224)
    assert reference("efficientnet_b7") == scale(b0, width=2.0, depth=3.1, resolution=600 / 224)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNetwork, match="did you mean .*efficientnet_b0"):
        reference("eficientnet_b0")
    with pytest.raises(UnknownNetwork, match="nas zoo list"):
        reference("transformer")


def test_names_are_the_same_every_time_and_none_twice() -> None:
    assert len(set(reference_names())) == len(reference_names()) == len(reference_names())
    assert all(name == name.strip() and " " not in name for name in reference_names())


def test_a_wide_resnet_of_width_one_is_a_preactivation_resnet() -> None:
    from search_space.zoo.preact_resnet import BASIC, preact_cifar, wide_resnet

    assert wide_resnet(112, 1) == preact_cifar(18, 16, BASIC) == reference("preresnet110_cifar10")


@pytest.mark.parametrize("groups", CHANNELS)
@pytest.mark.parametrize("width", [0.25, 0.5, 1.0, 1.5, 2.0])
def test_every_shufflenet_whose_widths_its_groups_divide_is_in_the_zoo(groups: int, width: float) -> None:
    prefix = f"shufflenet_v1_g{groups}_x{width:g}".replace(".", "_")
    named = [
        name for name in reference_names() if re.fullmatch(rf"{prefix}(_0)?(_stem\d+|_megvii|_se)?", name)
    ]
    exists = int(CHANNELS[groups] * width) / 4 % groups == 0
    assert bool(named) == exists
    assert {reference(name).stages[0].channels for name in named} <= {int(CHANNELS[groups] * width)}
    if not exists:
        with pytest.raises(ArchitectureError, match="groups must divide"):
            cost(shufflenet(groups, width, 24))
