"""How a trial's end is written down: one pure function for each way in which a training, or none, can end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nas.interfaces import Failure, Measurement, Stopped
from nas.reward import Reward
from nas.stages.rules import Rules
from runs import Claim, Evaluation, Outcome, Start, TrialRecord, TrialState


def infeasible(start: Start, reward: Reward) -> Outcome | None:
    """Returns the end of a trial that is known to be too dear; None where only measuring can tell, or it is not."""
    price = start.costs.get(reward.cost)
    if price is None or (excess := price / reward.limit - 1) <= 0:
        return None
    message = f"{reward.cost} must be at most {reward.limit:g}, got {price:g}"
    constraints = {reward.cost: excess}
    return Outcome(start.claim, TrialState.INFEASIBLE, constraints=constraints, message=message, start=start)


def reused(start: Start, evaluation: Evaluation, rules: Rules) -> Outcome:
    """Returns the end of a trial whose measurement exists already, here or in another study."""
    metrics = evaluation.metrics
    return Outcome(
        start.claim,
        TrialState.COMPLETE,
        objectives=rules.objectives(start.costs, metrics["accuracy"], metrics.get("latency_ms")),
        metrics=metrics,
        reused_from=evaluation.trial_id,
        weights=evaluation.weights,
        start=start,
    )


def repeated(start: Start, earlier: TrialRecord) -> Outcome:
    """Returns the end of a trial whose work has ended without a result before: the same again, untrained."""
    return Outcome(
        start.claim,
        earlier.state,
        failure_class=earlier.failure_class,
        message=f"as trial {earlier.number}: {earlier.message}".rstrip(": "),
        reused_from=earlier.id,
        start=start,
    )


def complete(claim: Claim, costs: Mapping[str, float], measurement: Measurement, rules: Rules) -> Outcome:
    """Returns the end of a training that came to its end."""
    metrics = {
        "accuracy": measurement.accuracy,
        "loss": measurement.loss,
        "epoch": float(measurement.epoch),
        "num_examples": float(measurement.num_examples),
        "resumed_from": float(measurement.resumed_from),
    }
    if measurement.latency_ms is not None:
        metrics["latency_ms"] = measurement.latency_ms
    if measurement.micro_batch is not None:
        metrics["micro_batch"] = float(measurement.micro_batch)
    return Outcome(
        claim,
        TrialState.COMPLETE,
        objectives=rules.objectives(costs, measurement.accuracy, measurement.latency_ms),
        metrics=metrics,
        seconds=measurement.seconds,
        weights=measurement.weights,
    )


def pruned(claim: Claim, event: Stopped) -> Outcome:
    """Returns the end of a training that its rung stopped."""
    message = f"stopped after epoch {event.epoch} by the rule for weak trials"
    return Outcome(claim, TrialState.PRUNED, seconds=event.seconds, message=message)


def failed(claim: Claim, failure: Failure) -> Outcome:
    """Returns the end of a training that failed; its class decides whether it is tried again."""
    return Outcome(
        claim,
        TrialState.FAILED,
        seconds=failure.seconds,
        failure_class=failure.failure_class,
        message=failure.message,
        traceback=failure.traceback,
    )


def cancelled(claim: Claim, seconds: float) -> Outcome:
    """Returns the end of a training that was given up in its middle, after so many seconds."""
    return Outcome(claim, TrialState.CANCELLED, seconds=seconds, message="cancelled with its study")


def followed(leader: Outcome, starts: Sequence[Start]) -> list[Outcome]:
    """Returns the ends of the trials that waited for the leader's result."""
    return [
        replace(leader, claim=start.claim, seconds=0.0, reused_from=leader.claim.trial_id, start=start)
        for start in starts
    ]
