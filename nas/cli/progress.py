"""How a running stage is shown on stderr: one line that changes on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nas.cli.printing import Printer, shown, until_nobody_reads
from runs.text import visible

if TYPE_CHECKING:
    from rich.live import Live

    from nas.stages.budget import Budget
    from nas.stages.history import History

INTERVAL_S = 60.0  # between lines where the output is no terminal


@dataclass(slots=True)
class Progress:
    """Shows one command's stages. Use as a context manager; `plan` and `update` are what a stage's `Watch` calls.

    Args:
        printer: of the command; a quiet one shows nothing.
        clock: seconds, steadily rising.
    """

    printer: Printer
    clock: Callable[[], float] = time.monotonic
    _live: Live | None = None
    _last: float = float("-inf")
    _starts: dict[str, tuple[float, list[float]]] = field(default_factory=dict)  # by arm: time, shares used

    def __enter__(self) -> Progress:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, highlight=False, markup=False)
        if console.is_terminal and not self.printer.quiet:
            self._live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False)
            with until_nobody_reads(sys.__stderr__ or sys.stderr):
                self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            with until_nobody_reads(sys.__stderr__ or sys.stderr):
                self._live.stop()

    def plan(self, text: str) -> None:
        """Shows what is going to be done, before anything is spent."""
        self.printer.message(text)

    def update(self, arm: str, history: History, budget: Budget) -> None:
        """Shows how far one arm is, of what it may spend."""
        from rich.text import Text

        line = self._line(arm, history, budget)
        if self._live is not None:
            with until_nobody_reads(sys.__stderr__ or sys.stderr):
                self._live.update(Text(visible(line)), refresh=True)
        elif self.clock() - self._last >= INTERVAL_S:
            self._last = self.clock()
            self.printer.message(line)
            sys.stderr.flush()

    def _line(self, arm: str, history: History, budget: Budget) -> str:
        from nas.stages.budget import num_paid
        from runs import TrialState

        spent = history.spent
        used = [float(num_paid(spent)), history.hours, spent.device_seconds / 3600]
        limits = [budget.trials, budget.hours, budget.device_hours]
        shares = [one / limit for one, limit in zip(used, limits, strict=True) if limit is not None]
        begun, shares_then = self._starts.setdefault(arm, (self.clock(), shares))
        elapsed = self.clock() - begun
        number = f"{used[0]:.0f}" + (f" of {limits[0]}" if limits[0] is not None else "")
        noun = "trial" if number == "1" else "trials"
        parts = [arm, f"{number} {noun}", *_counts(history)]
        best = [t.objectives[0] for t in history.trials if t.state is TrialState.COMPLETE and t.objectives]
        parts += [f"best {shown(max(best))}"] if best else []
        ended = sum(count for state, count in spent.counts.items() if state.is_finished)
        parts += [f"{ended / history.hours / 3600:.2g} trials/s"] if ended and history.hours > 0 else []
        parts += [f"{used[2]:.3g} device-hours"]
        left = _seconds_left(shares_then, shares, elapsed)
        return " | ".join([*parts, *([f"about {_duration(left)} left"] if left is not None else [])])


def _counts(history: History) -> list[str]:
    """Returns the trials that cost nothing, or went wrong, where there are any."""
    from runs import TrialState

    counts = history.spent.counts
    named = {
        "running": counts[TrialState.RUNNING],
        "refused": counts[TrialState.INFEASIBLE],
        "reused": history.spent.num_reused,
        "failed": counts[TrialState.FAILED],
    }
    return [f"{count} {name}" for name, count in named.items() if count]


def _seconds_left(then: list[float], now: list[float], elapsed_s: float) -> float | None:
    """Returns the seconds until the first limit is reached, if each goes on being used as since `then`."""
    if elapsed_s <= 0:
        return None
    rates = [(b - a) / elapsed_s for a, b in zip(then, now, strict=True)]
    return min(
        (max(0.0, 1 - share) / rate for share, rate in zip(now, rates, strict=True) if rate > 0), default=None
    )


def _duration(seconds: float) -> str:
    """Returns a length of time in one unit.

    >>> _duration(40), _duration(500), _duration(10_000)
    ('40 s', '8 min', '2.8 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
