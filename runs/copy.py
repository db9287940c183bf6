"""Studies to and from a stock Optuna storage, so that nobody is locked in, or out.

The ledger shows itself to Optuna as a storage, so both directions are one copy between two storages, trial by
trial in the order of their numbers. A copy may be repeated: it adds what is new and ends what was unfinished.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from optuna.distributions import distribution_to_json
from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from runs.address import safe_text
from runs.errors import BadStorage, StorageUnreachable, StudyExists, StudyMissing
from runs.quiet import quiet
from runs.store import Store

_LEDGER_TABLE = "schema_info"
_OPTUNA_TABLE = "studies"
_OURS = "nas:"  # user attributes that a copy adds


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy did: every trial of the source is in exactly one of the three."""

    study: str  # its name in the target
    num_added: int
    num_advanced: int  # unfinished in the target before, now as in the source
    num_present: int  # there already, and equal


def copy_to_optuna(store: Store, study_name: str, url: str, *, target_name: str | None = None) -> Copied:
    """Copies a study of the ledger into a stock Optuna storage, which is made if it is absent.

    Args:
        url: an SQLAlchemy URL as Optuna takes it, or the path of a journal file.
        target_name: its name there; None keeps the name.

    Raises:
        StudyMissing: the ledger has no such study.
        StudyExists: the target has a different study of that name; nothing is written.
        BadStorage, StorageUnreachable: the target cannot be used.

    What stock Optuna has no place for (digest, costs, metrics) goes with the trials as user attributes `nas:...`.
    """
    facts = _facts(store, study_name)
    with optuna_storage(url, must_exist=False) as target:
        return copy_study(
            store.optuna,
            target,
            study_name,
            target_name=target_name,
            change=lambda one: _described(one, facts),
        )


def copy_from_optuna(store: Store, study_name: str, url: str, *, target_name: str | None = None) -> Copied:
    """Copies a study of a stock Optuna storage into the ledger; arguments and errors as `copy_to_optuna`."""
    with optuna_storage(url, must_exist=True) as source:
        return copy_study(source, store.optuna, study_name, target_name=target_name, change=_undescribed)


def copy_study(
    source: BaseStorage,
    target: BaseStorage,
    study_name: str,
    *,
    target_name: str | None = None,
    change: Callable[[FrozenTrial], FrozenTrial] = lambda trial: trial,
) -> Copied:
    """Copies a study between two storages.

    States, parameters with their distributions, values, intermediate values, attributes and times are copied.
    One time cannot be: a trial that an earlier copy found unfinished is dated by the copy that finishes it.

    Args:
        change: what a trial becomes on its way; the same trial always the same.

    Raises:
        StudyMissing: the source has no such study.
        StudyExists: the target has a different study of that name; nothing is written.
    """
    with quiet("optuna"):
        return _copied(source, target, study_name, target_name or study_name, change)


def _copied(
    source: BaseStorage,
    target: BaseStorage,
    study_name: str,
    name: str,
    change: Callable[[FrozenTrial], FrozenTrial],
) -> Copied:
    old_id, new_id = _study_id(source, study_name), _study_id(target, name)
    if old_id is None:
        raise StudyMissing(f"a study must exist to be copied, got {study_name!a}; list the studies there")
    if new_id is None:
        new_id = _create(target, name, source.get_study_directions(old_id))
    trials, present = [change(one) for one in _trials(source, old_id)], _trials(target, new_id)
    if source.get_study_directions(old_id) != target.get_study_directions(new_id):
        raise _different(name, "its directions differ")
    for copied, trial in zip(present, trials, strict=False):
        if copied.state.is_finished() and trial.state.is_finished() and _text(copied) != _text(trial):
            raise _different(name, f"its trial {trial.number} differs")
    _copy_study_attributes(source, old_id, target, new_id)
    behind = [
        (copied, trial)
        for copied, trial in zip(present, trials, strict=False)
        if not copied.state.is_finished() and _text(copied) != _text(trial)
    ]
    for copied, trial in behind:
        _advance(target, copied, trial)
    added = trials[len(present) :]
    for trial in added:
        target.create_new_trial(new_id, template_trial=trial)
    return Copied(name, len(added), len(behind), len(trials) - len(added) - len(behind))


