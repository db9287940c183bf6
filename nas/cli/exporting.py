"""Command `export`: files of an architecture that stand alone."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.architectures import load_architecture
from nas.cli.exits import CommandError, Exit
from nas.cli.session import Session, verb

if TYPE_CHECKING:
    from search_space import Architecture


@dataclass(frozen=True, slots=True)
class Subject:
    """What is exported: a name for the files, the architecture, and trained weights where there are some."""

    name: str
    architecture: Architecture
    weights: bytes | None = None


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    verb(app, "export")(export)


def export(
    session: Session,
    what: Annotated[
        str, typer.Argument(metavar="STUDY|TRIAL|FILE|NAME", help="A study stands for its best trial.")
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="FORMATS", help="json, safetensors, python")
    ] = "json,python",
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Made where it is missing.")] = Path(
        "export"
    ),
) -> None:
    """Write a network as files: its JSON, its weights, and one self-contained Python module."""
    formats = [word.strip() for word in to.split(",") if word.strip()]
    unknown = [word for word in formats if word not in FORMATS]
    if unknown or not formats:
        given = unknown[0] if unknown else to
        raise CommandError(f"a format must be one of {', '.join(FORMATS)}, got {given!r}; choose from them")
    subject = find_subject(session, what)
    contents = {kind: FORMATS[kind](subject) for kind in formats}
    out.mkdir(parents=True, exist_ok=True)
    rows = [_write(out / (subject.name + _SUFFIXES[kind]), content) for kind, content in contents.items()]
    session.rows(rows)


def find_subject(session: Session, text: str) -> Subject:
    """Returns what `text` names: a file, a zoo network, a trial (NUMBER or STUDY/NUMBER), or a study."""
    from search_space import reference_names

    if Path(text).is_file() or text in reference_names() or text.endswith(".json"):
        name, architecture = load_architecture(text)
        return Subject(_file_name(name), architecture)
    return _from_ledger(session, text)


def _from_ledger(session: Session, text: str) -> Subject:
    """Returns the trial NUMBER or STUDY/NUMBER, or the best of STUDY."""
    from nas.study import Study

    name, _, number = text.rpartition("/")
    is_trial = number.isascii() and number.isdigit()
    with session.store() as store:
        record = session.study(store, (name or None) if is_trial else text)
    found = session.configuration()
    study = Study(record.name, found.storage, found.settings.search.artifacts)
    network = study.candidate(int(number)) if is_trial else study.best()
    return Subject(_file_name(f"{record.name}-{network.number}"), network.architecture, network.weights)


def _json(subject: Subject) -> bytes:
    return (subject.architecture.to_json() + "\n").encode()


def _safetensors(subject: Subject) -> bytes:
    if subject.weights is None:
        raise CommandError(
            f"safetensors need trained weights, got none for {subject.name!r};"
            " export a complete trial, or leave them out",
            Exit.NOT_FOUND,
        )
    return subject.weights


def _python(subject: Subject) -> bytes:
    from search_space.export import python_source

    return python_source(subject.architecture).encode()


# What each format is made of; the keys are the words of --to.
FORMATS: dict[str, Callable[[Subject], bytes]] = {
    "json": _json,
    "safetensors": _safetensors,
    "python": _python,
}
_SUFFIXES = {"json": ".json", "safetensors": ".safetensors", "python": ".py"}


def _write(path: Path, content: bytes) -> dict[str, str | int]:
    """Writes a file whole or not at all; returns its line of the report."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return {"file": str(path), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _file_name(name: str) -> str:
    """Returns `name` as a file's stem that is also a Python module's name: letters, digits and `_`."""
    stem = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "network"
    return f"n{stem}" if stem[0].isdigit() else stem
