"""What the end of a search is told as."""

from __future__ import annotations

from pathlib import Path

from nas.cli.searching import report_view
from nas.stages.search import search
from tests.fakes.searches import Formula, settings


def test_a_finalist_of_a_single_reward_has_it_and_its_mean(tmp_path: Path) -> None:
    report = search(
        settings(tmp_path, trials=6, repeats=2, finalists=1), evaluator=Formula(tmp_path / "notes")
    )
    view = report_view(report)["winner"]
    assert report.winner is not None and (view["reward"], view["mean_reward"]) == (
        report.winner.reward,
        report.winner.mean,
    )
    assert view["mean_accuracy"] == sum(view["repeated_accuracies"]) / 2


def test_under_pareto_there_is_no_reward_and_accuracy_is_not_called_one(tmp_path: Path) -> None:
    chosen = settings(tmp_path, trials=6, reward="pareto", strategy="nsga2", repeats=1, finalists=2)
    view = report_view(search(chosen, evaluator=Formula(tmp_path / "notes")))
    for finalist in view["finalists"]:
        assert finalist["reward"] is finalist["mean_reward"] is None
        assert [finalist["mean_accuracy"]] == finalist["repeated_accuracies"]
