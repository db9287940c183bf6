"""An export of an export tells where its network came from, as far as the folder is as it was written."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from nas.evaluation.data import load
from nas.exporting.folder import CARD_JSON, MANIFEST
from nas.exporting.lineage import LINEAGE
from nas.exporting.packaging import Wanted, export
from nas.exporting.subject import Subject
from nas.exporting.subjects import subject_in, subject_of
from tests.nas.exporting.conftest import DIGITS, NETWORK
from tests.nas.exporting.test_card import SCALING, lineage_of


@pytest.fixture(scope="module")
def written(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of a trial, to be copied."""
    folder = tmp_path_factory.mktemp("lineage") / "first"
    lineage = lineage_of(
        fingerprint=load(DIGITS).fingerprint, scaling=SCALING, runs=["a"], trainings=[], choices={}
    )
    export(dataclasses.replace(subject, lineage=lineage), Wanted(("safetensors",)), folder)
    return folder


@pytest.fixture
def first(written: Path, tmp_path: Path) -> Path:
    """That export, in a folder of the test's own."""
    return Path(shutil.copytree(written, tmp_path / "first"))


def _card(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / CARD_JSON).read_text()))


def test_an_export_of_an_export_has_its_lineage(first: Path, tmp_path: Path) -> None:
    weights = first / "digits_8.safetensors"
    export(subject_in(weights), Wanted(("json",)), tmp_path / "second")
    export(subject_of("other", NETWORK, weights=weights), Wanted(("json",)), tmp_path / "third")
    before = _card(first)
    assert before["origin"]["study"] == "s" and before["accuracy"][0]["num_images"] == 360
    for name in ("second", "third"):
        again = _card(tmp_path / name)
        for key in ("origin", "data", "training", "scaling", "command", LINEAGE):
            assert again[key] == before[key], (name, key)
        assert again["accuracy"] == before["accuracy"][:1], "nothing was measured again without images"
        assert "Found by study `s`, trial 3." in (tmp_path / name / "README.md").read_text()


def test_a_card_that_was_changed_tells_nothing(first: Path) -> None:
    card = first / CARD_JSON
    card.write_text(card.read_text().replace('"trial": 3', '"trial": 4'))
    assert subject_in(first / "digits_8.safetensors").lineage == {}


@pytest.mark.parametrize(
    "told", [{"study": "s"}, {"study": "\n# x", "trial": 3}, {"study": "s", "trial": 3, "metrics": 5}, [1]]
)
def test_a_card_that_is_no_card_of_ours_tells_nothing(first: Path, told: object) -> None:
    content = json.dumps(_card(first) | {LINEAGE: told}).encode()
    (first / CARD_JSON).write_bytes(content)
    manifest = json.loads((first / MANIFEST).read_text())
    [entry] = [one for one in manifest["files"] if one["path"] == CARD_JSON]
    entry |= {"num_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (first / MANIFEST).write_text(json.dumps(manifest))
    assert subject_in(first / "digits_8.safetensors").lineage == {}


def test_a_python_file_tells_its_training_in_its_docstring(subject: Subject, tmp_path: Path) -> None:
    lineage = lineage_of(fingerprint=load(DIGITS).fingerprint, runs=["a"], trainings=[], choices={})
    export(dataclasses.replace(subject, lineage=lineage), Wanted(("python",)), tmp_path / "out")
    source = (tmp_path / "out" / "digits_8.py").read_text()
    docstring = ast.get_docstring(ast.parse(source))
    assert docstring is not None
    card = _card(tmp_path / "out")
    assert f"Trained by: {card['command']}" in docstring
    assert f"fingerprint {card['data']['fingerprint']}" in docstring
    accuracy = card["accuracy"][0]["value"]
    assert f"seed {card['origin']['seed']}, validation accuracy {accuracy:.4f}." in docstring
