"""Any sentence-transformers model: ours equals the library's own, whatever its pooling, prompts and tokenizer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

from gorilla_rag import Gorilla
from gorilla_rag.encoders import Kind, exported
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.encoders.exported import Exported
from gorilla_rag.encoders.load import SentenceTransformersEncoder, load_encoder
from gorilla_rag.encoders.onnx import OnnxEncoder
from gorilla_rag.errors import DeviceMissing, IndexMismatch, ModelCorrupt, ModelMissing, UsageError
from gorilla_rag.index import change, manifest
from gorilla_rag.index.index import Index, identity
from gorilla_rag.models import registry
from tests.conftest import make_doc
from tests.test_index_search import ToyEncoder, toy_docs

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

ROOT = Path(__file__).parents[1]
NAMES = ["bert", "typed", "xlmr", "qwen", "static", "routed", "without_prompt", "cut", "minilm"]
EXPORTED = ["typed", "qwen"]
TEXTS = [
    "Translate text",
    "Which API finds the objects in a street photo and draws boxes around them? " * 9,
    "把文字转换成语音 🦍",
    "Convert text to speech.",
    "  CAFÉ\n and spaces ",
    "def f(x): return x",
    "a",
]
KINDS: tuple[Kind, ...] = ("query", "document")
Vectors = npt.NDArray[np.float32]


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of our own, with the embedded models in it."""
    made = tmp_path_factory.mktemp("home")
    (made / "models").symlink_to(registry.home() / "models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(registry.HOME_VARIABLE, str(made))
        yield made


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, encoder: EmbeddedEncoder) -> dict[str, Path]:
    """Folders of the small models, and of MiniLM with the first token's vector and a prompt; read-only by agreement."""
    from tests import tiny_encoders

    folder = tmp_path_factory.mktemp("models")
    made = {name: tiny_encoders.save(name, folder) for name in NAMES if name != "minilm"}
    made["minilm"] = Path(shutil.copytree(registry.path(encoder.id), folder / "minilm", copy_function=os.symlink))
    rewrite(made["minilm"] / "1_Pooling" / "config.json", pooling_mode_cls_token=True, pooling_mode_mean_tokens=False)
    rewrite(made["minilm"] / "config_sentence_transformers.json", prompts={"query": "question: "})
    return made


@pytest.fixture(scope="module")
def encoders(models: dict[str, Path]) -> dict[str, SentenceTransformersEncoder]:
    """Ours, through torch."""
    return {name: SentenceTransformersEncoder(path, device="cpu") for name, path in models.items()}


@pytest.fixture(scope="module")
def exports(models: dict[str, Path]) -> dict[str, SentenceTransformersEncoder]:
    """Ours, of models that were exported."""
    made = {name: SentenceTransformersEncoder(models[name]) for name in EXPORTED}
    for encoder in made.values():
        encoder.export()
    return made


@pytest.fixture(scope="module")
def references(models: dict[str, Path]) -> dict[str, SentenceTransformer]:
    """sentence-transformers' own."""
    from sentence_transformers import SentenceTransformer

    return {name: SentenceTransformer(str(path), device="cpu", local_files_only=True) for name, path in models.items()}


