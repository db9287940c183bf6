"""A search whose trials a user's own Ray `Tuner` trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nas.execution.tune_searcher import StudySearcher
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
    """Runs the search of some settings on an executor: begins it, or goes on with it."""

    settings: Settings

    def __reduce__(self) -> tuple[type[StudyDrive], tuple[Settings]]:
        return StudyDrive, (_without_password(self.settings),)

    def __call__(self, executor: Executor, should_stop: Callable[[], bool]) -> None:
        watch, trains = Watch(should_stop=should_stop), Elsewhere(executor)
        chosen = self.settings.search
        try:
            resume(
                study_name(self.settings),
                storage=storage_url(self.settings),
                artifacts=chosen.artifacts,
                changes=self._budget,
                watch=watch,
                evaluator=trains,
            )
        except StudyMissing:
            search(self.settings, watch=watch, evaluator=trains)
        except NothingFeasible:
            pass  # it ended, and said so in the ledger

    def _budget(self, stored: Settings) -> Settings:
        """Returns a study's settings with the budget that is asked for now."""
        chosen = self.settings.search
        budget = {"trials": chosen.trials, "hours": chosen.hours, "device_hours": chosen.device_hours}
        return stored.model_copy(update={"search": stored.search.model_copy(update=budget)})


def _without_password(settings: Settings) -> Settings:
    url = settings.search.storage
    if url is None or masked(url) == url:
        return settings
    return settings.model_copy(update={"search": settings.search.model_copy(update={"storage": None})})
