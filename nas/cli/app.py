"""The command `nas`: its groups of commands, and how every call of it ends."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from nas.cli import (
    architectures,
    configuration,
    dashboard,
    databases,
    doctor,
    drawing,
    explaining,
    exporting,
    latency,
    operating,
    reporting,
    running,
    scaling,
    searching,
    studies,
    zoo,
)
from nas.cli.exits import Exit, Report, report
from nas.cli.printing import Printer

app = typer.Typer(
    name="nas",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find a small network under an accuracy-and-cost reward, and keep every measurement.",
    epilog="Start: nas search --data digits --target 5M --trials 40. Then: nas best, nas fit, nas grow, nas export.",
)
for module in (
    configuration,
    searching,
    scaling,
    running,
    studies,
    architectures,
    zoo,
    drawing,
    exporting,
    explaining,
    latency,
    operating,
    dashboard,
    reporting,
    databases,
    doctor,
):
    module.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        Printer().data(f"nas {version('nas-compound')}")
        raise typer.Exit()


@app.callback()
def _root(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end."),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command in `arguments`, None for this process's, and ends the process with an `exits.Exit`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_run(words))


def _run(words: list[str]) -> int:
    try:
        return int(app(args=words, prog_name="nas", standalone_mode=False) or Exit.OK)
    except typer.Abort:
        return _tell(Report(Exit.INTERRUPTED, "interrupted", ""), words)
    except TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # help was asked for by saying nothing
            Printer().message(error.format_message())
            return int(Exit.USAGE)
        return _tell(_usage(error), words)
    except Exception as error:  # the one place where a command's failure becomes a sentence
        if {"-v", "--verbose"} & set(words):
            traceback.print_exc()
        return _tell(report(error), words)


def _usage(error: TyperException) -> Report:
    """Returns typer's complaint as ours: no usage block, and where to look."""
    message = error.format_message().strip().rstrip(".")
    return Report(Exit.USAGE, message[:1].lower() + message[1:], "see `nas --help`")


def _tell(told: Report, words: Sequence[str]) -> int:
    """Prints an error: a sentence on stderr and, under --json, one document on stdout."""
    printer = Printer(as_json="--log-json" in words)
    if "--json" in words:
        printer.json(
            {"error": {"code": told.exit_code.name.lower(), "message": told.message, "hint": told.hint}}
        )
    printer.error(told.sentence)
    return int(told.exit_code)
