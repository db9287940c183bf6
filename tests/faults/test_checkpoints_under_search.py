"""Checkpoints cut short, changed, or swapped while their search is away: never used, and the search goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runs import open_store
from runs.checkpoints import Checkpoint, encoded
from tests.fakes.drivers import driving, heal

pytestmark = pytest.mark.faults


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def swap(path: Path) -> None:
    """Puts the sound checkpoint of another training there."""
    other = Checkpoint("another training", int(path.name), {"state": b"4"})
    path.write_bytes(b"".join(encoded(other)))


@pytest.mark.parametrize("damage", [cut, flip, swap, pytest.param(empty, marks=pytest.mark.long)])
def test_a_damaged_checkpoint_is_passed_over_and_the_one_before_it_is_used(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    url, artifacts = f"sqlite:///{tmp_path}/nas.db", tmp_path / "artifacts"
    with driving(url, 1, epochs=4, stop_at="before_finish", artifacts=str(artifacts)) as driver:
        driver.wait_for("stopping", "info")
        driver.end()
    files = sorted(
        (path for path in artifacts.rglob("*") if "checkpoints" in path.parts and path.is_file()),
        key=lambda path: path.name,
    )
    assert len(files) == 2, files
    damage(files[-1])
    heal(url, 1, [driver.history], epochs=4, artifacts=str(artifacts))
    with open_store(url) as store:
        [trial] = store.trials(store.study("s").id)
        assert trial.metrics["resumed_from"] == 3.0  # the last but one: epoch 4's was damaged
