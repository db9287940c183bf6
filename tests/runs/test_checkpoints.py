"""The checkpoint format: refuses everything that it did not write, however it was made."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.artifact_errors import ArtifactCorrupt, BadArtifact
from runs.checkpoints import Checkpoint, decoded, encoded

CHECKPOINT = Checkpoint("key", 3, {"weights": b"abc", "rng": b""}, {"torch": "2.13"})
WHOLE = b"".join(encoded(CHECKPOINT))


def _signed(header: object) -> bytes:
    """A file whose header has the right hash, whatever it says: what a hostile writer can make."""
    line = header if isinstance(header, bytes) else json.dumps(header).encode()
    return hashlib.sha256(line).hexdigest().encode() + b"\n" + line + b"\n"


def test_the_first_two_lines_can_be_read_by_a_person() -> None:
    digest, header, rest = WHOLE.split(b"\n", 2)
    assert digest.decode() == hashlib.sha256(header).hexdigest()
    assert json.loads(header) == {
        "format": 1,
        "key": "key",
        "epoch": 3,
        "labels": {"torch": "2.13"},
        "parts": [
            {"name": "weights", "bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()},
            {"name": "rng", "bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()},
        ],
    }
    assert rest == b"abc"


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_any_changed_byte_is_refused(position: int, change: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[position] ^= change
    with pytest.raises(ArtifactCorrupt):
        decoded(bytes(damaged), key="key", epoch=3)


@given(st.integers(0, len(WHOLE) - 1))
def test_any_shorter_file_is_refused(length: int) -> None:
    with pytest.raises(ArtifactCorrupt):
        decoded(WHOLE[:length], key="key", epoch=3)


@given(st.binary(max_size=300))
def test_any_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ArtifactCorrupt):
        decoded(data, key="key", epoch=3)


@pytest.mark.parametrize("key, epoch", [("other", 3), ("key", 4)])
def test_a_checkpoint_of_other_work_or_another_epoch_is_refused(key: str, epoch: int) -> None:
    with pytest.raises(ArtifactCorrupt, match="belongs to epoch 3 of 'key'"):
        decoded(WHOLE, key=key, epoch=epoch)


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 100_000,
        b"{",
        b"\xff",
        b"NaN",
        [],
        "text",
        {},
        {"format": 2, "key": "key", "epoch": 3},
        {"format": 1, "key": ["key"], "epoch": 3},
        {"format": 1, "key": "key", "epoch": 3, "labels": {}},
        {"format": 1, "key": "key", "epoch": 3, "labels": {}, "parts": 5},
        {
            "format": 1,
            "key": "key",
            "epoch": 3,
            "labels": {},
            "parts": [{"name": "a", "bytes": "1", "sha256": ""}],
        },
        {
            "format": 1,
            "key": "key",
            "epoch": 3,
            "labels": {},
            "parts": [{"name": "a", "bytes": 1 << 80, "sha256": ""}],
        },
        {
            "format": 1,
            "key": "key",
            "epoch": 3,
            "labels": {},
            "parts": [{"name": "a", "bytes": -1, "sha256": ""}],
        },
    ],
)
def test_a_hostile_header_with_the_right_hash_is_refused(header: object) -> None:
    with pytest.raises(ArtifactCorrupt):
        decoded(_signed(header), key="key", epoch=3)


def test_a_header_beyond_its_size_is_neither_written_nor_read() -> None:
    with pytest.raises(BadArtifact, match="at most 1 MiB"):
        encoded(Checkpoint("key", 3, {}, {"label": "x" * (1 << 20)}))
    with pytest.raises(ArtifactCorrupt):
        decoded(_signed({"x": "x" * (1 << 20)}), key="key", epoch=3)


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a\n", "-rf", ".hidden", "x" * 65, "ä"])
def test_a_part_must_have_a_plain_name(name: str) -> None:
    with pytest.raises(BadArtifact, match="a checkpoint's part"):
        encoded(Checkpoint("key", 3, {name: b""}))


def test_an_epoch_is_not_negative() -> None:
    with pytest.raises(BadArtifact, match="0 or more, got -1"):
        encoded(Checkpoint("key", -1, {}))
