"""Changes of a mounted file system while it is in use."""

from __future__ import annotations

import subprocess
from pathlib import Path


def remount(folder: Path, options: str) -> None:
    """Changes a mounted file system: `size=4M`, `ro`, `rw`."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)
