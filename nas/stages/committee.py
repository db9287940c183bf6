"""Committees of a family's members: ensembles and cascades of small ones against single large ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.evaluation.predictions import Predictions, predictions
from nas.settings import DataSettings
from nas.stages.scaled_trainings import Arm, ScaledTraining
from runs import Store, TrialRecord
from scaling_rules import Committee, Voter, committee_frontier

PREDICTIONS = "predictions"  # kind of the artifact that holds them
# trained networks of which committees are made: the cheapest; their triples are a few hundred. All stand alone.
MAX_VOTERS = 12


def committees(store: Store, arm: Arm) -> tuple[Committee, ...]:
    """Returns the trained members, and their committees that none beats in MACs and validation accuracy.

    Members and thresholds are chosen on one half of the validation images; costs and accuracies, and what is beaten,
    are those on the other. Predictions are made from the stored weights once, and kept as artifacts.

    Args:
        store: the ledger.
        arm: of the family.
    """
    trained = [(one, trial) for one, trial in arm.complete(store) if trial.weights is not None]
    trained.sort(key=lambda pair: pair[1].costs["macs"])
    if not trained:
        return ()
    said = [stored_predictions(store, arm, *pair) for pair in trained]
    names = voter_names([one for one, _ in trained])
    voters = [
        Voter(name, trial.costs["macs"], votes.probabilities.astype(np.float64), joins=index < MAX_VOTERS)
        for index, (name, (_, trial), votes) in enumerate(zip(names, trained, said, strict=True))
    ]
    labels = said[0].labels
    return committee_frontier(
        voters, labels, chosen_on=np.random.default_rng(0).permutation(len(labels)) % 2 == 0
    )


def stored_predictions(store: Store, arm: Arm, training: ScaledTraining, trial: TrialRecord) -> Predictions:
    """Returns a trained member's predictions; they are made and stored where they are not yet there."""
    for record in store.artifact_records(trial.id):
        if record.kind == PREDICTIONS:
            return Predictions.from_bytes(store.artifacts.get_bytes(record.sha256))
    assert trial.weights is not None
    network = arm.baseline.scaled(**training.multipliers)
    data: DataSettings = arm.settings.data
    made = predictions(network, store.artifacts.get_bytes(trial.weights), data)
    content = made.to_bytes()
    sha256 = store.artifacts.put_bytes(content, kind=PREDICTIONS)
    store.add_artifact(sha256, kind=PREDICTIONS, num_bytes=len(content), trial_id=trial.id)
    return made


def voter_names(trainings: Sequence[ScaledTraining]) -> list[str]:
    """Returns a name for each training: rule and size, and which of several it is."""
    names = [f"{one.rule} {one.size}" for one in trainings]
    return [
        f"{name} #{names[:index].count(name) + 1}" if names.count(name) > 1 else name
        for index, name in enumerate(names)
    ]
