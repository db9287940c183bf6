"""What the tests of the command line share: a folder of their own, and commands run in this process."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from nas.cli import main
from tests.fakes.ledgers import write_ledger


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def printed(self) -> list[str]:
        """The commands that it said can be typed next."""
        found = re.findall(r"^next: (.*)$|[Gg]o on with: (.*)$|check it again: (.*)$", self.err, re.MULTILINE)
        return list(dict.fromkeys("".join(groups) for groups in found))


Nas = Callable[..., Ended]


def typed(nas: Nas, ended: Ended) -> list[str]:
    """Runs all that a command printed as next; returns the commands' names."""
    lines = [shlex.split(line) for line in ended.printed]
    for program, *words in lines:
        assert program == "nas"
        if words[0] == "export":  # only that it finds the network: what it writes is compared in other tests
            words += ["--to", "json"]
        then = nas(*words)
        assert then.code == 0, (words, then.err)
    return [line[1] for line in lines]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and a home without settings or studies."""
    for name in [name for name in os.environ if name.startswith(("NAS_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def nas(folder: Path, capfd: pytest.CaptureFixture[str]) -> Nas:
    """Runs `nas WORDS...` and returns its exit code, stdout and stderr."""

    def run(*words: str) -> Ended:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, err = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, out, err)

    return run


@pytest.fixture(scope="session")
def written_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with the study `s`; copied, never changed."""
    path = tmp_path_factory.mktemp("ledger") / "nas.db"
    write_ledger(f"sqlite:///{path}")
    return path


@pytest.fixture
def ledger(folder: Path, written_ledger: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger of this test's own, named by NAS_STORAGE."""
    path = folder / "nas.db"
    shutil.copy(written_ledger, path)
    monkeypatch.setenv("NAS_STORAGE", f"sqlite:///{path}")
    return path
