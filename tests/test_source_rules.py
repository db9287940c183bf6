"""Rules that the whole source keeps, checked on its syntax trees."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("nas", "search_space", "scaling_rules", "runs", "dashboards")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
HARNESS = sorted(
    path for package in (*PACKAGES, "benchmarks", "examples") for path in (ROOT / package).rglob("*.py")
)

# Functions that are a door to a heavy library which most callers never need.
DOORS = {
    "nas/evaluation/augmentation.py": {"_policy"},  # half a second, which every worker would wait
    "runs/migrate.py": {"_run_migrations"},  # a fifth of a second, and most storages need no migration
    "runs/store.py": {"optuna"},  # a ledger is opened a hundred times for each study that Optuna reads
}

# Calls that run code or skip a check when fed a hostile file, by dotted name.
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "os.system",
    "pickle.load",
    "pickle.loads",
    "pickle.dump",
    "pickle.dumps",
    "joblib.load",
    "joblib.dump",
    "torch.save",
    "yaml.load",
    "yaml.unsafe_load",
}
FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
FORBIDDEN_ARGUMENTS = {"shell": True, "verify": False, "weights_only": False, "allow_pickle": True}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", HARNESS, ids=_name)
def test_nothing_is_pickled_and_no_text_becomes_code(path: Path) -> None:
    tree = _tree(path)
    assert not FORBIDDEN_MODULES & {module.split(".")[0] for module in _imported(tree)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = _dotted(node.func)
        assert name not in FORBIDDEN_CALLS, f"line {node.lineno}: {name}"
        given = {word.arg: word.value.value for word in node.keywords if isinstance(word.value, ast.Constant)}
        assert not set(FORBIDDEN_ARGUMENTS.items()) & {
            (k, v) for k, v in given.items() if isinstance(v, bool)
        }
        assert name != "torch.load" or given.get("weights_only") is True, f"line {node.lineno}: torch.load"


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_every_file_says_first_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    sentence = (ast.get_docstring(_tree(path)) or "").partition("\n")[0]
    assert text.startswith('"""') and sentence and sentence[0].isupper()


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_imports_stand_at_the_top_outside_the_command_line(path: Path) -> None:
    """The command line imports inside commands, and a package's `__getattr__` what a public name needs."""
    if (ROOT / "nas" / "cli") in path.parents:
        return
    doors = {"__getattr__"} | DOORS.get(_name(path), set())
    for function in ast.walk(_tree(path)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name not in doors:
            inner = [node for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)]
            assert not inner, f"line {inner[0].lineno}: import inside {function.name}"


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_file_has_at_most_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_the_package_runs_is_tracked_and_holds_only_python() -> None:
    """`runs/` is the default output folder of other tools, and often ignored by git."""
    listed = subprocess.run(
        ["git", "ls-files", "runs"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert "runs/__init__.py" in listed
    assert {Path(name).suffix for name in listed} <= {".py", ".mako"}
    ignored = subprocess.run(["git", "check-ignore", "runs/anything.py"], cwd=ROOT, check=False)
    assert ignored.returncode == 1, "runs/ must not be ignored by git"
