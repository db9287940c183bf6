"""Commands about the storage itself: db upgrade, check, copy, backup."""

from __future__ import annotations

import dataclasses

import typer

from nas.cli.exits import Exit
from nas.cli.session import Session, verb


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    db = typer.Typer(no_args_is_help=True, help="The storage: upgrade, check, copy, backup.")
    verb(db, "check")(check)
    app.add_typer(db, name="db")


def check(session: Session) -> None:
    """Prove that the storage holds together; name what does not."""
    with session.store() as store:
        violations = store.check()
        where = store.url_safe
    rows = [dataclasses.asdict(one) for one in violations]
    session.printer.message(f"{len(rows)} violations in {where}" if rows else f"{where} holds together")
    if rows or session.json:
        session.rows(rows)
    if rows:
        raise typer.Exit(int(Exit.UNEXPECTED))
