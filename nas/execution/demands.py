"""What one worker of a pool needs of a machine, beside its cores and GPUs, and how many a cluster has room for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nas.execution.errors import ExecutorError

NODE_LABEL = "ray.io/node-id"  # that Ray gives each node

# What Ray counts by itself.
_OWN_FIELDS = {
    "cpu": "`threads`",
    "gpu": "`gpu_share`",
    "memory": "`memory`",
    "object_store_memory": "`memory`",
}


@dataclass(frozen=True, slots=True)
class Demands:
    """The room that a worker takes.

    Args:
        num_cpus: cores, and so threads, at least 1.
        num_gpus: GPUs, at least 0; a fraction lets several workers share one.
        memory_bytes: of main memory, for placing and not enforced; None: not looked at.
        resources: amounts of resources that the cluster's nodes were started with, as `{"licence": 1}`.
        labels: that the node must have, as `{"market-type": "spot"}`.
        num_processes: that work on one task together, at least 1, each of which takes all this room.

    Raises:
        ExecutorError: an amount below its least, or a resource that has a field of its own here.
    """

    num_cpus: int = 1
    num_gpus: float = 0.0
    memory_bytes: int | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    num_processes: int = 1

    def __post_init__(self) -> None:
        own = [name for name in self.resources if name.lower() in _OWN_FIELDS]
        if own:
            raise ExecutorError(
                f"`resources` must be a cluster's own, got {own[0]!r}; say {_OWN_FIELDS[own[0].lower()]} instead"
            )
        least = {"num_cpus_per_worker": (self.num_cpus, 1), "num_gpus_per_worker": (self.num_gpus, 0)}
        least["num_processes"] = (self.num_processes, 1)
        least |= {f"resource {name}": (amount, 0) for name, amount in self.resources.items()}
        for name, (value, bound) in least.items():
            if not (math.isfinite(value) and value >= bound):
                raise ExecutorError(f"`{name}` must be at least {bound}, got {value}; raise it")

    @property
    def options(self) -> dict[str, Any]:
        """Returns the options of a Ray actor that takes the room of one process."""
        given: dict[str, Any] = {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus}
        if self.memory_bytes is not None:
            given["memory"] = self.memory_bytes
        if self.resources:
            given["resources"] = dict(self.resources)
        if self.labels:
            given["label_selector"] = dict(self.labels)
        return given

    def room(self, nodes: Sequence[Mapping[str, Any]]) -> int:
        """Returns how many workers the nodes have room for when nothing else runs there.

        Args:
            nodes: as `ray.nodes()` lists them.

        Example:
            >>> Demands(num_cpus=2).room([{"Alive": True, "Resources": {"CPU": 5.0}, "Labels": {}}])
            2
        """
        return sum(map(self._room, self.usable(nodes))) // self.num_processes

    def __str__(self) -> str:
        """Returns the room in words.

        Example:
            >>> str(Demands(num_cpus=2, num_gpus=0.25, memory_bytes=8 * 10**9))
            '2 cores, 0.25 GPUs, 8 GB of memory'
        """
        parts = [f"{self.num_processes} processes of"] if self.num_processes > 1 else []
        parts.append(f"{self.num_cpus} core{'s' if self.num_cpus > 1 else ''}")
        if self.num_gpus:
            parts.append(f"{self.num_gpus:g} GPU{'' if self.num_gpus == 1 else 's'}")
        if self.memory_bytes is not None:
            parts.append(f"{self.memory_bytes / 1e9:g} GB of memory")
        parts += [f"{amount:g} {name}" for name, amount in self.resources.items()]
        on = [f"{name}={value}" for name, value in self.labels.items()]
        return ", ".join(parts).replace(" of, ", " of ") + (f" on nodes with {', '.join(on)}" if on else "")

    def offers(self, nodes: Sequence[Mapping[str, Any]], resource: str) -> float:
        """Returns how much of a resource the living nodes with these labels have in all."""
        return float(sum(node["Resources"].get(resource, 0.0) for node in self.usable(nodes)))

    def usable(self, nodes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Returns the living nodes with these labels, as given."""
        return [node for node in nodes if node["Alive"] and self._has_labels(node)]

    def _room(self, node: Mapping[str, Any]) -> int:
        offered = node["Resources"]
        wanted = {"CPU": float(self.num_cpus), "GPU": self.num_gpus, **self.resources}
        wanted["memory"] = float(self.memory_bytes or 0)
        return int(
            min(offered.get(name, 0.0) / amount + 1e-9 for name, amount in wanted.items() if amount > 0)
        )

    def _has_labels(self, node: Mapping[str, Any]) -> bool:
        labels = node.get("Labels") or {}
        return all(labels.get(name) == value for name, value in self.labels.items())
