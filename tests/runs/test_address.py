"""Storage URLs: what is accepted, where a file may lie, and that a password is never shown."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from runs import open_store
from runs.address import artifacts_url, file_system_magic, parse, prepare_file, safe_text, secrets
from runs.errors import BadStorage, NotALedger, StorageUnreachable

CANARY = "c4n4ry-p4ss"


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("sqlite:///a.db", "sqlite"),
        ("sqlite+pysqlite:///a.db", "sqlite"),
        ("sqlite://", "sqlite"),
        ("postgres://u@h/d", "postgresql+psycopg"),
        ("postgresql://u@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg://u@h/d", "postgresql+psycopg"),
    ],
)
def test_the_driver_is_filled_in(text: str, driver: str) -> None:
    assert parse(text).drivername == driver


@pytest.mark.parametrize(
    "text", ["", "study.db", f"no url with {CANARY}", f"mysql://u:{CANARY}@h/d", "oracle://"]
)
def test_other_storages_are_refused_without_showing_the_text(text: str) -> None:
    with pytest.raises(BadStorage) as caught:
        parse(text)
    assert CANARY not in str(caught.value) and "sqlite:///" in str(caught.value)


@pytest.mark.parametrize(
    "text", [f"postgresql://ada:{CANARY}@h/d", f"postgresql://ada@h/d?password={CANARY}&sslpassword={CANARY}"]
)
def test_a_password_is_hidden_wherever_it_stands(text: str) -> None:
    url = parse(text)
    assert CANARY not in safe_text(url) and "***" in safe_text(url)
    assert set(secrets(url)) == {CANARY}


def test_a_refused_connection_shows_no_password() -> None:
    with pytest.raises(StorageUnreachable) as caught:
        open_store(f"postgresql://ada:{CANARY}@127.0.0.1:1/nas", timeout_s=0.1)
    shown = f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
    assert CANARY not in shown and "ada:***@127.0.0.1" in shown
    assert caught.value.exit_code == 5


def test_a_file_is_made_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ledger.db"
    with open_store(f"sqlite:///{path}") as store:
        assert repr(store) == f"Store('sqlite:///{path}')"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_folder_is_no_storage(tmp_path: Path) -> None:
    with pytest.raises(BadStorage, match="folder"):
        open_store(f"sqlite:///{tmp_path}")


def test_a_path_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadStorage, match="file/ledger.db"):
        open_store(f"sqlite:///{tmp_path}/file/ledger.db")


def test_another_file_is_no_ledger_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, and no database\n" * 50)
    before = path.read_bytes()
    with pytest.raises(NotALedger):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == before


@pytest.mark.parametrize(("magic", "name"), [(0x6969, "NFS"), (0xFE534D42, "SMB2"), (0x00C36400, "Ceph")])
def test_network_file_systems_are_refused(tmp_path: Path, magic: int, name: str) -> None:
    with pytest.raises(BadStorage, match=f"{name}.*PostgreSQL"):
        prepare_file(parse(f"sqlite:///{tmp_path}/a.db"), magic=lambda folder: magic)
    assert not (tmp_path / "a.db").exists()


def test_the_file_systems_type_is_read(tmp_path: Path) -> None:
    assert file_system_magic(Path("/proc")) in (0x9FA0, None)
    prepare_file(parse(f"sqlite:///{tmp_path}/a.db"))


def test_artifacts_lie_beside_the_file_or_where_it_was_said() -> None:
    assert artifacts_url(parse("sqlite:////data/a.db"), None) == "/data/a.db.artifacts"
    assert artifacts_url(parse("postgresql://u@h/d"), "s3://bucket") == "s3://bucket"
    assert artifacts_url(parse("postgresql://u@h/d"), None).endswith("/nas/artifacts")
