"""Commands that read the ledger: list, status, best, show, trials."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.exits import CommandError, Exit
from nas.cli.printing import shown
from nas.cli.session import Session, number, verb, whole
from nas.flags import FLAGS, PLACES

if TYPE_CHECKING:
    from nas.reward import Reward
    from runs import Store
    from runs.records import StudyRecord, TrialRecord

Study = Annotated[
    str | None, typer.Argument(metavar="[STUDY]", help="Left out: the study made last.", show_default=False)
]

_TRIAL_COLUMNS = (
    "number",
    "state",
    "reward",
    "accuracy",
    "macs",
    "params",
    "seconds",
    "reused_from",
    "digest",
    "error",
)
_BEST_COLUMNS = ("number", "reward", "accuracy", "macs", "params", "seconds", "digest")
_REWARDING = tuple(flag for flag in FLAGS if flag.name in ("reward", "target", "cost"))


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    verb(app, "status")(status)
    verb(app, "list")(list_studies)
    verb(app, "best", flags=(*_REWARDING, *PLACES))(best)
    verb(app, "trials")(trials)
    verb(app, "show")(show)


def status(
    session: Session,
    study: Study = None,
    watch: Annotated[bool, typer.Option("--watch", help="Print again until the study rests.")] = False,
    every: Annotated[
        float, typer.Option("--every", parser=number, metavar="SECONDS", help="Pause of --watch.")
    ] = 2.0,
) -> None:
    """Show how a study stands: trials by state, the best one, the budget."""
    with session.store() as store:
        record = session.study(store, study)
        while True:
            view = _status(store, store.study(record.name))
            session.facts(view if session.json else _flat(view))
            if not watch or view["state"] != "active":
                return
            time.sleep(every)
            session.printer.message("")


def list_studies(session: Session) -> None:
    """List the studies in the storage."""
    from nas.views import study_view

    with session.store() as store:
        rows = [study_view(record, store.spent(record.id)) for record in store.studies()]
    for row in [] if session.json else rows:
        row["created"] = _clock(row["created"])
    session.rows(rows)


def best(
    session: Session,
    study: Study = None,
    top: Annotated[int, typer.Option("--top", parser=whole, metavar="N", help="How many.")] = 1,
) -> None:
    """Show the best trials; with --reward, --target or --cost under another reward than the search's own."""
    from nas.views import best_views, has_front, with_cost

    with session.store() as store:
        record = session.study(store, study)
        reward = _reward(session, record)
        has_one = not has_front(reward, record.directions)
        count = top if has_one or top > 1 else 1_000_000
        trials = store.trials(record.id)
    rows = best_views(trials, reward, count=count, directions=record.directions)
    if not rows and any(trial.state == "complete" for trial in trials):
        raise CommandError(
            f"a complete trial must have an accuracy and the reward's cost, got none in {record.name!r};"
            " choose another --cost or --reward",
            Exit.NO_FEASIBLE_TRIAL,
        )
    if not rows:
        raise CommandError(
            f"the study must have a complete trial, got none in {record.name!r};"
            " resume it with a larger budget or target",
            Exit.NO_FEASIBLE_TRIAL,
        )
    equation = f" under {reward.equation}" if reward else ""
    session.printer.message(f"best of {record.name}{equation}")
    if "objectives" in rows[0]:
        session.rows(rows, columns=("number", "objectives", "seconds"))
        return
    session.rows(rows, columns=with_cost(_BEST_COLUMNS, rows))


def trials(
    session: Session,
    study: Study = None,
    state: Annotated[
        str | None, typer.Option("--state", metavar="STATE", help="Only these, such as failed.")
    ] = None,
) -> None:
    """List all trials of a study."""
    from nas.views import STATES, study_reward, trial_views, with_cost

    if state is not None and state not in STATES:
        raise CommandError(f"a state must be one of {', '.join(STATES)}, got {state!r}; choose one of them")
    with session.store() as store:
        record = session.study(store, study)
        rows = trial_views(store.trials(record.id), study_reward(record))
    chosen = [row for row in rows if state in (None, row["state"])]
    session.rows(chosen, columns=with_cost(_TRIAL_COLUMNS, chosen))


def show(
    session: Session,
    trial: Annotated[
        str, typer.Argument(metavar="TRIAL", help="A number, or STUDY/NUMBER.", show_default=False)
    ],
) -> None:
    """Show one trial: its choices, costs, curve, attempts and error."""
    from nas.views import detail_view, export_views, study_reward

    with session.store() as store:
        record, found, numbers = find_trial(session, store, trial)
        name = f"{record.name}/{found.number}"
        view = detail_view(
            found,
            study_reward(record),
            attempts=store.attempts(found.id),
            metrics=store.metrics(found.id),
            numbers=numbers,
            exports=[one for one in export_views(store, record) if one["trial"] == name],
        )
    session.facts(view if session.json else _readable(view), title=name)


