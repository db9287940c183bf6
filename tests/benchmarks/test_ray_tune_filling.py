"""The peer's study that a benchmark fills in bulk is one that Optuna reads as its own."""

from __future__ import annotations

from pathlib import Path

import optuna

from benchmarks.ray_tune import fill, suggested


def test_a_study_filled_in_bulk_is_read_by_optuna(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'peer.db'}"
    fill(url, 5)
    trials = optuna.load_study(study_name="b", storage=url).trials
    assert [trial.number for trial in trials] == [0, 1, 2, 3, 4]
    assert len({str(trial.params) for trial in trials}) == 1 and len(trials[4].params) > 40
    assert [trial.value for trial in trials] == [0.5] * 5


def test_a_new_searcher_goes_on_with_a_study_filled_in_bulk(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'peer.db'}"
    fill(url, 5)
    assert set(suggested(url, 5)) == {"s", "MB"}
    *_, last = optuna.load_study(study_name="b", storage=url).trials
    assert last.number == 5 and last.value == 0.5
