"""Command `explain`: pictures of what a network looks at."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nas.cli.exporting import SUBJECT, Weights, find_subject
from nas.cli.session import Session, verb


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    verb(app, "explain", flags=SUBJECT)(explain)


def explain(
    session: Session,
    model: Annotated[str, typer.Argument(metavar="TRIAL|STUDY|FILE", help="A trained network.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="Image files.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder.")] = Path("explained"),
    stage: Annotated[
        int | None,
        typer.Option("--stage", metavar="N", help="Grad-CAM after this stage, from 0.", show_default=False),
    ] = None,
    shown: Annotated[
        str | None, typer.Option("--class", metavar="NAME", help="Instead of the predicted one.")
    ] = None,
    weights: Weights = None,
    force: Annotated[bool, typer.Option("--force", help="Replace earlier explanations.")] = False,
) -> None:
    """Show what a network looks at: class activation maps over images, as PNG."""
    from nas.exporting.activation_maps import View
    from nas.exporting.activation_maps import explain as write
    from nas.exporting.network import network_of
    from nas.exporting.packaging import data_of

    subject = find_subject(session, model, weights=weights)
    network = network_of(subject, data_of(subject, session.printer.message))
    found = write(network, images, out, View(stage, shown), force=force, files=subject.files)
    session.rows(
        [asdict(one) for one in found], columns=("file", "predicted", "shown", "probability", "method")
    )
