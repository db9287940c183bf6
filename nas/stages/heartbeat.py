"""The sign of life of a run whose driver is not at its loop yet: a probe may take minutes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from runs import Store
from runs.errors import LedgerError
from runs.records import RunRecord

HEARTBEAT_S = 2.0  # leases, epochs and the run's sign of life are written together, at most this often

logger = logging.getLogger(__name__)


@contextmanager
def renewed(store: Store, run: RunRecord) -> Iterator[None]:
    """Renews a run's lease within the block, from a thread of its own.

    An error of the ledger is logged and not raised: the next renewal, or the driver's own first word, meets it again.

    Args:
        store: the ledger.
        run: of this process, whose lease would end while this thread is busy.

    Example:
        >>> with renewed(store, run):
        ...     executor = open_executor("ray", evaluator, num_workers=2)
    """
    is_over = threading.Event()

    def renew() -> None:
        while not is_over.wait(HEARTBEAT_S):
            try:
                store.renew_run(run.id)
            except LedgerError as error:
                logger.warning("%s", error)

    thread = threading.Thread(target=renew, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
