"""Benchmarks: APIBench's published files, a user's own questions, fixed samples and folds."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import parse_call
from gorilla_rag.errors import BenchmarkError, GorillaError, SourceError, UsageError
from gorilla_rag.evaluate.benchmark import Benchmark, Question, folds
from gorilla_rag.evaluate.benchmarks import apibench, own
from gorilla_rag.evaluate.judgements import judgements
from gorilla_rag.evaluate.metrics.gorilla_ast import GorillaScorer

ROOT = Path(__file__).parent.parent
FINCH = {"domain": "Bird Song", "api_name": "finch", "api_call": "torch.hub.load(repo_or_dir='birds', model='finch')"}
OWL = {"domain": "Bird Song", "api_name": "owl", "api_call": "torch.hub.load(repo_or_dir='birds', model='owl')"}
LOAM = {"domain": "Soil", "api_name": "loam", "api_call": "torch.hub.load(repo_or_dir='earth', model='loam')"}
WAVE = {"domain": "Sea", "api_name": "wave", "api_call": "torch.hub.load(repo_or_dir='sea', model='wave')"}


def asked(text: str, data: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An evaluation record as published."""
    code = f"###Instruction: {text}\n###Output: {{'domain': '{data['domain']}', 'api_call': '{data['api_call']}'}}\n"
    return {"code": code, "api_call": data["api_call"], "provider": "PyTorch", "api_data": data} | fields


QUESTIONS = [asked("Which bird sings?", FINCH), asked("How high is the sea?", WAVE), asked("Hear the owl.", OWL)]


def published(
    folder: Path,
    docs: Sequence[Any] = (FINCH, OWL, LOAM),
    questions: Sequence[Any] = QUESTIONS,
    names: tuple[str, str] = ("torchhub_api.jsonl", "torchhub_eval.json"),
) -> Path:
    """A folder as Gorilla's repository has it; a text among the records stands as it is."""
    for name, records, where in ((names[0], docs, "api"), (names[1], questions, "apibench")):
        (folder / where).mkdir()
        lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
        (folder / where / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


# APIBench


def test_questions_are_read_in_order_with_the_record_they_were_made_from(tmp_path: Path) -> None:
    made = apibench.load("apibench/torchhub", published(tmp_path))
    assert made.name == "apibench/torchhub"
    assert made.size == 3
    assert [question.id for question in made.questions] == ["1", "2", "3"]
    assert [question.number for question in made.questions] == [1, 2, 3]
    assert [question.text for question in made.questions] == [
        "Which bird sings?",
        "How high is the sea?",
        "Hear the owl.",
    ]
    assert [question.document.api_name for question in made.questions] == ["finch", "wave", "owl"]
    assert [question.label_domain for question in made.questions] == ["Bird Song", "Sea", "Bird Song"]
    assert [doc.api_name for doc in made.docs] == ["finch", "owl", "loam"]
    sea = made.questions[1]
    assert sea.expected == parse_call(WAVE["api_call"])
    assert sea.relevant == {sea.document.call_key}
    assert sea.gold == sea.document.call_key
    assert len({doc.id for doc in made.docs} | {question.document.id for question in made.questions}) == 6


def test_a_question_whose_call_is_not_documented_is_counted_as_not_in_the_index(tmp_path: Path) -> None:
    made = apibench.load("apibench/torchhub", published(tmp_path))
    assert made.in_index == {"1", "3"}
    assert len(made.catalogue) == 3


def test_a_document_of_the_same_call_with_other_words_puts_the_question_in_the_index(tmp_path: Path) -> None:
    other = {"domain": "Waves", "api_call": 'torch.hub.load(model="wave",   repo_or_dir="sea")'}
    made = apibench.load("apibench/torchhub", published(tmp_path, docs=[other]))
    assert made.in_index == {"2"}


def test_hashes_are_those_of_the_two_files(tmp_path: Path) -> None:
    made = apibench.load("apibench/torchhub", published(tmp_path))
    files = [tmp_path / "api" / "torchhub_api.jsonl", tmp_path / "apibench" / "torchhub_eval.json"]
    assert made.hashes == {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    with files[1].open("a") as file:
        file.write("\n")
    again = apibench.load("apibench/torchhub", tmp_path)
    assert again.questions == made.questions
    assert again.hashes["torchhub_api.jsonl"] == made.hashes["torchhub_api.jsonl"]
    assert again.hashes["torchhub_eval.json"] != made.hashes["torchhub_eval.json"]


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("apibench/torchhub", ("torchhub_api.jsonl", "torchhub_eval.json")),
        ("apibench/huggingface", ("huggingface_api.jsonl", "huggingface_eval.json")),
        ("apibench/tensorflowhub", ("tensorflowhub_api.jsonl", "tensorflow_eval.json")),
    ],
)
def test_every_hub_is_found_under_its_published_names_and_has_its_own_scoring(
    tmp_path: Path, name: str, files: tuple[str, str]
) -> None:
    made = apibench.load(name, published(tmp_path, names=files))
    assert set(made.hashes) == set(files)
    assert isinstance(made.scorer, GorillaScorer)
    assert made.scorer.hub == name.removeprefix("apibench/")
    assert made.scorer.judge(f"<<<api_call>>>: {OWL['api_call']}\n<<<api_provider>>>: PyTorch", 1) == "right"
    assert made.scorer.judge(f"<<<api_call>>>: {OWL['api_call']}\n<<<api_provider>>>: PyTorch", 2) == "wrong"


