"""Commands for somebody who looks after running searches: pause, stop, cancel, workers, metrics."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.session import Session, verb, whole

if TYPE_CHECKING:
    from runs import Store
    from runs.records import StudyRecord

Study = Annotated[str, typer.Argument(metavar="STUDY")]

_WORKER_COLUMNS = ("study", "trial", "state", "attempt", "driver", "host", "pid", "for_s", "lease_left_s")
_OBEDIENCE = "a driver at work obeys within its heartbeat"


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    for function in (pause, stop, cancel, workers, metrics):
        verb(app, function.__name__)(function)


def pause(session: Session, study: Study) -> None:
    """Let a study's drivers begin nothing new; what trains goes on to its end. `nas resume` calls it off."""
    _tell(session, study, "paused", "running trainings go on, nothing new is begun")


def stop(session: Session, study: Study) -> None:
    """Let a study's drivers stop after their current epochs; all is kept for `nas resume`."""
    _tell(session, study, "stopped", "running trainings stop after their epoch and keep their checkpoints")


def cancel(session: Session, study: Study) -> None:
    """End a study's drivers at once; what was training is given up, what has ended is kept."""
    _tell(session, study, "cancelled", "running trainings are given up at once")


def workers(
    session: Session,
    study: Annotated[
        str | None, typer.Argument(metavar="[STUDY]", help="Left out: all studies.", show_default=False)
    ] = None,
) -> None:
    """Show who runs what, since when, and how long each lease still holds."""
    from runs.names import name_key

    with session.store() as store:
        if study is not None:
            store.study(study)  # names a study that is not there
        wanted = None if study is None else name_key(study)
        records = [one for one in store.studies() if wanted is None or _is_part(name_key(one.name), wanted)]
        rows = [row for record in records for row in store.holders(record.id)]
        names = {record.id: record.name for record in records}
    shown = [
        {
            "study": names[row.study_id],
            "trial": row.number,
            "state": str(row.state),
            "attempt": row.fence,
            "driver": f"{row.host}:{row.pid}",
            "host": row.host,
            "pid": row.pid,
            "for_s": round(row.for_s, 1),
            "lease_left_s": None if row.lease_left_s is None else round(row.lease_left_s, 1),
        }
        for row in rows
    ]
    session.rows(shown, columns=tuple(name for name in _WORKER_COLUMNS if name not in ("host", "pid")))


def metrics(
    session: Session,
    port: Annotated[
        int | None,
        typer.Option("--port", parser=whole, metavar="N", help="Serve on 127.0.0.1; else print once."),
    ] = None,
) -> None:
    """Show the storage's figures in Prometheus' text format, once or to whoever asks on this machine."""
    from nas.metrics import PATH, exposition, serve

    with session.store() as store:
        if port is None:
            text = exposition(store)
            if session.json:
                session.facts({"exposition": text})
            else:
                session.printer.data(text.rstrip())
            return
        with serve(lambda: exposition(store), port) as server:
            session.printer.message(
                f"metrics at http://127.0.0.1:{server.server_port}{PATH}; end with Ctrl-C"
            )
            with contextlib.suppress(KeyboardInterrupt):
                server.serve_forever()


def call_off(store: Store, study: str, tell: Callable[[str], None]) -> bool:
    """Lets a paused study's drivers go on; returns whether there is one, so that no further one is needed."""
    record = store.study(study)
    if record.state != "paused":
        return False
    for one in _parts(store, record):
        if one.state == "paused":
            store.set_study_state(one.id, "active")
    at_work = [
        run
        for one in _parts(store, record)
        for run in store.runs(one.id)
        if run.status == "running" and run.lease_until > store.now()
    ]
    for run in at_work:
        tell(f"{record.name} goes on in process {run.pid} on {run.host}, at work since it was paused")
    return bool(at_work)


def _tell(session: Session, study: str, state: str, meaning: str) -> None:
    """Sets the state of a study and of its arms, and says what comes of it."""
    with session.store() as store:
        record = store.study(study)
        for one in _parts(store, record):
            if one.id == record.id or one.state != "finished":
                store.set_study_state(one.id, state)
        num_running = sum(len(store.holders(one.id)) for one in _parts(store, record))
    session.facts({"study": record.name, "state": state, "trials_held": num_running})
    session.printer.message(f"{meaning}; {_OBEDIENCE}. Go on with: {session.command('resume', record.name)}")


def _parts(store: Store, record: StudyRecord) -> list[StudyRecord]:
    """Returns a study and its arms."""
    return [one for one in store.studies() if _is_part(one.name, record.name)]


def _is_part(name: str, of: str) -> bool:
    return name == of or name.startswith(f"{of}.")
