"""Names in other libraries follow from tables: counted where a table counts, and chosen by what a block has."""

from __future__ import annotations

import pytest

from search_space import reference_names
from search_space.weight_sources import SOURCES, SourceError, counterpart, counterpart_names
from search_space.weight_sources.naming import AsConvolution, Place, SourceName, paired, source_names


def _named(place: Place, *names: str) -> list[str]:
    return [there.name for there in source_names({"stages": place}, names).values()]


def test_prefixes_and_layers_count_stages_blocks_and_units() -> None:
    table = {"conv": "{3+2*block}", "norm": "bn{unit}"}
    names = ("stages.0.blocks.0.conv.weight", "stages.2.blocks.10.conv.weight", "stages.2.blocks.9.norm.bias")
    assert _named(Place("layer{1+stage}", (table,)), *names) == [
        "layer1.3.weight",
        "layer3.23.weight",
        "layer3.bn1.bias",  # the second of these three blocks, in the order of their numbers
    ]


def test_a_block_has_the_first_table_with_all_its_layers() -> None:
    place = Place("{block}", ({"b": "0"}, {"a": "0", "b": "1"}))
    assert _named(place, "stages.0.blocks.0.b.weight") == ["0.0.weight"]
    assert _named(place, "stages.0.blocks.0.a.weight", "stages.0.blocks.0.b.weight") == [
        "0.0.weight",
        "0.1.weight",
    ]


def test_a_part_takes_its_own_place_before_that_of_all_stages() -> None:
    naming = {
        name: Place(name.replace(".", "-"), ({"a": ""},))
        for name in ("stages", "stages.1", "units.2", "head")
    }
    names = [f"stages.{stage}.blocks.0.a.weight" for stage in range(3)] + ["head.a.weight"]
    assert [there.name for there in source_names(naming, names).values()] == [
        "stages.weight",
        "stages-1.weight",
        "units-2.weight",
        "head.weight",
    ]


def test_a_linear_layer_may_be_a_convolution_of_the_whole_map() -> None:
    naming = {"head": Place("", ({"linear": AsConvolution("fc", 7)},))}
    weight, bias = source_names(naming, ["head.linear.weight", "head.linear.bias"]).values()
    assert weight == SourceName("fc.weight", 7)
    assert (weight.shape((10, 98)), bias.shape((10,))) == ((10, 2, 7, 7), (10,))


def test_paired_layers_have_a_normalisation_beside_them() -> None:
    assert paired("conv", "bn", a="", b="x.0") == {
        "a": "conv",
        "a_norm": "bn",
        "b": "x.0.conv",
        "b_norm": "x.0.bn",
    }


@pytest.mark.parametrize("source", SOURCES)
def test_a_librarys_networks_are_reference_networks_and_none_is_another(source: str) -> None:
    networks = [counterpart(name, source=source) for name in counterpart_names(source)]
    assert len({network.at(resolution=224).digest for network in networks}) == len(networks)
    assert {row.network for row in SOURCES[source].values()} <= set(reference_names())


def test_an_unknown_network_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        SourceError, match='a network of timm must be one of ours, got "resnet51"; did you mean'
    ):
        counterpart("resnet51", source="timm")
    with pytest.raises(SourceError, match="source must be timm or torchvision"):
        counterpart_names("keras")
