"""Asks a committee of networks about images, the smallest network first: python predict.py IMAGE...

It needs numpy, onnxruntime and pillow. What it reads lies beside it: `committee.json` and the
networks as ONNX files. The predictions of the networks so far are averaged; as soon as the greatest probability
reaches the threshold, the others are not asked (Wang et al. 2020, "Wisdom of Committees", section 3).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

try:
    import numpy as np
    import onnxruntime
    from numpy.typing import NDArray
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf, NoSuchFile
    from PIL import Image, ImageOps
except ImportError as missing:
    if __name__ != "__main__":
        raise
    print(
        f"error: this program needs numpy, onnxruntime and pillow, got no {missing.name};"
        " pip install numpy onnxruntime pillow",
        file=sys.stderr,
    )
    sys.exit(2)

USAGE = (
    "usage: python predict.py IMAGE...\n"
    "Prints for each image its name, its class, the probability, and how many networks were asked."
)
FOLDER = Path(__file__).resolve().parent
SMALLEST = 1e-300  # of a probability whose logarithm is taken

Floats = NDArray[np.float64]
Levels = NDArray[np.uint8]


class Unusable(ValueError):
    """A file that this program cannot use: one sentence with rule, value and remedy."""


class Committee:
    """Networks, the cheapest first, and when to stop asking."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.facts: dict[str, Any] = json.loads((folder / "committee.json").read_text(encoding="utf-8"))
        self.classes: list[str] = self.facts["classes"]
        self.sessions = [
            onnxruntime.InferenceSession(str(folder / member["path"]), providers=["CPUExecutionProvider"])
            for member in self.facts["members"]
        ]

    def ask(self, levels: Levels) -> tuple[Floats, NDArray[np.int64]]:
        """Returns the probabilities, [images, classes], and how many networks each image needed.

        Args:
            levels: images with levels from 0 to 255, [images, channels, side, side], at least as large as the
                largest network's input.
        """
        members = self.facts["members"]
        votes = np.zeros((len(members), len(levels), len(self.classes)))
        probabilities = np.zeros(votes.shape[1:])
        asked = np.zeros(len(levels), dtype=np.int64)
        waiting = np.arange(len(levels))
        for number, member in enumerate(members):
            votes[number, waiting] = self._vote(number, member, levels[waiting])
            probabilities[waiting] = mean_of(votes[: number + 1, waiting], self.facts["mean"])
            asked[waiting] = number + 1
            waiting = waiting[probabilities[waiting].max(1) < self.facts["threshold"]]
            if not len(waiting):
                break
        return probabilities, asked

    def _vote(self, number: int, member: dict[str, Any], levels: Levels) -> Floats:
        mean, std = (np.array(member[name], dtype=np.float32)[:, None, None] for name in ("mean", "std"))
        inputs = (resized(levels, member["resolution"]).astype(np.float32) / 255.0 - mean) / std
        return softmax(self.sessions[number].run(["scores"], {"image": inputs})[0])


def mean_of(votes: Floats, kind: str) -> Floats:
    """Returns the arithmetic or geometric mean of votes, [networks, images, classes], adding up to 1."""
    if kind == "arithmetic":
        return np.asarray(votes.mean(0))
    return softmax(np.log(np.maximum(votes, SMALLEST)).mean(0))


def softmax(scores: NDArray[Any]) -> Floats:
    """Returns scores as probabilities."""
    powers = np.exp(scores.astype(np.float64) - scores.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def resized(levels: Levels, size: int) -> Levels:
    """Returns square images made smaller by exact means of areas, as in training."""
    side = levels.shape[-1]
    if side == size:
        return levels
    edges = np.arange(max(side, size) + 1)
    starts, stops = edges[:size] * side, edges[1 : size + 1] * side
    overlap = np.minimum(stops[:, None], edges[1 : side + 1] * size) - np.maximum(
        starts[:, None], edges[:side] * size
    )
    weights = np.maximum(overlap, 0).astype(np.int64)  # [size, side]; each row adds up to side
    sums = weights @ levels.astype(np.int64) @ weights.T
    return np.asarray((sums + side * side // 2) // (side * side), dtype=np.uint8)


def picture(path: str, channels: int, side: int) -> Levels:
    """Returns an image file as a square, cropped about its centre.

    Raises:
        Unusable: it is no image that pillow reads.
    """
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened).convert("L" if channels == 1 else "RGB")
            pixels = np.asarray(ImageOps.fit(image, (side, side), Image.Resampling.BILINEAR), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Unusable(
            f"an image must be a file that pillow reads, got {path!r} ({type(error).__name__}); check the path"
        ) from None
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def opened_committee() -> Committee:
    """Returns the committee beside this file.

    Raises:
        Unusable: a file of it is missing or broken.
    """
    try:
        return Committee()
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        Fail,
        InvalidGraph,
        InvalidProtobuf,
        NoSuchFile,
    ) as error:
        told = " ".join(str(error).split())[:200]
        raise Unusable(
            f"committee.json and its networks must lie beside this program, got {type(error).__name__} ({told});"
            " copy the whole folder"
        ) from None


def answers(committee: Committee, paths: Sequence[str]) -> Iterator[str | Unusable]:
    """Yields for each image its line, or why it has none."""
    channels, side = committee.facts["channels"], committee.facts["resolution"]
    for path in paths:
        try:
            levels = picture(path, channels, side)
        except Unusable as error:
            yield error
            continue
        probabilities, asked = committee.ask(levels[None])
        best = int(probabilities[0].argmax())
        yield f"{path}\t{committee.classes[best]}\t{probabilities[0, best]:.4f}\t{asked[0]}"


def main(words: Sequence[str]) -> int:
    """Prints a line for each image, and one on stderr for each that is none; returns 2 where there was one."""
    if words and words[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    if not words:
        print(USAGE, file=sys.stderr)
        return 2
    code = 0
    try:
        for answer in answers(opened_committee(), words):
            if isinstance(answer, str):
                print(answer, flush=True)
            else:
                print(f"error: {answer}", file=sys.stderr)
                code = 2
    except Unusable as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
