"""What a person is told when the whole cluster is gone under a search: one sentence, code 5, and how to go on."""

from __future__ import annotations

import pytest

from nas.execution.errors import ClusterLost
from nas.stages import search as stage
from tests.nas.cli.conftest import Nas


def test_a_lost_cluster_ends_a_search_with_the_command_that_goes_on(
    nas: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*_: object, **__: object) -> None:
        raise ClusterLost("the Ray cluster must answer while it is used, got no answer for 20 s")

    monkeypatch.setattr(stage, "search", lose)
    ended = nas("search", "--study", "s", "--storage", "sqlite:///x.db")
    assert ended.code == 5
    assert ended.err.count("error: ") == 1 and "Traceback" not in ended.err
    assert ended.err.strip().endswith("go on with: nas resume s --storage sqlite:///x.db")
