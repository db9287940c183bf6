"""Commands `export` and `verify`: a network as files that stand alone, and whether they still are what they were."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.architectures import load_architecture
from nas.cli.exits import CommandError, Exit
from nas.cli.session import Session, number, verb
from nas.flags import FLAGS, PLACES

if TYPE_CHECKING:
    from nas.exporting.checking import Check
    from nas.exporting.folder import Manifest
    from nas.exporting.packaging import Wanted
    from nas.exporting.subject import Subject
    from nas.settings import DataSettings

SUBJECT = (*PLACES, *(flag for flag in FLAGS if flag.name in ("data", "resolution", "samples")))
COMMITTEE = ("onnx",)
COLUMNS = ("file", "bytes", "max_abs_difference", "top1_agreement", "accuracy", "accuracy_change")

Weights = Annotated[
    Path | None,
    typer.Option("--weights", metavar="FILE", help="Safetensors for a FILE or NAME.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    verb(app, "export", flags=SUBJECT)(export)
    verb(app, "verify", flags=())(verify)


def export(
    session: Session,
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY|TRIAL|FILE|NAME...",
            help="A study stands for its best trial, STUDY/all for all; several networks become a committee.",
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="FORMATS",
            help="json, python, safetensors, onnx, torch-export, timm, graphml, dot, hf"
            " [default: json,python,safetensors; a committee: onnx]",
            show_default=False,
        ),
    ] = None,
    variants: Annotated[
        str, typer.Option("--variants", metavar="WORDS", help="folded, fp16, bf16, int8")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="A new folder. [default: export/NAME]", show_default=False),
    ] = None,
    weights: Weights = None,
    max_drop: Annotated[
        float, typer.Option(parser=number, metavar="SHARE", help="Accuracy that a variant may lose.")
    ] = 0.05,
    threshold: Annotated[
        float | None,
        typer.Option(parser=number, metavar="P", help="A committee stops at it.", show_default=False),
    ] = None,
    mean: Annotated[
        str, typer.Option(metavar="KIND", help="Of a committee's predictions: geometric or arithmetic.")
    ] = "geometric",
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
) -> None:
    """Write a network as files, each run without this project and compared before it is kept."""
    from nas.exporting.packaging import Wanted, usual_formats
    from nas.exporting.packaging import export as write

    what = [name for text in what for name in _members(session, text)]
    formats = COMMITTEE if to is None else _words("format", to)
    wanted = Wanted(formats, _words("variant", variants, may_be_none=True), max_drop)
    if len(what) > 1:
        folder = out or Path("export") / "committee"
        manifest = _committee(session, what, wanted, folder, (threshold, mean), force=force)
    elif threshold is not None:
        raise CommandError("--threshold is for a committee, got one network; name several, or leave it out")
    else:
        subject = find_subject(session, what[0], weights=weights)
        folder = out or Path("export") / subject.name
        wanted = replace(wanted, formats=usual_formats(subject)) if to is None else wanted
        manifest = write(subject, wanted, folder, force=force, watch=session.printer.message)
    rows = manifest_rows(folder, manifest)
    columns = (COLUMNS if manifest.checks else COLUMNS[:2]) + (("note",) if manifest.not_run else ())
    show_checks(session, rows, columns=columns)
    session.printer.message(
        f"kept in {folder}; to check it again: {shlex.join(['nas', 'verify', str(folder)])}"
    )


def verify(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="That `nas export` wrote.")],
) -> None:
    """Check an export again: every file's sha256, and what each computes."""
    from nas.exporting.folder import read_manifest
    from nas.exporting.verifying import verify as check

    found = check(folder, watch=session.printer.message)
    num_files = len(read_manifest(folder).files)
    rows = [check_view(one) | {"file": str(folder / one.path)} for one in found]
    if session.json:
        session.printer.json({"folder": str(folder), "files": num_files, "checks": rows})
        return
    show_checks(session, rows, columns=("file", "max_abs_difference", "top1_agreement"))
    session.printer.message(f"all {num_files} files are as they were written")


