"""Answers that others gave: which question each belongs to, and which call is read from its text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import Call, parse_call
from gorilla_rag.errors import BenchmarkError
from gorilla_rag.evaluate import responses
from gorilla_rag.evaluate.benchmark import Benchmark, Question
from gorilla_rag.evaluate.benchmarks import own
from gorilla_rag.evaluate.outcome import written


def benchmark(size: int = 4) -> Benchmark:
    """Questions a, b, c, … with the numbers 1, 2, 3, …"""
    doc = ApiDoc(id="speak", api_call="tools.load('speech')")
    questions = [
        Question("abcdefghij"[n], f"question {n}", doc, frozenset({doc.call_key}), doc.call, number=n + 1)
        for n in range(size)
    ]
    return Benchmark("toy", tuple(questions), (doc,))


def answer(number: Any, call: str = "tools.load('speech')") -> dict[str, Any]:
    """A line in Gorilla's format."""
    text = f"<<<domain>>>: Sound\n<<<api_call>>>: {call}\n<<<api_provider>>>: Tools"
    return {"question_id": number, "text": text, "answer_id": "x", "model_id": "toy", "metadata": {}}


def answers(folder: Path, *records: Any) -> Path:
    """A file of answers; a text stands as it is."""
    path = folder / "answers.jsonl"
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# Files


def test_answers_are_outcomes_in_the_order_of_the_questions(tmp_path: Path) -> None:
    path = answers(tmp_path, answer(1, "f('x')"), answer(2, "no call"), answer(3, "m = g('y', n=2)"))
    first, second, third = responses.load(path, benchmark(3))
    assert [first.question, second.question, third.question] == ["a", "b", "c"]
    assert [first.api_call, second.api_call, third.api_call] == ["f('x')", None, "g('y', n=2)"]
    assert (first.error, second.error) == ("", "no call could be read")
    assert first.text == first.structured == answer(1, "f('x')")["text"]


@settings(deadline=None)
@given(st.permutations(range(1, 6)))
def test_the_order_of_the_lines_does_not_matter(tmp_path_factory: pytest.TempPathFactory, order: Sequence[int]) -> None:
    path = answers(tmp_path_factory.getbasetemp(), *[answer(number, f"f('{number}')") for number in order])
    made = responses.load(path, benchmark(5))
    assert [one.question for one in made] == ["a", "b", "c", "d", "e"]
    assert [one.api_call for one in made] == ["f('1')", "f('2')", "f('3')", "f('4')", "f('5')"]


def test_a_question_without_an_answer_is_left_out(tmp_path: Path) -> None:
    made = responses.load(answers(tmp_path, answer(4), "", answer(2)), benchmark(4))
    assert [one.question for one in made] == ["b", "d"]


def test_a_sample_keeps_the_answers_to_its_own_questions(tmp_path: Path) -> None:
    whole = benchmark(8)
    path = answers(tmp_path, *[answer(number, f"f('{number}')") for number in range(1, 9)])
    sample = whole.sample(3)
    made = responses.load(path, sample)
    assert [one.question for one in made] == [question.id for question in sample.questions]
    assert [one.api_call for one in made] == [f"f('{question.number}')" for question in sample.questions]
    assert len(made) == 3


def test_answers_belong_to_a_users_own_questions_by_their_number(tmp_path: Path) -> None:
    record = json.dumps({"question": "Read it aloud", "relevant_ids": ["speak"]})
    (tmp_path / "mine.jsonl").write_text(f"{record}\n\n\n{record}\n")
    mine = own.load(tmp_path / "mine.jsonl", benchmark().docs)
    path = answers(tmp_path, *[answer(question.number) for question in mine.questions])
    assert [one.question for one in responses.load(path, mine)] == [question.id for question in mine.questions]


