"""Costs by arithmetic, beside counters that run or trace a torch module: fvcore, ptflops, FlopCounterMode.

All count EfficientNet-B0 at 224 pixels, on one thread. Building the module is not in the peers' times, and
decoding is not in ours. "Cold" means that nothing of the network was counted before, "warm" that all of it
was; a search lies between them, as its networks share blocks. Seconds of rates are the thread's processor seconds,
so that what else the machine does counts for nobody; each rate is the median over single calls. What must take less
than a second is measured on the clock, each time in a new process.
"""

from __future__ import annotations

import contextlib
import io
import logging
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from fvcore.nn import FlopCountAnalysis
from ptflops import get_model_complexity_info
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.row import Row
from search_space import Conventions, cost, open_space, reference, reference_names
from search_space.build import build

NAME = "cost"

RESOLUTION = 224
NUM_PEER_RUNS = 15
NUM_RUNS = 200
BATCH = 200_000
NUM_COMPARED = 10_000
SPEEDUP = 50.0
BATCH_RATE = 1_000_000.0
SECONDS = 1.0
ZOO = """
import time
from search_space import cost, reference, reference_names
start = time.perf_counter()
for name in reference_names():
    cost(reference(name))
print(time.perf_counter() - start)
"""
BUILD = """
import sys, time
from search_space import Architecture
from search_space.build import build
description = sys.stdin.read()
start = time.perf_counter()
build(Architecture.from_json(description), device="meta")
print(time.perf_counter() - start)
"""
NUM_PROCESSES = 5


def run() -> list[Row]:
    """Measures single costs against the fastest peer, and batches against the promised rate."""
    torch.set_num_threads(1)
    peers = _peer_rates()
    name, fastest = max(peers.items(), key=lambda pair: pair[1])
    warm = _warm_rate()
    rows = [
        Row(f"one cost, warm, against {peer}", warm, rate, warm / rate, None, None, "1/s")
        for peer, rate in peers.items()
    ]
    for what, rate in (
        ("EfficientNet-B0, warm", warm),
        ("EfficientNet-B0, cold", _cold_rate()),
        ("random MnasNet points, each new", _distinct_rate("mnasnet")),
        ("random MobileNetV3 points, each new", _distinct_rate("mobilenetv3")),
    ):
        ratio = rate / fastest
        rows.append(
            Row(
                f"one cost, {what}, against the fastest ({name})",
                rate,
                fastest,
                ratio,
                SPEEDUP,
                ratio >= SPEEDUP,
                "1/s",
            )
        )
    for space in ("mnasnet", "mobilenetv3"):
        rows += _batch_rows(space)
    return [*rows, *_second_rows()]


def _second_rows() -> list[Row]:
    """Measures what must take less than a second: the whole zoo's costs, and building EfficientNet-B7."""
    measured = {
        f"costs of all {len(reference_names())} reference networks, in a new process": _seconds(ZOO),
        "EfficientNet-B7, from its description to a module on the meta device, in a new process": _seconds(
            BUILD, reference("efficientnet_b7").to_json()
        ),
    }
    return [
        Row(what, seconds, SECONDS, SECONDS / seconds, 1.0, seconds <= SECONDS, "s")
        for what, seconds in measured.items()
    ]


def _seconds(program: str, given: str = "") -> float:
    """Returns the seconds on the clock that a program measures, without its imports: the median of new processes."""
    command = [sys.executable, "-c", program]
    return statistics.median(
        float(subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout)
        for _ in range(NUM_PROCESSES)
    )


def _peer_rates() -> dict[str, float]:
    """Returns how many networks a second each peer counts."""
    module = build(reference("efficientnet_b0")).eval()
    image = torch.zeros(1, 3, RESOLUTION, RESOLUTION)

    def with_flop_counter() -> None:
        with FlopCounterMode(display=False), torch.no_grad():
            module(image)

    def with_ptflops() -> None:
        get_model_complexity_info(
            module, (3, RESOLUTION, RESOLUTION), as_strings=False, print_per_layer_stat=False, verbose=False
        )

    peers: dict[str, Callable[[], object]] = {
        "fvcore": lambda: FlopCountAnalysis(module, image).total(),
        "ptflops": with_ptflops,
        "FlopCounterMode": with_flop_counter,
    }
    with _quiet():
        return {name: _rate(count, NUM_PEER_RUNS) for name, count in peers.items()}


def _warm_rate() -> float:
    network = reference("efficientnet_b0")
    return _rate(lambda: cost(network), NUM_RUNS)


def _cold_rate() -> float:
    """Every network differs from all others in an epsilon, which is part of everything that is remembered."""
    base = reference("efficientnet_b0")
    epsilons = [1e-3 + 1e-8 * number for number in range(1, NUM_RUNS + 2)]
    others = iter([replace(base, conventions=Conventions(norm_eps=epsilon)) for epsilon in epsilons])
    return _rate(lambda: cost(next(others)), NUM_RUNS)


def _distinct_rate(name: str) -> float:
    """Draws random networks, of which none comes twice."""
    space, rng = open_space(name, resolution=RESOLUTION, num_classes=1000), np.random.default_rng(0)
    networks = iter([space.decode(space.sample(rng)) for _ in range(NUM_RUNS + 1)])
    return _rate(lambda: cost(next(networks)), NUM_RUNS)


def _batch_rows(name: str) -> list[Row]:
    space, rng = open_space(name, resolution=RESOLUTION, num_classes=1000), np.random.default_rng(0)
    counts = [len(choice.options) for choice in space.choices]
    batch = rng.integers(0, counts, size=(BATCH, len(counts)))
    rate = BATCH * _rate(lambda: space.costs(batch), 9)
    costs = space.costs(batch[:NUM_COMPARED])
    equal = sum(
        costs[row] == cost(space.decode(tuple(point)))
        for row, point in enumerate(batch[:NUM_COMPARED].tolist())
    )
    share = equal / NUM_COMPARED
    return [
        Row(f"{name}: costs(batch)", rate, BATCH_RATE, rate / BATCH_RATE, 1.0, rate >= BATCH_RATE, "1/s"),
        Row(
            f"{name}: batch rows equal to the scalar path",
            equal,
            NUM_COMPARED,
            share,
            1.0,
            share == 1.0,
            "rows",
        ),
    ]


def _rate(call: Callable[[], object], runs: int) -> float:
    """Returns calls a processor second, by the median of `runs` calls after a first one."""
    call()
    seconds = []
    for _ in range(runs):
        start = time.thread_time()
        call()
        seconds.append(time.thread_time() - start)
    return 1.0 / statistics.median(seconds)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences what the peers print, warn and log about operators that they do not count."""
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)
