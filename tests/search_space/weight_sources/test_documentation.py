"""What docs/weights.md shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from search_space.weight_sources import counterpart
from search_space.weights import WeightsError, load_weights, read_weights
from tests.search_space.weight_sources.libraries import library_module, randomise

TEXT = (Path(__file__).parents[3] / "docs" / "weights.md").read_text(encoding="utf-8")


def test_the_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = library_module("torchvision", "resnet18")
    randomise(theirs, torch.randn(2, 3, 64, 64))
    monkeypatch.chdir(tmp_path)
    torch.save(theirs.state_dict(), "resnet18.pth")
    variables: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(code, variables)
    assert capsys.readouterr().out == "(1, 1000)\n"
    assert torch.equal(
        read_weights("resnet18.safetensors")["head.linear.bias"], theirs.get_parameter("fc.bias")
    )
    assert variables["module"].head.linear.weight.grad.shape == (10, 512)


def test_the_refusal_is_as_shown() -> None:
    weights = library_module("torchvision", "resnet18").state_dict()
    for name in ("weight", "bias", "running_mean"):
        del weights[f"layer4.1.bn2.{name}"]
    with pytest.raises(WeightsError) as refused:
        load_weights(counterpart("resnet18", source="torchvision"), weights, source="torchvision")
    assert str(refused.value) in TEXT