@pytest.mark.parametrize(
    ("line", "reason", "hint"),
    [
        ({"text": "f('x')"}, "expected question_id, a number, and text", "Gorilla's format"),
        ({"question_id": 2}, "expected question_id, a number, and text", "Gorilla's format"),
        ({"question_id": "2", "text": "f('x')"}, "expected question_id, a number, and text", "Gorilla's format"),
        ({"question_id": 2.0, "text": "f('x')"}, "expected question_id, a number, and text", "Gorilla's format"),
        ({"question_id": True, "text": "f('x')"}, "expected question_id, a number, and text", "Gorilla's format"),
        ({"question_id": 2, "text": None}, "expected question_id, a number, and text", "Gorilla's format"),
        (answer(4), "question 4 is answered twice", "one answer a question"),
        (answer(0), "question 0, but toy has questions 1 to 4", "this benchmark's questions"),
        (answer(5), "question 5, but toy has questions 1 to 4", "this benchmark's questions"),
        (answer(-1), "question -1, but toy has questions 1 to 4", "this benchmark's questions"),
        ('{"question_id": 2, "text": "', "not JSON", "mend the line"),
        ("[]", "expected an object, found list", "mend the line"),
    ],
)
def test_a_wrong_answer_is_reported_with_file_line_reason_and_hint(
    tmp_path: Path, line: Any, reason: str, hint: str
) -> None:
    path = answers(tmp_path, answer(4), "", line, answer(1))
    with pytest.raises(BenchmarkError) as caught:
        responses.load(path, benchmark(4))
    assert str(caught.value).startswith(f"{path}:3: {reason}")
    assert (caught.value.file, caught.value.line) == (str(path), 3)
    assert hint in caught.value.hint


def test_answers_to_another_benchmark_are_refused_in_a_sample_too(tmp_path: Path) -> None:
    sample = benchmark(8).sample(2)
    assert len(responses.load(answers(tmp_path, *map(answer, range(1, 9))), sample)) == 2
    with pytest.raises(BenchmarkError, match="question 9, but toy has questions 1 to 8"):
        responses.load(answers(tmp_path, *map(answer, range(1, 10))), sample)
    with pytest.raises(BenchmarkError, match="question 3 is answered twice"):
        responses.load(answers(tmp_path, *map(answer, [1, 3, 2, 3])), sample)


def test_a_file_without_answers_is_refused(tmp_path: Path) -> None:
    path = answers(tmp_path, "")
    with pytest.raises(BenchmarkError, match="no answers") as caught:
        responses.load(path, benchmark())
    assert (caught.value.file, caught.value.line) == (str(path), 0)


def test_a_file_of_answers_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="can't be read") as caught:
        responses.load(tmp_path / "nothing.jsonl", benchmark())
    assert caught.value.file == str(tmp_path / "nothing.jsonl")


# The call in a text


