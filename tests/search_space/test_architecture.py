"""An architecture is a value: its document comes back the same, and a wrong one says where it is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from search_space import (
    Architecture,
    ArchitectureError,
    Conventions,
    Stage,
    reference,
    reference_names,
    schema,
)
from search_space.blocks import BLOCKS, ClassifierOptions, MBConvOptions, SqueezeExcitation
from tests.search_space.architectures import architectures

DOCS = Path(__file__).parents[2] / "docs"

TINY = Architecture(
    32,
    Stage("stem", 1, 16, 2),
    (Stage("mbconv", 2, 24, 2, MBConvOptions(4, squeeze=SqueezeExcitation(activation="silu"))),),
    Stage("classifier", 1, 0),
    num_classes=10,
)
TINY_JSON = (
    '{"format":1,"head":{"block":"classifier","channels":0,"repeats":1},"num_classes":10,"resolution":32,'
    '"stages":[{"block":"mbconv","channels":24,"options":{"expansion":4,"squeeze":{"activation":"silu"}},'
    '"repeats":2,"stride":2}],"stem":{"block":"stem","channels":16,"repeats":1,"stride":2}}'
)
# A digest names an architecture in databases and caches: this one may never change.
TINY_DIGEST = "6d99e10ab90e3cca5a57c3162544afa8ff65087e073c4e015ce65d1dad9dac8b"


def test_the_canonical_document_is_one_sorted_line_without_defaults() -> None:
    assert TINY.to_json() == TINY_JSON


def test_the_digest_is_that_of_the_first_release() -> None:
    assert TINY.digest == TINY_DIGEST


def test_the_digest_is_the_same_in_another_process() -> None:
    code = (
        "import sys; from search_space import Architecture; print(Architecture.from_json(sys.argv[1]).digest)"
    )
    done = subprocess.run([sys.executable, "-c", code, TINY_JSON], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == TINY_DIGEST


@settings(max_examples=15)
@given(architectures())
def test_a_document_comes_back_as_the_same_architecture(architecture: Architecture) -> None:
    again = Architecture.from_json(architecture.to_json())
    assert again == architecture
    assert (again.digest, hash(again)) == (architecture.digest, hash(architecture))
    jsonschema.validate(json.loads(architecture.to_json()), schema())


@pytest.mark.parametrize(
    "name", ["googlenet_v1_original_aux", "nasnet_a_mobile_4_1056", "dpn68", "mnasnet_a1_1_0"]
)
def test_a_reference_networks_document_comes_back_and_fits_the_schema(name: str) -> None:
    document = reference(name).to_json()
    assert Architecture.from_json(document) == reference(name)
    jsonschema.validate(json.loads(document), schema())


def test_all_reference_networks_have_digests_of_their_own_unless_they_are_one_network() -> None:
    digests: dict[str, list[str]] = {}
    for name in reference_names():
        digests.setdefault(reference(name).digest, []).append(name)
    twins = sorted(names for names in digests.values() if len(names) > 1)
    assert twins == [
        ["mobilenet_v3_large_1_0", "mobilenet_v3_large_torchvision"],
        ["mobilenet_v3_small_1_0", "mobilenet_v3_small_torchvision"],
        ["nasnet_a_large_6_4032", "nasnet_a_large_6_4032_cadene"],
        ["nasnet_a_mobile_4_1056", "nasnet_a_mobile_4_1056_same"],
        ["resnet110_cifar10_optA", "stochastic_depth_resnet110"],
        ["resnet1202_cifar10_optA", "stochastic_depth_resnet1202"],
        ["resnet152", "stochastic_depth_resnet152_imagenet"],
    ]


def test_other_names_of_an_activation_are_the_same_architecture() -> None:
    network = reference("efficientnet_b0")
    document = network.to_json()
    assert '"silu"' in document
    assert Architecture.from_json(document.replace('"silu"', '"swish"')) == network


def test_a_whole_number_may_stand_for_a_float() -> None:
    assert MBConvOptions(6) == MBConvOptions(6.0)
    assert hash(MBConvOptions(6)) == hash(MBConvOptions(6.0))


def test_a_stage_without_options_has_its_blocks_defaults() -> None:
    assert Stage("mbconv", 1, 8).options == MBConvOptions()


def test_at_changes_input_and_classes_only() -> None:
    changed = TINY.at(resolution=48, num_classes=3)
    assert (changed.resolution, changed.num_classes, changed.stages) == (48, 3, TINY.stages)


Edit = Callable[[dict[str, Any]], Any]
WRONG: list[tuple[Edit, str]] = [
    (
        lambda d: d["stages"][0]["options"].update(kernel="3"),
        'stages[0].options.kernel must be an odd whole number in [1, 31], got "3"; ',
    ),
    (
        lambda d: d["stages"][0]["options"].update(kernel=4),
        "stages[0].options.kernel must be an odd whole number in [1, 31], got 4; ",
    ),
    (
        lambda d: d["stages"][0]["options"].update(kernel=True),
        "stages[0].options.kernel must be an odd whole number",
    ),
    (
        lambda d: d["stages"][0]["options"].update(kernell=3),
        "stages[0].options.kernell is not a known field; did you mean kernel?",
    ),
    (
        lambda d: d["stages"][0]["options"].update(expansion=0),
        "stages[0].options.expansion must be a number in [0.125, 64], got 0; ",
    ),
    (
        lambda d: d["stages"][0]["options"].update(activation="rleu"),
        "stages[0].options.activation must be one of",
    ),
    (
        lambda d: d["stages"][0]["options"]["squeeze"].update(base="inpt"),
        "stages[0].options.squeeze.base must be one of",
    ),
    (
        lambda d: d["stages"][0]["options"].update(squeeze=0.25),
        "stages[0].options.squeeze must be a SqueezeExcitation, got 0.25; ",
    ),
    (lambda d: d["stages"][0].update(options=[]), "stages[0].options must be an object, got []; "),
    (
        lambda d: d["stages"][0].update(block="mbcon"),
        'stages[0].block must be a known block, got "mbcon"; did you mean mbconv',
    ),
    (lambda d: d["stages"][0].update(block=7), "stages[0].block must be"),
    (
        lambda d: d["stages"][0].update(channels=0),
        "stages[0].channels must be a whole number of at least 1, got 0; ",
    ),
    (
        lambda d: d["stages"][0].update(repeats=1.5),
        "stages[0].repeats must be a whole number in [1, 1000], got 1.5; ",
    ),
    (lambda d: d["stages"][0].pop("repeats"), "stages[0].repeats is required, got nothing; add it"),
    (
        lambda d: d["stages"][0].update(channels=10**9),
        "stages[0].channels must be a whole number in [0, 65536], got 1000000000; ",
    ),
    (
        lambda d: d["stages"][0].update(block="classifier", options={}),
        "stages[0].block must give a map, classifier gives scores; ",
    ),
    (lambda d: d["stages"].append(3), "stages[1] must be an object, got 3; "),
    (lambda d: d.update(stages=3), "stages must be a list, got 3; "),
    (lambda d: d.update(stages=d["stages"] * 300), "stages must be a sequence of at most 256 items"),
    (lambda d: d["stem"].update(repeats=2), "stem.repeats must be 1, got 2; "),
    (lambda d: d.update(stem=None), "stem must be an object, got None; "),
    (lambda d: d.pop("head"), "head is required, got nothing; add it"),
    (lambda d: d["head"].update(block="pool"), "head.block must give class scores, pool does not; "),
    (lambda d: d.update(resolution=0), "resolution must be a whole number in [1, 8192], got 0; "),
    (lambda d: d.update(format=2), "format must be 1, got 2; "),
    (lambda d: d.pop("format"), "format must be 1, got None; "),
    (lambda d: d.update(name="x"), "name is not a known field; "),
    (lambda d: d.update(conventions={"padding": "sme"}), "conventions.padding must be one of"),
    (
        lambda d: d.update(auxiliary=[{"after": 5, "head": d["head"]}]),
        "auxiliary[0].after must be the index of a stage, below 1, got 5; ",
    ),
    (lambda d: d.update(auxiliary=[{"after": 0}]), "auxiliary[0].head is required"),
]


@pytest.mark.parametrize(("edit", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_a_wrong_document_is_refused_with_the_path_to_the_field(edit: Edit, message: str) -> None:
    document = json.loads(TINY_JSON)
    edit(document)
    with pytest.raises(ArchitectureError) as refused:
        Architecture.from_dict(document)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 500


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "the document must be JSON"),
        ("3", "must be an object, got 3"),
        ("[" * 100_000, "the document must not nest so deep"),
        ('{"format":1,"format":1}', "format must stand once in its object"),
        ('{"resolution":NaN}', "the document must hold finite numbers"),
        ('{"resolution":' + "9" * 5000 + "}", "the document must be JSON"),
        (" " * 1_000_001, "the document must have at most 1000000 bytes"),
    ],
    ids=["torn", "number", "deep", "doubled", "nan", "digits", "long"],
)
def test_a_hostile_document_is_refused_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(ArchitectureError, match=message) as refused:
        Architecture.from_json(text)
    assert len(str(refused.value)) < 500


def test_options_of_another_block_are_refused() -> None:
    with pytest.raises(
        ArchitectureError, match="options must be MBConvOptions for the block mbconv, got Classifier"
    ):
        Stage("mbconv", 1, 8, options=ClassifierOptions())


def test_every_block_has_a_schema_and_options_that_are_their_own_documents() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    kinds = {kind["properties"]["block"]["const"] for kind in schema()["$defs"]["stage"]["oneOf"]}
    assert kinds == set(BLOCKS)


def test_the_schema_refuses_what_the_reader_refuses() -> None:
    document = json.loads(TINY_JSON)
    document["stages"][0]["options"]["kernel"] = 4
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


def test_the_documented_schema_is_the_programs() -> None:
    assert json.loads((DOCS / "architecture.schema.json").read_text(encoding="utf-8")) == schema()


def test_conventions_at_their_defaults_are_left_out() -> None:
    assert Conventions() == TINY.conventions
    assert "conventions" not in TINY.to_dict()
