"""The grow stage on a real ledger, and committees of members that were really trained."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas.settings import Settings, make_settings
from nas.stages.arms import Watch
from nas.stages.baseline import SmallTarget, adopt
from nas.stages.budget import Budget
from nas.stages.fit import FitReport, fit
from nas.stages.grow import NoFit, grow
from nas.stages.history import History
from nas.study import Study
from runs import TrialRecord, open_store
from scaling_rules import ScalingError
from search_space import cost
from tests.fakes.scaling import Lawful, network, settings


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'nas.db'}"


def trials(folder: Path) -> list[TrialRecord]:
    with open_store(url(folder)) as store:
        assert list(store.check()) == []
        return store.trials(store.study("s.grow").id)


def with_grow(**changes: Any) -> Callable[[Settings], Settings]:
    return lambda stored: stored.model_copy(update={"grow": stored.grow.model_copy(update=changes)})


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FitReport]:
    folder = tmp_path_factory.mktemp("fitted")
    adopt(network(), settings(folder, fit={"budget": 40}))
    return folder, fit("s", storage=url(folder), evaluator=Lawful(folder / "notes"))


@pytest.fixture
def copy(fitted: tuple[Path, FitReport], tmp_path: Path) -> Path:
    return Path(shutil.copytree(fitted[0], tmp_path / "copy"))


def test_members_are_trials_with_their_lineage(copy: Path, fitted: tuple[Path, FitReport]) -> None:
    report = grow(
        "s", storage=url(copy), evaluator=Lawful(copy / "notes"), changes=with_grow(phi=(0.0, 1.0), epochs=5)
    )
    assert [one.forecast.size for one in report.members] == ["phi 0", "phi 1"]
    for one, record in zip(report.members, trials(copy), strict=True):
        assert record.choices["rule"] == "compound" and record.choices["size"] == one.forecast.size
        assert record.choices["fit"] == report.fit == fitted[1].id
        assert record.choices["expected"] == one.forecast.accuracy, "stored before it was trained"
        assert record.costs["macs"] == one.forecast.macs
        assert one.trials == (record.number,)
    with open_store(url(copy)) as store:
        study = store.study("s.grow")
        assert study.settings["network"] == store.study("s").settings["network"]
        parents = {run.parent for run in store.runs(study.id)}
        assert parents <= {run.id for run in store.runs(store.study("s.fit").id)} != {None}
    best = Study("s.grow", url(copy)).best()
    assert best.macs == report.members[1].forecast.macs and best.accuracy == best.reward


def test_what_was_forecast_happens_where_the_law_holds(copy: Path) -> None:
    told: list[str] = []
    chosen = with_grow(phi=(1.0, 2.0), rule=("compound", "width"), epochs=5, seeds=3)
    report = grow(
        "s",
        storage=url(copy),
        evaluator=Lawful(copy / "notes"),
        changes=chosen,
        watch=Watch(plan=told.append),
    )
    hits = [one.num_hits or 0 for one in report.members]
    assert sum(hits) >= 10 and len(hits) == 4  # of 12 trainings, each inside its 95 % interval
    assert sum("expect  compound phi 1" in text for text in told) == 1


def test_forecasts_for_longer_trainings_rest_on_the_baselines_own(copy: Path) -> None:
    notes: list[int] = []
    formula = Lawful(copy / "notes")

    def plan(text: str) -> None:
        if text.startswith("expect"):
            notes.append(len([note for note in formula.trainings() if note["epoch"] == 20]))

    report = grow(
        "s",
        storage=url(copy),
        evaluator=formula,
        changes=with_grow(phi=(2.0,), epochs=20, seeds=2),
        watch=Watch(plan=plan),
    )
    anchor, member = report.members
    assert notes == [2], "only the baseline was trained when the forecast was told"
    assert anchor.forecast.size == "phi 0" and member.forecast.size == "phi 2"
    assert member.forecast.accuracy == pytest.approx(member.mean, abs=0.01)
    assert member.num_hits in (1, 2)  # of two, inside a 95 % interval


def test_targets_are_met_or_the_nearest_is_named(copy: Path) -> None:
    base = cost(network()).macs
    told: list[str] = []
    chosen = with_grow(macs=(1.5 * base, 4.0 * base), params=(3e4,), epochs=5, rule=("compound", "depth"))
    report = grow(
        "s",
        storage=url(copy),
        evaluator=Lawful(copy / "notes"),
        changes=chosen,
        watch=Watch(plan=told.append),
    )
    assert len(report.members) == 6
    deeper = [report.baseline.macs(depth=num / 6, width=1.0, resolution=1.0) for num in range(6, 60)]
    for one in (found.forecast for found in report.members if found.forecast.size.endswith("macs")):
        target = one.member.target or 0.0
        if one.rule == "depth":
            assert one.resolution == 12 and one.macs == min(deeper, key=lambda macs: abs(macs - target))
        else:
            is_near = one.macs == pytest.approx(target, rel=0.02)
            assert one.member.met == is_near
        is_told = any(f"{one.rule} {one.size} has {one.macs:,}, not {target:,.0f}" in text for text in told)
        assert is_told == (abs(one.macs / target - 1.0) > 0.02)


def test_a_phi_that_rounding_makes_much_dearer_says_so_before_it_is_trained(tmp_path: Path) -> None:
    adopt(network(), settings(tmp_path, fit={"divisor": 32}))
    told: list[str] = []
    report = grow(
        "s",
        storage=url(tmp_path),
        evaluator=Lawful(tmp_path / "notes"),
        changes=with_grow(rule=("width",), phi=(1.0,), epochs=1),
        watch=Watch(plan=told.append),
    )
    [one] = [found.forecast for found in report.members]
    multiple = one.macs / cost(network()).macs
    assert multiple == pytest.approx(one.member.cost / cost(network()).macs) and abs(multiple - 2.0) > 0.04
    assert f"width phi 1 costs {multiple:.3g}x the baseline, not 2x" in told[0]
    assert "try --divisor 16" in told[0]


def test_regularisation_grows_with_the_size(copy: Path) -> None:
    chosen = with_grow(phi=(0.0, 2.0), epochs=5, dropout_step=0.1, drop_path_step=0.05)
    grow("s", storage=url(copy), evaluator=Lawful(copy / "notes"), changes=chosen)
    small, large = trials(copy)
    assert "dropout" not in small.choices
    assert 0.15 < float(str(large.choices["dropout"])) < 0.3
    assert 0.07 < float(str(large.choices["drop_path"])) < 0.15
    assert '"dropout":0.0' in str(small.recipe) and '"dropout":0.0,' not in str(large.recipe)


def test_a_family_stopped_halfway_goes_on_and_may_be_added_to(copy: Path) -> None:
    formula = Lawful(copy / "notes")
    seen = [0]

    def progress(arm: str, history: History, budget: Budget) -> None:
        seen[0] = sum(trial.state.is_finished for trial in history.trials)

    chosen = with_grow(phi=(0.0, 1.0, 2.0), epochs=5)
    stopped = grow(
        "s",
        storage=url(copy),
        evaluator=formula,
        changes=chosen,
        watch=Watch(progress=progress, should_stop=lambda: seen[0] >= 2),
    )
    assert stopped.ending.kind == "stopped"
    done = grow("s", storage=url(copy), evaluator=formula, changes=chosen)
    assert done.ending.kind == "done" and all(one.trials for one in done.members)
    more = grow("s", storage=url(copy), evaluator=formula, changes=with_grow(phi=(2.0, 3.0), epochs=5))
    assert more.members[0].trials == done.members[2].trials
    assert len(trials(copy)) == 4
    keys = [note["key"] for note in formula.trainings() if note["epoch"] == 5]
    assert len(keys) == len(set(keys))


def test_a_rule_of_the_literature_needs_no_fit(tmp_path: Path) -> None:
    adopt(network(), settings(tmp_path))
    formula = Lawful(tmp_path / "notes")
    with pytest.raises(NoFit, match="nas fit s"):
        grow("s", storage=url(tmp_path), evaluator=formula)
    with pytest.raises(ScalingError, match="efficientnet"):
        grow("s", storage=url(tmp_path), evaluator=formula, changes=with_grow(rule=("nothing",)))
    report = grow(
        "s",
        storage=url(tmp_path),
        evaluator=formula,
        changes=with_grow(rule=("efficientnet",), phi=(1.0,), epochs=2),
    )
    [member] = report.members
    assert member.forecast.accuracy is None and member.num_hits is None and len(member.accuracies) == 1
    assert report.fit is None


def test_a_target_below_the_baseline_is_refused(copy: Path) -> None:
    with pytest.raises(SmallTarget, match="negative phi"):
        grow("s", storage=url(copy), changes=with_grow(macs=(1e3,)))
    report = grow(
        "s", storage=url(copy), evaluator=Lawful(copy / "notes"), changes=with_grow(phi=(-1.0,), epochs=5)
    )
    assert report.members[0].forecast.macs < cost(network()).macs


def test_trained_members_vote_in_committees_and_keep_their_weights(tmp_path: Path) -> None:
    chosen = make_settings(
        {
            "search": {"study": "s", "storage": url(tmp_path), "executor": "inline"},
            "data": {"resolution": 8, "num_samples": 400},
            "grow": {"rule": "uniform", "phi": [0, 1], "epochs": 2, "seeds": 2},
        }
    )
    adopt(network(8), chosen)
    report = grow("s", storage=url(tmp_path))
    assert all(weights is not None for one in report.members for weights in one.weights)
    assert report.committees and {one.kind for one in report.committees} <= {"single", "ensemble", "cascade"}
    with open_store(url(tmp_path)) as store:
        kinds = [record.kind for record in store.artifact_records()]
    assert kinds.count("predictions") == 4
    again = grow("s", storage=url(tmp_path))
    assert again.committees == report.committees
    with open_store(url(tmp_path)) as store:
        assert [record.kind for record in store.artifact_records()].count("predictions") == 4
    candidate = Study("s.grow", url(tmp_path)).candidate(0)
    assert candidate.weights is not None
