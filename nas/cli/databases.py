"""Commands about the storage itself: db upgrade, check, copy, backup."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from nas.cli.exits import CommandError, Exit
from nas.cli.session import Session, verb


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    db = typer.Typer(no_args_is_help=True, help="The storage: upgrade, check, copy, backup.")
    for function in (upgrade, check, copy, backup):
        verb(db, function.__name__)(function)
    app.add_typer(db, name="db")


def upgrade(
    session: Session,
    backed_up: Annotated[bool, typer.Option("--backed-up", help="PostgreSQL: a backup was made.")] = False,
) -> None:
    """Bring an older storage to this version; a SQLite file is copied beside itself first."""
    from runs.migrate import upgrade as migrate

    done = migrate(session.require_storage(), is_backed_up=backed_up)
    session.facts(dataclasses.asdict(done))


def check(
    session: Session,
    deep: Annotated[bool, typer.Option("--deep", help="Read all weights and compare their hashes.")] = False,
) -> None:
    """Prove that the storage holds together, with the files that it names; name what does not."""
    with session.store() as store:
        violations = store.check(is_deep=deep)
        where = store.url_safe
    rows = [dataclasses.asdict(one) for one in violations]
    session.printer.message(f"{len(rows)} violations in {where}" if rows else f"{where} holds together")
    if rows or session.json:
        session.rows(rows)
    if rows:
        raise typer.Exit(int(Exit.UNEXPECTED))


def copy(
    session: Session,
    study: Annotated[str, typer.Argument(metavar="STUDY")],
    to: Annotated[str | None, typer.Option("--to", metavar="URL", help="Optuna storage to write.")] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="URL", help="Optuna storage to read.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Its name there; else the same.")
    ] = None,
) -> None:
    """Copy a study to or from a stock Optuna storage: a database's URL or a journal file's path."""
    from runs.copy import copy_from_optuna, copy_to_optuna

    if (to is None) == (source is None):
        given = "neither" if to is None else "both"
        raise CommandError(
            f"a copy must have one of --to URL and --from URL, got {given}; name the other storage"
        )
    with session.store(create=source is not None) as store:
        if to is not None:
            done = copy_to_optuna(store, study, to, target_name=name)
        else:
            done = copy_from_optuna(store, study, str(source), target_name=name)
    session.facts(dataclasses.asdict(done))


def backup(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="To be written; must not exist.")],
) -> None:
    """Copy a SQLite storage, also while it is in use, into one file."""
    with session.store() as store:
        if not store.database.is_sqlite:
            raise CommandError(
                f"`nas db backup` copies SQLite storages, got {store.url_safe}; use `pg_dump --format=custom`"
            )
        if file.exists():
            raise CommandError(
                f"a backup must not overwrite a file, got {str(file)!r}; name another", Exit.CONFLICT
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        store.database.vacuum_into(file)
    session.facts({"file": str(file), "bytes": file.stat().st_size})
