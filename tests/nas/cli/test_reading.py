"""The commands that read: what they print for people, and that `--json` is what scripts were promised."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest

from nas.cli.configuration import settings_lines
from nas.config import resolve
from nas.settings import Settings, load_settings
from runs import open_store
from search_space import Architecture, cost, reference
from tests.nas.cli.conftest import Nas


def parsed(nas: Nas, command: str) -> Any:
    ended = nas(*command.split(), "--json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


@pytest.mark.usefixtures("ledger")
def test_status_best_and_trials_agree(nas: Nas) -> None:
    status, best, trials = parsed(nas, "status s"), parsed(nas, "best s"), parsed(nas, "trials s")
    assert status["best"]["trial"] == best[0]["number"] == 1
    assert status["trials"]["complete"] == sum(trial["state"] == "complete" for trial in trials)
    assert parsed(nas, "trials s --state failed") == [trial for trial in trials if trial["state"] == "failed"]
    assert parsed(nas, "show s/1")["digest"] == best[0]["digest"]
    assert [study["study"] for study in parsed(nas, "list")] == ["s"]


@pytest.mark.usefixtures("ledger")
def test_the_reward_is_recomputed_on_request(nas: Nas) -> None:
    [hard] = parsed(nas, "best s --reward hard --target 5M")
    assert hard["reward"] == pytest.approx(hard["accuracy"] * 5e6 / hard["macs"])


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    "command",
    ["status", "list", "best", "trials", "show 1", "show 3", "db check", "db check --deep", "doctor"],
)
def test_people_get_text_without_a_single_control_character(nas: Nas, command: str) -> None:
    ended = nas(*command.split())
    assert ended.code == 0, ended.err
    assert ended.out or command.startswith("db check")
    assert all(character.isprintable() or character == "\n" for character in ended.out + ended.err)


@pytest.mark.usefixtures("ledger")
def test_quiet_leaves_the_data(nas: Nas) -> None:
    ended = nas("best", "-q")
    assert ended.err == "" and "0.8959" in ended.out


@pytest.mark.parametrize("name", ["efficientnet_b0", "mobilenet_v2_1_0_224"])
def test_cost_prints_the_promised_object(nas: Nas, name: str) -> None:
    view = parsed(nas, f"cost {name}")
    keys = "name digest resolution params macs activations peak_memory_bytes".split()
    assert list(view) == keys
    exact = cost(reference(name))
    assert (view["macs"], view["params"]) == (exact.macs, exact.params)


def test_cost_scales_as_the_paper_does(nas: Nas) -> None:
    b1 = parsed(nas, "cost efficientnet_b0 --depth 1.1 --resolution 240")
    assert b1["digest"] == reference("efficientnet_b1").digest
    assert parsed(nas, "cost efficientnet_b0 --classes 10")["params"] < b1["params"]


@pytest.mark.usefixtures("ledger")
def test_an_exported_network_is_the_measured_one(nas: Nas, folder: Path) -> None:
    rows = parsed(nas, "export s --to json,python --out out")
    [document] = [Path(row["file"]) for row in rows if row["file"].endswith("s_1.json")]
    architecture = Architecture.from_json(document.read_text())
    assert architecture.digest == parsed(nas, "show s/1")["digest"]
    assert parsed(nas, f"cost {document}")["macs"] == cost(architecture).macs
    [noted] = parsed(nas, "status s")["exports"]
    assert (noted["trial"], noted["folder"], noted["formats"]) == ("s/1", "out", ["json", "python"])
    assert parsed(nas, "show s/1")["exports"] == [noted] and parsed(nas, "show s/0")["exports"] == []
    assert "json, python" in nas("status", "s").out and "json, python" in nas("show", "s/1").out
    own = {"s_1.json", "s_1.py"}
    assert {path.name for path in (folder / "out").iterdir()} - own == {
        "MANIFEST.json",
        "README.md",
        "card.json",
        "reference.safetensors",
    }


def test_a_space_is_shown(nas: Nas) -> None:
    assert parsed(nas, "space show --space mnasnet --width 0.25 --resolution 16")["size"] > 1e15


def test_init_writes_a_file_whose_every_line_is_a_default(nas: Nas, folder: Path) -> None:
    assert nas("init").code == 0
    assert load_settings(folder / "nas.toml") == Settings()
    assert all("#" in line for line in settings_lines() if line and not line.startswith("["))


def test_config_show_tells_origins_and_hides_passwords(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_STORAGE", "postgresql://ada:s3cret@host/nas")
    ended = nas("config", "show", "--origin", "--trials", "7", "--json")
    rows = {row["key"]: row for row in json.loads(ended.out)}
    assert rows["search.storage"] == {
        "key": "search.storage",
        "value": "postgresql://ada:***@host/nas",
        "origin": "NAS_STORAGE",
    }
    assert (rows["search.trials"]["origin"], rows["search.seed"]["origin"]) == ("--trials", "default")
    assert "s3cret" not in ended.out + ended.err
    assert any(row["file"].endswith("nas.toml") for row in parsed(nas, "config path"))


def test_a_backup_and_a_copy_to_optuna_hold_the_same_trials(nas: Nas, ledger: Path) -> None:
    assert parsed(nas, "db backup copy.db")["file"] == "copy.db"
    assert parsed(nas, "trials s --storage sqlite:///copy.db") == parsed(nas, "trials s")
    assert parsed(nas, "db copy s --to journal.log")["num_added"] == 7
    assert parsed(nas, "db upgrade")["old_version"] == parsed(nas, "db upgrade")["new_version"]


def test_a_space_is_named_with_or_without_its_flag(nas: Nas) -> None:
    assert parsed(nas, "space show mobilenetv3") == parsed(nas, "space show --space mobilenetv3")


def test_nothing_said_gets_help_and_no_error(nas: Nas) -> None:
    ended = nas()
    assert (ended.code, ended.out) == (2, "") and ended.err.startswith("Usage: nas") and "search" in ended.err


@pytest.mark.usefixtures("ledger")
def test_a_study_without_networks_has_nothing_to_export(nas: Nas, ledger: Path) -> None:
    with open_store(f"sqlite:///{ledger}") as store:
        study = optuna.create_study(study_name="plain", storage=store.optuna)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    ended = nas("export", "plain")
    assert ended.code == 7 and "must be of networks" in ended.err


@pytest.mark.usefixtures("ledger")
def test_a_reward_of_what_was_not_measured_has_no_best(nas: Nas) -> None:
    ended = nas("best", "s", "--cost", "latency_ms", "--target", "2")
    assert ended.code == 7 and "must have an accuracy and the reward's cost" in ended.err


@pytest.mark.faults
def test_a_reader_that_goes_away_is_no_error(ledger: Path) -> None:
    command = f"{sys.executable} -m nas.cli trials s --json --storage sqlite:///{ledger} | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_settings_without_any_file_are_the_defaults(folder: Path) -> None:
    assert resolve({}, {"XDG_CONFIG_HOME": str(folder)}, folder=folder).settings == Settings()
