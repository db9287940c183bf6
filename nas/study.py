"""A study as a Python object: what is stored about a search, read whenever it is asked for.

The same views as the command line's `--json`. Nothing is kept between calls, so that a study may be read
while it runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from nas.config import default_storage
from nas.reward import Reward
from nas.views import (
    View,
    best_views,
    export_views,
    stage_views,
    status_view,
    study_reward,
    trial_views,
)
from runs import Store, StudyRecord, open_store
from runs.errors import TrialMissing
from search_space import Architecture


class NoCandidate(ValueError):
    """A study has no network to offer (yet)."""

    exit_code = 7


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network that a study measured.

    `weights` are the trained ones as safetensors; None where the search kept none.
    """

    study: str
    number: int
    reward: float | None  # None under `pareto`, and for a trial that is not complete
    accuracy: float | None  # validation, in [0, 1]
    macs: int
    params: int
    architecture: Architecture
    weights: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Study:
    """A stored study.

    Args:
        name: of the study.
        storage: URL of the ledger; None is the default one.
        artifacts: fsspec URL of the weights, where they are not beside the ledger.

    Every method raises StudyMissing where there is no such study.

    Example:
        >>> Study("digits", storage="sqlite:///nas.db").status()["trials"]["complete"]
    """

    name: str
    storage: str | None = None
    artifacts: str | None = None

    def status(self) -> View:
        """Returns how the study stands: trials by state, the best one, the budget, its further stages, its exports."""
        with self._opened() as (store, record):
            sessions, spent = store.runs(record.id), store.spent(record.id)
            trials, stages = store.trials(record.id), stage_views(store, record)
            exports = export_views(store, record)
            return status_view(
                record, trials, spent, sessions, now=time.time(), stages=stages, exports=exports
            )

    def trials(self) -> list[View]:
        """Returns all trials by number."""
        with self._opened() as (store, record):
            return trial_views(store.trials(record.id), study_reward(record))

    def best(self, reward: Reward | None = None) -> Candidate:
        """Returns the complete trial with the highest reward.

        Args:
            reward: recomputes every trial's from its stored accuracy and cost; None takes the search's own. Under
                `pareto` the result is the cheapest of the front.

        Raises:
            NoCandidate: no trial is complete, or the study is not one of networks.
        """
        with self._opened() as (store, record):
            trials, wanted = store.trials(record.id), reward or study_reward(record)
            found = best_views(trials, wanted, directions=record.directions)
            if not found:
                raise NoCandidate(
                    f"a study must have a complete trial to have a best, got none in {self.name!r};"
                    " resume it with a larger budget or target"
                )
            if found[0]["digest"] is None:
                raise NoCandidate(
                    f"the trials of a study must be of networks, got {self.name!r}, which `nas search` did not"
                    " make; `nas show` prints a trial's parameters"
                )
            return self._candidate(store, record, found[0])

    def candidate(self, number: int) -> Candidate:
        """Returns the network of one trial.

        Raises:
            TrialMissing: there is no such trial, or nothing was chosen for it yet.
        """
        with self._opened() as (store, record):
            views = trial_views(store.trials(record.id), study_reward(record))
            for view in views:
                if view["number"] == number and view["digest"] is not None:
                    return self._candidate(store, record, view)
        raise TrialMissing(
            f"a trial must be there and have an architecture, got {number} of {len(views)} in {self.name!r};"
            " `trials()` lists them"
        )

    def _candidate(self, store: Store, record: StudyRecord, view: View) -> Candidate:
        document = store.architecture(view["digest"])
        assert document is not None, "the ledger stores every architecture before it is measured"
        [trial] = [one for one in store.trials(record.id) if one.number == view["number"]]
        return Candidate(
            study=record.name,
            number=view["number"],
            reward=view["reward"],
            accuracy=view["accuracy"],
            macs=view["macs"],
            params=view["params"],
            architecture=Architecture.from_json(document),
            weights=store.artifacts.get_bytes(trial.weights) if trial.weights else None,
        )

    @contextmanager
    def _opened(self) -> Iterator[tuple[Store, StudyRecord]]:
        with open_store(self.storage or default_storage(), artifacts=self.artifacts) as store:
            yield store, store.study(self.name)


def best(
    study: str, *, storage: str | None = None, artifacts: str | None = None, reward: Reward | None = None
) -> Candidate:
    """Returns the best network of a study: `Study(study, storage, artifacts).best(reward)`.

    Example:
        >>> best("digits", storage="sqlite:///nas.db").accuracy
    """
    return Study(study, storage, artifacts).best(reward)
