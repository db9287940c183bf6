"""Latency looked up instead of measured: a time for each operator of a space on this device.

As in ProxylessNAS (Cai et al. 2019, section 3.2.3 and appendix B), the times of a network's operators are added;
because a network is more, or less, than its parts (calls, caches, overlap on a GPU), the sum is put right by a line
that is fitted to whole networks. Times are the lowest tenth of several runs; on a CPU, of the time that the one thread
was at work, because a thread that waits for its turn on a busy machine would make long passes seem longer still. The
error that the table states is that on further networks, beside what the same networks differ by when timed twice.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nas.evaluation.latency import (
    Clock,
    LatencyError,
    Pass,
    forward_pass,
    latencies,
    lay_out_by_channels,
    one_thread,
    timed_ms,
)
from search_space import Architecture, SearchSpace, lower
from search_space.build import build
from search_space.graph import Graph, Node
from search_space.modules import call, construction
from search_space.operators import Operator, Shape

FORMAT = 1
NUM_FITTED, NUM_HELD_OUT = 12, 12  # whole networks measured for the line, and for its error
NUM_PROBES, PATIENCE = (
    4_000,
    500,
)  # random networks whose operators are collected; stop after so many without new
_NUM_WARMUP, _MIN_RUNS, _MAX_SECONDS = 3, 10, 0.01
_NETWORK_SECONDS = 0.2
MAX_TABLE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class TableError:
    """How predictions compare with measurements, on networks that the table was not fitted to."""

    num_networks: int
    mean_share: float  # mean absolute error, as a share of the measurement
    max_share: float
    rank_correlation: float  # Spearman's
    repeat_share: float | None = None  # mean difference of two measurements of one network, as a share


@dataclass(frozen=True, slots=True)
class LatencyTable:
    """Milliseconds of operators on one device, and the line from their sum to a network's latency.

    Args:
        device: that they were measured on, in words.
        batch_size: images in a pass.
        space: description of the space that it covers.
        times_ms: by operator and input shapes.
        slope, intercept_ms: of the line.
        error: on further networks.

    Example:
        >>> LatencyTable.from_json(text).latency_ms(architecture)
    """

    device: str
    batch_size: int
    space: Mapping[str, Any]
    times_ms: Mapping[str, float]
    slope: float
    intercept_ms: float
    error: TableError

    def latency_ms(self, architecture: Architecture) -> float:
        """Returns the predicted latency.

        Raises:
            LatencyError: an operator of the network is not in the table.
        """
        return max(0.0, self.intercept_ms + self.slope * summed_ms(architecture, self.times_ms))

    def to_json(self) -> str:
        """Returns the table as a JSON document."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"

    @staticmethod
    def from_json(text: str) -> LatencyTable:
        """Returns the table that `to_json` wrote.

        Raises:
            LatencyError: the text is something else.
        """
        try:
            data = json.loads(text)
            if data.pop("format") != FORMAT:
                raise ValueError("another version")
            error = TableError(**data.pop("error"))
            times = {str(key): float(value) for key, value in data.pop("times_ms").items()}
            return LatencyTable(**data, times_ms=times, error=error)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise LatencyError(
                f"a table of latencies must be what `nas latency table` wrote, got {type(error).__name__}: {error};"
                " build it again"
            ) from None


def read_table(path: Path) -> LatencyTable:
    """Returns the table in a file.

    Raises:
        LatencyError: there is none.
    """
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise LatencyError(
                f"a table of latencies must have at most {MAX_TABLE_BYTES} bytes, got {str(path)!r} with more;"
                " build it again"
            )
        return LatencyTable.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise LatencyError(
            f"a table of latencies must be a file that can be read, got {str(path)!r} ({type(error).__name__});"
            " `nas latency table` writes one"
        ) from None


def latency_table(
    space: SearchSpace,
    *,
    device: str = "cpu",
    batch_size: int = 1,
    seed: int = 0,
    watch: Callable[[str], None] = lambda text: None,
) -> LatencyTable:
    """Returns a table of every operator of a space, measured on one thread of this machine or on its GPU.

    Args:
        space: whose networks are to be looked up.
        device: a torch device.
        batch_size: images in a pass.
        seed: draws the networks whose operators are collected, and those that are measured whole.
        watch: is told what is being done.
    """
    rng = np.random.default_rng(seed)
    found = operators_of(space, rng)
    watch(f"timing {len(found)} operators of {space.name} on {device_name(device)}")
    with one_thread(), torch.inference_mode():
        times = {key: _operator_ms(*use, device=device, batch_size=batch_size) for key, use in found.items()}
    networks = [space.decode(space.sample(rng)) for _ in range(NUM_FITTED + NUM_HELD_OUT)]
    watch(f"timing {len(networks)} whole networks")
    summed = np.array([summed_ms(network, times) for network in networks])
    once, again = _network_ms(networks, device, batch_size)
    measured = np.minimum(once, again)
    slope, intercept = np.polyfit(summed[:NUM_FITTED], measured[:NUM_FITTED], 1)
    predicted = np.maximum(0.0, intercept + slope * summed[NUM_FITTED:])
    return LatencyTable(
        device=device_name(device),
        batch_size=batch_size,
        space=space.describe(),
        times_ms=times,
        slope=float(slope),
        intercept_ms=float(intercept),
        error=replace(
            table_error(predicted, measured[NUM_FITTED:]),
            repeat_share=float(np.mean(np.abs(once - again) / measured)),
        ),
    )


