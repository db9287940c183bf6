"""All stages, one after another: search, fit, grow, export. Run again, it goes on at whatever stage it was in.

Nothing is remembered here: each stage finds in the ledger what it has done, and an export in its folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from nas.exporting.card import ORIGIN
from nas.exporting.errors import ExportError
from nas.exporting.folder import CARD_JSON, read_manifest, require_unchanged
from nas.exporting.formats import FORMATS, chosen
from nas.exporting.noting import note
from nas.exporting.packaging import Wanted, export
from nas.exporting.subject import Subject
from nas.exporting.subjects import subject_of_trial
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
from runs import StudyRecord, open_store

PIPELINE = "pipeline"  # key of a study's settings: the sign that it is run through all stages, and where it exports to
DEFAULT_OUT = Path("export")
DEFAULT_FORMATS = ("json", "python", "safetensors")
_LIMITS = ("trials", "hours", "device_hours")
# What may change while a study goes on, as for `nas resume`; the tables of fit and grow may change too.
_CHANGEABLE = tuple(
    flag.path.partition(".")[2]
    for flag in FLAGS
    if flag.group in ("Budget", "Where") and flag.name not in ("study", "storage", "artifacts")
)


@dataclass(frozen=True, slots=True)
class _Exports:
    """Where members are exported to, and how, as far as that is said."""

    out: Path | None
    formats: tuple[str, ...]

    def or_noted(self, notes: Mapping[str, Any]) -> _Exports:
        """Returns what is said, and where nothing is, what was noted when the study began."""
        out = self.out or Path(notes.get("out", DEFAULT_OUT))
        return _Exports(out, self.formats or tuple(notes.get("formats", DEFAULT_FORMATS)))


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
        exports: a folder for each member, written and verified by `nas.exporting`.
    """

    study: str
    ending: Ending
    search: SearchReport
    fit: FitReport | None = None
    grow: GrowReport | None = None
    exports: tuple[Path, ...] = ()

    @property
    def stage(self) -> str:
        """Returns the stage that was reached."""
        if self.fit is None:
            return "search"
        return "fit" if self.grow is None else "grow" if not self.exports else "export"


def run(
    settings: Settings,
    *,
    out: Path | None = None,
    formats: Sequence[str] = (),
    watch: Watch | None = None,
    evaluator: Evaluator | None = None,
) -> RunReport:
    """Searches, fits, grows and exports; what is done already is not done again.

    A study that is there goes on with the question that it was begun with; limits, machines and the tables `[fit]` and
    `[grow]` are those of `settings`.

    Args:
        settings: of all stages.
        out: folder for the members' exports; None is `export`, or where the study was exported to before.
        formats: words of `nas.exporting.formats.FORMATS`; none are those of before, or `DEFAULT_FORMATS`.
        watch: is told plans and progress, and may ask to stop.
        evaluator: measures networks; None trains them.

    Raises:
        ExportError: a format is unknown, or its packages are missing.

    Example:
        >>> run(load_settings("nas.toml")).grow.members[0].accuracies
    """
    watch = watch or Watch()
    wanted = _Exports(out, tuple(formats))
    chosen(wanted.formats, trained=True, name="a member")
    notes = {"out": str(out or DEFAULT_OUT), "formats": list(formats or DEFAULT_FORMATS)}
    searched = _searched(settings, {PIPELINE: notes}, watch, evaluator)
    return _go_on(searched, settings, wanted, watch, evaluator)


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
    wanted: _Exports,
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
    with open_store(storage_url(settings), artifacts=settings.search.artifacts) as store:
        wanted = wanted.or_noted(store.study(name).settings.get(PIPELINE, {}))
    trials = [one.trials[0] for one in grown.members if one.trials]
    members = [subject_of_trial(f"{name}.{GROW}", trial, **places) for trial in trials]
    folders = tuple(_exported(member, wanted, watch) for member in members)
    return RunReport(name, grown.ending, searched, found, grown, folders)


def _changed(stored: Settings, given: Settings) -> Settings:
    """Returns a study's settings with what may change taken from those given now."""
    limits = {key: getattr(given.search, key) for key in _CHANGEABLE}
    search = stored.search.model_copy(update=limits)
    return stored.model_copy(update={"search": search, "fit": given.fit, "grow": given.grow})


def _exported(member: Subject, wanted: _Exports, watch: Watch) -> Path:
    """Returns the folder of a member's export, which is written unless the very same is there."""
    folder = (wanted.out or DEFAULT_OUT) / member.name
    words = tuple(one for one in wanted.formats if member.weights or not FORMATS[one].needs_weights)
    if not _is_there(member, words, folder):
        watch.plan(f"export  {folder}")
        export(member, Wanted(words), folder, force=True)
    else:  # a run that was killed when the folder was there may not have told its ledger
        note([member], read_manifest(folder), words, str(folder), watch.plan)
    return folder


def _is_there(member: Subject, formats: Sequence[str], folder: Path) -> bool:
    """Returns whether a folder holds these formats of this very training, and no file has changed."""
    try:
        manifest = read_manifest(folder)
        require_unchanged(folder, manifest.files)
        card = json.loads((folder / CARD_JSON).read_bytes())
        origin, written = card["origin"], card["formats"]
    except (ExportError, OSError, ValueError, KeyError):
        return False
    same = all(origin.get(key) == member.lineage.get(key) for key in ORIGIN)
    return same and set(formats) <= set(written)