@pytest.fixture
def copy(models: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """Copies a model, to be changed."""
    return lambda name: Path(shutil.copytree(models[name], tmp_path / name))


def rewrite(file: Path, **changed: Any) -> None:
    """Changes a JSON file, or what a link to one seems to hold."""
    said = json.loads(file.read_text(encoding="utf-8"))
    file.unlink()
    file.write_text(json.dumps(said | changed), encoding="utf-8")


def theirs(model: SentenceTransformer, kind: Kind) -> Vectors:
    """sentence-transformers' vectors of `TEXTS`."""
    encode = model.encode_query if kind == "query" else model.encode_document
    made: Vectors = encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    return made


# The vectors


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_vectors_are_those_of_the_library(
    encoders: dict[str, SentenceTransformersEncoder],
    references: dict[str, SentenceTransformer],
    name: str,
    kind: Kind,
) -> None:
    if (name, kind) == ("typed", "document"):
        expected = references[name].encode(TEXTS, prompt_name="passage", normalize_embeddings=True)
    else:
        expected = theirs(references[name], kind)
    found = encoders[name].encode(TEXTS, kind=kind)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.dtype == np.float32
    assert found.shape == (len(TEXTS), encoders[name].dimension)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (found @ found.T - np.eye(len(TEXTS))).max() < 0.999  # so that comparing tells texts apart


@pytest.mark.parametrize("name", ["bert", "typed", "qwen", "routed", "without_prompt", "minilm"])
def test_questions_are_read_otherwise_than_documents(
    encoders: dict[str, SentenceTransformersEncoder], name: str
) -> None:
    question, document = (encoders[name].encode(["Convert text to speech"], kind=kind)[0] for kind in KINDS)
    assert float(question @ document) < 0.9999


@pytest.mark.parametrize("name", ["xlmr", "static", "cut"])
def test_without_prompts_questions_are_read_like_documents(
    encoders: dict[str, SentenceTransformersEncoder], name: str
) -> None:
    question, document = (encoders[name].encode(TEXTS, kind=kind) for kind in KINDS)
    np.testing.assert_array_equal(question, document)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_gives_what_each_text_alone_gives(encoders: dict[str, SentenceTransformersEncoder], name: str) -> None:
    alone = np.concatenate([encoders[name].encode([text], kind="query") for text in TEXTS])
    many = encoders[name].encode(TEXTS * 12, kind="query")
    np.testing.assert_allclose(many, np.tile(alone, (12, 1)), atol=1e-5)


@pytest.mark.parametrize("name", ["bert", "xlmr", "qwen", "minilm"])
def test_a_long_text_is_read_as_far_as_the_model_reads(
    encoders: dict[str, SentenceTransformersEncoder], name: str
) -> None:
    start = "convert text to natural speech " * 100
    same, other, short = encoders[name].encode([start, start + "zebra " * 5000, "convert text zebra"])
    np.testing.assert_allclose(same, other, atol=1e-6)
    assert float(same @ short) < 0.999


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [name for name in NAMES if name != "static"])  # no word, no vector
def test_an_empty_text_has_a_vector_alone_and_among_others(
    encoders: dict[str, SentenceTransformersEncoder], name: str, kind: Kind
) -> None:
    alone = encoders[name].encode([""], kind=kind)
    if (name, kind) in (("routed", "query"), ("without_prompt", kind)):
        assert np.isfinite(alone).all()
        return
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(encoders[name].encode(["", *TEXTS], kind=kind)[:1], alone, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_no_texts_give_no_vectors(encoders: dict[str, SentenceTransformersEncoder], name: str) -> None:
    assert encoders[name].encode([]).shape == (0, encoders[name].dimension)


def test_half_a_character_is_encoded_like_a_question_mark(encoders: dict[str, SentenceTransformersEncoder]) -> None:
    broken, mark = encoders["bert"].encode(["text \ud800 to speech", "text ? to speech"])
    np.testing.assert_allclose(broken, mark, atol=1e-6)


def test_progress_ends_with_every_text_done(encoders: dict[str, SentenceTransformersEncoder]) -> None:
    told: list[tuple[int, int]] = []
    encoders["bert"].encode(TEXTS * 60, progress=lambda done, total: told.append((done, total)))
    assert len(told) > 1
    assert told == sorted(told)
    assert told[-1] == (len(TEXTS) * 60, len(TEXTS) * 60)


# ONNX


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", EXPORTED)
def test_an_exported_model_gives_the_same_vectors_without_torch(
    exports: dict[str, SentenceTransformersEncoder],
    encoders: dict[str, SentenceTransformersEncoder],
    name: str,
    kind: Kind,
) -> None:
    graph = OnnxEncoder(exports[name].export_folder, name=name, sha256=exports[name].sha256)
    for texts in (TEXTS * 30, [""], ["", *TEXTS], ["text \ud800 to speech"]):
        np.testing.assert_allclose(graph.encode(texts, kind=kind), encoders[name].encode(texts, kind=kind), atol=1e-4)


def test_the_record_says_what_the_graph_wants(exports: dict[str, SentenceTransformersEncoder]) -> None:
    typed, qwen = (exports[name].export() for name in EXPORTED)
    assert typed.layout.inputs == ("input_ids", "attention_mask", "token_type_ids")
    assert qwen.layout.inputs == ("input_ids", "attention_mask")
    assert (typed.layout.pad_left, qwen.layout.pad_left) == (False, True)
    assert typed.prompts == {"query": "", "document": "text: "}
    for record in (typed, qwen):
        assert record.reason == ""
        assert {(name, what) for name, taken in record.milliseconds.items() for what in taken} == {
            (name, what) for name in ("onnx", "torch") for what in ("question", "document")
        }


def test_an_export_is_made_once_and_not_in_the_model_s_folder(
    exports: dict[str, SentenceTransformersEncoder], home: Path
) -> None:
    first = exports["typed"]
    graph = first.export_folder / exported.GRAPH
    made_at = graph.stat().st_mtime_ns
    SentenceTransformersEncoder(first.path).export()
    assert graph.stat().st_mtime_ns == made_at
    assert home in graph.parents
    assert not list(first.path.rglob("*.onnx"))


SEARCH = """
import sys
from gorilla_rag import Gorilla

hit = Gorilla.load(sys.argv[1]).search("reads a text aloud", mode="dense", k=1)[0]
print(hit.doc.id, *(name for name in ("torch", "transformers", "sentence_transformers") if name in sys.modules))
"""


def test_a_question_to_an_exported_model_imports_no_torch(
    exports: dict[str, SentenceTransformersEncoder], tmp_path: Path
) -> None:
    encoder = exports["typed"]
    spend(encoder.export_folder, encoder.sha256, onnx=1.0, torch=2.0)
    change.build(tmp_path, toy_docs(), SentenceTransformersEncoder(encoder.path))
    expected = Index(tmp_path, encoder).search("reads a text aloud", mode="dense", k=1)[0].doc.id
    found = subprocess.run(
        [sys.executable, "-c", SEARCH, str(tmp_path)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert found.stdout.split() == [expected]


def spend(folder: Path, sha256: str, *, onnx: float, torch: float) -> None:
    """Makes a record say that so many milliseconds were measured."""
    said = exported.read(folder, sha256)
    assert said
    times = {"onnx": onnx, "torch": torch}
    taken = {name: {"question": spent, "document": spent} for name, spent in times.items()}
    fields = {name: getattr(said, name) for name in Exported.__dataclass_fields__}
    exported.write(folder, Exported(**{**fields, "milliseconds": taken}))


def test_the_measured_faster_backend_is_used_and_an_altered_graph_is_refused(
    exports: dict[str, SentenceTransformersEncoder], encoders: dict[str, SentenceTransformersEncoder]
) -> None:
    encoder = exports["qwen"]
    graph = encoder.export_folder / exported.GRAPH
    content = graph.read_bytes()
    SentenceTransformersEncoder(encoder.path).encode(TEXTS)
    time.sleep(0.02)  # the file system's clock ticks
    graph.write_bytes(bytes([*content[:-1], content[-1] ^ 1]))
    try:
        spend(encoder.export_folder, encoder.sha256, onnx=2.0, torch=1.0)
        slow = SentenceTransformersEncoder(encoder.path)
        np.testing.assert_array_equal(slow.encode(TEXTS), encoders["qwen"].encode(TEXTS))
        spend(encoder.export_folder, encoder.sha256, onnx=1.0, torch=2.0)
        with pytest.raises(ModelCorrupt, match="altered") as caught:
            SentenceTransformersEncoder(encoder.path).encode(TEXTS)
        assert "delete that folder" in caught.value.hint
    finally:
        graph.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "reason"), [("static", "plain tokens"), ("routed", "plain tokens"), ("without_prompt", "prompt")]
)
def test_a_model_that_cannot_be_exported_stays_with_torch_and_says_why(
    models: dict[str, Path],
    encoders: dict[str, SentenceTransformersEncoder],
    caplog: pytest.LogCaptureFixture,
    name: str,
    reason: str,
) -> None:
    encoder = SentenceTransformersEncoder(models[name])
    assert reason in encoder.export().reason
    assert reason in caplog.text
    caplog.clear()
    again = SentenceTransformersEncoder(models[name])
    assert again.export().reason == encoder.export().reason  # and isn't tried again
    assert caplog.text == ""
    np.testing.assert_array_equal(again.encode(TEXTS, kind="query"), encoders[name].encode(TEXTS, kind="query"))


def test_a_graph_that_gives_other_vectors_is_not_used(
    exports: dict[str, SentenceTransformersEncoder], copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gorilla_rag.encoders import export

    graph = (exports["typed"].export_folder / exported.GRAPH).read_bytes()
    monkeypatch.setattr(export, "_graph", lambda encoder, inputs: graph)
    folder = copy("typed")
    rewrite(folder / "1_Pooling" / "config.json", pooling_mode="mean")
    encoder = SentenceTransformersEncoder(folder)
    assert "its graph gives other vectors" in encoder.export().reason
    assert not list(encoder.export_folder.glob("*.onnx"))


# What identifies a model


def change_pooling(folder: Path) -> None:
    rewrite(folder / "1_Pooling" / "config.json", pooling_mode="cls")


def change_prompt(folder: Path) -> None:
    rewrite(folder / "config_sentence_transformers.json", prompts={"query": "find: ", "document": "entry: "})


def change_longest(folder: Path) -> None:
    rewrite(folder / "tokenizer_config.json", model_max_length=12)


def change_tokenizer(folder: Path) -> None:
    said = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    rewrite(folder / "tokenizer.json", normalizer={**said["normalizer"], "lowercase": False})


def change_weights(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / "2_Dense" / "model.safetensors")
    save_file(
        {name: values + np.float32(0.5) for name, values in weights.items()}, folder / "2_Dense" / "model.safetensors"
    )


CHANGES = [change_pooling, change_prompt, change_longest, change_tokenizer, change_weights]


@pytest.mark.parametrize("changed", CHANGES)
def test_an_index_refuses_a_model_that_was_changed(
    copy: Callable[[str], Path], tmp_path: Path, changed: Callable[[Path], None]
) -> None:
    folder, index = copy("bert"), tmp_path / "index"
    before = SentenceTransformersEncoder(folder)
    change.build(index, toy_docs(), before)
    assert Gorilla.load(index).search("reads a text aloud", mode="dense")
    time.sleep(0.02)
    changed(folder)
    after = SentenceTransformersEncoder(folder)
    assert np.abs(after.encode(TEXTS, kind="query") - before.encode(TEXTS, kind="query")).max() > 1e-3
    opened = Gorilla.load(index)
    assert opened.search("reads a text aloud", mode="bm25")
    with pytest.raises(IndexMismatch) as caught:
        opened.search("reads a text aloud", mode="dense")
    assert before.sha256[:12] in caught.value.message
    assert after.sha256[:12] in caught.value.message
    with pytest.raises(IndexMismatch):
        change.add(index, [make_doc(1)], after)


def test_what_changes_no_vector_changes_no_identity(copy: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy("bert")
    before = SentenceTransformersEncoder(folder).sha256
    (folder / "README.md").write_text("other words", encoding="utf-8")
    (folder / "data_config.json").write_text("[]", encoding="utf-8")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "config.json").write_text("{}", encoding="utf-8")
    moved = folder.rename(tmp_path / "elsewhere")
    assert SentenceTransformersEncoder(moved).sha256 == before


def test_the_embedded_encoder_is_recorded_as_it_always_was(encoder: EmbeddedEncoder, starter_index: Path) -> None:
    weights = registry.spec(registry.ENCODER).sha256["model.safetensors"]
    assert manifest.read(starter_index).encoder == {"id": registry.ENCODER, "sha256": weights, "dimension": 384}
    assert identity(encoder) == manifest.read(starter_index).encoder


# Opening an index


def test_an_index_opens_with_the_encoder_it_names_and_says_what_to_do_when_that_is_gone(
    copy: Callable[[str], Path], tmp_path: Path
) -> None:
    folder, index = copy("bert"), tmp_path / "index"
    made = Gorilla.from_docs(toy_docs(), encoder=folder)
    change.build(index, toy_docs(), SentenceTransformersEncoder(folder))
    expected = [hit.score for hit in made.search("reads a text aloud", mode="dense")]
    assert manifest.read(index).encoder["source"] == str(folder)
    assert [hit.score for hit in Gorilla.load(index).search("reads a text aloud", mode="dense")] == expected
    moved = folder.rename(tmp_path / "elsewhere")
    lost = Gorilla.load(index)
    assert lost.search("reads a text aloud", mode="bm25")
    with pytest.raises(ModelMissing, match="bert") as caught:
        lost.search("reads a text aloud", mode="dense")
    assert "--encoder" in caught.value.hint
    for encoder in (moved, str(moved), SentenceTransformersEncoder(moved)):
        opened = Gorilla.load(index, encoder=encoder)
        assert [hit.score for hit in opened.search("reads a text aloud", mode="dense")] == expected
    with pytest.raises(IndexMismatch, match="minilm-l6"):
        Gorilla.load(index, encoder="minilm-l6").search("reads a text aloud", mode="dense")


def test_questions_and_documents_are_told_apart_by_whoever_encodes_them(tmp_path: Path) -> None:
    encoder = ToyEncoder()
    change.build(tmp_path, toy_docs(), encoder)
    assert set(encoder.kinds) == {"document"}
    before = len(encoder.kinds)
    Index(tmp_path, encoder).search("reads a text aloud", mode="dense")
    assert encoder.kinds[before:] == ["query"]


def test_a_model_in_the_hub_s_cache_is_found_by_name(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    for owner in ("someone", "sentence-transformers"):
        repository = cache / f"models--{owner}--tiny"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text("a" * 40, encoding="utf-8")
        shutil.copytree(models["bert"], repository / "snapshots" / ("a" * 40))
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(cache))
    found = load_encoder("someone/tiny")
    assert (found.id, found.source) == ("someone/tiny", "someone/tiny")
    assert found.sha256 == SentenceTransformersEncoder(models["bert"]).sha256 == load_encoder("tiny").sha256
    index = tmp_path / "index"
    change.build(index, toy_docs(), found)
    assert manifest.read(index).encoder["id"] == "someone/tiny"
    assert Gorilla.load(index).search("reads a text aloud", mode="dense")
    for name in ("someone/other", "other", "no/such/name", "/nowhere"):
        with pytest.raises(ModelMissing, match=name) as caught:
            load_encoder(name)
        assert (f"hf download {name}" in caught.value.hint) == (name in ("someone/other", "other"))


# Devices and dtypes


def test_a_name_of_the_registry_is_the_embedded_encoder(encoder: EmbeddedEncoder) -> None:
    assert isinstance(load_encoder(encoder.id), EmbeddedEncoder)
    elsewhere = load_encoder(encoder.id, device="cpu")
    assert identity(elsewhere) == identity(encoder)
    np.testing.assert_allclose(elsewhere.encode(TEXTS), encoder.encode(TEXTS), atol=1e-4)
    with pytest.raises(UsageError, match="generator"):
        load_encoder("smollm2-135m")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_smaller_dtype_gives_nearly_the_same_vectors(
    models: dict[str, Path], encoders: dict[str, SentenceTransformersEncoder], dtype: Any
) -> None:
    found = load_encoder(models["bert"], dtype=dtype).encode(TEXTS)
    plain = encoders["bert"].encode(TEXTS)
    assert found.dtype == np.float32
    assert np.abs(found - plain).max() > 1e-6
    assert (found * plain).sum(axis=1).min() > 0.999
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_device_that_is_not_there_is_a_clear_error(models: dict[str, Path]) -> None:
    with pytest.raises(DeviceMissing, match="xpu"):
        load_encoder(models["bert"], device="xpu").encode(TEXTS)


# The command line


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from gorilla_rag.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_command_line_builds_reports_adds_and_finds(copy: Callable[[str], Path], tmp_path: Path) -> None:
    folder, index, docs = copy("static"), tmp_path / "index", tmp_path / "docs.jsonl"
    docs.write_text('{"api_call": "speak(text)", "description": "Reads a text aloud"}\n', encoding="utf-8")
    rewrite(folder / "config_sentence_transformers.json", prompts={"query": "find "})  # a model that was never seen
    built = run("index", "build", docs, "--encoder", folder, "--out", index)
    assert built.returncode == 0, built.stderr
    assert "static: stays with torch: it doesn't read plain tokens" in built.stderr
    assert "encoder static" in built.stdout
    docs.write_text('{"api_call": "pack(folder)", "description": "Puts files into an archive"}\n', encoding="utf-8")
    moved = folder.rename(tmp_path / "moved")
    assert run("index", "add", index, docs).returncode == ModelMissing.exit_code
    assert run("index", "add", index, docs, "--encoder", moved).returncode == 0
    (hit,) = Gorilla.load(index).search("archive of files", mode="dense", k=1)  # the index names the new folder
    assert hit.doc.api_call == "pack(folder)"
    wrong = run("search", "archive", "--index", index, "--mode", "dense", "--encoder", "minilm-l6")
    assert wrong.returncode == IndexMismatch.exit_code