def _facts(store: Store, study_name: str) -> dict[int, dict[str, object]]:
    """Returns what the ledger knows of each finished trial beside what Optuna does, by number."""
    facts = {}
    for trial in store.trials(store.study(study_name).id):
        known: dict[str, object] = {**trial.costs, **trial.metrics}
        known |= {
            "digest": trial.digest,
            "fidelity": trial.fidelity,
            "seed": trial.seed,
            "reused_from": trial.reused_from,
        }
        known |= {"failure_class": trial.failure_class, "error": trial.message or None}
        if trial.state.is_finished and trial.digest is not None:
            facts[trial.number] = {_OURS + name: value for name, value in known.items() if value is not None}
    return facts


def _described(trial: FrozenTrial, facts: Mapping[int, Mapping[str, object]]) -> FrozenTrial:
    described = copy.copy(trial)
    described.user_attrs = {**trial.user_attrs, **facts.get(trial.number, {})}
    return described


def _undescribed(trial: FrozenTrial) -> FrozenTrial:
    """Returns a trial without what `_described` added: the ledger has places of its own for it."""
    plain = copy.copy(trial)
    plain.user_attrs = {key: value for key, value in trial.user_attrs.items() if not key.startswith(_OURS)}
    return plain


@contextmanager
def optuna_storage(url: str, *, must_exist: bool) -> Iterator[BaseStorage]:
    """Opens a stock Optuna storage, and closes its connections at the end.

    Args:
        url: an SQLAlchemy URL, or the path of a journal file.
        must_exist: an absent one is an error, rather than made.

    Raises:
        BadStorage: not an Optuna storage, or absent.
        StorageUnreachable: the database does not answer.
    """
    if "://" not in url:
        yield _journal(Path(url), must_exist)
        return
    storage = _database(url, must_exist)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _journal(path: Path, must_exist: bool) -> BaseStorage:
    if must_exist and not path.is_file():
        raise BadStorage(f"an Optuna journal must be a file, got {str(path)!a}; check the path")
    if path.is_file():
        with open(path, "rb") as file:
            if file.read(6) == b"SQLite":
                raise BadStorage(
                    f"an Optuna journal is no SQLite file, got {str(path)!a}; write sqlite:///{path}"
                )
    try:
        return JournalStorage(JournalFileBackend(str(path)))
    except (OSError, ValueError) as error:
        raise BadStorage(
            f"an Optuna journal must be readable, got {str(path)!a}: {error}; check it"
        ) from error


def _database(text: str, must_exist: bool) -> RDBStorage:
    try:
        url = sa.make_url(text)
        if url.drivername in ("postgresql", "postgres"):  # the driver that is installed with us
            url = url.set(drivername="postgresql+psycopg")
        _check_tables(url, must_exist)
        return RDBStorage(url.render_as_string(hide_password=False))
    except (sa.exc.ArgumentError, ImportError) as error:  # ArgumentError: no URL, or an unknown dialect
        raise BadStorage(
            f"an Optuna storage is an SQLAlchemy URL or a journal file's path ({type(error).__name__});"
            " write sqlite:///FILE, postgresql://USER@HOST/DATABASE or FILE"
        ) from None
    except (sa.exc.DBAPIError, StorageInternalError) as error:
        raise StorageUnreachable(
            f"the Optuna storage {safe_text(url)} must answer ({type(error).__name__}); check that it runs"
        ) from None
    except RuntimeError as error:  # a schema that another version of Optuna wrote
        raise BadStorage(f"the Optuna storage {safe_text(url)} must fit Optuna's version: {error}") from None


