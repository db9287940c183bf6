"""A network's forward pass in torch or in onnxruntime, to be timed."""

from __future__ import annotations

import numpy as np
import onnxruntime
import torch

from nas.evaluation.latency import Pass, forward_pass, lay_out_by_channels
from nas.exporting.errors import ExportError
from nas.exporting.network import Network
from search_space.export.onnx_file import onnx_bytes

DEVICES = ("cpu", "cuda", "onnxruntime")


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
        return _session_pass(network, shape)
    module = network.module.to(device)
    lay_out_by_channels(module)
    return forward_pass(module, shape)


def _session_pass(network: Network, shape: tuple[int, int, int, int]) -> Pass:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    content = onnx_bytes(network.architecture, network.tensors)
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    inputs = {"image": np.zeros(shape, dtype=np.float32)}
    return lambda: session.run(None, inputs)
