"""The examples in docstrings run and print what stands below them."""

from __future__ import annotations

import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("nas", "search_space", "scaling_rules", "runs", "dashboards")

# What needs a study, an export or a cluster that is there already.
NEED_MORE = {
    "nas.building.build",
    "nas.evaluation.latency_table.LatencyTable",
    "nas.execution.inline.InlineExecutor",
    "nas.execution.registry.on_worker",
    "nas.exporting.packaging.export",
    "nas.exporting.running.timed_file",
    "nas.metrics.exposition",
    "nas.pipeline.run",
    "nas.stages.baseline.adopt",
    "nas.stages.fit.fit",
    "nas.stages.forecast.missed",
    "nas.stages.grow.grow",
    "nas.stages.heartbeat.renewed",
    "nas.stages.joining.join",
    "nas.stages.search.search",
    "nas.stages.sweep.sweep",
    "nas.stages.tuning.study_searcher",
    "nas.study.Study",
    "nas.study.best",
    "runs.optuna_storage.OptunaView.reading_once",
}


def _examples(package: str) -> Iterator[doctest.DocTest]:
    for path in sorted((ROOT / package).rglob("*.py")):
        if ">>>" in path.read_text(encoding="utf-8"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            module = importlib.import_module(".".join(part for part in parts if part != "__init__"))
            yield from (test for test in doctest.DocTestFinder().find(module) if test.examples)


@pytest.mark.parametrize("package", PACKAGES)
def test_examples_print_what_is_promised(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(verbose=False)
    told: list[str] = []
    names = set()
    for example in _examples(package):
        names.add(example.name)
        if example.name not in NEED_MORE:
            runner.run(example, out=told.append)
    assert not runner.failures, "".join(told)
    assert runner.tries > 5
    assert {name for name in NEED_MORE if name.startswith(f"{package}.")} <= names


def test_a_wrong_example_is_found() -> None:
    parser, told = doctest.DocTestParser(), list[str]()
    wrong = parser.get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    assert doctest.DocTestRunner(verbose=False).run(wrong, out=told.append).failed == 1
    assert "Expected:\n    3\nGot:\n    2" in "".join(told)
