"""Commands that scale: fit, grow, committee."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.architectures import load_architecture
from nas.cli.exits import CommandError, Exit
from nas.cli.progress import Progress
from nas.cli.scaling_views import (
    COMMITTEE_COLUMNS,
    COMMITTEE_TITLE,
    committee_view,
    fit_view,
    grow_view,
    print_fit,
    print_grow,
    print_sweep,
    sweep_view,
)
from nas.cli.searching import watching
from nas.cli.session import Session, verb
from nas.cli.signals import Interruption, interruptible
from nas.flags import FIT_FLAGS, GROW_FLAGS, NETWORK_FLAGS, PLACES

if TYPE_CHECKING:
    from nas.settings import Settings
    from nas.stages.arms import Watch
    from nas.stages.rules import Ending

What = Annotated[
    str,
    typer.Argument(
        metavar="STUDY|ARCH",
        help="A study's winner, STUDY/NUMBER, a zoo network or a JSON file.",
        show_default=False,
    ),
]
_ONLY_OF_NETWORKS = frozenset(flag.name for flag in NETWORK_FLAGS)


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    verb(app, "fit", flags=(*FIT_FLAGS, *NETWORK_FLAGS))(fit)
    verb(app, "grow", flags=(*GROW_FLAGS, *NETWORK_FLAGS))(grow)
    verb(app, "committee")(committee)


def fit(
    session: Session,
    what: What,
    rule: Annotated[
        str, typer.Option("--rule", metavar="NAME", help="Only compound is fitted.")
    ] = "compound",
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep", metavar="DIMENSION=LIST", help="Instead: one dimension alone, such as width=1,1.4,2."
        ),
    ] = None,
) -> None:
    """Measure scaled variants of a network, and find the rule by which it should grow."""
    if rule != "compound":
        raise CommandError(
            f"only the rule `compound` is fitted, got {rule!r}; grow by another with `nas grow {what} --rule {rule}`"
        )
    factors = sweep_factors(sweep or ())
    study, trial = subject(session, what)
    swept_again = [word for one in sweep or () for word in ("--sweep", one)]
    again = session.command("fit", what, *swept_again, repeated=tuple(session.flags))
    places = _places(session)
    if factors:
        from nas.stages import sweep as sweeping

        with running(session, again) as (watch, interruption):
            swept = sweeping.sweep(
                study, factors, trial=trial, changes=_changes(session), watch=watch, **places
            )
        _show(session, sweep_view(swept), print_sweep)
        conclude(session, swept.ending, interruption, again, [])
        return
    from nas.stages import fit as fitting

    with running(session, again) as (watch, interruption):
        report = fitting.fit(study, trial=trial, changes=_changes(session), watch=watch, **places)
    _show(session, fit_view(report), print_fit)
    following = [session.command("grow", report.study, "--phi", "0,1,2")]
    conclude(session, report.ending, interruption, again, following)


def grow(session: Session, what: What) -> None:
    """Train the family: the network grown by its fitted rule, or by others beside it."""
    study, trial = subject(session, what)
    if trial is not None:
        raise CommandError(f"a family is of a study's fitted network, got {what!r}; name the study alone")
    again = session.command("grow", what, repeated=tuple(session.flags))

    from nas.stages import grow as growing
    from nas.stages.names import GROW

    with running(session, again) as (watch, interruption):
        report = growing.grow(study, changes=_changes(session), watch=watch, **_places(session))
    _show(session, grow_view(report), print_grow)
    best = max((one for one in report.members if one.trials), key=lambda one: one.mean or 0.0, default=None)
    name = f"{report.study}.{GROW}"
    following = [session.command("trials", name)]
    if best is not None:
        following.append(session.command("export", f"{name}/{best.trials[0]}"))
    conclude(session, report.ending, interruption, again, following)


def committee(
    session: Session, study: Annotated[str, typer.Argument(metavar="STUDY", help="Whose family was grown.")]
) -> None:
    """Show ensembles and cascades of a family's members beside each member alone: cost, accuracy, who is beaten."""
    with session.store() as store:
        from nas.stages.committee import committees
        from nas.stages.names import GROW
        from nas.stages.scaled_trainings import stored_arm

        found = committees(store, stored_arm(store, store.study(study), GROW))
    session.rows([committee_view(one) for one in found], columns=COMMITTEE_COLUMNS, title=COMMITTEE_TITLE)


