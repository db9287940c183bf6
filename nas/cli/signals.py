"""What Ctrl-C and `kill` mean to a running stage: once, finish what can be finished; twice, end at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from nas.cli.exits import CommandError, Exit
from nas.cli.printing import Printer

_CODES = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}


@dataclass(slots=True)
class Interruption:
    """Whether the user has asked to stop; a stage asks it as `should_stop`."""

    exit_code: Exit = Exit.OK

    def __call__(self) -> bool:
        return self.exit_code is not Exit.OK


@contextmanager
def interruptible(printer: Printer, resume: str) -> Iterator[Interruption]:
    """Turns the first SIGINT or SIGTERM into an `Interruption` and lets the second one kill.

    Where the workers' cluster is lost, the sentence ends with the command that goes on.

    Args:
        printer: says what was understood.
        resume: the command that goes on where this one stops.
    """
    from nas.execution.errors import ClusterLost

    interruption = Interruption()

    def handle(number: int, _: FrameType | None) -> None:
        code = _CODES[signal.Signals(number)]
        if interruption():  # the ledger is safe at every moment, so nothing needs to be tidied up
            os._exit(code)
        interruption.exit_code = code
        printer.message(f"stopping after the current epochs; once more ends at once. Go on with: {resume}")

    earlier = {number: signal.signal(number, handle) for number in _CODES}
    try:
        yield interruption
    except ClusterLost as error:
        raise CommandError(f"{error}; go on with: {resume}", Exit(error.exit_code)) from error
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
