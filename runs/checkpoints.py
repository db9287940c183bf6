"""The format of a checkpoint file: one file that says what it is, and proves it.

    line 1   sha256 of line 2, in hexadecimal
    line 2   JSON: format, key, epoch, labels, and name, bytes and sha256 of each part
    then     the parts, one after another, to the last byte

One file, because its rename (or an object store's put) then makes the whole checkpoint appear at once. Every
byte is under a hash: `torch.load` and safetensors accept flipped bits without a word.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runs.artifact_errors import ArtifactCorrupt, BadArtifact

FORMAT = 1
MAX_HEADER_BYTES = 1 << 20  # a small JSON document; more is not ours
_PART_NAME = re.compile(r"\w[\w.-]{0,63}", re.ASCII)
_DIGEST_BYTES = 64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of one piece of work after an epoch: parts by name; labels (versions, digests) are words."""

    key: str
    epoch: int
    files: Mapping[str, bytes]
    labels: Mapping[str, str] = field(default_factory=dict)


def encoded(checkpoint: Checkpoint) -> list[bytes]:
    """Returns the file of `checkpoint`, in chunks: two lines, then each part as it is (not copied).

    Raises:
        BadArtifact: when a part has no plain name, the epoch is negative, or the header is larger than 1 MiB.
    """
    for name in checkpoint.files:
        if _PART_NAME.fullmatch(name) is None:
            raise BadArtifact(
                f"a checkpoint's part must be named by 1 to 64 of A-Z a-z 0-9 _ . -, got {name!a}; rename it"
            )
    if checkpoint.epoch < 0:
        raise BadArtifact(f"an epoch must be 0 or more, got {checkpoint.epoch}; count from the start")
    header = {
        "format": FORMAT,
        "key": checkpoint.key,
        "epoch": checkpoint.epoch,
        "labels": dict(checkpoint.labels),
        "parts": [
            {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in checkpoint.files.items()
        ],
    }
    line = json.dumps(header, ensure_ascii=True, allow_nan=False).encode()
    if len(line) > MAX_HEADER_BYTES:
        raise BadArtifact(f"a checkpoint's header has at most 1 MiB, got {len(line)} bytes; shorten labels")
    return [f"{hashlib.sha256(line).hexdigest()}\n".encode(), line + b"\n", *checkpoint.files.values()]


def decoded(data: bytes, *, key: str, epoch: int) -> Checkpoint:
    """Returns the checkpoint that `data` holds, all hashes verified.

    Raises:
        ArtifactCorrupt: when `data` is not, to the byte, what `encoded` made for this key and epoch.

    >>> decoded(b"".join(encoded(Checkpoint("k", 3, {"weights": b"abc"}))), key="k", epoch=3).files
    {'weights': b'abc'}
    """
    try:
        header, rest = _split(data)
        if (header["key"], header["epoch"]) != (key, epoch):
            raise ArtifactCorrupt(f"it belongs to epoch {header['epoch']!a} of {header['key']!a}")
        return Checkpoint(key, epoch, _parts(header["parts"], rest), header["labels"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ArtifactCorrupt(f"it is no checkpoint: {error!a:.200}") from error


def _split(data: bytes) -> tuple[dict[str, Any], memoryview]:
    """Returns the verified header, and the bytes of the parts."""
    start = _DIGEST_BYTES + 1
    end = data.find(b"\n", start, start + MAX_HEADER_BYTES + 1)
    line = data[start:end]
    if end < 0 or data[:start] != f"{hashlib.sha256(line).hexdigest()}\n".encode():
        raise ArtifactCorrupt("its header does not have the hash that stands before it")
    header: dict[str, Any] = json.loads(line)
    if header["format"] != FORMAT:
        raise ArtifactCorrupt(f"it has format {header['format']!a}, and this version reads format {FORMAT}")
    return header, memoryview(data)[end + 1 :]


def _parts(entries: list[dict[str, Any]], rest: memoryview) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for entry in entries:
        content = bytes(rest[: entry["bytes"]])
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise ArtifactCorrupt(f"its part {entry['name']!a} does not have the hash stored with it")
        files[entry["name"]] = content
        rest = rest[len(content) :]
    if rest:
        raise ArtifactCorrupt(f"{len(rest)} bytes follow its last part")
    return files
