"""Failures stand in plain words on the pages, and as the ledger has them in files for machines."""

from __future__ import annotations

import dataclasses

from werkzeug.test import Client

from dashboards.drawing.timeline import timeline
from dashboards.info.failures import FAILURE_WORDS, outcome_words
from dashboards.info.grid import error_text
from dashboards.info.timeline import Bar
from dashboards.pages import router
from dashboards.site import Site
from runs import FailureClass
from tests.dashboards.conftest import WITH_TOKEN


def test_every_class_has_words_of_its_own_without_the_ledgers_signs() -> None:
    assert set(FAILURE_WORDS) == set(FailureClass)
    assert len(set(FAILURE_WORDS.values())) == len(FailureClass)
    assert not any("_" in words or words != words.lower() for words in FAILURE_WORDS.values())
    assert outcome_words("given back") == "given back"


def test_the_pages_of_a_failed_trial_say_why_in_words(site: Site) -> None:
    browse = site.reader.browse
    failed = dataclasses.replace(browse.trial(1, 3), failure_class=FailureClass.OOM_DEVICE, message="")
    assert error_text(failed) == "out of device memory"
    for path in ("/s/1/trials/3", "/s/1/workers"):
        shown = str(router.content(site, path)[0])
        assert FAILURE_WORDS[FailureClass.DIVERGED] in shown
        assert not any(f"'{one}'" in shown for one in FailureClass if "_" in one)


def test_the_timeline_says_it_in_words_and_its_data_in_the_ledgers(client: Client) -> None:
    drawn = timeline([Bar("host · 1", 0, 1, 0.0, 1.0, "user_error")])
    [bar] = drawn.data
    assert bar.name == FAILURE_WORDS[FailureClass.USER_ERROR] in bar.hovertemplate
    sheet = client.get("/_nas/csv/1/trials", headers=WITH_TOKEN).text
    assert str(FailureClass.DIVERGED) in sheet
