"""Exporting: write what was asked for, run it elsewhere, compare, and keep the folder only if all agree.

`verify` repeats the comparison later, from the folder alone: a few images and the source's scores lie in it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors.numpy

from nas.evaluation.data import Dataset, load
from nas.evaluation.evaluator import served_resolution
from nas.evaluation.examples import DataError
from nas.exporting.card import card_files
from nas.exporting.checking import Check, can_run, compared, predict_source, scores_from
from nas.exporting.errors import ExportDiffers, ExportError, NothingToExport
from nas.exporting.folder import (
    MANIFEST,
    Manifest,
    new_folder,
    read_manifest,
    require_unchanged,
    write_files,
)
from nas.exporting.formats import Files, Format, Runnable, chosen, written_source, written_weights
from nas.exporting.images import Images, images_for, scores_of
from nas.exporting.network import Network, network_of
from nas.exporting.subjects import Subject
from nas.exporting.variants import variants_of
from search_space import Architecture
from search_space.export.harmless import require_harmless
from search_space.export.program import require_no_pickle

REFERENCE = "reference.safetensors"  # inputs, and the source's scores
MAX_REFERENCE_BYTES = 4 << 20
MAX_REFERENCE_IMAGES = 32
MAX_DROP = 0.05
LIBRARIES = ("nas-compound", "torch", "numpy", "safetensors", "onnx", "onnxruntime")

Watch = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be written.

    Args:
        formats: words of `FORMATS`.
        variants: words of `VARIANTS`.
        max_drop: accuracy that a variant may lose, in [0, 1].
    """

    formats: tuple[str, ...]
    variants: tuple[str, ...] = ()
    max_drop: float = MAX_DROP


def export(
    subject: Subject, wanted: Wanted, out: Path, *, force: bool = False, watch: Watch = lambda text: None
) -> Manifest:
    """Writes a network into a new folder, every part of it run in a fresh process and compared.

    Args:
        subject: what is exported.
        wanted: formats and variants.
        out: the folder.
        force: replace an earlier export there.
        watch: is told what is being done.

    Raises:
        ExportError: a word is unknown, a package or the weights are missing, the folder exists.
        ExportDiffers: an export does not give the source's scores; nothing is kept.
        TimmError: timm's builder cannot express the network.

    Example:
        >>> export(subject_of_trial("first", None), Wanted(("onnx",)), Path("found"))
    """
    _require_possible(subject, wanted)
    with new_folder(out, force=force) as folder:
        return write_export(subject, wanted, folder, watch)


def write_export(subject: Subject, wanted: Wanted, folder: Path, watch: Watch) -> Manifest:
    """Writes a network into an empty folder, and the manifest last; for the rest see `export`."""
    dataset = data_of(subject, watch)
    network = network_of(subject, dataset)
    images = images_for(network, dataset, calibrates="int8" in wanted.variants)
    files: Files = {}
    runnables: list[Runnable] = []
    for word, each in _require_possible(subject, wanted).items():
        watch(f"writing {word}")
        files |= each.files(network)
        runnables += each.runnables(network.name)
    more, further = variants_of(wanted.variants, network, wanted.formats, images)
    runnables = [*_without_doubles(runnables), *further]
    entries = write_files(folder, files | more)
    checks = _checked(runnables, folder, network, images, watch)
    for check in checks:
        check.require_close(max_drop=wanted.max_drop if check.variant else 1.0)
    if runnables:
        entries += write_files(folder, {REFERENCE: _reference(network, images)})
    entries += write_files(folder, card_files(subject, network, dataset, checks, wanted.formats))
    manifest = Manifest(
        name=network.name,
        architecture=network.architecture.to_json(),
        created=time.time(),
        versions=versions(),
        files=entries,
        runnables=tuple(runnables),
        checks=tuple(checks),
        max_drop=wanted.max_drop,
    )
    write_files(folder, {MANIFEST: manifest.to_json().encode()})
    return manifest


def _require_possible(subject: Subject, wanted: Wanted) -> dict[str, Format]:
    return chosen(wanted.formats, trained=subject.weights is not None, name=subject.name)