def subject(session: Session, what: str) -> tuple[str, int | None]:
    """Returns the study that `what` names, made of a network where it is one, and the number of a trial."""
    from runs.errors import StudyMissing
    from search_space import reference_names

    if Path(what).is_file() or what in reference_names() or what.endswith(".json"):
        return _adopted(session, what), None
    name, _, number = what.rpartition("/")
    is_trial = bool(name) and number.isascii() and number.isdigit()
    try:
        with session.store() as store:
            study = store.study(name if is_trial else what)
    except (StudyMissing, CommandError):
        if near := difflib.get_close_matches(what, reference_names(), n=1, cutoff=0.75):
            raise CommandError(
                f"what is scaled must be a study, a network of the zoo or a JSON file, got {what!r};"
                f" did you mean {near[0]}?",
                Exit.NOT_FOUND,
            ) from None
        raise
    given = [name for name in sorted(_ONLY_OF_NETWORKS) if session.flags.get(name)]
    given += ["study"] if session.flags.get("study") else []
    if given:
        raise CommandError(
            f"a study has its own name, data and recipe, got --{given[0]} with {what!r};"
            " leave it out, or name a network"
        )
    return study.name, int(number) if is_trial else None


def sweep_factors(texts: Sequence[str]) -> dict[str, list[float]]:
    """Returns what `--sweep width=1,1.4 --sweep depth=2` asks for.

    Raises:
        CommandError: a text is no dimension with factors.
    """
    factors: dict[str, list[float]] = {}
    for text in texts:
        dimension, _, values = text.partition("=")
        try:
            numbers = [float(word) for word in values.split(",")]
        except ValueError:
            raise CommandError(
                f"a sweep must be DIMENSION=NUMBER,NUMBER,..., got {text!r}; write for example width=1,1.4,1.8"
            ) from None
        factors.setdefault(dimension.strip(), []).extend(numbers)
    return factors


def _adopted(session: Session, what: str) -> str:
    """Returns the study that is made of a network; a reference network takes the size of the data's images."""
    from nas.stages.baseline import adopt

    settings = session.configuration().settings
    name, network = load_architecture(what)
    if not Path(what).is_file():
        side = settings.fidelity.resolution or settings.data.resolution
        network = dataclasses.replace(network, resolution=side)
    return adopt(network, settings, name=name)


@contextmanager
def running(session: Session, again: str, *, is_kept: bool = True) -> Iterator[tuple[Watch, Interruption]]:
    """Shows progress and turns Ctrl-C into a wish to stop, while a stage runs."""
    with (
        interruptible(session.printer, again, is_kept=is_kept) as interruption,
        Progress(session.printer) as progress,
    ):
        yield watching(progress, interruption), interruption


def _changes(session: Session) -> Callable[[Settings], Settings]:
    """Returns what this call's flags change in the settings of a study."""
    from nas.config import overlaid

    left_out = {*_ONLY_OF_NETWORKS, *(flag.name for flag in PLACES), "study"}
    known = [flag for flag in session.known if flag.name not in left_out]
    return lambda settings: overlaid(settings, session.flags, known=known)


def _places(session: Session) -> dict[str, Any]:
    found = session.configuration()
    return {"storage": found.storage, "artifacts": found.settings.search.artifacts}


def _show(session: Session, view: Mapping[str, Any], show: Any) -> None:
    if session.json:
        session.printer.json(view)
    else:
        show(session, view)


def conclude(
    session: Session, ending: Ending, interruption: Interruption, again: str, following: Sequence[str]
) -> None:
    """Says why it ended and what can be done next, and ends with the code that fits."""
    session.printer.message(f"{ending.kind}: {ending.reason}")
    if ending.kind == "stopped":
        session.printer.message(f"go on with: {again}")
        raise typer.Exit(int(interruption.exit_code or Exit.STOPPED))
    for line in following:
        session.printer.message(f"next: {line}")
    if ending.kind == "failures":
        raise CommandError(
            f"a stage must have at most as many failed trials as allowed, got more: {ending.reason};"
            f" look at `{session.command('trials', '--state', 'failed')}`, then go on with a higher --max-failures",
            Exit.TOO_MANY_FAILURES,
        )
