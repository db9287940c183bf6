"""Commands about settings: init, config show, config path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli.exits import CommandError, Exit
from nas.cli.session import Session, verb
from nas.flags import FLAGS, masked


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    verb(app, "init", flags=())(init)
    config = typer.Typer(no_args_is_help=True, help="Settings, and where each comes from.")
    verb(config, "show", flags=FLAGS)(show)
    verb(config, "path", flags=())(path)
    app.add_typer(config, name="config")


def init(
    session: Session,
    file: Annotated[Path, typer.Argument(help="To be written.")] = Path("nas.toml"),
) -> None:
    """Write a commented settings file."""
    text = "\n".join(settings_lines()) + "\n"
    try:
        with open(file, "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise CommandError(
            f"`nas init` must not overwrite a file, got {str(file)!r}; name another or move it",
            Exit.CONFLICT,
        ) from None
    if session.json:
        session.printer.json({"file": str(file)})
    session.printer.message(f"wrote {file}; every line is a default: change it, then run `nas search`")


def show(
    session: Session,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")] = False,
) -> None:
    """Show the settings in force."""
    found = session.configuration()
    tables = found.settings.model_dump()
    values = {
        f"{table}.{key}": masked(value) for table, keys in tables.items() for key, value in keys.items()
    }
    if values["search.storage"] is None:
        values["search.storage"] = found.storage
    if origin:
        rows = [{"key": key, "value": value, "origin": found.origin(key)} for key, value in values.items()]
        session.rows(rows)
    else:
        session.facts(values)


def path(session: Session) -> None:
    """Show the files that settings are read from, and whether they are there."""
    from nas.config import LOCAL_FILE, environment, user_file

    files = [session.config, Path.cwd() / LOCAL_FILE, user_file(environment())]
    rows = [{"file": str(file), "exists": os.path.isfile(file)} for file in files if file is not None]
    session.rows(rows)


def settings_lines() -> Iterator[str]:
    """Yields a TOML file of all settings at their defaults; those that have none are commented out."""
    from nas.settings import known_keys

    yield "# Flags and NAS_* variables go before this file; `nas config show --origin` shows the result."
    for name, table in known_keys().items():
        yield ""
        yield f"# {(table.__doc__ or '').strip()}"
        yield f"[{name}]"
        for key, field in table.model_fields.items():
            comment = f"  # {field.description}"
            if field.default is None:
                yield f"# {key} ={comment}"
            else:
                yield f"{key} = {_toml(field.default)}{comment}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return repr(value)
