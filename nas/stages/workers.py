"""Who does the work: from settings to how many workers there are and what each takes of its machine.

By default one worker a GPU, or one a core where there is none; on a running cluster as many as it has room for. What
the settings name holds; what they leave out is chosen here, and said in words before anything is spent.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nas.evaluation.evaluator import num_gpus
from nas.evaluation.probe import Candidates, probed
from nas.execution import cluster_nodes, on_worker
from nas.execution.demands import NODE_LABEL, Demands
from nas.execution.errors import ExecutorError
from nas.execution.packing import Packing, on_cores, on_gpu
from nas.settings import SearchSettings, Settings, SettingsError
from search_space import SearchSpace

_NUM_CLASSES = 3  # that are probed: the largest decides about memory, the most frequent about time
_NUM_SAMPLED = 64  # points, in which a search's size classes are looked for
_MEMORY_SHARE = 0.9  # of what is free, for workers; the rest is Ray's and the driver's


@dataclass(frozen=True, slots=True)
class Placement:
    """The workers of a stage.

    Args:
        num_workers: at once; None: as many as the cluster has room for, and more when nodes join.
        demands: of each.
        why: what decided, in words.
    """

    num_workers: int | None
    demands: Demands
    why: str

    @property
    def words(self) -> str:
        """Returns the line of the plan."""
        number = "as many as the cluster has room for" if self.num_workers is None else str(self.num_workers)
        return f"workers {number}, each with {self.demands}: {self.why}"


def check_places(chosen: SearchSettings) -> None:
    """Refuses settings of workers that contradict each other, before anything is kept.

    Raises:
        SettingsError: as the sentence says.
    """
    named = [name for name in ("labels", "resources") if getattr(chosen, name)]
    if chosen.executor == "inline":
        named += [name for name in ("address", "memory", "gpu_share") if getattr(chosen, name)]
        named += ["packing"] if chosen.packing != "none" else []
        named += ["workers"] if (chosen.workers or 1) > 1 else []
        if named:
            value = getattr(chosen, named[-1])
            raise SettingsError(
                f"the inline executor is this process alone, got `{named[-1]}` {value!r}; choose the executor `ray`"
            )
    elif named and chosen.address is None:
        raise SettingsError(
            f"`{named[0]}` are those of a cluster's nodes, got {getattr(chosen, named[0])!r} without a cluster;"
            " give its --address, or leave them out"
        )
    _demands(chosen, 0.0)


def check_workers(chosen: SearchSettings) -> None:
    """Refuses, before anything is kept, workers that contradict themselves and a cluster that cannot be joined.

    Raises:
        SettingsError: as for `check_places`.
        ExecutorError: nothing answers at the address, or a cluster of other versions.
    """
    check_places(chosen)
    if chosen.address is not None:
        cluster_nodes(chosen.address)


def place(chosen: SearchSettings, *, num_processes: int = 1) -> Placement:
    """Returns the workers that the settings ask for, on this machine or on the cluster that they name.

    Args:
        chosen: the settings.
        num_processes: that train one network together, each with what a worker takes; so many make one worker.

    Raises:
        SettingsError: they contradict each other.
        ExecutorError: the cluster cannot be reached.

    Example:
        >>> place(SearchSettings(executor="inline")).words
        'workers 1, each with 1 core: this process'
    """
    check_places(chosen)
    if num_processes > 1:
        return _together(place(chosen), num_processes, chosen)
    if chosen.executor == "inline":
        return Placement(1, _demands(chosen, 0.0), "this process")
    return _on_this_machine(chosen) if chosen.address is None else _on_a_cluster(chosen, chosen.address)


def size_classes(space: SearchSpace, settings: Settings, data_bytes: int) -> Candidates:
    """Returns the largest network found of the largest and of the most frequent size classes of what a search will
    train, by powers of two of MACs.

    Args:
        space: from which candidates are drawn.
        settings: whose reward refuses what is too dear.
        data_bytes: of images, which each training keeps in memory.
    """
    reward = settings.search.make_reward()
    rng = np.random.default_rng(0)
    points = np.array([space.sample(rng) for _ in range(_NUM_SAMPLED)])
    if reward.is_arithmetic:
        prices = getattr(space.costs(points), reward.cost)
        points = points[prices <= max(reward.limit, prices.min())]
    macs = space.costs(points).macs
    largest = {int(np.log2(macs[index])): index for index in np.argsort(macs)}
    classes = np.log2(macs).astype(int)
    frequent = sorted(largest, key=lambda name: (name != classes.max(), -np.sum(classes == name)))
    largest = {name: largest[name] for name in frequent[:_NUM_CLASSES]}
    counts = np.array([np.sum(classes == name) for name in largest])
    return Candidates(
        architectures=tuple(
            space.decode(tuple(points[index].tolist())).to_json() for index in largest.values()
        ),
        shares=tuple((counts / counts.sum()).tolist()),
        recipe=settings.recipe,
        data_bytes=data_bytes,
    )


def packed(chosen: SearchSettings, candidates: Candidates) -> tuple[SearchSettings, str]:
    """Returns the settings with what a probe has chosen in the place of what they leave out, and why in words.

    On a cluster one node of each kind (cores, GPUs, accelerator) is probed, the one with the least memory; of several
    kinds holds the choice that takes most of a node, so that it fits on all.
    How many workers there are then follows the cluster.

    Args:
        chosen: the settings.
        candidates: that are probed, in a process of their own, which has the whole machine.

    Raises:
        ExecutorError: the cluster cannot be reached, or no node of a kind becomes free for the probe.
    """
    if chosen.address is None:
        found, peak_bytes = _probed_here(chosen, candidates)
        gpus = num_gpus() if found.gpu_share else 1
        choice: dict[str, float | None] = {"workers": found.num_workers * gpus}
    else:
        found, peak_bytes = _probed_there(chosen, chosen.address, candidates)
        choice = {"memory": None if found.gpu_share else peak_bytes}
    choice |= {"threads": found.num_threads, "gpu_share": found.gpu_share}
    held = {name: value for name, value in choice.items() if getattr(chosen, name) is None}
    return chosen.model_copy(update=held), found.why


def _probed_here(chosen: SearchSettings, candidates: Candidates) -> tuple[Packing, int]:
    """Returns the choice for this machine and the peak memory of a training."""
    cores, gpus = os.cpu_count() or 1, num_gpus() if chosen.gpu_share != 0.0 else 0
    demands = Demands(cores, 1.0 if gpus else 0.0)
    return _probe(chosen, candidates, demands, gpus, available_bytes())


def _probed_there(chosen: SearchSettings, address: str, candidates: Candidates) -> tuple[Packing, int]:
    """Returns the choice for a cluster's nodes and the peak memory of a training, on whichever node it was most."""
    wanted = _demands(chosen, 0.0)
    nodes = cluster_nodes(address)
    gpus = wanted.offers(nodes, "GPU") if chosen.gpu_share != 0.0 else 0.0
    kinds: dict[tuple[float | str, ...], Mapping[str, Any]] = {}  # each by its node with the least memory
    for node in sorted(wanted.usable(nodes), key=lambda node: -float(node["Resources"].get("memory", 0.0))):
        offered = node["Resources"]
        if offered.get("CPU", 0.0) >= 1.0 and (not gpus or offered.get("GPU", 0.0) >= 1.0):
            accelerators = sorted(name for name in offered if name.startswith("accelerator_type:"))
            kinds[(offered["CPU"], offered.get("GPU", 0.0), *accelerators)] = node
    if not kinds:
        raise ExecutorError(
            f"a probe needs a node with a free core, got none at {address!r}"
            f"{f' with these labels: {dict(wanted.labels)}' if wanted.labels else ''}; add a node, or leave packing out"
        )
    found = []
    for node in kinds.values():
        offered = node["Resources"]
        there = replace(wanted, num_cpus=int(offered["CPU"]), num_gpus=1.0 if gpus else 0.0)
        there = replace(there, labels={**there.labels, NODE_LABEL: node["NodeID"]})
        num_gpus_there = int(offered.get("GPU", 0.0)) if gpus else 0
        found.append(_probe(chosen, candidates, there, num_gpus_there, int(offered["memory"])))
    best, _ = max(found, key=lambda one: (one[0].gpu_share, one[0].num_threads))
    why = best.why if len(found) == 1 else f"{best.why}; the most of {len(found)} kinds of nodes"
    return replace(best, why=why), max(peak_bytes for _, peak_bytes in found)


