"""Command `draw`: a network as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.architectures import Name, load_architecture
from nas.cli.files import require_suffix, write_whole
from nas.cli.session import Session, verb


def depth_option(text: str | int) -> int:
    """Returns the depth that was typed; which ones there are, the drawing says.

    Raises:
        typer.BadParameter: it is no whole number.
    """
    if not (str(text).isascii() and str(text).isdigit() and len(str(text)) <= 3):
        raise typer.BadParameter(f"it must be a whole number from 0 to 4, got {text!r}")
    return int(text)


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    verb(app, "draw", flags=())(draw_network)


def draw_network(
    session: Session,
    name: Name,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.svg", help="Left out: the picture goes to stdout.")
    ] = None,
    depth: Annotated[
        int,
        typer.Option(
            "--depth",
            parser=depth_option,
            metavar="0-4",
            help="0: a box an output size, 1: a stage, 2: a block, 3: operators, 4: every operator",
        ),
    ] = 1,
) -> None:
    """Draw a network as SVG: stages, blocks or operators, with what they cost."""
    from search_space import draw

    if out is not None:
        require_suffix(out, (".svg",), "a picture")
    title, architecture = load_architecture(name)
    picture = draw(architecture, depth=depth, title=title)
    if out is not None:
        write_whole(out, picture.encode())
    if session.json:
        row = {"name": title, "digest": architecture.digest, "depth": depth}
        session.printer.json(row | ({"svg": picture} if out is None else {"file": str(out)}))
    elif out is None:
        session.printer.data(picture.rstrip("\n"))
    else:
        session.printer.message(f"drew {title} at depth {depth}: {out}")
