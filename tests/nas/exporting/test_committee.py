"""A committee's program says what its networks say, asks no more of them than it must, and stands alone."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from nas.evaluation.pictures import resampled
from nas.exporting.checking import predict_source
from nas.exporting.committee import NEVER, Mean, Rule, answer, export_committee
from nas.exporting.errors import ExportError
from nas.exporting.network import Network
from nas.exporting.packaging import Wanted
from nas.exporting.predict import resized
from nas.exporting.subject import Subject
from nas.exporting.subjects import subject_of
from nas.exporting.verifying import verify
from search_space import Stage
from search_space.export.preprocessing import Preprocessing
from search_space.weights import save_weights
from tests.fakes.consumers import ALONE
from tests.nas.exporting.conftest import DIGITS, NETWORK
from tests.search_space.export.networks import lively

LARGER = dataclasses.replace(NETWORK, stages=(*NETWORK.stages, Stage("mbconv", 1, 24, 1)))
KNOWN = Preprocessing(8, (0.3,), (0.4,), tuple(map(str, range(10))))


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> list[Subject]:
    """Two networks for the digits, the larger one first, which sees smaller images."""
    folder = tmp_path_factory.mktemp("weights")
    networks = {"large": LARGER.at(resolution=6), "small": NETWORK}
    for name, network in networks.items():
        save_weights(lively(network), folder / f"{name}.safetensors")
    return [
        subject_of(name, network, weights=folder / f"{name}.safetensors", data=DIGITS)
        for name, network in networks.items()
    ]


def asked(program: Path, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Returns how a committee's program ended, asked with these words in a folder."""
    command = [sys.executable, "-I", "-B", str(program), *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_program_says_what_its_networks_say_and_what_is_wrong_in_a_sentence(
    subjects: list[Subject], tmp_path: Path
) -> None:
    out = tmp_path / "both"
    manifest = export_committee(subjects, Rule(0.5), Wanted(("onnx",)), out)
    [check] = manifest.checks
    assert check.max_abs_difference < 1e-5 and check.num_real >= 356
    facts = json.loads((out / "committee.json").read_text())
    assert [member["path"] for member in facts["members"]] == ["small/small.onnx", "large/large.onnx"]
    assert [found.top1_agreement for found in verify(out)] == [1.0]
    Image.fromarray(np.full((20, 30), 200, dtype=np.uint8)).save(tmp_path / "image.png")
    (tmp_path / "text.png").write_text("no image")
    done = asked(out / "predict.py", "text.png", "absent.png", "image.png", folder=tmp_path)
    name, shown, probability, number = done.stdout.rstrip("\n").split("\t")
    assert name == "image.png" and shown in KNOWN.classes
    assert 0.0 < float(probability) <= 1.0 and number in ("1", "2")
    assert done.returncode == 2 and [line.split(";")[0] for line in done.stderr.splitlines()] == [
        "error: an image must be a file that pillow reads, got 'text.png' (UnidentifiedImageError)",
        "error: an image must be a file that pillow reads, got 'absent.png' (FileNotFoundError)",
    ]
    member = out / "large" / "large.onnx"
    member.write_bytes(member.read_bytes()[:100])
    done = asked(out / "predict.py", "image.png", folder=tmp_path)
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "must lie beside this program" in done.stderr and "Traceback" not in done.stderr


def test_the_program_alone_tells_its_usage_and_what_it_lacks(tmp_path: Path) -> None:
    program = tmp_path / "predict.py"
    program.write_bytes(predict_source())
    nothing, helped = asked(program, folder=tmp_path), asked(program, "--help", folder=tmp_path)
    assert (nothing.returncode, nothing.stdout) == (2, "") and (helped.returncode, helped.stderr) == (0, "")
    assert nothing.stderr == helped.stdout and helped.stdout.startswith("usage: python predict.py IMAGE...")
    lonely = asked(program, "image.png", folder=tmp_path)
    assert lonely.returncode == 2 and "copy the whole folder" in lonely.stderr
    command = [
        sys.executable,
        "-I",
        "-B",
        "-c",
        ALONE,
        json.dumps(["onnxruntime"]),
        str(program),
        "image.png",
    ]
    bare = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert bare.returncode == 2 and bare.stderr.startswith("error: this program needs numpy, onnxruntime")
    assert len(bare.stderr.splitlines()) == 1


def _networks() -> list[Network]:
    return [
        Network(name, network, dict(lively(network, seed).state_dict()), True, KNOWN)
        for seed, (name, network) in enumerate([("small", NETWORK), ("large", LARGER)])
    ]


def test_a_threshold_decides_how_many_are_asked() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
    networks = _networks()
    everybody, first = answer(networks, levels, Rule(NEVER)), answer(networks, levels, Rule(1e-9))
    assert set(everybody.asked) == {2} and set(first.asked) == {1}
    alone = answer(networks[:1], levels, Rule(NEVER))
    np.testing.assert_allclose(first.probabilities, alone.probabilities)
    level = float(np.median(first.probabilities.max(1)))
    some = answer(networks, levels, Rule(level))
    sure = first.probabilities.max(1) >= level
    assert (some.asked == np.where(sure, 1, 2)).all() and 0 < sure.sum() < 40
    for kind in get_args(Mean):
        said = answer(networks, levels, Rule(NEVER, kind)).probabilities
        np.testing.assert_allclose(said.sum(1), 1.0)


@pytest.mark.parametrize(("side", "size"), [(8, 8), (8, 6), (28, 9), (13, 1)])
def test_images_are_made_smaller_as_in_training(side: int, size: int) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (3, 1, side, side), dtype=np.uint8)
    np.testing.assert_array_equal(resized(levels, size), resampled(levels, size))


def test_what_is_no_committee_is_refused(subjects: list[Subject], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ExportError, match="two networks or more"):
        export_committee(subjects[:1], Rule(), Wanted(("onnx",)), out)
    with pytest.raises(ExportError, match="needs onnx"):
        export_committee(subjects, Rule(), Wanted(("json",)), out)
    untrained = dataclasses.replace(subjects[0], weights=None)
    with pytest.raises(ExportError, match="trained networks"):
        export_committee([untrained, subjects[1]], Rule(), Wanted(("onnx",)), out)
    other = dataclasses.replace(subjects[0], data=DIGITS.model_copy(update={"seed": 1}))
    with pytest.raises(ExportError, match="same data"):
        export_committee([other, subjects[1]], Rule(), Wanted(("onnx",)), out)
    assert not out.exists()
