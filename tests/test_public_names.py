"""The names that a user types: listed, importable, and cheap until they are used."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("nas", "search_space", "scaling_rules", "runs", "dashboards", "nas.cli", "nas.execution")
HEAVY = (
    "alembic",
    "scaling_rules",
    "scipy.stats",
    "torch",
    "ray",
    "optuna",
    "sqlalchemy",
    "networkx",
    "datasets",
    "kornia",
    "sklearn",
    "pandas",
    "scipy",
)


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _loaded_by(code: str) -> set[str]:
    """Returns which heavy libraries are loaded after `code` ran in a process of its own."""
    tail = f"import sys; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    return set(_python(f"{code}\n{tail}").splitlines()[-1].split())


@pytest.mark.parametrize(
    "package", ["nas", "nas.settings", "nas.config", "search_space", "scaling_rules", "runs"]
)
def test_importing_a_package_loads_no_torch_ray_or_optuna(package: str) -> None:
    assert not {"torch", "ray", "optuna"} & _loaded_by(f"import {package}")


def test_a_search_begins_without_what_it_may_never_need() -> None:
    needless = {"alembic", "datasets", "kornia", "pandas", "ray", "scaling_rules", "scipy.stats", "sklearn"}
    assert not needless & _loaded_by("import nas.stages.search")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["search", "--help"], ["db", "--help"]])
def test_help_loads_no_heavy_library_at_all(arguments: list[str]) -> None:
    code = f"""
import contextlib, io
from nas.cli import main
with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
    main({arguments!r})
assert out.getvalue()
"""
    assert _loaded_by(code) == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_the_list_of_public_names_is_complete_sorted_and_true(package: str) -> None:
    module = importlib.import_module(package)
    listed = getattr(module, "__all__", [])
    assert sorted(set(listed), key=str.swapcase) == sorted(listed, key=str.swapcase)
    for name in listed:
        assert getattr(module, name) is not None
    assert module.__file__ is not None
    assert _imported_names(Path(module.__file__)) <= set(listed) | {"annotations", "TYPE_CHECKING", "Any"}


def _imported_names(path: Path) -> set[str]:
    """Returns the names that a package imports at its top: each must be public."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names