def verify(folder: Path, *, watch: Watch = lambda text: None) -> tuple[Check, ...]:
    """Checks an export again: every file's sha256, and what it computes on the images that lie beside it.

    A Python file is read before it is run, and one that says more than ours do is refused; so is a `.pt2` that
    holds a pickle.

    Raises:
        NothingToExport: the folder holds no export.
        ExportDiffers: a file has changed, or computes something else.
    """
    manifest = read_manifest(folder)
    watch(f"hashing {len(manifest.files)} files")
    require_unchanged(folder, manifest.files)
    if not manifest.runnables:
        return ()
    _require_listed(manifest)
    stored = safetensors.numpy.load((folder / REFERENCE).read_bytes())
    fresh = _fresh(manifest) if manifest.architecture else None
    spare = _spare(fresh) if fresh else {}
    checks = []
    for runnable in manifest.runnables:
        reason = _reason_not_to_run(folder, runnable)
        if reason:
            watch(f"{runnable.path} {reason}, and is compared by its sha256 only")
            continue
        _require_safe(folder, runnable)
        watch(f"running {runnable.path}")
        expected = stored["scores"]
        if fresh and runnable.weights and not (folder / runnable.weights).is_file():
            watch(f"{runnable.path} has no weights here, and is compared with fresh ones")
            expected = scores_of(fresh, stored["images"])
        scores = scores_from(runnable, folder, stored["images"], spare)
        check = compared(runnable, scores, expected)
        check.require_close(max_drop=1.0)
        checks.append(check)
    return tuple(checks)


def _reason_not_to_run(folder: Path, runnable: Runnable) -> str:
    if not can_run(runnable):
        return "needs onnxruntime"
    is_ours = runnable.probe != "with_predict" or (folder / runnable.path).read_bytes() == predict_source()
    return "" if is_ours else "is of another version of this project"


def data_of(subject: Subject, watch: Watch) -> Dataset | None:
    """Returns the images that a subject was trained on, or None where they cannot be had: `watch` is told why.

    Raises:
        ExportError: the data were asked for and do not fit.
    """
    if subject.data is None:
        return None
    try:
        dataset = load(subject.data)
        served_resolution(dataset, subject.architecture, None)
    except DataError as error:
        if not subject.lineage:
            raise ExportError(str(error)) from None
        watch(f"no validation images, so random ones only: {error}")
        return None
    expected = subject.lineage.get("fingerprint")
    if expected is not None and dataset.fingerprint != expected:
        watch("the data are not those of the study any more (another fingerprint), so random images only")
        return None
    return dataset


def versions() -> dict[str, str]:
    """Returns the versions of Python, of this project and of the libraries that write and run exports."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _without_doubles(runnables: Sequence[Runnable]) -> list[Runnable]:
    """Returns the runnables without weights that another one runs anyway."""
    run = {one.weights for one in runnables if one.code}
    return [one for one in runnables if one.code or one.weights not in run or not one.weights]


def _checked(
    runnables: Sequence[Runnable], folder: Path, network: Network, images: Images, watch: Watch
) -> list[Check]:
    if not runnables:
        return []
    expected = scores_of(network, images.inputs)
    spare = _spare(network)
    checks = []
    for runnable in runnables:
        watch(f"running {runnable.path} in a process of its own on {len(images.inputs)} images")
        scores = scores_from(runnable, folder, images.inputs, spare)
        checks.append(compared(runnable, scores, expected, labels=images.labels))
    return checks


def _fresh(manifest: Manifest) -> Network:
    """Returns an export's network with weights from seed 0, for what lies in a folder without its weights."""
    return network_of(Subject(manifest.name, Architecture.from_json(manifest.architecture)))


def _spare(network: Network) -> Files:
    """Returns what an export is run with where its folder has not got it."""
    return {
        "network.py": written_source(network),
        "network.safetensors": written_weights(network, dict(network.tensors)),
    }


def _reference(network: Network, images: Images) -> bytes:
    """Returns the first images, as many as are small enough, random and real ones in turn, with their scores."""
    one = images.inputs[0].nbytes
    count = max(2, min(MAX_REFERENCE_IMAGES, MAX_REFERENCE_BYTES // one))
    half = min(images.num_random, max(1, count // 2))
    inputs = images.inputs[[*range(half), *range(images.num_random, len(images.inputs))][:count]]
    return safetensors.numpy.save({"images": inputs, "scores": scores_of(network, inputs)})


def _require_listed(manifest: Manifest) -> None:
    """Checks that everything that is going to be read was hashed.

    Raises:
        NothingToExport: the manifest names a file to run, and not its content.
    """
    listed = {entry.path for entry in manifest.files}
    for runnable in manifest.runnables:
        for path in (REFERENCE, runnable.path, runnable.code):
            if path and path not in listed:
                raise NothingToExport(
                    f"a manifest must list what it runs, got {path!a} without a sha256; take an export of yours"
                )


def _require_safe(folder: Path, runnable: Runnable) -> None:
    """Checks that running an export can do nothing but compute."""
    try:
        if runnable.code:
            require_harmless((folder / runnable.code).read_text(encoding="utf-8"))
        if runnable.probe == "with_program":
            require_no_pickle((folder / runnable.path).read_bytes())
    except ValueError as error:
        raise ExportDiffers(str(error)) from None
