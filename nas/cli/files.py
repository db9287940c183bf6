"""Files that a command writes: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from nas.cli.exits import CommandError


def require_suffix(path: Path, suffixes: tuple[str, ...], what: str) -> str:
    """Returns the suffix of a file that is to be written, without its dot.

    Raises:
        CommandError: it is none of `suffixes`.
    """
    if path.suffix not in suffixes:
        raise CommandError(
            f"{what} must be a file that ends in {' or '.join(suffixes)}, got {str(path)!r}; name it so"
        )
    return path.suffix[1:]


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that nobody ever reads a half of it.

    Raises:
        CommandError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except OSError as error:
        raise CommandError(
            f"a file must be writable, got {str(path)!r}: {error.strerror}; name one in a folder of yours"
        ) from None
    finally:
        with contextlib.suppress(OSError):  # of a folder that is none
            partial.unlink()
