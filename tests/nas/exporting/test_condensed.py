"""A CondenseNet leaves the house as it is used: its groups learned, its index layers ordinary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import fx

from nas.exporting.errors import ExportDiffers
from nas.exporting.network import network_of
from nas.exporting.packaging import Wanted, export
from nas.exporting.subject import Subject
from nas.exporting.subjects import subject_in, subject_of
from nas.exporting.verifying import verify
from search_space import Architecture, Stage, cost
from search_space.blocks import ClassifierOptions, CondenseOptions, StemOptions
from search_space.condensing import condense, condensed, converted, learned_convolutions
from search_space.weights import load_weights, save_weights
from tests.nas.exporting.conftest import DIGITS
from tests.search_space.export.networks import lively

LEARNED = Architecture(
    8,
    Stage("stem", 1, 16, options=StemOptions(norm=False)),
    (Stage("condense", 2, 8, options=CondenseOptions(learned=True)),),
    Stage("classifier", 1, 0, options=ClassifierOptions(entry="norm")),
    num_classes=10,
    input_channels=1,
)


def trained(folder: Path, *, num_steps: int) -> Subject:
    """Returns a network with weights after so many of twelve steps of a training."""
    module = lively(LEARNED)
    for step in range(num_steps):
        condense(learned_convolutions(module), step, 12)
    save_weights(module, folder / "weights.safetensors")
    return subject_of("learned", LEARNED, weights=folder / "weights.safetensors", data=DIGITS)


def test_what_is_written_is_the_test_time_form_and_gives_the_trained_scores(tmp_path: Path) -> None:
    subject = trained(tmp_path, num_steps=12)
    out = tmp_path / "out"
    manifest = export(subject, Wanted(("json", "python", "safetensors", "onnx")), out)
    used = Architecture.from_json((out / "learned.json").read_text())
    assert used == condensed(LEARNED) and used == Architecture.from_json(manifest.architecture)
    assert cost(used).macs < cost(LEARNED).macs
    assert subject_in(out / "learned.safetensors").architecture == used
    assert LEARNED.digest in (out / "learned.py").read_text() and used.digest != LEARNED.digest
    assert {check.path for check in verify(out)} == {"learned.py", "learned.onnx"}
    assert subject.weights is not None
    source = load_weights(LEARNED, safetensors.torch.load(subject.weights)).eval()
    images = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        got = network_of(subject_in(out / "learned.safetensors")).module(images)
        torch.testing.assert_close(got, source(images), rtol=1e-4, atol=1e-4)


def test_one_that_was_not_condensed_to_the_end_stays_as_it_was_trained(tmp_path: Path) -> None:
    network = network_of(trained(tmp_path, num_steps=3))
    assert network.architecture == LEARNED and "Not condensed" in network.notes[-1]


def test_a_form_that_gives_other_scores_is_not_let_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(
        architecture: Architecture, tensors: Mapping[str, torch.Tensor]
    ) -> tuple[Architecture, fx.GraphModule]:
        used, module = converted(architecture, tensors)
        module.get_parameter("head.linear.bias").data += 1.0
        return used, module

    monkeypatch.setattr("nas.exporting.network.converted", wrong)
    with pytest.raises(ExportDiffers, match="condensed network must give"):
        network_of(trained(tmp_path, num_steps=12))
