"""Class activation maps show what the score is made of, and pictures are written whole or not at all."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas.exporting.activation_maps import View, activation_map, explain, overlaid
from nas.exporting.errors import ExportError, ExportExists
from nas.exporting.folder import MANIFEST
from nas.exporting.network import Network
from nas.exporting.subjects import subject_in
from search_space import Architecture, Stage
from search_space.blocks import ClassifierOptions
from search_space.export.preprocessing import Preprocessing
from tests.nas.exporting.conftest import NETWORK, Exported
from tests.search_space.export.networks import images, lively

KNOWN = Preprocessing(8, (0.5,), (0.5,), tuple(map(str, range(10))))


def _network(architecture: Architecture = NETWORK) -> Network:
    tensors = dict(lively(architecture).state_dict())
    return Network("n", architecture, tensors, trained=True, preprocessing=KNOWN)


def test_cams_evidence_adds_up_to_the_score() -> None:
    network = _network()
    given = images(NETWORK, 1)
    heat, scores, index = activation_map(network, given)
    assert index == int(scores.argmax()) and heat.min() >= 0.0
    with torch.no_grad():
        torch.testing.assert_close(scores, lively(NETWORK)(given)[0])
        features = dict(network.module.named_modules())["head.conv_activation"]
        seen: list[torch.Tensor] = []
        hook = features.register_forward_hook(lambda module, args, result: seen.append(result))
        network.module(given)
        hook.remove()
    weights = network.tensors["head.linear.weight"][index]
    evidence = (weights[:, None, None] * seen[0][0]).sum(0)
    torch.testing.assert_close(evidence.mean() + network.tensors["head.linear.bias"][index], scores[index])
    np.testing.assert_allclose(heat, evidence.relu().numpy(), atol=1e-5)


def test_grad_cam_follows_skips_and_shows_any_stage_and_class() -> None:
    network, given = _network(), images(NETWORK, 1)
    heats = [activation_map(network, given, stage=0, index=index)[0] for index in range(10)]
    assert all(heat.shape == (4, 4) and heat.min() >= 0.0 for heat in heats)
    assert any(not np.allclose(heats[0], heat) for heat in heats[1:])
    with pytest.raises(ExportError, match=r"a stage must be in \[0, 0\], got 3"):
        activation_map(network, given, stage=3)


def test_a_hidden_layer_turns_cam_into_grad_cam() -> None:
    hidden = dataclasses.replace(
        NETWORK, head=Stage("classifier", 1, 24, options=ClassifierOptions(hidden=(12,)))
    )
    heat, _, _ = activation_map(_network(hidden), images(NETWORK, 1))
    assert heat.shape == (4, 4)


def test_pictures_are_large_enough_to_see_and_in_colour() -> None:
    levels = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    picture = overlaid(levels, np.eye(2, dtype=np.float32))
    assert (picture.size, picture.mode) == ((224, 224), "RGB")
    assert overlaid(np.zeros((3, 300, 300), dtype=np.uint8), np.zeros((2, 2), dtype=np.float32)).size == (
        300,
        300,
    )


def test_images_are_explained_from_an_export(exported: Exported, tmp_path: Path) -> None:
    found = subject_in(exported.folder / "digits_8.safetensors")
    network = dataclasses.replace(_network(), preprocessing=found.preprocessing)
    paths = [tmp_path / f"{name}.png" for name in ("one", "two")]
    for path in paths:
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30), dtype=np.uint8)).save(path)
    shown = explain(network, paths, tmp_path / "seen", View(shown="3"))
    assert [one.shown for one in shown] == ["3", "3"] and {one.method for one in shown} == {"cam"}
    for one in shown:
        with Image.open(one.file) as picture:
            assert picture.width > 2 * 224 and picture.height > 224, "the image, the evidence, a caption"
    assert {Path(one.file).name for one in shown} == {"000_one_3.png", "001_two_3.png"}
    again = explain(network, paths[:1], tmp_path / "seen", View(), force=True)
    [one] = again
    assert {path.name for path in (tmp_path / "seen").iterdir()} == {MANIFEST, Path(one.file).name}
    with pytest.raises(ExportExists, match="another kind"):
        explain(network, paths, exported.folder, View(), force=True)
    with pytest.raises(ExportExists, match="must not hold what is read"):
        explain(network, paths, tmp_path, View(), force=True)
    with pytest.raises(ExportError, match="a class must be one of"):
        explain(network, paths, tmp_path / "other", View(shown="cat"))
    unknown = dataclasses.replace(network, preprocessing=None)
    with pytest.raises(ExportError, match="normalisation"):
        explain(unknown, paths, tmp_path / "other", View())
    assert not (tmp_path / "other").exists()
