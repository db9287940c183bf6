"""The command that made a network: its stage's verb, the study that was named, and what is not a default."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from nas.flags import FIT_FLAGS, FLAGS, GROW_FLAGS, NETWORK_FLAGS, Flag
from nas.settings import Settings
from nas.stages.names import FIT, GRID, GROW, LONGER, SWEEP
from search_space import reference_names

_PLACES = ("Where", "Budget")  # groups of flags that do not change what one training gives
_DIMENSIONS = ("depth", "width", "resolution")


def training_command(lineage: Mapping[str, Any]) -> str | None:
    """Returns the command that trained a network, as it can be typed; None where there was none.

    Args:
        lineage: of the trial; its `arm` says of which study its own is a part, and which part.

    Example:
        >>> training_command({"study": "s", "settings": {"search": {"trials": 5, "seed": 3}}})
        'nas search --study s --seed 3 --trials 5'
    """
    stored, arm = lineage.get("settings") or {}, lineage.get("arm") or {}
    if not isinstance(stored.get("search"), Mapping):
        return None
    study, choices = str(arm.get("of") or lineage["study"]), lineage.get("choices") or {}
    if arm.get("name") not in (FIT, GRID, SWEEP, LONGER, GROW):
        trials = stored["search"].get("trials")
        words = ["nas", "search", "--study", study, *_changed(FLAGS, stored)]
        return shlex.join([*words, *(["--trials", str(trials)] if trials else [])])
    subject = _subject(study, arm.get("network"), stored)
    if arm["name"] == GROW:
        flags = (flag for flag in GROW_FLAGS if flag.name not in ("rule", "phi", "macs", "params"))
        return shlex.join(["nas", "grow", *subject, *_member(choices), *_changed(flags, stored)])
    swept = [f"{name}={choices[name]:g}" for name in _DIMENSIONS if choices.get(name, 1.0) != 1.0]
    sweep = (
        [word for one in swept or ["width=1"] for word in ("--sweep", one)] if arm["name"] == SWEEP else []
    )
    return shlex.join(["nas", "fit", *subject, *sweep, *_changed(FIT_FLAGS, stored)])


def _subject(study: str, network: str | None, stored: Mapping[str, Any]) -> list[str]:
    """Returns what was fitted or grown: a study, or the zoo's network of which one was made (a file may be gone)."""
    if network not in reference_names():
        return [study]
    return [str(network), "--study", study, *_changed(NETWORK_FLAGS, stored)]


def _member(choices: Mapping[str, Any]) -> list[str]:
    """Returns the flags that name one member: sizes are `phi 1`, `50M macs` or `1.5M params`."""
    first, _, second = str(choices.get("size") or "phi 0").partition(" ")
    size = [f"--{first}", second] if first == "phi" else [f"--{second}", first]
    return ["--rule", str(choices.get("rule") or "compound"), *size]


def _changed(flags: Iterable[Flag], stored: Mapping[str, Any]) -> list[str]:
    """Returns the flags whose settings are not the defaults."""
    defaults, stored = (json.loads(json.dumps(one)) for one in (Settings().model_dump(), stored))
    words = []
    for flag in flags:
        table, _, key = flag.path.partition(".")
        value = (stored.get(table) or {}).get(key)
        if flag.group not in _PLACES and value not in (None, defaults[table][key]):
            words += [f"--{flag.name}", _text(flag, value)]
    return words


def _text(flag: Flag, value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(_text(flag, one) for one in value)
    return f"{value:g}" if isinstance(value, float) and flag.metavar == "COST" else str(value)
