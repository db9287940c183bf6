"""Command `dashboard`: a web page that shows the studies of a storage, live."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.exits import CommandError
from nas.cli.session import Session, verb

if TYPE_CHECKING:
    from dashboards.site import Download, Exporter
    from runs import Store

logger = logging.getLogger(__name__)
NICENESS = 10  # a search on the same machine comes first

# What the pages offer, and what each is for.
FORMATS = {
    "json": "the architecture",
    "python": "one module that needs torch alone",
    "safetensors": "its trained weights",
    "onnx": "for onnxruntime and other engines",
    "timm": "for timm.create_model",
    "hf": "a folder for a model hub",
}


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    verb(app, "dashboard")(dashboard)


def dashboard(
    session: Session,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="To bind.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, metavar="N", help="Left out: 8050, or the next free one."),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", metavar="FILE", help="Holds a token of your own.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", metavar="NAME", help="A name that visitors use.")
    ] = None,
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="PATH", help="Under which a proxy serves it.")
    ] = "/",
    tls: Annotated[
        bool, typer.Option("--tls", help="Visitors come over TLS through a proxy: a stricter cookie.")
    ] = False,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser of this machine.")
    ] = False,
) -> None:
    """Show the studies of a storage in a browser, live, until Ctrl-C."""
    from dashboards.reader import Reader
    from dashboards.server import Address, Server, site_prefix
    from dashboards.site import Site

    address = Address(host, port, _token(token_file), tuple(allow_host or ()), tls)
    address.check()
    place = site_prefix(prefix)
    with session.store(watched=True) as store:
        formats, exporter = exports(session)
        site = Site(Reader(store), place, formats, exporter, timm_text, has_optuna=place == "/")
        server = Server(
            site, address, make_optuna=(lambda: optuna_application(store)) if place == "/" else None
        )
        if session.json:
            session.printer.json({"url": server.url, "port": server.port, "storage": store.url_safe})
        else:
            session.printer.data(server.url)
            session.printer.message(f"the dashboard of {store.url_safe}; Ctrl-C ends it")
        if address.warning:
            logger.warning(address.warning)
        if open_browser:
            import webbrowser

            webbrowser.open(server.url)
        os.nice(NICENESS)
        try:
            server.serve()
        except KeyboardInterrupt:
            session.printer.message("closed; the studies go on by themselves")


def exports(session: Session) -> tuple[dict[str, str], Exporter]:
    """Returns the formats that the pages offer, and what makes them: the verified export of `nas export`."""
    return dict(FORMATS), lambda *what: _export(session, *what)


def timm_text(document: str) -> str:
    """Returns what timm's builder is told to build an architecture, as JSON.

    Args:
        document: the architecture's own JSON.

    Raises:
        TimmError: timm's builder cannot express the network.
    """
    import json

    from search_space import Architecture
    from search_space.export.timm_definition import timm_definition

    return json.dumps(timm_definition(Architecture.from_json(document)).to_dict(), indent=1)


def _export(session: Session, study: str, number: int, format: str) -> Download:
    """Returns one export of a trial: its folder as a zip file, which `nas verify` can check once it is unpacked."""
    import tempfile

    from dashboards.site import Download
    from nas.cli.exporting import find_subject
    from nas.exporting.packaging import Wanted
    from nas.exporting.packaging import export as write

    subject = find_subject(session, f"{study}/{number}")
    with tempfile.TemporaryDirectory(prefix="nas-export-") as place:
        folder, zipped = Path(place) / subject.name, f"{subject.name}-{format}.zip"
        write(subject, Wanted((format,), ()), folder, place=zipped)
        return Download(zipped, _zipped(folder))


def _zipped(folder: Path) -> bytes:
    import io
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, str(path.relative_to(folder.parent)))
    return out.getvalue()


def _token(path: Path | None) -> str | None:
    """Returns the token in a file that only its owner may read.

    Raises:
        CommandError: others may read it, or it cannot be read.
    """
    if path is None:
        return None
    try:
        if path.stat().st_mode & 0o077:
            raise CommandError(
                f"a token's file must be readable by its owner alone, got {str(path)!r}; run `chmod 600` on it"
            )
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"the token's file {str(path)!r} must be readable text: {error}") from None


def optuna_application(store: Store) -> Any:
    """Returns Optuna Dashboard on the same ledger; imported when it is first visited."""
    import optuna_dashboard

    return optuna_dashboard.wsgi(store.optuna)
