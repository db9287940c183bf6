"""What went wrong in an evaluation: the class of an exception, and its traceback made safe to store.

An exception may say its own class in an attribute, so that packages that do not import each other agree:

    class Diverged(Exception):
        failure_class = FailureClass.DIVERGED

Everything else is looked up by type, then by the message where a library raises one type for many causes.
"""

from __future__ import annotations

import errno
import os
import re
import traceback
from collections.abc import Mapping

from nas.interfaces import Failure
from runs import FailureClass

MAX_TRACEBACK_BYTES = 64 * 1024
MAX_MESSAGE_CHARACTERS = 2_000

# By qualified name, so that torch need not be imported to recognise its exceptions.
_CLASSES_BY_TYPE: dict[str, FailureClass] = {
    "builtins.MemoryError": FailureClass.OOM_HOST,
    "builtins.FloatingPointError": FailureClass.DIVERGED,
    "torch.OutOfMemoryError": FailureClass.OOM_DEVICE,
    "ray.exceptions.OutOfMemoryError": FailureClass.OOM_HOST,
    "ray.exceptions.RayError": FailureClass.PREEMPTED,  # the worker, its node or the way to it is gone
}

# torch raises a bare RuntimeError for these; the messages are of c10's CPUAllocator, oneDNN, cuBLAS and cuDNN.
_CLASSES_BY_MESSAGE: tuple[tuple[re.Pattern[str], FailureClass], ...] = (
    (re.compile(r"DefaultCPUAllocator: (can't allocate|not enough) memory"), FailureClass.OOM_HOST),
    (re.compile(r"could not create a (primitive|memory)"), FailureClass.OOM_HOST),
    (re.compile(r"CUDA error: out of memory|CU(BLAS|DNN)_STATUS_ALLOC_FAILED"), FailureClass.OOM_DEVICE),
)

_STORAGE_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ESTALE})

_MASK = "***"
_SECRET_NAME = re.compile(r"passw|secret|token|credential|(api|access|private)_?key|storage", re.IGNORECASE)
_SECRET_TEXT = (
    re.compile(r"(?<=://)([^\s/@'\"]*:)[^\s/'\"]+(?=@)"),  # scheme://user:PASSWORD@host
    re.compile(r"((?:passw(?:or)?d|secret|token|api[_-]?key)['\"]?\s*[=:]\s*['\"]?)[^\s'\"&,;]+", re.I),
    re.compile(r"(\bBearer\s+)[\w.~+/=-]+"),
)


class NotFinite(ArithmeticError):
    """Raised where an evaluation reports a number that is not finite: its training has diverged."""

    failure_class = FailureClass.DIVERGED


def failure_class(error: BaseException) -> FailureClass:
    """Returns the class of `error`: its own `failure_class`, else by its type, message or explicit cause.

    Example:
        >>> failure_class(MemoryError())
        <FailureClass.OOM_HOST: 'oom_host'>
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        found = _own_class(cause)
        if found is not None:
            return found
        seen.add(id(cause))
        cause = cause.__cause__
    return FailureClass.USER_ERROR


def failure(key: str, error: BaseException, *, seconds: float) -> Failure:
    """Returns the `Failure` event of task `key` that ended by `error` after `seconds` device seconds.

    The traceback is cut to 64 KB of UTF-8 (its ends are kept); secrets are masked in it and in the message.
    """
    return Failure(
        key=key,
        failure_class=failure_class(error),
        message=masked("".join(traceback.format_exception_only(error)).strip())[:MAX_MESSAGE_CHARACTERS],
        traceback=capped(masked("".join(traceback.format_exception(error)))),
        seconds=seconds,
        micro_batch=getattr(error, "micro_batch", None),
    )


def masked(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Returns `text` with `***` for passwords in URLs, values after words like `token=`, and the values of
    environment variables whose names speak of secrets.

    Example:
        >>> masked("postgresql://ann:hunter2@db/nas", {})
        'postgresql://ann:***@db/nas'
    """
    for name, value in environment.items():
        if len(value) >= 6 and _SECRET_NAME.search(name):
            text = text.replace(value, _MASK)
    for pattern in _SECRET_TEXT:
        text = pattern.sub(rf"\1{_MASK}", text)
    return text


def capped(text: str, max_bytes: int = MAX_TRACEBACK_BYTES) -> str:
    """Returns `text` in at most `max_bytes` bytes of UTF-8: whole, or its two ends round a note."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= max_bytes:
        return encoded.decode("utf-8")
    note = f"\n... {len(encoded)} bytes in all, the middle is left out ...\n"
    half = (max_bytes - len(note)) // 2
    return encoded[:half].decode("utf-8", "ignore") + note + encoded[-half:].decode("utf-8", "ignore")


def _own_class(error: BaseException) -> FailureClass | None:
    declared = getattr(error, "failure_class", None)
    if isinstance(declared, FailureClass):
        return declared
    if isinstance(error, OSError) and error.errno in _STORAGE_ERRNOS:
        return FailureClass.STORAGE
    for ancestor in type(error).__mro__:
        found = _CLASSES_BY_TYPE.get(f"{ancestor.__module__}.{ancestor.__qualname__}")
        if found is not None:
            return found
    text = str(error) if type(error) is RuntimeError else ""
    return next((found for pattern, found in _CLASSES_BY_MESSAGE if pattern.search(text)), None)
