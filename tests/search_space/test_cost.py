"""A network's costs are arithmetic, and say what counting the built module says."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import reduce

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from search_space import (
    Architecture,
    ArchitectureError,
    Cost,
    Stage,
    cost,
    layers,
    lower,
    memory,
    reference,
    reference_names,
    stage_cost,
)
from search_space.blocks import BLOCKS, ClassifierOptions, ConvOptions
from search_space.build import build
from search_space.cost import graph_cost
from tests.search_space.architectures import OPTIONS, architectures, helped, plain

SIDES = st.integers(31, 66)


@settings(max_examples=15)
@given(architectures() | helped(), SIDES, SIDES)
def test_random_architectures_cost_what_their_modules_count(
    architecture: Architecture, height: int, width: int
) -> None:
    _count_module(architecture, height, width)


@pytest.mark.slow
@settings(max_examples=100)
@given(architectures() | helped(), SIDES, SIDES)
def test_many_random_architectures_cost_what_their_modules_count(
    architecture: Architecture, height: int, width: int
) -> None:
    _count_module(architecture, height, width)


def test_the_random_architectures_are_of_every_block() -> None:
    ends = {"stem", "cell_stem", "classifier", "auxiliary_classifier"}
    carrying = {"dual_path", "normal_cell", "reduction_cell"}
    assert set(OPTIONS) | ends | carrying == set(BLOCKS)


def _count_module(architecture: Architecture, height: int, width: int) -> None:
    shape = (architecture.input_channels, height, width)
    try:
        expected = cost(architecture, shape)
    except ArchitectureError:
        with pytest.raises(ArchitectureError):
            build(architecture, input_shape=shape, device="meta")
        return
    module = build(architecture, input_shape=shape, device="meta")
    with FlopCounterMode(display=False) as counter:
        scores = module(torch.empty(2, *shape, device="meta"))
    every = scores if isinstance(scores, tuple) else (scores,)
    assert [each.shape for each in every] == [(2, architecture.num_classes)] * len(every)
    assert len(every) == 1 + len(architecture.auxiliary)
    assert sum(p.numel() for p in module.parameters()) == expected.params
    assert counter.get_total_flops() == 2 * 2 * expected.macs  # two images, two FLOPs a multiply-add


@given(plain())
def test_costs_are_those_of_the_lowered_graph(architecture: Architecture) -> None:
    try:
        assert cost(architecture) == graph_cost(lower(architecture))
    except ArchitectureError:
        assert architecture.stages


@pytest.mark.parametrize("name", ["googlenet_v1_original_aux", "dpn68", "nasnet_a_mobile_4_1056"])
def test_a_stage_keeps_its_carry_so_its_peak_is_at_least_the_graphs(name: str) -> None:
    by_stage, whole = cost(reference(name)), graph_cost(lower(reference(name)))
    assert replace(by_stage, peak_memory_bytes=0) == replace(whole, peak_memory_bytes=0)
    assert whole.peak_memory_bytes <= by_stage.peak_memory_bytes <= 1.1 * whole.peak_memory_bytes


@pytest.mark.parametrize("name", ["efficientnet_b0", "condensenet50_cifar10", "shufflenet_v2_x1_0", "vgg11"])
def test_layers_and_stages_sum_to_the_network(name: str) -> None:
    network = reference(name)
    rows = list(layers(network))
    total = cost(network)
    assert sum(row.macs for row in rows) == total.macs
    assert sum(row.params for row in rows) == total.params
    assert sum(row.activations for row in rows) == total.activations
    carry: tuple[tuple[int, ...], ...] = ((3, network.resolution, network.resolution),)
    costs = []
    for stage in (network.stem, *network.stages):
        part, carry = stage_cost(stage, carry, network.conventions)
        costs.append(part)
    head, scores = stage_cost(network.head, carry, network.conventions, network.num_classes)
    assert reduce(Cost.__add__, [*costs, head]) == total
    assert scores == ((network.num_classes,),)


def test_layers_are_named_like_weights() -> None:
    network = reference("mobilenet_v2_0_35_224")
    names = {row.name for row in layers(network)}
    weights = {name.rpartition(".")[0] for name in build(network, device="meta").state_dict()}
    assert weights <= names and "stages.2.blocks.0.depthwise" in names


def test_alexnets_table_is_the_lecture_halls() -> None:
    rows = {row.name: row for row in layers(reference("alexnet_ungrouped_96"))}
    assert rows["stem.conv"].output == (96, 55, 55)
    assert (rows["stem.conv"].params, rows["stem.conv"].macs) == (34_944, 105_415_200)
    assert rows["head.hidden1"].params == 37_752_832


def test_alexnets_memory_is_the_lecture_halls_layer_by_layer() -> None:
    # one tower at 227 pixels, KiB: conv1 784, pool1 182.25, ... (Michigan EECS 498, lecture "CNN architectures")
    rows = [row for row in layers(reference("alexnet_torchvision").at(resolution=227)) if row.memory_bytes]
    assert [row.memory_bytes / 1024 for row in rows] == [
        *(784, 182.25, 546.75, 126.75, 253.5, 169, 169, 36),
        *(36, 16, 16, 3.90625),
    ]


def test_vggs_memory_is_the_sum_of_the_lectures_rows() -> None:
    # thousands of values, CS231n "VGGNet in detail": image, then two, two, three, three, three convolutions and pools
    maps = [64 * 224**2] * 2 + [64 * 112**2] + [128 * 112**2] * 2 + [128 * 56**2] + [256 * 56**2] * 3
    maps += [256 * 28**2] + [512 * 28**2] * 3 + [512 * 14**2] + [512 * 14**2] * 3 + [512 * 7**2]
    scores = [512 * 7**2, 4096, 4096, 1000]  # the head pools 7x7 to 7x7
    held = memory(reference("vgg16"))
    assert held.forward_bytes == 4 * (3 * 224**2 + sum(maps) + sum(scores))
    assert held.forward_backward_bytes == 2 * held.forward_bytes
    assert held.weights_bytes == 4 * cost(reference("vgg16")).params


@pytest.mark.parametrize("name", ["resnet50", "preresnet164_cifar10", "nasnet_a_cifar_6_768", "se_resnet50"])
def test_a_layer_overwrites_only_what_nothing_else_needs(name: str) -> None:
    graph = lower(reference(name))
    rows = list(layers(reference(name)))
    names = [node.name for node in graph.nodes]
    for node, row in zip(graph.nodes, rows, strict=True):
        if row.stored_in == row.name:
            continue
        source = names[node.inputs[0] - len(graph.inputs)]
        users = [other.name for other in graph.nodes if node.inputs[0] in other.inputs]
        assert users[-1] == row.name and rows[names.index(source)].stored_in == row.stored_in


def test_peak_memory_is_that_of_a_network_worked_out_by_hand() -> None:
    # 4x4 image of 1 channel (16 values) -> 2 channels of 2x2 (8) in place -> pooled (2) -> flat, in place -> 3 scores
    head = Stage("classifier", 1, 0, options=ClassifierOptions())
    network = Architecture(4, Stage("conv", 1, 2, 2, ConvOptions()), (), head, 3, 1)
    assert cost(network) == Cost(4 * 2 * 9 + 2 * 3, 2 * 9 + 4 + 2 * 3 + 3, 8, 4 * (16 + 8))


def test_repeats_cost_as_much_as_copies_one_by_one() -> None:
    one = Stage("mbconv", 1, 24)
    for repeats in (1, 2, 5):
        together, _ = stage_cost(replace(one, repeats=repeats), ((16, 8, 8),))
        carry: tuple[tuple[int, ...], ...] = ((16, 8, 8),)
        apart = Cost()
        for _ in range(repeats):
            part, carry = stage_cost(one, carry)
            apart += part
        assert together == apart


def test_a_part_that_cannot_be_fed_is_named() -> None:
    stages = (
        Stage("conv", 1, 8, options=ConvOptions(7, padding=0)),
        Stage("conv", 2, 8, options=ConvOptions(7, padding=0)),
    )
    network = Architecture(12, Stage("stem", 1, 8), stages, Stage("classifier", 1, 0))
    with pytest.raises(
        ArchitectureError, match=r"^stages\[1\] .* a window of 7 pixels must fit, got a side of 6"
    ):
        cost(network)
    with pytest.raises(ArchitectureError, match=r"^stages\[1\] "):
        lower(network)


def test_inputs_need_be_neither_square_nor_even() -> None:
    network = reference("mobilenet_v2_0_35_224")
    expected = cost(network, (3, 67, 129))
    module = build(network, input_shape=(3, 67, 129), device="meta")
    with FlopCounterMode(display=False) as counter:
        module(torch.empty(1, 3, 67, 129, device="meta"))
    assert counter.get_total_flops() == 2 * expected.macs
    assert expected.params == cost(network).params


def test_all_reference_networks_shapes_shrink_to_scores() -> None:
    for name in reference_names():
        if "1001" not in name and "1202" not in name:
            graph = lower(reference(name))
            assert graph.shape(graph.outputs[0]) == (reference(name).num_classes,)
            assert all(math.prod(node.shape) > 0 for node in graph.nodes)
