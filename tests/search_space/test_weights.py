"""Weights go to safetensors and come back strictly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from search_space import Architecture, Stage
from search_space.build import build
from search_space.weights import WeightsError, load_weights, save_weights

TINY = Architecture(
    16, Stage("stem", 1, 8, 2), (Stage("mbconv", 2, 8),), Stage("classifier", 1, 0), num_classes=3
)


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    first, second = build(TINY, seed=0), build(TINY, seed=1)
    save_weights(first, tmp_path / "w.safetensors")
    load_weights(second, tmp_path / "w.safetensors")
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda w: w.pop("head.linear.bias"), r"must have head.linear.bias \(1 missing\)"),
        (
            lambda w: w.update({"head.liner.bias": torch.zeros(3)}),
            "must not have head.liner.bias .*did you mean head.linear.bias",
        ),
        (
            lambda w: w.update({"head.linear.bias": torch.zeros(4)}),
            r"head.linear.bias must have the shape \(3,\), got \(4,\)",
        ),
    ],
)
def test_other_weights_are_refused_by_name(edit: object, message: str, tmp_path: Path) -> None:
    module = build(TINY, seed=0)
    save_weights(module, tmp_path / "w.safetensors")
    tensors = load_file(tmp_path / "w.safetensors")
    assert callable(edit)
    edit(tensors)
    save_file(tensors, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=message):
        load_weights(module, tmp_path / "other.safetensors")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"PK\x03\x04 not weights")
    with pytest.raises(WeightsError, match="must be a safetensors file"):
        load_weights(build(TINY, seed=0), tmp_path / "w.safetensors")
