"""Trainings of scaled networks, written down in the ledger before they begin, so that resuming is reading.

The fit, the sweeps and the family each have an arm of their own beside the search: a study whose settings hold the
baseline and the plan, a list that only grows. Trial k is training k of the plan.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nas.evaluation.data import Dataset, load
from nas.evaluation.evaluator import served_resolution
from nas.settings import Fidelity, Recipe, Settings
from nas.stages.arms import Bench, arm_study, revive
from nas.stages.baseline import NETWORK, Baseline, stored_baseline
from nas.stages.budget import Budget
from nas.stages.preparation import restored_settings, stored_settings
from nas.stages.proposals import ListedSource, Proposal, training_seed
from nas.stages.rules import Ending, Rules
from nas.stages.search import SpaceChanged
from nas.strategies.rungs import make_rungs
from runs import Store, StudyRecord, TrialRecord, TrialState
from scaling_rules import Multipliers, ScaledPoint
from search_space import cost

PLAN = "plan"  # key of an arm's settings
# Seeds of these stages begin here, so that nothing is judged by the training that chose it: a search uses 0 and its
# finalists 1 to 100.
FIT_REPEATS, GROW_REPEATS = 1_000, 2_000
UNLIMITED = 1e18  # a cost that no network reaches: scaled networks are measured whatever they cost


@dataclass(frozen=True, slots=True)
class ScaledTraining:
    """One training of a scaled network. What is None is as in the rest of the stage.

    Args:
        depth, width, resolution: nominal multipliers.
        repeat: which of the independent trainings of this network.
        epochs: of it.
        rule, size: for a member of a family, by which rule it was grown and to what.
        fit: id of the stored fit that the rule is from.
        expected, expected_low, expected_high: the accuracy that was forecast before it was trained, and its interval.
        latency_ms: what an image took when the network was chosen by its latency.
        dropout, drop_path, magnitude: of the recipe.
    """

    depth: float
    width: float
    resolution: float
    repeat: int
    epochs: int
    rule: str | None = None
    size: str | None = None
    fit: str | None = field(default=None, compare=False)
    expected: float | None = field(default=None, compare=False)
    expected_low: float | None = field(default=None, compare=False)
    expected_high: float | None = field(default=None, compare=False)
    latency_ms: float | None = field(default=None, compare=False)
    dropout: float | None = None
    drop_path: float | None = None
    magnitude: int | None = None

    @property
    def multipliers(self) -> Multipliers:
        """What to give to `scale`."""
        return Multipliers(depth=self.depth, width=self.width, resolution=self.resolution)

    def plain(self) -> dict[str, Any]:
        """Returns what is stored, with the plan and with the trial."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value is not None}

    def recipe(self, usual: Recipe) -> Recipe:
        """Returns the stage's recipe with what this training changes in it."""
        own = {name: getattr(self, name) for name in ("dropout", "drop_path", "magnitude")}
        return usual.model_copy(update={name: value for name, value in own.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Arm:
    """A study of scaled networks of one baseline.

    Args:
        study: of its trials.
        baseline: what is scaled.
        settings: of the stage, with the images as all its networks are served.
        dataset: these images; None where the arm is only read.
    """

    study: StudyRecord
    baseline: Baseline
    settings: Settings
    dataset: Dataset | None = None

    def planned(self, store: Store) -> tuple[ScaledTraining, ...]:
        """Returns what is to be trained, as far as it is decided."""
        return tuple(ScaledTraining(**item) for item in store.study(self.study.name).settings[PLAN])

    def add(self, store: Store, trainings: Sequence[ScaledTraining]) -> None:
        """Decides on further trainings: from here on they are what a resumed stage goes on with."""
        stored = store.study(self.study.name).settings
        plan = [*stored[PLAN], *(training.plain() for training in trainings)]
        store.set_study_settings(self.study.id, {**stored, PLAN: plan})

    def proposal(self, training: ScaledTraining) -> Proposal:
        """Returns the work of one training."""
        network = self.baseline.scaled(**training.multipliers)
        fidelity = Fidelity(epochs=training.epochs, share=self.settings.fidelity.share)
        seed = training_seed(self.study.seed or 0, network.digest, fidelity, repeat=training.repeat)
        recipe = training.recipe(self.settings.recipe)
        return Proposal(network, fidelity, seed, training.plain(), recipe)

    def measure(
        self, bench: Bench, stage: str, budget: Budget, *, parent: str | None = None
    ) -> Ending | None:
        """Trains what is planned; returns None once all of it has ended, else why it did not.

        Args:
            bench: where.
            stage: name of the run in the ledger.
            budget: of time; the number of trainings is the plan's.
            parent: the run that this one builds on.
        """
        trainings = self.planned(bench.store)
        source = ListedSource([self.proposal(training) for training in trainings])
        rules = self._rules(dataclasses.replace(budget, trials=len(trainings)))
        while len(self.ended(bench.store)) < len(trainings):
            ending = bench.drive(stage, self.study, source, rules, parent=parent)
            if ending.kind != "exhausted" and len(self.ended(bench.store)) < len(trainings):
                return ending
        return None

    def ended(self, store: Store) -> list[TrialRecord]:
        """Returns the trials that will not be trained any more."""
        return [trial for trial in store.trials(self.study.id) if trial.state.is_finished]

    def complete(self, store: Store) -> list[tuple[ScaledTraining, TrialRecord]]:
        """Returns the trainings that have a result, with it, in their order."""
        plan = self.planned(store)
        return [
            (plan[trial.number], trial)
            for trial in self.ended(store)
            if trial.state is TrialState.COMPLETE and trial.number < len(plan)
        ]

    def points(self, store: Store, *, nominal: bool = False) -> tuple[ScaledPoint, ...]:
        """Returns what was measured, at the multipliers that were built, or at the nominal ones."""
        found = []
        for training, trial in self.complete(store):
            sizes = training.multipliers if nominal else self.baseline.built(**training.multipliers)
            macs, accuracy = trial.costs["macs"], trial.metrics["accuracy"]
            found.append(ScaledPoint(**sizes, cost=macs, value=accuracy, seed=training.repeat))
        return tuple(found)

    def _rules(self, budget: Budget) -> Rules:
        """Returns what holds for its trials: all are trained to their end, and ranked by accuracy."""
        search = self.settings.search
        return Rules(
            data=self.settings.data,
            fingerprint=str(self.study.settings["fingerprint"]),
            recipe=self.settings.recipe,
            reward=search.make_reward(),
            rungs=make_rungs("none", max_epochs=1),
            budget=budget,
            time_limit_s=search.time_limit_s,
            stall_s=search.stall_s,
            max_failures=search.max_failures,
        )


def open_arm(
    store: Store, parent: StudyRecord, name: str, *, settings: Settings, baseline: Baseline, side: int
) -> Arm:
    """Returns an arm of a study, made on first use.

    Args:
        store: the ledger.
        parent: the study that the baseline belongs to.
        name: of the arm, such as `fit`.
        settings: of the stage.
        baseline: what is scaled.
        side: the largest resolution that any of its networks needs: images are decoded once, at that size or at the
            data's own setting if that is larger, and averaged down for each network.

    Raises:
        SpaceChanged: the arm is there with another baseline, other images or another recipe.
        DataError: the images cannot be used, or the baseline is for others.
        StudyBusy: a driver is at work on the study.
    """
    served = settings.data.model_copy(update={"resolution": max(side, settings.data.resolution)})
    macs = float(cost(baseline.architecture).macs)
    ranked = {"reward": "soft", "cost": "macs", "target": macs, "weight": 0.0, "max_cost": UNLIMITED}
    settings = settings.model_copy(
        update={"data": served, "search": settings.search.model_copy(update=ranked)}
    )
    dataset = load(served)
    served_resolution(dataset, baseline.architecture, None)
    stored = {**stored_settings(settings, dataset), **baseline.stored(), PLAN: []}
    study = arm_study(store, parent, name, space={}, settings=stored, directions=("maximize",))
    _check_same(study, stored)
    store.check_idle(parent.id)
    kept = {key: study.settings[key] for key in (NETWORK, PLAN)}
    store.set_study_settings(study.id, {**study.settings, **stored, **kept})
    revive(store, study)
    return Arm(store.study(study.name), baseline, settings, dataset)


def stored_arm(store: Store, parent: StudyRecord, name: str) -> Arm:
    """Returns an arm of a study as it was last worked on.

    Raises:
        StudyMissing: it was not begun.
    """
    study = store.study(f"{parent.name}.{name}")
    settings = restored_settings(study)
    return Arm(study, stored_baseline(study.settings, divisor=settings.fit.divisor), settings)


def _check_same(study: StudyRecord, stored: Mapping[str, Any]) -> None:
    """Raises SpaceChanged where trials of one arm would not be comparable with each other."""
    before, now = study.settings, stored
    for what, earlier, later in (
        ("baseline", before[NETWORK], now[NETWORK]),
        ("recipe", Recipe.model_validate(before["recipe"]), Recipe.model_validate(now["recipe"])),
        ("share of the training images", before["fidelity"]["share"], now["fidelity"]["share"]),
        ("number of epochs", before["fit"]["epochs"], now["fit"]["epochs"]),
        ("divisor", before["fit"]["divisor"], now["fit"]["divisor"]),
    ):
        if before[PLAN] and earlier != later:
            raise SpaceChanged(
                f"all networks of {study.name!r} must have one {what}, got another than it was begun with;"
                " undo the change, or grow from a new study"
            )
