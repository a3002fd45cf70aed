"""Questions that people brought: formats, matching to documents, and what is unknown or broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.errors import BenchmarkError
from gorilla_rag.sources import formats
from gorilla_rag.train.corpus import Pair
from gorilla_rag.train.questions import read_questions

CODE = "###Instruction: Read this aloud.\n###Output: <<<domain>>>: Audio\n<<<api_call>>>: tools.speech(data, level=0)"


def written(folder: Path, *records: Any) -> Path:
    """A JSON Lines file."""
    path = folder / "questions.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return path


def test_every_form_of_question_is_read_side_by_side(tmp_path: Path, docs: list[ApiDoc]) -> None:
    file = written(
        tmp_path,
        {"question": "Pack my folder", "relevant_ids": ["doc-005"]},
        {"query": "Which rows are alike?", "relevant_ids": ["doc-004", "doc-003", "doc-004"], "id": "x"},
        {"question": "Find the dog", "api_call": "tools.detect('dog.png', level=2)"},
        {
            "code": CODE,
            "api_call": "tools.speech(data, level=0)",
            "api_data": {"api_call": "tools.speech(data, level=0)"},
        },
        {"user_name": "ada", "api_call": "tools.zip(data, level=5)", "questions": ["Make it small", " "]},
    )
    read = read_questions(file, docs)
    assert read.pairs == (
        Pair("Pack my folder", ("doc-005",), "given"),
        Pair("Which rows are alike?", ("doc-004", "doc-003"), "given"),
        Pair("Find the dog", ("doc-002",), "given"),
        Pair("Read this aloud.", ("doc-000",), "given:apibench"),
        Pair("Make it small", ("doc-005",), "given"),
    )
    assert not read.unknown
    assert not read.problems


def test_a_json_list_is_read_like_json_lines(tmp_path: Path, docs: list[ApiDoc]) -> None:
    records = [{"question": "Pack", "relevant_ids": ["doc-005"]}, {"query": "Group", "relevant_ids": ["doc-004"]}]
    listed = tmp_path / "list.json"
    listed.write_text(json.dumps(records, indent=1), encoding="utf-8")
    assert read_questions(listed, docs).pairs == read_questions(written(tmp_path, *records), docs).pairs


def test_a_call_that_no_document_has_goes_by_the_name_of_its_api(tmp_path: Path, docs: list[ApiDoc]) -> None:
    record = {"code": CODE, "api_data": {"api_call": "elsewhere.f(1)", "api_name": "translate"}}
    assert read_questions(written(tmp_path, record), docs).pairs[0].relevant == ("doc-001",)


def test_a_name_that_stands_for_several_calls_names_none(tmp_path: Path) -> None:
    docs = [ApiDoc(id=name, api_call=f"{name}()", api_name="model") for name in "ab"]
    record = {"code": CODE, "api_data": {"api_call": "c()", "api_name": "model"}}
    with pytest.raises(BenchmarkError, match="none of its questions"):
        read_questions(written(tmp_path, record), docs)


def test_documents_of_one_call_are_all_right_the_one_that_is_meant_first(tmp_path: Path) -> None:
    docs = [ApiDoc(id=name, api_call="f(x)", functionality=f"task {name}") for name in "abc"]
    record = {"code": CODE, "api_data": {"api_call": "f(x)", "functionality": "task b"}}
    assert read_questions(written(tmp_path, record), docs).pairs[0].relevant == ("b", "a", "c")


def test_what_is_about_no_document_is_counted_and_named(tmp_path: Path, docs: list[ApiDoc]) -> None:
    file = written(
        tmp_path,
        {"question": "one", "relevant_ids": ["doc-001", "gone"]},
        {"question": "two", "relevant_ids": ["gone"]},
        {"question": "three", "api_call": "never.heard(1)"},
    )
    read = read_questions(file, docs)
    assert read.pairs == (Pair("one", ("doc-001",), "given"),)
    assert read.unknown == {"gone": 2, "never.heard(1)": 1}


@pytest.mark.parametrize(
    "record",
    [
        7,
        {"relevant_ids": ["doc-001"]},
        {"question": " ", "relevant_ids": ["doc-001"]},
        {"question": "q"},
        {"question": "q", "relevant_ids": []},
        {"question": "q", "relevant_ids": [1]},
        {"code": "nothing", "api_data": {"api_call": "f()"}},
        {"code": CODE, "api_data": {"api_call": None}},
        {"questions": ["q"]},
    ],
)
def test_what_is_no_question_is_a_problem_with_its_line(tmp_path: Path, docs: list[ApiDoc], record: Any) -> None:
    file = written(tmp_path, {"question": "Pack", "relevant_ids": ["doc-005"]}, record)
    (problem,) = read_questions(file, docs).problems
    assert problem.line == 2
    assert problem.hint


def test_a_line_that_is_no_json_spares_the_others(tmp_path: Path, docs: list[ApiDoc]) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text('{oops\n{"question": "Pack", "relevant_ids": ["doc-005"]}', encoding="utf-8")
    read = read_questions(file, docs)
    assert len(read.pairs) == len(read.problems) == 1


def test_a_file_without_any_question_on_the_documents_is_refused(tmp_path: Path, docs: list[ApiDoc]) -> None:
    unknown = written(tmp_path, {"question": "q", "relevant_ids": ["here", "there"]})
    with pytest.raises(BenchmarkError, match=r"none of its questions is about these 6 documents .*'here', 'there'"):
        read_questions(unknown, docs)
    with pytest.raises(BenchmarkError, match="there is no question"):
        read_questions(written(tmp_path, {"nothing": 1}), docs)
    with pytest.raises(BenchmarkError, match="no questions"):
        read_questions(written(tmp_path), docs)
    with pytest.raises(BenchmarkError, match="no such file"):
        read_questions(tmp_path / "missing.jsonl", docs)


@pytest.mark.data
def test_the_published_training_questions_all_find_their_document(data: Path) -> None:
    docs = formats.read([data / "apibench" / "api" / "torchhub_api.jsonl"]).docs
    read = read_questions(data / "apibench" / "apibench" / "torchhub_train.json", docs)
    assert len(read.pairs) == 837
    assert not read.unknown
    assert not read.problems
