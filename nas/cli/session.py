"""What every command shares: its options, its printer, its settings and its way to the ledger.

`verb` registers a function as a command: the common options (and, where wanted, the short names of the
settings) are added to its signature, and it is called with a `Session` first.
"""

from __future__ import annotations

import inspect
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.exits import CommandError, Exit
from nas.cli.logs import configure
from nas.cli.printing import Printer
from nas.flags import FLAGS, PLACES, Flag, masked

if TYPE_CHECKING:
    from nas.config import Configuration
    from runs import Store
    from runs.records import StudyRecord

PATIENCE_S = 5.0  # how long a reading command waits for the database; a search waits longer
WATCHING_PATIENCE_S = 0.5  # a page says what is wrong rather than wait


def whole(text: str | int) -> int:
    """Returns a positive whole number that was typed, or that is a default.

    Raises:
        typer.BadParameter: it is none.
    """
    digits = str(text)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18 and int(digits) > 0):
        raise typer.BadParameter(f"it must be a positive whole number, got {text!r}")
    return int(digits)


def number(text: str | float) -> float:
    """Returns a positive number that was typed, or that is a default.

    Raises:
        typer.BadParameter: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise typer.BadParameter(f"it must be a number above zero, got {text!r}")
    return value


_COMMON: dict[str, tuple[Any, Any]] = {
    "json": (Annotated[bool, typer.Option("--json", help="Print one JSON document.")], False),
    "config": (
        Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings before ./nas.toml.")],
        None,
    ),
    "quiet": (Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")], False),
    "verbose": (Annotated[bool, typer.Option("--verbose", "-v", help="Print more; tracebacks too.")], False),
    "log_json": (
        Annotated[
            bool, typer.Option("--log-json", help="Write messages and logs as JSON, one object a line.")
        ],
        False,
    ),
    "no_color": (Annotated[bool, typer.Option("--no-color", help="Print without colours.")], False),
}


@dataclass(frozen=True, slots=True)
class Session:
    """One call of a command."""

    printer: Printer
    json: bool = False
    verbose: bool = False
    config: Path | None = None
    flags: Mapping[str, str | None] = field(default_factory=dict)
    known: Sequence[Flag] = FLAGS  # what the names in `flags` stand for

    def reading(self, file: Path | None) -> Session:
        """Returns the session in which a settings file that was given as an argument stands for --config."""
        return self if file is None else replace(self, config=file)

    def configuration(self) -> Configuration:
        """Returns the settings that flags, environment and files give together."""
        from nas.config import environment, resolve

        return resolve(self.flags, environment(), config=self.config, known=self.known)

    def command(self, name: str, *words: str, repeated: Sequence[str] = ()) -> str:
        """Returns a command that finds what this call has found, as it can be typed in this folder.

        A place (storage, artifacts) that a file gave is found there again; one from a flag or a variable is written
        out. A password is never shown: a variable that has one is left to be read again, and a flag becomes a variable
        with stars, for the user to fill in.

        Args:
            name: of the command.
            words: its arguments and own options.
            repeated: this call's flags that are written out too.
        """
        found, line, filled_in = self.configuration(), ["nas", name, *words], []
        if self.config is not None:
            line += ["--config", str(self.config)]
        for flag in self.known:
            text = self.flags.get(flag.name)
            if text and flag.name in repeated and flag not in PLACES:
                line += [f"--{flag.name}", text]
        for flag in PLACES:
            url, origin = getattr(found.settings.search, flag.name), found.origin(flag.path)
            if url is None or not origin.startswith(("--", "NAS_")):
                continue
            if (shown := str(masked(url))) == url:
                line += [f"--{flag.name}", url]
            elif origin.startswith("--"):
                filled_in.append(f"{flag.variable}={shlex.quote(shown)}")
        return " ".join([*filled_in, shlex.join(line)])

    def store(self, *, create: bool = False, watched: bool = False) -> Store:
        """Returns the open ledger; only a command that writes makes a new one, and one that looks on watches it."""
        from runs import open_store

        found = self.configuration()
        url = found.storage if create else self.require_storage()
        patience = WATCHING_PATIENCE_S if watched else PATIENCE_S
        artifacts = found.settings.search.artifacts
        return open_store(url, artifacts=artifacts, timeout_s=patience, watched=watched)

    def require_storage(self) -> str:
        """Returns the storage's URL; what is to be read must be there already.

        Raises:
            CommandError: a SQLite file is missing.
        """
        from runs.address import parse

        url = parse(self.configuration().storage)
        if url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).exists()):
            raise CommandError(
                f"the storage must be there to be read, got no file {url.database!r};"
                " name another with --storage, or make it with `nas search`",
                Exit.NOT_FOUND,
            )
        return url.render_as_string(hide_password=False)

    def study(self, store: Store, name: str | None) -> StudyRecord:
        """Returns the study of this name; without one, that of the settings, or the one that changed last."""
        from nas.views import is_arm

        wanted = name or self.configuration().settings.search.study
        if wanted is not None:
            return store.study(wanted)
        studies = [study for study in store.studies() if not is_arm(study.name)]
        if not studies:
            raise CommandError(
                f"the storage must hold a study, got none in {store.url_safe}; `nas search` makes one",
                Exit.NOT_FOUND,
            )
        return max(studies, key=lambda study: study.created)

    def rows(
        self, rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str] = (), title: str = ""
    ) -> None:
        """Prints rows: all as JSON, or the named columns as a table."""
        if self.json:
            self.printer.json(list(rows))
        elif rows:
            self.printer.table(rows, columns=columns or list(rows[0]), title=title)
        else:
            self.printer.message("nothing to show")

    def facts(self, values: Mapping[str, Any], *, title: str = "") -> None:
        """Prints one object."""
        if self.json:
            self.printer.json(values)
        else:
            self.printer.facts(values, title=title)


def verb(
    app: typer.Typer, name: str, *, flags: Sequence[Flag] = PLACES
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Returns a decorator that registers `function(session, ...)` as the command `name` of `app`."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

        def run(**values: Any) -> None:
            common = {key: values.pop(key) for key in _COMMON}
            texts = {flag.name: values.pop(_variable(flag)) for flag in flags}
            function(_session(common, texts, flags), **values)

        parameters = own + [_option(flag) for flag in flags] + [_common(key) for key in _COMMON]
        run.__dict__["__signature__"] = inspect.Signature(
            [p.replace(kind=p.KEYWORD_ONLY) for p in parameters]
        )
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        run.__doc__ = function.__doc__
        app.command(name)(run)
        return function

    return register


def _session(common: Mapping[str, Any], texts: Mapping[str, str | None], known: Sequence[Flag]) -> Session:
    configure(as_json=common["log_json"], verbose=common["verbose"])
    colour = False if common["no_color"] else None
    printer = Printer(quiet=common["quiet"], colour=colour, as_json=common["log_json"])
    return Session(printer, common["json"], common["verbose"], common["config"], texts, known)


def _variable(flag: Flag) -> str:
    return "flag_" + flag.name.replace("-", "_")


def _option(flag: Flag) -> inspect.Parameter:
    option = typer.Option(f"--{flag.name}", metavar=flag.metavar, help=flag.help)
    return inspect.Parameter(
        _variable(flag),
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[str | None, option],
    )


def _common(key: str) -> inspect.Parameter:
    annotation, default = _COMMON[key]
    return inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
