"""CondenseNet's procedure: stages of dropping, the regulariser, and an equal network of group convolutions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space import Architecture, Stage, cost, reference
from search_space.blocks import ClassifierOptions, CondenseOptions, PoolOptions, StemOptions
from search_space.build import build
from search_space.condensing import (
    CondensingError,
    condense,
    condensed,
    condensing_stage,
    converted,
    group_lasso,
    learned_convolutions,
)
from search_space.modules import LearnedGroupConv2d


def _network(groups: int = 4, condensation: int = 4) -> Architecture:
    options = CondenseOptions(groups, condensation, learned=True)
    return Architecture(
        12,
        Stage("stem", 1, 8, options=StemOptions(norm=False)),
        (
            Stage("condense", 2, 4, options=options),
            Stage("pool", 1, 0, 2, PoolOptions(2, "average")),
            Stage("condense", 2, 8, options=options),
        ),
        Stage("classifier", 1, 0, options=ClassifierOptions(entry="norm")),
        num_classes=5,
    )


def _layer(groups: int, condensation: int, inputs: int = 8, filters: int = 8) -> LearnedGroupConv2d:
    layer = LearnedGroupConv2d(inputs, filters, groups, condensation)
    weight = torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(0))
    layer.weight.data.copy_(weight)
    return layer


def test_condensing_stages_share_the_first_half_of_the_training() -> None:
    # M epochs and factor C: C - 1 stages of M / (2 (C - 1)) epochs (section 3.1)
    assert [condensing_stage(step, 300, 4) for step in (0, 49, 50, 99, 100, 149, 150, 299)] == [
        0, 0, 1, 1, 2, 2, 3, 3,
    ]  # fmt: skip
    assert [condensing_stage(step, 28, 8) for step in range(0, 28, 2)] == [*range(8), *[7] * 6]


def test_a_stage_drops_the_least_inputs_of_every_group() -> None:
    layer = _layer(groups=2, condensation=4)
    sums = layer.weight.detach().reshape(2, 4, 8).abs().sum(1)
    layer.condense(1)
    assert (~layer.kept).sum(1).tolist() == [2, 2]
    for group in range(2):
        dropped = set((~layer.kept[group]).nonzero()[:, 0].tolist())
        assert dropped == set(sums[group].argsort()[:2].tolist())


@given(st.sampled_from([(1, 2), (2, 4), (4, 4), (4, 2), (2, 8)]), st.integers(0, 2**31))
@settings(max_examples=20)
def test_what_is_dropped_stays_dropped_and_a_group_keeps_its_share(
    setting: tuple[int, int], seed: int
) -> None:
    groups, condensation = setting
    layer = _layer(groups, condensation)
    generator = torch.Generator().manual_seed(seed)
    before = layer.kept.clone()
    for stage in range(condensation):
        layer.condense(stage)
        layer.condense(stage)  # a restarted training says it again
        assert not (layer.kept & ~before).any()
        assert layer.kept.sum(1).tolist() == [8 - stage * 8 // condensation] * groups
        before = layer.kept.clone()
        layer.weight.data.copy_(torch.randn(layer.weight.shape, generator=generator))
    layer.condense(0)
    assert torch.equal(layer.kept, before)


def test_a_dropped_input_has_no_say_and_gets_no_gradient() -> None:
    layer = _layer(groups=2, condensation=4)
    layer.condense(3)
    image = torch.randn(2, 8, 3, 3, generator=torch.Generator().manual_seed(1))
    layer(image).square().sum().backward()
    assert layer.weight.grad is not None
    used = layer.weight.grad.reshape(2, 4, 8).abs().sum(1) > 0
    assert torch.equal(used, layer.kept)


def test_the_regulariser_is_the_papers_formula_and_ends_with_the_last_stage() -> None:
    layer = _layer(groups=2, condensation=4)
    weight = layer.weight.detach().reshape(2, 4, 8)
    by_hand = sum(float(weight[g, :, j].square().sum().sqrt()) for g in range(2) for j in range(8))
    assert group_lasso([layer, layer]).item() == pytest.approx(2 * by_hand, rel=1e-5)
    layer.condense(3)
    assert layer.group_lasso().item() == 0.0


@pytest.mark.parametrize(("groups", "condensation"), [(4, 4), (4, 2), (2, 4)])
def test_the_converted_network_has_group_convolutions_and_equal_scores(
    groups: int, condensation: int
) -> None:
    network = _network(groups, condensation)
    module = build(network, seed=3)
    image = torch.randn(4, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    for step in range(8):  # statistics and weights that differ from those of the start
        condense(learned_convolutions(module), step, 8)
        module(image).square().sum().backward()
        with torch.no_grad():
            for weight in module.parameters():
                weight -= 1e-3 * weight.grad.sign()
                weight.grad = None
    used, twin = converted(network, module.state_dict())
    assert used == condensed(network) and not learned_convolutions(twin)
    assert torch.allclose(twin(image), module.eval()(image), atol=1e-5)
    assert sum(weight.numel() for weight in twin.parameters()) == cost(used).params
    if (groups, condensation) != (4, 2):  # there the groups' inputs are more than all there are
        assert cost(used).macs < cost(network).macs


def test_the_classifier_may_keep_the_more_important_half_of_its_features() -> None:
    network = _network()
    module = build(network, seed=3)
    condense(learned_convolutions(module), 1, 1)
    weight = module.get_parameter("head.linear.weight").detach()
    used, twin = converted(network, module.state_dict(), halve_classifier=True)
    index = twin.get_buffer("head.index.index")
    rest = torch.ones(weight.shape[1], dtype=torch.bool).scatter(0, index, False)
    sums = weight.abs().sum(0)
    assert len(index) == weight.shape[1] // 2 and sums[index].min() >= sums[rest].max()
    module.get_parameter("head.linear.weight").data[:, rest] = 0.0
    image = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(twin(image), module.eval()(image), atol=1e-5)
    assert used.head.options == ClassifierOptions(entry="norm", condensed=True)


@pytest.mark.parametrize("name", ["condensenet86_cifar10", "condensenet182_cifar10", "condensenet74_c8g8"])
def test_the_reference_networks_are_condensed_from_those_that_are_trained(name: str) -> None:
    assert condensed(reference(f"{name}_learned"), halve_classifier=True) == reference(name)
    assert cost(reference(name)).macs < cost(reference(f"{name}_learned")).macs


def test_a_network_that_is_not_condensed_to_the_end_is_refused() -> None:
    network = _network()
    module = build(network, seed=0)
    condense(learned_convolutions(module), 2, 9)
    with pytest.raises(
        CondensingError, match=r"stages.0.blocks.0.reduce must be left with 2 of its 8 inputs, got 6"
    ):
        converted(network, module.state_dict())
    plain = condensed(network)
    with pytest.raises(CondensingError, match="must have learned group convolutions, got none"):
        converted(plain, build(plain, seed=0).state_dict())
