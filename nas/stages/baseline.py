"""The network that is to grow, and its scaled variants: what multipliers build, and what that costs."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from nas.evaluation.data import load
from nas.settings import Settings
from nas.stages.preparation import restored_settings, storage_url, stored_settings
from nas.stages.search import report
from nas.stages.workers import check_workers
from runs import Store, StudyRecord, TrialRecord, open_store
from runs.errors import StudyExists, TrialMissing
from scaling_rules import Multipliers, mixture_candidates
from search_space import Architecture, cost, scale
from search_space.blocks import BLOCKS

NETWORK, ORIGIN = (
    "network",
    "origin",
)  # keys of a study's settings: the baseline's document, and where it is from


# Of scaled channels: hardware likes 8 (as the published families have it), but of a network with few channels that is
# too large a step: one of at most an eighth of the median keeps 8 for all with a median of 64, as MobileNetV2's.
DIVISORS = (8, 4, 2, 1)
LARGEST_STEP = 1 / 8


class NoBaseline(ValueError):
    """A study has no network (yet) that could grow."""

    exit_code = 7


class SmallTarget(ValueError):
    """A family is to grow to less than its baseline."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A scaled network that could be measured: its nominal multipliers, and what they build."""

    nominal: Multipliers
    built: Multipliers
    macs: int


@dataclass(frozen=True, slots=True)
class Baseline:
    """A network and how its channels are rounded when it is scaled.

    Args:
        architecture: at multipliers of one.
        origin: for people, such as `trial 7 of digits`.
        divisor: scaled channels are multiples of it.
    """

    architecture: Architecture
    origin: str
    divisor: int = DIVISORS[0]

    def scaled(self, *, depth: float, width: float, resolution: float) -> Architecture:
        """Returns the network at nominal multipliers."""
        return scale(self.architecture, depth=depth, width=width, resolution=resolution, divisor=self.divisor)

    def built(self, *, depth: float, width: float, resolution: float) -> Multipliers:
        """Returns what nominal multipliers build: layers, channels and side of the input over the baseline's."""
        deep, wide = (self.scaled(depth=d, width=w, resolution=1.0) for d, w in ((depth, 1.0), (1.0, width)))
        side = self.scaled(depth=1.0, width=1.0, resolution=resolution).resolution
        base = self.architecture
        return Multipliers(
            depth=_num_layers(deep) / _num_layers(base),
            width=_breadth(wide) / _breadth(base),
            resolution=side / base.resolution,
        )

    def macs(self, *, depth: float, width: float, resolution: float) -> int:
        """Returns the multiply-adds of the rounded network."""
        return cost(self.scaled(depth=depth, width=width, resolution=resolution)).macs

    def params(self, *, depth: float, width: float, resolution: float) -> int:
        """Returns the parameters of the rounded network."""
        return cost(self.scaled(depth=depth, width=width, resolution=resolution)).params

    def candidates(self, largest: float) -> tuple[Candidate, ...]:
        """Returns different networks of at most `largest` times the baseline's MACs, the baseline first."""
        base = cost(self.architecture).macs
        found: dict[str, Candidate] = {}
        for depth, width, resolution in mixture_candidates(largest_cost=largest):
            nominal = Multipliers(depth=depth, width=width, resolution=resolution)
            network = self.scaled(**nominal)
            macs = cost(network).macs
            if network.digest not in found and macs <= largest * base:
                found[network.digest] = Candidate(nominal, self.built(**nominal), macs)
        return tuple(found.values())

    def largest_side(self, largest: float) -> int:
        """Returns the side of the images when `largest` times the MACs all go to the resolution."""
        return math.ceil(self.architecture.resolution * math.sqrt(largest))

    def stored(self) -> dict[str, Any]:
        """Returns what the ledger keeps of it with a study."""
        return {NETWORK: json.loads(self.architecture.to_json()), ORIGIN: self.origin}


def fitting_divisor(network: Architecture) -> int:
    """Returns the divisor of scaled channels whose steps are small beside what the network has.

    Example:
        >>> from search_space import reference
        >>> fitting_divisor(reference("efficientnet_b0"))
        8
    """
    channels = [one.channels for one in (network.stem, *network.stages, network.head) if one.channels]
    largest = LARGEST_STEP * median(channels) if channels else DIVISORS[0]
    return next((divisor for divisor in DIVISORS if divisor <= largest), DIVISORS[-1])


