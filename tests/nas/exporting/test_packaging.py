"""An export is whole, agrees with its source in every format, and can be checked again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch

from nas.exporting.checking import Check
from nas.exporting.errors import ExportDiffers, ExportError, ExportExists, NothingToExport
from nas.exporting.folder import MANIFEST, read_manifest
from nas.exporting.packaging import Wanted, export, usual_formats
from nas.exporting.reference import REFERENCE
from nas.exporting.subject import Subject
from nas.exporting.subjects import subject_in, subject_of
from nas.exporting.verifying import verify
from search_space import reference
from search_space.export.onnx_file import onnx_bytes
from search_space.export.timm_definition import TimmError
from tests.nas.exporting.conftest import NETWORK, Exported
from tests.search_space.export.networks import lively

DRAWINGS = Wanted(("json", "dot"))


def _checks(exported: Exported) -> dict[str, Check]:
    return {check.path: check for check in exported.manifest.checks}


def test_every_runnable_format_was_run_and_agrees(exported: Exported) -> None:
    checks = _checks(exported)
    exact = ("digits_8.py", "digits_8.onnx", "digits_8.pt2", "hf/digits_8.py", "digits_8_folded.py")
    assert set(exact) < set(checks)
    for path in exact:
        assert checks[path].max_abs_difference < 1e-4 * checks[path].largest_score
        assert checks[path].top1_agreement == 1.0 and checks[path].accuracy_change == 0.0
        assert (checks[path].num_random, checks[path].num_real) == (8, 270)


def test_smaller_variants_say_what_they_cost(exported: Exported) -> None:
    checks, folder = _checks(exported), exported.folder
    for word in ("fp16.safetensors", "fp16.onnx", "bf16.safetensors", "int8.onnx"):
        check = checks[f"digits_8_{word}"]
        assert check.accuracy_change is not None and abs(check.accuracy_change) <= 0.2
        assert check.max_abs_difference > 0.0
    half, full = (folder / f"digits_8{word}.safetensors" for word in ("_fp16", ""))
    sizes = [len(safetensors.torch.save(safetensors.torch.load(path.read_bytes()))) for path in (half, full)]
    assert sizes[0] < 0.75 * sizes[1]


def test_nothing_else_is_left_beside_the_folder(exported: Exported) -> None:
    assert [path.name for path in exported.folder.parent.iterdir()] == ["all"]
    assert not list(exported.folder.rglob("__pycache__"))


def test_the_manifest_lists_every_file_with_its_hash(exported: Exported) -> None:
    listed = {entry.path: entry for entry in exported.manifest.files}
    there = {str(path.relative_to(exported.folder)) for path in exported.folder.rglob("*") if path.is_file()}
    assert there == {*listed, MANIFEST}
    for path, entry in listed.items():
        content = (exported.folder / path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry.num_bytes, entry.sha256)
    assert read_manifest(exported.folder).to_json() == exported.manifest.to_json()
    assert "torch" in exported.manifest.versions


def test_what_images_must_be_stands_in_every_runnable_format(exported: Exported) -> None:
    found = subject_in(exported.folder / "digits_8.safetensors")
    assert found.architecture == NETWORK and found.preprocessing is not None
    known = found.preprocessing.to_dict()
    assert known["classes"] == [str(digit) for digit in range(10)] and known["resolution"] == 8
    assert f"MEAN = ({known['mean'][0]!r},)" in (exported.folder / "digits_8.py").read_text()
    assert json.loads((exported.folder / "hf/config.json").read_text())["preprocessing"] == known
    timm = json.loads((exported.folder / "timm/config.json").read_text())["pretrained_cfg"]
    assert (timm["mean"], timm["input_size"]) == (known["mean"], [1, 8, 8])


def test_it_is_verified_again_from_the_folder_alone(exported: Exported, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(exported.folder, moved)
    manifest = json.loads((moved / MANIFEST).read_text())
    few = ("digits_8.pt2", "digits_8_int8.onnx")  # other tests verify a Python file and plain ONNX
    manifest["runnables"] = [each for each in manifest["runnables"] if each["path"] in few]
    (moved / MANIFEST).write_text(json.dumps(manifest))
    checks = verify(moved)
    assert {check.path for check in checks} == set(few)
    assert all(check.top1_agreement == 1.0 for check in checks if not check.variant)


def test_a_python_file_without_weights_is_run_with_fresh_ones(exported: Exported, tmp_path: Path) -> None:
    out, told = tmp_path / "out", list[str]()
    export(exported.subject, Wanted(("python",)), out)
    assert not list(out.glob("digits*.safetensors"))
    [check] = verify(out, watch=told.append)
    assert check.top1_agreement == 1.0 and any("fresh ones" in text for text in told)
    other = _edited(
        exported=Exported(out, exported.manifest, exported.subject, ()),
        folder=tmp_path,
        path="digits_8.py",
        edit=lambda code: code.replace(b"nn.Sigmoid()", b"nn.Hardsigmoid()"),
    )
    with pytest.raises(ExportDiffers, match=r"scores of digits_8\.py must be within"):
        verify(other)


def _edited(exported: Exported, folder: Path, path: str, edit: Callable[[bytes], bytes]) -> Path:
    """Returns a copy of an export with one file changed, and a manifest that does not show it."""
    moved = folder / "copy"
    shutil.copytree(exported.folder, moved)
    content = edit((moved / path).read_bytes())
    (moved / path).write_bytes(content)
    manifest = json.loads((moved / MANIFEST).read_text())
    for entry in manifest["files"]:
        if entry["path"] == path:
            entry |= {"num_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (moved / MANIFEST).write_text(json.dumps(manifest))
    return moved


def test_a_changed_file_is_named(exported: Exported, tmp_path: Path) -> None:
    moved = tmp_path / "copy"
    shutil.copytree(exported.folder, moved)
    with (moved / "digits_8.onnx").open("r+b") as file:
        file.seek(200)
        file.write(b"\x00\x01")
    with pytest.raises(ExportDiffers, match=r"digits_8\.onnx must be as it was written"):
        verify(moved)
    (moved / "digits_8.onnx").unlink()
    with pytest.raises(ExportDiffers, match="must be there"):
        verify(moved)


def test_hostile_python_is_not_run_even_with_a_matching_hash(exported: Exported, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    moved = _edited(
        exported, tmp_path, "digits_8.py", lambda code: code + f"\nopen({str(mark)!r}, 'w')\n".encode()
    )
    with pytest.raises(ExportDiffers, match="must hold what `nas export` writes"):
        verify(moved)
    assert not mark.exists()


def test_weights_of_another_network_are_noticed(exported: Exported, tmp_path: Path) -> None:
    def negated(content: bytes) -> bytes:
        tensors = safetensors.torch.load(content)
        return safetensors.torch.save({k: -t if k == "head.linear.weight" else t for k, t in tensors.items()})

    moved = _edited(exported, tmp_path, "digits_8.safetensors", negated)
    with pytest.raises(ExportDiffers, match=r"scores of digits_8\.py must be within"):
        verify(moved)


def test_an_int8_file_of_another_network_is_noticed(exported: Exported, tmp_path: Path) -> None:
    moved = tmp_path / "copy"
    shutil.copytree(exported.folder, moved)
    manifest = json.loads((moved / MANIFEST).read_text())
    content = onnx_bytes(NETWORK, lively(NETWORK, 5).state_dict())
    (moved / "digits_8_int8.onnx").write_bytes(content)
    for entry in manifest["files"]:
        if entry["path"] == "digits_8_int8.onnx":
            entry |= {"num_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest["runnables"] = [one for one in manifest["runnables"] if one["variant"] == "int8"]
    (moved / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ExportDiffers, match=r"scores of digits_8_int8\.onnx must be within"):
        verify(moved)


def test_a_file_that_nobody_listed_is_refused(exported: Exported, tmp_path: Path) -> None:
    moved = tmp_path / "copy"
    shutil.copytree(exported.folder, moved)
    (moved / "torch.py").write_text("print('planted')")
    with pytest.raises(ExportDiffers, match=r"nothing but what its manifest lists, got 'torch\.py'"):
        verify(moved)


@pytest.mark.parametrize(
    ("key", "value"), [("probe", "../../x"), ("variant", "zzz"), ("dtype", "int3"), ("path", 5)]
)
def test_a_manifests_values_are_checked(exported: Exported, tmp_path: Path, key: str, value: object) -> None:
    manifest = json.loads((exported.folder / MANIFEST).read_text())
    manifest["runnables"][0][key] = value
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(NothingToExport, match="must be a manifest of `nas export`"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("architecture", [5, "", "{}"])
def test_a_manifests_architecture_is_checked(
    exported: Exported, tmp_path: Path, architecture: object
) -> None:
    manifest = json.loads((exported.folder / MANIFEST).read_text()) | {"architecture": architecture}
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(NothingToExport, match="must be a manifest of `nas export`"):
        read_manifest(tmp_path)


def test_an_empty_reference_is_refused(exported: Exported, tmp_path: Path) -> None:
    with pytest.raises(ExportDiffers, match="must hold images and scores"):
        verify(_edited(exported, tmp_path, REFERENCE, lambda content: b""))


def test_the_manifest_is_json_that_every_parser_reads(exported: Exported) -> None:
    def refuse(text: str) -> None:
        raise AssertionError(f"JSON has no {text}")

    for path in (MANIFEST, "card.json"):
        json.loads((exported.folder / path).read_text(), parse_constant=refuse)


@pytest.mark.parametrize("share", [7.0, -0.1, float("nan")])
def test_the_accuracy_that_may_be_lost_is_a_share(share: float) -> None:
    with pytest.raises(ExportError, match=r"must be in \[0, 1\]"):
        Wanted(("onnx",), max_drop=share)


def test_what_a_format_cannot_say_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    told: list[str] = []
    network = subject_of("other", reference("resnet18"))
    with pytest.raises(TimmError, match="leave timm out"):
        export(network, Wanted(("json", "timm")), tmp_path / "out", watch=told.append)
    assert told == [] and list(tmp_path.iterdir()) == []


def test_what_cannot_be_run_here_says_so(exported: Exported) -> None:
    [(path, reason)] = exported.manifest.not_run.items()
    assert path.startswith("timm/") and reason.startswith("not run: ")


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a\\..\\b", "hf/../../x", ""])
def test_a_manifest_cannot_lead_out_of_its_folder(exported: Exported, tmp_path: Path, path: str) -> None:
    manifest = json.loads((exported.folder / MANIFEST).read_text())
    manifest["files"][0]["path"] = path
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(NothingToExport, match="stay in its folder"):
        read_manifest(tmp_path)


def test_what_is_run_must_be_listed(exported: Exported, tmp_path: Path) -> None:
    moved = tmp_path / "copy"
    shutil.copytree(exported.folder, moved)
    manifest = json.loads((moved / MANIFEST).read_text())
    manifest["files"] = [entry for entry in manifest["files"] if entry["path"] != REFERENCE]
    (moved / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(NothingToExport, match="must list what it runs"):
        verify(moved)


def test_an_existing_folder_is_kept_unless_it_is_an_export_and_force_is_given(
    subject: Subject, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export(subject, DRAWINGS, out)
    with pytest.raises(ExportExists, match="--force"):
        export(subject, DRAWINGS, out)
    export(subject, Wanted(("json",)), out, force=True)
    assert not (out / "digits_8.dot").exists() and (out / "digits_8.json").exists()
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    with pytest.raises(ExportExists, match="other things"):
        export(subject, DRAWINGS, other, force=True)
    assert (other / "thesis.tex").read_text() == "years of work"
    assert {path.name for path in tmp_path.iterdir()} == {"out", "mine"}


def test_weights_are_usually_written_and_their_absence_is_told(subject: Subject, tmp_path: Path) -> None:
    assert usual_formats(subject) == ("json", "python", "safetensors")
    told: list[str] = []
    bare = dataclasses.replace(subject, weights=None, data=None)
    export(bare, Wanted(("json",)), tmp_path / "bare", watch=told.append)
    assert usual_formats(bare) == ("json", "python")
    assert any("has no weights" in line for line in told)


def test_a_link_is_not_followed(subject: Subject, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "target")
    export(subject, DRAWINGS, tmp_path / "target")
    with pytest.raises(ExportExists, match="link"):
        export(subject, DRAWINGS, tmp_path / "out", force=True)


def test_a_failure_leaves_the_earlier_export(subject: Subject, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(subject, DRAWINGS, out)
    before = (out / MANIFEST).read_bytes()
    with pytest.raises(ExportError, match="must have one of the formats"):
        export(subject, dataclasses.replace(DRAWINGS, variants=("int8",)), out, force=True)
    assert (out / MANIFEST).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_export_beyond_its_tolerance_is_not_kept() -> None:
    check = Check("a.onnx", "", 8, 100, 0.5, 1.0, 1e-4, 0.9, accuracy=0.5, source_accuracy=0.9)
    with pytest.raises(ExportDiffers, match="within 0.0001 of those expected, got a difference of 0.5"):
        check.require_close(max_drop=1.0)
    small = dataclasses.replace(check, max_abs_difference=1e-5, variant="int8")
    with pytest.raises(ExportDiffers, match="at most 0.05 of the accuracy, got -0.4"):
        small.require_close(max_drop=0.05)
    small.require_close(max_drop=0.5)
    broken = dataclasses.replace(check, max_abs_difference=float("nan"))
    with pytest.raises(ExportDiffers):
        broken.require_close(max_drop=1.0)


def test_weights_of_another_architecture_are_refused(subject: Subject, tmp_path: Path) -> None:
    other = dataclasses.replace(subject, architecture=NETWORK.at(num_classes=7))
    with pytest.raises(ExportError, match="must have the shape"):
        export(dataclasses.replace(other, data=None), Wanted(("safetensors",)), tmp_path / "out")
    with pytest.raises(ExportError, match="classes"):
        export(other, Wanted(("safetensors",)), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
