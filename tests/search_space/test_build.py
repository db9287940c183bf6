"""A built module is the architecture: readable names, fresh weights by seed, rates where they belong."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from torch import nn

from search_space import Architecture, Conventions, Stage, reference
from search_space.blocks import ClassifierOptions, MBConvOptions, SqueezeExcitation
from search_space.build import build, linear_drop_path
from search_space.modules import DropPath
from tests.search_space.architectures import architectures

TINY = Architecture(
    16,
    Stage("stem", 1, 8, 2),
    (Stage("mbconv", 3, 16, 2, MBConvOptions(3, squeeze=SqueezeExcitation())), Stage("separable", 1, 24, 2)),
    Stage("classifier", 1, 32, options=ClassifierOptions(hidden=(12,))),
    num_classes=5,
)


def test_weights_have_readable_names() -> None:
    names = set(build(TINY, seed=0).state_dict())
    assert {"stem.conv.weight", "stages.0.blocks.2.depthwise.weight", "head.linear.bias"} <= names
    assert "stages.0.blocks.0.squeeze_reduce.bias" in names


def test_the_forward_is_python_that_can_be_read() -> None:
    assert "self.head.linear(head_dropout)" in build(TINY, device="meta").code


def test_a_seed_gives_the_same_weights_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, second, other = build(TINY, seed=3), build(TINY, seed=3), build(TINY, seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.get_parameter("stem.conv.weight"), other.get_parameter("stem.conv.weight"))


def test_without_a_seed_the_global_generator_draws() -> None:
    torch.manual_seed(7)
    first = build(TINY)
    torch.manual_seed(7)
    second = build(TINY)
    assert torch.equal(first.get_parameter("stem.conv.weight"), second.get_parameter("stem.conv.weight"))


def test_weights_start_as_documented() -> None:
    wide = Architecture(8, Stage("stem", 1, 512), (Stage("separable", 1, 512),), Stage("classifier", 1, 0))
    module = build(wide, seed=0)
    weight = module.get_parameter("stem.conv.weight")
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (512 * 9)), rel=0.05)
    depthwise = module.get_parameter(
        "stages.0.blocks.0.depthwise.weight"
    )  # a group has one output: fan-out 9
    assert depthwise.std().item() == pytest.approx(math.sqrt(2 / 9), rel=0.05)
    assert module.get_parameter("head.linear.weight").std().item() == pytest.approx(0.01, rel=0.05)
    assert not module.get_parameter("head.linear.bias").any()


def test_residual_branches_start_silent_and_only_they() -> None:
    module = build(TINY, seed=0)
    scales = {name: tensor for name, tensor in module.named_parameters() if name.endswith("_norm.weight")}
    silent = {name for name, tensor in scales.items() if not tensor.any()}
    assert silent == {f"stages.0.blocks.{copy}.project_norm.weight" for copy in (1, 2)}
    loud = build(TINY, seed=0, zero_init_residual=False)
    assert all(torch.equal(t, torch.ones_like(t)) for n, t in loud.named_parameters() if n in scales)


def test_drop_path_rises_linearly_to_the_last_block() -> None:
    module = build(TINY, drop_path=0.3, dropout=0.2, norm_momentum=0.01, device="meta")
    drops = [layer.p for layer in module.modules() if isinstance(layer, DropPath)]
    assert drops == pytest.approx([0.15, 0.225])  # the second and third of four blocks have a skip
    assert {layer.p for layer in module.modules() if isinstance(layer, nn.Dropout)} == {0.2}
    assert {layer.momentum for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)} == {0.01}


def test_stochastic_depth_keeps_as_many_blocks_as_in_the_paper() -> None:
    # (3L - 1) / 4 of L = 54 blocks at p_L = 0.5: 40.25 of ResNet-110 (Huang et al. 2016, section 3)
    module = build(reference("stochastic_depth_resnet110"), drop_path=0.5, device="meta")
    chances = [layer.p for layer in module.modules() if isinstance(layer, DropPath)]
    assert len(chances) == 54 and chances == list(linear_drop_path(54, 0.5))
    assert sum(1.0 - chance for chance in chances) == pytest.approx(40.25)


def test_drop_path_may_be_given_per_block() -> None:
    module = build(TINY, drop_path=(0.0, 0.5, 0.25, 0.0), device="meta")
    assert [layer.p for layer in module.modules() if isinstance(layer, DropPath)] == [0.5, 0.25]


@pytest.mark.parametrize(
    ("builds", "message"),
    [
        (partial(build, dropout=1.0), r"dropout must be in \[0, 1\), got 1.0"),
        (partial(build, drop_path=-0.1), r"drop_path must be in \[0, 1\), got -0.1"),
        (partial(build, drop_path=(0.1,)), "drop_path must have a chance per block, got 1 for 4"),
        (partial(build, norm_momentum=0.0), r"norm_momentum must be in \(0, 1\], got 0.0"),
    ],
)
def test_a_rate_outside_its_interval_is_refused(builds: Callable[..., object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        builds(TINY, device="meta")


def test_auxiliary_scores_follow_the_scores() -> None:
    network = reference("googlenet_v1_original_aux").at(num_classes=7)
    image = torch.empty(2, 3, 224, 224, device="meta")
    assert [tuple(scores.shape) for scores in build(network, device="meta")(image)] == [(2, 7)] * 3
    assert build(replace(network, auxiliary=()), device="meta")(image).shape == (2, 7)


def test_same_padding_sees_other_pixels_but_has_the_same_sizes() -> None:
    symmetric = build(TINY, seed=0).eval()
    same = build(replace(TINY, conventions=Conventions("same")), seed=0).eval()
    image = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert same(image).shape == symmetric(image).shape
    assert not torch.allclose(same(image), symmetric(image), atol=1e-6)


def test_a_module_can_be_copied_and_takes_one_image_in_evaluation() -> None:
    module = build(TINY, seed=0).eval()
    image = torch.randn(1, 3, 19, 33, generator=torch.Generator().manual_seed(0))
    assert torch.equal(copy.deepcopy(module)(image), module(image))


@settings(max_examples=5)
@given(architectures())
def test_gradients_reach_every_parameter(architecture: Architecture) -> None:
    _train_once(architecture)


@pytest.mark.slow
@settings(max_examples=100)
@given(architectures())
def test_gradients_reach_every_parameter_of_many_architectures(architecture: Architecture) -> None:
    _train_once(architecture)


def _train_once(architecture: Architecture) -> None:
    try:
        module = build(architecture, seed=0, zero_init_residual=False)
    except ValueError:
        return
    side = architecture.resolution
    image = torch.randn(
        4, architecture.input_channels, side, side, generator=torch.Generator().manual_seed(1)
    )
    scores = module.train()(image)
    assert scores.shape == (4, architecture.num_classes)
    scores.square().sum().backward()
    assert not [name for name, weight in module.named_parameters() if weight.grad is None]
