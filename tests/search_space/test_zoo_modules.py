"""Every reference network computes and learns: gradients, epochs on the digits, odd and single images.

What is computed with real numbers is shrunk, as `shrunken.py` says: a network of about twelve blocks for its gradients
(of full depth in the long tests), one of about five blocks for its steps: a few of every network, a whole epoch of the
quickest of each family (of every network in the long tests). One network of each family, at its own width and depth,
takes a few steps as well. Shapes of odd images are compared on the meta device at full width and size, of networks of
about 12 blocks (`test_zoo.py` counts the whole ones). What shrinks to the same network is computed once. Where a
test is of every network, those that differ from a smaller one only in widths, depths and resolutions are long tests.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import fx, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from search_space import Architecture, cost, family, lower, reference, reference_names
from search_space.build import build
from search_space.zoo import FAMILIES
from tests.search_space.kinds import reference_parameters
from tests.search_space.shrunken import first_stages, for_an_epoch, less_deep, shrunken, small_images

QUICK = ("googlenet_v1_original_aux", "mobilenet_v3_small_1_0", "shufflenet_v2_x0_5", "condensenet74_c8g8")
MAX_BLOCKS = 12
BATCH = 16
NUM_IMAGES = 256
# Families that need more steps to begin: plain deep ones, and residual branches that start at zero behind a thin stem.
SLOW_STARTERS = {"alexnet": 1024, "zfnet": 1024, "vgg": 1024} | dict.fromkeys(
    ("resnet_cifar", "stochastic_depth", "preact_resnet", "wide_resnet"), 640
)
LEARNING_RATE, LEARNING_RATE_OF_SLOW_STARTERS, LEARNING_RATE_WITHOUT_NORM = 2e-3, 5e-3, 3e-4  # falling to 0
NUM_TRAINING = 1437  # of the 1,797 digits; the others are not seen in a whole epoch
EPOCH_BATCH, EPOCH_RATE, EPOCH_RATE_WITHOUT_NORM = 32, 5e-3, 1e-3
# Without normalisation they have hardly begun after the 45 steps of an epoch.
BEGINNERS = ("alexnet", "zfnet")
AS_THEY_ARE = (
    "alexnet_torchvision",
    "zfnet",
    "vgg11",
    "googlenet_v1_original",
    "resnet50",
    "resnet56_cifar10_optA",
    "stochastic_depth_resnet110",
    "preresnet110_cifar10",
    "wrn_16_8_cifar10",
    "resnext50_32x4d",
    "se_resnet50",
    "dpn68",
    "condensenet50_cifar10",
    "shufflenet_v1_g3_x1",
    "shufflenet_v2_x1_0",
    "mobilenet_v1_1_0_224",
    "mobilenet_v2_1_0_224",
    "mobilenet_v3_small_1_0",
    "mnasnet_a1_1_0",
    "nasnet_a_mobile_4_1056",
    "efficientnet_b0",
    "efficientnet_v2_b0",
)
NUM_STEPS, STEP_RATE, STEP_RATE_WITHOUT_NORM = 4, 2e-3, 1e-4


@cache
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the embedded handwritten digits: images [n, 1, 8, 8] of mean 0 and deviation 1, and labels."""
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return ((images - images.mean()) / images.std())[order], torch.tensor(data.target)[order]


