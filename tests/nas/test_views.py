"""What the records of a real ledger become: the keys that scripts rely on, and what they mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from nas.reward import Reward
from nas.views import (
    STATES,
    best_views,
    detail_view,
    is_arm,
    stage_view,
    status_view,
    study_reward,
    study_view,
    trial_views,
    with_cost,
)
from runs import Outcome, Store, StudyRecord, TrialState, open_store
from tests.fakes.ledgers import write_study

HARD = Reward("hard", target=5e6)


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://") as opened:
        yield opened


@pytest.fixture
def study(store: Store) -> StudyRecord:
    return write_study(store)


def test_the_status_has_the_promised_keys_and_counts(store: Store, study: StudyRecord) -> None:
    view = status_view(study, store.trials(study.id), store.spent(study.id), store.runs(study.id), now=0.0)
    assert list(view) == ["study", "state", "trials", "best", "budget", "stages", "exports"]
    [arm] = [stage_view(study, store.spent(study.id), [])]
    assert list(arm) == ["stage", "study", "state", "planned", "complete", "failed", "device_hours", "rule"]
    assert view["trials"] == {
        "complete": 3,
        "pruned": 1,
        "failed": 1,
        "infeasible": 1,
        "reused": 1,
        "running": 0,
        "waiting": 1,
    }
    assert set(view["best"]) == {"trial", "reward", "accuracy", "macs", "params", "digest"}
    assert (view["best"]["trial"], view["best"]["accuracy"]) == (1, 0.9)
    assert view["budget"]["trials"] == {"used": 5, "limit": 20}
    assert view["budget"]["device_hours"] == {"used": pytest.approx(27 / 3600, abs=1e-6), "limit": None}


def test_a_trial_has_the_promised_keys(store: Store, study: StudyRecord) -> None:
    views = trial_views(store.trials(study.id), study_reward(study))
    keys = "number state digest fidelity seed reward accuracy macs params seconds error reused_from".split()
    assert all(list(view) == keys for view in views)
    assert [view["number"] for view in views] == list(range(7))
    assert {view["state"] for view in views} <= set(STATES)
    assert views[3]["error"].startswith("diverged: ")
    assert views[5]["reused_from"] == 1
    assert views[0]["fidelity"] == {"epochs": 3, "resolution": None, "share": 1.0}


def test_the_cost_that_the_reward_counts_is_shown(store: Store, study: StudyRecord) -> None:
    timed = [
        dataclasses.replace(one, metrics={**one.metrics, "latency_ms": 1.5}) for one in store.trials(study.id)
    ]
    views = best_views(timed, Reward("soft", 2.0, "latency_ms"), count=2)
    assert [view["latency_ms"] for view in views] == [1.5, 1.5]
    assert with_cost(("macs", "params", "digest"), views) == ("macs", "params", "latency_ms", "digest")
    assert with_cost(("macs", "params"), best_views(timed, HARD)) == ("macs", "params")


def test_the_reward_follows_from_the_stored_accuracy_and_cost(store: Store, study: StudyRecord) -> None:
    for view in trial_views(store.trials(study.id), HARD):
        if view["state"] == "complete":
            assert view["reward"] == pytest.approx(view["accuracy"] * 5e6 / view["macs"])
        else:
            assert view["reward"] is None


def test_the_best_come_first_and_each_network_once(store: Store, study: StudyRecord) -> None:
    assert [view["number"] for view in best_views(store.trials(study.id), HARD, count=10)] == [1, 0]
    assert best_views([], HARD) == []


def test_under_pareto_the_best_is_the_front(store: Store, study: StudyRecord) -> None:
    front = best_views(store.trials(study.id), Reward("pareto", target=5e6), count=10)
    costs = [(view["macs"], view["accuracy"]) for view in front]
    assert costs == sorted(costs) and [accuracy for _, accuracy in costs] == [0.8, 0.9]


def test_the_front_is_of_the_rewards_own_cost(store: Store, study: StudyRecord) -> None:
    trials = [
        dataclasses.replace(trial, costs={"macs": 1.0, "peak_memory_bytes": cost})
        for trial, cost in zip(store.trials(study.id)[:2], (10.0, 20.0), strict=True)
    ]
    reward = Reward("pareto", target=5e6, cost="peak_memory_bytes")
    assert [view["number"] for view in best_views(trials, reward, count=10)] == [0, 1]


def test_the_best_of_a_minimized_study_is_the_lowest(store: Store) -> None:
    plain = store.create_study("plain", directions=["minimize"], seed=0, space={}, settings={})
    claims = store.begin(plain.id, 3)
    ends = [
        Outcome(c, TrialState.COMPLETE, objectives=(x,)) for c, x in zip(claims, (2.0, 1.0, 3.0), strict=True)
    ]
    store.finish(ends)
    view = status_view(plain, store.trials(plain.id), store.spent(plain.id), [], now=0.0)
    assert view["best"]["trial"] == 1


def test_several_objectives_of_plain_optuna_have_a_front_and_no_winner(store: Store) -> None:
    plain = store.create_study("two", directions=["minimize", "maximize"], seed=0, space={}, settings={})
    assert best_views([], None, directions=plain.directions) == []
    pairs = ((2.0, 5.0), (1.0, 4.0), (3.0, 4.5), (1.0, 3.0))
    ends = [
        Outcome(claim, TrialState.COMPLETE, objectives=pair)
        for claim, pair in zip(store.begin(plain.id, len(pairs)), pairs, strict=True)
    ]
    store.finish(ends)
    trials = store.trials(plain.id)
    front = best_views(trials, None, count=10, directions=plain.directions)
    assert [(view["number"], view["objectives"]) for view in front] == [(1, [1.0, 4.0]), (0, [2.0, 5.0])]
    assert status_view(plain, trials, store.spent(plain.id), [], now=0.0)["best"] is None


def test_a_study_of_plain_optuna_is_shown_by_its_objective(store: Store) -> None:
    plain = store.create_study("plain", directions=["maximize"], seed=0, space={}, settings={})
    assert study_reward(plain) is None
    assert status_view(plain, [], store.spent(plain.id), [], now=0.0)["best"] is None
    assert study_view(plain, store.spent(plain.id))["trials"] == 0


def test_details_hold_choices_curve_and_attempts(store: Store, study: StudyRecord) -> None:
    trial = store.trials(study.id)[1]
    view = detail_view(
        trial,
        study_reward(study),
        attempts=store.attempts(trial.id),
        metrics=store.metrics(trial.id),
        numbers={trial.id: 1},
    )
    assert view["choices"] == {"choice": 1}
    assert [point["value"] for point in view["curve"] if point["name"] == "accuracy"] == [0.3, 0.6]
    assert len(view["attempts"]) == 1 and view["attempts"][0]["error"] is None


def test_hours_are_those_of_sessions(store: Store, study: StudyRecord) -> None:
    run = store.open_run(study.id, "search", {})
    view = status_view(study, [], store.spent(study.id), store.runs(study.id), now=run.started + 36.0)
    assert view["budget"]["hours"]["used"] == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(
    ("arm", "trials", "hours"), [("sweep", 2, 3.0), ("fit", 24, 3.0), ("grid", 24, 3.0), ("grow", 2, None)]
)
def test_an_arms_limits_are_its_own_and_not_its_searches(
    store: Store, study: StudyRecord, arm: str, trials: int, hours: float | None
) -> None:
    own = {**study.settings, "plan": [{}, {}], "fit": {"budget": 24, "hours": 3.0, "device_hours": None}}
    made = store.create_study(f"s.{arm}", directions=["maximize"], seed=0, space={}, settings=own)
    budget = status_view(made, [], store.spent(made.id), [], now=0.0)["budget"]
    limits = [budget[name]["limit"] for name in ("trials", "hours", "device_hours")]
    assert limits == [trials, hours, None]


def test_further_arms_are_told_by_their_names() -> None:
    assert is_arm("a.control") and is_arm("a.finalists") and not is_arm("finalists")
