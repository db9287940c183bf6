"""Opening spaces by name, and every way in which a name can be wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space.identity import same_network
from search_space.spaces import SpaceError, open_space, space_names

ROOT = Path(__file__).parents[3]


def test_every_built_in_space_opens() -> None:
    for name in space_names():
        space = open_space(name, resolution=20, num_classes=7, input_channels=1, width=0.5)
        assert (space.name, space.decode((0,) * len(space.choices)).num_classes) == (name, 7)


def test_a_space_of_the_users_own_opens_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (ROOT / "examples" / "own_space.py").read_text(encoding="utf-8")
    (tmp_path / "my_own_spaces.py").write_text(source, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    assert open_space("my_own_spaces:Tiny", resolution=16, num_classes=10).size == 144
    assert sys.path == path


def test_the_example_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / "own_space.py")],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert "144 points" in done.stdout


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mnasnett", "did you mean mnasnet"),
        ("", "choose one of efficientnet, mnasnet, mobilenetv3"),
        ("no_such_module_here:Tiny", "No module named 'no_such_module_here'"),
        (":Tiny", "importable"),
        ("tests.fakes.small_spaces:SmallPlan", "did you mean SmallPlain"),
        ("tests.fakes.small_spaces:", "must hold the class"),
        ("json:Tiny", "it defines no SearchSpace"),
        ("json:JSONDecoder", "must be a class derived from search_space.SearchSpace"),
        ("tests.fakes.small_spaces:WithoutChoices", "must set `choices`"),
        ("tests.fakes.small_spaces:WithoutNetwork", "architecture is missing"),
        ("tests.fakes.small_spaces:Failing", "its class raised KeyError: 'kernel'"),
    ],
)
def test_a_name_that_is_no_space_is_refused_in_one_sentence(name: str, sentence: str) -> None:
    with pytest.raises(SpaceError) as refusal:
        open_space(name, resolution=8, num_classes=10)
    assert sentence in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_module_that_fails_when_imported_is_refused_with_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "failing_spaces.py").write_text("raise RuntimeError('out of paper')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpaceError, match="RuntimeError: out of paper"):
        open_space("failing_spaces:Tiny", resolution=8, num_classes=10)


def test_a_wrong_setting_of_a_space_is_refused_as_such() -> None:
    with pytest.raises(SpaceError, match="width must be a finite number above 0"):
        open_space("mnasnet", resolution=8, num_classes=10, width=-1.0)


@pytest.mark.parametrize("name", space_names())
@pytest.mark.parametrize("width", [0.1, 1.0])
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_two_points_of_one_network_have_one_digest(name: str, width: float, seed: int) -> None:
    """In narrow spaces many widths round to one, and many blocks keep theirs."""
    space, rng = open_space(name, resolution=32, num_classes=10, width=width), np.random.default_rng(seed)
    point = space.sample(rng)
    first, second = space.decode(point), space.decode(space.mutate(point, rng))
    assert same_network(first, second) == (first.digest == second.digest)
