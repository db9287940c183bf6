"""Whatever a command prints as what can be typed next is typed here, and must run."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path

import pytest

from nas.cli.printing import Printer
from nas.cli.progress import Progress
from nas.cli.session import Session
from nas.flags import FLAGS
from tests.nas.cli.conftest import Nas, typed

URL = "sqlite:///kept/nas.db"
QUICK = tuple(
    "--executor inline --trials 1 --epochs 1 --samples 200 --width 0.25 --target 1M --repeats 0".split()
)
SECRET = "postgresql+psycopg://ada:s3cret@host/nas"


@pytest.mark.slow
def test_what_a_search_prints_runs_whatever_named_the_storage(
    nas: Nas, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "t.toml").write_text(f'[search]\nstudy = "of-file"\nstorage = "{URL}"\nartifacts = "there"\n')
    (folder / "kept").mkdir()
    ways = {
        "flag": ("--study", "of-flag", "--seed", "1", "--storage", URL, "--artifacts", "other place"),
        "positional": ("t.toml", "--seed", "2"),
        "config": ("--config", "t.toml", "--study", "of-config", "--seed", "3"),
        "variable": ("--study", "of-variable", "--seed", "4"),
    }
    for way, words in ways.items():
        with monkeypatch.context() as patch:
            if way == "variable":
                patch.setenv("NAS_STORAGE", URL)
            ended = nas("search", *words, *QUICK)
        assert ended.code == 0, ended.err
        assert typed(nas, ended) == ["best", "trials", "export"], way


def test_what_an_interrupted_search_prints_goes_on(
    nas: Nas, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "t.toml").write_text(f'[search]\nstudy = "of-file"\nstorage = "{URL}"\n')
    (folder / "kept").mkdir()
    with monkeypatch.context() as patch:
        signals = iter([signal.SIGINT])
        patch.setattr(
            Progress, "plan", lambda self, text: [signal.raise_signal(number) for number in signals]
        )
        stopped = nas("search", "t.toml", *QUICK)
    assert stopped.code == 130
    [line] = stopped.printed
    assert line == "nas resume of-file --config t.toml"
    resumed = nas(*shlex.split(line)[1:])
    assert resumed.code == 0, resumed.err
    assert all(line.endswith(" --config t.toml") for line in resumed.printed)


def test_what_the_verbs_of_an_operator_print_goes_on(nas: Nas, ledger: Path) -> None:
    [line] = nas("pause", "s", "--storage", f"sqlite:///{ledger}").printed
    assert line == f"nas resume s --storage sqlite:///{ledger}"


def test_what_an_export_prints_runs(nas: Nas, folder: Path) -> None:
    ended = nas("export", "mnasnet_small", "--to", "json", "--out", "a folder")
    assert ended.code == 0 and typed(nas, ended) == ["verify"]


@pytest.mark.parametrize("name", ["status", "list", "best", "trials", "show", "workers", "pause", "resume"])
def test_every_command_that_opens_a_ledger_takes_both_places(nas: Nas, name: str) -> None:
    told = nas(name, "--help").out
    assert "--storage" in told and "--artifacts" in told


@pytest.mark.usefixtures("folder")
def test_a_password_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    by_flag = Session(Printer(), flags={"storage": SECRET}, known=FLAGS).command("best", "s")
    assert by_flag == "NAS_STORAGE='postgresql+psycopg://ada:***@host/nas' nas best s"
    monkeypatch.setenv("NAS_STORAGE", SECRET)
    assert Session(Printer(), known=FLAGS).command("best", "s") == "nas best s"
