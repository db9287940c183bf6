"""What docs/export.md tells consumers to write runs where nothing but the named libraries can be imported."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.nas.exporting.conftest import FORMATS, Exported
from tests.search_space.weight_sources.libraries import timm

PAGE = Path(__file__).parents[3] / "docs" / "export.md"

# Everything that is installed, but for what the first word lists, is not there.
ALONE = """
import json, sys
blocked, finders = set(json.loads(sys.argv[1])), sys.meta_path[:]
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            return None
        found = (finder.find_spec(name, path, target) for finder in finders)
        return next((spec for spec in found if spec is not None), None)
sys.meta_path[:] = [Finder()]
sys.path.insert(0, ".")
exec(compile(open(sys.argv[2]).read(), "consumer", "exec"))
"""


def blocks() -> dict[str, tuple[list[str], str]]:
    """Returns for each format the libraries and the lines that the page shows."""
    found = re.findall(r"```python\n# ([\w-]+): ([^\n]*)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return {
        name: ([] if known == "nothing" else known.split(", "), code.replace("first_0", "digits_8"))
        for name, known, code in found
    }


def _with_requirements(names: list[str]) -> set[str]:
    """Returns distributions with all that they require, extras left out."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            requirements = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform
        found.add(name)
        waiting += [re.split(r"[^\w.-]", each)[0] for each in requirements if "extra ==" not in each]
    return found


def _blocked(libraries: list[str]) -> list[str]:
    kept = _with_requirements(libraries)
    modules = importlib.metadata.packages_distributions().items()
    ours = ["nas", "search_space", "scaling_rules", "runs", "dashboards"]
    others = [
        module
        for module, owners in modules
        if not {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners} & kept
    ]
    return sorted({*others, *ours})


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
        [sys.executable, "-I", "-B", "-c", ALONE, json.dumps(_blocked(libraries)), tmp_path / "consumer.py"],
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
