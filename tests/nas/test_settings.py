"""What a nas.toml may say, and the sentence for each thing that it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.settings import DEFAULT_TRIALS, Settings, SettingsError, known_keys, load_settings, make_settings

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"search": {"stratgy": "tpe"}}, "unknown key `search.stratgy`; did you mean `strategy`?"),
    ({"serch": {}}, "unknown table `serch`; did you mean `search`?"),
    ({"search": {"strategy": "tpee"}}, "`search.strategy` must be one of random, tpe, gp,"),
    ({"search": {"target": "5Q"}}, "`search.target`: a quantity is a decimal number"),
    ({"search": {"trials": 0}}, "`search.trials` must be greater than or equal to 1, got 0"),
    ({"search": {"trials": "many"}}, "`search.trials` must be a valid integer, got 'many'"),
    ({"search": {"trials": True}}, "`search.trials` must be a valid integer, got True"),
    ({"search": {"hours": -1.0}}, "`search.hours` must be greater than 0, got -1.0"),
    ({"search": {"target": 5e6, "max_cost": 1.0}}, "the largest cost must not be below the target"),
    ({"search": 5}, "`search` must be a table, got 5; write `[search]`"),
    ({"recipe": {"learning_rate": float("nan")}}, "`recipe.learning_rate` must be a finite number, got nan"),
    ({"data": {"validation_share": 1.5}}, "`data.validation_share` must be less than or equal to 1, got 1.5"),
    ({"fidelity": {"epochs": 2.5}}, "`fidelity.epochs` must be a valid integer"),
    ({"fit": {"seeds": 1}}, "`fit.seeds` must be greater than or equal to 2, got 1"),
    ({"fit": {"methd": "grid"}}, "unknown key `fit.methd`; did you mean `method`?"),
    ({"grow": {"phi": "0,one"}}, "`grow.phi` must be a valid number, got 'one'"),
    ({"grow": {"macs": ["5Q"]}}, "`grow.macs`: a quantity is a decimal number"),
]


@pytest.mark.parametrize(("tables", "sentence"), WRONG, ids=[sentence[:40] for _, sentence in WRONG])
def test_a_wrong_setting_gets_one_sentence(tables: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as error:
        make_settings(tables)
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)
    assert "; " in str(error.value), "the sentence has a remedy"


def test_every_fault_is_named_with_where_it_comes_from() -> None:
    with pytest.raises(SettingsError) as error:
        make_settings(
            {"search": {"trials": 0, "hours": 0}}, source="nas.toml", origins={"search.hours": "--hours"}
        )
    first, second = str(error.value).split("\n")
    assert first.startswith("nas.toml: `search.trials`")
    assert second.startswith("--hours: `search.hours`")


def test_a_limit_is_there_even_where_none_is_given() -> None:
    assert make_settings({}).search.trial_limit == DEFAULT_TRIALS
    assert make_settings({"search": {"trials": 7}}).search.trial_limit == 7
    assert make_settings({"search": {"hours": 1}}).search.trial_limit is None


def test_settings_survive_json() -> None:
    tables = {"search": {"target": "7.5M", "study": "s"}, "fidelity": {"share": 0.5}}
    settings = make_settings(tables | {"grow": {"phi": [0, 1.5], "macs": "1M,2M", "rule": "compound,dWr"}})
    assert settings.grow.macs == (1e6, 2e6) and settings.grow.rule == ("compound", "dWr")
    assert Settings.model_validate_json(settings.model_dump_json()) == settings
    assert make_settings(settings.model_dump()) == settings


def test_every_field_has_a_sentence() -> None:
    for table in known_keys().values():
        assert all(field.description for field in table.model_fields.values())


@given(
    st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
)
def test_whatever_a_table_holds_it_is_settings_or_a_sentence(table: dict[str, Any]) -> None:
    for name in known_keys():
        try:
            make_settings({name: table})
        except SettingsError as error:
            assert "\n\n" not in str(error)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "nas.toml"
    path.write_text('[search]\ntarget = "30M"\n[data]\nname = "glyphs"\n')
    settings = load_settings(path)
    assert (settings.search.target, settings.data.name) == (30e6, "glyphs")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "must exist"), (b"[search", "must be TOML"), (b"\xff\xfe", "must be UTF-8")],
    ids=["missing", "no TOML", "no text"],
)
def test_an_unreadable_file_gets_one_sentence(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "nas.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=sentence):
        load_settings(path)
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path)
