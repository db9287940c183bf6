"""The artifact store in a real process whose system calls fail, or kill it, one chosen call at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from runs.artifacts import ArtifactStore

pytestmark = pytest.mark.faults

NUM_EPOCHS = 6

# Speaks through writev, so that an injected fault of `write` never hits the report instead of the store.
_SCRIPT = f"""
import json, os, sys
from runs.artifact_errors import ArtifactStorageFailed
from runs.artifacts import ArtifactStore

def tell(**what):
    os.writev(1, [json.dumps(what).encode(), b"\\n"])

store = ArtifactStore(sys.argv[1])
for epoch in range(1, {NUM_EPOCHS} + 1):
    try:
        store.save_checkpoint("key", epoch, {{"weights": bytes([epoch]) * 5000}})
        sha256 = store.put_bytes(bytes([epoch]) * 5000, kind="weights")
    except ArtifactStorageFailed as error:
        tell(failed=epoch, why=str(error))
    else:
        tell(saved=epoch, sha256=sha256)
"""


@dataclass(frozen=True)
class Life:
    """How the process ended and what it said before."""

    returncode: int
    saved: dict[int, str]  # epoch: sha256
    failed: dict[int, str]  # epoch: message


def _live(strace: Path, folder: Path, fault: str) -> Life:
    call = fault.partition(":")[0]
    command = [strace, "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={fault}"]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}  # no renames but ours
    done = subprocess.run(
        [*command, sys.executable, "-c", _SCRIPT, folder],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert "Traceback" not in done.stderr, done.stderr
    return Life(
        done.returncode,
        {line["saved"]: line["sha256"] for line in said if "saved" in line},
        {line["failed"]: line["why"] for line in said if "failed" in line},
    )


def _assert_promises_hold(folder: Path, life: Life) -> None:
    store = ArtifactStore(str(folder))
    for epoch, sha256 in life.saved.items():
        assert store.get_bytes(sha256) == bytes([epoch]) * 5000
    found = store.load_checkpoint(
        "key", refused=lambda reason: pytest.fail(f"a damaged file was left: {reason}")
    )
    if found is not None:
        assert found.files == {"weights": bytes([found.epoch]) * 5000}
    assert (found.epoch if found else 0) >= max(life.saved, default=0)


@pytest.mark.parametrize(
    "call, when",
    [("fsync", when) for when in (1, 2, 3, 4, 9, 14)]
    + [("write", when) for when in (1, 4, 7)]
    + [("rename", when) for when in (1, 2, 6)]
    + [("unlink", when) for when in (1, 2)],
)
def test_a_process_killed_at_any_call_leaves_what_it_acknowledged(
    strace: Path, tmp_path: Path, call: str, when: int
) -> None:
    life = _live(strace, tmp_path, f"{call}:signal=KILL:when={when}")
    assert life.returncode == -signal.SIGKILL, "the fault did not fire"
    assert not life.failed
    _assert_promises_hold(tmp_path, life)
    resumed = _live(strace, tmp_path, "fsync:error=EIO:when=9999")
    assert (resumed.returncode, sorted(resumed.saved)) == (0, list(range(1, NUM_EPOCHS + 1)))
    _assert_promises_hold(tmp_path, resumed)
    assert ArtifactStore(str(tmp_path)).sweep(older_than_s=-60.0) <= 1
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize(
    "fault, why",
    [
        ("write:error=ENOSPC:when=1", "No space left on device"),
        ("write:error=ENOSPC:when=6", "No space left on device"),
        ("write:error=EIO:when=9", "Input/output error"),
        ("fsync:error=EIO:when=1", "Input/output error"),
        ("fsync:error=EIO:when=8", "Input/output error"),
        ("fsync:error=EIO:when=9", "Input/output error"),
        ("fsync:error=ENOSPC:when=10", "No space left on device"),
        ("rename:error=EIO:when=3", "Input/output error"),
        ("mkdir:error=EROFS:when=1", "Read-only file system"),
        ("unlink:error=EIO:when=1", "Input/output error"),
    ],
)
def test_a_failing_call_is_reported_and_the_next_epoch_goes_well(
    strace: Path, tmp_path: Path, fault: str, why: str
) -> None:
    life = _live(strace, tmp_path, fault)
    assert life.returncode == 0
    assert len(life.failed) == 1, "the fault did not fire, or more than once"
    assert why in next(iter(life.failed.values()))
    assert len(life.saved) == NUM_EPOCHS - 1
    _assert_promises_hold(tmp_path, life)
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_disk_that_stays_full_fails_every_write_and_keeps_the_old_checkpoint(
    strace: Path, tmp_path: Path
) -> None:
    ArtifactStore(str(tmp_path)).save_checkpoint("key", 0, {"weights": b"\0" * 5000})
    life = _live(strace, tmp_path, "write:error=ENOSPC:when=1+")
    assert (life.returncode, sorted(life.failed)) == (0, list(range(1, NUM_EPOCHS + 1)))
    found = ArtifactStore(str(tmp_path)).load_checkpoint("key")
    assert found is not None and found.epoch == 0
    assert not list(tmp_path.rglob("*.tmp"))