def _committee(
    session: Session,
    what: list[str],
    wanted: Wanted,
    folder: Path,
    rule: tuple[float | None, str],
    *,
    force: bool,
) -> Manifest:
    """Writes a committee of the networks that `what` names."""
    from nas.exporting.formats import require_packages

    require_packages("a committee", ("onnx", "onnxruntime"))
    from nas.exporting.committee import NEVER, Rule, export_committee

    threshold, mean = rule
    if mean not in ("geometric", "arithmetic"):
        raise CommandError(f"--mean must be geometric or arithmetic, got {mean!r}; choose one")
    subjects = [find_subject(session, text) for text in what]
    how = Rule(
        NEVER if threshold is None else threshold, "arithmetic" if mean == "arithmetic" else "geometric"
    )
    return export_committee(subjects, how, wanted, folder, force=force, watch=session.printer.message)


def _members(session: Session, text: str) -> list[str]:
    """Returns STUDY/all as the names of its trained networks; anything else as it is."""
    name, _, last = text.rpartition("/")
    if last != "all" or not name or Path(text).exists():
        return [text]
    with session.store() as store:
        trials = store.trials(session.study(store, name).id)
    found = [f"{name}/{one.number}" for one in trials if one.weights is not None]
    if not found:
        raise CommandError(
            f"a family must have trained networks, got none in {name!r}; `nas trials {name}` lists them",
            Exit.NOT_FOUND,
        )
    return found


def find_subject(session: Session, text: str, *, weights: Path | None = None) -> Subject:
    """Returns what `text` names: a file, a zoo network, a trial (NUMBER or STUDY/NUMBER), or a study."""
    from nas.exporting.subjects import subject_in, subject_of
    from search_space import reference_names

    path, data = Path(text), _data(session)
    if path.suffix == ".safetensors" and path.is_file():
        return subject_in(path, data=data)
    if path.is_file() or text in reference_names() or path.suffix == ".json":
        name, architecture = load_architecture(text)
        subject = subject_of(name, architecture, weights=weights, data=data)
        return replace(subject, files=(*subject.files, path)) if path.is_file() else subject
    if weights is not None:
        raise CommandError(
            f"--weights is for a file or a network of the zoo, got it for {text!r}, which has its own; leave it out"
        )
    return _from_ledger(session, text)


def show_checks(session: Session, rows: list[dict[str, object]], *, columns: tuple[str, ...]) -> None:
    """Prints lines of `check_view`; for people, small differences are not rounded to zero."""
    if session.json:
        session.printer.json(rows)
        return
    shown = [
        row | {"max_abs_difference": f"{value:.1e}" if isinstance(value, float) else None}
        for row in rows
        for value in [row.get("max_abs_difference")]
    ]
    session.printer.table(shown, columns=columns)


def manifest_rows(folder: Path, manifest: Manifest) -> list[dict[str, object]]:
    """Returns a line for each file, with how it compares where it runs."""
    checks = {check.path: check_view(check) for check in manifest.checks}
    return [
        {"file": str(folder / entry.path), "bytes": entry.num_bytes, "sha256": entry.sha256}
        | checks.get(entry.path, {})
        | ({"note": manifest.not_run[entry.path]} if entry.path in manifest.not_run else {})
        for entry in manifest.files
    ]


def check_view(check: Check) -> dict[str, object]:
    """Returns what a comparison found, as `--json` prints it."""
    return {
        "variant": check.variant or None,
        "num_images": check.num_random + check.num_real,
        "max_abs_difference": float(f"{check.max_abs_difference:.3g}"),
        "top1_agreement": check.top1_agreement,
        "accuracy": check.accuracy,
        "accuracy_change": check.accuracy_change,
    }


def _from_ledger(session: Session, text: str) -> Subject:
    """Returns the trial NUMBER or STUDY/NUMBER, or the best of STUDY."""
    from nas.exporting.subjects import subject_of_trial

    name, _, digits = text.rpartition("/")
    is_trial = digits.isascii() and digits.isdigit()
    with session.store() as store:
        record = session.study(store, (name or None) if is_trial else text)
    found = session.configuration()
    return subject_of_trial(
        record.name,
        int(digits) if is_trial else None,
        storage=found.storage,
        artifacts=found.settings.search.artifacts,
    )


def _data(session: Session) -> DataSettings | None:
    """Returns the data that were named; a default is no naming."""
    found = session.configuration()
    return None if found.origin("data.name") == "default" else found.settings.data


def _words(kind: str, text: str, *, may_be_none: bool = False) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not words and not may_be_none:
        raise CommandError(f"a {kind} must be named, got {text!r}; `nas export --help` lists them")
    return words