def test_a_name_that_is_no_benchmark_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="benchmark 'apibench/torch'") as caught:
        apibench.load("apibench/torch", tmp_path)
    assert all(name in caught.value.hint for name in apibench.NAMES)


@pytest.mark.parametrize("missing", ["api/torchhub_api.jsonl", "apibench/torchhub_eval.json"])
def test_a_missing_file_is_named_with_where_it_comes_from(tmp_path: Path, missing: str) -> None:
    published(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(BenchmarkError, match="no such file") as caught:
        apibench.load("apibench/torchhub", tmp_path)
    assert caught.value.file == str(tmp_path / missing)
    assert str(tmp_path / missing) in str(caught.value)
    assert "github.com/ShishirPatil/gorilla" in caught.value.hint


def without(record: dict[str, Any], name: str) -> dict[str, Any]:
    """A record that lacks a field."""
    return {key: value for key, value in record.items() if key != name}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"code": "###Instruction: x"', "not JSON"),
        ("Which bird sings?", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('["a question"]', "expected an object, found list"),
        ("null", "expected an object, found NoneType"),
        (without(QUESTIONS[0], "api_data"), "expected `code` with an instruction in it and `api_data`"),
        (without(QUESTIONS[0], "code"), "expected `code`"),
        (asked("x", FINCH, code=["###Instruction: x"]), "expected `code`"),
        (asked("x", FINCH, code="Which bird sings?"), "expected `code`"),
        (asked("x", FINCH, code="###Instruction: \n###Output: {}"), "expected `code`"),
        (asked("x", FINCH, api_data="torch.hub.load('birds')"), "expected `code`"),
        (asked("x", FINCH, api_data={"domain": "Bird Song"}), "api_call is None"),
        (asked("x", FINCH, api_data={"domain": "Bird Song", "api_call": "N/A"}), "api_call is 'N/A'"),
    ],
)
def test_a_bad_question_is_reported_with_file_line_and_reason(tmp_path: Path, line: Any, reason: str) -> None:
    published(tmp_path, questions=[QUESTIONS[0], QUESTIONS[1], line, QUESTIONS[2]])
    with pytest.raises(BenchmarkError) as caught:
        apibench.load("apibench/torchhub", tmp_path)
    file = tmp_path / "apibench" / "torchhub_eval.json"
    assert str(caught.value).startswith(f"{file}:3: {reason}")
    assert (caught.value.file, caught.value.line) == (str(file), 3)
    assert caught.value.hint


def test_a_bad_question_after_an_empty_line_is_reported_with_the_line_it_stands_on(tmp_path: Path) -> None:
    published(tmp_path, questions=[QUESTIONS[0], "", "  ", without(QUESTIONS[1], "api_data")])
    with pytest.raises(BenchmarkError, match="expected `code`") as caught:
        apibench.load("apibench/torchhub", tmp_path)
    assert caught.value.line == 4


