"""Exporting: write what was asked for, run it elsewhere, compare, and keep the folder only if all agree."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.evaluation.data import Dataset, load
from nas.evaluation.evaluator import served_resolution
from nas.evaluation.examples import DataError
from nas.exporting.card import card_files
from nas.exporting.checking import Check, compared, scores_from
from nas.exporting.errors import ExportError, RuntimeMissing
from nas.exporting.folder import MANIFEST, Manifest, new_folder, write_files
from nas.exporting.formats import Files, Format, Runnable, chosen, written_source, written_weights
from nas.exporting.images import Images, images_for, scores_of
from nas.exporting.libraries import versions
from nas.exporting.network import Network, network_of
from nas.exporting.noting import note
from nas.exporting.reference import REFERENCE, Reference, few
from nas.exporting.subject import Subject
from nas.exporting.variants import tolerance_of, variants_of

MAX_DROP = 0.05

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

    @property
    def words(self) -> tuple[str, ...]:
        """Returns the formats and the variants."""
        return self.formats + self.variants

    def __post_init__(self) -> None:
        if not 0.0 <= self.max_drop <= 1.0:
            raise ExportError(
                f"the accuracy that may be lost must be in [0, 1], got {self.max_drop:g}; 0.05 is five points"
            )


def export(
    subject: Subject,
    wanted: Wanted,
    out: Path,
    *,
    force: bool = False,
    watch: Watch = lambda text: None,
    place: str | None = None,
) -> Manifest:
    """Writes a network into a new folder, every part of it run in a fresh process and compared.

    The ledger that the subject was read from is told.

    Args:
        subject: what is exported.
        wanted: formats and variants.
        out: the folder.
        force: replace an earlier export there; never one that the subject is read from.
        watch: is told what is being done.
        place: where the export will be found, for the ledger; None is `out`.

    Raises:
        ExportError: a word is unknown, a package or the weights are missing, the folder exists.
        ExportDiffers: an export does not give the source's scores; nothing is kept.
        TimmError: timm's builder cannot express the network.

    Example:
        >>> export(subject_of_trial("first", None), Wanted(("onnx",)), Path("found"))
    """
    _require_possible(subject, wanted)
    with new_folder(out, force=force, inputs=subject.files) as folder:
        manifest = write_export(subject, wanted, folder, watch)
    note([subject], manifest, wanted.words, place or str(out), watch)
    return manifest


def write_export(subject: Subject, wanted: Wanted, folder: Path, watch: Watch) -> Manifest:
    """Writes a network into an empty folder, and the manifest last; for the rest see `export`."""
    dataset = data_of(subject, watch)
    network = network_of(subject, dataset)
    if not network.trained:
        watch(
            f"{subject.name} has no weights: what computes gets fresh ones, from seed 0; --weights gives it some"
        )
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
    ran = _run_all(runnables, folder, network, images, watch)
    for check in ran.checks:
        check.require_close(max_drop=wanted.max_drop if check.variant else 1.0)
    if runnables:
        reference = Reference(images.inputs[few(images)], ran.expected, ran.own)
        entries += write_files(folder, {REFERENCE: reference.to_bytes()})
    entries += write_files(
        folder, card_files(subject, network, dataset, ran.checks, wanted.formats, ran.not_run)
    )
    manifest = Manifest(
        kind="export",
        name=network.name,
        architecture=network.architecture.to_json(),
        created=time.time(),
        versions=versions(),
        files=entries,
        runnables=tuple(runnables),
        checks=ran.checks,
        max_drop=wanted.max_drop,
        not_run=ran.not_run,
    )
    write_files(folder, {MANIFEST: manifest.to_json().encode()})
    return manifest


def usual_formats(subject: Subject) -> tuple[str, ...]:
    """Returns what is written of a network where no formats are named: the weights too, where there are some."""
    return ("json", "python", *(() if subject.weights is None else ("safetensors",)))


def _require_possible(subject: Subject, wanted: Wanted) -> dict[str, Format]:
    """Returns the formats by their words; raises before anything is written where one of them cannot be."""
    found = chosen(wanted.formats, trained=subject.weights is not None, name=subject.name)
    for each in found.values():
        each.require(subject.architecture)
    return found


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
        if subject.is_file or not subject.lineage:
            raise ExportError(str(error)) from None
        watch(f"no validation images, so random ones only: {error}")
        return None
    expected = subject.lineage.get("fingerprint")
    if expected is not None and dataset.fingerprint != expected:
        watch("the data are not those of the study any more (another fingerprint), so random images only")
        return None
    return dataset


def _without_doubles(runnables: Sequence[Runnable]) -> list[Runnable]:
    """Returns the runnables without weights that another one runs anyway."""
    run = {one.weights for one in runnables if one.code}
    return [one for one in runnables if one.code or one.weights not in run or not one.weights]


@dataclass(frozen=True, slots=True, eq=False)
class _Ran:
    """What came of running everything that gives scores.

    Args:
        checks: how each compares.
        expected: the network's own scores of the images that are kept.
        own: those of each variant, by path.
        not_run: why, by path.
    """

    checks: tuple[Check, ...]
    expected: NDArray[np.float32]
    own: Mapping[str, NDArray[np.float32]]
    not_run: Mapping[str, str]


def _run_all(
    runnables: Sequence[Runnable], folder: Path, network: Network, images: Images, watch: Watch
) -> _Ran:
    """Runs what can be run in processes of their own; what lacks its library here is told, and left."""
    if not runnables:
        return _Ran((), np.empty((0, 0), dtype=np.float32), {}, {})
    expected, kept = scores_of(network, images.inputs), few(images)
    checks, own, not_run = list[Check](), dict[str, NDArray[np.float32]](), dict[str, str]()
    for runnable in runnables:
        watch(f"running {runnable.path} in a process of its own on {len(images.inputs)} images")
        try:
            scores = scores_from(runnable, folder, images.inputs, spare_files(network))
        except RuntimeMissing as error:
            not_run[runnable.path] = f"not run: {error}"
            watch(f"{runnable.path}: {not_run[runnable.path]}")
            continue
        tolerance = tolerance_of(runnable.variant)
        checks.append(compared(runnable, scores, expected, tolerance=tolerance, labels=images.labels))
        if runnable.variant:
            own[runnable.path] = scores[kept]
    return _Ran(tuple(checks), expected[kept], own, not_run)


def spare_files(network: Network) -> Files:
    """Returns what an export is run with where its folder has not got it."""
    return {
        "network.py": written_source(network),
        "network.safetensors": written_weights(network, dict(network.tensors)),
    }
