"""What Ctrl-C and `kill` mean to a running stage: once, finish what can be finished; twice, end at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from nas.cli.exits import CommandError, Exit
from nas.cli.printing import Printer, write_nowhere

_CODES = {
    signal.SIGINT: Exit.INTERRUPTED,
    signal.SIGTERM: Exit.TERMINATED,
    signal.SIGHUP: Exit.TERMINATED,  # the terminal is gone
}


@dataclass(slots=True)
class Interruption:
    """Whether the user has asked to stop; a stage asks it as `should_stop`.

    Args:
        exit_code: with which the command ends then.
        is_kept: whether there is anything to go on with.
    """

    exit_code: Exit = Exit.OK
    is_kept: bool = True

    def __call__(self) -> bool:
        return self.exit_code is not Exit.OK


@contextmanager
def interruptible(printer: Printer, resume: str, *, is_kept: bool = True) -> Iterator[Interruption]:
    """Turns the first SIGINT, SIGTERM or SIGHUP into an `Interruption` and lets the second one kill.

    Under `nohup` a lost terminal changes nothing.

    Where the workers' cluster is lost, the sentence ends with the command that goes on.

    Args:
        printer: says what was understood.
        resume: the command that goes on where this one stops.
        is_kept: whether there is anything to go on with from the beginning; else whoever knows sets it.
    """
    from nas.execution.errors import ClusterLost

    interruption = Interruption(is_kept=is_kept)

    def handle(number: int, _: FrameType | None) -> None:
        code = _CODES[signal.Signals(number)]
        if interruption():  # the ledger is safe at every moment, so nothing needs to be tidied up
            os._exit(code)
        interruption.exit_code = code
        if number == signal.SIGHUP:
            write_nowhere(terminals)  # to write to a terminal that is gone is an error
        if interruption.is_kept:
            printer.message(
                f"stopping after the current epochs; once more ends at once. Go on with: {resume}"
            )
        else:
            printer.message(
                "stopping as soon as the study is kept; once more ends at once, and then nothing is:"
                " type the same command again"
            )

    terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]
    obeyed = [number for number in _CODES if signal.getsignal(number) is not signal.SIG_IGN]
    earlier = {number: signal.signal(number, handle) for number in obeyed}
    try:
        yield interruption
    except ClusterLost as error:
        raise CommandError(f"{error}; go on with: {resume}", Exit(error.exit_code)) from error
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
