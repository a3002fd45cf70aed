"""Changing an index: an index that was changed step by step is the one that would have been built at once."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.errors import IndexBusy, IndexCorrupt, IndexMismatch, IndexMissing, UsageError
from gorilla_rag.index import bm25, change, dense, manifest
from gorilla_rag.index.index import RETRIEVALS, Index, Retrieval
from gorilla_rag.text import TEXT_VERSION
from tests.conftest import make_doc
from tests.test_index_search import ToyEncoder, toy_docs

ROOT = Path(__file__).parents[1]
QUESTIONS = ("the function for task 3", "data text photo files", "whistle loudly", "the")
Results = dict[tuple[str, str, bool], list[tuple[str, float]]]


def results(index: Index) -> Results:
    """Ids and scores of every question in every mode, distinct and not."""
    return {
        (question, mode, distinct): [
            (hit.doc.id, hit.score) for hit in index.search(question, mode=mode, k=50, distinct=distinct)
        ]
        for question in QUESTIONS
        for mode in RETRIEVALS
        for distinct in (True, False)
    }


def results_at(folder: Path) -> Results:
    index = Index(folder, ToyEncoder())
    try:
        return results(index)
    finally:
        index.close()


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_same(found: Results, expected: Results) -> None:
    assert found.keys() == expected.keys()
    for question, hits in expected.items():
        assert [name for name, _ in found[question]] == [name for name, _ in hits], question
        assert [score for _, score in found[question]] == pytest.approx([score for _, score in hits], abs=1e-5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An index of the toy documents."""
    made = tmp_path / "index"
    change.build(made, toy_docs(), ToyEncoder(), recipe={"name": "toy"})
    return made


# The same as a fresh build


def test_a_reopened_index_gives_exactly_the_same_results(folder: Path) -> None:
    index = Index(folder, ToyEncoder())
    before = results(index)
    index.close()
    assert results_at(folder) == before
    assert any(before.values())


def test_added_updated_and_removed_documents_are_found_accordingly(folder: Path) -> None:
    change.add(folder, [make_doc(1, id="new", description="whistle loudly")], ToyEncoder())
    assert Index(folder, ToyEncoder()).search("whistle", mode="bm25")[0].doc.id == "new"
    change.update(folder, [make_doc(1, id="new", description="hum quietly")], ToyEncoder())
    index = Index(folder, ToyEncoder())
    assert index.search("whistle", mode="bm25") == []
    assert index.search("hum quietly", mode="bm25")[0].doc.description == "hum quietly"
    change.remove(folder, ["new"], ToyEncoder())
    assert Index(folder, ToyEncoder()).search("hum quietly", mode="bm25") == []


IDS = [f"doc-{number}" for number in range(8)]
TEXTS = ["whistle loudly", "the function for a photo", "data text files", "task 3 of many", "the"]
some_docs = st.dictionaries(st.sampled_from(IDS), st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=6)
steps = st.lists(st.tuples(some_docs, st.sets(st.sampled_from(IDS), max_size=4)), min_size=1, max_size=6)


def doc_of(name: str, text: int, call: int) -> ApiDoc:
    return make_doc(0, id=name, api_call=f"tools.f{call}(x)", api_name=f"f{call}", description=TEXTS[text])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some_docs, steps)
