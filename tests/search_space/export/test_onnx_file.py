"""An ONNX file gives the module's scores in onnxruntime, for every block and every batch size."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings

from search_space import Architecture, reference
from search_space.export.onnx_file import onnx_bytes, onnx_preprocessing
from search_space.export.onnx_operators import OPSET
from search_space.export.preprocessing import Preprocessing
from tests.search_space.export.networks import TINY, images, legal, lively


def _session(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _require_equal(architecture: Architecture) -> None:
    module = lively(architecture)
    session = _session(onnx_bytes(architecture, module.state_dict()))
    for count in (1, 3):
        given_images = images(architecture, count)
        with torch.no_grad():
            expected = module(given_images).numpy()
        [scores] = session.run(None, {"image": given_images.numpy()})
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(scores / scale, expected / scale, atol=2e-5)


@settings(max_examples=8)
@given(legal())
def test_the_scores_are_the_modules(architecture: Architecture) -> None:
    _require_equal(architecture)


@pytest.mark.parametrize(
    ("name", "resolution"),
    [
        ("googlenet_v1_original_aux", 96),
        ("resnet20_cifar10_optA", 32),
        ("shufflenet_v1_g3_x0_5", 64),
        ("mobilenet_v3_small_0_75", 65),
    ],
)
def test_reference_networks_give_the_modules_scores(name: str, resolution: int) -> None:
    network = dataclasses.replace(reference(name).at(resolution=resolution, num_classes=10), auxiliary=())
    _require_equal(network)


def test_the_file_is_simplified_and_says_its_operator_set() -> None:
    model = onnx.load_from_string(onnx_bytes(TINY, lively(TINY).state_dict()))
    kinds = [node.op_type for node in model.graph.node]
    assert "BatchNormalization" not in kinds and "Identity" not in kinds and "Dropout" not in kinds
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    assert [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim] == [
        "batch",
        3,
        16,
        16,
    ]
    assert all(re.fullmatch(r"[\w.]+", node.name) for node in model.graph.node)


def test_what_an_image_must_be_stands_in_the_file() -> None:
    wanted = Preprocessing(16, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0), ("a", "b", "c", "d", "é|"))
    session = _session(onnx_bytes(TINY, lively(TINY).state_dict(), preprocessing=wanted))
    known = session.get_modelmeta().custom_metadata_map
    assert onnx_preprocessing(known) == wanted
    assert Architecture.from_json(known["architecture"]) == TINY
    plain = _session(onnx_bytes(TINY, lively(TINY).state_dict()))
    assert onnx_preprocessing(plain.get_modelmeta().custom_metadata_map) is None


def test_half_precision_takes_half_the_space_and_stays_near() -> None:
    module, given_images = lively(TINY), images(TINY)
    content = onnx_bytes(TINY, module.state_dict(), dtype=np.float16)
    assert len(content) < 0.75 * len(onnx_bytes(TINY, module.state_dict()))
    with torch.no_grad():
        expected = module(given_images).numpy()
    [scores] = _session(content).run(None, {"image": given_images.numpy()})
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=0.02 * np.abs(expected).max())


def test_the_same_network_gives_the_same_file() -> None:
    assert onnx_bytes(TINY, lively(TINY).state_dict()) == onnx_bytes(TINY, lively(TINY).state_dict())


def test_auxiliary_classifiers_are_refused() -> None:
    network = reference("googlenet_v1_original_aux")
    with pytest.raises(ValueError, match="auxiliary"):
        onnx_bytes(network, {})
