"""Runs a script in a process in which nothing of this project can be imported: `python -I alone.py SCRIPT WORDS`.

It is started as a program, by its path; only its constants are imported.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

# Libraries that exports are run in and that need not be there; without one the process ends with MISSING.
RUNTIMES = ("onnxruntime", "timm", "torchvision")
MISSING = 77
OURS = ("nas", "search_space", "scaling_rules", "runs", "dashboards")


class Refusal(MetaPathFinder):
    """Finds nothing of ours, before anybody else looks."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Raises for names of this project; leaves all others to the finders that follow."""
        if fullname.partition(".")[0] in OURS:
            raise ModuleNotFoundError(
                f"an export must need nothing of ours, got import {fullname}", name=fullname
            )


def main() -> None:
    """Runs the script named first with the words that follow."""
    sys.meta_path.insert(0, Refusal())
    sys.argv = sys.argv[1:]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in RUNTIMES:
            raise
        print(name, file=sys.stderr)
        sys.exit(MISSING)


if __name__ == "__main__":
    main()
