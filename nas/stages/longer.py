"""How far a fit may be trusted: some of its networks are trained for longer, and must come in the same order."""

from __future__ import annotations

import json
from collections.abc import Sequence

from nas.settings import FitSettings
from nas.stages.fit_design import SmallBudget
from nas.stages.scaled_trainings import FIT_REPEATS, Arm, ScaledTraining
from runs import Store, TrialRecord
from scaling_rules import FidelityPoint, ScalingError, Trust, trust

TRUST = "trust"  # kind of a stored fit

Trained = tuple[ScaledTraining, TrialRecord]


def check_longer(chosen: FitSettings, epochs: int) -> None:
    """Raises SmallBudget where the longer trainings are no longer than the fit's."""
    if chosen.longer and min(chosen.longer) <= epochs:
        raise SmallBudget(
            f"`fit.longer` must be more than the {epochs} epochs of the fit's trainings, got {min(chosen.longer)};"
            " name more epochs, or leave it out"
        )


def longer_trainings(
    chosen: FitSettings, short: Sequence[Trained], planned: Sequence[ScaledTraining]
) -> tuple[ScaledTraining, ...]:
    """Returns which trainings are still to be planned: the same networks at every number of epochs.

    The networks are evenly spaced among the fit's in the order of their MACs, so that they stand for all of them;
    those that were trained for longer before stay.

    Args:
        chosen: says how many networks, and for how many epochs.
        short: the fit's trainings that have a result.
        planned: longer trainings that were decided before.
    """
    costs = {_network(training): trial.costs["macs"] for training, trial in short}
    kept = [network for network in dict.fromkeys(map(_network, planned)) if network in costs]
    others = sorted((network for network in costs if network not in kept), key=lambda network: costs[network])
    missing = min(max(chosen.longer_networks - len(kept), 0), len(others))
    added = [others[round(place * (len(others) - 1) / max(missing - 1, 1))] for place in range(missing)]
    wanted = [
        ScaledTraining(*network, repeat=FIT_REPEATS, epochs=epochs)
        for epochs in sorted(set(chosen.longer))
        for network in [*kept, *added]
    ]
    return tuple(training for training in wanted if training not in planned)


def trusted(store: Store, short: Arm, longer: Arm) -> tuple[Trust | None, str]:
    """Returns how far the short trainings may be trusted, which is stored, or None and why.

    Args:
        store: the ledger.
        short: the fit.
        longer: its longer trainings.
    """
    points = [_point(one) for arm in (short, longer) for one in arm.complete(store)]
    try:
        found = trust(points)
    except ScalingError as error:
        return None, str(error)
    content = {"trust": json.loads(found.to_json()), "origin": short.baseline.origin}
    if content not in [record.fit for record in store.fits(longer.study.id)]:
        store.add_fit(TRUST, content, study_id=longer.study.id)
    return found, ""


def _point(trained: Trained) -> FidelityPoint:
    training, trial = trained
    name = " x ".join(f"{factor:g}" for factor in _network(training))
    return FidelityPoint(name, trial.costs["macs"], training.epochs, trial.metrics["accuracy"])


def _network(training: ScaledTraining) -> tuple[float, float, float]:
    return training.depth, training.width, training.resolution
