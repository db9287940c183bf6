"""Runs benchmarks: `python -m benchmarks NAME|all [--json] [--record]`; `all` records.

To record is to replace the benchmark's section of RESULTS.md beside this file, with the date and the machine.

A benchmark is a module of this folder with a NAME and `run() -> list[Row]`, which measures ours and the peer
side by side in one run. Under `all` each has a process of its own, so that none inherits another's caches or
threads.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import importlib
import json
import os
import pkgutil
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import benchmarks
from benchmarks.row import Row

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "RESULTS.md"
COMMAND = "python -m benchmarks"

Benchmark = Callable[[], list[Row]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what `arguments` name; returns 0 when promises were met, 1 when not, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__, allow_abbrev=False)
    parser.add_argument("name", help="a benchmark, or `all`")
    parser.add_argument("--json", action="store_true", help="print one JSON list of rows")
    parser.add_argument("--record", action="store_true", help="replace the section of RESULTS.md")
    given = parser.parse_args(arguments)
    if given.name == "all":
        return _run_all(as_json=given.json)
    known = found()
    if given.name not in known:
        near = difflib.get_close_matches(given.name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "choose one of them"
        parser.error(f"a benchmark must be all or one of {', '.join(known)}, got {given.name!r}; {hint}")
    rows = known[given.name]()
    if given.record:
        record(given.name, table(rows))
    print(json.dumps([dataclasses.asdict(row) for row in rows], indent=2) if given.json else table(rows))
    return int(any(row.met is False for row in rows))


def found() -> dict[str, Benchmark]:
    """Returns the benchmarks of this folder by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    modules = [importlib.import_module(f"benchmarks.{name}") for name in names if not name.startswith("_")]
    return {
        module.NAME: module.run for module in modules if hasattr(module, "NAME") and hasattr(module, "run")
    }


def table(rows: Sequence[Row]) -> str:
    """Returns rows as a Markdown table."""
    lines = ["| what | ours | peer | unit | ratio | target | met |", "|---|--:|--:|---|--:|--:|---|"]
    for row in rows:
        target = "" if row.target is None else f"{row.target:g}"
        met = {True: "yes", False: "**no**", None: ""}[row.met]
        numbers = f"{row.ours:.4g} | {row.peer:.4g} | {row.unit} | {row.ratio:.3g} | {target} | {met}"
        lines.append(f"| {row.what} | {numbers} |")
    return "\n".join(lines)


def machine() -> str:
    """Returns on what the numbers were measured, in one line."""
    cpu = next(
        (line.partition(": ")[2] for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ""
    )
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    memory = f"{pages * size / 2**30:.0f} GiB"
    system = f"{platform.system()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores of {cpu or platform.machine()}, {memory}, {system}"


def record(name: str, result: str) -> None:
    """Replaces the section of one benchmark in RESULTS.md; sections stand in the order of their names."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    sections = {part.partition("\n")[0].strip(): part for part in text.split("\n## ")[1:]}
    date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    sections[name] = f"{name}\n\n`{COMMAND} {name} --record`, {date}, {machine()}\n\n{result}\n"
    parts = [f"## {sections[key].strip()}\n" for key in sorted(sections)]
    head = "# Results\n\nMeasured by the command above each table; `make bench` runs them all.\n"
    RESULTS.write_text("\n".join([head, *parts]), encoding="utf-8")


def _run_all(*, as_json: bool) -> int:
    """Runs every benchmark in its own process, one after another, and records each."""
    everything, failed = [], []
    for name in found():
        print(f"{name} ...", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "benchmarks", name, "--json"]
        done = subprocess.run(command, cwd=FOLDER.parent, check=False, stdout=subprocess.PIPE, text=True)
        if done.returncode not in (0, 1) or not done.stdout.strip():
            failed.append(name)
            record(name, f"It ended with {done.returncode} and no result.")
            continue
        rows = [Row(**row) for row in json.loads(done.stdout)]
        everything += rows
        record(name, table(rows))
    print(
        json.dumps([dataclasses.asdict(row) for row in everything], indent=2)
        if as_json
        else RESULTS.read_text(encoding="utf-8")
    )
    return int(bool(failed) or any(row.met is False for row in everything))


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main())
