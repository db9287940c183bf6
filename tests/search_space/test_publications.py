"""What was published: every number has its source, and every disagreement with ours its explanation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space import Agreement, UnknownNetwork, agreement, cost, published, reference, reference_names
from search_space.zoo.publications import PUBLISHED, UNPUBLISHED
from search_space.zoo.published_accuracies import ACCURACIES, IMAGENET, TORCHVISION
from search_space.zoo.published_costs import COSTS
from search_space.zoo.published_notes import NOTES
from tests.search_space.weight_sources.libraries import torchvision

# Tables of others print 145.8 M parameters, of a network that is not the released one, of 115 M.
OF_ANOTHER_NETWORK = {"senet154", "senet154_320"}


def _agreements(name: str) -> list[Agreement]:
    printed, ours = published(name), cost(reference(name))
    both = (agreement(ours.params, printed.params), agreement(ours.macs, printed.macs))
    return [one for one in both if one is not None]


def test_every_number_stands_beside_its_source() -> None:
    for name, row in PUBLISHED.items():
        assert bool(row.source) == (row.params is not None or row.macs is not None), name
        assert bool(row.top1_source) == bool(row.data) == (row.top1 is not None), name


def test_every_disagreement_is_explained() -> None:
    unexplained = [
        name
        for name in reference_names()
        if not published(name).note and any(one.verdict == "differs" for one in _agreements(name))
    ]
    assert unexplained == []


def test_even_what_differs_is_the_same_network() -> None:
    far = {name for name in reference_names() if any(abs(one.relative) >= 0.2 for one in _agreements(name))}
    assert far == OF_ANOTHER_NETWORK


def test_senets_parameters_in_the_tables_of_others_are_beside_those_of_the_released_network() -> None:
    row, ours = published("senet154"), cost(reference("senet154"))
    assert (row.params, ours.params) == (145_800_000, 115_088_984)
    assert "params: NASNet Table 2" in row.source and "MACs: ShuffleNet V2 Table 6" in row.source
    assert "Caffe" in row.note


def test_only_known_networks_have_published_numbers() -> None:
    assert set(PUBLISHED) <= {*reference_names(), *UNPUBLISHED}
    assert set(NOTES) <= set(PUBLISHED)


def test_no_accuracy_and_no_cost_is_given_twice() -> None:
    top1s = [name for rows in ACCURACIES.values() for name in rows]
    assert len(top1s) == len(set(top1s))
    for column in (0, 1):
        counts = [name for rows in COSTS.values() for name, row in rows.items() if row[column] is not None]
        assert len(counts) == len(set(counts))


def test_torchvisions_accuracies_are_what_torchvision_says() -> None:
    models = torchvision().models
    for name, top1 in ACCURACIES[TORCHVISION, IMAGENET].items():
        theirs = name.replace("mnasnet_b1_torchvision_", "mnasnet").removesuffix("_torchvision")
        weights = models.get_model_weights(theirs).IMAGENET1K_V1
        assert weights.meta["_metrics"]["ImageNet-1K"]["acc@1"] == top1, name
        assert weights.meta["num_params"] == cost(reference(name)).params or "googlenet" in name, name


def test_several_sources_say_what_each_is_the_source_of() -> None:
    row = published("resnet50")
    assert (row.params, row.macs, row.top1, row.data) == (25_500_000, 3_800_000_000, 76.13, "ImageNet")
    assert row.source == "MACs: ResNet section 3.3 and Table 1; params: ResNeXt Table 1"
    assert "resnet50_v1_stride1x1" in row.note


def test_nothing_published_is_an_empty_row() -> None:
    assert published("alexnet_ungrouped_96") == type(published("resnet50"))()


@pytest.mark.parametrize("name", UNPUBLISHED)
def test_a_network_of_which_only_numbers_were_published_says_which_and_why(name: str) -> None:
    with pytest.raises(UnknownNetwork, match="only numbers were published") as refused:
        reference(name)
    assert UNPUBLISHED[name] in str(refused.value) and f"{published(name).top1} %" in str(refused.value)


@pytest.mark.parametrize(
    ("ours", "printed", "verdict"),
    [
        (5_288_548, 5_300_000, "as printed"),
        (60_965_224, 60_000_000, "as printed"),
        (11_513_626_624, 11_300_000_000, "within 2 %"),
        (4_089_184_256, 3_800_000_000, "differs"),
        (157_000_000, 200_000_000, "differs"),
    ],
)
def test_a_verdict_minds_how_coarsely_a_number_was_printed(ours: int, printed: int, verdict: str) -> None:
    assert Agreement(ours, printed).verdict == verdict


@given(printed=st.integers(1, 10**12), share=st.floats(-0.5, 0.5))
def test_what_differs_is_never_nearer_than_what_agrees(printed: int, share: float) -> None:
    one = Agreement(round(printed * (1 + share)), printed)
    assert abs(one.relative) > 0.02 or one.verdict != "differs"
    assert abs(one.relative) <= 0.05 or one.verdict == "differs"
