"""Logs for collectors: one JSON object a line on stderr, results untouched on stdout."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from nas.cli.logs import JsonFormatter, TextFormatter
from nas.cli.printing import Printer
from tests.nas.cli.conftest import Nas


def test_messages_and_errors_are_json_lines(nas: Nas, ledger: Path) -> None:
    for words, code in ((("stop", "s"), 0), (("stop", "nothing"), 3)):
        ended = nas(*words, "--log-json")
        assert ended.code == code
        for text in ended.err.splitlines():
            entry = json.loads(text)
            assert set(entry) == {"time", "level", "logger", "message"} and entry["time"].endswith("Z")


def test_every_line_of_a_message_is_a_record(capfd: pytest.CaptureFixture[str]) -> None:
    Printer(as_json=True).message("search  mnasnet\n\n        of 10 choices\nworkers 2")
    messages = [json.loads(line)["message"] for line in capfd.readouterr().err.splitlines()]
    assert messages == ["search  mnasnet", "of 10 choices", "workers 2"]


def test_a_record_keeps_its_logger_and_its_traceback() -> None:
    try:
        raise ValueError("mine")
    except ValueError as error:
        made = (type(error), error, error.__traceback__)
        record = logging.LogRecord("nas.stages", logging.WARNING, "", 0, "trial %d", (3,), made)
    entry = json.loads(JsonFormatter().format(record))
    assert (entry["level"], entry["logger"], entry["message"]) == ("warning", "nas.stages", "trial 3")
    assert "ValueError: mine" in entry["traceback"]
    first, *rest = TextFormatter().format(record).splitlines()
    assert first == "warning: trial 3" and rest[-1] == "ValueError: mine"


@pytest.mark.parametrize("text", ["red \x1b[31m", "two\nlines"])
def test_a_record_for_people_cannot_drive_the_terminal(text: str) -> None:
    record = logging.LogRecord("nas", logging.WARNING, "", 0, text, (), None)
    assert TextFormatter().format(record).isprintable()


def test_a_copy_to_optuna_says_nothing_of_its_own(nas: Nas, ledger: Path, folder: Path) -> None:
    ended = nas("db", "copy", "s", "--to", str(folder / "journal"))
    assert ended.code == 0 and "A new study created" not in ended.err + ended.out
