"""Checking an export again, from its folder alone: what lies in it, and what it computes on the stored images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nas.exporting.checking import Check, compared, predict_source, scores_from
from nas.exporting.errors import ExportDiffers, NothingToExport, RuntimeMissing
from nas.exporting.folder import Manifest, read_manifest, require_listed_only, require_unchanged
from nas.exporting.formats import Runnable
from nas.exporting.images import scores_of
from nas.exporting.network import Network, network_of
from nas.exporting.packaging import spare_files
from nas.exporting.reference import REFERENCE, Reference, read_reference
from nas.exporting.subject import Subject
from nas.exporting.variants import repeatability_of
from search_space import Architecture
from search_space.export.harmless import require_harmless
from search_space.export.program import require_no_pickle
from search_space.export.timm_folder import require_timm_folder

Watch = Callable[[str], None]


def verify(folder: Path, *, watch: Watch = lambda text: None) -> tuple[Check, ...]:
    """Checks an export again: every file's sha256, and what it computes on the images that lie beside it.

    The network is compared with its source's scores, a variant with those that it gave itself when it was written. A
    Python file is read before it is run, and one that says more than ours do is refused; so is a `.pt2` that holds a
    pickle, and a file that the manifest does not list.

    Raises:
        NothingToExport: the folder holds no export.
        ExportDiffers: a file has changed or was added, or computes something else.
    """
    manifest = read_manifest(folder)
    _require_listed(manifest)
    watch(f"hashing {len(manifest.files)} files")
    require_unchanged(folder, manifest.files)
    require_listed_only(folder, manifest.files)
    if not manifest.runnables:
        return ()
    reference = read_reference(folder)
    fresh = _fresh(manifest, reference) if manifest.architecture else None
    checks = []
    for runnable in manifest.runnables:
        try:
            _require_safe(folder, runnable, manifest)
            watch(f"running {runnable.path}")
            checks.append(_checked(folder, runnable, reference, fresh, watch))
        except RuntimeMissing as error:
            watch(f"{runnable.path}: not run: {error}; compared by its sha256 only")
    return tuple(checks)


def _checked(
    folder: Path, runnable: Runnable, reference: Reference, fresh: Network | None, watch: Watch
) -> Check:
    expected = reference.expected(runnable)
    if fresh and runnable.weights and not (folder / runnable.weights).is_file():
        watch(f"{runnable.path} has no weights here, and is compared with fresh ones")
        expected = scores_of(fresh, reference.images)
    scores = scores_from(runnable, folder, reference.images, spare_files(fresh) if fresh else {})
    check = compared(runnable, scores, expected, tolerance=repeatability_of(runnable.variant))
    check.require_close(max_drop=1.0)
    return check


def _fresh(manifest: Manifest, reference: Reference) -> Network:
    """Returns an export's network with weights from seed 0, for what lies in a folder without its weights."""
    network = network_of(Subject(manifest.name, Architecture.from_json(manifest.architecture)))
    side, channels = network.architecture.resolution, network.architecture.input_channels
    if reference.images.shape[1:] != (channels, side, side) or reference.images.dtype != "float32":
        raise ExportDiffers(
            f"{REFERENCE} must hold images of shape {(channels, side, side)} in float32, got"
            f" {reference.images.shape[1:]} in {reference.images.dtype}; export it again"
        )
    return network


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


def _require_safe(folder: Path, runnable: Runnable, manifest: Manifest) -> None:
    """Checks that running an export can do nothing but compute."""
    path = folder / runnable.path
    try:
        if runnable.probe == "with_timm":
            files = {one.name: one.read_bytes() for one in path.parent.iterdir()}
            require_timm_folder(files, manifest.name, Architecture.from_json(manifest.architecture))
        elif runnable.code:
            require_harmless((folder / runnable.code).read_text(encoding="utf-8"))
        if runnable.probe == "with_program":
            require_no_pickle(path.read_bytes())
    except (ValueError, OSError) as error:
        raise ExportDiffers(str(error)) from None
    if runnable.probe == "with_predict" and path.read_bytes() != predict_source():
        raise RuntimeMissing("it is of another version of this project than the one that is installed")
