"""From settings to what a stage runs on: the space fitted to the data, the plan in words, names, what is stored."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from nas.config import default_storage
from nas.evaluation.data import Dataset
from nas.evaluation.latency import LatencyError
from nas.evaluation.latency_table import read_table
from nas.reward import Reward
from nas.settings import Settings, make_settings
from nas.stages.budget import counted
from runs import StudyRecord
from runs.errors import StudyMissing
from search_space import Architecture, SearchSpace, open_space

# Base widths that are tried for a target, nearest to 1 first, so that a tie goes to the published width.
WIDTHS = (1.0, 0.75, 1.4, 0.5, 2.0, 0.35, 0.25, 0.15, 0.1)
VERSIONS = "versions"  # the key of a study's settings
_LIBRARIES = ("nas-compound", "torch", "optuna", "numpy")
NUM_PROBES = 64  # random points from which a width's median cost is known to some percent


def plan(settings: Settings, dataset: Dataset, space: SearchSpace) -> str:
    """Returns what a search is going to do and to spend, in a few lines, before it spends anything."""
    chosen, reward = settings.search, settings.search.make_reward()
    limits = [
        counted(chosen.trial_limit, "trial") if chosen.trial_limit is not None else "",
        f"{chosen.hours:g} hours" if chosen.hours is not None else "",
        f"{chosen.device_hours:g} device-hours" if chosen.device_hours is not None else "",
    ]
    control = f", and as much for {chosen.control} as control" if chosen.control != "none" else ""
    seeds = counted(chosen.repeats, "further seed")
    extra = f"; then the best {chosen.finalists} again from {seeds} each" if chosen.repeats else ""
    if chosen.control != "none" and (chosen.repeats < 2 or reward.kind == "pareto"):
        extra += "; comparing with the control needs 2 repeats or more, and one number as reward"
    return "\n".join(
        [
            f"data    {dataset.describe()}",
            f"space   {space.name} at width {chosen.width:g}: {space.size:.3g} points (version {space.version})",
            f"reward  {reward.equation}; refused above {reward.limit:g} {reward.cost}",
            f"train   {counted(settings.fidelity.epochs, 'epoch')} of {settings.fidelity.share:.0%} of the training"
            f" images, stopped early by {chosen.pruning}",
            f"budget  {', '.join(filter(None, limits))} with {chosen.strategy}{control}{extra}",
        ]
    )


def make_space(settings: Settings, dataset: Dataset, *, width: float | None = None) -> SearchSpace:
    """Returns the space that the settings name, fitted to the data; `width` None takes the settings' own, or 1."""
    return open_space(
        settings.search.space,
        resolution=settings.fidelity.resolution or dataset.resolution,
        num_classes=dataset.num_classes,
        input_channels=dataset.input_channels,
        width=width or settings.search.width or 1.0,
    )


def with_width(settings: Settings, dataset: Dataset) -> Settings:
    """Returns settings that say their width: the one given, or that at which the space surrounds the target best.

    That is the width of `WIDTHS` at which the median cost of random points is nearest to the target, as a ratio; of
    several, or where the cost is not arithmetic, the one nearest to 1.
    """
    reward = settings.search.make_reward()
    if settings.search.width is not None:
        return settings
    if not reward.is_arithmetic:
        width = 1.0
    else:
        width = min(WIDTHS, key=lambda one: _distance(make_space(settings, dataset, width=one), reward))
    return settings.model_copy(update={"search": settings.search.model_copy(update={"width": width})})


def latency_lookup(settings: Settings, space: SearchSpace) -> Callable[[Architecture], float] | None:
    """Returns what looks a network's latency up before it is trained, where the settings name a table.

    Raises:
        LatencyError: there is no such table, or it is of another space.
    """
    chosen = settings.search
    if chosen.latency_table is None or chosen.cost != "latency_ms":
        return None
    table = read_table(Path(chosen.latency_table))
    if table.space.get("version") != space.version:
        raise LatencyError(
            f"a table of latencies must be of the space that is searched, got {chosen.latency_table!r} of another;"
            " build it with the same data, space and width, and give --width where it was given there"
        )
    return table.latency_ms


def _distance(space: SearchSpace, reward: Reward) -> float:
    """Returns by which ratio the median cost of the space's points misses the target, as a logarithm, rounded."""
    rng = np.random.default_rng(0)
    points = np.array([space.sample(rng) for _ in range(NUM_PROBES)])
    median = float(np.median(getattr(space.costs(points), reward.cost)))
    return round(abs(math.log(median / reward.target)), 2)


def storage_url(settings: Settings) -> str:
    """Returns the ledger's URL: the one named, or the default in the user's data folder."""
    return settings.search.storage or default_storage()


def study_name(settings: Settings) -> str:
    """Returns the study's name: the one given, or one made from space and data."""
    data = settings.data.name.partition(":")[0]
    space = settings.search.space.rpartition(":")[2]
    return settings.search.study or f"{space}-{data}-{settings.search.seed}"


def stored_settings(settings: Settings, dataset: Dataset) -> dict[str, object]:
    """Returns what the ledger keeps of the settings: all but where the ledger is, which may hold a password."""
    tables = settings.model_dump()
    for key in ("storage", "artifacts"):
        tables["search"][key] = None
    return {**tables, "fingerprint": dataset.fingerprint, VERSIONS: versions()}


def versions() -> dict[str, str]:
    """Returns the versions of what proposals and trainings depend on."""
    found = {}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def changed_versions(study: StudyRecord) -> str | None:
    """Returns what to say of a study that was last run with other versions; None where they are the same."""
    before, now = study.settings.get(VERSIONS, {}), versions()
    changed = [
        f"{name} {before[name]} then, {now.get(name, 'none')} now"
        for name in before
        if before[name] != now.get(name)
    ]
    if not changed:
        return None
    return (
        f"study {study.name!r} was last run with other versions ({', '.join(changed)}): its results stay,"
        " but proposals and trainings may differ from what they would have been; install those to go on exactly"
    )


def restored_settings(study: StudyRecord) -> Settings:
    """Returns the settings that a study was last run with.

    Raises:
        StudyMissing: the study was not made by a search.
    """
    tables = {key: value for key, value in study.settings.items() if key in Settings.model_fields}
    if "search" not in tables:
        raise StudyMissing(
            f"only a study that `nas search` made can be searched further, got {study.name!r}; start a new one"
        )
    return make_settings(tables, source=f"study {study.name}")
