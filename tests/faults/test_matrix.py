"""The page about faults names tests that exist, and every file of fault tests stands in it."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "faults.md").read_text()


def test_every_test_that_the_matrix_names_exists() -> None:
    named = {name for name in re.findall(r"`([\w/]+)`", PAGE) if name.rpartition("/")[2].startswith("test_")}
    named |= set(re.findall(r"`(contracts/\w+)`", PAGE))
    assert len(named) > 20
    assert {name for name in named if not (TESTS / f"{name}.py").exists()} == set()


def test_every_file_of_fault_tests_stands_in_the_matrix() -> None:
    files = {f"faults/{path.stem}" for path in Path(__file__).parent.glob("test_*.py")} - {
        "faults/test_matrix"
    }
    assert {name for name in files if f"`{name}`" not in PAGE} == set()


def test_every_row_of_the_matrix_has_a_number_of_its_own() -> None:
    cells = re.findall(r"^\| ([\d, ]+) \|", PAGE, re.MULTILINE)
    numbers = [int(number) for cell in cells for number in cell.split(",")]
    assert len(numbers) > 40 and sorted(numbers) == sorted(set(numbers))
