"""Processes that train one small network together over gloo, for the tests of a team."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed, nn

from nas.evaluation.data import load
from nas.evaluation.evaluator import untrained
from nas.evaluation.feeding import open_feed
from nas.evaluation.scores import InputScale, score
from nas.evaluation.team import team
from nas.evaluation.training import Training
from nas.settings import DataSettings, Recipe
from search_space.architecture import Architecture, Stage
from search_space.blocks import BLOCKS

ROOT = Path(__file__).parents[2]


def tiny() -> Architecture:
    """Some 0.06 M MACs at 8 pixels."""
    mbconv = BLOCKS["mbconv"].options(expansion=4)
    return Architecture(
        resolution=8,
        stem=Stage("stem", 1, 8, 1),
        stages=(Stage("mbconv", 1, 16, 2, mbconv), Stage("mbconv", 2, 24, 2, mbconv)),
        head=Stage("classifier", 1, 0),
        num_classes=10,
        input_channels=1,
    )


def without_normalisation(module: nn.Module) -> nn.Module:
    """Returns the network with nothing in the place of batch normalisation, whose statistics depend on parts."""
    for name, layer in list(module.named_modules()):
        if isinstance(layer, nn.BatchNorm2d):
            module.set_submodule(name, nn.Identity())
    return module


def trained(
    cache: Path, *, micro_batch: int | None = None, is_normalised: bool = True, **recipe: Any
) -> dict[str, Any]:
    """Returns what the team that this process belongs to makes of the network in one epoch of four batches."""
    torch.set_num_threads(1)
    settings, wanted = DataSettings(name="digits", resolution=8), Recipe(**recipe)
    dataset, cpu = load(settings, cache=cache), torch.device("cpu")
    scale = InputScale(dataset.mean, dataset.std)
    module = untrained(tiny(), dataset, 8, wanted, 5)
    training = Training(
        module if is_normalised else without_normalisation(module),
        wanted,
        feed=open_feed(dataset.train, resolution=8, device=cpu),
        indices=np.arange(4 * wanted.batch_size),
        scale=scale,
        num_classes=10,
        num_epochs=2,
        seed=5,
        team=team(),
        micro_batch=micro_batch,
    )
    loss = training.run_epoch()
    found = score(
        training.scored, open_feed(dataset.validation, resolution=8, device=cpu), scale, team=team()
    )
    state = training.scored.state_dict()
    return {
        "loss": loss,
        "validation": found.loss,
        "weights": {name: value.double().flatten().tolist() for name, value in state.items()},
    }


def trained_together(cache: Path, size: int, port: int, **given: Any) -> list[dict[str, Any]]:
    """Returns what each of `size` processes has made; see `trained`."""
    asked = json.dumps({"cache": str(cache), **given})
    started = []
    for rank in range(size):
        places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank)}
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.fakes.teams", asked],
                cwd=ROOT,
                env={**os.environ, **places, "WORLD_SIZE": str(size)},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    return [json.loads(process.communicate()[0]) for process in started]


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    distributed.init_process_group("gloo")
    print(json.dumps(trained(Path(asked.pop("cache")), **asked)))
    distributed.destroy_process_group()
