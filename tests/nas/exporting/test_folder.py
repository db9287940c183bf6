"""A folder that is there whole or not at all, and leaves nothing of killed processes behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nas.exporting.folder import new_folder

BEGINS = """
import sys, time
from pathlib import Path
from nas.exporting.folder import new_folder
with new_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("written")
    print(folder, flush=True)
    time.sleep(600)
"""


def begun(out: Path) -> tuple[subprocess.Popen[str], Path]:
    """Starts a process that writes a folder for `out` and does not come to its end."""
    process = subprocess.Popen([sys.executable, "-c", BEGINS, str(out)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with pytest.raises(ValueError, match="in the middle"), new_folder(out) as folder:
        (folder / "half").write_text("written")
        raise ValueError("in the middle")
    assert list(out.parent.iterdir()) == []
    with new_folder(out) as folder:
        (folder / "all").write_text("written")
        assert not out.exists()
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert (out / "all").read_text() == "written"


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    out = tmp_path / "[a]*"
    other = tmp_path / "[a]*b"
    with begun(out)[0] as killed, begun(out)[0] as living, begun(other)[0] as elsewhere:
        assert len(list(tmp_path.iterdir())) == 3
        killed.kill()
        assert killed.wait() == -signal.SIGKILL
        with new_folder(out):
            assert len(list(tmp_path.iterdir())) == 3  # two that live, and ours
        living.kill()
        elsewhere.kill()
    assert len(list(tmp_path.iterdir())) == 3 and out.exists()
