"""How a command ends: the exit codes, and one sentence for whatever went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Exit(IntEnum):
    """The exit codes that scripts may rely on."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    STORAGE_UNREACHABLE = 5
    SCHEMA = 6
    NO_FEASIBLE_TRIAL = 7
    TOO_MANY_FAILURES = 8
    CHECKSUM = 9
    STOPPED = 10
    INTERRUPTED = 130
    TERMINATED = 143


class CommandError(Exception):
    """A command cannot do what was asked: one sentence with rule, value and remedy, and the exit code."""

    def __init__(self, sentence: str, exit_code: Exit = Exit.USAGE) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Report:
    """What a person and a script are told about an error."""

    exit_code: Exit
    message: str  # the rule and the value
    hint: str  # the remedy; empty where none is known

    @property
    def sentence(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


# Packages whose own exceptions are made to be read by the user; anything else is an error of ours.
_OUR_PACKAGES = ("nas", "search_space", "scaling_rules", "runs", "dashboards")


def report(error: BaseException) -> Report:
    """Returns what to say about `error`, without its traceback."""
    code = _exit_code(error)
    if code is not Exit.UNEXPECTED:
        message, _, hint = str(error).rpartition("; ") if "; " in str(error) else (str(error), "", "")
        return Report(code, message, hint)
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        subject = f" {str(error.filename)!r}" if error.filename else ""
        message = f"a file or folder{subject} must be usable, but the system says: {reason}"
        return Report(code, message, "check the path, its permissions and the free space")
    message = f"an error of ours, not of yours: {type(error).__name__}: {error}"
    return Report(code, message, "run the command again with -v for the traceback, and report it")


def _exit_code(error: BaseException) -> Exit:
    given = getattr(error, "exit_code", None)
    if given in set(Exit) and given != Exit.UNEXPECTED:
        return Exit(given)
    is_ours = type(error).__module__.split(".")[0] in _OUR_PACKAGES
    return Exit.USAGE if is_ours and isinstance(error, ValueError) else Exit.UNEXPECTED
