"""What every `Store` must do, whatever database is under it: the tests of one contract."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import sqlalchemy as sa

from runs import Claim, EvaluationKey, FailureClass, Outcome, Progress, Start, Store, StudyRecord, TrialState
from runs.errors import BadRecord, StudyBusy, StudyExists, StudyMissing, TrialMissing
from runs.records import EXPORT
from runs.schema import attempt, run, trial
from runs.states import MAX_ATTEMPTS

COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED, TrialState.INFEASIBLE)


def key(name: str = "net", seed: int = 0) -> EvaluationKey:
    return EvaluationKey(digest=name, data="digits", recipe="{}", fidelity="5 epochs", seed=seed)


def complete(claim: Claim, value: float = 0.5, seconds: float = 1.0) -> Outcome:
    metrics = {"accuracy": value}
    return Outcome(claim, TrialState.COMPLETE, objectives=(value,), metrics=metrics, seconds=seconds)


def failed(claim: Claim, failure_class: FailureClass) -> Outcome:
    return Outcome(claim, TrialState.FAILED, failure_class=failure_class, message="it broke")


def age(store: Store, claim: Claim, *, since_start_s: float, since_renewal_s: float) -> float:
    """Moves an attempt's start and its lease's last renewal into the past; returns the seconds between them."""

    def change(connection: sa.Connection) -> float:
        one = attempt.update().where(attempt.c.id == claim.attempt)
        one = one.values(started=attempt.c.started - since_start_s)
        held = trial.update().where(trial.c.id == claim.trial_id)
        held = held.values(lease_until=trial.c.lease_until - since_renewal_s)
        begun = connection.execute(one.returning(attempt.c.started)).scalar_one()
        until = connection.execute(held.returning(trial.c.lease_until)).scalar_one()
        return float(until - store.lease_s - begun)

    return store.database.write(change)


class LedgerContract:
    """Subclasses give the fixtures `store` and `other`: two openings of one empty database."""

    @pytest.fixture
    def study(self, store: Store) -> StudyRecord:
        space = {"version": "1", "choices": ["a"]}
        return store.create_study("digits", directions=["maximize"], seed=7, space=space, settings={"x": 1})

    def test_a_study_is_stored_as_it_was_given(self, store: Store, other: Store, study: StudyRecord) -> None:
        found = other.study("DIGITS")
        assert found == study == other.study(study.id)
        assert (found.directions, found.seed, found.settings) == (("maximize",), 7, {"x": 1})
        assert (found.space_version, found.state) == ("1", "active")
        assert other.studies() == [study]

    def test_names_are_unique_whatever_their_case(self, store: Store, study: StudyRecord) -> None:
        with pytest.raises(StudyExists, match="'Digits'"):
            store.create_study("Digits", directions=["maximize"], seed=0, space={}, settings={})

    def test_a_study_that_is_not_there_is_named(self, store: Store) -> None:
        with pytest.raises(StudyMissing, match="'nothing'"):
            store.study("nothing")
        with pytest.raises(StudyMissing):
            store.begin(99)
        with pytest.raises(TrialMissing):
            store.trial(99)

    @pytest.mark.parametrize("directions", [[], ["up"], ["maximize", ""]])
    def test_directions_are_checked(self, store: Store, directions: list[str]) -> None:
        with pytest.raises(BadRecord, match="directions"):
            store.create_study("x", directions=directions, seed=0, space={}, settings={})

    def test_a_study_can_be_stopped_and_given_new_settings(self, store: Store, study: StudyRecord) -> None:
        store.set_study_state(study.id, "stopped")
        store.set_study_settings(study.id, {"x": 2}, {"trials": 5})
        found = store.study(study.id)
        assert (found.state, found.settings, found.budget) == ("stopped", {"x": 2}, {"trials": 5})
        assert found.revision > study.revision
        with pytest.raises(BadRecord, match="sleeping"):
            store.set_study_state(study.id, "sleeping")

    def test_a_deleted_study_is_gone_and_its_evaluations_stay(self, store: Store, study: StudyRecord) -> None:
        [claim] = store.begin(study.id)
        store.start([Start(claim, key())])
        store.finish([complete(claim)])
        store.delete_study(study.id)
        assert store.studies() == []
        assert store.cached(key()) is not None
        with pytest.raises(StudyMissing):
            store.delete_study(study.id)
        assert store.check() == []

    def test_numbers_are_dense_over_several_owners(
        self, store: Store, other: Store, study: StudyRecord
    ) -> None:
        claims = [*store.begin(study.id, 3), *other.begin(study.id), *store.begin(study.id, 2)]
        assert [claim.number for claim in claims] == list(range(6))
        assert len({claim.trial_id for claim in claims}) == 6
        assert store.check() == []

    def test_a_trial_goes_from_leased_over_running_to_complete(
        self, store: Store, other: Store, study: StudyRecord
    ) -> None:
        [claim] = store.begin(study.id)
        assert other.trial(claim.trial_id).state is TrialState.LEASED
        start = Start(claim, key(), architecture='{"a": 1}', costs={"macs": 100}, choices={"a": 1, "b": None})
        assert store.start([start]) == []
        running = other.trial(claim.trial_id)
        assert (running.state, running.choices, running.costs) == (
            TrialState.RUNNING,
            {"a": 1, "b": None},
            {"macs": 100},
        )
        done = store.finish([complete(claim, 0.75, seconds=3.0)])
        assert len(done.accepted) == 1 and not done.refused and not done.requeued
        found = other.trial(claim.trial_id)
        assert (found.state, found.objectives, found.seconds) == (TrialState.COMPLETE, (0.75,), 3.0)
        assert (found.digest, found.seed, found.key) == ("net", 0, key().hash)
        assert found.started is not None and found.ended is not None and found.started <= found.ended
        assert other.architecture("net") == '{"a": 1}'
        assert store.check() == []

    def test_many_trials_share_a_transaction(self, store: Store, study: StudyRecord) -> None:
        before = store.study(study.id).revision
        claims = store.begin(study.id, 10)
        store.start([Start(claim, key(str(claim.number))) for claim in claims])
        store.finish([complete(claim) for claim in claims])
        assert store.study(study.id).revision == before + 3
        assert store.spent(study.id).counts[TrialState.COMPLETE] == 10

    def test_the_cache_answers_for_exactly_the_same_key(self, store: Store, study: StudyRecord) -> None:
        [claim] = store.begin(study.id)
        store.start([Start(claim, key())])
        store.finish([replace(complete(claim, 0.9, seconds=4.0), weights="f" * 64)])
        found = store.cached(key())
        assert found is not None
        assert (found.metrics, found.seconds, found.trial_id) == ({"accuracy": 0.9}, 4.0, claim.trial_id)
        assert found.weights == "f" * 64
        assert store.cached(key(seed=1)) is None
        assert store.cached(replace(key(), recipe="other")) is None
        assert store.cached_all([key(seed=1), key()]) == {key(): found} and store.cached_all([]) == {}

    def test_a_reused_result_costs_nothing_and_is_marked(self, store: Store, study: StudyRecord) -> None:
        first, second = store.begin(study.id, 2)
        store.start([Start(first, key())])
        store.finish([complete(first, seconds=5.0)])
        reused = replace(
            complete(second, seconds=0.0), reused_from=first.trial_id, start=Start(second, key())
        )
        store.finish([reused])
        assert store.trial(second.trial_id).reused_from == first.trial_id
        spent = store.spent(study.id)
        assert (spent.device_seconds, spent.num_reused, spent.num_trials) == (5.0, 1, 2)
        assert store.check() == []

    def test_an_infeasible_trial_never_ran(self, store: Store, study: StudyRecord) -> None:
        [claim] = store.begin(study.id)
        start = Start(claim, key(), costs={"macs": 9}, choices={"a": 1})
        constraints = {"macs": 0.5}
        store.finish(
            [Outcome(claim, TrialState.INFEASIBLE, constraints=constraints, message="big", start=start)]
        )
        found = store.trial(claim.trial_id)
        assert (found.state, found.constraints, found.choices) == (
            TrialState.INFEASIBLE,
            constraints,
            {"a": 1},
        )
        assert (found.message, found.seconds) == ("big", 0.0)
        assert store.cached(key()) is None

    @pytest.mark.parametrize("values", [None, (), (math.nan,), (math.inf,), (-math.inf,)])
    def test_a_complete_trial_needs_finite_objectives(
        self, store: Store, study: StudyRecord, values: tuple[float, ...] | None
    ) -> None:
        good, bad = store.begin(study.id, 2)
        with pytest.raises(BadRecord, match="finite"):
            store.finish([complete(good), replace(complete(bad), objectives=values)])
        assert store.trial(good.trial_id).state is TrialState.LEASED, "all of them or none"

    def test_an_outcome_must_be_an_end_and_a_failure_has_a_class(
        self, store: Store, study: StudyRecord
    ) -> None:
        [claim] = store.begin(study.id)
        with pytest.raises(BadRecord, match="release"):
            store.finish([Outcome(claim, TrialState.QUEUED)])
        with pytest.raises(BadRecord, match="class"):
            store.finish([Outcome(claim, TrialState.FAILED)])

    def test_a_finished_trial_never_changes(self, store: Store, study: StudyRecord) -> None:
        [claim] = store.begin(study.id)
        store.finish([complete(claim, 0.5)])
        before = store.trial(claim.trial_id)
        assert len(store.finish([complete(claim, 0.9)]).refused) == 1
        assert store.start([Start(claim, key("late"))]) == [claim]
        assert store.renew([claim], [Progress(claim, 9, {"accuracy": 1.0}, 1.0)]) == [claim]
        store.release([claim])
        assert store.trial(claim.trial_id) == before
        assert store.metrics(claim.trial_id) == []
        assert store.check() == []

    def test_a_released_trial_goes_to_the_next_with_its_choices(
        self, store: Store, other: Store, study: StudyRecord
    ) -> None:
        [claim] = store.begin(study.id)
        store.start([Start(claim, key(), choices={"a": 3})])
        store.release([claim], {claim.attempt: 2.0})
        assert other.trial(claim.trial_id).state is TrialState.QUEUED
        again = other.reclaim(study.id)
        assert again is not None
        assert (again.trial_id, again.fence, again.choices) == (claim.trial_id, 2, {"a": 3})
        assert again.is_retry and not claim.is_retry
        assert store.finish([complete(claim)]).refused, "the old fence is refused"
        assert other.finish([complete(again)]).accepted
        assert other.trial(claim.trial_id).seconds == 3.0
        assert store.spent(study.id).device_seconds == 3.0
        assert store.check() == []

    def test_the_queue_is_served_by_number_and_each_trial_once(
        self, store: Store, other: Store, study: StudyRecord
    ) -> None:
        store.release(store.begin(study.id, 4))
        taken = [one.reclaim(study.id) for one in (store, other, other, store)]
        assert [claim and claim.number for claim in taken] == [0, 1, 2, 3]
        assert store.reclaim(study.id) is None

    @pytest.mark.parametrize("failure_class", MAX_ATTEMPTS)
    def test_infrastructure_failures_are_tried_again_up_to_their_cap(
        self, store: Store, study: StudyRecord, failure_class: FailureClass
    ) -> None:
        store.release(store.begin(study.id))
        for _ in range(MAX_ATTEMPTS[failure_class] - 1):
            claim = store.reclaim(study.id)
            assert claim is not None
            assert store.finish([failed(claim, failure_class)]).requeued
        claim = store.reclaim(study.id)
        assert claim is not None
        assert store.finish([failed(claim, failure_class)]).accepted
        assert store.trial(claim.trial_id).failure_class is failure_class
        assert store.reclaim(study.id) is None
        assert store.check() == []

    def test_the_users_failures_are_final(self, store: Store, study: StudyRecord) -> None:
        [claim] = store.begin(study.id)
        outcome = replace(failed(claim, FailureClass.USER_ERROR), traceback="Traceback ...")
        assert store.finish([outcome]).accepted
        [attempt] = store.attempts(claim.trial_id)
        assert (attempt.failure_class, attempt.traceback) == (FailureClass.USER_ERROR, "Traceback ...")
        found = store.trial(claim.trial_id)
        assert (found.state, found.message) == (TrialState.FAILED, "it broke")

    def test_steps_are_kept_by_attempt_and_sending_again_changes_nothing(
        self, store: Store, study: StudyRecord
    ) -> None:
        [claim] = store.begin(study.id)
        step = Progress(claim, 1, {"accuracy": 0.3, "loss": math.nan}, seconds=2.0)
        assert store.renew([claim], [step]) == store.renew([claim], [step]) == []
        found = {record.name: record.value for record in store.metrics(claim.trial_id)}
        assert found["accuracy"] == 0.3 and math.isnan(found["loss"])
        assert store.spent(study.id).device_seconds == 2.0, "what runs counts as spent"
        store.release([claim])
        again = store.reclaim(study.id)
        assert again is not None
        last = [Progress(again, 1, {"accuracy": 0.4}, 1.0), Progress(again, 2, {"accuracy": 0.5}, 2.0)]
        store.finish([complete(again, seconds=2.5)], last)
        assert store.curves(study.id, "accuracy") == {0: {1: 0.4, 2: 0.5}}
        assert store.spent(study.id).device_seconds == 4.5
        assert store.check() == []

    @pytest.mark.parametrize("has_begun", [True, False])
    def test_an_attempt_whose_owner_is_gone_is_charged_up_to_its_last_renewal(
        self, store: Store, other: Store, study: StudyRecord, has_begun: bool
    ) -> None:
        [claim] = store.begin(study.id)
        if has_begun:
            store.start([Start(claim, key())])
        lived_s = age(store, claim, since_start_s=1000.0, since_renewal_s=store.lease_s + 100.0)
        other.tenant = replace(other.tenant, watch=None)
        again = other.reclaim(study.id)
        assert again is not None and again.fence == 2
        lost = other.attempts(claim.trial_id)[0]
        assert lived_s > 800.0 and lost.seconds == pytest.approx(lived_s if has_begun else 0.0)
        assert store.spent(study.id).device_seconds == lost.seconds
        other.finish([complete(again, seconds=2.0)])
        assert store.trial(claim.trial_id).seconds == lost.seconds + 2.0
        assert store.check() == []

    def test_a_view_reads_only_what_is_new(self, store: Store, other: Store, study: StudyRecord) -> None:
        first, second = store.begin(study.id, 2)
        seen = max(trial.revision for trial in other.trials(study.id))
        assert other.trials(study.id, seen) == []
        store.finish([complete(second)])
        assert [trial.number for trial in other.trials(study.id, seen)] == [second.number]
        assert [trial.number for trial in other.trials(study.id)] == [first.number, second.number]

    def test_spending_counts_every_state(self, store: Store, study: StudyRecord) -> None:
        claims = store.begin(study.id, 6)
        ends = [
            complete(claims[0]),
            Outcome(claims[1], TrialState.PRUNED, seconds=2.0),
            failed(claims[2], FailureClass.DIVERGED),
            Outcome(claims[3], TrialState.INFEASIBLE),
        ]
        store.finish(ends)
        store.release([claims[4]])
        counts = store.spent(study.id).counts
        assert all(counts[state] == 1 for state in (*COUNTED, TrialState.QUEUED, TrialState.LEASED))
        assert store.spent(study.id).num_trials == 6
        assert store.check() == []

    def test_one_driver_at_a_time_unless_others_join(
        self, store: Store, other: Store, study: StudyRecord
    ) -> None:
        run = store.open_run(study.id, "search", {"workers": 2})
        with pytest.raises(StudyBusy, match=r"process \d+ on .+"):
            other.open_run(study.id, "search", {})
        joined = other.open_run(study.id, "search", {}, is_exclusive=False)
        assert store.renew_run(run.id)
        store.close_run(run.id, "done")
        other.close_run(joined.id, "stopped")
        assert not store.renew_run(run.id)
        child = other.open_run(study.id, "fit", {}, parent=run.id)
        assert [one.status for one in store.runs(study.id)] == ["done", "stopped", "running"]
        assert store.runs()[-1] == child and child.parent == run.id

    def test_a_run_whose_driver_is_gone_ends_at_its_last_sign_of_life(
        self, store: Store, other: Store, study: StudyRecord
    ) -> None:
        gone = store.open_run(study.id, "search", {})
        past = {"started": run.c.started - 9000.0, "lease_until": run.c.lease_until - 8000.0}
        store.database.write(lambda connection: connection.execute(run.update().values(past)))
        other.open_run(study.id, "search", {})
        ended, joined = other.runs(study.id)
        assert (ended.id, ended.status, joined.status) == (gone.id, "failed", "running")
        assert ended.ended == ended.lease_until - store.lease_s
        assert ended.ended - ended.started == pytest.approx(1000.0, abs=5.0)

    def test_fits_and_artifacts_are_kept(self, store: Store, study: StudyRecord) -> None:
        [claim] = store.begin(study.id)
        fit = store.add_fit("compound", {"alpha": 1.2}, study_id=study.id)
        assert store.fits(study.id) == store.fits() == [fit]
        kept = store.add_artifact("a" * 64, kind="weights", num_bytes=10, trial_id=claim.trial_id)
        assert store.artifact_records(claim.trial_id) == store.artifact_records() == [kept]
        assert store.exports(study.id) == []
        written = store.add_artifact("b" * 64, kind=EXPORT, num_bytes=10, trial_id=claim.trial_id)
        assert store.exports(study.id) == [(0, written)]

    def test_text_of_any_kind_survives(self, store: Store, other: Store, study: StudyRecord) -> None:
        hostile = "\u202e\x1b[31m<script>'; drop table trial; --\n日本\x00"
        [claim] = store.begin(study.id)
        store.start([Start(claim, choices={hostile: hostile})])
        assert other.trial(claim.trial_id).choices == {hostile: hostile}

    def test_a_traceback_of_any_kind_survives_and_its_end_is_kept(
        self, store: Store, other: Store, study: StudyRecord
    ) -> None:
        [claim] = store.begin(study.id)
        traceback = "x" * 100_000 + "\x00\udcffValueError: the end"
        outcome = replace(failed(claim, FailureClass.USER_ERROR), message="a\x00b", traceback=traceback)
        assert store.finish([outcome]).accepted
        [attempt] = other.attempts(claim.trial_id)
        assert attempt.traceback.endswith("ValueError: the end") and len(attempt.traceback) <= 65_536
        assert other.trial(claim.trial_id).message == "a\ufffdb"
