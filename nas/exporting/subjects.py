"""Where what is exported is found: in a file, in the zoo, in an earlier export or in the ledger."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from nas.config import default_storage
from nas.exporting.errors import NothingToExport
from nas.exporting.lineage import lineage_beside
from nas.exporting.subject import Origin, Subject
from nas.settings import DataSettings, Fidelity, Settings
from nas.stages.baseline import ORIGIN
from nas.stages.names import ARMS, FINALISTS
from nas.stages.preparation import restored_settings
from nas.study import Study
from runs import Store, StudyRecord, TrialRecord, TrialState, open_store
from runs.errors import StudyMissing
from scaling_rules import RuleFit, named_rule
from search_space import Architecture
from search_space.export.preprocessing import Preprocessing

MAX_WEIGHTS_BYTES = 4 << 30


def subject_of(
    name: str, architecture: Architecture, *, weights: Path | None = None, data: DataSettings | None = None
) -> Subject:
    """Returns an architecture from a file or the zoo, with the weights of a file where one is given.

    Weights that lie in an export bring their lineage along.

    Raises:
        NothingToExport: the file of weights cannot be read.
    """
    content = None if weights is None else _read(weights)
    used = dataclasses.replace(architecture, auxiliary=())
    if weights is None:
        return Subject(file_name(name), used, content, data)
    lineage = lineage_beside(weights, used)
    return Subject(file_name(name), used, content, data, lineage, files=(weights,))


def subject_in(path: Path, *, data: DataSettings | None = None) -> Subject:
    """Returns the network in a safetensors file that was exported here: it knows its own architecture.

    Raises:
        NothingToExport: it is another file.
    """
    content = _read(path)
    try:
        with safe_open(path, framework="numpy") as file:
            known = file.metadata() or {}
        architecture = Architecture.from_json(known["architecture"])
        text = known.get("preprocessing")
        preprocessing = None if text is None else Preprocessing.from_dict(json.loads(text))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise NothingToExport(
            f"a file of weights must say its architecture, as those of `nas export` do, got {str(path)!r}"
            f" ({type(error).__name__}); name the architecture and give the weights with --weights"
        ) from None
    return Subject(
        name=file_name(path.stem),
        architecture=architecture,
        weights=content,
        data=data,
        lineage=lineage_beside(path, architecture),
        preprocessing=preprocessing,
        files=(path,),
    )


def subject_of_trial(
    study: str, number: int | None, *, storage: str | None = None, artifacts: str | None = None
) -> Subject:
    """Returns a trial of a study with all that the ledger knows of it; None is the best one.

    Raises:
        StudyMissing, TrialMissing, NoCandidate: there is no such network.
    """
    opened = Study(study, storage, artifacts)
    candidate = opened.best() if number is None else opened.candidate(number)
    url = storage or default_storage()
    with open_store(url, artifacts=artifacts) as store:
        record = store.study(study)
        [trial] = [one for one in store.trials(record.id) if one.number == candidate.number]
        lineage = _lineage(store, record, trial)
    try:
        settings: Settings | None = restored_settings(record)
    except StudyMissing:
        settings = None
    architecture = dataclasses.replace(candidate.architecture, auxiliary=())
    fidelity = Fidelity.model_validate_json(trial.fidelity) if trial.fidelity else Fidelity()
    if fidelity.resolution is not None:
        architecture = architecture.at(resolution=fidelity.resolution)
    return Subject(
        name=file_name(f"{record.name}-{candidate.number}"),
        architecture=architecture,
        weights=candidate.weights,
        data=None if settings is None else settings.data,
        lineage=lineage,
        origin=Origin(trial.id, url, artifacts),
    )


def file_name(name: str) -> str:
    """Returns `name` as a file's stem that is also a Python module's name: letters, digits and `_`.

    >>> file_name("../../etc/passwd"), file_name("0.5 wide")
    ('etc_passwd', 'n0_5_wide')
    """
    stem = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")[:100] or "network"
    return f"n{stem}" if stem[0].isdigit() else stem


def _lineage(store: Store, study: StudyRecord, trial: TrialRecord) -> dict[str, Any]:
    """Returns where a trial comes from, as plain values."""
    attempts = store.attempts(trial.id)
    return {
        "study": study.name,
        "trial": trial.number,
        "arm": _arm(store, study),
        "study_seed": study.seed,
        "space": {key: (study.space or {}).get(key) for key in ("name", "version")},
        "settings": _without_places(study.settings),
        "fingerprint": study.settings.get("fingerprint"),
        "digest": trial.digest,
        "seed": trial.seed,
        "trainings": _trainings(store, study, trial),
        "recipe": _parsed(trial.recipe),
        "fidelity": _parsed(trial.fidelity),
        "choices": dict(trial.choices),
        "scaling": _scaling(store, trial),
        "metrics": dict(trial.metrics),
        "costs": dict(trial.costs),
        "attributes": dict(trial.user_attrs),
        "weights": trial.weights,
        "started": trial.started,
        "ended": trial.ended,
        "seconds": trial.seconds,
        "runs": [run.id for run in store.runs(study.id)],
        "code_version": attempts[-1].code_version if attempts else None,
        "host": attempts[-1].host if attempts else None,
    }


def _trainings(store: Store, study: StudyRecord, trial: TrialRecord) -> list[dict[str, Any]]:
    """Returns seed and accuracy of every complete training of a trial's network, in its study and as its finalist."""
    trials = store.trials(study.id)
    with suppress(StudyMissing):
        trials += store.trials(store.study(f"{study.name}.{FINALISTS}").id)
    return [
        {"seed": one.seed, "accuracy": one.metrics["accuracy"]}
        for one in trials
        if one.digest == trial.digest and one.state is TrialState.COMPLETE and "accuracy" in one.metrics
    ]


