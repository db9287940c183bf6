"""Commands `run` and `resume`: all stages one after another, and going on with whatever was begun."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli import searching
from nas.cli.operating import call_off
from nas.cli.scaling import conclude, running
from nas.cli.scaling_views import fit_view, grow_view, print_fit, print_grow
from nas.cli.session import Session, verb
from nas.flags import FLAGS

if TYPE_CHECKING:
    from nas.pipeline import RunReport
    from nas.settings import Settings

Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="For a folder of each member; by default export.")
]

To = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="FORMATS",
        help="Of the members, as for `nas export`; by default json,python,safetensors.",
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    verb(app, "run", flags=FLAGS)(run)
    verb(app, "resume", flags=searching.CHANGEABLE)(resume)


def run(
    session: Session,
    file: Annotated[
        Path | None, typer.Argument(metavar="[nas.toml]", help="Settings; like --config.")
    ] = None,
    out: Out = None,
    to: To = "",
) -> None:
    """Search, fit, grow and export in one go; run again, it goes on where it stopped."""
    session = session.reading(file)
    found = session.configuration()  # a wrong setting is told before the libraries' seconds of loading
    formats = tuple(filter(None, map(str.strip, to.split(","))))
    run_through(session, found.settings, out, formats, is_kept=False)


def resume(
    session: Session,
    study: Annotated[str, typer.Argument(metavar="STUDY")],
    join: Annotated[
        bool, typer.Option("--join", help="Beside the driver that is at work on it already.")
    ] = False,
) -> None:
    """Go on with a study at whatever stage it was in; limits and machines may change."""
    with session.store() as store:
        record = store.study(study)
        if call_off(store, study, session.printer.message) and not join:
            return
    if join:
        _join(session, study)
        return

    from nas.config import overlaid
    from nas.pipeline import settings_of_run

    settings = settings_of_run(record)
    if settings is None:
        searching.resume(session, study)
        return
    found = session.configuration()
    changes = {flag.name: session.flags.get(flag.name) for flag in searching.LIMITS}
    places = {"storage": found.storage, "artifacts": found.settings.search.artifacts, "study": study}
    settings = overlaid(settings, changes)
    run_through(
        session, settings.model_copy(update={"search": settings.search.model_copy(update=places)}), None
    )


def _join(session: Session, study: str) -> None:
    """Works beside a study's driver, from stage to stage; a search that is no part of a run is told as a search."""
    from nas.config import overlaid
    from nas.pipeline import settings_of_run
    from nas.stages import joining
    from nas.stages.budget import counted

    with session.store() as store:
        record = store.study(study)
        is_only_search = settings_of_run(record) is None and joining.stage_at_work(store, record) is None
    if is_only_search:
        searching.resume(session, study, joins=True)
        return
    found, again = session.configuration(), session.command("resume", study, "--join")
    changes = {flag.name: session.flags.get(flag.name) for flag in searching.LIMITS}
    with running(session, again) as (watch, interruption):
        report = joining.join(
            study,
            storage=found.storage,
            artifacts=found.settings.search.artifacts,
            changes=lambda stored: overlaid(stored, changes),
            watch=watch,
        )
    if session.json:
        ending = {"kind": report.ending.kind, "reason": report.ending.reason}
        session.printer.json({"study": report.study, "ending": ending, "trained": report.num_trained})
    for name, count in report.num_trained.items():
        session.printer.message(f"{name}: {counted(count, 'training')} here")
    conclude(session, report.ending, interruption, again, [session.command("status", study)])


def run_through(
    session: Session,
    settings: Settings,
    out: Path | None,
    formats: Sequence[str] = (),
    *,
    is_kept: bool = True,
) -> None:
    """Runs all stages of a study and prints what they found."""
    from nas import pipeline
    from nas.stages.preparation import study_name

    again = session.command("resume", study_name(settings))
    with running(session, again, is_kept=is_kept) as (watch, interruption):
        report = pipeline.run(settings, out=out, formats=formats, watch=watch)
    view = run_view(report)
    if session.json:
        session.printer.json(view)
    else:
        _print(session, view)
    following = [session.command("status", report.study)]
    conclude(session, report.ending, interruption, again, following)


def run_view(report: RunReport) -> dict[str, Any]:
    """Returns what `nas run --json` prints."""
    return {
        "study": report.study,
        "stage": report.stage,
        "ending": {"kind": report.ending.kind, "reason": report.ending.reason},
        "search": searching.report_view(report.search),
        "fit": fit_view(report.fit) if report.fit else None,
        "grow": grow_view(report.grow) if report.grow else None,
        "exports": [str(folder) for folder in report.exports],
        "files": [
            str(path) for folder in report.exports for path in sorted(folder.rglob("*")) if path.is_file()
        ],
    }


def _print(session: Session, view: dict[str, Any]) -> None:
    from nas.views import with_cost

    title = f"finalists of {view['study']}"
    finalists = view["search"]["finalists"]
    session.rows(finalists, columns=with_cost(searching.FINALIST_COLUMNS, finalists), title=title)
    if view["fit"]:
        print_fit(session, view["fit"])
    if view["grow"]:
        print_grow(session, view["grow"])
    for folder in view["exports"]:
        session.printer.data(folder)
