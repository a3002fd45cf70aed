"""A tuned encoder as a delta: merged, it is the tuned model; what is damaged or of another base is refused."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from gorilla_rag.encoders.delta import LIMIT, WEIGHTS, Delta, Tensors, merge, read_delta, write_delta
from gorilla_rag.encoders.exported import GRAPH, RECORD, TOKENIZER
from gorilla_rag.encoders.sentence_transformers import TorchEncoder
from gorilla_rag.errors import AdapterMismatch, ModelCorrupt, ModelMissing, StorageFull, UsageError
from gorilla_rag.models import registry, tensors

ROOT = Path(__file__).parents[1]
NOTE = {"title": "MiniLM with noise", "seed": "7"}
WORDS = "embeddings.word_embeddings.weight"
TEXTS = [
    "Translate text",
    "",
    "Which API finds the objects in a street photo? " * 40,
    "把文字转换成语音 🦍",
    "def f(x):",
]


def tune(base: Path, target: Path) -> Path:
    """A stand-in for a model trained from MiniLM: links, and its weights but the words' with a little noise."""
    shutil.copytree(base, target, copy_function=os.symlink, ignore=shutil.ignore_patterns("encoder.*", ".*"))
    draw = np.random.default_rng(7)
    made = load_file(base / WEIGHTS)
    del made["embeddings.position_ids"]  # sentence-transformers doesn't save them any more
    for name, held in made.items():
        if name != WORDS and not name.startswith("pooler."):  # no vector comes through the pooler
            made[name] = held + draw.normal(0, 0.1 * held.std() + 1e-4, held.shape).astype(np.float32)
    (target / WEIGHTS).unlink()
    save_file(made, target / WEIGHTS, metadata={"format": "pt"})
    return target


