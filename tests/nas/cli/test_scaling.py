"""`nas fit`, `nas grow`, `nas committee` and `nas run` as typed: real trainings of tiny networks, and bad input."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from nas.evaluation.data import load
from nas.exporting.folder import read_manifest
from nas.settings import DataSettings
from nas.stages.arms import Watch
from nas.stages.baseline import adopt
from nas.stages.fit import fit
from runs import open_store
from tests.fakes.consumers import ALONE, without
from tests.fakes.scaling import Lawful, network, settings
from tests.nas.cli.conftest import Nas, typed

QUICK = ("--executor", "inline")


def parsed(nas: Nas, *words: str) -> Any:
    ended = nas(*words, "--json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


@pytest.fixture(scope="module")
def fitted_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ledger, in which the study `s` is fitted by a formula."""
    folder = tmp_path_factory.mktemp("fitted")
    chosen = settings(folder, fit={"budget": 24, "region": 0.0, "longer": [10, 20]})
    adopt(network(), chosen)
    fit("s", storage=chosen.search.storage, evaluator=Lawful(folder / "notes"), watch=Watch())
    return folder


@pytest.fixture
def fitted(fitted_once: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The study `s` in a ledger of the test's own, named by NAS_STORAGE."""
    shutil.copytree(fitted_once, folder, dirs_exist_ok=True)
    monkeypatch.setenv("NAS_STORAGE", str(settings(folder).search.storage))
    return "s"


@pytest.mark.slow
def test_a_network_is_fitted_grown_and_exported_from_the_command_line(nas: Nas, folder: Path) -> None:
    (folder / "net.json").write_text(network(8).to_json())
    (folder / "nas.toml").write_text('[search]\nstorage = "sqlite:///nas.db"\n[fit]\ndivisor = 4\n')
    small = ("--data", "digits", "--resolution", "8", "--samples", "300", "--epochs", "1", "--budget", "16")
    found = parsed(nas, "fit", "net.json", "--study", "d", *small, *QUICK)
    assert found["ending"]["kind"] == "done" and found["num_networks"] == 8
    assert {one["name"] for one in found["parameters"]} == {"alpha", "beta", "gamma"}
    assert all(one["low"] <= one["value"] <= one["high"] for one in found["parameters"])
    assert len(found["points"]) == found["num_trainings"] == 16
    again = nas("fit", "d", *QUICK)
    assert again.code == 0 and "alpha" in again.out and "nas grow d --phi 0,1,2" in again.err
    told = nas("grow", "d", "--phi", "0,1", "--epochs", "1", *QUICK, "--json")
    assert told.code == 0 and typed(nas, told) == ["trials", "export"], "what a family prints too"
    grown = json.loads(told.out)
    assert [one["size"] for one in grown["members"]] == ["phi 0", "phi 1"]
    assert all(one["weights"][0] for one in grown["members"])
    swept = parsed(nas, "fit", "d", "--sweep", "resolution=1.5,2", *QUICK)
    assert [point["factor"] for point in swept["curves"][0]["points"]] == [1.0, 1.5, 2.0]
    assert parsed(nas, "committee", "d")
    status = parsed(nas, "status", "d")
    stages = {stage["stage"]: stage for stage in status["stages"]}
    assert stages["fit"]["complete"] == 16 and stages["fit"]["rule"]["alpha"] >= 1.0
    assert stages["grow"]["complete"] == 2
    exported = parsed(nas, "export", "d.grow/1", "--out", "out")
    assert any(row["file"].endswith("d_grow_1.safetensors") for row in exported)
    [card] = [Path(row["file"]) for row in exported if row["file"].endswith("card.json")]
    assert json.loads(card.read_text())["command"].startswith(
        "nas grow d --rule compound --phi 1 --divisor 4 --epochs 1"
    )
    assert typed(nas, again) == ["grow"], "what a fit prints runs as it stands"


def test_a_finished_fit_is_shown_again_without_workers(nas: Nas, fitted: str) -> None:
    view = parsed(nas, "fit", fitted)
    assert view["fit"] and view["verdict"] and view["num_trainings"] == 24
    assert [one["size"] for one in view["forecasts"]] == ["phi 0", "phi 1", "phi 2"]
    shown = nas("fit", fitted)
    for word in ("alpha", "beta", "gamma", "depth = ", "width only", "phi 1", "of all rules", "kendall"):
        assert word in shown.out, word
    assert view["trust"]["verdict"] in shown.out and view["trust"]["upto"] == 20
    assert [one["holds"] for one in view["trust"]["checks"]] == [True, True] and view["doubt"] == ""
    status = nas("status", fitted).out
    assert "stage: fit" in status and "stage: longer" in status


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ("fit nothing", 3, "must exist"),
        ("fit s --rule width", 2, "nas grow s --rule width"),
        ("fit s --method best", 2, "surface, grid"),
        ("fit s --budget 10", 2, "needs 8 different networks"),
        ("fit s --budget many", 2, "valid integer"),
        ("fit s --seeds 1", 2, "greater than or equal to 2"),
        ("fit s --longer 5", 2, "more than the 5 epochs"),
        ("fit s --longer 16,many", 2, "valid integer"),
        ("fit mobilenet_v3_smal --data digits", 3, "did you mean mobilenet_v3_small_1_0?"),
        ("fit s --epochs 9", 4, "number of epochs"),
        ("fit s --divisor 8", 4, "divisor"),
        ("fit s --data glyphs", 2, "has its own name, data and recipe"),
        ("fit s --sweep height=1,2", 2, "depth, width, resolution"),
        ("fit s --sweep width", 2, "DIMENSION=NUMBER"),
        ("fit s --sweep width=1,wide", 2, "DIMENSION=NUMBER"),
        ("fit s --sweep width=0", 2, "(0, 100]"),
        ("fit s/99", 3, "99"),
        ("grow s --phi one", 2, "valid number, got 'one'"),
        ("grow s --phi 99", 2, "less than or equal to 20"),
        ("grow s --macs 1K", 2, "at least the baseline's"),
        ("grow s --macs 5Q", 2, "a quantity is"),
        ("grow s --params 1", 2, "at least the baseline's"),
        ("grow s --rule best", 2, "a rule must be one of"),
        ("grow s/1", 2, "name the study alone"),
        ("grow nothing", 3, "must exist"),
        ("committee s", 3, "must exist"),
        ("run nothing.toml", 2, "must exist"),
    ],
)
@pytest.mark.usefixtures("fitted")
def test_a_mistake_gets_one_sentence(nas: Nas, command: str, code: int, says: str) -> None:
    ended = nas(*command.split(), *(QUICK if not command.startswith("committee") else ()))
    assert (ended.code, ended.out) == (code, ""), ended.err
    [line] = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert says in line and "Traceback" not in ended.err