def find_trial(
    session: Session, store: Store, text: str
) -> tuple[StudyRecord, TrialRecord, Mapping[int, int]]:
    """Returns the study and the trial that `STUDY/NUMBER` or `NUMBER` names, and all numbers by id.

    Raises:
        CommandError: where it names none.
    """
    name, _, number = text.rpartition("/")
    if not (number.isascii() and number.isdigit()):
        raise CommandError(f"a trial must be a number or STUDY/NUMBER, got {text!r}; `nas trials` lists them")
    record = session.study(store, name or None)
    found = {trial.number: trial for trial in store.trials(record.id)}
    if int(number) not in found:
        rule = (
            f"a trial of {record.name!r} must be in [0, {len(found) - 1}]"
            if found
            else f"{record.name!r} has no trials"
        )
        raise CommandError(f"{rule}, got {number}; `nas trials` lists them", Exit.NOT_FOUND)
    return record, found[int(number)], {trial.id: trial.number for trial in found.values()}


def _status(store: Store, record: StudyRecord) -> dict[str, Any]:
    from nas.views import export_views, stage_views, status_view

    return status_view(
        record,
        store.trials(record.id),
        store.spent(record.id),
        store.runs(record.id),
        now=time.time(),
        stages=stage_views(store, record),
        exports=export_views(store, record),
    )


def _reward(session: Session, record: StudyRecord) -> Reward | None:
    """Returns the reward of the study, with what the flags say in its place."""
    from nas.config import environment, resolve
    from nas.views import study_reward

    if not any(session.flags.get(flag.name) for flag in _REWARDING):
        return study_reward(record)
    stored = {f"--{k}": v for k, v in (record.settings.get("search") or {}).items()}
    given = {
        flag.name: session.flags.get(flag.name) or _text(stored.get(f"--{flag.name}")) for flag in _REWARDING
    }
    return resolve(given, environment(), config=session.config).settings.search.make_reward()


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _flat(view: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the status as lines for people."""
    budget = {
        name: f"{shown(item['used'])} of {shown(item['limit'])}"
        if item["limit"] is not None
        else shown(item["used"])
        for name, item in view["budget"].items()
    }
    lines = {"study": view["study"], "state": view["state"], "trials": view["trials"]}
    lines |= {"best": view["best"]} | {f"budget: {name}": text for name, text in budget.items()}
    lines |= {f"stage: {stage['stage']}": _stage_line(stage) for stage in view["stages"]}
    return lines | {f"exported: {one['folder']}": _export_line(one) for one in view["exports"]}


def _export_line(export: Mapping[str, Any]) -> str:
    """Returns one export as a line: of which trial, when, as what."""
    return f"{export['trial']}, {_clock(export['created'])}: {', '.join(export['formats'] or ())}"


def _stage_line(stage: Mapping[str, Any]) -> str:
    """Returns one arm as a line: how far it is, and what it found."""
    planned = "" if stage["planned"] is None else f" of {stage['planned']}"
    parts = [stage["state"], f"{stage['complete']}{planned} trainings complete"]
    parts += [f"{stage['failed']} failed"] if stage["failed"] else []
    parts += [f"{shown(stage['device_hours'])} device-hours"]
    if stage["rule"]:
        factors = (f"{name} {stage['rule'][name]:.3g}" for name in ("alpha", "beta", "gamma"))
        parts.append(", ".join(factors))
    return "; ".join(parts)


def _readable(view: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a trial's details as lines for people: the curve on one line, the last traceback."""
    curve = [
        f"{point['step']}: {shown(point['value'])}" for point in view["curve"] if point["name"] == "accuracy"
    ]
    attempts = [f"{a['attempt']} on {a['host']}: {a['error'] or 'ok'}" for a in view["attempts"]]
    tracebacks = [a["traceback"] for a in view["attempts"] if a["traceback"]]
    rest = {"traceback": tracebacks[-1]} if tracebacks else {}
    rest |= {name: _clock(view[name]) for name in ("started", "ended") if view[name] is not None}
    rest |= {"exports": "; ".join(f"{one['folder']} ({_export_line(one)})" for one in view["exports"])}
    return dict(view) | {"curve": ", ".join(curve), "attempts": "; ".join(attempts)} | rest
