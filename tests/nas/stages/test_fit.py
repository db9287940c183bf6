"""The fit stage on a real ledger, with networks whose accuracy follows a law that is known."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.settings import Settings
from nas.stages.arms import Watch
from nas.stages.baseline import Baseline, adopt
from nas.stages.budget import Budget
from nas.stages.fit import FitReport, fit, fitted
from nas.stages.fit_design import CoarseBaseline, SmallBudget
from nas.stages.history import History
from nas.stages.search import NothingFeasible, SpaceChanged, search
from nas.stages.sweep import BadSweep, sweep
from runs import TrialRecord, TrialState, open_store
from runs.errors import StudyExists, StudyMissing, TrialMissing
from scaling_rules import ScalingError
from scaling_rules.surface import logs_at, triangle
from search_space import Architecture, cost, reference
from tests.fakes import searches
from tests.fakes.scaling import TRUTH, Lawful, network, settings

BUDGET = 48


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'nas.db'}"


def trials(folder: Path, name: str = "s.fit") -> list[TrialRecord]:
    with open_store(url(folder)) as store:
        assert list(store.check()) == []
        return store.trials(store.study(name).id)


def with_fit(**changes: Any) -> Callable[[Settings], Settings]:
    return lambda stored: stored.model_copy(update={"fit": stored.fit.model_copy(update=changes)})


def until(num_ended: int) -> Watch:
    seen = [0]

    def progress(arm: str, history: History, budget: Budget) -> None:
        seen[0] = sum(trial.state.is_finished for trial in history.trials)

    return Watch(progress=progress, should_stop=lambda: seen[0] >= num_ended)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FitReport]:
    """A ledger in which the fit of the study `s` has ended; copied, never changed."""
    folder = tmp_path_factory.mktemp("fitted")
    adopt(network(), settings(folder, fit={"budget": BUDGET}))
    return folder, fit("s", storage=url(folder), evaluator=Lawful(folder / "notes"))


@pytest.fixture
def copy(done: tuple[Path, FitReport], tmp_path: Path) -> Path:
    return Path(shutil.copytree(done[0], tmp_path / "copy"))


def test_a_known_law_is_found_through_the_whole_stage(done: tuple[Path, FitReport]) -> None:
    found = done[1].fit
    assert found is not None
    rows = np.exp(logs_at(triangle(200), math.log(2.0), np.array(found.cost_exponents)))
    truth = rows[TRUTH.predict(rows).argmax()]
    assert found.contains(*truth)
    for parameter, value in zip(found.parameters, truth, strict=True):
        assert parameter.low - 0.01 <= value <= parameter.high + 0.01
    assert any(one.name == "width only" and one.distinguishable for one in found.comparisons)


def test_it_stops_early_when_the_rule_is_known(done: tuple[Path, FitReport]) -> None:
    folder, report = done
    assert report.ending.kind == "done" and "known well enough" in report.ending.reason
    assert 24 <= len(trials(folder)) < BUDGET


def test_each_network_has_its_seeds_and_none_is_trained_twice(done: tuple[Path, FitReport]) -> None:
    records = trials(done[0])
    assert len({record.key for record in records}) == len(records)
    networks = [record.digest for record in records]
    assert all(networks.count(digest) >= 2 for digest in networks)
    assert all(record.state is TrialState.COMPLETE and record.reused_from is None for record in records)


def test_the_fit_is_stored_with_the_points_and_trials_that_it_rests_on(done: tuple[Path, FitReport]) -> None:
    folder, report = done
    with open_store(url(folder)) as store:
        found = fitted(store, store.study("s"))
        assert found is not None
        rule, record = found
        [run] = {one.id for one in store.runs(store.study("s.fit").id)} & {record.run_id}
    assert rule == report.fit and record.id == report.id and run
    values = [trial.metrics["accuracy"] for trial in trials(folder)]
    assert [point.value for point in rule.points] == values
    assert record.fit["trials"] == list(range(len(values)))
    assert record.fit["baseline"] == report.baseline.architecture.digest


def test_costs_are_those_of_the_rounded_networks(done: tuple[Path, FitReport]) -> None:
    report = done[1]
    assert report.fit is not None
    for record, point in zip(trials(done[0]), report.fit.points, strict=True):
        factors = {name: float(str(record.choices[name])) for name in ("depth", "width", "resolution")}
        assert point.cost == cost(report.baseline.scaled(**factors)).macs
        assert point.depth == report.baseline.built(**factors)["depth"]


def test_the_next_sizes_are_forecast_before_they_are_trained(done: tuple[Path, FitReport]) -> None:
    forecasts = done[1].forecasts
    assert [one.size for one in forecasts] == ["phi 0", "phi 1", "phi 2"]
    for one in forecasts:
        built = done[1].baseline.built(**one.member.multipliers)
        [truth] = TRUTH.predict([[built["depth"], built["width"], built["resolution"]]])
        assert one.low is not None and one.high is not None
        assert one.low - 0.005 <= truth <= one.high + 0.005


def test_a_finished_fit_is_read_and_not_measured_again(copy: Path, done: tuple[Path, FitReport]) -> None:
    formula = Lawful(copy / "notes")
    num_before = len(formula.trainings())
    again = fit("s", storage=url(copy), evaluator=formula)
    assert again == done[1]
    assert len(formula.trainings()) == num_before
    with open_store(url(copy)) as store:
        assert len(store.fits()) == 1


def test_a_fit_stopped_often_measures_what_the_unbroken_one_does(
    tmp_path: Path, done: tuple[Path, FitReport]
) -> None:
    adopt(network(), settings(tmp_path, fit={"budget": BUDGET}))
    formula = Lawful(tmp_path / "notes")
    report = fit("s", storage=url(tmp_path), evaluator=formula, watch=until(1))
    for num_ended in range(5, 60, 8):
        assert report.ending.kind in ("stopped", "done")
        report = fit("s", storage=url(tmp_path), evaluator=formula, watch=until(num_ended))
    assert report.ending.kind == "done"
    assert [record.choices for record in trials(tmp_path)] == [record.choices for record in trials(done[0])]
    assert report.fit == done[1].fit
    ended = [note["key"] for note in formula.trainings() if note["epoch"] == 5]
    assert len(ended) == len(set(ended)) == len(trials(tmp_path))


def test_a_larger_budget_goes_on_where_the_smaller_ended(tmp_path: Path) -> None:
    adopt(network(), settings(tmp_path, fit={"budget": 24, "region": 0.0}))
    formula = Lawful(tmp_path / "notes")
    small = fit("s", storage=url(tmp_path), evaluator=formula)
    assert small.ending.reason == "all 24 trainings are done"
    large = fit("s", storage=url(tmp_path), evaluator=formula, changes=with_fit(budget=32))
    assert [one.choices for one in trials(tmp_path)[:24]] and len(trials(tmp_path)) == 32
    assert large.fit is not None and small.fit is not None
    assert large.fit.points[:24] == small.fit.points
    with open_store(url(tmp_path)) as store:
        assert [len(record.fit["trials"]) for record in store.fits()] == [24, 32]


def test_the_grid_of_the_paper_uses_nominal_factors(tmp_path: Path) -> None:
    adopt(network(), settings(tmp_path))
    report = fit(
        "s", storage=url(tmp_path), evaluator=Lawful(tmp_path / "notes"), changes=with_fit(method="grid")
    )
    assert report.fit is not None and report.fit.method == "grid" and report.forecasts == ()
    for record in trials(tmp_path, "s.grid"):
        depth, width, resolution = (float(str(record.choices[n])) for n in ("depth", "width", "resolution"))
        assert depth * width**2 * resolution**2 == pytest.approx(2.0, abs=0.1)


def test_networks_that_fail_are_left_out_and_counted(tmp_path: Path) -> None:
    adopt(network(), settings(tmp_path, fit={"budget": 40}))
    report = fit("s", storage=url(tmp_path), evaluator=Lawful(tmp_path / "notes", fails=30))
    assert report.num_failed > 0 and report.fit is not None
    assert len(report.fit.points) == len(trials(tmp_path)) - report.num_failed


def test_a_fit_in_which_everything_fails_says_so(tmp_path: Path) -> None:
    adopt(network(), settings(tmp_path, fit={"budget": 16}))
    with pytest.raises(ScalingError):
        fit("s", storage=url(tmp_path), evaluator=Lawful(tmp_path / "notes", fails=1))


def test_device_hours_end_a_fit(tmp_path: Path) -> None:
    adopt(network(), settings(tmp_path, fit={"device_hours": 0.2 / 3600}))
    report = fit("s", storage=url(tmp_path), evaluator=Lawful(tmp_path / "notes", seconds=0.05))
    assert report.ending.kind == "done" and "device-hours" in report.ending.reason
    assert report.fit is None


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"budget": 10}, SmallBudget, "needs 8 different networks"),
        ({"budget": 4, "method": "grid"}, SmallBudget, "needs 3 different networks"),
        ({"divisor": 64, "largest": 1.5}, CoarseBaseline, "three sizes"),
    ],
)
def test_what_can_teach_nothing_is_refused_untrained(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    adopt(network(), settings(tmp_path))
    formula = Lawful(tmp_path / "notes")
    with pytest.raises(error, match=says):
        fit("s", storage=url(tmp_path), evaluator=formula, changes=with_fit(**changes))
    assert formula.trainings() == []


def test_networks_of_one_fit_must_be_comparable(copy: Path) -> None:
    with pytest.raises(SpaceChanged, match="epochs"):
        fit("s", storage=url(copy), evaluator=Lawful(copy / "notes"), changes=with_fit(epochs=7))


def test_the_winner_of_a_search_is_what_grows(tmp_path: Path) -> None:
    formula = searches.Formula(tmp_path / "notes")
    report = search(searches.settings(tmp_path, repeats=2, trials=4), evaluator=formula)
    assert report.winner is not None
    chosen = with_fit(budget=24, divisor=4, largest=4.0)
    own = fit("s", storage=url(tmp_path), evaluator=formula, changes=chosen)
    assert own.baseline.architecture.digest == report.winner.trial.digest
    assert own.baseline.origin == f"trial {report.winner.trial.number} of s"
    seeds = {note["seed"] for note in formula.trainings()}
    with open_store(url(tmp_path)) as store:
        selected = {t.seed for name in ("s", "s.finalists") for t in store.trials(store.study(name).id)}
        measured = {t.seed for t in store.trials(store.study("s.fit").id)}
    assert not selected & measured, "the winner is not judged by the trainings that made it win"
    assert measured <= seeds


def test_what_is_no_network_cannot_grow(tmp_path: Path) -> None:
    search(searches.settings(tmp_path, trials=2), evaluator=searches.Formula(tmp_path / "notes"))
    with pytest.raises(StudyMissing):
        fit("nothing", storage=url(tmp_path))
    with pytest.raises(TrialMissing):
        fit("s", trial=99, storage=url(tmp_path))
    with open_store(url(tmp_path)) as store:
        store.create_plain_study("plain", ["maximize"])
    with pytest.raises(StudyMissing, match="nas search"):
        fit("plain", storage=url(tmp_path))


def test_a_search_without_a_complete_trial_cannot_grow(tmp_path: Path) -> None:
    class Broken(searches.Formula):
        def evaluate(self, task: Any, report: Any) -> Any:
            raise KeyError("mine")

    with pytest.raises(NothingFeasible):
        search(searches.settings(tmp_path, trials=2), evaluator=Broken(tmp_path / "notes"))
    with pytest.raises(ValueError, match="complete trial"):
        fit("s", storage=url(tmp_path))


def test_adopting_the_same_network_again_changes_nothing(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    assert adopt(network(), chosen) == adopt(network(), chosen) == "s"
    with pytest.raises(StudyExists):
        adopt(network(16), chosen)
    with open_store(url(tmp_path)) as store:
        stored = Architecture.from_dict(store.study("s").settings["network"])
    assert (stored.num_classes, stored.input_channels) == (10, 1)


@pytest.mark.parametrize(
    "name",
    ["efficientnet_b0", "mobilenet_v2_1_0_224", "resnet50", "shufflenet_v2_x1_0", "vgg16"],
)
def test_what_is_built_grows_with_what_is_asked_for(name: str) -> None:
    baseline = Baseline(reference(name), name)
    assert baseline.built(depth=1.0, width=1.0, resolution=1.0) == {
        "depth": 1.0,
        "width": 1.0,
        "resolution": 1.0,
    }
    built = baseline.built(depth=2.0, width=2.0, resolution=2.0)
    assert built["depth"] == 2.0 and built["resolution"] == 2.0
    assert 1.5 < built["width"] < 2.5


def test_one_dimension_alone_shows_where_it_saturates(tmp_path: Path) -> None:
    adopt(network(), settings(tmp_path))
    formula = Lawful(tmp_path / "notes", noise=0.0005)
    report = sweep(
        "s", {"width": [1.5, 2.0, 3.0], "depth": [2.0, 3.0]}, storage=url(tmp_path), evaluator=formula
    )
    width, depth = report.curves
    assert [point.factor for point in width.points] == [1.0, 1.5, 2.0, 3.0]
    assert [point.factor for point in depth.points] == [1.0, 2.0, 3.0]
    assert width.law is not None and depth.law is not None
    assert depth.law.law.limit < width.law.law.limit, "the truth's depth has less to give"
    num_before = len(formula.trainings())
    more = sweep("s", {"width": [1.5, 4.0]}, storage=url(tmp_path), evaluator=formula)
    assert [point.factor for point in more.curves[0].points] == [1.0, 1.5, 2.0, 3.0, 4.0]
    assert len(formula.trainings()) == num_before + 2 * 5, "only the new factor is trained"


@pytest.mark.parametrize("factors", [{"height": [2.0]}, {"width": [-1.0]}, {"width": []}])
def test_a_sweep_of_nothing_is_refused(tmp_path: Path, factors: dict[str, list[float]]) -> None:
    with pytest.raises(BadSweep):
        sweep("s", factors, storage=url(tmp_path))
