"""Search, fit, grow and export small networks. The names a user types; heavy libraries load on first use.

Example:
    from nas import best, build, make_settings, search

    search(make_settings({"search": {"study": "first", "target": "1M", "trials": 20}}))
    network = build(best("first"))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.building import build
    from nas.reward import Reward
    from nas.settings import Settings, SettingsError, load_settings, make_settings
    from nas.stages.arms import Watch
    from nas.stages.baseline import adopt
    from nas.stages.fit import FitReport, fit
    from nas.stages.grow import GrowReport, grow
    from nas.stages.search import SearchReport, resume, search
    from nas.study import Candidate, Study, best

__all__ = [
    "Candidate",
    "FitReport",
    "GrowReport",
    "Reward",
    "SearchReport",
    "Settings",
    "SettingsError",
    "Study",
    "Watch",
    "adopt",
    "best",
    "build",
    "fit",
    "grow",
    "load_settings",
    "make_settings",
    "resume",
    "search",
]

_HOMES = {
    "nas.building": ("build",),
    "nas.reward": ("Reward",),
    "nas.settings": ("Settings", "SettingsError", "load_settings", "make_settings"),
    "nas.stages.arms": ("Watch",),
    "nas.stages.baseline": ("adopt",),
    "nas.stages.fit": ("FitReport", "fit"),
    "nas.stages.grow": ("GrowReport", "grow"),
    "nas.stages.search": ("SearchReport", "resume", "search"),
    "nas.study": ("Candidate", "Study", "best"),
}


def __getattr__(name: str) -> Any:
    """Loads a public name, and with it torch and Optuna where it needs them, when it is first asked for."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'nas' has no attribute {name!r}")
