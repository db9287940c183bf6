"""An ONNX file in int8: static ranges from real images, weights per channel, by onnxruntime."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

_BATCH = 16


class _Batches:
    """Images in batches, as onnxruntime's calibration asks for them."""

    def __init__(self, images: NDArray[np.float32]) -> None:
        starts = range(0, len(images), _BATCH)
        self._batches: Iterator[dict[str, Any]] = iter(
            [{"image": images[start : start + _BATCH]} for start in starts]
        )

    def get_next(self) -> dict[str, Any] | None:
        return next(self._batches, None)


def quantised(content: bytes, calibration: NDArray[np.float32]) -> bytes:
    """Returns an ONNX file with weights and activations of 8 bits.

    Args:
        content: in float32, with an input `image`; its metadata stay.
        calibration: normalised images, [images, channels, height, width].
    """
    original = onnx.load_from_string(content)
    model = onnx.shape_inference.infer_shapes(original)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        target = Path(folder) / "int8.onnx"
        previous = logging.root.level
        logging.root.setLevel(logging.ERROR)  # its advice is about files that were not prepared here
        try:
            quantize_static(
                model,
                target,
                _Batches(calibration),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
            )
        finally:
            logging.root.setLevel(previous)
        made = onnx.load(target)
    del made.metadata_props[:]
    made.metadata_props.extend(original.metadata_props)
    return bytes(made.SerializeToString())
