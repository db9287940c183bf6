"""Exports are run in fresh processes and compared with what the source gave on the same images."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.exporting.alone import MISSING
from nas.exporting.errors import ExportDiffers, RuntimeMissing
from nas.exporting.formats import Runnable
from nas.exporting.network import SMALLEST_SCORE

HERE = Path(__file__).parent
TIME_LIMIT_S = 600.0  # of one process

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Check:
    """How one export compares with its source.

    Args:
        path: of the export.
        variant: its name; empty for the network as it is.
        num_random, num_real: images of each kind.
        max_abs_difference: of any score.
        largest_score: of the source, as an absolute value.
        tolerance: largest share of `largest_score` that the difference may be; None: any, the accuracy decides.
        top1_agreement: share of images with the same best class; of the real ones, where there are some.
        accuracy: of the export on the real images; None without labels.
        source_accuracy: of the source on the same images.
    """

    path: str
    variant: str
    num_random: int
    num_real: int
    max_abs_difference: float
    largest_score: float
    tolerance: float | None
    top1_agreement: float
    accuracy: float | None = None
    source_accuracy: float | None = None

    @property
    def accuracy_change(self) -> float | None:
        """Returns the export's accuracy less the source's."""
        if self.accuracy is None or self.source_accuracy is None:
            return None
        return self.accuracy - self.source_accuracy

    def require_close(self, *, max_drop: float) -> None:
        """Checks the difference of scores and the loss of accuracy against what is let pass.

        Args:
            max_drop: accuracy that may be lost, in [0, 1].

        Raises:
            ExportDiffers: one of them is too large.
        """
        largest = max(self.largest_score, SMALLEST_SCORE)
        limit = None if self.tolerance is None else self.tolerance * largest
        if limit is not None and not self.max_abs_difference <= limit:
            raise ExportDiffers(
                f"the scores of {self.path} must be within {limit:.3g} of those expected, got a difference of"
                f" {self.max_abs_difference:.3g} and the same class for {self.top1_agreement:.1%} of the images;"
                " leave it out and report it"
            )
        change = self.accuracy_change
        if change is not None and -change > max_drop:
            raise ExportDiffers(
                f"{self.path} must lose at most {max_drop:g} of the accuracy, got {change:+.4f} on"
                f" {self.num_real} validation images; allow more with --max-drop,"
                " or leave it out"
            )


def compared(
    runnable: Runnable,
    scores: Floats,
    expected: Floats,
    *,
    tolerance: float | None,
    labels: NDArray[np.int64] | None = None,
) -> Check:
    """Returns how an export's scores compare with the source's.

    Args:
        runnable: the export.
        scores: its own, [images, classes].
        expected: the source's, or the export's own of an earlier time.
        tolerance: as in `Check`.
        labels: of the last images, which are real; None or none where all are random.

    Raises:
        ExportDiffers: their shapes differ, or a score is not finite.
    """
    if scores.shape != expected.shape or not np.isfinite(scores).all():
        raise ExportDiffers(
            f"{runnable.path} must give finite scores of shape {expected.shape}, got {scores.shape};"
            " leave it out and report it"
        )
    num_real = 0 if labels is None else len(labels)
    same = scores.argmax(1) == expected.argmax(1)
    real = slice(len(scores) - num_real, None)
    right: list[float | None] = [None, None]
    if labels is not None and num_real:
        right = [float((one[real].argmax(1) == labels).mean()) for one in (scores, expected)]
    return Check(
        path=runnable.path,
        variant=runnable.variant,
        num_random=len(scores) - num_real,
        num_real=num_real,
        max_abs_difference=float(np.abs(scores - expected).max()),
        largest_score=float(np.abs(expected).max()),
        tolerance=tolerance,
        top1_agreement=float(same[real if num_real else slice(None)].mean()),
        accuracy=right[0],
        source_accuracy=right[1],
    )


def scores_from(runnable: Runnable, folder: Path, inputs: NDArray[Any], spare: Mapping[str, bytes]) -> Floats:
    """Returns an export's scores, from a process in which nothing of ours can be imported.

    Args:
        runnable: the export.
        folder: that it lies in.
        inputs: normalised images, [images, channels, height, width].
        spare: `network.py` and `network.safetensors`, for what is not in the folder.

    Raises:
        ExportDiffers: it cannot be run there.
        RuntimeMissing: the library that it is for is not installed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        for name, content in spare.items():
            (place / name).write_bytes(content)
        given, written = place / "images.npy", place / "scores.npy"
        np.save(given, inputs)
        words = [*_words(runnable, folder, place), str(given), str(written)]
        command = [
            sys.executable,
            "-I",
            "-B",
            str(HERE / "alone.py"),
            str(HERE / "probes" / f"{runnable.probe}.py"),
        ]
        _run(runnable, [*command, *words], place)
        return np.asarray(np.load(written), dtype=np.float32)


def _words(runnable: Runnable, folder: Path, spare: Path) -> list[str]:
    main = folder / runnable.path
    if runnable.probe != "with_torch":
        return [str(main.resolve())]
    code = folder / runnable.code if runnable.code else spare / "network.py"
    weights = folder / runnable.weights
    if not weights.is_file():
        weights = spare / "network.safetensors"
    return [str(code.resolve()), str(weights.resolve()), runnable.dtype]


def _run(runnable: Runnable, command: Sequence[str], place: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=place, capture_output=True, text=True, check=False, timeout=TIME_LIMIT_S
        )
    except subprocess.TimeoutExpired:
        raise ExportDiffers(
            f"{runnable.path} must run in {TIME_LIMIT_S:.0f} seconds, got no end; export fewer formats at once"
        ) from None
    if done.returncode == MISSING:
        raise RuntimeMissing(f"{done.stderr.strip()} is not installed")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:300]
        raise ExportDiffers(
            f"{runnable.path} must run where nothing of this project is, got {last!a};"
            " leave it out and report it"
        )


def predict_source() -> bytes:
    """Returns the program that asks a committee, as it is written into its folder."""
    return (HERE / "predict.py").read_bytes()
