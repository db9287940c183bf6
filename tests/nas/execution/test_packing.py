"""How many trainings share a machine: by cores, by memory, by what a probe found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.execution.packing import CONTEXT_BYTES, on_cores, on_gpu

GB = 10**9


@pytest.mark.parametrize(
    ("step_s", "threads", "workers"),
    [
        ({1: 1.0, 2: 0.5, 4: 0.25}, 1, 4),  # no difference: the fewest threads
        ({1: 1.0, 2: 0.4, 4: 0.3}, 2, 2),
        ({1: 1.0, 2: 0.6, 4: 0.1}, 4, 1),
        ({1: 1.0, 2: 0.99, 4: 0.98}, 1, 4),
        ({3: 1.0}, 3, 1),
    ],
)
def test_cores_go_to_the_threads_that_take_most_steps(
    step_s: dict[int, float], threads: int, workers: int
) -> None:
    found = on_cores(step_s, GB, cores=4, memory_bytes=100 * GB)
    assert (found.num_threads, found.num_workers, found.gpu_share) == (threads, workers, 0.0)
    assert "ms on" in found.why


def test_where_memory_is_short_fewer_workers_get_more_threads() -> None:
    found = on_cores({1: 1.0, 2: 0.6, 4: 0.4}, 4 * GB, cores=4, memory_bytes=5 * GB)
    assert (found.num_threads, found.num_workers) == (4, 1)


@given(
    st.dictionaries(st.sampled_from([1, 2, 4, 8]), st.floats(1e-4, 1e4), min_size=1),
    st.integers(1, 100 * GB),
    st.integers(8, 256),
    st.integers(1, 1000 * GB),
)
def test_no_core_and_no_memory_is_given_out_twice(
    step_s: dict[int, float], peak: int, cores: int, memory: int
) -> None:
    found = on_cores(step_s, peak, cores=cores, memory_bytes=memory)
    assert 1 <= found.num_workers and found.num_workers * found.num_threads <= cores
    assert found.num_workers == 1 or found.num_workers * peak <= memory


@given(st.integers(1, 100 * GB), st.integers(0, 10 * GB), st.integers(8 * GB, 200 * GB), st.integers(1, 256))
def test_trainings_that_share_a_gpu_fit_into_its_memory(
    peak: int, data: int, device: int, cores: int
) -> None:
    found = on_gpu(peak, data_bytes=data, device_bytes=device, cores=cores)
    assert 1 <= found.num_workers <= cores
    assert found.num_workers == 1 or found.num_workers * (peak + data + CONTEXT_BYTES) <= device
    assert int(1 / found.gpu_share) == found.num_workers, "so many fit on one by their shares"
