"""Every bad input gets one sentence (rule, value, remedy), no traceback, its exit code; nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runs import open_store
from search_space import reference
from tests.nas.cli.conftest import Nas

SEARCH = "search --executor inline --study new --trials 2 --epochs 1 --width 0.5"


@dataclass(frozen=True)
class Case:
    """One mistake: the command, what it is told, and what lies in the folder."""

    command: str
    code: int
    says: str
    before: Callable[[Path], object] = lambda folder: None


def file(name: str, content: str | bytes) -> Callable[[Path], object]:
    def write(folder: Path) -> object:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def images(*classes: str, broken: bool = False) -> Callable[[Path], object]:
    """Makes an image folder with 20 pictures a class."""

    def write(folder: Path) -> None:
        rng = np.random.default_rng(0)
        for name in classes:
            (folder / "images" / name).mkdir(parents=True)
            for index in range(20):
                path = folder / "images" / name / f"{index}.png"
                pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(path)
                if broken:
                    path.write_bytes(b"no picture")
        (folder / "images").mkdir(exist_ok=True)

    return write


def sql(statement: str, *, path: str = "nas.db") -> Callable[[Path], object]:
    def execute(folder: Path) -> None:
        with sqlite3.connect(folder / path) as connection:
            connection.execute(statement)
        connection.close()

    return execute


def variable(name: str, value: str) -> Callable[[Path], object]:
    def put(folder: Path) -> None:
        os.environ[name] = value

    return put


WRONG_FIELD = reference("mobilenet_v2_0_35_224").to_json().replace('"repeats":2', '"repeats":-2')

CASES: dict[str, Case] = {
    # usage
    "unknown command": Case("serch", 2, "'serch'"),
    "unknown group command": Case("zoo lst", 2, "'lst'"),
    "unknown option": Case("status --storge x", 2, "--storge"),
    "missing argument": Case("show", 2, "TRIAL"),
    "value missing": Case("search --target", 2, "--target"),
    "top is no number": Case("best --top many", 2, "'many'"),
    # settings
    "unknown strategy": Case(f"{SEARCH} --strategy tpee", 2, "got 'tpee'; did you mean `tpe`?"),
    "unknown reward": Case(f"{SEARCH} --reward softer", 2, "got 'softer'; did you mean `soft`?"),
    "unknown cost": Case(
        f"{SEARCH} --cost flops", 2, "macs, params, peak_memory_bytes, latency_ms, got 'flops'"
    ),
    "unknown executor": Case(f"{SEARCH} --executor slurm", 2, "got 'slurm'"),
    "unknown pruning": Case(f"{SEARCH} --pruning asha", 2, "got 'asha'"),
    "trials are text": Case(
        "search --trials many", 2, "--trials: `search.trials` must be a valid integer, got 'many'"
    ),
    "no trials": Case("search --trials 0", 2, "got 0"),
    "negative trials": Case("search --trials -5", 2, "got -5"),
    "half a trial": Case("search --trials 2.5", 2, "got '2.5'"),
    "hours not a number": Case("search --hours nan", 2, "got nan"),
    "endless device-hours": Case("search --device-hours inf", 2, "got inf"),
    "target zero": Case("search --target 0", 2, "got 0.0"),
    "a target of MACs for a latency": Case(f"{SEARCH} --cost latency_ms --target 5M", 2, "got 5e+06; write"),
    "target with unknown unit": Case("search --target 5Q", 2, "got '5Q'; write for example 5M"),
    "largest cost below target": Case("search --target 5M --max-cost 1M", 2, "got 1000000.0; raise it"),
    "no cluster at the address": Case(
        "search --study new --address 127.0.0.1:1", 2, "got '127.0.0.1:1' ([Errno 111] Connection refused)"
    ),
    "no cluster behind ray://": Case(
        "search --study new --address ray://127.0.0.1:1", 2, "Ray cluster, got 'ray:"
    ),
    "address without a port": Case("search --study new --address 127.0.0.1", 2, "must be HOST:PORT"),
    "no cluster to be found": Case(
        "search --study new --address auto", 2, "got 'auto'", variable("RAY_ADDRESS", "127.0.0.1:1")
    ),
    "no cluster to resume on": Case("resume s --address 127.0.0.1:1", 2, "got '127.0.0.1:1'"),
    "no cluster to fit on": Case("fit mnasnet_small --address 127.0.0.1:1", 2, "got '127.0.0.1:1'"),
    "no workers": Case("search --workers 0", 2, "got 0"),
    "negative seed": Case("search --seed -1", 2, "got -1"),
    "two GPUs a worker": Case("search --gpu-share 2", 2, "got 2"),
    "resolution too small": Case("search --resolution 3", 2, "got 3"),
    "wrong variable": Case("status", 2, "NAS_TRIALS: `search.trials`", variable("NAS_TRIALS", "x")),
    "settings file missing": Case("search absent.toml", 2, "'absent.toml'; `nas init` writes one"),
    "settings file no TOML": Case("search", 2, "must be TOML", file("nas.toml", "[search")),
    "settings file no text": Case("search", 2, "must be UTF-8", file("nas.toml", b"\xff\xfe\x00")),
    "settings file a folder": Case("search --config /tmp", 2, "cannot be read"),
    "unknown key": Case(
        "search", 2, "`search.trails`; did you mean `trials`?", file("nas.toml", "[search]\ntrails=1")
    ),
    "unknown table": Case("search", 2, "`serch`; did you mean `search`?", file("nas.toml", "[serch]\n")),
    "no table": Case("search", 2, "`search` must be a table", file("nas.toml", "search = 5\n")),
    # spaces and data
    "unknown space": Case(f"{SEARCH} --space mnasnt", 2, "mnasnt"),
    "space in no module": Case(f"{SEARCH} --space nowhere.spaces:Tiny", 2, "nowhere.spaces"),
    "space is no class": Case(f"{SEARCH} --space nas.settings:DEFAULT_TRIALS", 2, "DEFAULT_TRIALS"),
    "unreachable target": Case(f"{SEARCH} --target 100", 2, "[50, 200]"),
    "unknown data": Case(f"{SEARCH} --data digts", 2, "digts"),
    "no image folder": Case(f"{SEARCH} --data imagefolder:absent", 2, "absent"),
    "empty image folder": Case(f"{SEARCH} --data imagefolder:images", 2, "images", images()),
    "one class": Case(f"{SEARCH} --data imagefolder:images", 2, "class", images("cats")),
    "unreadable images": Case(
        f"{SEARCH} --data imagefolder:images", 2, "unreadable", images("cats", "dogs", broken=True)
    ),
    "wrong class count": Case(f"{SEARCH} --data digits --classes 12", 2, "12"),
    # storage
    "no URL": Case("status --storage nas.db", 2, "`sqlite:///`"),
    "unknown database": Case("status --storage mysql://h/n", 2, "got `mysql`"),
    "storage is a folder": Case("status --storage sqlite:////tmp", 2, "got the folder /tmp"),
    "storage missing": Case("status --storage sqlite:///absent.db", 3, "'absent.db'"),
    "storage cannot be made": Case(f"{SEARCH} --storage sqlite:////proc/nas.db", 2, "/proc/nas.db"),
    "storage is another file": Case(
        "status --storage sqlite:///x.db", 6, "x.db", file("x.db", "text " * 1000)
    ),
    "storage of somebody else": Case(
        "status --storage sqlite:///y.db", 6, "other tables", sql("create table theirs (a)", path="y.db")
    ),
    "newer schema": Case("status", 6, "999", sql("update schema_info set version_num = '999'")),
    "server that does not answer": Case(
        "status --storage postgresql://ada:s3cret@127.0.0.1:9/nas",
        5,
        "postgresql+psycopg://ada:***@127.0.0.1:9/nas",
    ),
    "unknown artifact store": Case(
        "doctor --storage sqlite:///z.db", 1, "", file("nas.toml", '[search]\nartifacts="gopher://x"')
    ),
    # studies and trials
    "study missing": Case("status absent", 3, "absent"),
    "resume a missing study": Case("resume absent", 3, "absent"),
    "study exists": Case(f"{SEARCH} --study s", 4, "'s'"),
    "study exists in capitals": Case(f"{SEARCH} --study S", 4, "S"),
    "space has changed": Case("resume s", 4, "space"),
    "hostile study name": Case(f"{SEARCH} --study ../../etc", 2, "../../etc"),
    "study name that drives terminals": Case(f"{SEARCH} --study \x1b[31mred", 2, "x1b"),
    "endless study name": Case(f"{SEARCH} --study {'n' * 500}", 2, "128"),
    "trial missing": Case("show 99", 3, "got 99"),
    "trial is a word": Case("show best", 2, "got 'best'"),
    "unknown state": Case("trials --state done", 2, "got 'done'"),
    "unknown reward to recompute": Case("best --reward hardest", 2, "hardest"),
    "target to recompute is text": Case("best --target small", 2, "'small'"),
    # architectures and exports
    "unknown network": Case("cost mobilenetv2", 3, "'mobilenetv2'"),
    "architecture missing": Case("cost absent.json", 3, "'absent.json'"),
    "architecture no JSON": Case("cost a.json", 2, "must be JSON", file("a.json", "{")),
    "architecture no text": Case("cost a.json", 2, "UTF-8", file("a.json", b"\xff\xfe\x00")),
    "architecture with a wrong field": Case("cost a.json", 2, "repeats must be", file("a.json", WRONG_FIELD)),
    "architecture too deep": Case("cost a.json", 2, "deep", file("a.json", "[" * 100_000)),
    "architecture too large": Case("cost a.json", 2, "bytes", file("a.json", " " * 2_000_000)),
    "resolution twice": Case("cost efficientnet_b0 --resolution 224 --resolution-factor 2", 2, "drop one"),
    "depth zero": Case("cost efficientnet_b0 --depth 0", 2, "got '0'"),
    "width endless": Case("cost efficientnet_b0 --width inf", 2, "inf"),
    "unknown format": Case("export 1 --to keras", 2, "got 'keras'"),
    "unknown variant": Case("export 1 --variants int4", 2, "got 'int4'"),
    "variant of another format": Case("export 1 --to json --variants int8", 2, "int8 must have"),
    "network that timm has not": Case("export resnet18 --to timm", 2, "timm's format must"),
    "weights of a network that has its own": Case("export 1 --weights a.safetensors", 2, "leave it out"),
    "weights missing": Case("export mnasnet_small --weights absent.safetensors", 3, "absent.safetensors"),
    "weights without architecture": Case(
        "export a.safetensors", 3, "its architecture", file("a.safetensors", b"\x02" + bytes(7) + b"{}")
    ),
    "verify no export": Case("verify out", 3, "MANIFEST.json"),
    "verify a manifest of others": Case("verify .", 3, "another version", file("MANIFEST.json", "{}")),
    "unknown device": Case("latency mnasnet_small --device tpu", 2, "got 'tpu'"),
    "table on another device": Case("latency table --device onnxruntime", 2, "cpu or cuda"),
    "explain without normalisation": Case("explain mnasnet_small a.png", 2, "give --data"),
    "no format": Case("export 1 --to ,", 2, "got ','"),
    "weights of an untrained network": Case(
        "export efficientnet_b0 --to safetensors", 3, "'efficientnet_b0'"
    ),
    "export of nothing": Case("export absent", 3, "absent"),
    "export of a missing trial": Case("export s/99", 3, "got 99"),
    "export into a file": Case("export 1 --out taken", 4, "taken", file("taken", "")),
    "export among other files": Case("export 1 --out . --force", 4, "other things", file("taken", "")),
    "export onto a read-only place": Case("export 1 --out /proc/out", 1, "/proc/out"),
    # files
    "settings file exists": Case("init", 4, "'nas.toml'", file("nas.toml", "")),
    "copy without a place": Case("db copy s", 2, "neither"),
    "copy both ways": Case("db copy s --to a.log --from b.log", 2, "both"),
    "copy into a ledger": Case("db copy s --to sqlite:///nas.db", 2, "no ledger"),
    "copy from nothing": Case("db copy s --from sqlite:///absent.db", 2, "absent.db"),
    "backup over a file": Case("db backup taken", 4, "'taken'", file("taken", "")),
}


def test_the_table_is_as_long_as_promised() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("name", CASES)
def test_bad_input_gets_one_sentence(
    name: str, nas: Nas, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    for taken_back in ("NAS_TRIALS", "RAY_ADDRESS"):
        monkeypatch.setenv(taken_back, "")
    case.before(ledger.parent)
    before = _content(ledger)
    ended = nas(*case.command.split(" "))
    assert ended.code == case.code, ended.err
    told = ended.err.partition("error: ")[2]
    assert ended.err.count("error: ") == 1 or case.command.startswith("doctor"), ended.err
    assert case.says in ended.err
    assert "; " in told or case.command.startswith("doctor"), "the sentence has a remedy"
    assert "Traceback" not in ended.err + ended.out
    assert "s3cret" not in ended.err + ended.out
    assert "\x1b" not in ended.err + ended.out
    assert _content(ledger) == before, "nothing is lost, nothing is added"


@pytest.mark.parametrize(
    "command", ["status absent --json", "cost absent --json", "search --trials x --json", "x --json"]
)
def test_under_json_the_error_is_one_document_too(nas: Nas, ledger: Path, command: str) -> None:
    ended = nas(*command.split())
    error = json.loads(ended.out)["error"]
    assert set(error) == {"code", "message", "hint"}
    assert error["code"] in ("usage", "not_found")
    assert error["hint"]
    assert ended.err.strip() == f"error: {error['message']}; {error['hint']}"


def test_a_full_disk_is_told_and_leaves_no_half_file(
    nas: Nas, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        write(path, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    ended = nas("export", "1", "--out", "out")
    assert ended.code == 1
    assert "No space left on device" in ended.err and "free space" in ended.err
    assert {path.name for path in ledger.parent.iterdir()} == {ledger.name}


def test_an_error_of_ours_says_so_and_shows_its_traceback_only_on_request(
    nas: Nas, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr("nas.views.status_view", broken)
    ended = nas("status")
    assert ended.code == 1
    assert "an error of ours, not of yours: KeyError" in ended.err and "Traceback" not in ended.err
    assert "Traceback" in nas("status", "-v").err


def _content(path: Path) -> object:
    """Returns what a ledger holds, and that it holds together; its bytes where it is not ours to open."""
    with sqlite3.connect(path) as connection:
        version = connection.execute("select version_num from schema_info").fetchone()
    connection.close()
    assert stat.S_ISREG(path.stat().st_mode)
    if version == ("999",):
        return version
    with open_store(f"sqlite:///{path}") as store:
        assert store.check() == []
        return [(study, store.trials(study.id)) for study in store.studies()]
