"""The file needs torch and safetensors alone, has the same names, gives the same scores, and is readable."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from search_space import Architecture, reference, reference_names
from search_space.build import build
from search_space.export import python_source
from search_space.export.layout import LINE_LENGTH
from search_space.export.preprocessing import Preprocessing
from search_space.weights import save_weights
from tests.search_space.export.networks import TINY

KNOWN = Preprocessing(
    16, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7), ("it's", 'a "b"', *(f"class {i}" for i in range(40)))
)
# Runs alone in its folder: no package of ours can be imported there.
RUN = """
import sys, torch
torch.set_num_threads(1)
from safetensors.torch import load_file
from network import Network
weights = load_file("weights.safetensors")
image, expected = weights.pop("image"), [weights.pop(f"scores{i}") for i in range(int(sys.argv[1]))]
network = Network().eval()
network.load_state_dict(weights, strict=True)
with torch.no_grad():
    scores = network(image)
scores = scores if isinstance(scores, tuple) else (scores,)
assert all(torch.equal(a, b) for a, b in zip(scores, expected, strict=True))
assert not {"search_space", "nas", "runs"} & set(sys.modules)
"""


def _scores_agree(network: Architecture, folder: Path) -> None:
    module = build(network, seed=1, zero_init_residual=False).eval()
    side = network.resolution
    image = torch.randn(2, network.input_channels, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        scores = module(image)
    scores = scores if isinstance(scores, tuple) else (scores,)
    for name, tensor in {"image": image, **{f"scores{i}": each for i, each in enumerate(scores)}}.items():
        module.register_buffer(name, tensor)
    save_weights(module, folder / "weights.safetensors")
    (folder / "network.py").write_text(python_source(network), encoding="utf-8")
    (folder / "run.py").write_text(RUN, encoding="utf-8")
    command = [
        sys.executable,
        "-I",
        "-c",
        "import sys; sys.path.insert(0, '.'); exec(open('run.py').read())",
    ]
    done = subprocess.run(
        [*command, str(len(scores))], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_found_network_gives_equal_scores_in_a_clean_process(tmp_path: Path) -> None:
    _scores_agree(TINY, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "resolution"),
    [
        ("alexnet_two_group", 227),
        ("googlenet_v1_original_aux", 224),
        ("resnet20_cifar10_optA", 32),
        ("stochastic_depth_resnet110_convbias", 32),
        ("preresnet110_cifar10", 32),
        ("se_resnext50_32x4d", 64),
        ("dpn68", 64),
        ("condensenet50_cifar10", 32),
        ("shufflenet_v1_g3_x0_5", 64),
        ("shufflenet_v2_x0_5", 64),
        ("nasnet_a_mobile_4_1056", 100),
        ("mobilenet_v3_small_0_75", 64),
        ("efficientnet_v2_b0", 64),
    ],
)
def test_reference_networks_give_equal_scores_in_a_clean_process(
    name: str, resolution: int, tmp_path: Path
) -> None:
    _scores_agree(reference(name).at(resolution=resolution), tmp_path)


ONE_OF_EACH = (
    "vgg11",
    "mnasnet_a1_1_0",
    "dpn68",
    "shufflenet_v2_x1_0",
    "nasnet_a_mobile_4_1056",
    "googlenet_v1_original_aux",
)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_it_imports_torch_and_safetensors_only_and_calls_nothing_at_the_top(name: str) -> None:
    tree = ast.parse(python_source(reference(name)))
    imported = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported <= {"__future__", "torch", "torch.nn.functional", "safetensors.torch"}
    kinds = {type(node) for node in tree.body}
    assert kinds <= {ast.Expr, ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef}


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_the_source_is_annotated_and_has_no_long_line(name: str) -> None:
    source = python_source(reference(name))
    assert max(map(len, source.splitlines())) <= LINE_LENGTH
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            assert node.returns is not None
            assert all(argument.annotation or argument.arg == "self" for argument in node.args.args)


def test_linters_and_formatters_have_nothing_to_say(tmp_path: Path) -> None:
    sources = {name: python_source(reference(name)) for name in ONE_OF_EACH}
    for index, fold in enumerate((False, True)):
        notes = ("Found by study s, trial 3.",)
        sources[f"tiny{index}"] = python_source(TINY, preprocessing=KNOWN, notes=notes, fold=fold)
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--line-length", str(LINE_LENGTH), str(tmp_path)]
    for command in (
        [*ruff, "check", "--select", "E,W,F,I,B,UP", *options],
        [*ruff, "format", "--diff", *options],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_equal_structures_share_a_class_with_constructor_arguments() -> None:
    source = python_source(reference("efficientnet_b7"))
    assert source.count("(nn.Module):") < 12
    assert "for _ in range(" in source


def test_training_rates_are_written_down() -> None:
    source = python_source(TINY, dropout=0.25, drop_path=0.375)
    assert "nn.Dropout(p=0.25)" in source
    assert "DropPath(0.25)" in source  # of block 2 of 3, the only residual one


def test_it_says_where_it_comes_from() -> None:
    source = python_source(TINY, notes=("Found by study s, trial 3.",))
    assert source.startswith('"""A network for 3 x 16 x 16 images and 5 classes.')
    assert "Use: `load(path)`." in source
    assert "Found by study s, trial 3." in source.partition('"""\n')[0] and TINY.digest in source


def test_it_normalises_levels() -> None:
    names: dict[str, object] = {}
    exec(compile(python_source(TINY, preprocessing=KNOWN), "network", "exec"), names)
    levels = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    normalised = names["normalised"]
    assert callable(normalised)
    expected = (levels.float() / 255 - torch.tensor(KNOWN.mean)[:, None, None]) / torch.tensor(KNOWN.std)[
        :, None, None
    ]
    torch.testing.assert_close(normalised(levels), expected)
    assert normalised(levels.to("meta")).device.type == "meta"


def test_without_data_it_has_no_normalisation() -> None:
    assert "normalised" not in python_source(TINY) and "MEAN" not in python_source(TINY)


@pytest.mark.slow
def test_every_reference_network_can_be_written() -> None:
    for name in reference_names():
        ast.parse(python_source(reference(name)))
