"""The standalone file is formatted, says where its network is from, and normalises as training did."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from search_space.export.layout import LINE_LENGTH
from search_space.export.preprocessing import Preprocessing
from search_space.export.standalone import standalone_source
from tests.search_space.export.networks import TINY

KNOWN = Preprocessing(
    16, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7), ("it's", 'a "b"', *(f"class {i}" for i in range(40)))
)


def test_linters_and_formatters_have_nothing_to_say(tmp_path: Path) -> None:
    for index, fold in enumerate((False, True)):
        source = standalone_source(
            TINY, preprocessing=KNOWN, notes=("Found by study s, trial 3.",), fold=fold
        )
        (tmp_path / f"network{index}.py").write_text(source, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--line-length", str(LINE_LENGTH), str(tmp_path)]
    for command in (
        [*ruff, "check", "--select", "E,W,F,I,B,UP", *options],
        [*ruff, "format", "--diff", *options],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_it_says_where_it_comes_from() -> None:
    source = standalone_source(TINY, notes=("Found by study s, trial 3.",))
    assert "Found by study s, trial 3." in source.partition('"""\n')[0] and TINY.digest in source


def test_it_normalises_levels() -> None:
    names: dict[str, object] = {}
    exec(compile(standalone_source(TINY, preprocessing=KNOWN), "network", "exec"), names)
    levels = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    normalised = names["normalised"]
    assert callable(normalised)
    expected = (levels.float() / 255 - torch.tensor(KNOWN.mean)[:, None, None]) / torch.tensor(KNOWN.std)[
        :, None, None
    ]
    torch.testing.assert_close(normalised(levels), expected)


def test_without_data_it_has_no_normalisation() -> None:
    assert "normalised" not in standalone_source(TINY) and "MEAN" not in standalone_source(TINY)