def test_any_sequence_of_changes_gives_the_index_of_a_fresh_build(
    first: dict[str, tuple[int, int]], changes: list[tuple[dict[str, tuple[int, int]], set[str]]]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        changed, fresh = Path(scratch) / "changed", Path(scratch) / "fresh"
        there = {name: doc_of(name, *kind) for name, kind in first.items()}
        change.build(changed, there.values(), ToyEncoder())
        for wanted, unwanted in changes:
            docs = {name: doc_of(name, *kind) for name, kind in wanted.items()}
            change.update(changed, [doc for name, doc in docs.items() if name in there], ToyEncoder())
            change.add(changed, [doc for name, doc in docs.items() if name not in there], ToyEncoder())
            there |= docs
            gone = sorted(unwanted & set(there))
            change.remove(changed, gone, ToyEncoder())
            for name in gone:
                del there[name]
        change.build(fresh, there.values(), ToyEncoder())
        assert_same(results_at(changed), results_at(fresh))
        made = manifest.read(changed)
        assert made.counts["documents"] == len(there)
        assert made.counts["calls"] == len({doc.call_key for doc in there.values()})
        assert len(made.segments) <= change.MOST_SEGMENTS


def test_building_in_another_order_gives_the_same_results(folder: Path, tmp_path: Path) -> None:
    change.build(tmp_path / "backwards", reversed(toy_docs()), ToyEncoder())
    assert results_at(tmp_path / "backwards") == results_at(folder)


def test_an_index_can_be_emptied_and_filled_again(folder: Path) -> None:
    before = results_at(folder)
    change.remove(folder, [doc.id for doc in toy_docs()], ToyEncoder())
    assert not any(results_at(folder).values())
    change.add(folder, toy_docs(), ToyEncoder())
    assert_same(results_at(folder), before)


def test_building_replaces_what_stood_there(folder: Path) -> None:
    change.build(folder, [make_doc(1)], ToyEncoder())
    assert Index(folder, ToyEncoder()).store.ids == ["doc-001"]


# What is refused


@pytest.mark.parametrize(
    ("call", "given_value"),
    [
        (change.add, [make_doc(900), toy_docs()[0]]),
        (change.update, [toy_docs()[0], make_doc(900)]),
        (change.remove, [toy_docs()[0].id, "nowhere"]),
        (change.add, [make_doc(900), make_doc(900)]),
    ],
    ids=["add-existing", "update-missing", "remove-missing", "add-twice"],
)
def test_a_refused_change_leaves_the_index_as_it_was(folder: Path, call: Any, given_value: Sequence[Any]) -> None:
    before, names, results_before = (folder / manifest.NAME).read_bytes(), names_in(folder), results_at(folder)
    with pytest.raises(UsageError, match=r"doc-900|speech-1\.0|nowhere"):
        call(folder, given_value, ToyEncoder())
    assert (folder / manifest.NAME).read_bytes() == before
    assert names_in(folder) == names
    assert results_at(folder) == results_before


def test_two_documents_of_one_id_are_not_built(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="doc-001"):
        change.build(tmp_path / "index", [make_doc(1), make_doc(2), make_doc(1)], ToyEncoder())
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize("name", ["add", "update", "remove"])
def test_changing_an_index_that_is_not_there_makes_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(IndexMissing, match="no index"):
        getattr(change, name)(tmp_path / "nowhere", [], ToyEncoder())
    assert not (tmp_path / "nowhere").exists()


def test_opening_an_index_that_is_not_there_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(IndexMissing, match="no index"):
            Index(path, ToyEncoder())


@pytest.mark.parametrize("encoder", [ToyEncoder("other"), ToyEncoder("toy", dimension=8)])
def test_another_encoder_is_refused_before_anything_is_compared_or_changed(folder: Path, encoder: ToyEncoder) -> None:
    before = (folder / manifest.NAME).read_bytes()
    index = Index(folder, lambda: encoder)
    assert index.search("reads a text", mode="bm25")
    modes: tuple[Retrieval, ...] = ("dense", "hybrid")
    for mode in modes:
        with pytest.raises(IndexMismatch, match="toy"):
            index.search("reads a text", mode=mode)
    with pytest.raises(IndexMismatch, match="toy"):
        change.add(folder, [make_doc(1)], encoder)
    assert (folder / manifest.NAME).read_bytes() == before
    assert encoder.encoded == []


@pytest.mark.parametrize(
    "other", [{"text": TEXT_VERSION + 1}, {"bm25": {**bm25.PARAMETERS, "k1": 0.9}}], ids=["text", "bm25"]
)
def test_an_index_of_another_text_layout_is_neither_searched_nor_changed(folder: Path, other: dict[str, Any]) -> None:
    manifest.write(folder, dataclasses.replace(manifest.read(folder), **other))
    before = (folder / manifest.NAME).read_bytes()
    with pytest.raises(IndexMismatch, match="text layout"):
        Index(folder, ToyEncoder())
    changes: list[tuple[Any, Any]] = [
        (change.add, [make_doc(1)]),
        (change.update, toy_docs()[:1]),
        (change.remove, ["speech-1.0"]),
    ]
    for call, value in changes:
        with pytest.raises(IndexMismatch, match="text layout"):
            call(folder, value, ToyEncoder())
    assert (folder / manifest.NAME).read_bytes() == before


def test_an_index_of_another_format_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = manifest.read(folder)
    with monkeypatch.context() as patch:
        patch.setattr(manifest, "FORMAT", manifest.FORMAT + 1)
        manifest.write(folder, made)
    with pytest.raises(IndexMismatch, match="format"):
        Index(folder, ToyEncoder())
    with pytest.raises(IndexMismatch, match="format"):
        change.add(folder, [make_doc(1)], ToyEncoder())


# What is encoded and recorded


def test_only_texts_that_are_new_are_encoded(folder: Path) -> None:
    encoder = ToyEncoder()
    docs = toy_docs()
    change.update(folder, docs, encoder)
    change.update(folder, [dataclasses.replace(docs[0], performance={"accuracy": 1}, license="MIT")], encoder)
    change.add(folder, [dataclasses.replace(docs[1], id="copy")], encoder)
    change.remove(folder, [docs[2].id], encoder)
    assert encoder.encoded == []
    change.update(folder, [dataclasses.replace(docs[3], description="whistle loudly"), docs[4]], encoder)
    assert len(encoder.encoded) == 1
    assert "whistle loudly" in encoder.encoded[0]


def test_documents_of_one_text_are_encoded_once(tmp_path: Path) -> None:
    encoder = ToyEncoder()
    change.build(tmp_path, [make_doc(1, id=name) for name in "abc"], encoder)
    assert len(encoder.encoded) == 1
    assert manifest.read(tmp_path).counts == {"documents": 3, "calls": 1, "vectors": 1}


def test_the_recipe_is_recorded_and_outlives_changes(folder: Path) -> None:
    assert manifest.read(folder).recipe == {"name": "toy"}
    change.add(folder, [make_doc(1)], ToyEncoder())
    change.remove(folder, ["doc-001"], ToyEncoder())
    assert manifest.read(folder).recipe == {"name": "toy"}


def test_progress_is_told_step_by_step(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    change.build(tmp_path, toy_docs(), ToyEncoder(), progress=lambda *step: told.append(step))
    texts = manifest.read(tmp_path).counts["vectors"]
    assert told == [("encode", texts, texts), ("words", 0, 12), ("words", 12, 12)]


# Segments


def test_many_small_additions_are_gathered_and_keep_the_results(tmp_path: Path) -> None:
    docs = [make_doc(n) for n in range(12)]
    change.build(tmp_path / "steps", docs[:1], ToyEncoder())
    encoder, counts = ToyEncoder(), []
    for doc in docs[1:]:
        change.add(tmp_path / "steps", [doc], encoder)
        counts.append(len(manifest.read(tmp_path / "steps").segments))
    assert counts == [2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4]
    assert len(encoder.encoded) == 11
    change.build(tmp_path / "fresh", docs, ToyEncoder())
    assert_same(results_at(tmp_path / "steps"), results_at(tmp_path / "fresh"))


def test_vectors_without_a_document_are_dropped_once_they_are_a_quarter(tmp_path: Path) -> None:
    docs = [make_doc(n) for n in range(12)]
    change.build(tmp_path / "steps", docs, ToyEncoder())
    left = []
    for doc in docs[:7]:
        change.remove(tmp_path / "steps", [doc.id], ToyEncoder())
        left.append(manifest.read(tmp_path / "steps").counts["vectors"])
    assert left == [12, 12, 12, 8, 8, 8, 5]
    change.build(tmp_path / "fresh", docs[7:], ToyEncoder())
    assert_same(results_at(tmp_path / "steps"), results_at(tmp_path / "fresh"))


def test_gathering_makes_an_approximate_index_where_there_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "ANN_CHOICES", ((10, "HNSW32,Flat"),))
    change.build(tmp_path, [make_doc(n) for n in range(5)], ToyEncoder())
    assert not manifest.read(tmp_path).ann
    for number in range(5, 14):
        change.add(tmp_path, [make_doc(number)], ToyEncoder())
    made = manifest.read(tmp_path)
    assert made.ann in made.files
    found = Index(tmp_path, ToyEncoder()).search("the function for task 13", mode="dense", k=20)
    assert sorted(hit.doc.id for hit in found) == [f"doc-{n:03}" for n in range(14)]


# Readers and files


def test_a_reader_from_before_a_change_still_answers_after_it(folder: Path) -> None:
    early, unused = Index(folder, ToyEncoder()), Index(folder, ToyEncoder())
    before = results(early)
    change.update(folder, [dataclasses.replace(doc, description="whistle loudly") for doc in toy_docs()], ToyEncoder())
    assert results(early) == before
    assert results(unused) == before  # it reads its files only now
    assert results_at(folder) != before


def test_a_reader_from_before_two_changes_answers_rightly_or_says_what_is_missing(folder: Path) -> None:
    reader = Index(folder, ToyEncoder())
    before = results_at(folder)
    for text in ("whistle loudly", "hum quietly"):
        change.update(folder, [dataclasses.replace(doc, description=text) for doc in toy_docs()], ToyEncoder())
    with pytest.raises(IndexCorrupt, match=r"vectors-.* is missing"):
        reader.search("data", mode="dense")
    with pytest.raises(IndexCorrupt, match=r"bm25-.* is missing"):
        reader.search("data", mode="bm25")
    assert results_at(folder) != before


def test_only_the_files_of_this_index_and_the_one_before_it_are_kept(folder: Path) -> None:
    before = set(manifest.read(folder).files)
    for number in range(12):
        change.add(folder, [make_doc(number)], ToyEncoder())
        now = set(manifest.read(folder).files)
        assert names_in(folder) - {manifest.NAME, ".lock"} == now | before
        before = now


def test_files_that_are_not_the_index_s_own_are_left_alone(folder: Path) -> None:
    mine = ["documents-2024.pdf", "vectors-of-mine.npy", "bm25-notes.txt", "notes.md", ".manifest.json.bak"]
    for name in mine:
        (folder / name).write_text("mine", encoding="utf-8")
    for number in range(3):
        change.add(folder, [make_doc(number)], ToyEncoder())
    change.build(folder, toy_docs(), ToyEncoder())
    assert {name: (folder / name).read_text(encoding="utf-8") for name in mine} == dict.fromkeys(mine, "mine")


# Two writers

WRITER = """
import sys
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.index import change
from tests.test_index_search import ToyEncoder

class Waiting(ToyEncoder):
    def encode(self, texts, *, kind="document", progress=None):
        print("encoding", flush=True)
        sys.stdin.readline()
        return super().encode(texts, progress=progress)

change.add(sys.argv[1], [ApiDoc(id="theirs", api_call="their.call(x)", description="whistle loudly")], Waiting())
print("done", flush=True)
"""


def test_a_second_writer_is_told_that_the_index_is_busy_while_readers_read(folder: Path) -> None:
    before = results_at(folder)
    command = [sys.executable, "-c", WRITER, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        assert writer.stdin
        assert writer.stdout.readline() == "encoding\n"
        changes: list[tuple[Any, Any]] = [
            (change.add, [make_doc(1)]),
            (change.update, toy_docs()),
            (change.remove, ["speech-1.0"]),
            (change.build, toy_docs()),
        ]
        for call, value in changes:
            with pytest.raises(IndexBusy, match="another process"):
                call(folder, value, ToyEncoder())
        assert results_at(folder) == before
        writer.stdin.write("go\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "done\n"
    assert writer.returncode == 0
    assert Index(folder, ToyEncoder()).search("whistle", mode="bm25")[0].doc.id == "theirs"
    change.add(folder, [make_doc(1)], ToyEncoder())
    change.wait(folder)
    assert len(Index(folder, ToyEncoder())) == 14
