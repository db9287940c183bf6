"""A table of latencies covers its space, is read back as it was written, and says how wrong it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nas.evaluation.latency_table import (
    LatencyError,
    LatencyTable,
    TableError,
    operators_of,
    summed_ms,
    table_error,
)
from nas.stages.search import search
from runs import TrialState, open_store
from search_space import reference
from tests.fakes.searches import Formula, Tiny, settings

SPACE = Tiny(resolution=8, num_classes=3)
ERROR = TableError(2, 0.1, 0.2, 1.0)


def test_every_operator_of_the_space_is_found() -> None:
    found = operators_of(SPACE, np.random.default_rng(0))
    times = dict.fromkeys(found, 1.0)
    for point in SPACE.points():
        assert summed_ms(SPACE.decode(point), times) >= 5.0


def test_a_table_survives_a_file() -> None:
    """A measured one is written by the command, and predicts every network: `test_measuring`."""
    times = {"a convolution": 0.123456789, "a pool": 1e-5}
    table = LatencyTable("here", 4, SPACE.describe(), times, slope=1.5, intercept_ms=-0.25, error=ERROR)
    assert LatencyTable.from_json(table.to_json()) == table


def test_the_prediction_is_the_line_at_the_sum() -> None:
    network = SPACE.decode((0, 0, 0))
    times = dict.fromkeys(operators_of(SPACE, np.random.default_rng(0)), 0.5)
    table = LatencyTable("here", 1, {}, times, slope=2.0, intercept_ms=1.0, error=ERROR)
    assert table.latency_ms(network) == pytest.approx(1.0 + 2.0 * summed_ms(network, times))


def test_a_network_of_another_space_is_refused() -> None:
    table = LatencyTable("here", 1, {}, {}, slope=1.0, intercept_ms=0.0, error=ERROR)
    with pytest.raises(LatencyError, match=r"every operator of a network, got none for stem\.conv"):
        table.latency_ms(reference("mnasnet_small"))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 2}', json.dumps({"format": 1, "times_ms": 3})])
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(LatencyError, match="must be what `nas latency table` wrote"):
        LatencyTable.from_json(text)


def test_errors_are_shares_of_the_measurement() -> None:
    error = table_error(np.array([1.1, 2.0, 2.7]), np.array([1.0, 2.0, 3.0]))
    assert (error.mean_share, error.max_share) == (pytest.approx(0.2 / 3), pytest.approx(0.1))
    assert error.rank_correlation == pytest.approx(1.0)


def test_a_search_takes_its_latencies_from_the_table_and_trains_nothing_too_dear(tmp_path: Path) -> None:
    chosen = settings(
        tmp_path,
        space="tests.fakes.searches:Tiny",
        width=None,
        cost="latency_ms",
        target="1",
        max_cost="1",
        latency_table=str(tmp_path / "table.json"),
    )
    with pytest.raises(LatencyError, match=r"table\.json"):
        search(chosen, evaluator=Formula(tmp_path / "notes"))
    space = Tiny(resolution=8, num_classes=10, input_channels=1)
    found = operators_of(space, np.random.default_rng(0))
    times = {key: 0.2 if "kernel=5" in key else 0.001 for key in found}
    table = LatencyTable("here", 1, space.describe(), times, slope=5.0, intercept_ms=0.0, error=ERROR)
    (tmp_path / "table.json").write_text(table.to_json())
    search(chosen, evaluator=Formula(tmp_path / "notes"))
    with open_store(f"sqlite:///{tmp_path / 'nas.db'}") as store:
        trials = store.trials(store.study("s").id)
    looked_up = {trial.digest: trial.costs["latency_ms"] for trial in trials}
    assert min(looked_up.values()) < 1.0 < max(looked_up.values())
    for trial in trials:
        refused = trial.state is TrialState.INFEASIBLE
        assert refused == (trial.costs["latency_ms"] > 1.0)
    trained = {one["key"] for one in Formula(tmp_path / "notes").trainings()}
    assert trained == {trial.key for trial in trials if trial.state is TrialState.COMPLETE}


def test_a_table_of_another_space_is_refused(tmp_path: Path) -> None:
    table = LatencyTable("here", 1, {"version": "other"}, {}, slope=1.0, intercept_ms=0.0, error=ERROR)
    (tmp_path / "table.json").write_text(table.to_json())
    chosen = settings(tmp_path, cost="latency_ms", target="1", latency_table=str(tmp_path / "table.json"))
    with pytest.raises(LatencyError, match="of the space that is searched"):
        search(chosen, evaluator=Formula(tmp_path / "notes"))
