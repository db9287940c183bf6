"""pause, stop, cancel and workers, as commands."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nas.cli.exits import Exit
from nas.cli.progress import Progress
from nas.stages import joining
from nas.stages.baseline import adopt
from nas.stages.fit import fit
from runs import open_store
from tests.fakes.scaling import Lawful, network, settings
from tests.nas.cli.conftest import Nas


def state(ledger: Path) -> str:
    with open_store(f"sqlite:///{ledger}") as store:
        return store.study("s").state


@pytest.mark.parametrize(
    ("command", "expected"), [("pause", "paused"), ("stop", "stopped"), ("cancel", "cancelled")]
)
def test_what_drivers_should_do_is_stored_and_told(
    nas: Nas, ledger: Path, command: str, expected: str
) -> None:
    ended = nas(command, "s", "--json")
    assert ended.code == 0 and json.loads(ended.out) == {"study": "s", "state": expected, "trials_held": 0}
    assert "nas resume s" in ended.err
    assert state(ledger) == expected
    assert json.loads(nas("status", "s", "--json").out)["state"] == expected


def test_an_unknown_study_is_named(nas: Nas, ledger: Path) -> None:
    for command in ("pause", "stop", "cancel", "workers"):
        ended = nas(command, "nothing")
        assert ended.code == 3 and ended.err.count("error:") == 1


def test_workers_says_who_holds_what(nas: Nas, ledger: Path) -> None:
    assert json.loads(nas("workers", "--json").out) == []
    with open_store(f"sqlite:///{ledger}") as store:
        store.begin(store.study("s").id)
        [row] = json.loads(nas("workers", "s", "--json").out)
    assert (row["trial"], row["state"], row["attempt"], row["pid"]) == (7, "leased", 1, os.getpid())
    assert row["for_s"] >= 0 and 0 < row["lease_left_s"] <= 60


def test_resume_of_a_paused_study_with_a_driver_at_work_calls_the_pause_off(nas: Nas, ledger: Path) -> None:
    with open_store(f"sqlite:///{ledger}") as store:
        store.open_run(store.study("s").id, "search", {})
        nas("pause", "s")
        ended = nas("resume", "s")
        assert ended.code == 0 and f"process {os.getpid()}" in ended.err
    assert state(ledger) == "active"


@pytest.mark.parametrize(("state", "verb"), [("stopped", "stop"), ("cancelled", "cancel")])
def test_a_search_that_is_ended_from_elsewhere_ends_with_a_code_of_its_own(
    nas: Nas, folder: Path, monkeypatch: pytest.MonkeyPatch, state: str, verb: str
) -> None:
    def told(progress: Progress, text: str) -> None:
        with open_store("sqlite:///nas.db") as store:
            store.set_study_state(store.study("s").id, state)

    monkeypatch.setattr(Progress, "plan", told)
    words = "--study s --storage sqlite:///nas.db --executor inline --samples 200 --width 0.25 --target 1M"
    ended = nas("search", *words.split())
    assert ended.code == Exit.STOPPED == 10
    assert f"stopped: `nas {verb}` asked for it" in ended.err
    assert ended.printed == ["nas resume s --storage sqlite:///nas.db"]

    with open_store("sqlite:///nas.db") as store:  # somebody else begins
        store.open_run(store.study("s").id, "search", {})
        refused = nas("resume", "s", "--storage", "sqlite:///nas.db")
        assert refused.code == Exit.CONFLICT and "`nas resume s --join`" in refused.err
        joined = nas("resume", "s", "--join", "--storage", "sqlite:///nas.db")
        assert joined.code == Exit.STOPPED and f"`nas {verb}` asked for it" in joined.err


def test_a_fit_that_is_at_work_is_joined_and_not_its_search(
    nas: Nas, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "GRACE_S", 1.0)
    adopt(network(), settings(folder, fit={"budget": 24, "epochs": 1}))
    lawful, url = Lawful(folder / "notes", seconds=0.2), "sqlite:///nas.db"
    with ThreadPoolExecutor(1) as pool, open_store(url) as store:
        owner = pool.submit(lambda: fit("s", storage=url, evaluator=lawful))
        while joining.stage_at_work(store, store.study("s")) is None:
            assert not owner.done()
        ended = nas("resume", "s", "--join", "--json", "--storage", url)
        assert owner.result(60).ending.kind == "done" and store.check() == []
    told = json.loads(ended.out)
    assert ended.code == 0 and told["ending"]["kind"] == "done" and told["trained"]["fit"] > 0
    assert f"fit: {told['trained']['fit']} training" in ended.err
    assert ended.printed == [f"nas status s --storage {url}"]
