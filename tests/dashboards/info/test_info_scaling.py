"""What the scaling and family pages say of members: the forecast that the ledger kept before their training."""

from __future__ import annotations

import pytest

from dashboards.info.scaling import members
from runs import Outcome, Start, TrialRecord, TrialState, open_store


def trained(*choices: dict[str, object]) -> list[TrialRecord]:
    """Returns complete trials with these choices, of accuracies 0.5, 0.6 ..., as a ledger returns them."""
    with open_store("sqlite://") as store:
        study = store.create_study("s.grow", directions=["maximize"], seed=0, space={}, settings={})
        for number, given in enumerate(choices):
            [claim] = store.begin(study.id)
            store.start([Start(claim, None, None, {"macs": 1e6 * (number + 1)}, given)])
            accuracy = 0.5 + number / 10
            store.finish([Outcome(claim, TrialState.COMPLETE, (accuracy,), {"accuracy": accuracy}, 1.0)])
        return store.trials(study.id)


def test_a_member_has_the_forecast_that_was_stored_before_its_training() -> None:
    size = {"rule": "compound", "depth": 1.0, "width": 1.0, "resolution": 1.0}
    forecast = {"expected": 0.62, "expected_low": 0.58, "expected_high": 0.66}
    base, larger, off = members(
        trained(
            {**size, "size": "phi 0", "expected": None},
            {**size, "size": "phi 1", **forecast},
            {**size, "size": "phi 2", **forecast},
        )
    )
    assert (base.predicted, base.is_inside) == (None, None)
    assert (larger.predicted, larger.low, larger.high) == pytest.approx((0.62, 0.58, 0.66))
    assert larger.is_inside is True and off.is_inside is False
