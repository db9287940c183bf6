"""A disk that takes its time: every `fsync` and `fdatasync` of a process and its children waits before it is done.

What a durable commit costs differs a hundredfold between disks (0.1 to 10 ms), and with it every ratio to it. A
promise that was made for one disk is measured on the same one anywhere, ours and the peer's alike.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static int after_a_while(const char *name, int file) {
    usleep(atoi(getenv("BENCHMARK_SYNC_US")));
    int (*next)(int) = dlsym(RTLD_NEXT, name);
    return next(file);
}
int fsync(int file) { return after_a_while("fsync", file); }
int fdatasync(int file) { return after_a_while("fdatasync", file); }
"""


@contextmanager
def slow_disk(sync_ms: float) -> Iterator[dict[str, str] | None]:
    """Yields the environment of a process whose disk takes this long for a sync; None without a C compiler.

    Args:
        sync_ms: ms that are added to each sync, > 0.

    Example:
        >>> with slow_disk(4.0) as environment:
        ...     subprocess.run([sys.executable, "-m", "benchmarks.storage"], env=environment)
    """
    compiler = shutil.which("cc")
    if compiler is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="nas-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's server runs as somebody else
        source, library = folder / "slow_disk.c", folder / "slow_disk.so"
        source.write_text(_SOURCE)
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
        yield os.environ | {"LD_PRELOAD": str(library), "BENCHMARK_SYNC_US": str(int(1000 * sync_ms))}