def _probe(
    chosen: SearchSettings, candidates: Candidates, demands: Demands, gpus: int, memory_bytes: int
) -> tuple[Packing, int]:
    """Returns the choice for one machine, which `demands` take whole, and the peak memory of a training."""
    cores = demands.num_cpus
    threads = (chosen.threads,) if chosen.threads else _halvings(cores)
    needs = on_worker(probed, replace(candidates, threads=threads), demands=demands, address=chosen.address)
    if needs.device_bytes is None:
        peak_bytes = needs.peak_bytes + candidates.data_bytes
        return on_cores(needs.step_s, peak_bytes, cores=cores, memory_bytes=memory_bytes), peak_bytes
    shared = on_gpu(
        needs.peak_bytes,
        data_bytes=candidates.data_bytes,
        device_bytes=needs.device_bytes,
        cores=max(1, cores // max(1, gpus)),
    )
    return shared, needs.peak_bytes


def _halvings(cores: int) -> tuple[int, ...]:
    """Returns 1, 2, 4 ... and `cores`."""
    return tuple(sorted({cores, *(2**power for power in range(cores.bit_length()) if 2**power <= cores)}))


def _together(one_each: Placement, num_processes: int, chosen: SearchSettings) -> Placement:
    """Returns workers of several processes in place of those of one."""
    if chosen.executor == "inline":
        raise SettingsError(
            f"the inline executor is this process alone, got {num_processes} `processes`; choose the executor `ray`"
        )
    number = one_each.num_workers
    if number is not None and chosen.workers is None:
        number = max(1, number // num_processes)
    return Placement(number, replace(one_each.demands, num_processes=num_processes), one_each.why)


def _on_this_machine(chosen: SearchSettings) -> Placement:
    gpus, share = _gpu_share(chosen, float(num_gpus()))
    demands = _demands(chosen, share)
    cores = os.cpu_count() or 1
    if share:
        number, why = int(gpus / share), f"this machine has {gpus:g} GPU{'s' if gpus > 1 else ''}"
    else:
        number, why = max(1, cores // demands.num_cpus), f"this machine has {cores} cores"
    if demands.memory_bytes is not None:
        fitting = int(_MEMORY_SHARE * available_bytes() / demands.memory_bytes)
        if fitting < number:
            number, why = max(1, fitting), f"{why}, and {available_bytes() / 1e9:.1f} GB of memory are free"
    return Placement(chosen.workers or number, demands, "as asked for" if chosen.workers else why)


def _on_a_cluster(chosen: SearchSettings, address: str) -> Placement:
    """Places workers on nodes with the wanted labels; where those have GPUs, on these, unless told otherwise."""
    nodes = cluster_nodes(address)
    gpus, share = _gpu_share(chosen, _demands(chosen, 0.0).offers(nodes, "GPU"))
    demands = _demands(chosen, share)
    cores = demands.offers(nodes, "CPU")
    why = f"the cluster has {gpus:g} GPUs and {cores:g} cores now, room for {demands.room(nodes)}"
    if gpus and chosen.gpu_share is None:
        why += "; --gpu-share takes another part of a GPU, 0 none"
    return Placement(chosen.workers, demands, why)


def _gpu_share(chosen: SearchSettings, found: float) -> tuple[float, float]:
    """Returns how many GPUs there are, and which part of one a worker takes: a whole one unless told otherwise."""
    share = (1.0 if found else 0.0) if chosen.gpu_share is None else chosen.gpu_share
    return found, share


def _demands(chosen: SearchSettings, gpu_share: float) -> Demands:
    return Demands(
        num_cpus=chosen.threads or 1,
        num_gpus=gpu_share,
        memory_bytes=None if chosen.memory is None else int(chosen.memory),
        resources=chosen.resources or {},
        labels=chosen.labels or {},
    )


def available_bytes() -> int:
    """Returns how much main memory of this machine is free for new processes."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
