"""The best candidates of a search, trained again from new seeds, so that luck is told from quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from nas.reward import Reward
from nas.settings import Fidelity, SearchSettings
from nas.stages.names import FINALISTS
from nas.stages.proposals import Proposal, training_seed
from runs import Store, StudyRecord, TrialRecord, TrialState
from runs.errors import StudyMissing
from search_space import Architecture


@dataclass(frozen=True, slots=True)
class Finalist:
    """A candidate with its rewards from new seeds.

    Args:
        trial: the trial that made it a finalist; its own reward was chosen for being high, so `mean` leaves it out.
        reward: of that trial; for `pareto`, its accuracy.
        repeats: rewards of the further trainings; empty before they are done.
        accuracies: of the further trainings.
    """

    trial: TrialRecord
    reward: float
    repeats: tuple[float, ...]
    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Returns the mean reward from new seeds; the search's own where there are none."""
        return fmean(self.repeats) if self.repeats else self.reward


def worth(trial: TrialRecord, reward: Reward) -> float:
    """Returns a complete trial's reward from its stored accuracy and cost; for `pareto`, its accuracy."""
    accuracy = trial.metrics["accuracy"]
    if reward.kind == "pareto":
        return accuracy
    cost = trial.costs[reward.cost] if reward.cost in trial.costs else trial.metrics[reward.cost]
    return reward.scalar(accuracy, cost)


def leaders(store: Store, study: StudyRecord, reward: Reward, count: int) -> list[TrialRecord]:
    """Returns the best complete trials of different architectures, best first; ties go to the earlier trial."""
    complete = [trial for trial in store.trials(study.id) if trial.state is TrialState.COMPLETE]
    complete.sort(key=lambda trial: (-worth(trial, reward), trial.number))
    chosen: dict[str, TrialRecord] = {}
    for trial in complete:
        if trial.digest is not None and len(chosen) < count:
            chosen.setdefault(trial.digest, trial)
    return list(chosen.values())


def repeated(store: Store, study: StudyRecord, reward: Reward, settings: SearchSettings) -> list[Proposal]:
    """Returns the further trainings of an arm's finalists: a function of its finished trials."""
    proposals = []
    for trial in leaders(store, study, reward, settings.finalists):
        assert trial.digest is not None and trial.fidelity is not None
        document = store.architecture(trial.digest)
        assert document is not None
        fidelity = Fidelity.model_validate_json(trial.fidelity)
        for repeat in range(1, settings.repeats + 1):
            seed = training_seed(study.seed or 0, trial.digest, fidelity, repeat=repeat)
            choices = {"candidate": trial.number, "repeat": repeat}
            proposals.append(Proposal(Architecture.from_json(document), fidelity, seed, choices))
    return proposals


def listed(store: Store, arm: StudyRecord, wanted: Sequence[Proposal]) -> list[Proposal]:
    """Returns what each trial of the finalists' arm measures, by number: what was begun before, then what is missing.

    The best candidates change when a search is extended. What its earlier finalists have measured stays where it is.

    Args:
        store: the ledger.
        arm: of the finalists.
        wanted: further trainings, as `repeated` returns them; at least one.
    """
    begun = store.trials(arm.id)
    known = {(trial.digest, trial.seed) for trial in begun}
    missing = [item for item in wanted if (item.architecture.digest, item.seed) not in known]
    items = []
    for trial in begun:
        if trial.digest is None or trial.seed is None or trial.fidelity is None:
            items.append(
                missing.pop(0) if missing else wanted[0]
            )  # claimed by one that had not said for what
            continue
        document = store.architecture(trial.digest)
        assert document is not None
        fidelity = Fidelity.model_validate_json(trial.fidelity)
        items.append(Proposal(Architecture.from_json(document), fidelity, trial.seed, trial.choices))
    return items + missing


def finalists(
    store: Store, study: StudyRecord, reward: Reward, settings: SearchSettings, *, arm: str | None = None
) -> tuple[Finalist, ...]:
    """Returns an arm's finalists, best mean reward first.

    Args:
        store: the ledger.
        study: of the search.
        reward: under which they are ranked.
        settings: how many finalists there are.
        arm: None for the search itself, or `CONTROL`.
    """
    try:
        searched = study if arm is None else store.study(f"{study.name}.{arm}")
    except StudyMissing:
        return ()
    # By digest and seed: a finalist of both arms is trained for both, and counts once.
    again: dict[str, dict[int | None, TrialRecord]] = {}
    try:
        for trial in store.trials(store.study(f"{study.name}.{FINALISTS}").id):
            if trial.state is TrialState.COMPLETE and trial.digest is not None:
                again.setdefault(trial.digest, {})[trial.seed] = trial
    except StudyMissing:
        pass
    found = [
        Finalist(
            trial,
            worth(trial, reward),
            tuple(worth(one, reward) for one in again.get(trial.digest or "", {}).values()),
            tuple(one.metrics["accuracy"] for one in again.get(trial.digest or "", {}).values()),
        )
        for trial in leaders(store, searched, reward, settings.finalists)
    ]
    return tuple(sorted(found, key=lambda one: -one.mean))