def _check_tables(url: sa.URL, must_exist: bool) -> None:
    """Refuses a ledger, among whose tables Optuna's would lie, and a source that is not there."""
    is_new_file = url.get_backend_name() == "sqlite" and url.database and not Path(url.database).is_file()
    tables = [] if is_new_file else _tables(url)
    if _LEDGER_TABLE in tables:
        raise BadStorage(
            f"a stock Optuna storage must be no ledger of ours, got {safe_text(url)}; name another"
        )
    if must_exist and _OPTUNA_TABLE not in tables:
        raise BadStorage(
            f"an Optuna storage must exist to be copied from, got {safe_text(url)}; check the URL"
        )


def _tables(url: sa.URL) -> list[str]:
    engine = sa.create_engine(url)
    try:
        return sa.inspect(engine).get_table_names()
    finally:
        engine.dispose()


def _study_id(storage: BaseStorage, name: str) -> int | None:
    try:
        return storage.get_study_id_from_name(name)
    except KeyError:
        return None


def _trials(storage: BaseStorage, study_id: int) -> list[FrozenTrial]:
    return sorted(storage.get_all_trials(study_id), key=lambda trial: trial.number)


def _create(target: BaseStorage, name: str, directions: Sequence[StudyDirection]) -> int:
    try:
        return target.create_new_study(directions, name)
    except DuplicatedStudyError:
        raise _different(name, "its name has other capitals") from None  # the ledger ignores letter case


def _different(name: str, difference: str) -> StudyExists:
    return StudyExists(
        f"a copy must not mix two studies, and the target has a different one named {name!a} ({difference});"
        " copy under another name"
    )


def _copy_study_attributes(source: BaseStorage, source_id: int, target: BaseStorage, target_id: int) -> None:
    user, system = target.get_study_user_attrs(target_id), target.get_study_system_attrs(target_id)
    for key, value in source.get_study_user_attrs(source_id).items():
        if key not in user or _json(user[key]) != _json(value):
            target.set_study_user_attr(target_id, key, value)
    for key, value in source.get_study_system_attrs(source_id).items():
        if key not in system or _json(system[key]) != _json(value):
            target.set_study_system_attr(target_id, key, value)


def _advance(target: BaseStorage, old: FrozenTrial, new: FrozenTrial) -> None:
    """Brings an unfinished trial of the target to what it is in the source by now."""
    trial_id = old._trial_id
    if old.state == TrialState.WAITING and new.state != TrialState.WAITING:
        target.set_trial_state_values(trial_id, TrialState.RUNNING)
    for name in new.params.keys() - old.params.keys():
        distribution = new.distributions[name]
        target.set_trial_param(trial_id, name, distribution.to_internal_repr(new.params[name]), distribution)
    for step, value in new.intermediate_values.items():
        if _json(old.intermediate_values.get(step)) != _json(value):
            target.set_trial_intermediate_value(trial_id, step, value)
    for key, value in new.user_attrs.items():
        if _json(old.user_attrs.get(key)) != _json(value):
            target.set_trial_user_attr(trial_id, key, value)
    for key, value in new.system_attrs.items():
        if _json(old.system_attrs.get(key)) != _json(value):
            target.set_trial_system_attr(trial_id, key, value)
    if new.state.is_finished():
        target.set_trial_state_values(trial_id, new.state, new.values)


def _text(trial: FrozenTrial) -> str:
    """A trial's content as text, in which NaN equals itself. Times are left out: databases round them."""
    return _json(
        {
            "state": trial.state.name,
            "values": trial.values,
            "params": {
                name: [distribution.to_internal_repr(trial.params[name]), distribution_to_json(distribution)]
                for name, distribution in trial.distributions.items()
            },
            "intermediate": {str(step): value for step, value in trial.intermediate_values.items()},
            "user": trial.user_attrs,
            "system": trial.system_attrs,
        }
    )


def _json(value: object) -> str:
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: object) -> object:
    """Returns `value` with -0.0 as 0.0, which is what SQLite makes of it."""
    if isinstance(value, float):
        return value + 0.0
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
