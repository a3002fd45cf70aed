"""Only values that stand in the question are offered to the model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.generate.evidence import narrowed

COUNT = {"type": "integer", "minimum": 1, "maximum": 1_000_000}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}
VOICE = {"type": "string", "enum": ["male", "female", "very slow"]}


def offered(question: str, required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any] | None:
    """The values offered for each parameter: a list, or "anything" for a required one without a value."""
    doc = ApiDoc(id="a", api_call="f()", parameters={"properties": properties, "required": list(required)})
    schema = narrowed(doc, question)
    if schema is None:
        return None
    assert schema["required"] == list(required)
    assert schema["additionalProperties"] is False
    return {name: value.get("enum", "anything") for name, value in schema["properties"].items()}


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("split it in 5 parts", 5),
        ("I want 5.", 5),
        ("(5)", 5),
        ("at most 1,000 rows", 1000),
        ("1,000,000 rows", 1_000_000),
        ("exactly 12.0 parts", 12),
    ],
)
def test_a_number_of_the_question_is_offered(question: str, value: int) -> None:
    found = offered(question, n=COUNT)
    assert found == {"n": [value]}
    assert isinstance(found["n"][0], int)


@pytest.mark.parametrize(
    "question",
    [
        "split it",
        "use wav2vec2",
        "version v5",
        "0 parts",
        "-5 parts",
        "5.5 parts",
        "2,000,000 parts",
        "5GB",
        "a 50% share",
        "9" * 16,
        "9" * 400,
        "one " * 500,
    ],
)
def test_what_is_no_fitting_number_is_not_offered(question: str) -> None:
    assert offered(question, n=COUNT) is None


@pytest.mark.parametrize(
    ("question", "value"),
    [("20% for testing", 0.2), ("20 % held out", 0.2), ("0.7% noise", 0.007), ("0.25 of it", 0.25)],
)
def test_a_percentage_is_offered_as_a_fraction(question: str, value: float) -> None:
    assert offered(question, share=SHARE) == {"share": [value]}


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_a_percentage_is_the_fraction_that_a_person_would_write(hundredths: int) -> None:
    digits = f"{hundredths // 100}.{hundredths % 100:02}"
    expected = float(f"0.{hundredths:04}" if hundredths < 10_000 else "1")
    assert offered(f"keep {digits}% of it", share=SHARE) == {"share": [expected]}


def test_each_number_goes_to_the_parameter_that_the_question_names() -> None:
    trees, depth = COUNT | {"description": "how many trees"}, COUNT | {"description": "how deep branches go"}
    assert offered("a forest of 200 trees", depth=depth, trees=trees) == {"trees": [200]}
    assert offered("200 of depth", depth=depth, trees=trees) == {"depth": [200]}
    assert offered("3 or 4", depth=depth, trees=trees) == {"depth": [3], "trees": [4]}
    assert offered("50 trees, 20% out", share=SHARE, trees=trees) == {"trees": [50], "share": [0.2]}


@pytest.mark.parametrize(
    ("question", "options"),
    [
        ("a female voice", ["female"]),
        ("Female or male?", ["male", "female"]),
        ("very, very slow please", ["very slow"]),
    ],
)
def test_options_that_the_question_names_are_offered(question: str, options: list[str]) -> None:
    assert offered(question, voice=VOICE) == {"voice": options}


@pytest.mark.parametrize("question", ["a voice", "very loud", "females"])
def test_options_that_the_question_does_not_name_are_not_offered(question: str) -> None:
    assert offered(question, voice=VOICE) is None


def test_options_without_a_word_are_never_offered() -> None:
    assert offered("any question", mark={"enum": ["", "+", None, 5]}) is None


@pytest.mark.parametrize(
    ("question", "texts"),
    [
        ("say 'good morning' to me", ["good morning"]),
        ('say "it\'s me" and "bye"', ["it's me", "bye"]),
        ("call it 'a'.", ["a"]),
    ],
)
def test_quoted_text_is_offered_for_text_parameters(question: str, texts: list[str]) -> None:
    assert offered(question, text={"type": "string"}) == {"text": texts}


@pytest.mark.parametrize("question", ["don't say it's good", "say hello", "say ''", "say '" + "a" * 81 + "'"])
def test_text_that_is_not_quoted_is_not_offered(question: str) -> None:
    assert offered(question, text={"type": "string"}) is None


def test_quoted_text_is_not_offered_for_numbers_or_switches() -> None:
    assert offered("say 'x'", n=COUNT, flag={"type": "boolean"}, anything={}, never=False) is None


def test_required_parameters_are_always_offered() -> None:
    assert offered("do it", ("n", "voice"), n=COUNT, voice=VOICE, share=SHARE) == {"n": "anything", "voice": "anything"}
    assert offered("5 female", ("n", "voice"), n=COUNT, voice=VOICE) == {"n": [5], "voice": ["female"]}


def test_there_is_nothing_to_fill_in_without_a_schema_or_without_evidence() -> None:
    assert narrowed(ApiDoc(id="a", api_call="f()"), "5 'x'") is None
    assert offered("do it", n=COUNT, voice=VOICE, share=SHARE) is None


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_question_is_offered_only_values_that_stand_in_it(question: str) -> None:
    found = offered(question, n=COUNT, text={"type": "string"}, voice=VOICE) or {}
    assert all(text in question for text in found.get("text", []))
    assert all(str(number) in question.replace(",", "") or "0" in question for number in found.get("n", []))
    assert all(option in question.lower() for option in found.get("voice", []) if " " not in option)
