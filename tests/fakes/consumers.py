"""What an export's consumer has: a process that can import nothing but the libraries that a format names."""

from __future__ import annotations

import importlib.metadata
import re

# Nothing that the first word lists is there; the second is the program, and its words follow.
ALONE = """
import json, runpy, sys
blocked, finders = set(json.loads(sys.argv[1])), sys.meta_path[:]
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            return None
        found = (finder.find_spec(name, path, target) for finder in finders)
        return next((spec for spec in found if spec is not None), None)
sys.meta_path[:] = [Finder()]
sys.path.insert(0, ".")
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def _with_requirements(names: list[str]) -> set[str]:
    """Returns distributions with all that they require, extras left out."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            requirements = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform
        found.add(name)
        waiting += [re.split(r"[^\w.-]", each)[0] for each in requirements if "extra ==" not in each]
    return found


def without(libraries: list[str]) -> list[str]:
    """Returns the modules that are not there where these libraries alone are installed, ours among them."""
    kept = _with_requirements(libraries)
    modules = importlib.metadata.packages_distributions().items()
    ours = ["nas", "search_space", "scaling_rules", "runs", "dashboards"]
    others = [
        module
        for module, owners in modules
        if not {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners} & kept
    ]
    return sorted({*others, *ours})
