"""Every network of torchvision and timm that is ours gives the same scores and gradients with the same weights."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
import torch
from torch import nn

from search_space.weight_sources import SOURCES, counterpart, counterpart_names, naming_of, source_names
from search_space.weights import load_weights
from tests.search_space.kinds import one_of_each_kind
from tests.search_space.weight_sources.libraries import library_module, randomise, scores, timm, torchvision

TOLERANCE = 1e-4  # of scores as they are; of gradients, of their length
DOUBLE = {"nasnetalarge"}  # its scores reach 26, and its depth amplifies float32's rounding of them to 1e-3
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

# What timm has in the modules of our families and is another network, by the reason; `*` stands for anything.
OTHERS = {
    "attention of another kind, or gates where the block has none": "eca* gc_*",
    "a stem of three convolutions (c, d, s, t), pools in shortcuts (d), narrower first layers (t)": (
        "resnet*c resnet*d resnet*s resnet*t resnext*d_* seresnet*d seresnet*t seresnext*d_* seresnext*t_*"
    ),
    "pools that blur or average where convolutions have strides": (
        "resnetaa* resnetblur* seresnetaa* seresnextaa* efficientnet_blur_* mobilenetv4_*blur*"
    ),
    "revised ResNets: stem, shortcuts and gates of their own": "resnetrs*",
    "another normalisation": "*_gn *_evos test_efficientnet_ln",
    "a relu between the last normalisation and the gate": "legacy_seresnet18 legacy_seresnet34",
    "pruned: each layer has a width of its own": "*_pruned",
    "no normalisation after the stem, or weights that are standardised": "resnetv2_*",
    "a convolution split in two": "dpn48b dpn68b",
    "convolutions that mix several of their kernels by the image": "*efficientnet_cc_*",
    "for edge devices: other stages": "*efficientnet_e[lms] mobilenet_edgetpu_*",
    "without gates, with relu6, and ends that are not scaled": "*efficientnet_lite?",
    "other settings of the authors, or of timm's": (
        "efficientnet_h_b5 efficientnet_x_b? efficientnetv2_rw_? *efficientnetv2_xl mobilenetv1_100h mobilenetv3_rw"
    ),
    "stages deepened by another rule: equal layers count together": "mobilenetv3_large_150d",
    "searched networks of other papers": "fbnet* lcnet_* *mixnet_* spnasnet_100 tinynet_? mobilenetv4_*",
    "of timm's own tests": "test_*",
}


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
    precision = torch.float64 if name in DOUBLE else torch.float32
    theirs, ours = (module.to(precision) for module in _pair(source, name, image))
    expected, given = scores(theirs, image.to(precision)), scores(ours, image.to(precision))
    assert len(expected) == len(given)
    for one, other in zip(expected, given, strict=True):
        assert (one[0] - one[1]).abs().max() > 0.05 * one.abs().max().clamp(
            min=1.0
        )  # they depend on the image
        assert (one - other).abs().max() <= TOLERANCE


@pytest.mark.parametrize(("source", "name"), [(source, name) for source in QUICK for name in QUICK[source]])
def test_the_scores_are_the_librarys(source: str, name: str) -> None:
    _compare_scores(source, name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "name"),
    one_of_each_kind(
        [(source, name) for source, name in NETWORKS if name not in QUICK[source]],
        lambda one: counterpart(one[1], source=one[0]),
        lambda one: one[0],
    ),
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


def test_all_of_timms_networks_of_our_families_are_ours_or_stand_with_the_reason_why_not() -> None:
    library, ours = timm(), set(counterpart_names("timm"))
    modules = {library.models.model_entrypoint(name).__module__ for name in ours} | {"timm.models.resnetv2"}
    theirs = {
        name for name in library.list_models() if library.models.model_entrypoint(name).__module__ in modules
    }
    patterns = [pattern for several in OTHERS.values() for pattern in several.split()]
    others = {name for name in theirs if any(fnmatchcase(name, pattern) for pattern in patterns)}
    assert theirs - others == ours and not ours & others
    unused = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in theirs)]
    assert unused == []
