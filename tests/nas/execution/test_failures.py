"""Exceptions become failures: their class, their text within bounds, and no secret in it."""

from __future__ import annotations

import errno

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ray.exceptions import ActorDiedError, OutOfMemoryError

from nas.execution.failures import MAX_TRACEBACK_BYTES, NotFinite, capped, failure, failure_class, masked
from runs import FailureClass
from tests.fakes.evaluators import Diverged


def raised_from(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("bad"), FailureClass.USER_ERROR),
        (RuntimeError("shape mismatch"), FailureClass.USER_ERROR),
        (FileNotFoundError(errno.ENOENT, "missing"), FailureClass.USER_ERROR),
        (Diverged("said by the exception itself"), FailureClass.DIVERGED),
        (NotFinite("inf"), FailureClass.DIVERGED),
        (FloatingPointError("overflow"), FailureClass.DIVERGED),
        (MemoryError(), FailureClass.OOM_HOST),
        (torch.OutOfMemoryError("CUDA out of memory"), FailureClass.OOM_DEVICE),
        (RuntimeError("CUDA error: out of memory"), FailureClass.OOM_DEVICE),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling"), FailureClass.OOM_DEVICE),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), FailureClass.OOM_HOST),
        (OSError(errno.ENOSPC, "No space left on device"), FailureClass.STORAGE),
        (OSError(errno.EIO, "Input/output error"), FailureClass.STORAGE),
        (ActorDiedError(), FailureClass.PREEMPTED),
        (OutOfMemoryError("the node ran low"), FailureClass.OOM_HOST),
        (raised_from(RuntimeError("loader"), MemoryError()), FailureClass.OOM_HOST),
    ],
    ids=repr,
)
def test_an_exception_has_its_class(error: BaseException, expected: FailureClass) -> None:
    assert failure_class(error) is expected


def test_torch_says_of_real_exhaustion_what_we_look_for() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert failure_class(caught.value) is FailureClass.OOM_HOST


def test_causes_in_a_circle_are_left() -> None:
    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert failure_class(first) is FailureClass.USER_ERROR


def test_an_exception_that_cannot_be_printed_is_still_a_failure() -> None:
    class Poisoned(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "Poisoned" in failure("key", Poisoned(), seconds=1.0).message


@given(st.text(max_size=200), st.integers(100, 300))
def test_capped_text_fits_and_short_text_is_whole(text: str, max_bytes: int) -> None:
    result = capped(text, max_bytes)
    assert len(result.encode()) <= max_bytes
    if len(text.encode("utf-8", "replace")) <= max_bytes:
        assert result == text.encode("utf-8", "replace").decode()


def test_a_huge_traceback_keeps_its_two_ends() -> None:
    text = capped("beginning" + "é" * MAX_TRACEBACK_BYTES + "end")
    assert text.startswith("beginning") and text.endswith("end")
    assert len(text.encode()) <= MAX_TRACEBACK_BYTES


@pytest.mark.parametrize(
    "text",
    [
        "postgresql+psycopg://ann:hunter2@db:5432/nas",
        "postgresql://:hunter2@db/nas",
        "s3://AKIA:hunter2@bucket",
        "password=hunter2 host=db",
        "{'password': 'hunter2'}",
        "api_key: hunter2",
        "Authorization: Bearer hunter2",
        "https://host/path?token=hunter2&x=1",
    ],
)
def test_secrets_are_masked(text: str) -> None:
    assert "hunter2" not in masked(text, {})


def test_values_of_secret_variables_are_masked_wherever_they_stand() -> None:
    environment = {"PGPASSWORD": "correct-horse", "HOME": "/home/ann", "HF_TOKEN": "1"}
    assert masked("at /home/ann with correct-horse 1", environment) == "at /home/ann with *** 1"


@pytest.mark.parametrize("text", ["https://host:8080/path", "a @ b: c", "http://host/a:b@c", "ratio 1:2"])
def test_innocent_text_is_left_alone(text: str) -> None:
    assert masked(text, {}) == text
