"""The git revision of the code that runs: of the checkout that it lies in, or of the one that pip installed it from."""

from __future__ import annotations

import json
import os
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

DIGITS = 12  # of a revision; git's own abbreviations grow with the repository
TIME_LIMIT_S = 10.0  # of git, on a busy machine
_DESCRIBE = ("describe", "--always", f"--abbrev={DIGITS}", "--dirty=.dirty", "--exclude=*")


def checkout_revision(folder: Path) -> str | None:
    """Returns the revision of the checkout that `folder` is, with `.dirty` where files differ; None: it is none.

    Example:
        >>> checkout_revision(Path("/")) is None
        True
    """
    if not (folder / ".git").exists():
        return None
    # To look must not write, nor lead to the repository of a hook that this runs in.
    quiet = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    quiet["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *_DESCRIBE],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIME_LIMIT_S,
            env=quiet,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def installed_revision(name: str) -> str | None:
    """Returns the revision that pip says it installed a package from (PEP 610); None: it says none."""
    try:
        told = json.loads(distribution(name).read_text("direct_url.json") or "{}")
        return str(told["vcs_info"]["commit_id"])[:DIGITS]
    except (PackageNotFoundError, KeyError, TypeError, ValueError):
        return None
