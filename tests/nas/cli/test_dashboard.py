"""`nas dashboard`, `nas report` and `nas plot`: what they refuse, what they print and what they write."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from nas.cli import main
from tests.fakes.ledgers import write_ledger

PATIENCE_S = 120.0


@pytest.fixture
def url(tmp_path: Path) -> str:
    found = f"sqlite:///{tmp_path / 'nas.db'}"
    write_ledger(found)
    return found


def ran(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    out, err = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, out, err


def test_the_dashboard_prints_its_address_once_and_asks_for_the_token(url: str) -> None:
    command = [sys.executable, "-m", "nas", "dashboard", "--storage", url, "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c
    ) as program:
        try:
            assert program.stdout is not None
            assert select.select([program.stdout], [], [], PATIENCE_S)[0], "no address was printed"
            address = program.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", address)
            with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
                assert "HttpOnly" in answer.headers["Set-Cookie"]
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(address.partition("?")[0], timeout=PATIENCE_S)
            program.send_signal(signal.SIGINT)
            _, said = program.communicate(timeout=PATIENCE_S)
        finally:
            program.kill()  # nothing where it has ended
    assert address.partition("token=")[2] not in said
    assert program.returncode == 0


def heed_ctrl_c() -> None:
    """Lets a program be interrupted: one that a shell began in the background would ignore it for ever."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_public_address_needs_a_token_and_a_name_of_ones_own(
    capsys: pytest.CaptureFixture[str], url: str
) -> None:
    code, _, err = ran(capsys, "dashboard", "--storage", url, "--host", "0.0.0.0")
    assert code == 2 and "--token-file" in err


def test_a_bad_prefix_is_told_in_one_sentence(capsys: pytest.CaptureFixture[str], url: str) -> None:
    code, out, err = ran(capsys, "dashboard", "--storage", url, "--prefix", "/a;b")
    assert (code, out) == (2, "") and err.startswith("error: a prefix must be") and err.count("\n") == 1


def test_a_token_that_others_may_read_is_refused(
    capsys: pytest.CaptureFixture[str], url: str, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text("t" * 43)
    os.chmod(path, 0o644)
    code, _, err = ran(capsys, "dashboard", "--storage", url, "--token-file", str(path))
    assert code == 2 and "chmod 600" in err


def test_a_missing_storage_is_not_made(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, _ = ran(capsys, "dashboard", "--storage", f"sqlite:///{tmp_path / 'none.db'}")
    assert code == 3 and not (tmp_path / "none.db").exists()


def test_a_report_is_written_whole(capsys: pytest.CaptureFixture[str], url: str, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    code, printed, _ = ran(capsys, "report", "s", "--storage", url, "--out", str(out), "--json")
    assert code == 0 and json.loads(printed)["bytes"] == out.stat().st_size
    assert "Accuracy against cost" in out.read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.glob("*report*")) == ["report.html"]


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_figure_is_written_in_each_format(
    capsys: pytest.CaptureFixture[str], url: str, tmp_path: Path, suffix: str, magic: bytes
) -> None:
    out = tmp_path / f"front.{suffix}"
    code, _, _ = ran(capsys, "plot", "s", "--storage", url, "--out", str(out))
    assert code == 0 and out.read_bytes().startswith(magic)


@pytest.mark.parametrize("words", [("--figure", "nonsense"), ("--out", "front.bmp")])
def test_unknown_figures_and_formats_are_named(
    capsys: pytest.CaptureFixture[str], url: str, words: tuple[str, str]
) -> None:
    code, _, err = ran(capsys, "plot", "s", "--storage", url, *words)
    assert code == 2 and "must" in err


def test_a_figure_without_numbers_says_so(
    capsys: pytest.CaptureFixture[str], url: str, tmp_path: Path
) -> None:
    code, _, err = ran(
        capsys, "plot", "s", "--storage", url, "--figure", "family", "--out", str(tmp_path / "f.png")
    )
    assert code == 3 and "none yet" in err