def test_empty_lines_a_byte_order_mark_and_carriage_returns_change_no_number(tmp_path: Path) -> None:
    published(tmp_path)
    file = tmp_path / "apibench" / "torchhub_eval.json"
    file.write_bytes(b"\xef\xbb\xbf\r\n" + file.read_bytes().replace(b"\n", b"\r\n\r\n"))
    made = apibench.load("apibench/torchhub", tmp_path)
    assert [(question.id, question.number) for question in made.questions] == [("1", 1), ("2", 2), ("3", 3)]


def test_questions_that_are_not_utf8_are_one_problem_of_the_whole_file(tmp_path: Path) -> None:
    published(tmp_path)
    file = tmp_path / "apibench" / "torchhub_eval.json"
    file.write_bytes(file.read_bytes().decode().encode("utf-16"))
    with pytest.raises(BenchmarkError, match="can't be read") as caught:
        apibench.load("apibench/torchhub", tmp_path)
    assert (caught.value.file, caught.value.line) == (str(file), 0)


@pytest.mark.parametrize("line", ["{", '["x"]', json.dumps(without(OWL, "api_call"))])
def test_a_bad_document_is_reported_with_file_and_line(tmp_path: Path, line: str) -> None:
    published(tmp_path, docs=[FINCH, line])
    with pytest.raises(GorillaError) as caught:
        apibench.load("apibench/torchhub", tmp_path)
    assert isinstance(caught.value, BenchmarkError | SourceError)
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "api" / "torchhub_api.jsonl"), 2)
    assert caught.value.hint


def loaded(folder: Path) -> str:
    """The text of the second document's and the second question's call, or of the error that names one."""
    try:
        made = apibench.load("apibench/torchhub", folder)
    except GorillaError as error:
        return str(error)
    return f"{made.docs[1].api_call} {made.questions[1].document.api_call}"


@pytest.mark.parametrize("call", ["torch.hub.load(model)", "torch.hub.load(**model)", "# no call", "f(model=)"])
def test_a_documented_call_of_any_kind_is_read_or_named_as_wrong(tmp_path: Path, call: str) -> None:
    published(tmp_path, docs=[FINCH, OWL | {"api_call": call}])
    said = loaded(tmp_path)
    assert said.startswith(f"{call} torch") or "torchhub_api.jsonl:2" in said


def test_a_document_without_a_domain_is_read_or_named_as_wrong(tmp_path: Path) -> None:
    published(tmp_path, docs=[FINCH, without(OWL, "domain")])
    said = loaded(tmp_path)
    assert said.startswith(OWL["api_call"]) or "torchhub_api.jsonl:2" in said


def test_a_question_whose_record_has_no_domain_is_read_or_named_as_wrong(tmp_path: Path) -> None:
    record = asked("Which bird sings?", FINCH, api_data=without(FINCH, "domain"))
    published(tmp_path, questions=[QUESTIONS[0], record])
    said = loaded(tmp_path)
    assert said.endswith(FINCH["api_call"]) or "torchhub_eval.json:2" in said


@pytest.mark.parametrize(
    "code",
    [
        "###Instruction: Which bird sings?\n###Output: {'domain': 'Bird Song'}",
        "### Instruction: Which bird sings?\n### Output: <<<domain>>>: Bird Song",
        "#Instruction :Which bird sings?###Output: x",
        "###Instruction: Which bird sings?\n<<<domain>>>: Bird Song\n<<<api_call>>>: f()",
        "###Instruction: Which bird sings?",
        "###Instruction:\n  Which bird sings?  \n\n###Output: Instruction: another",
        "{'Instruction': 'Which bird sings?', 'Output': {'domain': 'Bird Song'}}",
        '{"Instruction": "Which bird sings?", "Output": "<<<domain>>>: Bird Song"}',
        "{\"Instruction\": 'Which bird sings?', 'Output': x}",
        "'Instruction':Which bird sings?, 'Output': x",
    ],
)
def test_every_spelling_of_the_instruction_is_read(tmp_path: Path, code: str) -> None:
    made = apibench.load("apibench/torchhub", published(tmp_path, questions=[asked("", FINCH, code=code)]))
    assert made.questions[0].text == "Which bird sings?"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("###Instruction: One.\nTwo: a #1 hit, isn't it?\n###Output: x", "One.\nTwo: a #1 hit, isn't it?"),
        ("{'Instruction': \"What's this, 'a finch'?\", 'Output': x}", "What's this, 'a finch'?"),
    ],
)
def test_an_instruction_keeps_its_lines_quotes_and_number_signs(tmp_path: Path, code: str, text: str) -> None:
    made = apibench.load("apibench/torchhub", published(tmp_path, questions=[asked("", FINCH, code=code)]))
    assert made.questions[0].text == text


