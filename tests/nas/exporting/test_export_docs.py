"""What docs/export.md tells consumers to write runs where nothing but the named libraries can be imported."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.fakes.consumers import ALONE, without
from tests.nas.exporting.conftest import FORMATS, Exported
from tests.search_space.weight_sources.libraries import timm

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
    libraries, code = blocks()[name]
    (tmp_path / "consumer.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", ALONE, json.dumps(without(libraries)), tmp_path / "consumer.py"],
        cwd=exported.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_timms_lines_run_with_timm(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    timm()
    work = tmp_path / "work"
    shutil.copytree(exported.folder, work)
    monkeypatch.chdir(work)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with torch.inference_mode():
        exec(compile(blocks()["timm"][1], "consumer", "exec"), {})
    assert capsys.readouterr().out.startswith("tensor(")
