"""Where settings come from: flag > NAS_* variable > --config file > ./nas.toml > user's config > default.

`resolve` merges the layers key by key, remembers which layer gave each key, and checks the whole once.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import platformdirs

from nas.flags import FLAGS, Flag
from nas.settings import Settings, SettingsError, known_keys, make_settings, read_tables

DEFAULT = "default"
LOCAL_FILE = "nas.toml"
_MISSPELT = 0.9  # a NAS_ variable so like one of ours is a slip; others belong to other programs


@dataclass(frozen=True, slots=True)
class Configuration:
    """Checked settings, and the origin of each key that is not a default."""

    settings: Settings
    origins: Mapping[str, str]  # "search.target" -> "--target", "NAS_TARGET" or a file's path

    def origin(self, path: str) -> str:
        """Returns what gave the value at `table.key`."""
        return self.origins.get(path, DEFAULT)

    @property
    def storage(self) -> str:
        """Returns the storage's URL: the one given, or the default."""
        return self.settings.search.storage or default_storage()


def resolve(
    flags: Mapping[str, str | None],
    environment: Mapping[str, str],
    *,
    config: Path | None = None,
    folder: Path | None = None,
    known: Sequence[Flag] = FLAGS,
) -> Configuration:
    """Returns the settings that all layers together give.

    Args:
        flags: texts by flag name (`max-cost`); None where a flag was not given.
        environment: normally `os.environ`.
        config: the file named with `--config`; it must exist.
        folder: where `nas.toml` may lie; None takes the working directory.
        known: the command's flags.

    Raises:
        SettingsError: one sentence for each fault, with the layer that it came from.
    """
    tables: dict[str, dict[str, Any]] = {}
    origins: dict[str, str] = {}
    local = (folder or Path.cwd()) / LOCAL_FILE
    for path in (user_file(environment), local, config):
        if path is not None and (path.is_file() or path is config):
            _merge(tables, origins, read_tables(path), str(path))
    _merge(tables, origins, _from_environment(environment, origins), "")
    for flag in known:
        if (text := flags.get(flag.name)) is not None:
            _put(tables, flag.path, text)
            origins[flag.path] = f"--{flag.name}"
    return Configuration(make_settings(tables, origins=origins), origins)


def overlaid(
    settings: Settings, flags: Mapping[str, str | None], *, known: Sequence[Flag] = FLAGS
) -> Settings:
    """Returns `settings` with what `flags`, among those that are `known`, say in its place, checked again.

    Raises:
        SettingsError: one sentence for each fault.
    """
    tables = settings.model_dump()
    given = {flag: text for flag in known if (text := flags.get(flag.name)) is not None}
    for flag, text in given.items():
        _put(tables, flag.path, text)
    return make_settings(tables, origins={flag.path: f"--{flag.name}" for flag in given})


def user_file(environment: Mapping[str, str]) -> Path:
    """Returns the path of the user's own settings file, whether or not it exists."""
    home = environment.get("XDG_CONFIG_HOME")
    return (Path(home) / "nas" if home else Path(platformdirs.user_config_path("nas"))) / "config.toml"


def default_storage() -> str:
    """Returns the URL of the database in the user's data folder; the folder is made when the database is."""
    return f"sqlite:///{platformdirs.user_data_path('nas') / 'nas.db'}"


def from_text(path: str, text: str) -> Any:
    """Returns a flag's or variable's text as the plain value its field wants, or `text` where it is none.

    >>> from_text("search.trials", "50"), from_text("search.study", "50"), from_text("search.trials", "many")
    (50, '50', 'many')
    """
    table, _, key = path.partition(".")
    field = known_keys()[table].model_fields[key]
    kinds = {field.annotation, *get_args(field.annotation)}
    if bool in kinds:
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(text)
            except ValueError:
                continue
    return text


def _from_environment(environment: Mapping[str, str], origins: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Returns the tables that variables give: NAS_TARGET and NAS_SEARCH_TARGET are the same key."""
    names = {
        f"NAS_{t}_{k}".upper(): f"{t}.{k}" for t, table in known_keys().items() for k in table.model_fields
    }
    names |= {flag.variable: flag.path for flag in FLAGS}
    for name in environment:
        near = (
            difflib.get_close_matches(name, names, n=1, cutoff=_MISSPELT) if name.startswith("NAS_") else []
        )
        if near and name not in names:
            raise SettingsError(f"a NAS_ variable must be a known one, got {name}; did you mean {near[0]}?")
    tables: dict[str, dict[str, Any]] = {}
    for name, path in names.items():
        if text := environment.get(name):
            _put(tables, path, text)
            origins[path] = name
    return tables


def _put(tables: dict[str, dict[str, Any]], path: str, text: str) -> None:
    table, _, key = path.partition(".")
    tables.setdefault(table, {})[key] = from_text(path, text)


def _merge(tables: dict[str, Any], origins: dict[str, str], layer: Mapping[str, Any], source: str) -> None:
    """Lays `layer` over `tables`, key by key; `source` becomes the origin of its keys unless it is empty."""
    for name, table in layer.items():
        if not isinstance(table, Mapping):
            raise SettingsError(
                f"{source}: `{name}` must be a table or in one, got {table!r}; write `[search]` above it"
            )
        tables.setdefault(name, {}).update(table)
        if source:
            origins.update({name: source, **{f"{name}.{key}": source for key in table}})


def environment() -> Mapping[str, str]:
    """Returns the process's environment: the one place that reads it."""
    return os.environ
