"""Whoever wrote a name, a parameter or an error: no page shows a character that could hide or reorder others."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import Client

from dashboards.app import make_application
from dashboards.asking import ENDPOINT
from dashboards.inert import inert
from dashboards.reader import Reader
from dashboards.report import report
from dashboards.security import Policy
from dashboards.site import Site
from nas.cli import main
from runs import open_store
from runs.text import visible
from tests.dashboards.conftest import TOKEN, WITH_TOKEN
from tests.dashboards.test_asking import GOOD
from tests.fakes.ledgers import write_study

HOSTILE = "s\u202egnp.exe\u2066\u200b\x1b[31m"
INERT = r"s\u202egnp.exe\u2066\u200b\x1b[31m"


def is_inert(text: str) -> bool:
    return not any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") and c not in "\n\t\r" for c in text)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A ledger in which somebody has written a study's name past its rule."""
    found = f"sqlite:///{tmp_path / 'nas.db'}"
    with open_store(found) as store:
        write_study(store)
        rename = sa.text("update study set name = :name, name_key = :name")
        store.database.write(lambda connection: connection.execute(rename, {"name": HOSTILE}))
    return found


@given(st.text() | st.text(alphabet='\u202e\u2028\x1b\u200b\\u2e\n"é\U000e0001\U0001f600'), st.booleans())
def test_a_document_says_the_same_in_visible_characters(text: str, is_ascii: bool) -> None:
    document = json.dumps({text: [text, 1.5, None]}, ensure_ascii=is_ascii)
    shown = visible(text, kept="\n\r\t")
    assert json.loads(inert(document)) == {shown: [shown, 1.5, None]}


def test_a_hostile_name_is_inert_on_every_page_and_in_the_report(url: str) -> None:
    with open_store(url) as store:
        site = Site(Reader(store, fresh_s=0.0))
        client = Client(make_application(site, Policy(TOKEN)))
        for path in ("/", "/s/1", "/s/1/trials", "/s/1/trials/3", "/s/1/scaling", "/s/1/family"):
            inputs = [GOOD["inputs"][0] | {"value": path}, GOOD["inputs"][1]]
            answer = client.post(ENDPOINT, json=GOOD | {"inputs": inputs}, headers=WITH_TOKEN)
            texts = strings(answer.json)
            assert any(INERT in text for text in texts) and all(map(is_inert, texts))
        written = report(site, 1)
        assert INERT in written and HOSTILE not in written and "\u202e" not in written


def strings(tree: object) -> list[str]:
    """Returns all texts of a JSON value."""
    if isinstance(tree, str):
        return [tree]
    parts = [*tree, *tree.values()] if isinstance(tree, dict) else tree if isinstance(tree, list) else []
    return [text for part in parts for text in strings(part)]


@pytest.mark.parametrize("words", [("list",), ("status", HOSTILE), ("best", HOSTILE), ("trials", HOSTILE)])
def test_a_hostile_name_is_inert_in_a_terminal(
    capsys: pytest.CaptureFixture[str], url: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--storage", url])
    out, err = capsys.readouterr()
    assert ended.value.code == 0 and is_inert(out) and is_inert(err)
