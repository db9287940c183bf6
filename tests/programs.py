"""Programs from outside Python that some tests need.

Where one is missing, the test is skipped loudly; under NAS_REQUIRE_ALL=1, which `make test` sets, it fails.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def missing(what: str, remedy: str) -> NoReturn:
    """Skips the test for want of `what`; fails it where the environment promises that nothing is missing."""
    message = f"MISSING: this test needs {what}; {remedy}"
    if os.environ.get("NAS_REQUIRE_ALL") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def program(name: str, *, package: str, folders: tuple[Path, ...] = ()) -> Path:
    """Returns the path of a program in `folders` or on PATH, else skips or fails the test (see `missing`)."""
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    if found := shutil.which(name):
        return Path(found)
    missing(f"the program {name!r}", f"install Debian's package {package!r} (`make test` does)")
