"""Disks that are full, read-only or broken under a whole search, and what the command line says of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runs import TrialState, open_store
from tests.fakes.disks import remount
from tests.fakes.drivers import driving, heal, injected
from tests.fakes.histories import proven
from tests.fakes.ledgers import write_ledger

pytestmark = pytest.mark.faults

Mount = Callable[..., Path]


def states(url: str) -> set[TrialState]:
    with open_store(url) as store:
        return {trial.state for trial in store.trials(store.study("s").id)}


def nas(*words: str, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nas.cli", *words, "--storage", url],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=300,
    )


def test_a_disk_that_fills_up_ends_the_search_with_a_sentence_and_space_heals_it(mounted: Mount) -> None:
    folder = mounted("600k")
    url = f"sqlite:///{folder}/nas.db"
    with driving(url, 400, artifacts=str(folder / "artifacts")) as driver:
        assert driver.end() == 5, driver.errors
        [told] = driver.history.said("StorageFull", "fail")
        assert "free some and resume" in told["message"]
        accepted = driver.history.accepted
    assert accepted, "the disk was full before anything happened"
    remount(folder, "size=16M")
    assert TrialState.FAILED not in states(url)
    heal(url, len(accepted) + 3, [driver.history], artifacts=str(folder / "artifacts"))


def test_a_full_disk_under_the_checkpoints_costs_trials_and_never_the_ledger(
    tmp_path: Path, mounted: Mount
) -> None:
    folder = mounted("16k")
    (folder / "ballast").write_bytes(b"\0" * 16_384)
    url = f"sqlite:///{tmp_path}/nas.db"
    with driving(url, 4, artifacts=str(folder)) as driver:
        assert driver.end() == 0, driver.errors
        assert driver.history.said("requeued"), "the fault did not fire"
    with open_store(url) as store:
        trials = store.trials(store.study("s").id)
        assert {str(trial.failure_class) for trial in trials} == {"storage"}
        assert {trial.fence for trial in trials} == {3}  # as often as the class allows
        proven([driver.history], store)


def test_a_limit_on_the_size_of_files_is_a_full_disk_too(tmp_path: Path) -> None:
    """What a quota looks like where nothing can be mounted."""
    url = f"sqlite:///{tmp_path}/nas.db"
    with driving(url, 400, before=("prlimit", "--fsize=600000")) as driver:
        assert driver.end() == 5, driver.errors
    assert driver.history.accepted
    heal(url, len(driver.history.accepted) + 2, [driver.history])


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("fdatasync", "error=EIO:when=20"),
        ("pwrite64", "error=EIO:when=40"),
        *(
            pytest.param("fdatasync", f"error=EIO:when={when}", marks=pytest.mark.long)
            for when in range(8, 35, 5)  # SQLite passes over an error at the sixth, of a folder
        ),
    ],
)
def test_an_error_of_the_disk_is_no_success_and_the_rest_is_done_later(
    tmp_path: Path, strace: Path, call: str, fault: str
) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    with driving(url, 8, before=injected(strace, call, fault)) as driver:
        assert driver.end() == 5, driver.errors
        assert driver.history.said("StorageUnreachable", "fail"), driver.errors
    heal(url, 8, [driver.history])


def test_on_a_read_only_disk_reading_works_and_writing_ends_before_anything_runs(
    tmp_path: Path, mounted: Mount
) -> None:
    folder = mounted("8M")
    url = f"sqlite:///{folder}/nas.db"
    write_ledger(url)
    remount(folder, "ro")
    for words in (("status", "s"), ("trials", "s"), ("best", "s"), ("db", "check")):
        done = nas(*words, "--json", url=url)
        assert done.returncode == 0, (words, done.stderr)
    done = nas("export", "s/1", "--to", "json", "--out", str(tmp_path / "out"), url=url)
    assert done.returncode == 0 and "its study does not know of it" in done.stderr, done.stderr
    with driving(url, 5) as driver:
        assert driver.end() == 5, driver.errors
        assert not driver.history.accepted
    for words in (("pause", "s"), ("search", "--study", "t", "--target", "1M", "--executor", "inline")):
        done = nas(*words, url=url)
        assert done.returncode == 5, (words, done.stderr)
        assert done.stderr.count("error:") == 1 and "writable" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
    remount(folder, "rw")
    with open_store(url) as store:
        assert store.check() == []
