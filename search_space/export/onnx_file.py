"""A network as an ONNX file: written from its graph, operator by operator, with folded normalisation.

The input `image` [batch, channels, height, width] is float32 and already normalised, the batch of any size;
`scores` are [batch, classes]. No exporter of torch is involved, so the same network gives the same file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper

from search_space.architecture import Architecture
from search_space.export.folding import folded, folded_tensors
from search_space.export.onnx_operators import OPSET, Sheet, Use, write
from search_space.export.preprocessing import Preprocessing, preprocessing_json
from search_space.graph import Graph, chained
from search_space.lowering import parts

IR_VERSION = 9  # the format's own version that came with operator set 20
INPUT, OUTPUT = "image", "scores"


def onnx_bytes(
    architecture: Architecture,
    tensors: Mapping[str, torch.Tensor],
    *,
    preprocessing: Preprocessing | None = None,
    dtype: type[np.floating[Any]] = np.float32,
) -> bytes:
    """Returns the network as an ONNX file of operator set 20.

    Args:
        architecture: what to write, without auxiliary classifiers.
        tensors: all its parameters and buffers by name.
        preprocessing: kept in the file's metadata, as JSON.
        dtype: of weights and computation, float32 or float16; input and scores stay float32.

    Raises:
        ValueError: the network has auxiliary classifiers.

    Example:
        Path("network.onnx").write_bytes(onnx_bytes(architecture, module.state_dict()))
    """
    if architecture.auxiliary:
        raise ValueError("an ONNX file has one output, got a network with auxiliary classifiers; drop them")
    chain = list(parts(architecture))
    arrays = {name: tensor.cpu().numpy() for name, tensor in folded_tensors(chain, tensors).items()}
    graph = chained(folded(chain))
    sheet = Sheet(arrays, dtype)
    _write_nodes(sheet, graph)
    model = helper.make_model(
        helper.make_graph(
            sheet.nodes,
            "network",
            [helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, ["batch", *graph.inputs[0]])],
            [
                helper.make_tensor_value_info(
                    OUTPUT, onnx.TensorProto.FLOAT, ["batch", architecture.num_classes]
                )
            ],
            list(sheet.constants.values()),
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="nas-compound",
    )
    known = {"architecture": architecture.to_json(), "digest": architecture.digest}
    helper.set_model_props(model, known | preprocessing_json(preprocessing))
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def onnx_preprocessing(properties: Mapping[str, str]) -> Preprocessing | None:
    """Returns what an ONNX file's metadata say about its input; None where they say nothing."""
    text = properties.get("preprocessing")
    return None if text is None else Preprocessing.from_dict(json.loads(text))


def _write_nodes(sheet: Sheet, graph: Graph) -> None:
    names: list[str] = [INPUT]
    if sheet.dtype is np.float16:
        names = [sheet.add("Cast", "image.cast", names, to=onnx.TensorProto.FLOAT16)]
    for node in graph.nodes:
        inputs = tuple([names[value] for value in node.inputs])
        names.append(write(sheet, node.operator, Use(node.name, inputs, graph.input_shapes(node))))
    _end(sheet, [names[value] for value in graph.outputs])


def _end(sheet: Sheet, outputs: Sequence[str]) -> None:
    """Gives the last value the output's name, as float32."""
    [last] = outputs
    if sheet.dtype is np.float16:
        sheet.add("Cast", OUTPUT, [last], to=onnx.TensorProto.FLOAT)
    else:
        sheet.nodes[-1].output[0] = OUTPUT