def operators_of(
    space: SearchSpace, rng: np.random.Generator
) -> dict[str, tuple[Operator, tuple[Shape, ...]]]:
    """Returns the operators of a space's networks with the shapes that enter them, collected from random networks."""
    found: dict[str, tuple[Operator, tuple[Shape, ...]]] = {}
    since_new = 0
    for _ in range(NUM_PROBES):
        graph = lower(space.decode(space.sample(rng)))
        before = len(found)
        for node in graph.nodes:
            found.setdefault(_key(graph, node), (node.operator, graph.input_shapes(node)))
        since_new = since_new + 1 if len(found) == before else 0
        if since_new == PATIENCE:
            break
    return found


def summed_ms(architecture: Architecture, times_ms: Mapping[str, float]) -> float:
    """Returns the sum of the times of a network's operators.

    Raises:
        LatencyError: one is not among the times.
    """
    graph = lower(architecture)
    total = 0.0
    for node in graph.nodes:
        key = _key(graph, node)
        if key not in times_ms:
            raise LatencyError(
                f"a table of latencies must hold every operator of a network, got none for {node.name} ({key});"
                " build one for the network's own space and resolution"
            )
        total += times_ms[key]
    return total


def table_error(predicted: NDArray[np.float64], measured: NDArray[np.float64]) -> TableError:
    """Returns how predictions compare with measurements of the same networks, at least two."""
    shares = np.abs(predicted - measured) / measured
    first, second = (np.argsort(np.argsort(values)) for values in (predicted, measured))
    return TableError(
        num_networks=len(measured),
        mean_share=float(shares.mean()),
        max_share=float(shares.max()),
        rank_correlation=float(np.corrcoef(first, second)[0, 1]),
    )


def device_name(device: str) -> str:
    """Returns a device in words: what it is, and which torch ran on it."""
    if torch.device(device).type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    return f"{platform.machine()} CPU, one thread, torch {torch.__version__}"


def _key(graph: Graph, node: Node) -> str:
    shapes = ",".join("x".join(map(str, shape)) for shape in graph.input_shapes(node))
    return f"{node.operator!r} on {shapes}"


def _clock(device: str) -> Clock:
    """Returns what times a pass: the one thread's own time on a CPU, which other work cannot lengthen."""
    return time.thread_time if torch.device(device).type == "cpu" else time.perf_counter


def _network_ms(
    networks: Sequence[Architecture], device: str, batch_size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns each network's latency, measured twice; the networks take turns."""
    passes: dict[str, Pass] = {}
    for index, network in enumerate(networks):
        module = build(network, seed=0).to(device)
        lay_out_by_channels(module)
        shape = (batch_size, network.input_channels, network.resolution, network.resolution)
        passes[str(index)] = forward_pass(module, shape)
    with one_thread():
        rounds = [latencies(passes, seconds=_NETWORK_SECONDS / 2, clock=_clock(device)) for _ in range(2)]
    once, again = (np.array([taken[name].low_ms for name in passes]) for taken in rounds)
    return once, again


def _operator_ms(operator: Operator, shapes: Sequence[Shape], *, device: str, batch_size: int) -> float:
    """Returns the time of one operator on inputs of these shapes: the lowest tenth, as for whole networks."""
    inputs = tuple(_input((batch_size, *shape), device) for shape in shapes)
    run, clock = _operator_pass(operator, tuple(shapes), inputs), _clock(device)
    if torch.device(device).type == "cuda":
        run = partial(_synchronised, run, device)
    for _ in range(_NUM_WARMUP):
        run()
    times: list[float] = []
    while len(times) < _MIN_RUNS or sum(times) < _MAX_SECONDS * 1e3:
        times.append(timed_ms(run, clock))
    return float(np.quantile(times, 0.1))


def _operator_pass(operator: Operator, shapes: tuple[Shape, ...], inputs: tuple[torch.Tensor, ...]) -> Pass:
    made = construction(operator, shapes)
    if made is None:
        function, arguments = call(operator, inputs)
        return partial(function, *arguments)
    module = made.module().eval().to(inputs[0].device)
    lay_out_by_channels(module)
    return partial(module, *inputs)


def _input(shape: Iterable[int], device: str) -> torch.Tensor:
    values = torch.zeros(tuple(shape), device=device)
    return values.contiguous(memory_format=torch.channels_last) if values.ndim == 4 else values


def _synchronised(run: Pass, device: str) -> None:
    run()
    torch.cuda.synchronize(device)