def _arm(store: Store, study: StudyRecord) -> dict[str, Any] | None:
    """Returns of which study this one is a part, and the network that the whole was made of; None for a whole one."""
    name, _, part = study.name.rpartition(".")
    if part not in ARMS:
        return None
    try:
        parent = store.study(name)
    except StudyMissing:
        return None
    return {"of": name, "name": part, "network": parent.settings.get(ORIGIN)}


def _scaling(store: Store, trial: TrialRecord) -> dict[str, Any] | None:
    """Returns how a member of a family was grown, and what was forecast of it; None for any other network."""
    choices = trial.choices
    if "rule" not in choices:
        return None
    told: dict[str, Any] = {
        key: choices.get(key) for key in ("rule", "size", "fit", "depth", "width", "resolution")
    }
    record = next((one for one in store.fits() if one.id == choices.get("fit")), None)
    if record is None:
        told |= {"equation": named_rule(str(choices["rule"])).equation, "parameters": []}
    else:
        found = RuleFit.from_json(json.dumps(record.fit["rule"]))
        told |= {
            "equation": found.rule.equation,
            "parameters": [_finite(asdict(one)) for one in found.parameters],
            "verdict": found.verdict,
        }
    keys = {"accuracy": "expected", "low": "expected_low", "high": "expected_high"}
    expected = {name: choices.get(key) for name, key in keys.items()}
    return told | {"expected": None if expected["accuracy"] is None else expected}


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values as JSON can hold them: a bound that the data did not set is None."""
    is_infinite = {key: isinstance(value, float) and math.isinf(value) for key, value in values.items()}
    return {key: None if is_infinite[key] else value for key, value in values.items()}


def _without_places(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a study's settings without where the ledger is, which may hold a password."""
    tables = json.loads(json.dumps(dict(settings), default=str))
    for key in ("storage", "artifacts", "address"):
        if isinstance(tables.get("search"), dict):
            tables["search"].pop(key, None)
    return dict(tables)


def _parsed(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text


def _read(path: Path) -> bytes:
    if not path.is_file() or path.stat().st_size > MAX_WEIGHTS_BYTES:
        raise NothingToExport(
            f"a file of weights must exist and have at most {MAX_WEIGHTS_BYTES} bytes, got {str(path)!r};"
            " check the path"
        )
    return path.read_bytes()
