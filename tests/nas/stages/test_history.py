"""What a driver knows of a study when it joins others at work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas.reward import Reward
from nas.stages.history import History
from runs import EvaluationKey, Progress, Start, Store, open_store

REWARD = Reward("soft", 1e6, "macs")


class _Shared(Store):
    """A store of a study in which another driver begins a trial, and reports its epoch, before every reading."""

    num_readings = 0

    def news(self, study_id: int, after_revision: int) -> Any:
        self._begin_another(study_id)
        return super().news(study_id, after_revision)

    def curves(self, study_id: int, name: str) -> dict[int, dict[int, float]]:
        self._begin_another(study_id)
        return super().curves(study_id, name)

    def _begin_another(self, study_id: int) -> None:
        self.num_readings += 1
        with open_store(self.database.url.render_as_string(hide_password=False)) as other:
            [claim] = other.begin(study_id)
            key = EvaluationKey(str(claim.number), "d", "r", "f", 0)
            other.start([Start(claim, key, costs={"macs": 1e6})])
            other.renew([claim], [Progress(claim, 1, {"accuracy": 0.5}, 1.0)])


def test_trials_begun_while_a_study_is_read_do_no_harm(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/nas.db") as opened:
        study = opened.create_study("s", directions=["maximize"], seed=0, space={}, settings={})
        store = _Shared(opened.database)
        history = History(store, study, REWARD)
        assert store.num_readings == 2, "trials and curves are read at different moments"
        assert len(history.trials) == 2
        assert history.curves == {0: {1: 0.5}}
