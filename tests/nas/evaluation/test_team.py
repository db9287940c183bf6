"""A team of processes trains what one process would have trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.evaluation.examples import DataError
from nas.evaluation.team import ALONE, Team, team
from tests.fakes.processes import free_port
from tests.fakes.teams import trained, trained_together

RECIPE: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.02, "batch_size": 33, "ema_decay": 0.5}


@given(size=st.integers(1, 9), count=st.integers(1, 300))
def test_shares_are_a_partition_and_their_weights_add_up(size: int, count: int) -> None:
    members = [Team(rank, size) for rank in range(size)]
    if count < size:
        with pytest.raises(DataError, match="raise recipe.batch_size"):
            members[0].share(count)
        return
    shares = [range(count)[one.share(count)] for one in members]
    assert [image for share in shares for image in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert sum(one.weight(count) for one in members) == pytest.approx(size)


def test_a_process_without_others_is_a_team_of_one() -> None:
    assert team() == ALONE and ALONE.writes
    assert ALONE.weight(7) == 1.0


def test_two_processes_train_what_one_trains_up_to_rounding(cache: Path) -> None:
    """Batches of 33 are shared out as 16 and 17 images, augmented as one batch, normalised as one batch."""
    alone = trained(cache, **RECIPE)
    first, second = trained_together(cache, 2, free_port(), **RECIPE)
    assert first == second
    assert first["loss"] == pytest.approx(alone["loss"], abs=1e-4)
    assert first["validation"] == pytest.approx(alone["validation"], abs=1e-3)
    for name, values in alone["weights"].items():
        assert first["weights"][name] == pytest.approx(values, abs=1e-3), name


@pytest.mark.parametrize("micro_batch", [2, 6])
def test_two_processes_that_take_a_batch_in_parts_make_the_same_steps(cache: Path, micro_batch: int) -> None:
    """Shares of 16 and 17 images are taken in as many parts, three or nine, by both."""
    recipe = {**RECIPE, "is_normalised": False, "learning_rate": 0.2}
    alone = trained(cache, **recipe)
    first, second = trained_together(cache, 2, free_port(), micro_batch=micro_batch, **recipe)
    assert first == second
    for name, values in alone["weights"].items():
        assert first["weights"][name] == pytest.approx(values, abs=1e-5), name


def test_two_processes_that_normalise_parts_of_a_batch_agree(cache: Path) -> None:
    first, second = trained_together(cache, 2, free_port(), micro_batch=6, **RECIPE)
    assert first == second
