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
from typing import Any, Literal, get_args

from pydantic import TypeAdapter, ValidationError

from nas.exporting.checking import Check
from nas.exporting.errors import ExportDiffers, ExportExists, NothingToExport
from nas.exporting.formats import Files, Runnable
from nas.exporting.variants import VARIANTS
from search_space import Architecture

MANIFEST, CARD_JSON = "MANIFEST.json", "card.json"
FORMAT = 2
MAX_MANIFEST_BYTES = 16 << 20

Kind = Literal["export", "committee", "explanation"]  # what a folder holds: `--force` replaces its like


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
        kind: a network, or several with a program.
        name: of the files.
        architecture: canonical document; empty for a committee.
        created: UTC seconds since 1970.
        versions: of the code and of the libraries that wrote it.
        files: all but the manifest itself.
        runnables: what gives scores.
        checks: how each compared with the source when it was written.
        max_drop: accuracy that a variant was allowed to lose.
        not_run: why, by path of what gives scores and could not be run.
    """

    kind: Literal["export", "committee"]
    name: str
    architecture: str
    created: float
    versions: Mapping[str, str]
    files: tuple[Entry, ...]
    runnables: tuple[Runnable, ...]
    checks: tuple[Check, ...]
    max_drop: float
    not_run: Mapping[str, str]

    def to_json(self) -> str:
        """Returns the manifest as a JSON document."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, allow_nan=False) + "\n"


@contextmanager
def new_folder(
    out: Path, kind: Kind = "export", *, force: bool = False, inputs: Sequence[Path] = ()
) -> Iterator[Path]:
    """Yields an empty folder beside `out`, which takes its place when the block ends without an error.

    What killed processes left of such folders is removed first.

    Args:
        out: where the folder is to be; an empty folder there counts as none.
        kind: what is going to be in it.
        force: replace an earlier folder of the same kind there; never another one.
        inputs: files that are read to make it: a folder that holds one is not replaced.

    Raises:
        ExportExists: there is something that must not be replaced.
    """
    _require_outside(out, inputs)
    _require_free(out, kind, force=force)
    with ExitStack() as stack:
        try:
            partial = _begin(out, stack)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(out)) from None
        stack.callback(shutil.rmtree, partial, ignore_errors=True)
        yield partial
        _require_free(out, kind, force=force)
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


def write_listing(folder: Path, kind: Kind, entries: Sequence[Entry]) -> None:
    """Writes the manifest of a folder in which nothing runs: its kind and its files."""
    listing = {"format": FORMAT, "kind": kind, "files": [asdict(entry) for entry in entries]}
    write_files(folder, {MANIFEST: (json.dumps(listing, indent=2, allow_nan=False) + "\n").encode()})


def read_manifest(folder: Path) -> Manifest:
    """Returns a folder's manifest, each of whose values may be what it is.

    Raises:
        NothingToExport: there is none, or it is not one of ours.
    """
    path = folder / MANIFEST
    try:
        manifest = _parsed(path)
        for runnable in manifest.runnables:
            _require_word("variant", runnable.variant, ("", *VARIANTS))
        if manifest.kind == "export":
            Architecture.from_json(manifest.architecture)
    except FileNotFoundError:
        raise NothingToExport(
            f"an export must have a {MANIFEST}, got none in {str(folder)!r}; `nas export` writes one"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise NothingToExport(
            f"{str(path)!r} must be a manifest of `nas export`, got {_told(error)}; export it again"
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


def require_listed_only(folder: Path, entries: Sequence[Entry]) -> None:
    """Checks that nothing lies in a folder but what its manifest lists: Python imports what lies beside a file.

    Raises:
        ExportDiffers: there is something else; the message names it.
    """
    listed = {MANIFEST, *(entry.path for entry in entries)}
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in sorted([*files, *links]):
            path = (Path(place) / name).relative_to(folder).as_posix()
            if path not in listed:
                raise ExportDiffers(
                    f"an export must hold nothing but what its manifest lists, got {path!a}; remove it"
                )


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


def _parsed(path: Path) -> Manifest:
    """Returns a manifest whose values are of the right types."""
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise ValueError("one that is too large")
    content = path.read_bytes()
    document = json.loads(content, parse_constant=_refuse_constant)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError("another version")
    try:
        return TypeAdapter(Manifest).validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place!a}: {first['msg']}") from None


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text}, which JSON does not have")


def _require_word(what: str, word: str, known: Sequence[str]) -> None:
    if word not in known:
        raise ValueError(f"the {what} {word[:40]!a}")


def _told(error: Exception) -> str:
    return str(error).replace("\n", " ")[:200] or type(error).__name__


def _require_outside(out: Path, inputs: Sequence[Path]) -> None:
    for path in inputs:
        if out.resolve() in path.resolve().parents and out.exists():
            raise ExportExists(
                f"the folder must not hold what is read, got {str(out)!r} with {str(path)!r} in it;"
                " give another with --out"
            )


def _kind_in(folder: Path) -> str | None:
    """Returns what a folder's manifest says that it holds; None where there is none of ours."""
    try:
        document = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return document.get("kind") if isinstance(document, dict) else None


def _require_free(out: Path, kind: Kind, *, force: bool) -> None:
    if not (out.exists() or out.is_symlink()) or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir() or out.is_symlink():
        raise ExportExists(
            f"the folder must not be a file or link, got {str(out)!r}; give another with --out"
        )
    found = _kind_in(out)
    if found != kind:
        held = f"another kind ({found})" if found in get_args(Kind) else "other things"
        raise ExportExists(
            f"the folder must be new, or hold an earlier {kind} that --force replaces, got {str(out)!r} with"
            f" {held} in it; give another with --out"
        )
    if not force:
        raise ExportExists(
            f"the folder must be new, got {str(out)!r}, which holds an earlier {kind}; give another with --out,"
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
