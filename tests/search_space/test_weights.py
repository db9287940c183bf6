"""Weights go to safetensors and come back strictly; those of other libraries are translated as strictly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from search_space import Architecture, Conventions, Stage, reference
from search_space.build import build
from search_space.weight_sources import SourceError, counterpart, naming_of, source_names
from search_space.weights import (
    WeightsError,
    load_weights,
    read_weights,
    save_weights,
    set_weights,
    translated_weights,
)

Tensors = dict[str, torch.Tensor]
TINY = Architecture(
    16, Stage("stem", 1, 8, 2), (Stage("mbconv", 2, 8),), Stage("classifier", 1, 0), num_classes=3
)
EDITS: list[tuple[Callable[[Tensors], object], str]] = [
    (
        lambda w: [w.pop(name) for name in ("head.linear.bias", "head.linear.weight")],
        r"must have head.linear.weight \(2 missing\)",
    ),
    (
        lambda w: w.update({"head.liner.bias": torch.zeros(3)}),
        r"must not have head.liner.bias \(1 unknown\); did you mean head.linear.bias",
    ),
    (
        lambda w: w.update({"head.linear.bias": torch.zeros(4)}),
        r"head.linear.bias must have the shape \(3,\), got \(4,\) \(1 of another shape\)",
    ),
]


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    module = build(TINY, seed=0)
    save_weights(module, tmp_path / "w.safetensors")
    again = load_weights(TINY, read_weights(tmp_path / "w.safetensors"))
    assert module.state_dict().keys() == again.state_dict().keys()
    assert all(torch.equal(a, again.state_dict()[name]) for name, a in module.state_dict().items())


def test_a_module_keeps_its_own_copy() -> None:
    weights = build(TINY, seed=0).state_dict()
    module = load_weights(TINY, weights)
    weights["head.linear.bias"].fill_(7.0)
    assert not module.get_parameter("head.linear.bias").any()


@pytest.mark.parametrize(("edit", "message"), EDITS)
def test_other_weights_are_refused_by_name(edit: Callable[[Tensors], object], message: str) -> None:
    weights = build(TINY, seed=0).state_dict()
    edit(weights)
    with pytest.raises(WeightsError, match=message):
        load_weights(TINY, weights)
    with pytest.raises(WeightsError, match=message):
        set_weights(build(TINY, seed=1), weights)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"PK\x03\x04 not weights")
    with pytest.raises(WeightsError, match="must be a safetensors file"):
        read_weights(tmp_path / "w.safetensors")


# -- other libraries' weights ----------------------------------------------------------------------------------


def _theirs(architecture: Architecture, source: str) -> Tensors:
    """Returns random weights of a network by a library's names."""
    own = build(architecture, seed=0).state_dict()
    names = source_names(naming_of(architecture, source), own)
    return {
        names[name].name: tensor.reshape(names[name].shape(tuple(tensor.shape)))
        for name, tensor in own.items()
    }


SMALL = counterpart("mobilenetv3_small_075", source="timm").at(num_classes=3)
SOURCE_EDITS: list[tuple[Callable[[Tensors], object], str]] = [
    (
        lambda w: [w.pop(name) for name in ("bn1.weight", "conv_stem.weight")],
        r"must have conv_stem.weight \(2 missing\)",
    ),
    (
        lambda w: w.update({"aux.weight": torch.zeros(1), "aux.bias": torch.zeros(1)}),
        r"must not have aux.weight \(2 unknown\)",
    ),
    (
        lambda w: w.update({"classifier.bias": torch.zeros(1000)}),
        r"classifier.bias must have the shape \(3,\), got \(1000,\) \(1 of another shape\)",
    ),
    (
        lambda w: w.update({"conv_head.weight": w["conv_head.weight"].flatten(1)}),
        r"conv_head.weight must have the shape \(1024, 432, 1, 1\), got \(1024, 432\)",
    ),
]


@pytest.mark.parametrize(("edit", "message"), SOURCE_EDITS)
def test_other_weights_of_a_library_are_refused_by_the_librarys_name(
    edit: Callable[[Tensors], object], message: str
) -> None:
    weights = _theirs(SMALL, "timm")
    edit(weights)
    with pytest.raises(WeightsError, match=message):
        load_weights(SMALL, weights, source="timm")


def test_counters_may_be_missing_from_a_librarys_old_files() -> None:
    weights = _theirs(SMALL, "timm")
    old = {name: tensor for name, tensor in weights.items() if not name.endswith("num_batches_tracked")}
    assert len(old) < len(weights)
    loaded = load_weights(SMALL, old, source="timm").state_dict()
    assert loaded["stem.conv_norm.num_batches_tracked"] == 0
    assert torch.equal(loaded["stem.conv.weight"], weights["conv_stem.weight"])


def test_translated_weights_fill_a_module_that_was_built_for_training() -> None:
    module = build(SMALL, dropout=0.2, drop_path=0.1, seed=1)
    weights = _theirs(SMALL, "timm")
    set_weights(module, translated_weights(SMALL, weights, "timm"))
    assert torch.equal(module.get_parameter("head.hidden1.bias"), weights["conv_head.bias"])


def test_an_unknown_library_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(SourceError, match='source must be timm or torchvision, got "keras"; choose one'):
        load_weights(SMALL, {}, source="keras")


def test_a_network_that_a_library_has_not_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(
        SourceError, match="torchvision must have the same network.*; it has alexnet, vgg11, .*resnet50"
    ):
        load_weights(reference("condensenet86_cifar10"), {}, source="torchvision")


@pytest.mark.parametrize(
    ("network", "source", "name"),
    [
        ("efficientnet_b0", "torchvision", "efficientnet_b0"),  # another epsilon
        ("mobilenet_v1_0_5_224", "timm", None),
        ("mobilenet_v1_1_0_160", "timm", "mobilenetv1_100"),  # another activation
        ("nasnet_a_large_6_4032", "timm", "nasnetalarge"),  # another average pool
    ],
)
def test_a_network_that_differs_only_in_its_conventions_is_refused_with_the_one_to_take(
    network: str, source: str, name: str | None
) -> None:
    remedy = f'take `counterpart\\("{name}", source="{source}"\\)`' if name else "has none like this"
    with pytest.raises(SourceError, match=remedy):
        load_weights(reference(network), {}, source=source)


def test_padding_that_the_library_has_not_is_refused() -> None:
    same = replace(reference("resnet18"), conventions=Conventions("same"))
    with pytest.raises(SourceError, match=r"padding.*those of resnet18 differ from this network's"):
        naming_of(same, "torchvision")


def test_input_size_and_classes_are_the_users() -> None:
    smaller = reference("resnet18").at(resolution=64, num_classes=10)
    assert naming_of(smaller, "torchvision") is naming_of(reference("resnet18"), "torchvision")
