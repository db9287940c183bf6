"""The artifact store: what comes out is what went in, or is refused by name; on a folder and in memory."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs import FailureClass, object_files
from runs.artifact_errors import (
    ArtifactCorrupt,
    ArtifactError,
    ArtifactMissing,
    ArtifactStorageFailed,
    BadArtifact,
)
from runs.artifacts import ArtifactStore
from runs.checkpoints import Checkpoint


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    folder = tmp_path / "artifacts"
    return ArtifactStore(
        str(folder) if request.param == "folder" else f"memory://{uuid.uuid4().hex}/artifacts"
    )


@pytest.fixture
def local(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path))


def _checkpoint_files(folder: Path) -> list[Path]:
    """Every stored checkpoint, the oldest epoch first."""
    return sorted((folder / "checkpoints").glob("*/*"), key=lambda path: path.name)


def test_bytes_come_back_under_their_hash_and_are_gone_after_delete(store: ArtifactStore) -> None:
    sha256 = store.put_bytes(b"abc", kind="weights")
    assert sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert store.exists(sha256)
    assert store.get_bytes(sha256) == b"abc"
    assert store.put_bytes(b"abc", kind="weights") == sha256
    store.delete(sha256)
    store.delete(sha256)
    assert not store.exists(sha256)
    with pytest.raises(ArtifactMissing, match=sha256):
        store.get_bytes(sha256)


def test_an_empty_artifact_is_an_artifact(store: ArtifactStore) -> None:
    sha256 = store.put_bytes(b"", kind="export")
    assert store.exists(sha256)
    assert store.get_bytes(sha256) == b""


@given(
    data=st.binary(max_size=200), parts=st.dictionaries(st.from_regex(r"\A[a-z_][a-z.-]{0,9}\Z"), st.binary())
)
def test_whatever_is_stored_comes_back(data: bytes, parts: dict[str, bytes]) -> None:
    store = ArtifactStore("memory://laws")
    assert store.get_bytes(store.put_bytes(data, kind="weights")) == data
    store.save_checkpoint("key", 7, parts, labels={"torch": "2.13"})
    assert store.load_checkpoint("key") == Checkpoint("key", 7, parts, {"torch": "2.13"})


@pytest.mark.parametrize("tenth", range(10))
def test_a_flipped_bit_anywhere_in_an_artifact_is_refused(local: ArtifactStore, tenth: int) -> None:
    sha256 = local.put_bytes(bytes(range(200)), kind="weights")
    _flip(local.path(sha256), tenth)
    with pytest.raises(ArtifactCorrupt, match=sha256) as caught:
        local.get_bytes(sha256)
    assert caught.value.failure_class is FailureClass.CHECKPOINT_CORRUPT
    local.put_bytes(bytes(range(200)), kind="weights")  # putting it again repairs it
    assert local.get_bytes(sha256) == bytes(range(200))


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n", "/etc/passwd"]
)
def test_a_name_that_is_no_hash_is_refused_before_any_path_is_made(store: ArtifactStore, name: str) -> None:
    for use in (store.get_bytes, store.exists, store.delete, store.path):
        with pytest.raises(BadArtifact):
            use(name)


def test_too_large_is_refused_by_size_when_written_and_when_read(local: ArtifactStore) -> None:
    small = ArtifactStore(local.url, max_bytes=500)
    with pytest.raises(BadArtifact, match="at most 500 bytes, got weights of 501"):
        small.put_bytes(bytes(501), kind="weights")
    with pytest.raises(BadArtifact, match="at most 500 bytes, got checkpoint of"):
        small.save_checkpoint("key", 1, {"weights": bytes(400)})
    sha256 = local.put_bytes(bytes(501), kind="weights")
    with pytest.raises(ArtifactCorrupt):
        small.get_bytes(sha256)


def test_only_a_local_folder_has_paths(store: ArtifactStore) -> None:
    sha256 = store.put_bytes(b"abc", kind="weights")
    if store.url.startswith("memory"):
        with pytest.raises(BadArtifact, match="get_bytes"):
            store.path(sha256)
    else:
        assert store.path(sha256).read_bytes() == b"abc"


def test_the_newest_two_checkpoints_are_kept_and_the_newest_is_loaded(store: ArtifactStore) -> None:
    assert store.load_checkpoint("key") is None
    for epoch in (1, 2, 3, 5):
        store.save_checkpoint("key", epoch, {"weights": bytes([epoch])})
        assert store.load_checkpoint("key") == Checkpoint("key", epoch, {"weights": bytes([epoch])})
    store.save_checkpoint("other", 1, {"weights": b"o"})
    store.drop_checkpoints("key")
    store.drop_checkpoints("key")
    assert store.load_checkpoint("key") is None
    assert store.load_checkpoint("other") is not None


def test_just_two_files_stay_and_none_after_dropping(local: ArtifactStore, tmp_path: Path) -> None:
    for epoch in range(5):
        local.save_checkpoint("key", epoch, {"weights": b""})
    assert [path.name for path in _checkpoint_files(tmp_path)] == ["00000003", "00000004"]
    local.drop_checkpoints("key")
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_a_process_that_lags_behind_does_not_remove_what_is_ahead(store: ArtifactStore) -> None:
    for epoch in (4, 5, 1, 2, 3):
        store.save_checkpoint("key", epoch, {"weights": bytes([epoch])})
    found = store.load_checkpoint("key")
    assert found is not None and found.epoch == 5


def _truncated(length: Callable[[int], int]) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, length(path.stat().st_size))


def _flip(path: Path, tenth: int) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) * tenth // 10] ^= 1 << (tenth % 8)
    path.write_bytes(data)


def _flipped(tenth: int) -> Callable[[Path], None]:
    return lambda path: _flip(path, tenth)


_DAMAGES: dict[str, Callable[[Path], None]] = {
    "empty": _truncated(lambda _: 0),
    "one byte": _truncated(lambda _: 1),
    "half": _truncated(lambda size: size // 2),
    "last byte gone": _truncated(lambda size: size - 1),
    "a byte more": lambda path: _append(path, b"x"),
    "zeros": lambda path: _append(path, bytes(len(path.read_bytes())), keep=0),
    "another program's": lambda path: _append(path, b"\x80\x04cos\nsystem\n", keep=0),
} | {f"bit flipped in tenth {tenth}": _flipped(tenth) for tenth in range(10)}


def _append(path: Path, data: bytes, keep: int | None = None) -> None:
    path.write_bytes(path.read_bytes()[:keep] + data)


@pytest.mark.parametrize("damage", _DAMAGES)
def test_a_damaged_checkpoint_is_refused_and_the_one_before_it_used(
    local: ArtifactStore, tmp_path: Path, damage: str
) -> None:
    for epoch in (1, 2):
        local.save_checkpoint("key", epoch, {"weights": bytes(100), "optimizer": bytes([epoch])})
    _DAMAGES[damage](_checkpoint_files(tmp_path)[-1])
    reasons: list[ArtifactCorrupt] = []
    found = local.load_checkpoint("key", refused=reasons.append)
    assert found == Checkpoint("key", 1, {"weights": bytes(100), "optimizer": b"\x01"})
    [reason] = reasons
    assert str(reason).startswith("the checkpoint of epoch 2 of key is refused: ")
    assert reason.failure_class is FailureClass.CHECKPOINT_CORRUPT


def test_with_all_checkpoints_damaged_work_starts_again_and_replaces_them(
    local: ArtifactStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for epoch in (1, 2):
        local.save_checkpoint("key", epoch, {"weights": bytes([epoch])})
    for path in _checkpoint_files(tmp_path):
        _flip(path, 9)
    with caplog.at_level(logging.WARNING):
        assert local.load_checkpoint("key") is None
    assert [record.getMessage()[:45] for record in caplog.records] == [
        "the checkpoint of epoch 2 of key is refused: ",
        "the checkpoint of epoch 1 of key is refused: ",
    ]
    for epoch in (1, 2, 3):
        local.save_checkpoint("key", epoch, {"weights": bytes([epoch])})
        found = local.load_checkpoint("key", refused=lambda _: None)
        assert found is not None and found.epoch == epoch


def test_checkpoints_of_two_keys_whose_folders_were_swapped_are_refused(
    local: ArtifactStore, tmp_path: Path
) -> None:
    for key in ("one", "two"):
        local.save_checkpoint(key, 1, {"weights": key.encode()})
    first, second = (tmp_path / "checkpoints").iterdir()
    os.rename(first, tmp_path / "aside")
    os.rename(second, first)
    os.rename(tmp_path / "aside", second)
    reasons: list[ArtifactCorrupt] = []
    assert local.load_checkpoint("one", refused=reasons.append) is None
    assert [str(reason) for reason in reasons] == [
        "the checkpoint of epoch 1 of one is refused: it belongs to epoch 1 of 'two'"
    ]


def test_a_checkpoint_under_another_epochs_name_is_refused(local: ArtifactStore, tmp_path: Path) -> None:
    local.save_checkpoint("key", 1, {"weights": b"1"})
    [path] = _checkpoint_files(tmp_path)
    path.with_name("00000009").write_bytes(path.read_bytes())
    found = local.load_checkpoint("key", refused=lambda _: None)
    assert found is not None and found.epoch == 1


@pytest.mark.parametrize("key", ["", "../../../etc", "a/b", "\0", "x" * 5_000, "‮\N{SNOWMAN}\x1b[31m"])
def test_any_text_may_be_a_key_and_never_becomes_a_path(
    local: ArtifactStore, tmp_path: Path, key: str
) -> None:
    local.save_checkpoint(key, 0, {"weights": b"w"})
    assert local.load_checkpoint(key) == Checkpoint(key, 0, {"weights": b"w"})
    [path] = _checkpoint_files(tmp_path)
    assert path.parent.parent == tmp_path / "checkpoints"


def test_a_store_is_the_same_in_another_process_and_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = ArtifactStore("artifacts")
    sha256 = store.put_bytes(b"abc", kind="weights")
    sent = pickle.dumps(store)
    monkeypatch.chdir("/")
    assert pickle.loads(sent) == store == ArtifactStore(f"file://{tmp_path}/artifacts/")
    assert pickle.loads(sent).get_bytes(sha256) == b"abc"


@pytest.mark.parametrize(
    "url", ["", "xyz://bucket/a", "http://host/a", "simplecache::s3://bucket", "s3://", "memory://", "a\0b"]
)
def test_a_url_of_another_kind_is_refused_with_the_known_ones(url: str) -> None:
    with pytest.raises(BadArtifact, match="file://, s3://, gs://"):
        ArtifactStore(url)


def test_a_password_in_a_url_is_in_no_text() -> None:
    store = ArtifactStore("s3://key:hunter2@bucket/a")
    with pytest.raises(BadArtifact) as refused:
        ArtifactStore("ftp://ann:hunter2@host/a?token=hunter2")
    assert "hunter2" not in f"{store} {store!r} {refused.value}"


@pytest.mark.parametrize(
    ("kind", "package", "wanted"),
    [("s3", "s3fs", "'nas-compound[s3]'"), ("gs", "gcsfs", "'nas-compound[gcs]'"), ("az", "adlfs", "adlfs")],
)
def test_a_missing_package_for_a_kind_of_store_is_named_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, kind: str, package: str, wanted: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BadArtifact) as refused:
        ArtifactStore(f"{kind}://key:hunter2@bucket/a").exists("0" * 64)
    assert str(refused.value) == (
        f"{kind}:// must have the package {package}, which cannot be imported for {kind}://***@bucket/a; run"
        f" `pip install {wanted}` beside the driver and on the workers"
    )


def test_the_extras_that_errors_name_are_those_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for kind, extra in (("s3", "s3"), ("gs", "gcs")):
        package, wanted = object_files._PACKAGES[kind]
        assert wanted == f"'{project['name']}[{extra}]'" and extras[extra][0].startswith(package)


def test_errors_say_their_class_and_exit_code_and_can_be_sent_between_processes() -> None:
    classes = {ArtifactCorrupt: FailureClass.CHECKPOINT_CORRUPT, ArtifactStorageFailed: FailureClass.STORAGE}
    codes = {BadArtifact: 2, ArtifactMissing: 3, ArtifactStorageFailed: 5, ArtifactCorrupt: 9}
    for kind, code in codes.items():
        error: ArtifactError = pickle.loads(pickle.dumps(kind("text")))
        assert (type(error), str(error), error.exit_code) == (kind, "text", code)
        assert getattr(error, "failure_class", None) is classes.get(kind)


def test_importing_the_store_imports_no_heavy_library() -> None:
    script = (
        "import sys, runs.artifacts\n"
        "print(sorted({'torch', 'optuna', 'sqlalchemy', 'ray', 'numpy'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert shown.stdout == "[]\n"
