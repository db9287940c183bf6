"""Committees: from the predictions that the engine stores, as the engine's own frontier has them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from werkzeug.test import Client

from dashboards.app import make_application
from dashboards.pages import router
from dashboards.pages.committees import committees
from dashboards.reader import Reader
from dashboards.security import Policy
from dashboards.site import Site
from nas.evaluation.predictions import Predictions
from nas.stages.committee import PREDICTIONS
from runs import Outcome, Store, TrialState
from scaling_rules import Voter, committee_frontier
from tests.dashboards.conftest import TOKEN, WITH_TOKEN
from tests.dashboards.test_dashboards_app import text_of
from tests.fakes.ledgers import start

NUM_IMAGES, NUM_CLASSES = 400, 5
SKILLS = (0.5, 1.0, 1.6)  # of the members: how far the true class stands out


def said(skill: float, labels: np.ndarray, rng: np.random.Generator) -> Predictions:
    scores = rng.normal(0.0, 1.0, (NUM_IMAGES, NUM_CLASSES))
    scores[np.arange(NUM_IMAGES), labels] += skill
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return Predictions(shares.astype(np.float32), labels)


@pytest.fixture
def family(store: Store) -> Iterator[list[Predictions]]:
    """A family of three members in the ledger, with what each said."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, NUM_CLASSES, NUM_IMAGES)
    found = [said(skill, labels, rng) for skill in SKILLS]
    grown = store.create_study("s.grow", directions=["maximize"], seed=0, space={}, settings={})
    for index, (claim, one) in enumerate(zip(store.begin(grown.id, len(found)), found, strict=True)):
        begun = start(claim, index)
        sizes = {"rule": "compound", "size": f"phi {index}", "depth": 1.0, "width": 1.0, "resolution": 1.0}
        begun = type(begun)(begun.claim, begun.key, begun.architecture, {"macs": 1e6 * 2**index}, sizes)
        store.start([begun])
        accuracy = float((one.probabilities.argmax(1) == one.labels).mean())
        store.finish(
            [Outcome(claim, TrialState.COMPLETE, (accuracy,), metrics={"accuracy": accuracy}, seconds=1.0)]
        )
        content = one.to_bytes()
        sha256 = store.artifacts.put_bytes(content, kind=PREDICTIONS)
        trial = store.trials(grown.id)[index]
        store.add_artifact(sha256, kind=PREDICTIONS, num_bytes=len(content), trial_id=trial.id)
    yield found


def test_stored_predictions_give_the_frontier_that_the_engine_computes(
    store: Store, family: list[Predictions]
) -> None:
    reader = Reader(store, fresh_s=0.0)
    shown = committees(reader, reader.head(2))
    voters = [
        Voter(str(index), 1e6 * 2**index, one.probabilities.astype(np.float64))
        for index, one in enumerate(family)
    ]
    half = np.random.default_rng(0).permutation(NUM_IMAGES) % 2 == 0
    expected = committee_frontier(voters, family[0].labels, chosen_on=half)
    assert [(one.kind, one.cost, one.accuracy) for one in shown] == [
        (one.kind, one.cost, one.accuracy) for one in expected
    ]
    assert any(one.kind != "single" for one in shown)


@pytest.mark.parametrize("page", ["family", "scaling"])
def test_the_frontier_stands_on_the_pages_of_the_family_and_of_its_rule(
    store: Store, family: list[Predictions], page: str
) -> None:
    shown = text_of(router.content(Site(Reader(store, fresh_s=0.0)), f"/s/1/{page}")[0])
    assert "ensembles and cascades that none beat on one half" in shown


def test_its_data_can_be_had(store: Store, family: list[Predictions]) -> None:
    client = Client(make_application(Site(Reader(store, fresh_s=0.0)), Policy(TOKEN)))
    answer = client.get("/_nas/csv/1/committees", headers=WITH_TOKEN)
    assert answer.text.startswith("kind,members,mean,macs,accuracy,low,high,beaten\n")
    shown = committees(reader := Reader(store, fresh_s=0.0), reader.head(2))
    assert [line.rpartition(",")[2] for line in answer.text.splitlines()[1:]] == [
        str(one.beaten) for one in shown
    ]


def test_damaged_predictions_leave_the_others_a_frontier(store: Store, family: list[Predictions]) -> None:
    grown = store.trials(2)
    sha256 = store.artifacts.put_bytes(b"no predictions", kind=PREDICTIONS)
    store.add_artifact(sha256, kind=PREDICTIONS, num_bytes=14, trial_id=grown[2].id)
    reader = Reader(store, fresh_s=0.0)
    names = {name for one in committees(reader, reader.head(2)) for name in one.names}
    assert names and not any("phi 2" in name for name in names)