@pytest.mark.parametrize(
    ("output", "domain"),
    [
        ("<<<domain>>>: Bird Song\n<<<api_call>>>: f('x')", "Bird Song"),
        ("<<<domain>>>: Bird Song, <<<api_call>>>: f('x')", "Bird Song"),
        ("{'domain': 'Bird Song', 'api_call': \"f('x')\"}", "Bird Song"),
        ('{"domain": "Bird, Song", "api_call": "f()"}', "Bird, Song"),
        ("<<<api_call>>>: f('x')", ""),
    ],
)
def test_the_labels_own_word_for_its_domain_is_read(tmp_path: Path, output: str, domain: str) -> None:
    record = asked("", FINCH, code=f"###Instruction: Which bird?\n###Output: {output}\n")
    made = apibench.load("apibench/torchhub", published(tmp_path, questions=[record]))
    assert made.questions[0].label_domain == domain


def test_judged_documents_give_their_calls_the_lower_reading_and_others_none(tmp_path: Path) -> None:
    number, served, left_out = next(
        (number, doc, other)
        for number, readings in judgements("apibench/torchhub").items()
        for doc, (first, second) in readings.items()
        for other in readings
        if first != second and other != doc and "#" not in doc
    )
    docs = [FINCH | {"api_name": served.removeprefix("torchhub_api:")}, OWL]
    questions = [asked(f"Question {place}.", LOAM) for place in range(1, int(number) + 1)]
    made = apibench.load("apibench/torchhub", published(tmp_path, docs=docs, questions=questions))
    assert [doc.id for doc in made.docs] == [served, "torchhub_api:owl"]
    assert left_out not in {doc.id for doc in made.docs}
    judged = {question.id: question.grades for question in made.questions if question.grades}
    assert judged[number] == {made.docs[0].call_key: min(judgements("apibench/torchhub")[number][served])}


@pytest.mark.parametrize("wanted", [(0, 2), (2, 0)])
def test_documents_of_one_call_give_it_their_highest_grade(tmp_path: Path, wanted: tuple[int, int]) -> None:
    number, names = next(
        (number, (one, other))
        for number, readings in judgements("apibench/torchhub").items()
        for one, other in combinations([doc for doc in readings if "#" not in doc], 2)
        if (min(readings[one]), min(readings[other])) == wanted
    )
    docs = [FINCH | {"api_name": name.removeprefix("torchhub_api:")} for name in names]
    questions = [asked(f"Question {n}.", LOAM) for n in range(1, int(number) + 1)]
    made = apibench.load("apibench/torchhub", published(tmp_path, docs=docs, questions=questions))
    assert [doc.id for doc in made.docs] == list(names)
    assert made.questions[-1].grades == {made.docs[0].call_key: 2}


# A user's own questions

DOCS = [
    ApiDoc(id="speak", api_call="tools.load('speech', rate=rate)"),
    ApiDoc(id="say", api_call="tools.load('speech', voice='low', rate=rate)"),
    ApiDoc(id="group", api_call="sklearn.cluster.KMeans(n_clusters=n)"),
    ApiDoc(id="group again", api_call="sklearn.cluster.KMeans(n_clusters=n)", description="Documented twice."),
]


