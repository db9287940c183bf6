"""A network's forward pass in torch or in onnxruntime, to be timed; or that of an ONNX file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime.capi import onnxruntime_pybind11_state as state

from nas.evaluation.latency import Pass, forward_pass, lay_out_by_channels
from nas.exporting.errors import ExportError, NothingToExport
from nas.exporting.network import Network
from search_space.export.onnx_file import onnx_bytes

DEVICES = ("cpu", "cuda", "onnxruntime")
MAX_FILE_BYTES = 2 << 30  # what one ONNX file can have
_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_REFUSED = (
    state.Fail,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.InvalidArgument,
    state.NotImplemented,
)


@dataclass(frozen=True, slots=True)
class Timed:
    """What is timed: its name, the side of its input in pixels, and one forward pass."""

    name: str
    resolution: int
    run: Pass


def pass_of(network: Network, device: str, batch_size: int) -> Pass:
    """Returns a forward pass on one thread of the CPU, by torch or onnxruntime, or on the GPU.

    Raises:
        ExportError: the device is unknown, or there is no GPU.
    """
    side = network.architecture.resolution
    shape = (batch_size, network.architecture.input_channels, side, side)
    if device not in DEVICES:
        raise ExportError(f"a device must be one of {', '.join(DEVICES)}, got {device!r}; choose from them")
    if device == "cuda" and not torch.cuda.is_available():
        raise ExportError("cuda needs a GPU that torch can use, got none; take cpu or onnxruntime")
    if device == "onnxruntime":
        return _session_pass(_session(onnx_bytes(network.architecture, network.tensors)), shape)
    module = network.module.to(device)
    lay_out_by_channels(module)
    return forward_pass(module, shape)


def timed_file(path: Path, batch_size: int) -> Timed:
    """Returns an ONNX file as it is, in whatever precision, to be timed in onnxruntime on one thread.

    Raises:
        NothingToExport: it is no file that onnxruntime runs.
        ExportError: its input is not square images, or not as many at once.

    Example:
        >>> timed_file(Path("first_0_int8.onnx"), 1).resolution
    """
    if not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
        raise NothingToExport(
            f"an ONNX file must exist and have at most {MAX_FILE_BYTES} bytes, got {str(path)!r}; check the path"
        )
    try:
        session = _session(path.read_bytes())  # as bytes: what it names outside itself is not read
    except _REFUSED as error:
        raise NothingToExport(
            f"an ONNX file must run in onnxruntime, got {str(path)!r} ({str(error).splitlines()[0][:200]});"
            " `nas export --to onnx` writes one"
        ) from None
    shape = [list(one.shape) for one in session.get_inputs()]
    first = shape[0] if len(shape) == 1 else []
    sizes = [one for one in first[1:] if isinstance(one, int)]
    fits = len(first) == 4 and len(sizes) == 3 and sizes[1] == sizes[2]
    if not fits or (isinstance(first[0], int) and first[0] != batch_size):
        raise ExportError(
            f"an ONNX file to be timed must take {batch_size} square images of one size, got {str(path)!r},"
            f" which takes {shape}; choose another, or its --batch"
        )
    channels, side, _ = sizes
    return Timed(path.stem, side, _session_pass(session, (batch_size, channels, side, side)))


def _session(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _session_pass(session: onnxruntime.InferenceSession, shape: tuple[int, int, int, int]) -> Pass:
    [first] = session.get_inputs()
    inputs = {first.name: np.zeros(shape, dtype=_DTYPES.get(first.type, np.float32))}
    return lambda: session.run(None, inputs)
