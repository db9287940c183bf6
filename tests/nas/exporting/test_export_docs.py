"""What docs/export.md tells consumers to write runs where nothing but the named libraries can be imported."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nas.exporting
from nas.exporting.reference import read_reference
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


def run(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Returns how a program of ours ended, in the folder of an export."""
    command = [sys.executable, "-I", "-B", "-c", *words]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("libraries", sorted({tuple(known) for known, _ in blocks().values()} - {("timm",)}))
def test_a_consumers_lines_run_with_that_formats_runtime_alone(
    libraries: tuple[str, ...], exported: Exported, tmp_path: Path
) -> None:
    """Formats with the same libraries share a process, whose start takes longer than their lines."""
    page = {name: code for name, (known, code) in blocks().items() if tuple(known) == libraries}
    lines = ["import sys"]
    for name, code in page.items():  # the hub's folder has a module of the same name
        lines += ["sys.modules.pop('digits_8', None)", f"exec(compile({code!r}, {name!r}, 'exec'), {{}})"]
        lines.append(f"print('end of {name}')")
    (tmp_path / "consumer.py").write_text("\n".join(lines))
    done = run(exported.folder, ALONE, json.dumps(without(list(libraries))), str(tmp_path / "consumer.py"))
    assert done.returncode == 0, done.stderr
    said = re.split(r"end of \S+\n", done.stdout)
    assert len(said) == len(page) + 1 and all(text.strip() for text in said[:-1])


# timm as the tests have it: importable from here on, with torchvision's operators declared; nothing of ours is. The
# page's lines first, then what compares an export where timm is installed.
WITH_TIMM = f"""
import runpy, sys
runpy.run_path(sys.argv.pop(1))["timm"]()
alone = [sys.argv.pop() for _ in range(5)][::-1]
{ALONE}
sys.argv = alone
runpy.run_path(alone[0], run_name="__main__")
"""


def test_a_folder_for_timm_runs_in_timm_and_gives_the_networks_scores(
    exported: Exported, tmp_path: Path
) -> None:
    (tmp_path / "consumer.py").write_text(blocks()["timm"][1])
    reference, ours = read_reference(exported.folder), Path(nas.exporting.__file__).parent
    np.save(tmp_path / "images.npy", reference.images)
    blocked = without(["timm", "torch", "torchvision", "safetensors", "huggingface-hub", "pyyaml"])
    probe = [ours / "alone.py", ours / "probes" / "with_timm.py", "timm/nas_digits_8_timm.py"]
    files = [tmp_path / "images.npy", tmp_path / "scores.npy"]
    words = [libraries.__file__, json.dumps(blocked), tmp_path / "consumer.py", *probe, *files]
    done = run(exported.folder, WITH_TIMM, *map(str, words))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tensor(")
    got = np.load(tmp_path / "scores.npy")
    np.testing.assert_allclose(got, reference.scores, atol=1e-4 * float(np.abs(reference.scores).max()))
