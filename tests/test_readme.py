"""The README's Python runs as it stands, prints what the README says, and is as short as it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _block(language: str) -> str:
    found = re.findall(
        rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert len(found) == 1
    return str(found[0])


def test_the_example_has_about_fifteen_lines() -> None:
    assert len(_block("python").strip().splitlines()) <= 17


@pytest.mark.slow
def test_the_example_runs_and_prints_what_is_promised(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _block("python")],
        cwd=tmp_path,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
        },  # threads of small networks fight for a busy machine's cores
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == _block("text")


def test_the_files_and_targets_that_it_names_are_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`?make ([a-z]+)", text)):
        assert f"\n{target}:" in makefile
    assert (ROOT / "docs" / "cli.md").is_file()