def test_a_family_without_a_fit_is_told_what_to_run(
    nas: Nas, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(folder)
    adopt(network(), chosen)
    monkeypatch.setenv("NAS_STORAGE", str(chosen.search.storage))
    ended = nas("grow", "s", *QUICK)
    assert ended.code == 3 and "nas fit s" in ended.err


@pytest.mark.slow
@pytest.mark.parametrize(
    "commands",
    [
        pytest.param({"status", "best"}, id="what is quick"),
        pytest.param({"status", "fit", "grow", "best"}, id="all it prints", marks=pytest.mark.long),
    ],
)
def test_one_command_runs_all_stages_and_resume_goes_on(
    nas: Nas,
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    commands: set[str],
) -> None:
    (folder / "demo-out").mkdir()
    (folder / "nas.toml").write_text(
        """
[search]
study = "demo"
storage = "sqlite:///demo-out/nas.db"
width = 0.1
target = "0.5M"
trials = 2
finalists = 1
repeats = 1
executor = "inline"
strategy = "random"
[data]
resolution = 16
num_samples = 200
[fidelity]
epochs = 1
[fit]
budget = 16
largest = 3.0
[grow]
phi = [0, 1]
epochs = 1
"""
    )
    told = nas("run", "nas.toml", "--out", "out", "--json")
    assert told.code == 0 and typed(nas, told) == ["status"], told.err
    view = json.loads(told.out)
    assert view["stage"] == "export" and view["fit"]["rule"] and len(view["grow"]["members"]) == 2
    assert all(Path(name).is_file() for name in view["files"])
    for member, exported in zip(view["grow"]["members"], view["exports"], strict=True):
        [check] = read_manifest(Path(exported)).checks
        assert check.path.endswith(".py") and check.num_real == 40 and check.top1_agreement == 1.0
        scaling = json.loads((Path(exported) / "card.json").read_text())["scaling"]
        assert scaling["rule"] == "compound" and scaling["observed"] == member["observed"]
        assert scaling["expected"] == {
            "accuracy": member["expected"],
            "low": member["low"],
            "high": member["high"],
        }
    again = parsed(nas, "resume", "demo", "--config", "nas.toml")
    assert again["files"] == view["files"] and again["fit"]["fit"] == view["fit"]["fit"]
    with open_store("sqlite:///demo-out/nas.db") as store:
        assert list(store.check()) == []
        names = ["demo", "demo.finalists", "demo.fit", "demo.grow"]
        assert [study.name for study in store.studies()] == names
    _the_family_answers_alone(nas, folder)
    _the_demo_shows_it(nas, capfd, monkeypatch, commands)


def _the_demo_shows_it(
    nas: Nas, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, commands: set[str]
) -> None:
    """Runs the program of `make demo`, for which only its table is left to make, and types such of its commands."""
    demo = runpy.run_path(str(Path(__file__).parents[3] / "examples" / "demo.py"))
    monkeypatch.setitem(demo["main"].__globals__, "SETTINGS", Path("nas.toml"))
    capfd.readouterr()
    demo["main"]()
    shown = capfd.readouterr().out
    assert "mobilenet_v2 scaled" in shown and shown.count("found, phi") == 2
    lines = [line.removeprefix("further:").split() for line in shown.splitlines() if " nas " in line]
    assert [line[1] for line in lines] == ["status", "fit", "grow", "best"]
    for program, *words in [line for line in lines if line[1] in commands]:
        ended = nas(*words)
        assert program == "nas" and ended.code == 0, (words, ended.err)


def _the_family_answers_alone(nas: Nas, folder: Path) -> None:
    """Exports the family that was just trained and runs its program with that program's libraries alone."""
    [first, *_] = parsed(
        nas,
        "export",
        "demo.grow/all",
        "--config",
        "nas.toml",
        "--to",
        "onnx",
        "--threshold",
        "0.3",
        "--out",
        "all",
    )
    assert Path(first["file"]).is_file()
    noted = [
        (one["trial"], one["folder"])
        for one in parsed(nas, "status", "demo", "--config", "nas.toml")["exports"]
    ]
    assert noted[:2] == [("demo.grow/0", "out/demo_grow_0"), ("demo.grow/1", "out/demo_grow_1")]
    assert sorted(noted[2:]) == [("demo.grow/0", "all"), ("demo.grow/1", "all")]
    [checked] = parsed(nas, "verify", "all")["checks"]
    assert checked["top1_agreement"] == 1.0
    images = load(DataSettings(name="digits", resolution=16)).validation.images[:3]
    names = [f"{index}.png" for index in range(3)]
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image[0]).save(folder / name)
    blocked = json.dumps(without(["numpy", "onnxruntime", "pillow"]))
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", ALONE, blocked, str(folder / "all" / "predict.py"), *names],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == names and {row[3] for row in rows} <= {"1", "2"}
    assert all(row[1] in set("0123456789") for row in rows)