def baseline_of(
    store: Store, study: StudyRecord, trial: int | None = None, *, divisor: int | None
) -> Baseline:
    """Returns the network of a study that is to grow: the winner over its seeds, or that of one trial.

    Args:
        store: the ledger.
        study: a search, or a study that was made of one network.
        trial: number of a trial of a search; None: the winner.
        divisor: of scaled channels; None: what fits the network.

    Raises:
        NoBaseline: no trial of the search is complete, or the study is not one of networks.
        TrialMissing: there is no such trial, or it has no network yet.
    """
    if NETWORK in study.settings and trial is None:
        return stored_baseline(study.settings, divisor=divisor)
    found = _trial(store, study, trial) if trial is not None else _winner(store, study)
    document = None if found.digest is None else store.architecture(found.digest)
    if document is None:
        raise TrialMissing(
            f"a trial must have a network to grow, got {found.number} of {study.name!r} without one; choose another"
        )
    network = Architecture.from_json(document)
    return Baseline(network, f"trial {found.number} of {study.name}", divisor or fitting_divisor(network))


def stored_baseline(settings: Mapping[str, Any], *, divisor: int | None) -> Baseline:
    """Returns the baseline that was stored with a study."""
    network = Architecture.from_dict(settings[NETWORK])
    return Baseline(network, str(settings[ORIGIN]), divisor or fitting_divisor(network))


def adopt(network: Architecture, settings: Settings, *, name: str = "network") -> str:
    """Makes a study of one given network, so that it can be fitted and grown as a search's winner; returns its name.

    Args:
        network: its classes and input channels follow the data, its resolution stays.
        settings: the data, the recipe, the fidelity; and where the ledger is.
        name: of the network, from which the study's is made where `settings.search.study` says none.

    Raises:
        StudyExists: a search has the name, or this network with other data or another recipe.
        DataError: the data cannot be used.
        SettingsError, ExecutorError: the workers contradict themselves, or their cluster does not answer.

    Example:
        >>> adopt(reference("efficientnet_b0"), settings, name="b0")
    """
    check_workers(settings.search)
    dataset = load(settings.data)
    fitted = dataclasses.replace(
        network, num_classes=dataset.num_classes, input_channels=dataset.input_channels
    )
    data = settings.data.name.partition(":")[0]
    study = settings.search.study or f"{name}-{data}-{settings.search.seed}"
    stored = {**stored_settings(settings, dataset), **Baseline(fitted, name).stored()}
    with open_store(storage_url(settings), artifacts=settings.search.artifacts) as store:
        try:
            made = store.create_study(
                study, directions=("maximize",), seed=settings.search.seed, space={}, settings=stored
            )
            store.set_study_state(made.id, "finished")
        except StudyExists:
            found = store.study(study)
            earlier = restored_settings(found)  # in today's terms, whichever version stored them
            asked = [(earlier.data, settings.data), (earlier.recipe, settings.recipe)]
            asked += [(earlier.fidelity, settings.fidelity)]
            if found.settings.get(NETWORK) != stored[NETWORK] or any(was != now for was, now in asked):
                raise
    return study


def _winner(store: Store, study: StudyRecord) -> TrialRecord:
    restored_settings(study)  # which says so when the study is no search
    winner = report(store, study).winner
    if winner is None:
        raise NoBaseline(
            f"a study must have a complete trial to grow from, got none in {study.name!r};"
            f" let it go on with `nas resume {study.name}`"
        )
    return winner.trial


def _trial(store: Store, study: StudyRecord, number: int) -> TrialRecord:
    for trial in store.trials(study.id):
        if trial.number == number:
            return trial
    raise TrialMissing(f"a trial of {study.name!r} must be there, got {number}; `nas trials` lists them")


def _num_layers(network: Architecture) -> int:
    """Returns the blocks of those stages that deepen; pooling and the like stays as it is."""
    return sum(stage.repeats for stage in network.stages if BLOCKS[stage.block].deepens)


def _breadth(network: Architecture) -> float:
    """Returns what grows as the width does: the channels of all blocks.

    Where stages do not say them, the root of the multiply-adds stands in.
    """
    channels = sum(stage.repeats * stage.channels for stage in network.stages)
    return float(channels) if channels else math.sqrt(cost(network).macs)
