"""Precedence: flag > NAS_* variable > --config file > ./nas.toml > the user's file > default."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from nas.cli.searching import LIMITS
from nas.config import Configuration, from_text, overlaid, resolve
from nas.flags import FIT_FLAGS, FLAGS, GROW_FLAGS, NETWORK_FLAGS, Flag, masked
from nas.settings import SettingsError, known_keys, make_settings

LAYERS = ("user", "local", "config", "variable", "flag")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "home" / "nas").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    return tmp_path


def resolved(folder: Path, layers: dict[str, int]) -> Configuration:
    """Returns the settings where each layer says its own number of trials."""
    files = {"user": "home/nas/config.toml", "local": "work/nas.toml", "config": "my.toml"}
    for layer, name in files.items():
        (folder / name).unlink(missing_ok=True)
        if layer in layers:
            (folder / name).write_text(f"[search]\ntrials = {layers[layer]}\n")
    environment = {"XDG_CONFIG_HOME": str(folder / "home")}
    if "variable" in layers:
        environment["NAS_TRIALS"] = str(layers["variable"])
    return resolve(
        {"trials": str(layers["flag"]) if "flag" in layers else None},
        environment,
        config=folder / "my.toml" if "config" in layers else None,
        folder=folder / "work",
    )


def test_the_highest_layer_that_says_something_wins(folder: Path) -> None:
    for count in range(len(LAYERS) + 1):
        for chosen in itertools.combinations(range(len(LAYERS)), count):
            found = resolved(folder, {LAYERS[index]: index + 1 for index in chosen})
            assert found.settings.search.trials == (max(chosen) + 1 if chosen else None)


def test_what_a_resume_may_change_holds_the_patience_with_silent_workers() -> None:
    assert "stall" in {flag.name for flag in LIMITS}
    stored = make_settings({})
    assert overlaid(stored, {"stall": "7200"}).search.stall_s == 7200.0
    with pytest.raises(SettingsError, match="greater than 0"):
        overlaid(stored, {"stall": "0"})


def test_the_origin_of_each_key_is_known(folder: Path) -> None:
    assert resolved(folder, {}).origin("search.trials") == "default"
    assert resolved(folder, {"user": 1, "flag": 2}).origin("search.trials") == "--trials"
    assert resolved(folder, {"local": 1, "variable": 2}).origin("search.trials") == "NAS_TRIALS"
    assert resolved(folder, {"local": 1}).origin("search.trials") == str(folder / "work" / "nas.toml")


def test_files_are_merged_key_by_key(folder: Path) -> None:
    (folder / "home" / "nas" / "config.toml").write_text('[search]\nstrategy = "gp"\ntrials = 1\n')
    (folder / "work" / "nas.toml").write_text("[search]\ntrials = 2\n")
    found = resolve({}, {"XDG_CONFIG_HOME": str(folder / "home")}, folder=folder / "work")
    assert (found.settings.search.strategy, found.settings.search.trials) == ("gp", 2)


def test_every_key_has_a_long_variable(folder: Path) -> None:
    environment = {
        "NAS_RECIPE_MIXED_PRECISION": "false",
        "NAS_FIDELITY_SHARE": "0.5",
        "XDG_CONFIG_HOME": "/nowhere",
    }
    found = resolve({}, environment, folder=folder / "work")
    assert (found.settings.recipe.mixed_precision, found.settings.fidelity.share) == (False, 0.5)


@pytest.mark.parametrize(
    ("layers", "origin"),
    [({"flag": 0}, "--trials: "), ({"variable": 0}, "NAS_TRIALS: "), ({"local": 0}, "/nas.toml: ")],
)
def test_a_wrong_value_is_told_with_its_origin(folder: Path, layers: dict[str, int], origin: str) -> None:
    with pytest.raises(SettingsError) as error:
        resolved(folder, layers)
    assert f"{origin}`search.trials` must be" in str(error.value)


def test_a_named_file_must_exist(folder: Path) -> None:
    with pytest.raises(SettingsError, match="must exist"):
        resolve({}, {}, config=folder / "absent.toml", folder=folder)


def test_flags_name_settings_that_exist_once_each() -> None:
    known = {f"{name}.{key}" for name, table in known_keys().items() for key in table.model_fields}
    assert {flag.path for flag in FLAGS} <= known
    for values in (
        [flag.name for flag in FLAGS],
        [flag.path for flag in FLAGS],
        [flag.variable for flag in FLAGS],
    ):
        assert len(values) == len(set(values))


@pytest.mark.parametrize("flags", [(*FIT_FLAGS, *NETWORK_FLAGS), (*GROW_FLAGS, *NETWORK_FLAGS)])
def test_flags_of_fit_and_grow_name_settings_that_exist_once_each(flags: tuple[Flag, ...]) -> None:
    known = {f"{name}.{key}" for name, table in known_keys().items() for key in table.model_fields}
    assert {flag.path for flag in flags} <= known
    for values in ([flag.name for flag in flags], [flag.path for flag in flags]):
        assert len(values) == len(set(values))


def test_flags_of_another_command_stand_for_its_settings(folder: Path) -> None:
    found = resolve({"epochs": "7", "budget": "20"}, {}, folder=folder / "work", known=FIT_FLAGS)
    assert (found.settings.fit.epochs, found.settings.fit.budget, found.settings.fidelity.epochs) == (
        7,
        20,
        5,
    )
    grown = overlaid(found.settings, {"phi": "0,1.5", "macs": "50M,100M", "epochs": "3"}, known=GROW_FLAGS)
    assert (grown.grow.phi, grown.grow.macs, grown.grow.epochs) == ((0.0, 1.5), (5e7, 1e8), 3)
    with pytest.raises(SettingsError, match="^--phi: "):
        overlaid(found.settings, {"phi": "0,x"}, known=GROW_FLAGS)


def test_texts_become_what_the_field_wants() -> None:
    assert from_text("search.study", "2024") == "2024"
    assert from_text("search.target", "5M") == "5M"
    assert from_text("search.hours", "2") == 2
    assert from_text("search.trials", "2.5") == "2.5"
    assert from_text("recipe.mixed_precision", "true") is True


def test_stored_settings_can_be_overlaid_and_are_checked_again() -> None:
    stored = make_settings({"search": {"trials": 5, "strategy": "gp"}})
    changed = overlaid(stored, {"trials": "9", "workers": None})
    assert (changed.search.trials, changed.search.strategy) == (9, "gp")
    with pytest.raises(SettingsError, match="^--trials: "):
        overlaid(stored, {"trials": "-1"})


def test_passwords_are_masked_wherever_they_stand_in_a_url() -> None:
    assert masked("postgresql://ada:s3cret@host/nas") == "postgresql://ada:***@host/nas"
    assert masked("postgresql://host/nas?user=ada&password=s3cret&x=1") == (
        "postgresql://host/nas?user=ada&password=***&x=1"
    )
    assert masked("sqlite:///nas.db") == "sqlite:///nas.db"
    assert masked(5) == 5


def test_a_misspelt_variable_is_an_error_and_a_foreign_one_is_none() -> None:
    with pytest.raises(SettingsError, match="got NAS_TARGT; did you mean NAS_TARGET?"):
        resolve({}, {"NAS_TARGT": "5M"})
    assert resolve({}, {"NAS_REQUIRE_ALL": "1", "NAS_MOUNT_POINT": "/mnt"}).settings == make_settings({})
