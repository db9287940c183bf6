"""What one worker of a pool needs of a machine, beside its cores and GPUs, and how many a cluster has room for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nas.execution.errors import ExecutorError


@dataclass(frozen=True, slots=True)
class Demands:
    """The room that a worker takes.

    Args:
        num_cpus: cores, and so threads, at least 1.
        num_gpus: GPUs, at least 0; a fraction lets several workers share one.
        memory_bytes: of main memory, for placing and not enforced; None: not looked at.
        resources: amounts of resources that the cluster's nodes were started with, as `{"licence": 1}`.
        labels: that the node must have, as `{"market-type": "spot"}`.

    Raises:
        ExecutorError: an amount below its least.
    """

    num_cpus: int = 1
    num_gpus: float = 0.0
    memory_bytes: int | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        least = {"num_cpus_per_worker": (self.num_cpus, 1), "num_gpus_per_worker": (self.num_gpus, 0)}
        least |= {f"resource {name}": (amount, 0) for name, amount in self.resources.items()}
        for name, (value, bound) in least.items():
            if not (math.isfinite(value) and value >= bound):
                raise ExecutorError(f"`{name}` must be at least {bound}, got {value}; raise it")

    @property
    def options(self) -> dict[str, Any]:
        """Returns the options of a Ray actor that takes this room."""
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
        return sum(self._room(node) for node in nodes if node["Alive"] and self._has_labels(node))

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
