"""Study names: plain ones pass, hostile ones are refused in one printable sentence."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.errors import BadName
from runs.names import name_key, study_name

HOSTILE = (
    "",
    " ",
    " leading",
    "trailing ",
    ".hidden",
    "-flag",
    "../../etc/passwd",
    "a/b",
    "a\\b",
    "a\x00b",
    "a\nb",
    "a\x1b[31mb",
    "a\u202eb",
    "a\u200bb",
    "<img src=x onerror=alert(1)>",
    "=cmd|calc",
    "a;b",
    "{}",
    "%s",
    "x" * 129,
    "x" * 600,
)


@pytest.mark.parametrize("name", ["a", "mnasnet on digits", "v1.2+seed:3@host", "_x", "日本", "1", "x" * 128])
def test_plain_names_are_kept(name: str) -> None:
    assert study_name(name) == name


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_in_one_printable_sentence(name: str) -> None:
    with pytest.raises(BadName) as caught:
        study_name(name)
    message = str(caught.value)
    assert message.isascii() and message.isprintable() and len(message) < 300
    assert caught.value.exit_code == 2


def test_equal_looking_names_are_one_name() -> None:
    assert study_name("e\u0301tude") == "\u00e9tude"
    assert name_key("Étude") == name_key("e\u0301tude".upper())


@given(st.text(max_size=140))
def test_what_passes_is_normal_printable_and_passes_again(text: str) -> None:
    try:
        name = study_name(text)
    except BadName:
        return
    assert study_name(name) == name == unicodedata.normalize("NFC", name)
    assert name.isprintable() and "/" not in name and "\\" not in name
