"""Which workers a stage gets: on machines and clusters of all kinds, by what is asked and by what is there."""

from __future__ import annotations

import math
import os
from typing import Any

import pytest

from nas.evaluation.probe import Candidates, Needs
from nas.execution.demands import NODE_LABEL, Demands
from nas.execution.errors import ExecutorError
from nas.settings import Recipe, SearchSettings, SettingsError, make_settings
from nas.stages import workers
from nas.stages.workers import check_places, packed, place, size_classes
from search_space import Architecture, cost, open_space

GPU_NODE = {"Alive": True, "Resources": {"CPU": 16.0, "GPU": 4.0, "memory": 64e9}, "Labels": {"zone": "a"}}
CPU_NODE = {"Alive": True, "Resources": {"CPU": 8.0, "memory": 32e9, "licence": 2.0}, "Labels": {"zone": "b"}}
DEAD_NODE = {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}, "Labels": {}}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """This machine has 8 cores, 16 GB to spare and no GPU; the cluster has three nodes, one of them dead."""
    monkeypatch.setattr(workers.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(workers, "available_bytes", lambda: 16 * 10**9)
    monkeypatch.setattr(workers, "num_gpus", lambda: 0)
    monkeypatch.setattr(workers, "cluster_nodes", lambda address: [GPU_NODE, CPU_NODE, DEAD_NODE])
    return monkeypatch


@pytest.mark.parametrize(
    ("asked", "number", "gpus"),
    [
        ({}, 8, 0.0),
        ({"threads": 3}, 2, 0.0),
        ({"workers": 5}, 5, 0.0),
        ({"memory": 4e9}, 3, 0.0),
        ({"memory": 400e9}, 1, 0.0),
        ({"executor": "inline"}, 1, 0.0),
    ],
)
def test_without_gpus_there_is_one_worker_a_core(
    machine: pytest.MonkeyPatch, asked: dict[str, Any], number: int, gpus: float
) -> None:
    placement = place(SearchSettings(**asked))
    assert (placement.num_workers, placement.demands.num_gpus) == (number, gpus)
    assert placement.words.startswith(f"workers {number}, each with {asked.get('threads', 1)} core")


@pytest.mark.parametrize(
    ("asked", "number", "gpus"),
    [({}, 2, 1.0), ({"gpu_share": 0.25}, 8, 0.25), ({"gpu_share": 0.0}, 8, 0.0)],
)
def test_with_gpus_there_is_one_worker_a_gpu_unless_told_otherwise(
    machine: pytest.MonkeyPatch, asked: dict[str, Any], number: int, gpus: float
) -> None:
    machine.setattr(workers, "num_gpus", lambda: 2)
    placement = place(SearchSettings(**asked))
    assert (placement.num_workers, placement.demands.num_gpus) == (number, gpus)


@pytest.mark.parametrize(
    ("asked", "gpus", "room"),
    [
        ({}, 1.0, 4),
        ({"gpu_share": 0.5, "threads": 2}, 0.5, 8),
        ({"gpu_share": 0.0}, 0.0, 24),
        ({"labels": {"zone": "b"}}, 0.0, 8),
        ({"resources": {"licence": 1.0}, "gpu_share": 0.0}, 0.0, 2),
        ({"memory": 16e9, "gpu_share": 0.0}, 0.0, 6),
    ],
)
def test_a_cluster_with_gpus_is_never_trained_on_without_them_unless_told_so(
    machine: pytest.MonkeyPatch, asked: dict[str, Any], gpus: float, room: int
) -> None:
    placement = place(SearchSettings(address="auto", **asked))
    assert placement.num_workers is None, "the pool follows the cluster"
    assert placement.demands.num_gpus == gpus
    assert f"room for {room}" in placement.words
    assert ("--gpu-share" in placement.words) == (gpus == 1.0)


def test_demands_are_said_in_words(machine: pytest.MonkeyPatch) -> None:
    asked = SearchSettings(
        address="auto",
        workers=3,
        threads=2,
        gpu_share=0.25,
        memory=8e9,
        labels={"zone": "a"},
        resources={"x": 1.5},
    )
    told = place(asked).words
    assert "workers 3, each with 2 cores, 0.25 GPUs, 8 GB of memory, 1.5 x on nodes with zone=a" in told


@pytest.mark.parametrize("name", ["CPU", "gpu", "memory", "object_store_memory"])
def test_what_ray_counts_itself_is_no_custom_resource(name: str) -> None:
    with pytest.raises(ExecutorError, match=f"got '{name}'; say `"):
        check_places(SearchSettings(address="auto", resources={name: 1.0}))


def test_what_is_a_clusters_needs_one() -> None:
    with pytest.raises(SettingsError, match="without a cluster; give its --address"):
        check_places(SearchSettings(labels={"zone": "a"}))


def test_memory_to_spare_is_read_from_the_machine() -> None:
    assert 0 < workers.available_bytes() < 2**50


def test_size_classes_are_those_of_what_is_trained_and_stand_for_all_of_it() -> None:
    settings = make_settings({"search": {"target": "12M", "reward": "hard"}})
    space = open_space("mnasnet", resolution=16, num_classes=10, input_channels=1, width=0.5)
    found = size_classes(space, settings, data_bytes=7)
    macs = [cost(Architecture.from_json(text)).macs for text in found.architectures]
    assert len({int(math.log2(one)) for one in macs}) == len(macs) > 1
    assert max(macs) <= settings.search.make_reward().limit
    assert sum(found.shares) == pytest.approx(1.0) and found.data_bytes == 7


NEEDS = {
    "cpu": Needs({1: 1.0, 2: 0.3, 4: 0.3, 8: 0.3}, 10**9, None),
    "gpu": Needs({1: 0.01}, 10**9, 20 * 10**9),
}


@pytest.mark.parametrize(
    ("device", "asked", "chosen"),
    [
        ("cpu", {}, (2, 4, 0.0)),
        ("cpu", {"workers": 3}, (2, 3, 0.0)),
        ("gpu", {}, (1, 8, 0.25)),  # two GPUs, four cores for each
        ("gpu", {"gpu_share": 0.5}, (1, 8, 0.5)),
    ],
)
def test_a_probe_chooses_what_the_settings_leave_out(
    machine: pytest.MonkeyPatch, device: str, asked: dict[str, Any], chosen: tuple[int, int, float]
) -> None:
    machine.setattr(workers, "num_gpus", lambda: 2 if device == "gpu" else 0)
    machine.setattr(workers, "on_worker", lambda function, given, *, demands, address: NEEDS[device])
    found, why = packed(SearchSettings(packing="probe", **asked), Candidates((), (), Recipe()))
    assert (found.threads, found.workers, found.gpu_share) == chosen
    assert why.startswith("packed by a probe: ")


@pytest.mark.parametrize(
    ("nodes", "asked", "chosen", "probed_on"),
    [
        ("cpu", {}, (2, 0.0, 10**9), [8]),
        ("cpu", {"memory": 5e9, "threads": 4}, (4, 0.0, 5e9), [8]),
        ("cpu small", {}, (2, 0.0, 10**9), [8]),  # alike but for their memory: the small one is probed
        ("gpu cpu", {}, (1, 0.25, None), [16]),
        ("gpu gpu cpu", {"gpu_share": 0.0}, (2, 0.0, 10**9), [16, 8]),
    ],
)
def test_on_a_cluster_one_node_of_each_kind_is_probed_and_the_number_of_workers_follows_it(
    machine: pytest.MonkeyPatch,
    nodes: str,
    asked: dict[str, Any],
    chosen: tuple[int, float, float | None],
    probed_on: list[int],
) -> None:
    small = {**CPU_NODE, "Resources": {**CPU_NODE["Resources"], "memory": 31e9}}
    kinds = {"cpu": CPU_NODE, "gpu": GPU_NODE, "small": small}
    listed = [{**kinds[kind], "NodeID": f"{kind}{place}"} for place, kind in enumerate(nodes.split())]
    for node in listed:
        node["Labels"] = {**node["Labels"], NODE_LABEL: node["NodeID"]}
    asked_of: list[Demands] = []

    def probe_there(function: object, given: Candidates, *, demands: Demands, address: str) -> Needs:
        assert address == "auto"
        asked_of.append(demands)
        known = NEEDS["gpu" if demands.num_gpus else "cpu"]
        return Needs(
            {n: known.step_s.get(n, 0.3) for n in given.threads}, known.peak_bytes, known.device_bytes
        )

    machine.setattr(workers, "cluster_nodes", lambda address: [*listed, DEAD_NODE])
    machine.setattr(workers, "on_worker", probe_there)
    found, why = packed(
        SearchSettings(packing="probe", address="auto", **asked), Candidates((), (), Recipe())
    )
    assert (found.threads, found.gpu_share, found.memory) == chosen and found.workers is None
    assert [one.num_cpus for one in asked_of] == probed_on, "all cores of a node of each kind"
    assert len({one.labels[NODE_LABEL] for one in asked_of}) == len(probed_on)
    assert ("small1" in {one.labels[NODE_LABEL] for one in asked_of}) == ("small" in nodes)
    assert ("2 kinds of nodes" in why) == (len(probed_on) == 2)
    placed = place(found)
    assert placed.num_workers is None and placed.demands.num_gpus == chosen[1]


def test_a_probe_of_a_cluster_without_a_node_that_fits_is_refused(machine: pytest.MonkeyPatch) -> None:
    asked = SearchSettings(packing="probe", address="auto", labels={"zone": "c"})
    with pytest.raises(
        ExecutorError, match="got none at 'auto' with these labels: {'zone': 'c'}; add a node"
    ):
        packed(asked, Candidates((), (), Recipe()))


@pytest.mark.slow
def test_a_real_probe_in_a_process_of_its_own_packs_this_machine() -> None:
    space = open_space("mnasnet", resolution=8, num_classes=10, input_channels=1, width=0.1)
    network = space.decode((0,) * len(space.choices)).to_json()
    candidates = Candidates((network,), (1.0,), Recipe(batch_size=8))
    found, why = packed(SearchSettings(packing="probe", threads=1), candidates)
    assert found.threads == 1 and found.workers is not None and 1 <= found.workers <= (os.cpu_count() or 1)
    assert "a step takes" in why
