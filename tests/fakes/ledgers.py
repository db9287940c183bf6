"""A small ledger with one study that has every kind of trial, written through the store's own verbs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nas.settings import make_settings
from runs import (
    Claim,
    EvaluationKey,
    FailureClass,
    Outcome,
    Start,
    Store,
    StudyRecord,
    TrialState,
    open_store,
)
from runs import Progress as Step
from search_space import Architecture, cost, reference


def architecture(num_classes: int) -> Architecture:
    """Returns one of a row of different networks."""
    return dataclasses.replace(reference("mobilenet_v2_0_35_224"), num_classes=num_classes, resolution=96)


def start(claim: Claim, index: int) -> Start:
    """Returns what is known of trial `index` before it runs."""
    made = architecture(10 + index)
    key = EvaluationKey(made.digest, "data", "{}", '{"epochs":3,"resolution":null,"share":1.0}', seed=index)
    price = cost(made)
    costs = {"macs": float(price.macs), "params": float(price.params)}
    return Start(claim, key, made.to_json(), costs, {"choice": index})


def write_study(store: Store, name: str = "s", *, search: Mapping[str, Any] | None = None) -> StudyRecord:
    """Writes a study of seven trials, and returns it.

    0: complete, accuracy 0.8; 1: complete, 0.9; 2: pruned; 3: failed (diverged); 4: infeasible;
    5: reused from 1; 6: waiting in the queue.
    """
    settings = make_settings({"search": {"study": name, "target": 10e6, "trials": 20, **(search or {})}})
    record = store.create_study(
        name,
        directions=["maximize"],
        seed=0,
        space={"name": "mnasnet", "version": "1"},
        settings=settings.model_dump(),
    )
    claims = store.begin(record.id, 7)
    starts = [start(claim, 1 if index == 5 else index) for index, claim in enumerate(claims)]
    store.start(starts[:4])
    store.renew(
        claims[:2], [Step(claims[1], epoch, {"accuracy": 0.3 * epoch}, 1.0 * epoch) for epoch in (1, 2)]
    )
    complete = [
        Outcome(
            claim,
            TrialState.COMPLETE,
            objectives=(accuracy,),
            metrics={"accuracy": accuracy, "loss": 1 - accuracy, "epoch": 3.0},
            seconds=10.0,
        )
        for claim, accuracy in zip(claims[:2], (0.8, 0.9), strict=True)
    ]
    store.finish(complete)
    failed = Outcome(
        claims[3],
        TrialState.FAILED,
        seconds=2.0,
        failure_class=FailureClass.DIVERGED,
        message="the loss became \x1b[31mNaN",
        traceback="Traceback: ...",
    )
    refused = Outcome(
        claims[4], TrialState.INFEASIBLE, constraints={"macs": 0.5}, message="too dear", start=starts[4]
    )
    reused = Outcome(
        claims[5],
        TrialState.COMPLETE,
        objectives=(0.9,),
        metrics={"accuracy": 0.9, "loss": 0.1, "epoch": 3.0},
        reused_from=claims[1].trial_id,
        start=starts[5],
    )
    store.finish(
        [Outcome(claims[2], TrialState.PRUNED, seconds=5.0, message="weak"), failed, refused, reused]
    )
    store.release([claims[6]])
    return store.study(record.id)


def write_ledger(url: str) -> None:
    """Makes a ledger with the study `s`."""
    with open_store(url) as store:
        write_study(store)
