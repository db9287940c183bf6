"""How a baseline's channels are rounded when nobody says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.settings import make_settings
from nas.stages.baseline import adopt, fitting_divisor
from nas.stages.grow import grow
from runs import open_store
from search_space import Architecture, Stage, reference
from search_space.blocks import ClassifierOptions, ConvOptions, StemOptions
from tests.fakes.scaling import Lawful


def narrow(*widths: int) -> Architecture:
    return Architecture(
        resolution=12,
        stem=Stage("stem", 1, widths[0], 2, StemOptions()),
        stages=tuple(Stage("conv", 2, width, 1, ConvOptions(kernel=1)) for width in widths),
        head=Stage("classifier", 1, 0, 1, ClassifierOptions()),
        num_classes=10,
        input_channels=1,
    )


@pytest.mark.parametrize("name", ["efficientnet_b0", "mobilenet_v2_1_0_224", "resnet50"])
def test_published_families_keep_their_multiples_of_eight(name: str) -> None:
    assert fitting_divisor(reference(name)) == 8


@pytest.mark.parametrize(("widths", "divisor"), [((64, 64), 8), ((32, 48), 4), ((16, 24), 2), ((4, 6), 1)])
def test_a_network_with_few_channels_grows_in_steps_of_at_most_an_eighth(
    widths: tuple[int, ...], divisor: int
) -> None:
    assert fitting_divisor(narrow(*widths)) == divisor


def test_the_divisor_that_was_chosen_is_kept_with_the_family_and_an_explicit_one_wins(tmp_path: Path) -> None:
    for study, fit, divisor in (("open", {}, 2), ("said", {"divisor": 8}, 8)):
        chosen = make_settings(
            {
                "search": {
                    "study": study,
                    "storage": f"sqlite:///{tmp_path / 'nas.db'}",
                    "executor": "inline",
                },
                "data": {"resolution": 12},
                "fit": fit,
                "grow": {"rule": "width", "phi": [1], "epochs": 1},
            }
        )
        adopt(narrow(16, 16), chosen)
        report = grow(study, storage=chosen.search.storage, evaluator=Lawful(tmp_path / "notes"))
        assert report.baseline.divisor == divisor
        with open_store(str(chosen.search.storage)) as store:
            assert store.study(f"{study}.grow").settings["fit"]["divisor"] == divisor