def small(folder: Path, held: Tensors) -> Path:
    """As much of a model as merging looks at."""
    folder.mkdir(parents=True)
    (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.Transformer", "path": ""}]')
    (folder / "config.json").write_text("{}")
    save_file(held, folder / WEIGHTS)
    return folder


def matrix(*shape: int, seed: int = 0) -> npt.NDArray[np.float32]:
    made: npt.NDArray[np.float32] = np.random.default_rng(seed).normal(size=shape or (1,)).astype(np.float32)
    return made.reshape(shape)


@pytest.fixture(scope="module")
def base() -> Path:
    return registry.path("minilm-l6")


@pytest.fixture(scope="module")
def tuned(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tune(base, tmp_path_factory.mktemp("tuned") / "model")


@pytest.fixture(scope="module")
def delta(base: Path, tuned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("delta") / "noisy.safetensors"
    write_delta(base, tuned, file, note=NOTE)
    return file


@pytest.fixture(scope="module")
def merged(base: Path, delta: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("merged") / "deep" / "model"
    merge(base, delta, out)
    return out


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A small base, and its delta."""
    held: Tensors = {"layer.weight": matrix(3, 4), "layer.bias": matrix(4), "ids": np.arange(3)}
    base = small(tmp_path / "base", held)
    changed = held | {"layer.weight": held["layer.weight"] + matrix(3, 4, seed=1), "layer.bias": matrix(4, seed=2)}
    write_delta(base, small(tmp_path / "tuned", changed), tmp_path / "delta", note=NOTE)
    return base, tmp_path / "delta"


# MiniLM


def test_the_merged_model_gives_the_vectors_of_the_tuned_one(base: Path, tuned: Path, merged: Path) -> None:
    ours, theirs, before = (
        TorchEncoder(folder, name="any", sha256="").encode(TEXTS) for folder in (merged, tuned, base)
    )
    assert np.abs(ours - theirs).max() < 1e-3
    assert np.abs(theirs - before).max() > 1e-2  # so that the line above tells models apart


def test_a_delta_of_minilm_is_small_and_leaves_out_what_is_equal(delta: Path) -> None:
    assert 10_600_000 < delta.stat().st_size < 11_200_000 < LIMIT
    held = load_file(delta)
    assert not [name for name in held if WORDS in name or "position_ids" in name]
    kinds = {(name.partition(":")[0], str(value.dtype), min(value.ndim, 2)) for name, value in held.items()}
    assert kinds == {("int8", "int8", 2), ("scale", "float32", 1), ("float32", "float32", 1)}


def test_a_delta_says_what_it_is(base: Path, delta: Path, merged: Path) -> None:
    assert read_delta(delta) == Delta(
        base="minilm-l6",
        base_sha256=registry.spec("minilm-l6").sha256[WEIGHTS],
        merged_sha256=tensors.digest_file(merged / WEIGHTS),
        note=NOTE,
    )


def test_the_merged_folder_has_the_base_s_files_without_its_export(base: Path, merged: Path) -> None:
    found = {file.relative_to(merged).as_posix() for file in merged.rglob("*") if file.is_file()}
    assert found == set(registry.spec("minilm-l6").sha256)
    assert not found & {GRAPH, TOKENIZER, RECORD}
    assert all((merged / name).read_bytes() == (base / name).read_bytes() for name in found - {WEIGHTS})
    assert not any(file.is_symlink() for file in merged.rglob("*"))
    assert [path.name for path in merged.parent.iterdir()] == [merged.name]
    ours, theirs = load_file(merged / WEIGHTS), load_file(base / WEIGHTS)
    assert ours.keys() == theirs.keys()
    assert ours[WORDS].tobytes() == theirs[WORDS].tobytes()


def test_a_delta_above_the_limit_is_refused_and_not_written(base: Path, tuned: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\b1[01]\d{6} bytes, more than 10000000") as caught:
        write_delta(base, tuned, tmp_path / "delta", note={}, limit=10_000_000)
    assert "frozen" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_merging_imports_no_torch(base: Path, delta: Path, tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from gorilla_rag.encoders.delta import merge; "
    script += "merge(*map(Path, sys.argv[1:])); print(*{'torch', 'transformers', 'gorilla_rag'} & sys.modules.keys())"
    command = [sys.executable, "-c", script, str(base), str(delta), str(tmp_path / "out")]
    assert subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout == "gorilla_rag\n"


# Any tensors

SHAPES = st.lists(st.lists(st.integers(1, 5), max_size=3).map(tuple), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(shapes=SHAPES, seed=st.integers(0, 99), size=st.sampled_from([0.0, 1e-6, 0.01, 1.0, 100.0]))
def test_each_value_is_right_to_half_a_step_of_its_row(
    tmp_path_factory: pytest.TempPathFactory, shapes: list[tuple[int, ...]], seed: int, size: float
) -> None:
    place = tmp_path_factory.mktemp("any")
    before = {f"t{n}": matrix(*shape, seed=seed) for n, shape in enumerate(shapes)}
    after = {
        name: np.asarray(held + np.float32(size) * matrix(*held.shape, seed=seed + 1)) for name, held in before.items()
    }
    base, tuned = small(place / "base", before), small(place / "tuned", after)
    write_delta(base, tuned, place / "delta", note={})
    merge(base, place / "delta", place / "out")
    for name, found in load_file(place / "out" / WEIGHTS).items():
        rows = np.abs(after[name] - before[name]).reshape(len(found) if found.ndim else 1, -1)
        step = rows.max(axis=1, keepdims=True) / 127 if found.ndim > 1 else 0 * rows
        error = np.abs(found - after[name]).reshape(rows.shape)
        assert (error <= 0.51 * step + 1e-6 * np.abs(before[name]).max() + 1e-5 * rows).all()


def test_equal_models_make_an_empty_delta_that_gives_the_base(tmp_path: Path) -> None:
    base = small(tmp_path / "base", {"weight": matrix(3, 4)})
    write_delta(base, base, tmp_path / "delta", note={})
    assert load_file(tmp_path / "delta") == {}
    merge(base, tmp_path / "delta", tmp_path / "out")
    assert (load_file(tmp_path / "out" / WEIGHTS)["weight"] == matrix(3, 4)).all()


def test_a_base_in_half_precision_is_merged_in_float32(tmp_path: Path) -> None:
    half = matrix(3, 4).astype(np.float16)
    base, tuned = small(tmp_path / "base", {"w": half}), small(tmp_path / "tuned", {"w": matrix(3, 4, seed=1)})
    write_delta(base, tuned, tmp_path / "delta", note={})
    merge(base, tmp_path / "delta", tmp_path / "out")
    found = load_file(tmp_path / "out" / WEIGHTS)["w"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, matrix(3, 4, seed=1), atol=0.02)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"w": matrix(4, 3)}, "other shape than its base: w"),
        ({"w": matrix(3, 4), "more": matrix(2)}, "more tensors than its base: more"),
        ({"pooler.w": matrix(1)}, "more tensors"),
        ({"w": np.full((3, 4), np.nan, np.float32)}, "w has values that aren't finite"),
        ({"w": np.zeros((3, 4), np.int32)}, "w differs and holds no floats"),
    ],
)
def test_a_model_that_was_not_tuned_from_the_base_is_refused(tmp_path: Path, changed: Tensors, said: str) -> None:
    base = small(tmp_path / "base", {"w": matrix(3, 4)})
    with pytest.raises(UsageError, match=said):
        write_delta(base, small(tmp_path / "tuned", changed), tmp_path / "delta", note={})
    assert not (tmp_path / "delta").exists()


def test_a_tensor_that_the_tuned_model_lacks_is_refused_unless_nothing_reads_it(tmp_path: Path) -> None:
    held = {"w": matrix(3, 4), "v": matrix(2), "pooler.dense.weight": matrix(2)}
    base = small(tmp_path / "base", held)
    write_delta(base, small(tmp_path / "one", {"w": held["w"], "v": held["v"]}), tmp_path / "delta", note={})
    with pytest.raises(UsageError, match="lacks tensors than its base: v"):
        write_delta(base, small(tmp_path / "two", {"w": held["w"]}), tmp_path / "delta", note={})


# What is refused


def test_another_base_is_refused_by_both_hashes_and_the_base_s_name(
    base: Path, delta: Path, tuned: Path, tmp_path: Path
) -> None:
    with pytest.raises(AdapterMismatch, match="'minilm-l6'") as caught:
        merge(tuned, delta, tmp_path / "out")
    assert read_delta(delta).base_sha256 in caught.value.message
    digest = hashlib.sha256((tuned / WEIGHTS).read_bytes()).hexdigest()
    assert digest in caught.value.message
    assert "gorilla-rag models pull minilm-l6" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_base_that_is_not_there_is_named_with_the_command_that_fetches_it(delta: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="base of noisy") as caught:
        merge(tmp_path / "nowhere", delta, tmp_path / "out")
    assert "gorilla-rag models pull minilm-l6" in caught.value.hint


def test_a_delta_that_is_not_there_is_missing(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="delta"):
        merge(base, tmp_path / "delta", tmp_path / "out")


def test_a_delta_damaged_anywhere_is_refused_or_gives_the_same_tensors(pair: tuple[Path, Path], tmp_path: Path) -> None:
    base, file = pair
    whole, right = file.read_bytes(), read_delta(file).merged_sha256
    refused = 0
    for position in range(len(whole)):
        content = bytearray(whole)
        content[position] ^= 1 << position % 8
        file.write_bytes(content)
        out = tmp_path / "out"
        try:
            merge(base, file, out)
        except (ModelCorrupt, AdapterMismatch, ModelMissing):
            refused += 1
            assert not out.exists()
        else:
            assert tensors.digest_file(out / WEIGHTS) == right
            shutil.rmtree(out)
    assert refused > 0.8 * len(whole)


@pytest.mark.parametrize("length", [0, 4, 8, 100, -1])
def test_a_truncated_delta_is_refused(pair: tuple[Path, Path], tmp_path: Path, length: int) -> None:
    base, file = pair
    file.write_bytes(file.read_bytes()[:length])
    for refuse in (lambda: merge(base, file, tmp_path / "out"), lambda: read_delta(file)):
        with pytest.raises(ModelCorrupt, match="delta is damaged"):
            refuse()


def test_a_model_that_is_no_delta_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    base, _ = pair
    with pytest.raises(ModelCorrupt, match="format None, expected '1'"):
        merge(base, base / WEIGHTS, tmp_path / "out")


def test_what_stands_at_the_target_is_left_alone(pair: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    merge(*pair, tmp_path / "out")
    before = (tmp_path / "out" / WEIGHTS).stat().st_ino
    with pytest.raises(UsageError, match="there is something at"):
        merge(*pair, tmp_path / "out")
    assert (tmp_path / "out" / WEIGHTS).stat().st_ino == before


@pytest.mark.parametrize("limit", [0, 1, 50, 200])
@pytest.mark.parametrize("what", ["merge", "write_delta"])
def test_a_full_disk_leaves_nothing_half(pair: tuple[Path, Path], tmp_path: Path, limit: int, what: str) -> None:
    base, file = pair
    acts: dict[str, Callable[[], Any]] = {
        "merge": lambda: merge(base, file, tmp_path / "full" / "out"),
        "write_delta": lambda: write_delta(base, base, tmp_path / "full" / "delta", note=NOTE),
    }
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(StorageFull):
            acts[what]()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "full").iterdir())


@pytest.mark.parametrize("content", [b"", b"12", b"\xff" * 8, b"\x02" + b"\0" * 7 + b"[]", b"\x02" + b"\0" * 7 + b"{"])
def test_what_is_no_safetensors_file_has_no_digest(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert tensors.digest_file(tmp_path / "file") == ""


def test_the_digest_does_not_depend_on_the_order_or_on_metadata(tmp_path: Path) -> None:
    held = {"b": matrix(2), "a": matrix(3, 2)}
    save_file(held, tmp_path / "one", metadata={"format": "pt"})
    save_file(dict(reversed(held.items())), tmp_path / "two")
    save_file({"b": matrix(2), "a": matrix(3, 2).reshape(2, 3)}, tmp_path / "three")
    one, two, three = (tensors.digest_file(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two != three
