"""A folder that is there whole or not at all, and the manifest that says what is in it."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nas.exporting.checking import Check
from nas.exporting.errors import ExportDiffers, ExportExists, NothingToExport
from nas.exporting.formats import Files, Runnable

MANIFEST = "MANIFEST.json"
FORMAT = 1
MAX_MANIFEST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an export."""

    path: str
    num_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export holds: written last, so that a folder with one is complete.

    Args:
        name: of the files.
        architecture: canonical document.
        created: UTC seconds since 1970.
        versions: of the code and of the libraries that wrote it.
        files: all but the manifest itself.
        runnables: what gives scores.
        checks: how each compared with the source when it was written.
        max_drop: accuracy that a variant was allowed to lose.
    """

    name: str
    architecture: str
    created: float
    versions: Mapping[str, str]
    files: tuple[Entry, ...]
    runnables: tuple[Runnable, ...]
    checks: tuple[Check, ...]
    max_drop: float

    def to_json(self) -> str:
        """Returns the manifest as a JSON document."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n"


@contextmanager
def new_folder(out: Path, *, force: bool = False) -> Iterator[Path]:
    """Yields an empty folder beside `out`, which takes its place when the block ends without an error.

    What killed processes left of such folders is removed first.

    Args:
        out: where the folder is to be; an empty folder there counts as none.
        force: replace an earlier export there; never another folder.

    Raises:
        ExportExists: there is something that must not be replaced.
    """
    _require_free(out, force=force)
    with ExitStack() as stack:
        try:
            partial = _begin(out, stack)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(out)) from None
        stack.callback(shutil.rmtree, partial, ignore_errors=True)
        yield partial
        _require_free(out, force=force)
        partial.chmod(0o755)
        _replace(partial, out)


def write_files(folder: Path, files: Files) -> tuple[Entry, ...]:
    """Writes files below a folder; returns what a manifest says about them."""
    entries = []
    for path, content in files.items():
        assert _is_inside(path), f"a path of ours must stay in its folder, got {path!r}"
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        entries.append(Entry(path, len(content), hashlib.sha256(content).hexdigest()))
    return tuple(entries)


def read_manifest(folder: Path) -> Manifest:
    """Returns a folder's manifest.

    Raises:
        NothingToExport: there is none, or it is not one of ours.
    """
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ValueError("it is too large")
        data = json.loads(path.read_bytes())
        if data.pop("format") != FORMAT:
            raise ValueError("it is of another version")
        manifest = Manifest(
            **{key: data[key] for key in ("name", "architecture", "created", "versions", "max_drop")},
            files=tuple(Entry(**entry) for entry in data["files"]),
            runnables=tuple(Runnable(**entry) for entry in data["runnables"]),
            checks=tuple(Check(**entry) for entry in data["checks"]),
        )
    except FileNotFoundError:
        raise NothingToExport(
            f"an export must have a {MANIFEST}, got none in {str(folder)!r}; `nas export` writes one"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NothingToExport(
            f"{str(path)!r} must be a manifest of `nas export`, got {type(error).__name__}: {error};"
            " export it again"
        ) from None
    named = [entry.path for entry in manifest.files]
    for runnable in manifest.runnables:
        named += [path for path in (runnable.path, runnable.code, runnable.weights) if path]
    for name in named:
        if not _is_inside(name):
            raise NothingToExport(
                f"a manifest's paths must stay in its folder, got {name!a}; take an export of yours"
            )
    return manifest


def require_unchanged(folder: Path, entries: Sequence[Entry]) -> None:
    """Checks every file's size and sha256.

    Raises:
        ExportDiffers: one is missing or has changed; the message names it.
    """
    for entry in entries:
        path = folder / entry.path
        if path.is_symlink() or not path.is_file():
            raise ExportDiffers(f"the file {entry.path} must be there, got none; export it again")
        size = path.stat().st_size
        if size != entry.num_bytes or hashlib.sha256(path.read_bytes()).hexdigest() != entry.sha256:
            raise ExportDiffers(
                f"{entry.path} must be as it was written, got another content ({size} bytes); export it again"
            )


def _is_inside(path: Any) -> bool:
    """Returns whether a relative path stays below its folder."""
    if not isinstance(path, str) or not path or "\\" in path or "\x00" in path:
        return False
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts


def _require_free(out: Path, *, force: bool) -> None:
    if not (out.exists() or out.is_symlink()) or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir() or out.is_symlink():
        raise ExportExists(
            f"the folder must not be a file or link, got {str(out)!r}; give another with --out"
        )
    if not (out / MANIFEST).is_file():
        raise ExportExists(
            f"the folder must be new, or an export that --force replaces, got {str(out)!r} with other things"
            " in it; give another with --out"
        )
    if not force:
        raise ExportExists(
            f"the folder must be new, got {str(out)!r}, which holds an export; give another with --out,"
            " or replace it with --force"
        )


def _begin(out: Path, stack: ExitStack) -> Path:
    """Makes the folder that is to become `out`, locked until `stack` closes, and removes those nobody has locked."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with _locked(out.parent, fcntl.LOCK_EX) as alone:
        for left in out.parent.glob(f".{glob.escape(out.name)}.*.part") if alone else ():
            with _locked(left, fcntl.LOCK_EX | fcntl.LOCK_NB) as abandoned:
                if abandoned:
                    shutil.rmtree(left, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
        stack.enter_context(_locked(partial, fcntl.LOCK_EX))
        return partial


@contextmanager
def _locked(folder: Path, operation: int) -> Iterator[bool]:
    """Locks a folder; yields whether it could. The system unlocks what a killed process held."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, operation)
        except OSError:  # another has it, or the file system knows no locks
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _replace(partial: Path, out: Path) -> None:
    """Puts a finished folder in the place of an old one, whose name it takes in one step."""
    if not out.exists():
        os.replace(partial, out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
    os.replace(out, old / "folder")
    try:
        os.replace(partial, out)
    except OSError:
        os.replace(old / "folder", out)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
