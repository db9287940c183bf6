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
from nas.cli.studies import find_trial

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
    if text.rpartition("/")[2].isdigit():
        return _from_trial(session, text)
    return _from_study(session, text)


def _from_study(session: Session, name: str) -> Subject:
    from nas.views import best_views, study_reward

    with session.store() as store:
        record = store.study(name)
        found = best_views(store.trials(record.id), study_reward(record))
    if not found:
        raise CommandError(
            f"a study must have a complete trial to be exported, got none in {name!r}; resume it",
            Exit.NO_FEASIBLE_TRIAL,
        )
    return _from_trial(session, f"{record.name}/{found[0]['number']}")


def _from_trial(session: Session, text: str) -> Subject:
    from search_space import Architecture

    with session.store() as store:
        record, trial, _ = find_trial(session, store, text)
        document = store.architecture(trial.digest) if trial.digest else None
        if document is None:
            raise CommandError(
                f"a trial must have an architecture to be exported, got none in {text!r}; choose another"
            )
        weights = store.artifacts.get_bytes(trial.weights) if trial.weights else None
    name = _file_name(f"{record.name}-{trial.number}")
    return Subject(name, Architecture.from_json(document), weights)


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
