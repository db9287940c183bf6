"""The revision is that of a checkout, says when its files were changed, and is nothing elsewhere."""

from __future__ import annotations

import subprocess
from pathlib import Path

from runs.owner import code_version
from runs.revision import checkout_revision, installed_revision
from tests.programs import program


def test_a_checkout_tells_its_revision_and_whether_files_differ(tmp_path: Path) -> None:
    assert checkout_revision(tmp_path) is None
    git = [str(program("git", package="git")), "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=b"]
    (tmp_path / "file").write_text("1")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    whole = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    assert checkout_revision(tmp_path) == whole[:12]
    (tmp_path / "file").write_text("2")
    assert checkout_revision(tmp_path) == f"{whole[:12]}.dirty"


def test_a_package_from_elsewhere_has_none() -> None:
    assert installed_revision("pytest") is None and installed_revision("no-such-package") is None


def test_the_version_of_the_code_is_that_of_the_package() -> None:
    assert code_version().partition("+g")[0][0].isdigit() or code_version().startswith("unknown")
