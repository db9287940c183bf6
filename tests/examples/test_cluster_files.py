"""The example files for clusters: read by those who will read them, as far as that goes without a cloud."""

from __future__ import annotations

import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import hash_runtime_conf, prepare_config, validate_config

from nas.settings import load_settings

FOLDER = Path(__file__).parents[2] / "examples" / "cluster"


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.name)
def test_settings_are_settings(path: Path) -> None:
    assert load_settings(path).search.study


def test_ray_accepts_its_cluster_file_and_finds_what_it_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = prepare_config(read("ray_up.yaml"))
    validate_config(config)
    monkeypatch.setenv("HOME", str(tmp_path))
    [step] = [line for line in (FOLDER / "ray_up.yaml").read_text().splitlines() if "auth_token)" in line]
    subprocess.run(["bash", "-c", step.lstrip("# ")], check=True)
    mounts = {there: str(Path(here).expanduser()) for there, here in config["file_mounts"].items()}
    hash_runtime_conf(mounts, [], [])
    [token] = [Path(path) for path in mounts.values()]
    assert len(token.read_text().strip()) == 64 and token.stat().st_mode & 0o077 == 0


def test_the_versions_of_the_examples_are_those_that_are_tested() -> None:
    for name in ("ray_up.yaml", "kuberay.yaml"):
        text = (FOLDER / name).read_text()
        assert version("nas-compound") in text and version("ray") in text


def test_the_image_copies_what_is_there_and_all_that_is_installed() -> None:
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    copied = {word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]}
    root = FOLDER.parents[1]
    assert all((root / name).exists() for name in copied)
    project = tomllib.loads((root / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert copied >= {*packages, "pyproject.toml", project["project"]["readme"], "LICENSE"}
    assert f"nas-compound:{version('nas-compound')}" in "\n".join(lines)


@pytest.mark.parametrize("key", ["head_start_ray_commands", "worker_start_ray_commands"])
def test_every_ray_is_started_with_a_token_and_without_statistics(key: str) -> None:
    [start] = [command for command in read("ray_up.yaml")[key] if "ray start" in command]
    assert "RAY_AUTH_MODE=token" in start and "RAY_USAGE_STATS_ENABLED=0" in start


def test_kubernetes_runs_the_version_that_is_tested_and_every_pod_has_the_token() -> None:
    config = read("kuberay.yaml")
    assert (config["apiVersion"], config["kind"]) == ("ray.io/v1", "RayCluster")
    assert config["spec"]["rayVersion"] == version("ray")
    groups = [config["spec"]["headGroupSpec"], *config["spec"]["workerGroupSpecs"]]
    # Ray without its dashboard does not serve what KubeRay's own probes ask.
    assert all(
        container["readinessProbe"]["exec"] and container["livenessProbe"]["exec"]
        for group in groups
        for container in group["template"]["spec"]["containers"]
    )
    for container in (one for group in groups for one in group["template"]["spec"]["containers"]):
        environment = {entry["name"]: entry for entry in container["env"]}
        assert environment["RAY_AUTH_MODE"]["value"] == "token"
        assert "secretKeyRef" in environment["RAY_AUTH_TOKEN"]["valueFrom"]
        assert not any(name.startswith(("NAS_STORAGE", "PG")) for name in environment)