@pytest.mark.parametrize(
    ("text", "call"),
    [
        # The marks of Gorilla's training data, one a line or in one line.
        ("<<<domain>>>: Sound\n<<<api_call>>>: load('speech')\n<<<api_provider>>>: Tools", "load('speech')"),
        ("<<<domain>>>: Sound, <<<api_call>>>: a.b('x', n=[1, 2]), <<<api_provider>>>: Tools", "a.b('x', n=[1, 2])"),
        ("<<<api_call>>>: m = a.b(\"x\")\\n<<<api_provider>>>: Tools\\n<<<code>>>: g('y')", "a.b('x')"),
        ("<<<api_call>>>: load(\\'speech\\', rate=8000), <<<api_provider>>>: T", "load('speech', rate=8000)"),
        ("<<<api_call>>>: load('speech',\\n    rate=8000)\\n<<<api_provider>>>: T", "load('speech', rate=8000)"),
        # A dictionary in all but its quotes.
        ("{'domain': 'Sound', 'api_call': \"m = load('birds', 'owl')\", 'api_provider': 'T'}", "load('birds', 'owl')"),
        ("{'api_call': \\\"m = load('birds', 'owl')\\\", 'api_provider': 'T'}\"", "load('birds', 'owl')"),
        ("{'api_call': \\\"m = load(\\\"birds\\\", \\\"owl\\\")\\\", 'api_provider': 'T'}", "load('birds', 'owl')"),
        (
            "{'api_call': 'm = load(\\\\'birds\\\\', \\\\\\'owl\\\\', k=1)', 'api_provider': 0}",
            "load('birds', 'owl', k=1)",
        ),
        ("{'api_call': 'import lib\\nm = lib.load('owl')', 'api_provider': 'T'}", "lib.load('owl')"),
        # The call alone.
        ("load('speech')", "load('speech')"),
        ("api_call load('speech')", "load('speech')"),
        ("1. Import it.\\n2. Read the text.\\n```python\\nm = lib.load('owl')\\nm.eval()\\n```", "lib.load('owl')"),
        ("You could call lib.load('owl', loud=True) and be happy (or not).", "lib.load('owl', loud=True)"),
    ],
)
def test_the_published_styles_of_answers_are_read(text: str, call: str) -> None:
    assert responses.call_in(text) == parse_call(call)


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("<<<api_call>>>: f(g('x'), h=k('y'))\n<<<api_provider>>>: T", "f(g('x'), h=k('y'))"),
        ("Use f(g('x'), h=k('y')) for it", "f(g('x'), h=k('y'))"),
        ("<<<api_call>>>: f('x')\ng('y')\n<<<api_provider>>>: T", "f('x')"),
        ("First f('x'), then g('y').", "f('x')"),
        ("Begin with start(), then len(rows), then f('x').", "f('x')"),
        ("<<<api_call>>>: start()\nf('x')\n<<<api_provider>>>: T", "start()"),
        ("<<<api_call>>>: f('x'), or <<<api_call>>>: g('y')", "f('x')"),
        ("First g('y'). <<<api_call>>>: f('x')", "f('x')"),
        ("<<<api_call>>>: f('one) two) three)', (1, (2, 3)))", "f('one) two) three)', (1, (2, 3)))"),
        ("<<<api_call>>>: broken(x y) but f('x')", "f('x')"),
    ],
)
def test_of_several_calls_the_first_and_outermost_is_read(text: str, call: str) -> None:
    assert responses.call_in(text) == parse_call(call)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "There is no such call.",
        "<<<api_call>>>: the model (large) of it\n<<<api_provider>>>: T",
        "Use the model (the large one) with 'these' words (or others).",
        "<<<api_call>>>: lib.load\n<<<api_provider>>>: T\n<<<code>>>: lib.load('owl')",
        "{'api_call': 'lib.load', 'api_provider': 'T', 'code': \"lib.load('owl')\"}",
        "Call start() and len(rows), nothing else.",
        "<<<api_call>>>: load('speech'\n<<<api_provider>>>: T",
        "<<<api_call>>>: load(first second)",
        "class (x), if (y), print ('z')",
    ],
)
def test_a_text_without_a_call_that_can_be_read_has_none(text: str) -> None:
    assert responses.call_in(text) is None


IDENTIFIERS = st.from_regex(r"[a-z]{1,4}_(\.[a-z]{1,4}_){0,2}", fullmatch=True)
VALUES = st.integers(0, 99).map(str) | st.text("ab c-/:.#é", min_size=1, max_size=8).map(repr) | st.just("x[1:]")


@settings(deadline=None)
@given(IDENTIFIERS, st.lists(VALUES, max_size=3), st.lists(VALUES, max_size=2), st.booleans())
def test_what_an_answer_of_our_own_calls_is_read_back_from_its_text(
    function: str, args: list[str], kwargs: list[str], coded: bool
) -> None:
    named = [f"k{place}={value}" for place, value in enumerate(kwargs)]
    source = f"{function}({', '.join([*args, *named])})"
    text = written("Sound", source, "Tools", explanation="Why other('y')?", code="other('z')" if coded else "")
    assert responses.call_in(text) == parse_call(source)


PIECES = ["api_call", "api_provider", ": ", "<<<", ">>>", "f(", "a.b(", "x", "'", '"', "\\", "\\n", "\n", ")", "(", "["]
PIECES += ["]", "=", ", ", "*", "not ", "lambda: ", "0x", "1e999", "await ", "f'{", "}", "\x00", "\ud800", "\\d", "#"]


@settings(deadline=None)
@given(st.text() | st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_any_text_gives_a_call_or_none_and_never_an_exception(text: str) -> None:
    found = responses.call_in(text)
    assert found is None or isinstance(found, Call)
    if found is not None:
        assert parse_call(found.render()) == found


@pytest.mark.parametrize("text", ["f(" * 3000, "f('x'" + ")" * 3000, "f" + ".g()" * 3000, "f(" + "-" * 9000 + "1)"])
def test_a_degenerate_text_is_read_without_an_exception(text: str) -> None:
    for form in (text, f"<<<api_call>>>: {text}"):
        found = responses.call_in(form)
        assert found is None or found.function.startswith("f")