def lines_of(folder: Path, *records: Any) -> Path:
    """A file of questions; a text stands as it is."""
    path = folder / "mine.jsonl"
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_call_becomes_the_documented_one_and_keeps_the_values_it_was_given(tmp_path: Path) -> None:
    path = lines_of(tmp_path, {"question": "Read it aloud", "api_call": "tools.load('speech', rate=16000, device=-1)"})
    made = own.load(path, DOCS)
    (question,) = made.questions
    assert question.text == "Read it aloud"
    assert question.document == DOCS[0]
    assert question.relevant == {DOCS[0].call_key}
    assert question.expected == parse_call("tools.load('speech', rate=16000, device=-1)")
    assert made.in_index == {question.id}
    assert made.name == "mine"
    assert made.docs == tuple(DOCS)
    assert made.hashes == {"mine.jsonl": hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.mark.parametrize(
    ("call", "document"),
    [
        ("tools.load('speech', voice='low')", "say"),
        ("tools.load('speech', voice='high')", "speak"),
        ("load('speech')", "speak"),
        ("model = KMeans(n_clusters=7)", "group"),
    ],
)
def test_a_call_is_the_documented_one_with_most_of_its_literals(tmp_path: Path, call: str, document: str) -> None:
    made = own.load(lines_of(tmp_path, {"question": "x", "api_call": call}), DOCS)
    assert made.questions[0].document.id == document


def test_the_first_id_is_the_label_and_every_id_is_right(tmp_path: Path) -> None:
    made = own.load(lines_of(tmp_path, {"question": "x", "relevant_ids": ["group again", "say"]}), DOCS)
    (question,) = made.questions
    assert question.document == DOCS[3]
    assert question.relevant == {DOCS[2].call_key, DOCS[1].call_key}
    assert question.expected is None, "no values are known to be right"


def test_a_question_has_the_id_it_is_given_and_else_its_line(tmp_path: Path) -> None:
    records = [
        {"question": "a", "relevant_ids": ["say"], "id": "first"},
        {"question": "b", "relevant_ids": ["say"]},
        "",
        {"question": "c", "relevant_ids": ["say"], "id": 70},
    ]
    made = own.load(lines_of(tmp_path, *records), DOCS)
    assert [question.id for question in made.questions] == ["first", "2", "70"]
    assert [question.text for question in made.questions] == ["a", "b", "c"]


def test_questions_whose_id_is_null_have_their_lines(tmp_path: Path) -> None:
    record = {"question": "x", "relevant_ids": ["say"], "id": None}
    made = own.load(lines_of(tmp_path, record, record), DOCS)
    assert [question.id for question in made.questions] == ["1", "2"]


@pytest.mark.parametrize(
    ("line", "reason", "hint"),
    [
        ({"api_call": "load('speech')"}, "there is no question", "write"),
        ({"question": " \n", "api_call": "load('speech')"}, "there is no question", "write"),
        ({"question": ["x"], "api_call": "load('speech')"}, "there is no question", "write"),
        ({"question": "x"}, "expected api_call or relevant_ids, one of them", "relevant_ids"),
        (
            {"question": "x", "api_call": "f()", "relevant_ids": ["say"]},
            "expected api_call or relevant_ids",
            "api_call",
        ),
        ({"question": "x", "relevant_ids": []}, "relevant_ids is not a list of ids", "relevant_ids"),
        ({"question": "x", "relevant_ids": "say"}, "relevant_ids is not a list of ids", "relevant_ids"),
        ({"question": "x", "relevant_ids": ["say", "sing"]}, "the index has no documents ['sing']", "search"),
        ({"question": "x", "relevant_ids": [["say"]]}, "", "s"),
        ({"question": "x", "relevant_ids": [7]}, "the index has no documents [7]", "search"),
        ({"question": "x", "api_call": "load('song')"}, "the index documents no call like", "add its document"),
        ({"question": "x", "api_call": "load('speech'"}, "api_call: line 1", "write one call"),
        ({"question": "x", "api_call": "a = 1"}, "api_call: line 1", "write one call"),
        ({"question": "x", "api_call": 5}, "api_call", "write"),
        ('{"question": "x", ', "not JSON", "mend the line"),
        ("x,load('speech')", "not JSON", "mend the line"),
        ('"x"', "expected an object, found str", "mend the line"),
    ],
)
def test_a_wrong_question_is_reported_with_file_line_reason_and_hint(
    tmp_path: Path, line: Any, reason: str, hint: str
) -> None:
    path = lines_of(tmp_path, {"question": "x", "relevant_ids": ["say"]}, "", line)
    with pytest.raises(BenchmarkError) as caught:
        own.load(path, DOCS)
    assert str(caught.value).startswith(f"{path}:3: {reason}")
    assert (caught.value.file, caught.value.line) == (str(path), 3)
    assert hint in caught.value.hint


def test_two_questions_of_one_id_are_refused(tmp_path: Path) -> None:
    record = {"question": "x", "relevant_ids": ["say"], "id": "a"}
    with pytest.raises(UsageError, match="two questions have the id 'a'") as caught:
        own.load(lines_of(tmp_path, record, record), DOCS)
    assert "an id of its own" in caught.value.hint


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_file_without_questions_is_refused_with_what_to_write(tmp_path: Path, text: str) -> None:
    path = lines_of(tmp_path, text)
    with pytest.raises(BenchmarkError, match="no questions") as caught:
        own.load(path, DOCS)
    assert (caught.value.file, caught.value.line) == (str(path), 0)
    assert "relevant_ids" in caught.value.hint


def test_a_file_of_questions_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.jsonl", tmp_path):
        with pytest.raises(BenchmarkError, match="can't be read") as caught:
            own.load(path, DOCS)
        assert caught.value.file == str(path)


# Samples and folds


def question(name: str, call: int, domain: str = "Testing") -> Question:
    """A question whose gold call is that number's."""
    doc = ApiDoc(id=f"oracle:{name}", api_call=f"tools.function_{call}()", domain=domain)
    return Question(name, f"question {name}", doc, frozenset({doc.call_key}), doc.call)


def benchmark(questions: Sequence[Question]) -> Benchmark:
    """Those questions, over no documents."""
    return Benchmark("toy", tuple(questions), ())


def ids(questions: Sequence[Question]) -> list[str]:
    """Of questions, in order."""
    return [one.id for one in questions]


@st.composite
def some_questions(draw: st.DrawFn, smallest: int = 1) -> list[Question]:
    """Questions of a few gold calls in a few domains; a call has one domain."""
    calls = draw(st.lists(st.integers(0, 12), min_size=smallest, max_size=60))
    names = draw(st.permutations([f"q{place}" for place in range(len(calls))]))
    return [question(name, call, f"domain {call % 4}") for name, call in zip(names, calls, strict=True)]


def test_a_sample_is_spread_over_domains_as_worked_out_by_hand() -> None:
    # Ordered by domain, 1 + 2 + 3 + 6 questions in steps of three from the second: places 1, 4, 7 and 10 of 0 to 11.
    sizes = {"d": 6, "c": 3, "b": 2, "a": 1}
    made = benchmark([question(f"{name}{n}", 1, name) for name, size in sizes.items() for n in range(size)])
    sample = made.sample(4)
    assert Counter(one.document.domain for one in sample.questions) == {"b": 1, "c": 1, "d": 2}
    assert (len(sample.questions), sample.size, made.size) == (4, 12, 12)
    assert sample.sample(2).size == 12


@settings(deadline=None)
@given(some_questions(), st.integers(1, 60), st.randoms(use_true_random=False))
def test_a_sample_is_of_the_asked_size_in_proportion_and_made_from_the_questions_alone(
    questions: list[Question], count: int, random: Any
) -> None:
    made = benchmark(questions).sample(count)
    kept = set(ids(made.questions))
    assert len(made.questions) == len(kept) == min(count, len(questions))
    assert made.size == len(questions)
    assert ids(made.questions) == [one.id for one in questions if one.id in kept]
    rate = len(kept) / len(questions)
    by: list[Callable[[Question], str]] = [lambda one: one.document.domain, lambda one: one.gold]
    for group in by:
        there, here = Counter(map(group, questions)), Counter(map(group, made.questions))
        assert all(abs(here[name] - rate * size) < 1 + 1e-9 for name, size in there.items())
    shuffled = random.sample(questions, len(questions))
    other = Benchmark("other", tuple(shuffled), tuple(DOCS), {"file": "hash"}, notes=("a note",))
    again = other.sample(count)
    assert set(ids(again.questions)) == kept
    assert ids(again.questions) == [one.id for one in shuffled if one.id in kept]
    assert (again.name, again.docs, again.notes) == ("other", other.docs, ("a note",))


@pytest.mark.parametrize("count", [3, 4, 1000])
def test_a_sample_of_as_many_as_there_are_is_all_of_them(count: int) -> None:
    made = benchmark([question(f"q{n}", n) for n in range(3)])
    assert made.sample(count).questions == made.questions


@pytest.mark.parametrize("count", [0, -1])
def test_a_sample_of_less_than_one_is_refused(count: int) -> None:
    with pytest.raises(UsageError, match=f"a sample of {count} questions"):
        benchmark([question("q", 1)]).sample(count)


def test_a_sampled_question_keeps_its_number_so_it_is_scored_against_its_own_domain(tmp_path: Path) -> None:
    records = [asked(f"Question {n}?", LOAM if n == 6 else FINCH) for n in range(12)]
    made = apibench.load("apibench/torchhub", published(tmp_path, questions=records)).sample(6)
    assert made.size == 12
    assert isinstance(made.scorer, GorillaScorer)
    for one in made.questions:
        right = made.scorer.judge(f"<<<api_call>>>: {one.document.api_call}", one.number)
        assert (right, one.text) == ("right", f"Question {one.number - 1}?")


@settings(deadline=None)
@given(st.data())
def test_folds_are_disjoint_cover_everything_and_never_split_a_gold_call(data: st.DataObject) -> None:
    questions = data.draw(some_questions(smallest=2).filter(lambda made: len({one.gold for one in made}) > 1))
    sizes = Counter(one.gold for one in questions)
    count = data.draw(st.integers(2, len(sizes)))
    made = folds(questions, count)
    assert len(made) == count
    assert sorted(name for fold in made for name in fold) == sorted(ids(questions))
    gold = {one.id: one.gold for one in questions}
    inside = [{gold[name] for name in fold} for fold in made]
    assert all(inside)
    assert sum(map(len, inside)) == len(sizes)
    assert max(map(len, made)) - min(map(len, made)) <= max(sizes.values())
    assert {frozenset(fold) for fold in folds(questions[::-1], count)} == {frozenset(fold) for fold in made}


@settings(deadline=None)
@given(st.data())
def test_folds_by_question_differ_by_one_question_at_most(data: st.DataObject) -> None:
    questions = data.draw(some_questions(smallest=2))
    count = data.draw(st.integers(2, len(questions)))
    made = folds(questions, count, by="question")
    assert len(made) == count
    assert sorted(name for fold in made for name in fold) == sorted(ids(questions))
    assert max(map(len, made)) - min(map(len, made)) <= 1
    assert {frozenset(fold) for fold in folds(questions[::-1], count, by="question")} == set(map(frozenset, made))


@pytest.mark.parametrize("first", range(0, 100, 10))
def test_the_commonest_gold_call_fills_a_fold_of_its_own(first: int) -> None:
    common = [question(f"common {n}", first) for n in range(6)]
    rare = [question(f"rare {n}", first + n) for n in range(1, 4)] + [question(f"pair {n}", first + 4) for n in (1, 2)]
    made = folds(rare + common, 2)
    assert sorted(map(sorted, made), key=len) == [sorted(ids(rare)), sorted(ids(common))]


def test_folds_by_question_split_a_gold_call_that_folds_by_call_keep_whole() -> None:
    questions = [question(name, 1) for name in "abcd"] + [question("e", 2)]
    assert sorted(map(sorted, folds(questions, 2))) == [["a", "b", "c", "d"], ["e"]]
    made = folds(questions, 2, by="question")
    assert sorted(map(len, made)) == [2, 3]
    assert all(set(fold) & set("abcd") for fold in made)


@pytest.mark.parametrize(("by", "most"), [("call", 2), ("question", 5)])
def test_more_folds_than_there_are_groups_or_fewer_than_two_are_refused(by: Any, most: int) -> None:
    questions = [question(name, 1) for name in "abcd"] + [question("e", 2)]
    assert len(folds(questions, most, by=by)) == most
    for count in (most + 1, 1, 0, -2):
        with pytest.raises(UsageError, match=f"{count} folds of {most} {by}s") as caught:
            folds(questions, count, by=by)
        assert f"2 to {most}" in caught.value.hint


FIXED = """
from gorilla_rag.evaluate.benchmark import folds
from tests.test_evaluate_benchmarks import benchmark, ids, question

questions = [question(f"q{n}", n % 7, f"domain {n % 3}") for n in range(40)]
print(ids(benchmark(questions).sample(11).questions), folds(questions, 3), folds(questions, 3, by="question"))
"""


def test_samples_and_folds_are_the_same_in_every_process() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-c", FIXED],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert said.pop().count("q") == 11 + 40 + 40
