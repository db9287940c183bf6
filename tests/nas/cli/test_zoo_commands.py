"""The commands about the reference networks: cost by layer, zoo list, show and compare, draw."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from search_space import cost, draw, reference, reference_names
from search_space.zoo import FAMILIES
from tests.nas.cli.conftest import Nas


def parsed(nas: Nas, command: str) -> Any:
    ended = nas(*command.split(), "--json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_the_list_is_the_whole_zoo_with_costs_families_and_accuracies(nas: Nas) -> None:
    rows = parsed(nas, "zoo list")
    assert [row["name"] for row in rows] == list(reference_names())
    [b0] = [row for row in rows if row["name"] == "efficientnet_b0"]
    promised = (
        "name digest resolution params macs activations peak_memory_bytes family top1 top1_data".split()
    )
    assert list(b0) == promised
    assert (b0["family"], b0["top1"], b0["top1_data"]) == ("efficientnet", 77.1, "ImageNet")


def test_the_list_is_filtered(nas: Nas) -> None:
    rows = parsed(nas, "zoo list --family mobilenet_v2 --max-macs 0.1G --max-params 3.5M")
    assert {row["name"] for row in rows} == {
        "mobilenet_v2_1_0_128",
        "mobilenet_v2_1_0_96",
        "mobilenet_v2_0_5_224",
        "mobilenet_v2_0_35_224",
    } - {row["name"] for row in parsed(nas, "zoo list mobilenet_v2") if row["params"] > 3_500_000}
    assert all(row["macs"] <= 100_000_000 and row["params"] <= 3_500_000 for row in rows)
    assert [row["name"] for row in parsed(nas, "zoo list efficientnet_b?")] == [
        f"efficientnet_b{index}" for index in range(9)
    ]
    assert {row["family"] for row in parsed(nas, "zoo list vgg")} == {"vgg"}
    near = "did you mean resnet50 or se_resnet50 or resnet152?"
    assert nas("zoo", "list", "resnet-50").err == f"nothing to show\n{near}\n"
    assert nas("zoo", "list", "zzz").err == "nothing to show\n`nas zoo list` lists all names\n"
    assert parsed(nas, "zoo list zzz") == []


@pytest.mark.parametrize("column", ["name", "family", "macs", "params", "top1"])
@pytest.mark.parametrize("reverse", ["", " --reverse"])
def test_the_list_is_sorted_and_what_has_no_value_comes_last(nas: Nas, column: str, reverse: str) -> None:
    rows = parsed(nas, f"zoo list --sort {column}{reverse}")
    values = [row[column] for row in rows]
    known = [value for value in values if value is not None]
    assert values == known + [None] * (len(values) - len(known))
    assert known == sorted(known, reverse=bool(reverse))
    assert len(rows) == len(reference_names())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_can_be_listed(nas: Nas, family: str) -> None:
    assert {row["family"] for row in parsed(nas, f"zoo list --family {family}")} == {family}


def test_show_has_stages_that_sum_to_the_network_and_published_numbers_beside_ours(nas: Nas) -> None:
    shown = parsed(nas, "zoo show resnet50")
    assert sum(stage["macs"] for stage in shown["stages"]) == shown["macs"]
    assert sum(stage["params"] for stage in shown["stages"]) == shown["params"]
    assert sum(stage["share"] for stage in shown["stages"]) == pytest.approx(1, abs=0.001)
    assert [stage["output"] for stage in shown["stages"]][1] == [256, 56, 56]
    known = shown["published"]
    assert known["macs"] == {
        "ours": shown["macs"],
        "published": 3_800_000_000,
        "difference": 0.0761,
        "verdict": "differs",
    }
    assert known["params"]["verdict"] == "within 2 %" and "1x1" in known["note"]
    assert known["top1"]["percent"] == 76.13 and "torchvision" in known["top1"]["source"]
    assert shown["architecture"]["format"] == 1
    text = nas("zoo", "show", "resnet50").out
    assert "why ours differ" in text and "stages.3" in text and "35.8 %" in text


def test_auxiliary_classifiers_have_their_own_line(nas: Nas) -> None:
    shown = parsed(nas, "zoo show googlenet_v1_original_aux")
    names = [stage["stage"] for stage in shown["stages"]]
    assert names.index("auxiliary.0") == names.index("stages.7") + 1
    assert sum(stage["macs"] for stage in shown["stages"]) == shown["macs"]


def test_a_file_is_shown_without_what_nobody_published(nas: Nas, folder: Path) -> None:
    (folder / "own.json").write_text(reference("vgg11").to_json())
    shown = parsed(nas, "zoo show own.json")
    assert shown["published"] is None and shown["name"] == "own" and shown["top1"] is None
    assert nas("zoo", "show", "own.json").code == 0


@pytest.mark.parametrize("command", ["zoo show", "cost", "draw", "zoo compare"])
def test_a_network_of_which_only_numbers_were_published_says_why(nas: Nas, command: str) -> None:
    ended = nas(*command.split(), "mnasnet_a2")
    assert ended.code == 3
    assert "only numbers were published (4.8 M parameters, 340 M MACs, 75.6 % top-1" in ended.err
    assert "draws only A1" in ended.err


def test_per_layer_is_the_network_layer_by_layer_with_its_memory(nas: Nas) -> None:
    table = parsed(nas, "cost alexnet_torchvision --resolution 227 --per-layer")
    whole = parsed(nas, "cost alexnet_torchvision --resolution 227")
    assert {key: table[key] for key in whole} == whole
    assert sum(layer["macs"] for layer in table["layers"]) == whole["macs"]
    own = [layer for layer in table["layers"] if layer["memory_bytes"]]
    assert own[0]["words"] == "conv 11×11 /4" and own[0]["memory_bytes"] == 784 * 1024
    held = table["memory"]
    assert held["forward_bytes"] == held["image_bytes"] + sum(layer["memory_bytes"] for layer in own)
    assert held["forward_backward_bytes"] == 2 * held["forward_bytes"]
    assert held["weights_bytes"] == 4 * whole["params"] and "CS231n" in held["convention"]


@pytest.mark.parametrize("name", ["alexnet_two_group", "vgg16", "googlenet_v1_original", "resnet50"])
def test_the_table_of_layers_ends_with_their_totals(nas: Nas, name: str) -> None:
    lines = nas("cost", name, "--per-layer").out.splitlines()
    [total] = [line for line in lines if line.strip().startswith("total")]
    exact = cost(reference(name))
    assert f"{exact.params:,}" in total and f"{exact.macs:,}" in total
    assert any("forward and backward" in line for line in lines)


def test_compare_puts_networks_side_by_side(nas: Nas) -> None:
    rows = parsed(nas, "zoo compare resnet18 resnet50 resnet18")["networks"]
    assert [row["name"] for row in rows] == ["resnet18", "resnet50"]
    assert rows[0]["macs_ratio"] == 1 and rows[1]["macs_ratio"] == pytest.approx(2.2541, abs=1e-3)
    assert "resnet50" in nas("zoo", "compare", "resnet18", "resnet50").out


def test_one_network_under_two_names_is_said_to_be_one(nas: Nas, folder: Path) -> None:
    twin = "stochastic_depth_resnet152_imagenet"
    assert parsed(nas, "zoo show resnet152")["same_network_as"] == [twin]
    assert "same network as" in nas("zoo", "show", "resnet152").out
    assert parsed(nas, "zoo show resnet50")["same_network_as"] == []
    assert "same network as" not in nas("zoo", "show", "resnet50").out
    rows = parsed(nas, f"zoo compare resnet152 resnet50 {twin}")["networks"]
    assert [row["same_network_as"] for row in rows] == [[twin], [], ["resnet152"]]
    assert f"one network  resnet152 = {twin}" in nas("zoo", "compare", "resnet152", "resnet50", twin).out
    assert "one network" not in nas("zoo", "compare", "resnet152", "resnet50").out


def test_a_file_is_compared_with_the_reference_network_that_it_is(nas: Nas, folder: Path) -> None:
    network = reference("efficientnet_b0")
    stages = [replace(network.stages[1], repeats=1), replace(network.stages[1], repeats=1, stride=1)]
    split = replace(network, stages=(network.stages[0], *stages, *network.stages[2:]))
    assert split.digest != network.digest
    (folder / "own.json").write_text(split.to_json())
    assert parsed(nas, "zoo show own.json")["same_network_as"] == ["efficientnet_b0"]
    assert "one network  efficientnet_b0 = own" in nas("zoo", "compare", "own.json", "efficientnet_b0").out


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_plot_leaves_out_and_names_what_has_no_accuracy(nas: Nas, folder: Path, kind: str) -> None:
    command = f"zoo compare resnet18 wrn_28_10_cifar10 efficientnet_b0 seresnet50_timm --out plot.{kind}"
    plot = parsed(nas, command)["plot"]
    assert plot == {"file": f"plot.{kind}", "left_out": ["wrn_28_10_cifar10", "seresnet50_timm"]}
    assert "left out of the plot" in nas(*command.split()).err
    if kind == "png":
        with Image.open(folder / "plot.png") as image:
            assert image.size == (1152, 792)
    else:
        ElementTree.parse(folder / "plot.svg")
    assert [path.name for path in folder.iterdir()] == [f"plot.{kind}"]


def test_draw_writes_the_picture_or_prints_it(nas: Nas, folder: Path) -> None:
    told = nas("draw", "googlenet_v1_original", "--out", "g.svg", "--depth", "3")
    assert (told.code, told.out) == (0, "") and "g.svg" in told.err
    picture = draw(reference("googlenet_v1_original"), depth=3, title="googlenet_v1_original")
    assert (folder / "g.svg").read_text() == picture
    assert nas("draw", "vgg11").out == draw(reference("vgg11"), title="vgg11")
    assert parsed(nas, "draw vgg11 --depth 0")["svg"].startswith("<svg")
    assert parsed(nas, "draw vgg11 --out v.svg") == {
        "name": "vgg11",
        "digest": reference("vgg11").digest,
        "depth": 1,
        "file": "v.svg",
    }


def test_a_hostile_file_name_is_only_text_in_the_picture(nas: Nas, folder: Path) -> None:
    path = folder / "<script>alert(1)<&'\".json"
    path.write_text(reference("alexnet_two_group").to_json())
    ended = nas("draw", path.name)
    assert ended.code == 0
    root = ElementTree.fromstring(ended.out)
    assert root.get("aria-label", "").startswith("<script>")
    assert not [element for element in root.iter() if "script" in element.tag]


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ("zoo list --family resnets", 2, "did you mean resnet?"),
        ("zoo list --sort mac", 2, "did you mean macs?"),
        ("zoo list --max-macs many", 2, "--max-macs: a quantity"),
        ("zoo compare resnet18 --out plot.pdf", 2, "must be a file that ends in .svg or .png"),
        ("zoo compare seresnet50_timm --out plot.svg", 3, "must have a network with a published accuracy"),
        ("draw vgg11 --out vgg.png", 2, "must be a file that ends in .svg"),
        ("draw vgg11 --depth 9", 2, "depth must be 0"),
        ("draw vgg11 --depth x", 2, "it must be a whole number from 0 to 4"),
        ("draw vgg1", 3, "did you mean vgg1"),
        (
            "draw vgg11 --out none/v.svg",
            2,
            "a file must be writable, got 'none/v.svg': No such file or directory",
        ),
        ("zoo compare resnet18 --out none/v.svg", 2, "got 'none/v.svg'"),
    ],
)
def test_a_mistake_is_answered_in_a_sentence(
    nas: Nas, folder: Path, command: str, code: int, says: str
) -> None:
    ended = nas(*command.split())
    assert (ended.code, ended.out) == (code, "") and says in ended.err
    assert list(folder.iterdir()) == []


def test_a_file_that_is_no_architecture_is_named(nas: Nas, folder: Path) -> None:
    (folder / "bad.json").write_text('{"a": 1}')
    for command in ("draw", "cost", "zoo show", "zoo compare"):
        ended = nas(*command.split(), "bad.json")
        assert ended.code == 2 and "'bad.json' must hold an architecture: a is not a known field" in ended.err


def test_the_help_of_a_factor_says_what_it_multiplies(nas: Nas) -> None:
    text = " ".join(nas("cost", "--help").out.split())
    for words in ("Multiplies the channels", "Multiplies the blocks", "Multiplies the side of the input"):
        assert words in text
    scaled = parsed(nas, "cost efficientnet_b0 --resolution-factor 1.5")
    assert scaled["resolution"] == 336
