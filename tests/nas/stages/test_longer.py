"""Longer trainings of a fit's networks, through the whole stage on a real ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas.stages.arms import Watch
from nas.stages.baseline import adopt
from nas.stages.fit import FitReport, fit
from nas.stages.fit_design import SmallBudget
from runs import open_store
from tests.fakes.scaling import Lawful, network, settings

BUDGET = 24


def fitted(folder: Path, watch: Watch | None = None, **chosen: Any) -> FitReport:
    """Fits, or goes on with, the study `s` of a folder."""
    url = f"sqlite:///{folder / 'nas.db'}"
    return fit(
        "s",
        storage=url,
        evaluator=Lawful(folder / "notes", noise=0.002),
        changes=lambda stored: stored.model_copy(update={"fit": stored.fit.model_copy(update=chosen)}),
        watch=watch,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fit_settings = {"budget": BUDGET, "epochs": 5, "longer": [10, 20], "region": 0.0}
    adopt(network(), settings(tmp_path, fit=fit_settings))
    return tmp_path


def test_longer_trainings_tell_how_far_the_rule_may_be_trusted(folder: Path) -> None:
    report = fitted(folder)
    assert report.ending.kind == "done" and report.doubt == ""
    assert report.trust is not None and report.trust.epochs == 5 and report.trust.upto == 20
    assert [check.epochs for check in report.trust.checks] == [10, 20]
    for check, factor in zip(report.trust.checks, (0.8, 0.64), strict=True):
        assert check.kendall.num_networks == 8
        # `Lawful` shrinks what all networks lack by one factor
        assert check.factor.low <= 1.0 + 0.01 and check.factor.high >= 1.0 - 0.01
        lacking = [1.0 - point.value for point in report.fit.points] if report.fit else []
        assert check.gain == pytest.approx((1.0 - factor) * sum(lacking) / len(lacking), abs=0.02)
    assert report.trust.law is not None
    with open_store(f"sqlite:///{folder / 'nas.db'}") as store:
        longer, own = store.study("s.longer"), store.trials(store.study("s.fit").id)
        trials = store.trials(longer.id)
        [record] = store.fits(longer.id)
        assert list(store.check()) == [] and longer.state == "finished"
    assert len(trials) == 16 and len({trial.digest for trial in trials}) == 8
    assert {trial.digest for trial in trials} <= {trial.digest for trial in own}
    costs = [trial.costs["macs"] for trial in trials]
    everyone = [trial.costs["macs"] for trial in own]
    assert min(costs) == min(everyone) and max(costs) == max(everyone)
    assert record.kind == "trust" and record.fit["trust"]["epochs"] == 5


def test_the_fit_is_the_same_with_and_without_them(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("without")
    adopt(network(), settings(other, fit={"budget": BUDGET, "epochs": 5, "region": 0.0}))
    assert fitted(folder).fit == fitted(other).fit


def test_one_that_was_stopped_goes_on_and_more_epochs_are_added_later(folder: Path) -> None:
    arms: list[str] = []

    def progress(arm: str, history: Any, budget: Any) -> None:
        if arm == "s.longer":
            arms.append(arm)

    stopped = fitted(folder, Watch(progress=progress, should_stop=lambda: len(arms) > 3))
    assert stopped.ending.kind == "stopped" and stopped.trust is None
    whole = fitted(folder)
    assert whole.trust is not None and [check.epochs for check in whole.trust.checks] == [10, 20]
    notes = Lawful(folder / "notes")
    num_epochs = len(notes.trainings())
    assert fitted(folder) == whole and len(notes.trainings()) == num_epochs
    further = fitted(folder, longer=(10, 20, 40))
    assert further.trust is not None and further.trust.upto == 40
    assert len(notes.trainings()) == num_epochs + 8 * 40


def test_longer_trainings_must_be_longer(folder: Path) -> None:
    with pytest.raises(SmallBudget, match="more than the 5 epochs"):
        fitted(folder, longer=(5, 10))


def test_trainings_that_failed_leave_a_sentence_and_the_fit(folder: Path) -> None:
    class Short(Lawful):
        def evaluate(self, task: Any, report: Any) -> Any:
            if task.fidelity.epochs > 5:
                raise RuntimeError("too long")
            return super().evaluate(task, report)

    report = fit(
        "s",
        storage=f"sqlite:///{folder / 'nas.db'}",
        evaluator=Short(folder / "notes"),
        changes=lambda stored: stored.model_copy(
            update={"search": stored.search.model_copy(update={"max_failures": 100})}
        ),
    )
    assert report.fit is not None and report.trust is None and report.num_failed == 16
    assert "two lengths" in report.doubt
