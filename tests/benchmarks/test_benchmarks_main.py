"""The benchmarks' own command: what it finds, prints and refuses."""

from __future__ import annotations

import json

import pytest

from benchmarks import __main__ as command
from benchmarks.row import Row

ROWS = [
    Row("costs a second", 32000.0, 20.0, 1600.0, 50.0, True, "1/s"),
    Row("spread", 1.0, 1.0, 1.0, None, None),
]


@pytest.fixture
def one_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "found", lambda: {"cost": lambda: ROWS})


@pytest.mark.usefixtures("one_benchmark")
def test_json_is_a_list_with_the_promised_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["cost", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [set(row) >= {"what", "ours", "peer", "ratio", "target", "met"} for row in rows] == [True, True]
    assert Row(**rows[0]) == ROWS[0]


@pytest.mark.usefixtures("one_benchmark")
def test_an_unknown_benchmark_is_refused_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["cots"])
    assert ended.value.code == 2
    assert "did you mean cost?" in capsys.readouterr().err


def test_a_broken_promise_ends_with_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Row("overhead", 2.0, 1.0, 2.0, 1.5, False)
    monkeypatch.setattr(command, "found", lambda: {"overhead": lambda: [broken]})
    assert command.main(["overhead"]) == 1
    assert "| overhead | 2 | 1 |  | 2 | 1.5 | **no** |" in capsys.readouterr().out
