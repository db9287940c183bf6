"""A study goes on under other versions of what it depends on: it is said, and nothing is lost."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from nas.stages.preparation import VERSIONS, versions
from nas.stages.search import resume, search
from runs import TrialState, open_store
from tests.fakes.searches import Formula, settings

pytestmark = pytest.mark.faults


def test_other_versions_are_named_once_and_the_study_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked, trains = settings(tmp_path, trials=3), Formula(tmp_path / "notes")
    search(asked, evaluator=trains)
    url, name = str(asked.search.storage), str(asked.search.study)
    with open_store(url) as store:
        study = store.study(name)
        assert study.settings[VERSIONS] == versions() and "torch" in versions()
        store.set_study_settings(study.id, {**study.settings, VERSIONS: {**versions(), "torch": "1.0.0"}})
        before = store.trials(study.id)
    for said in (True, False):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            resume(name, storage=url, evaluator=trains)
        told = [text for text in caplog.messages if "torch 1.0.0 then" in text]
        assert len(told) == said
    with open_store(url) as store:
        assert list(store.check()) == []
        after = store.trials(store.study(name).id)
    assert after == before and all(one.state is not TrialState.FAILED for one in after)
