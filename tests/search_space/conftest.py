"""One torch thread: small networks on a loaded machine lose more to threads that wait for each other than they gain."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Lets torch compute on one core."""
    torch.set_num_threads(1)
