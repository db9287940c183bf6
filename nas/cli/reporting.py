"""Commands `report` and `plot`: a study as one file to share, and single figures of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.session import Session, verb
from nas.cli.studies import Study

if TYPE_CHECKING:
    from dashboards.site import Site
    from runs import Store


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    verb(app, "report")(report)
    verb(app, "plot")(plot)


def report(
    session: Session,
    study: Study = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Replaced where it is there.")] = Path(
        "report.html"
    ),
) -> None:
    """Write a study as one self-contained HTML file with the dashboard's figures."""
    from dashboards.report import write_report

    with session.store() as store:
        record = session.study(store, study)
        write_report(_site(store), record.id, out)
    session.facts({"study": record.name, "file": str(out), "bytes": out.stat().st_size})


def plot(
    session: Session,
    study: Study = None,
    figure: Annotated[
        str,
        typer.Option(
            "--figure",
            metavar="NAME",
            help="front, best, importances, curves, compute, sweep, region, parameters, predictions or family",
        ),
    ] = "front",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Ends in .png, .svg or .pdf. [default: NAME.png]"),
    ] = None,
) -> None:
    """Write one figure of a study as PNG, SVG or PDF."""
    from dashboards.plots import write_plot

    path = out or Path(f"{figure}.png")
    with session.store() as store:
        record = session.study(store, study)
        write_plot(_site(store), record.id, figure, path)
    session.facts({"study": record.name, "figure": figure, "file": str(path), "bytes": path.stat().st_size})


def _site(store: Store) -> Site:
    from dashboards.reader import Reader
    from dashboards.site import Site

    return Site(Reader(store))
