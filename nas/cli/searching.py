"""Command `search`, and going on with one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.exits import CommandError, Exit
from nas.cli.progress import Progress
from nas.cli.session import Session, verb
from nas.cli.signals import Interruption, interruptible
from nas.flags import FLAGS, PLACES

if TYPE_CHECKING:
    from nas.reward import Reward
    from nas.stages.arms import Watch
    from nas.stages.finalists import Finalist
    from nas.stages.search import SearchReport

# The two means are over new seeds; reward and accuracy are those of the training that made it a finalist.
FINALIST_COLUMNS = (
    "trial",
    "mean_reward",
    "mean_accuracy",
    "reward",
    "accuracy",
    "macs",
    "params",
    "digest",
)
PARETO_COLUMNS = ("trial", "mean_accuracy", "accuracy", "macs", "params", "digest")  # it has no single reward

# What may change between the sessions of one study: limits and machines, but not the question.
LIMITS = tuple(
    flag
    for flag in FLAGS
    if flag.group in ("Budget", "Where") and flag.name != "study" and flag not in PLACES
)
CHANGEABLE = (*LIMITS, *PLACES)  # the flags of `nas resume`


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    verb(app, "search", flags=FLAGS)(search)


def search(
    session: Session,
    file: Annotated[
        Path | None, typer.Argument(metavar="[nas.toml]", help="Settings; like --config.")
    ] = None,
) -> None:
    """Search for a small network; stop with Ctrl-C, go on with `nas resume`."""
    session = session.reading(file)
    found = session.configuration()  # a wrong setting is told before the libraries' seconds of loading

    from nas.stages import search as stage
    from nas.stages.preparation import study_name

    name = study_name(found.settings)
    resuming = session.command("resume", name)
    with (
        interruptible(session.printer, resuming, is_kept=False) as interruption,
        Progress(session.printer) as progress,
    ):
        report = stage.search(found.settings, watch=watching(progress, interruption))
    _conclude(session, report, interruption, resuming)


def resume(session: Session, study: str, *, joins: bool = False) -> None:
    """Goes on with a search from its storage, or joins its driver; limits and machines may change."""
    found = session.configuration()

    from nas.config import overlaid
    from nas.stages import search as stage
    from nas.stages.preparation import restored_settings

    changes = {flag.name: session.flags.get(flag.name) for flag in LIMITS}
    with session.store() as store:
        overlaid(
            restored_settings(store.study(study)), changes
        )  # a wrong change is told before anything is opened
    resuming = session.command("resume", study)
    with (
        interruptible(session.printer, resuming) as interruption,
        Progress(session.printer) as progress,
    ):
        report = stage.resume(
            study,
            storage=found.storage,
            artifacts=found.settings.search.artifacts,
            changes=lambda stored: overlaid(stored, changes),
            watch=watching(progress, interruption),
            joins=joins,
        )
    _conclude(session, report, interruption, resuming)


def report_view(report: SearchReport) -> dict[str, Any]:
    """Returns what `nas search --json` prints."""
    comparison = report.comparison
    return {
        "study": report.study,
        "ending": {"kind": report.ending.kind, "reason": report.ending.reason},
        "winner": _finalist_view(report.winner, report.reward) if report.winner else None,
        "finalists": [_finalist_view(one, report.reward) for one in report.finalists],
        "comparison": dataclasses.asdict(comparison) | {"verdict": comparison.verdict}
        if comparison
        else None,
        "device_seconds": report.device_seconds,
    }


def _finalist_view(finalist: Finalist, reward: Reward) -> dict[str, Any]:
    """Returns a finalist; `mean_reward` and `mean_accuracy` are those of its repeats, its own without any."""
    trial, is_single = finalist.trial, reward.kind != "pareto"
    accuracy = trial.metrics["accuracy"]
    view = {
        "trial": trial.number,
        "reward": finalist.reward if is_single else None,
        "mean_reward": finalist.mean if is_single else None,
        "accuracy": accuracy,
        "mean_accuracy": fmean(finalist.accuracies or (accuracy,)),
        "repeated_accuracies": list(finalist.accuracies),
        "macs": int(trial.costs["macs"]),
        "params": int(trial.costs["params"]),
        "digest": trial.digest,
    }
    price = trial.costs.get(reward.cost, trial.metrics.get(reward.cost))
    return view if reward.cost in view else view | {reward.cost: price}


def watching(progress: Progress, interruption: Interruption) -> Watch:
    """Returns what a stage tells: its plan is told once its study is kept."""
    from nas.stages.arms import Watch

    def plan(text: str) -> None:
        interruption.is_kept = True
        progress.plan(text)

    return Watch(plan=plan, told=progress.plan, progress=progress.update, should_stop=interruption)


def _conclude(session: Session, report: SearchReport, interruption: Interruption, resuming: str) -> None:
    """Prints the report, the commands to go on with, and ends with the code that fits the ending."""
    from nas.views import with_cost

    view = report_view(report)
    if session.json:
        session.printer.json(view)
    else:
        usual = PARETO_COLUMNS if report.reward.kind == "pareto" else FINALIST_COLUMNS
        columns = with_cost(usual, view["finalists"])
        session.rows(view["finalists"], columns=columns, title=f"finalists of {report.study}")
    printer = session.printer
    printer.message(f"{report.ending.kind}: {report.ending.reason}")
    if report.comparison is not None:
        printer.message(report.comparison.verdict)
    if report.ending.kind == "stopped":
        printer.message(f"go on with: {resuming}")
        raise typer.Exit(int(interruption.exit_code or Exit.STOPPED))
    following = [session.command(name, report.study) for name in ("best", "trials")]
    if report.winner is not None:  # by its number: repeats may have put another than `best` in front
        following.append(session.command("export", f"{report.study}/{report.winner.trial.number}"))
    for line in following:
        printer.message(f"next: {line}")
    if report.ending.kind == "failures":
        look = session.command("trials", report.study, "--state", "failed")
        raise CommandError(
            f"a search must have at most as many failed trials as allowed, got more: {report.ending.reason};"
            f" look at `{look}`, then resume with a higher --max-failures",
            Exit.TOO_MANY_FAILURES,
        )
