"""A large study made in bulk, shaped like a search that learns: for tests and benchmarks of the dashboards."""

from __future__ import annotations

import json
import uuid

import numpy as np
import sqlalchemy as sa

from nas.settings import make_settings
from runs import Store, StudyRecord, TrialState
from runs.schema import COUNTERS, architecture, attempt, result, study, trial
from search_space import Architecture, open_space

STATES = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.INFEASIBLE, TrialState.FAILED)
SHARES = (0.62, 0.25, 0.10, 0.03)
NUM_NETWORKS = 40  # different architectures; more would only take time to make
BEGUN = 1_790_000_000.0  # UTC seconds: a fixed day


def write_large_study(store: Store, name: str = "large", num_trials: int = 100_000) -> StudyRecord:
    """Writes a finished study of `num_trials` trials, the same for the same arguments."""
    rng = np.random.default_rng(0)
    search = {"study": name, "target": 5e6, "trials": num_trials, "space": "mnasnet"}
    settings = make_settings({"search": search}).model_dump()
    space = open_space("mnasnet", resolution=16, num_classes=10, input_channels=1, width=0.25)
    record = store.create_study(
        name, directions=["maximize"], seed=0, space=space.describe(), settings=settings
    )
    networks = [space.sample(rng) for _ in range(NUM_NETWORKS)]
    rows = _rows(
        record.id,
        num_trials,
        rng,
        [space.decode(one) for one in networks],
        [space.values(one) for one in networks],
    )
    with store.database.connection() as connection:
        first = (connection.scalar(sa.select(sa.func.max(trial.c.id))) or 0) + 1
        for row in rows["trial"]:
            row["id"] += first
        for table in ("attempt", "result"):
            for row in rows[table]:
                row["trial_id"] += first
        known = set(connection.scalars(sa.select(architecture.c.digest)))
        new = [row for row in rows["architecture"] if row["digest"] not in known]
        if new:
            connection.execute(architecture.insert(), new)
        for table in (trial, attempt, result):
            connection.execute(table.insert(), rows[table.name])
        counts = {f"num_{state}": sum(row["state"] == state for row in rows["trial"]) for state in STATES}
        seconds = sum(row["seconds"] for row in rows["attempt"])
        changed = dict.fromkeys(COUNTERS, 0) | counts
        changed |= {
            "num_trials": num_trials,
            "revision": num_trials + 1,
            "device_seconds": seconds,
            "state": "finished",
        }
        connection.execute(study.update().where(study.c.id == record.id).values(**changed))
    return store.study(record.id)


def _rows(
    study_id: int, count: int, rng: np.random.Generator, networks: list[Architecture], values: list[object]
) -> dict[str, list[dict[str, object]]]:
    progress = np.linspace(0.0, 1.0, count)
    macs = np.exp(rng.normal(np.log(6e6) - 0.3 * progress, 0.5 - 0.25 * progress, count))
    noise = rng.normal(0.0, 0.02, count) - np.abs(rng.normal(0.0, 0.08 * (1.2 - progress), count))
    accuracies = np.clip(0.99 * macs / (macs + 6e5) + noise, 0.05, 0.995)
    states = rng.choice(len(STATES), size=count, p=SHARES)
    picks = rng.integers(0, len(networks), count)
    seconds = np.where(states == 0, 30.0, np.where(states == 1, 8.0, np.where(states == 3, 3.0, 0.0)))
    digests = [one.digest for one in networks]
    documents = [one.to_json() for one in networks]
    choices = [json.dumps(one, default=str) for one in values]
    trials, attempts, results = [], [], []
    for k in range(count):
        state, ended = STATES[states[k]], BEGUN + 4.0 * k + float(seconds[k])
        costs = {
            "macs": round(float(macs[k])),
            "params": round(float(macs[k]) / 30),
            "peak_memory_bytes": round(float(macs[k]) / 60),
            "activations": round(float(macs[k]) / 20),
        }
        complete = state is TrialState.COMPLETE
        metrics = (
            {"accuracy": float(accuracies[k]), "loss": 1 - float(accuracies[k]), "epoch": 3.0}
            if complete
            else {}
        )
        reward = float(accuracies[k] * (macs[k] / 5e6) ** -0.07)
        trials.append(
            {
                "id": k,
                "study_id": study_id,
                "number": k,
                "state": state,
                "fence": 1,
                "choices": choices[picks[k]],
                "parameters": "[]",
                "user_attrs": "{}",
                "system_attrs": "{}",
                "digest": digests[picks[k]],
                "data": "digits",
                "recipe": "{}",
                "fidelity": '{"epochs":3,"resolution":null,"share":1.0}',
                "seed": k,
                "evaluation_key": f"{k:064x}",
                "costs": json.dumps(costs),
                "started": BEGUN + 4.0 * k,
                "ended": ended,
                "revision": k + 2,
            }
        )
        attempt_id = str(uuid.UUID(int=(study_id << 64) + k))
        failure = "diverged" if state is TrialState.FAILED else None
        attempts.append(
            {
                "id": attempt_id,
                "trial_id": k,
                "fence": 1,
                "owner": "host:1",
                "host": "host",
                "pid": 1,
                "started": BEGUN + 4.0 * k,
                "ended": ended,
                "seconds": float(seconds[k]),
                "failure_class": failure,
                "message": "the loss became NaN" if failure else "",
                "traceback": "",
                "code_version": "test",
                "schema_version": 1,
            }
        )
        results.append(
            {
                "trial_id": k,
                "attempt_id": attempt_id,
                "objectives": json.dumps([reward]) if complete else None,
                "metrics": json.dumps(metrics),
                "constraints": "{}",
                "seconds": float(seconds[k]),
                "failure_class": failure,
                "message": "",
                "reused_from": None,
                "weights": None,
                "created": ended,
            }
        )
    nets = [
        {"digest": d, "document": t, "costs": "{}", "created": BEGUN}
        for d, t in dict(zip(digests, documents, strict=True)).items()
    ]
    return {"trial": trials, "attempt": attempts, "result": results, "architecture": nets}
