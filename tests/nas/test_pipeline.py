"""All stages in one go, resumed at whatever stage they were in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.exporting.errors import ExportError
from nas.exporting.folder import CARD_JSON, read_manifest
from nas.pipeline import run, settings_of_run
from nas.stages.arms import Watch
from nas.stages.budget import Budget
from nas.stages.history import History
from nas.study import Study
from runs import open_store
from runs.schema import artifact
from search_space import Architecture
from tests.fakes.searches import Formula
from tests.fakes.searches import settings_of_all as settings


def interrupted(stage: str, num_ended: int) -> Watch:
    """Asks to stop once an arm of the study has so many ended trials."""
    seen = {}

    def progress(arm: str, history: History, budget: Budget) -> None:
        seen[arm] = sum(trial.state.is_finished for trial in history.trials)

    return Watch(progress=progress, should_stop=lambda: seen.get(stage, 0) >= num_ended)


def test_every_stage_runs_and_a_second_run_only_reads(tmp_path: Path) -> None:
    formula = Formula(tmp_path / "notes")
    report = run(settings(tmp_path), out=tmp_path / "out", evaluator=formula)
    assert report.stage == "export" and report.ending.kind == "done"
    assert report.fit is not None and report.grow is not None and report.search.winner is not None
    assert report.fit.fit is not None
    assert report.fit.baseline.architecture.digest == report.search.winner.trial.digest
    assert [folder.name for folder in report.exports] == ["s_grow_0", "s_grow_1"]
    for folder in report.exports:
        assert Architecture.from_json((folder / f"{folder.name}.json").read_text()).num_classes == 10
        [check] = read_manifest(folder).checks
        assert check.path == f"{folder.name}.py" and check.max_abs_difference < 1e-4 * check.largest_score
        scaling = json.loads((folder / CARD_JSON).read_text())["scaling"]
        assert scaling["equation"] == report.fit.fit.rule.equation and scaling["observed"] is not None
    stamps = [path.stat().st_mtime_ns for folder in report.exports for path in sorted(folder.iterdir())]
    num_trained = len(formula.trainings())
    again = run(settings(tmp_path), evaluator=formula)
    assert len(formula.trainings()) == num_trained
    assert again.search.finalists == report.search.finalists
    assert (again.fit, again.grow) == (report.fit, report.grow)
    assert again.exports == report.exports, "it exports where it exported to"
    assert stamps == [path.stat().st_mtime_ns for one in again.exports for path in sorted(one.iterdir())]
    url = str(settings(tmp_path).search.storage)
    told = Study("s", storage=url).status()["exports"]
    assert [one["folder"] for one in told] == [str(folder) for folder in report.exports]
    with open_store(url) as store:  # as if it had been killed before it was noted
        store.database.write(lambda connection: connection.execute(artifact.delete()))
    run(settings(tmp_path), evaluator=formula)
    assert [one["folder"] for one in Study("s", storage=url).status()["exports"]] == [
        one["folder"] for one in told
    ]


@pytest.mark.parametrize(("stage", "num"), [("s", 2), ("s.finalists", 1), ("s.fit", 5), ("s.grow", 1)])
def test_a_run_goes_on_at_the_stage_in_which_it_was_stopped(tmp_path: Path, stage: str, num: int) -> None:
    formula = Formula(tmp_path / "notes", keeps=True)
    chosen = settings(tmp_path)
    stopped = run(
        chosen,
        out=tmp_path / "out",
        formats=("json",),
        evaluator=formula,
        watch=interrupted(stage, num),
    )
    assert stopped.ending.kind == "stopped" and stopped.exports == ()
    assert stopped.stage == {"s": "search", "s.finalists": "search", "s.fit": "fit", "s.grow": "grow"}[stage]
    done = run(chosen, evaluator=formula)
    assert done.ending.kind == "done" and len(done.exports) == 2
    notes = [(note["key"], note["epoch"]) for note in formula.trainings()]
    assert len(notes) == len(set(notes)), "no epoch is trained twice"
    with open_store(str(chosen.search.storage)) as store:
        assert list(store.check()) == []
        assert {study.state for study in store.studies()} == {"finished"}


def test_limits_and_the_tables_of_fit_and_grow_may_change(tmp_path: Path) -> None:
    formula = Formula(tmp_path / "notes")
    chosen = settings(tmp_path)
    run(chosen, out=tmp_path / "out", formats=("json",), evaluator=formula)
    larger = chosen.model_copy(
        update={
            "search": chosen.search.model_copy(update={"trials": 6, "target": 9e9}),
            "fit": chosen.fit.model_copy(update={"budget": 28, "region": 0.0}),
        }
    )
    report = run(larger, evaluator=formula)
    with open_store(str(chosen.search.storage)) as store:
        stored = settings_of_run(store.study("s"))
        assert len(store.trials(store.study("s.fit").id)) == 28
    assert stored is not None and stored.search.trials == 6
    assert stored.search.target == chosen.search.target, "the question stays"
    assert report.stage == "export"
    json.dumps(stored.model_dump())


def test_a_member_is_exported_anew_where_its_folder_is_not_its_own(tmp_path: Path) -> None:
    formula = Formula(tmp_path / "notes")
    chosen, out = settings(tmp_path), tmp_path / "out"
    [first, second] = run(chosen, out=out, formats=("json",), evaluator=formula).exports
    (first / "s_grow_0.json").write_text("{}")
    card = json.loads((second / CARD_JSON).read_text())
    (second / "MANIFEST.json").unlink()
    with pytest.raises(ExportError, match="other things"):
        run(chosen, evaluator=formula)
    assert card["formats"] == ["json"] and read_manifest(first).files
    assert Architecture.from_json((first / "s_grow_0.json").read_text()).num_classes == 10


def test_an_unknown_format_is_refused_before_the_search(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="a format must be one of"):
        run(settings(tmp_path), formats=("keras",), evaluator=Formula(tmp_path / "notes"))
    assert not (tmp_path / "notes").exists()
