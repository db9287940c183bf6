"""A study knows what was exported from it: each verified export is noted once, with its manifest."""

from __future__ import annotations

from pathlib import Path

from nas.exporting.folder import MANIFEST
from nas.exporting.packaging import Wanted, export
from nas.exporting.subjects import subject_of, subject_of_trial
from nas.study import Study
from runs import open_store
from tests.fakes.ledgers import architecture, write_ledger


def test_an_export_is_noted_once_with_its_manifest_and_where_it_lies(tmp_path: Path) -> None:
    url, out = f"sqlite:///{tmp_path / 'nas.db'}", tmp_path / "out"
    write_ledger(url)
    subject = subject_of_trial("s", 1, storage=url)
    export(subject, Wanted(("json",)), out)
    first = (out / MANIFEST).read_bytes()
    export(subject, Wanted(("json",)), out, force=True)
    with open_store(url) as store:
        [(number, record)] = store.exports(store.study("s").id)
        assert number == 1 and store.artifacts.get_bytes(record.sha256) == first
        assert store.check(is_deep=True) == []
    export(subject, Wanted(("json", "dot")), out, force=True)
    export(subject, Wanted(("json",)), tmp_path / "elsewhere", place="a zip file")
    told = Study("s", storage=url).status()["exports"]
    assert [(one["trial"], one["folder"], one["formats"]) for one in told] == [
        ("s/1", str(out), ["json"]),
        ("s/1", str(out), ["json", "dot"]),
        ("s/1", "a zip file", ["json"]),
    ]


def test_what_no_ledger_has_is_exported_without_one(tmp_path: Path) -> None:
    export(subject_of("a network", architecture(10)), Wanted(("json",)), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
