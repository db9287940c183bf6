"""All stages, one after another: search, fit, grow, export. Run again, it goes on at whatever stage it was in.

Nothing is remembered here: each stage finds in the ledger what it has done.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from nas.flags import FLAGS
from nas.interfaces import Evaluator
from nas.settings import Settings
from nas.stages.arms import Watch
from nas.stages.fit import FitReport, fit
from nas.stages.grow import GrowReport, grow
from nas.stages.names import GROW
from nas.stages.preparation import restored_settings, storage_url, study_name
from nas.stages.rules import Ending
from nas.stages.search import SearchReport, report, resume, search
from nas.study import Candidate, Study
from runs import StudyRecord, open_store
from search_space.export import python_source

PIPELINE = "pipeline"  # key of a study's settings: the sign that it is run through all stages, and where it exports to
DEFAULT_OUT = Path("export")
_LIMITS = ("trials", "hours", "device_hours")
# What may change while a study goes on, as for `nas resume`; the tables of fit and grow may change too.
_CHANGEABLE = tuple(
    flag.path.partition(".")[2]
    for flag in FLAGS
    if flag.group in ("Budget", "Where") and flag.name not in ("study", "storage", "artifacts")
)


class _Places(TypedDict):
    storage: str
    artifacts: str | None


@dataclass(frozen=True, slots=True)
class RunReport:
    """How far a run got. A stage that was not reached is None.

    Args:
        study: its name.
        ending: of the last stage that was at work; `stopped` can be gone on with.
        search, fit, grow: what the stages report.
        files: what was exported.
    """

    study: str
    ending: Ending
    search: SearchReport
    fit: FitReport | None = None
    grow: GrowReport | None = None
    files: tuple[Path, ...] = ()

    @property
    def stage(self) -> str:
        """Returns the stage that was reached."""
        if self.fit is None:
            return "search"
        return "fit" if self.grow is None else "grow" if not self.files else "export"


def run(
    settings: Settings,
    *,
    out: Path | None = None,
    watch: Watch | None = None,
    evaluator: Evaluator | None = None,
) -> RunReport:
    """Searches, fits, grows and exports; what is done already is not done again.

    A study that is there goes on with the question that it was begun with; limits, machines and the tables `[fit]` and
    `[grow]` are those of `settings`.

    Args:
        settings: of all stages.
        out: folder for the members' files; None is `export`, or where the study was exported to before.
        watch: is told plans and progress, and may ask to stop.
        evaluator: measures networks; None trains them.

    Example:
        >>> run(load_settings("nas.toml")).grow.members[0].accuracies
    """
    watch = watch or Watch()
    searched = _searched(settings, {PIPELINE: {"out": str(out or DEFAULT_OUT)}}, watch, evaluator)
    return _go_on(searched, settings, out, watch, evaluator)


def settings_of_run(study: StudyRecord) -> Settings | None:
    """Returns the settings with which a study goes on through all stages; None where a search alone was asked for."""
    return restored_settings(study) if PIPELINE in study.settings else None


def _searched(
    settings: Settings, notes: Mapping[str, object], watch: Watch, evaluator: Evaluator | None
) -> SearchReport:
    """Begins the search, goes on with it, or reads what it found when it is over and has no more to spend."""
    url, artifacts = storage_url(settings), settings.search.artifacts
    with open_store(url, artifacts=artifacts) as store:
        study = next((one for one in store.studies() if one.name == study_name(settings)), None)
        if study is not None and study.state == "finished":
            stored = restored_settings(study).search
            if all(getattr(stored, key) == getattr(settings.search, key) for key in _LIMITS):
                return report(store, study)
    if study is None:
        return search(settings, watch=watch, evaluator=evaluator, notes=notes)
    return resume(
        study.name,
        storage=url,
        artifacts=artifacts,
        changes=lambda stored: _changed(stored, settings),
        watch=watch,
        evaluator=evaluator,
    )


def _go_on(
    searched: SearchReport,
    settings: Settings,
    out: Path | None,
    watch: Watch,
    evaluator: Evaluator | None,
) -> RunReport:
    """Does what follows a search."""
    name = searched.study
    if searched.ending.kind in ("stopped", "failures"):
        return RunReport(name, searched.ending, searched)
    places: _Places = {"storage": storage_url(settings), "artifacts": settings.search.artifacts}

    def changes(stored: Settings) -> Settings:
        return _changed(stored, settings)

    found = fit(name, changes=changes, watch=watch, evaluator=evaluator, **places)
    if found.ending.kind in ("stopped", "failures"):
        return RunReport(name, found.ending, searched, found)
    grown = grow(name, changes=changes, watch=watch, evaluator=evaluator, **places)
    if grown.ending.kind in ("stopped", "failures"):
        return RunReport(name, grown.ending, searched, found, grown)
    if out is None:
        with open_store(storage_url(settings), artifacts=settings.search.artifacts) as store:
            noted = store.study(name).settings.get(PIPELINE, {})
        out = Path(noted.get("out", DEFAULT_OUT))
    family = Study(f"{name}.{GROW}", **places)
    networks = [family.candidate(one.trials[0]) for one in grown.members if one.trials]
    return RunReport(name, grown.ending, searched, found, grown, tuple(_exported(networks, out)))


def _changed(stored: Settings, given: Settings) -> Settings:
    """Returns a study's settings with what may change taken from those given now."""
    limits = {key: getattr(given.search, key) for key in _CHANGEABLE}
    search = stored.search.model_copy(update=limits)
    return stored.model_copy(update={"search": search, "fit": given.fit, "grow": given.grow})


def _exported(networks: Sequence[Candidate], out: Path) -> Iterator[Path]:
    """Writes each network's JSON, weights and Python module; yields their paths."""
    out.mkdir(parents=True, exist_ok=True)
    for network in networks:
        stem = re.sub(r"\W+", "_", f"{network.study}_{network.number}", flags=re.ASCII)
        contents = {
            ".json": network.architecture.to_json().encode() + b"\n",
            ".py": python_source(network.architecture).encode(),
        }
        if network.weights is not None:
            contents[".safetensors"] = network.weights
        for suffix, content in contents.items():
            path = out / f"{stem}{suffix}"
            partial = path.with_name(f".{path.name}.{os.getpid()}")
            partial.write_bytes(content)
            os.replace(partial, path)
            yield path
