"""What docs/export.md tells consumers to write runs where nothing but the named libraries can be imported."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.consumers import ALONE, without
from tests.nas.exporting.conftest import FORMATS, Exported
from tests.search_space.weight_sources import libraries

PAGE = Path(__file__).parents[3] / "docs" / "export.md"


def blocks() -> dict[str, tuple[list[str], str]]:
    """Returns for each format the libraries and the lines that the page shows."""
    found = re.findall(r"```python\n# ([\w-]+): ([^\n]*)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return {
        name: ([] if known == "nothing" else known.split(", "), code.replace("first_0", "digits_8"))
        for name, known, code in found
    }


def test_the_page_has_lines_for_every_format_that_a_program_reads() -> None:
    assert set(blocks()) == set(FORMATS) - {"dot"}
    assert all(len(code.strip().splitlines()) <= 14 for _, code in blocks().values())


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("dot", "timm")])
def test_a_consumers_lines_run_with_that_formats_runtime_alone(
    name: str, exported: Exported, tmp_path: Path
) -> None:
    known, code = blocks()[name]
    (tmp_path / "consumer.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", ALONE, json.dumps(without(known)), tmp_path / "consumer.py"],
        cwd=exported.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


# timm as the tests have it: importable from here on, with torchvision's operators declared; nothing of ours is.
WITH_TIMM = f"""
import runpy, sys
runpy.run_path(sys.argv.pop(1))["timm"]()
{ALONE}
"""


def test_timms_lines_run_with_timm_and_nothing_of_ours(exported: Exported, tmp_path: Path) -> None:
    (tmp_path / "consumer.py").write_text(blocks()["timm"][1])
    blocked = json.dumps(
        without(["timm", "torch", "torchvision", "safetensors", "huggingface-hub", "pyyaml"])
    )
    words = [libraries.__file__, blocked, str(tmp_path / "consumer.py")]
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", WITH_TIMM, *words],
        cwd=exported.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tensor(")
