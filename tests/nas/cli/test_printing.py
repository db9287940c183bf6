"""Nothing that is printed can drive the terminal, and every number is readable."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.cli.exits import CommandError, Exit, report
from nas.cli.printing import Printer, shown
from runs.errors import StudyMissing
from runs.text import visible


@given(st.text())
def test_visible_text_has_no_character_that_acts(text: str) -> None:
    made = visible(text)
    assert made.isprintable() or not text.isascii()
    assert not set(made) & set("\x1b\x07\x08\r\n\t\x9b\u202e\u2066\u200b\u2028")


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (7, "7"),
        (12345678, "12,345,678"),
        (0.5, "0.5"),
        (0.123456, "0.1235"),
        (3e7, "30,000,000"),
        ({"a": 1, "b": None}, "a 1, b -"),
        ([0.25, 2], "0.25, 2"),
    ],
)
def test_values_are_shown_as_people_read_them(value: object, text: str) -> None:
    assert shown(value) == text


def test_numbers_that_json_does_not_have_become_null(capsys: pytest.CaptureFixture[str]) -> None:
    Printer().json({"a": float("nan"), "b": [float("inf"), 1.5]})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.5]}


def test_markup_in_a_text_means_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Printer().table([{"name": "[red]x[/red] \x1b[31m"}], columns=("name",))
    Printer().facts({"name": "[bold]y"})
    out = capsys.readouterr().out
    assert "[red]x[/red] \\x1b[31m" in out and "[bold]y" in out


def test_quiet_keeps_errors(capsys: pytest.CaptureFixture[str]) -> None:
    Printer(quiet=True).message("hello")
    Printer(quiet=True).error("one\ntwo")
    assert capsys.readouterr().err == "error: one\n       two\n"


@pytest.mark.parametrize(
    ("error", "code", "hint"),
    [
        (CommandError("rule, got 1; do this"), Exit.USAGE, "do this"),
        (CommandError("rule; a; b", Exit.NOT_FOUND), Exit.NOT_FOUND, "b"),
        (StudyMissing("no such study; list them"), Exit.NOT_FOUND, "list them"),
        (
            FileNotFoundError(2, "No such file", "x"),
            Exit.UNEXPECTED,
            "check the path, its permissions and the free space",
        ),
        (
            ValueError("not ours"),
            Exit.UNEXPECTED,
            "run the command again with -v for the traceback, and report it",
        ),
    ],
)
def test_every_error_has_a_code_and_a_hint(error: Exception, code: Exit, hint: str) -> None:
    told = report(error)
    assert (told.exit_code, told.hint) == (code, hint)


@pytest.mark.parametrize("columns", [20, 80, 200])
def test_a_narrow_terminal_cuts_no_name_and_no_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    names = ("network_of_a_long_name", "params", "macs", "activations", "why")
    rows = [dict(zip(names, ("a" * 40, 1_234_567, 89_123_456, 5_000_000, "so " * 30), strict=True))]
    Printer(colour=False).table(rows, columns=names)
    Printer(colour=False).facts({"digest": "d" * 64})
    out = capsys.readouterr().out
    for whole in ("a" * 40, "1,234,567", "89,123,456", "5,000,000"):
        assert whole in out
    assert out.count("d") >= 64 and out.count("so") == 30 and "…" not in out