def loss(module: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Returns the mean cross entropy; auxiliary classifiers count like the main one."""
    scores = module(images)
    every = scores if isinstance(scores, tuple) else (scores,)
    return torch.stack([F.cross_entropy(each, labels) for each in every]).mean()


def resized(images: torch.Tensor, network: Architecture) -> torch.Tensor:
    return F.interpolate(images, size=network.resolution)


@cache
def without_gradient(network: Architecture) -> list[str]:
    """Returns the parameters that a backward pass does not reach; checks one image alone on the way.

    A gate of one hidden unit may be dead in one draw of the weights: it must live in one of three.
    """
    images, labels = digits()
    images, labels = resized(images[:BATCH], network), labels[:BATCH]
    missing = set()
    for seed in range(3):
        # the statistics of the batch stay: without them, values explode in a thousand untrained layers
        module = build(network, seed=seed, zero_init_residual=False, norm_momentum=1.0)
        loss(module, images, labels).backward()
        _check_one_image(module.eval(), images[:2])
        unreached = {name for name, weight in module.named_parameters() if not _reached(weight)}
        missing = unreached if seed == 0 else missing & unreached
        if not missing:
            break
    return sorted(missing)


def _reached(weight: nn.Parameter) -> bool:
    return weight.grad is not None and bool(weight.grad.isfinite().all()) and bool(weight.grad.any())


@torch.no_grad()
def _check_one_image(module: nn.Module, images: torch.Tensor) -> None:
    both, one = module(images), module(images[:1])
    pairs = zip(both, one, strict=True) if isinstance(both, tuple) else [(both, one)]
    for pair, single in pairs:
        assert single.shape == (1, 10)
        # sums of other orders grow apart in a thousand layers
        assert torch.allclose(pair[:1], single, rtol=0.0, atol=1e-2 * float(pair.abs().max()))


@cache
def losses(network: Architecture, num_images: int) -> tuple[float, float]:
    """Returns the loss on 64 images before and after one pass over some, with the statistics of these 64."""
    module = build(network, seed=0)
    images, labels = digits()
    images, labels = resized(images[:num_images], network), labels[:num_images]
    rate = LEARNING_RATE_OF_SLOW_STARTERS if num_images > NUM_IMAGES else LEARNING_RATE
    rate = rate if is_normalised(module) else LEARNING_RATE_WITHOUT_NORM
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate)
    before = loss(module, images[:64], labels[:64]).item()
    for start in range(0, num_images, BATCH):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1.0 - start / num_images)
        optimizer.zero_grad()
        loss(module, images[start : start + BATCH], labels[start : start + BATCH]).backward()
        optimizer.step()
    return before, loss(module, images[:64], labels[:64]).item()


@cache
def quickest_of_each_family() -> dict[str, Architecture]:
    """Returns the network of each family with the fewest operators for an epoch, then the fewest multiply-adds."""
    quickest: dict[str, tuple[tuple[int, int], Architecture]] = {}
    for name in reference_names():
        network = for_an_epoch(name)
        price = len(lower(network).nodes), cost(network).macs
        if family(name) not in quickest or price < quickest[family(name)][0]:
            quickest[family(name)] = price, network
    return {group: first_stages(network) for group, (_, network) in quickest.items()}


def is_normalised(module: nn.Module) -> bool:
    return any(isinstance(layer, nn.BatchNorm2d) for layer in module.modules())


@cache
def held_out_losses(network: Architecture) -> tuple[float, float]:
    """Returns the loss on the held-out digits before and after a whole epoch of the others, with their statistics."""
    module = build(
        network, seed=0, zero_init_residual=False
    )  # branches that start at zero take epochs to begin
    images, labels = digits()
    images = resized(images, network)
    rate = EPOCH_RATE if is_normalised(module) else EPOCH_RATE_WITHOUT_NORM
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate, fused=True)
    unseen = images[NUM_TRAINING:], labels[NUM_TRAINING:]
    with torch.no_grad():
        before = loss(module, *unseen).item()
    for start in range(0, NUM_TRAINING, EPOCH_BATCH):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1.0 - start / NUM_TRAINING)
        stop = min(start + EPOCH_BATCH, NUM_TRAINING)
        optimizer.zero_grad()
        loss(module, images[start:stop], labels[start:stop]).backward()
        optimizer.step()
    with torch.no_grad():
        return before, loss(module, *unseen).item()


@cache
def losses_of_steps(
    network: Architecture, rate_without_norm: float = STEP_RATE_WITHOUT_NORM
) -> tuple[float, ...]:
    """Returns the loss on one batch before each of a few steps on it, and after them."""
    module = build(network, seed=0)
    images, labels = digits()
    images, labels = resized(images[:BATCH], network), labels[:BATCH]
    rate = STEP_RATE if is_normalised(module) else rate_without_norm
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate)
    found = []
    for _ in range(NUM_STEPS):
        optimizer.zero_grad()
        now = loss(module, images, labels)
        now.backward()
        optimizer.step()
        found.append(now.item())
    with torch.no_grad():
        return (*found, loss(module, images, labels).item())


def _check_steps(name: str) -> None:
    before, after = losses(for_an_epoch(name), SLOW_STARTERS.get(family(name), NUM_IMAGES))
    assert after < before - 0.02


class Shapes(fx.Interpreter):
    """Runs a module and remembers the shape of everything that it computes, in order."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.shapes: list[tuple[int, ...]] = []

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n.op in ("call_module", "call_function"):
            self.shapes.append(tuple(result.shape[1:]))
        return result


@cache
def _check_odd_input(network: Architecture) -> None:
    even = network.resolution // 2 * 2
    shape = (network.input_channels, even + 7, even + 19)
    module = build(network, input_shape=shape, device="meta")
    shapes = Shapes(module)
    with FlopCounterMode(display=False) as counter:
        shapes.run(torch.empty(1, *shape, device="meta"))
    assert shapes.shapes == [node.shape for node in lower(network, shape).nodes]
    assert counter.get_total_flops() == 2 * cost(network, shape).macs


@pytest.mark.parametrize("name", QUICK)
def test_gradients_reach_every_parameter(name: str) -> None:
    assert without_gradient(shrunken(name)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", reference_parameters())
def test_gradients_reach_every_parameter_of_every_network(name: str) -> None:
    assert without_gradient(shrunken(name, max_blocks=MAX_BLOCKS)) == []


@pytest.mark.long
@pytest.mark.parametrize("name", reference_names())
def test_gradients_reach_every_parameter_of_every_network_at_its_own_depth(name: str) -> None:
    assert without_gradient(shrunken(name)) == []


@pytest.mark.parametrize("name", QUICK)
def test_a_part_of_an_epoch_lowers_the_loss(name: str) -> None:
    _check_steps(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", reference_parameters())
def test_steps_lower_the_loss_of_every_network(name: str) -> None:
    before, *_, after = losses_of_steps(for_an_epoch(name), LEARNING_RATE_WITHOUT_NORM)
    assert after < before - 0.01


@pytest.mark.slow
@pytest.mark.parametrize("group", FAMILIES)
def test_a_whole_epoch_lowers_the_loss_on_digits_that_were_not_seen(group: str) -> None:
    before, after = held_out_losses(quickest_of_each_family()[group])
    assert after < (0.99 if group in BEGINNERS else 0.9) * before


@pytest.mark.long
@pytest.mark.parametrize("name", reference_names())
def test_a_whole_epoch_of_every_network_lowers_the_loss_on_digits_that_were_not_seen(name: str) -> None:
    before, after = held_out_losses(for_an_epoch(name))
    assert after < (0.99 if family(name) in BEGINNERS else 0.9) * before


@pytest.mark.slow
@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_steps_lower_the_loss_of_a_network_of_each_family_at_its_own_width_and_depth(name: str) -> None:
    network = small_images(replace(reference(name), num_classes=10, input_channels=1))
    found = losses_of_steps(network)
    assert found[-1] < found[0] - 0.01


def test_a_network_of_each_family_is_trained_at_its_own_width_and_depth() -> None:
    assert [family(name) for name in AS_THEY_ARE] == list(FAMILIES)


@pytest.mark.parametrize("name", QUICK)
def test_odd_images_that_are_not_square_give_the_computed_shapes(name: str) -> None:
    _check_odd_input(less_deep(reference(name), MAX_BLOCKS).at(resolution=224, num_classes=1000))


@pytest.mark.slow
@pytest.mark.parametrize("name", reference_parameters())
def test_odd_images_that_are_not_square_give_the_computed_shapes_in_every_network(name: str) -> None:
    _check_odd_input(less_deep(reference(name), MAX_BLOCKS).at(resolution=224, num_classes=1000))
