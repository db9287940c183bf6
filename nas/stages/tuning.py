"""A search whose trials a user's own Ray `Tuner` trains."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from nas.execution.tune_searcher import StudySearcher, TuneError
from nas.flags import masked
from nas.interfaces import Executor
from nas.settings import Settings
from nas.stages.arms import Elsewhere, Watch
from nas.stages.preparation import storage_url, study_name
from nas.stages.search import NothingFeasible, resume, search
from runs.errors import StudyMissing


def study_searcher(settings: Settings) -> StudySearcher:
    """Returns the search algorithm over the study that the settings name: a new one, or one to be gone on with.

    A `Tuner` may be killed at any moment and be restored, or another one begun: what was measured stays, what was being
    trained is proposed again once its lease has ended.

    Args:
        settings: as of `nas search`. What a `Tuner` keeps of them on disk is all but a password in the storage's URL:
            a restored one takes `NAS_STORAGE` in its place.

    Example:
        >>> with study_searcher(Settings()) as searcher:
        ...     config = TuneConfig(search_alg=searcher, num_samples=-1, max_concurrent_trials=2)
        ...     Tuner(train, tune_config=config).fit()
    """
    return StudySearcher(StudyDrive(settings))


@dataclass(frozen=True)
class StudyDrive:
    """Runs the search of some settings on an executor: begins it, or goes on with it.

    Args:
        settings: of the search.
        lacks_storage: whether the storage's URL had a password, and was left out where this was kept.
    """

    settings: Settings
    lacks_storage: bool = False

    def __reduce__(self) -> tuple[type[StudyDrive], tuple[Settings, bool]]:
        url = self.settings.search.storage
        if url is None or masked(url) == url:
            return StudyDrive, (self.settings, self.lacks_storage)
        return StudyDrive, (_with_storage(self.settings, None), True)

    def __call__(self, executor: Executor, should_stop: Callable[[], bool]) -> None:
        """Returns when the search has ended, or a stop was asked for.

        Raises:
            TuneError: the storage's URL was left out, and `NAS_STORAGE` does not say it.
        """
        watch, trains = Watch(should_stop=should_stop), Elsewhere(executor)
        settings = self.settings
        if self.lacks_storage:
            settings = _with_storage(settings, os.environ.get("NAS_STORAGE"))
            if settings.search.storage is None:
                raise TuneError(
                    "a restored `Tuner` must be told where the study lies, got a storage with a password, which is kept"
                    " nowhere; set NAS_STORAGE"
                )
        chosen = settings.search
        try:
            resume(
                study_name(settings),
                storage=storage_url(settings),
                artifacts=chosen.artifacts,
                changes=self._budget,
                watch=watch,
                evaluator=trains,
            )
        except StudyMissing:
            search(settings, watch=watch, evaluator=trains)
        except NothingFeasible:
            pass  # it ended, and said so in the ledger

    def _budget(self, stored: Settings) -> Settings:
        """Returns a study's settings with the budget that is asked for now."""
        chosen = self.settings.search
        budget = {"trials": chosen.trials, "hours": chosen.hours, "device_hours": chosen.device_hours}
        return stored.model_copy(update={"search": stored.search.model_copy(update=budget)})


def _with_storage(settings: Settings, url: str | None) -> Settings:
    return settings.model_copy(update={"search": settings.search.model_copy(update={"storage": url})})
