"""Power loss at every point: what a write acknowledged is there afterwards; no half passes for a whole."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from runs.artifact_errors import ArtifactCorrupt, ArtifactMissing, ArtifactStorageFailed
from runs.artifacts import ArtifactStore
from runs.durable_files import LocalFiles, OsFs
from tests.fakes.power_loss import PowerLoss, PowerLossFs

KEYS = ("first", "second")


@dataclass
class Acknowledged:
    """What the program was told is stored."""

    objects: dict[str, bytes] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)


def _parts(key: str, epoch: int) -> dict[str, bytes]:
    return {"weights": f"{key} {epoch}".encode() * 20, "optimizer": b"", "rng": bytes([epoch])}


def _work(store: ArtifactStore, told: Acknowledged) -> None:
    """A small life: two pieces of work save their epochs in turn, and weights are put at the end."""
    for epoch in range(1, 5):
        for key in KEYS:
            store.save_checkpoint(key, epoch, _parts(key, epoch))
            told.epochs[key] = epoch
    for key in KEYS:
        data = _parts(key, 4)["weights"]
        told.objects[store.put_bytes(data, kind="weights")] = data


def _num_operations() -> int:
    fs = PowerLossFs()
    _work(ArtifactStore("/data/artifacts", fs=fs), Acknowledged())
    return fs.num_done


def _broken_promises(store: ArtifactStore, told: Acknowledged) -> Iterator[str]:
    for sha256, data in told.objects.items():
        try:
            assert store.get_bytes(sha256) == data
        except (ArtifactMissing, ArtifactCorrupt) as error:
            yield str(error)
    for key in KEYS:
        found = store.load_checkpoint(key, refused=lambda _: None)
        acknowledged = told.epochs.get(key, 0)
        if found is not None:
            assert found.files == _parts(key, found.epoch), "a checkpoint was made up"
        if (found.epoch if found else 0) < acknowledged:
            yield f"{key}: epoch {acknowledged} was acknowledged, {found and found.epoch} is left"


def _crash(num_operations: int, seed: int, ignored: str = "") -> list[str]:
    fs, told = PowerLossFs(num_operations=num_operations, ignored=ignored), Acknowledged()
    with pytest.raises(PowerLoss):
        _work(ArtifactStore("/data/artifacts", fs=fs), told)
    rng = np.random.default_rng((seed, num_operations))
    store = ArtifactStore("/data/artifacts", fs=fs.after_reboot(rng))
    broken = list(_broken_promises(store, told))
    _work(store, Acknowledged())  # and work can go on
    assert not list(_broken_promises(store, Acknowledged(epochs=dict.fromkeys(KEYS, 4))))
    return broken


@pytest.mark.parametrize("seed", range(4))
def test_what_was_acknowledged_survives_power_loss_after_any_operation(seed: int) -> None:
    num_operations = _num_operations()
    assert num_operations > 50
    for crash_point in range(num_operations):
        assert _crash(crash_point, seed) == []


@pytest.mark.parametrize("ignored", ["fsync", "fsync_folder"])
def test_a_disk_that_ignores_one_kind_of_sync_is_caught_by_the_same_test(ignored: str) -> None:
    assert any(_crash(point, seed, ignored) for point in range(_num_operations()) for seed in range(2))


def test_a_whole_file_or_none_is_found_when_power_is_lost_during_the_first_write() -> None:
    data = b"weights" * 100
    sha256 = hashlib.sha256(data).hexdigest()
    outcomes = set()
    for crash_point in range(12):
        for seed in range(20):
            fs = PowerLossFs(num_operations=crash_point)
            with suppress(PowerLoss):
                ArtifactStore("/data", fs=fs).put_bytes(data, kind="weights")
            store = ArtifactStore("/data", fs=fs.after_reboot(np.random.default_rng(seed)))
            outcomes.add(store.exists(sha256))
            if store.exists(sha256):
                assert store.get_bytes(sha256) == data
    assert outcomes == {True, False}


@dataclass(frozen=True)
class FailingFs(OsFs):
    """The operating system, where one call finds the disk full."""

    call: str = ""

    def __getattribute__(self, name: str) -> object:
        if name == object.__getattribute__(self, "call"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return object.__getattribute__(self, name)


@pytest.mark.parametrize("call", ["make_folder", "create", "write", "fsync", "rename", "fsync_folder"])
def test_a_failed_write_says_so_and_leaves_a_whole_file_and_no_temporary_one(
    call: str, tmp_path: Path
) -> None:
    LocalFiles(tmp_path).write("folder/name", [b"old"])
    with pytest.raises(ArtifactStorageFailed, match="No space left on device; check its space"):
        LocalFiles(tmp_path, FailingFs(call=call)).write("folder/name", [b"new"])
    assert LocalFiles(tmp_path).read("folder/name", 10) == (b"new" if call == "fsync_folder" else b"old")
    assert LocalFiles(tmp_path).names("folder") == ("name",)


@pytest.mark.parametrize(
    "use",
    [
        lambda files: files.read("folder/name", 10),
        lambda files: files.names("folder"),
        lambda files: files.remove("folder/name"),
    ],
)
def test_every_use_names_the_file_that_failed(use: Callable[[LocalFiles], object], tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file where a folder should be")
    with pytest.raises(ArtifactStorageFailed, match=f"{tmp_path}/folder"):
        use(LocalFiles(tmp_path))


def test_folders_are_private_and_files_are_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        LocalFiles(tmp_path / "a").write("b/c", [b"secret"])
    finally:
        os.umask(old)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b", "a/b/c")]
    assert modes == [0o700, 0o700, 0o600]


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"passwords")
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(ArtifactStorageFailed, match="symbolic link"):
        LocalFiles(tmp_path).read("link", 10)
    LocalFiles(tmp_path).write("link", [b"new"])
    assert (tmp_path / "outside").read_bytes() == b"passwords"


def test_a_long_file_is_read_to_one_byte_past_the_limit(tmp_path: Path) -> None:
    LocalFiles(tmp_path).write("name", [b"12", b"345"])
    assert LocalFiles(tmp_path).read("name", 3) == b"1234"
    assert LocalFiles(tmp_path).read("absent", 3) is None


def test_a_sweep_removes_old_leftovers_and_leaves_young_ones(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    files.write("folder/name", [b""])
    for name, age_s in (("old.tmp", 7_200), ("young.tmp", 60)):
        (tmp_path / "folder" / name).write_bytes(b"half")
        now = os.stat(tmp_path / "folder" / name).st_mtime
        os.utime(tmp_path / "folder" / name, (now - age_s, now - age_s))
    assert files.sweep("folder", older_than_s=3_600) == 1
    assert files.names("folder") == ("name", "young.tmp")


def test_removing_lets_absent_files_and_folders_in_use_be(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    files.write("folder/name", [b""])
    files.remove("folder")
    files.remove("absent")
    assert files.names("folder") == ("name",)
    files.remove("folder/name")
    files.remove("folder")
    assert files.names("") == ()
