"""The grid: what the browser sends is looked up, compared and cut, and never run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.info import grid, spreadsheet, words
from dashboards.info.rewards import Weighing
from dashboards.info.table import Table
from runs import FailureClass, TrialState
from tests.dashboards.info.test_info_table import glance

HOW = Weighing("soft", 5e6, "macs", 0.0)
TABLE = Table().updated(
    [
        glance(0, 1, metrics={"accuracy": 0.5}, costs={"macs": 3.0}),
        glance(1, 2, metrics={"accuracy": 0.9}, costs={"macs": 2.0}, digest="cd" * 32),
        glance(2, 3, TrialState.FAILED, metrics={}, failure_class=FailureClass.DIVERGED, costs={"macs": 1.0}),
        glance(3, 4, TrialState.LEASED, metrics={}, costs={}),
    ]
)


def numbers(**asked: Any) -> list[int]:
    return [int(number) for number in grid.order(TABLE, HOW, **asked)]


def test_the_newest_come_first_where_no_order_is_asked_for() -> None:
    assert numbers() == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("direction", "expected"), [("asc", [2, 1, 0, 3]), ("desc", [0, 1, 2, 3])]
)  # what has no value comes last either way
def test_rows_are_sorted_by_a_number(direction: str, expected: list[int]) -> None:
    assert numbers(sort=[{"colId": "macs", "sort": direction}]) == expected


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"accuracy": {"type": "greaterThan", "filter": 0.6}}, [1]),
        ({"accuracy": {"type": "inRange", "filter": 0.4, "filterTo": 0.95}}, [1, 0]),
        ({"accuracy": {"type": "blank"}}, [3, 2]),
        (
            {
                "macs": {
                    "operator": "OR",
                    "conditions": [{"type": "equals", "filter": 1}, {"type": "equals", "filter": 3}],
                }
            },
            [2, 0],
        ),
        ({"state": {"type": "contains", "filter": "FAIL"}}, [2]),
        ({"error": {"type": "contains", "filter": "diverged"}}, [2]),
        ({"digest": {"type": "contains", "filter": "cdcd"}}, [1]),
        ({"choices; drop table trial": {"type": "contains", "filter": "x"}}, [3, 2, 1, 0]),
        ({"accuracy": {"type": "greaterThan", "filter": "nonsense"}}, []),
        ({"accuracy": "nonsense"}, [3, 2, 1, 0]),
    ],
)
def test_rows_are_filtered(model: dict[str, object], expected: list[int]) -> None:
    assert numbers(filters=model) == expected


@pytest.mark.parametrize(
    ("search", "expected"), [("1", [1]), ("diver", [2]), ("running", [3]), ("cdcd", [1]), ("' or 1=1", [])]
)
def test_rows_are_searched(search: str, expected: list[int]) -> None:
    assert numbers(search=search) == expected


def test_states_are_the_command_lines_words() -> None:
    assert numbers(states=["running", "failed"]) == [3, 2]


@given(st.text(max_size=20))
def test_no_text_becomes_a_formula(text: str) -> None:
    cell = str(spreadsheet.safe_cell(text))
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\0"))


def test_numbers_stay_numbers_in_a_spreadsheet() -> None:
    assert spreadsheet.text([{"=a": -1.5, "b": "=cmd|' /C calc'!A0"}]) == "'=a,b\n-1.5,'=cmd|' /C calc'!A0\n"


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_number_has_a_text(value: float) -> None:
    assert (
        words.quantity(value) and words.share(value) and words.duration(abs(value)) and words.compact(value)
    )


def test_text_that_could_mislead_is_made_visible() -> None:
    assert words.visible("a\u202eb\x07") == r"a\u202eb\x07"
