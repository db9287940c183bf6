"""Optimisers as the recipe says, their schedule, their average, and their state as files without loss."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nas.evaluation.optimisation import (
    load_module,
    load_optimizer,
    make_optimizer,
    module_bytes,
    optimizer_files,
    rate_factor,
    update_average,
)
from nas.settings import Recipe

OPTIMIZERS = ["sgd", "rmsprop", "adamw"]


def network() -> nn.Module:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4)
    )
    return module.to(memory_format=torch.channels_last)


def recipe(name: str) -> Recipe:
    return Recipe.model_validate({"optimizer": name, "weight_decay": 0.1})


def train(module: nn.Module, optimizer: torch.optim.Optimizer, num_steps: int) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(num_steps):
        inputs = torch.randn(6, 3, 8, 8, generator=generator).to(memory_format=torch.channels_last)
        module(inputs).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_only_weights_of_layers_decay(name: str) -> None:
    module = network()
    optimizer = make_optimizer(module, recipe(name))
    decaying = {id(p) for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]}
    everything = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert everything == {id(parameter) for parameter in module.parameters()}
    assert decaying == {id(parameter) for name, parameter in module.named_parameters() if parameter.ndim > 1}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_that_was_stored_and_restored_goes_on_as_if_it_had_not_been(name: str) -> None:
    unbroken = network()
    optimizer = make_optimizer(unbroken, recipe(name))
    train(unbroken, optimizer, 3)
    content, files = module_bytes(unbroken), optimizer_files(optimizer)
    train(unbroken, optimizer, 3)
    resumed = network()
    load_module(resumed, content)
    again = make_optimizer(resumed, recipe(name))
    load_optimizer(again, files)
    train(resumed, again, 3)
    for first, second in zip(unbroken.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(first, second)


def test_loaded_weights_keep_the_layout_of_the_module() -> None:
    module = network()
    load_module(module, module_bytes(network()))
    assert module[0].weight.is_contiguous(memory_format=torch.channels_last)


@given(num_steps=st.integers(1, 300), num_warmup_steps=st.floats(0.0, 400.0))
def test_the_rate_rises_to_the_peak_and_falls_and_is_never_negative(
    num_steps: int, num_warmup_steps: float
) -> None:
    factors = [rate_factor(step, num_steps, num_warmup_steps) for step in range(num_steps)]
    peak = factors.index(max(factors))
    assert all(0.0 < factor <= 1.0 for factor in factors)
    assert factors[:peak] == sorted(factors[:peak])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)


def test_the_average_of_a_module_that_stands_still_is_that_module() -> None:
    module = network()
    average = copy.deepcopy(module)
    for update in range(5):
        update_average(average, module, 0.99, update)
    for first, second in zip(average.state_dict().values(), module.state_dict().values(), strict=True):
        torch.testing.assert_close(first, second)


def test_the_average_follows_weights_and_statistics_and_copies_counters() -> None:
    module = network()
    average = copy.deepcopy(module)
    start = average[1].running_mean.clone()
    train(module, make_optimizer(module, recipe("sgd")), 4)
    update_average(average, module, 0.9, 1_000)
    torch.testing.assert_close(average[1].running_mean, 0.9 * start + 0.1 * module[1].running_mean)
    assert average[1].num_batches_tracked == module[1].num_batches_tracked == 4


def test_another_networks_weights_are_refused() -> None:
    with pytest.raises(RuntimeError, match="size mismatch|Missing key"):
        load_module(nn.Linear(3, 3), module_bytes(nn.Linear(3, 4)))
