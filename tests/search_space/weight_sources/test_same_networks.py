"""Every network of torchvision and timm that is ours gives the same scores and gradients with the same weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from search_space.weight_sources import SOURCES, counterpart, counterpart_names, naming_of, source_names
from search_space.weights import load_weights
from tests.search_space.weight_sources.libraries import library_module, randomise, scores, torchvision

TOLERANCE = 1e-4
SIZE = (35, 42)  # odd and even maps at every stride, so that all ways to pad differ
ALEXNETS_SIZE = (67, 74)  # it takes no less than 63
NETWORKS = [(source, name) for source in SOURCES for name in counterpart_names(source)]
QUICK = {
    "torchvision": (
        "alexnet",
        "googlenet",
        "resnet18",
        "shufflenet_v2_x0_5",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "mnasnet0_5",
        "efficientnet_b0",
        "efficientnet_b5",
        "efficientnet_v2_s",
    ),
    "timm": (
        "resnet50",
        "seresnet50",
        "legacy_seresnet50",
        "dpn68",
        "mobilenetv1_100",
        "mobilenetv2_035",
        "mobilenetv3_small_100",
        "tf_mobilenetv3_large_minimal_100",
        "semnasnet_050",
        "mnasnet_small",
        "tf_efficientnet_b0",
        "tf_efficientnetv2_b0",
    ),
}
ONE_OF_EACH_FAMILY = {
    "torchvision": (
        "alexnet",
        "vgg11_bn",
        "googlenet",
        "resnet18",
        "resnext50_32x4d",
        "shufflenet_v2_x0_5",
        "mobilenet_v2(width_mult=0.35)",
        "mobilenet_v3_small",
        "mnasnet0_5",
        "efficientnet_b0",
        "efficientnet_v2_s",
    ),
    "timm": (
        "vgg11",
        "legacy_seresnet50",
        "seresnet50",
        "dpn68",
        "mobilenetv1_100",
        "mobilenetv2_035",
        "tf_mobilenetv3_small_100",
        "semnasnet_050",
        "mnasnet_050",
        "nasnetalarge",
        "tf_efficientnet_b0",
        "tf_efficientnetv2_b0",
    ),
}
# What torchvision has for classification and the reference networks have not.
NOT_OURS = ("convnext", "densenet", "inception_v3", "maxvit", "regnet", "squeezenet", "swin", "vit")


def _image(name: str) -> torch.Tensor:
    size = ALEXNETS_SIZE if name == "alexnet" else SIZE
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))


def _pair(source: str, name: str, image: torch.Tensor) -> tuple[nn.Module, nn.Module]:
    """Returns a library's network and ours, for evaluation and with the same random weights."""
    theirs = library_module(source, name)
    randomise(theirs, image)
    ours = load_weights(counterpart(name, source=source), theirs.state_dict(), source=source)
    theirs.eval().training = (
        name == "googlenet"
    )  # at its top alone: so that it gives all scores, without dropout
    return theirs, ours.eval()


@torch.no_grad()
def _compare_scores(source: str, name: str) -> None:
    image = _image(name)
    theirs, ours = _pair(source, name, image)
    expected, given = scores(theirs, image), scores(ours, image)
    assert len(expected) == len(given)
    for one, other in zip(expected, given, strict=True):
        size = max(1.0, one.abs().max().item())
        assert (one[0] - one[1]).abs().max() > 0.05 * size  # the scores depend on the image
        assert (one - other).abs().max() <= TOLERANCE * size


@pytest.mark.parametrize(("source", "name"), [(source, name) for source in QUICK for name in QUICK[source]])
def test_the_scores_are_the_librarys(source: str, name: str) -> None:
    _compare_scores(source, name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "name"), [(source, name) for source, name in NETWORKS if name not in QUICK[source]]
)
def test_the_scores_of_every_network_are_the_librarys(source: str, name: str) -> None:
    _compare_scores(source, name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "name"),
    [(source, name) for source in ONE_OF_EACH_FAMILY for name in ONE_OF_EACH_FAMILY[source]],
)
def test_the_gradients_are_the_librarys(source: str, name: str) -> None:
    image = _image(name)
    # Deep networks amplify rounding; VGGs do not, and their weights are many.
    precision = torch.float32 if name.startswith("vgg") else torch.float64
    theirs, ours = (module.to(precision) for module in _pair(source, name, image))
    for module in (theirs, ours):
        torch.cat([each.square().sum(1) for each in scores(module, image.to(precision))]).sum().backward()
    names = source_names(naming_of(counterpart(name, source=source), source), ours.state_dict())
    gradients = {name: weight.grad for name, weight in theirs.named_parameters()}
    for own, weight in ours.named_parameters():
        expected = gradients.pop(names[own].name)
        assert expected is not None and weight.grad is not None
        assert (weight.grad - expected.reshape(weight.shape)).norm() <= TOLERANCE * expected.norm()
        assert expected.norm() > 0.0
    assert not gradients


def test_all_of_torchvisions_classifiers_are_ours_or_of_a_family_that_we_have_not() -> None:
    models = torchvision().models
    theirs = {name for name in models.list_models(module=models) if not name.startswith(NOT_OURS)}
    assert theirs <= set(counterpart_names("torchvision"))
    assert {name.partition("(")[0] for name in counterpart_names("torchvision")} <= theirs
