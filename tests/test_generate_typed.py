"""The arguments of tools and operations: whatever a model's logits are, what is written parses and has its types."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer

from gorilla_rag import Gorilla
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.errors import UsageError
from gorilla_rag.generate import schema, values
from gorilla_rag.generate.llama_cpp import LlamaCppGenerator
from gorilla_rag.sources import formats
from gorilla_rag.validate import schema_errors

QUESTION = "Book 2 of 'Ærø' for a@example.com on 3 May 2026 at 10:30, 20 % off, https://example.com/x?y=z, three times"
LONGEST = 20_000


@cache
def tokenizer() -> LLTokenizer:
    """One token a byte."""
    return LLTokenizer("byte")


def wander(grammar: str, seed: int) -> str:
    """What a model writes whose every logit is drawn anew: any of the tokens that the grammar allows."""
    draw = random.Random(seed)
    matcher = LLMatcher(tokenizer(), grammar)
    assert not matcher.get_error()
    written = bytearray()
    for _ in range(LONGEST):
        if matcher.is_stopped():
            break
        allowed = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
        tokens = np.flatnonzero(np.unpackbits(allowed, bitorder="little"))
        token = int(draw.choice(tokens.tolist()))
        assert matcher.consume_token(token)
        if token < 256:
            written.append(token)
    return written.decode("utf-8", "strict" if matcher.is_stopped() else "ignore")


def check(parameters: Mapping[str, Any], seed: int) -> None:
    """Both what is narrowed to a question and what isn't: written at random, it fits its schema."""
    full = {"type": "object", **parameters}
    for wanted in (values.offered(full, QUESTION), full):
        if wanted is None:
            continue
        grammar, removed = schema.arguments_grammar(wanted)
        written = wander(grammar, seed)
        try:
            found = json.loads(written)
        except ValueError:
            assert len(written) > LONGEST // 8, written  # schemas that nest without end are cut off
            continue
        assert schema_errors(found, schema.compilable(wanted).schema) == []
        if not removed:
            assert schema_errors(found, wanted) == []


LEAVES: list[dict[str, Any]] = [
    {},
    {"type": "string"},
    {"type": "string", "maxLength": 3},
    {"type": "string", "format": "date"},
    {"type": "string", "format": "email"},
    {"type": "string", "pattern": "^[a-c]{2}$"},
    {"type": ["string", "null"]},
    {"type": "integer", "minimum": 2},
    {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    {"type": "boolean"},
    {"type": "array", "uniqueItems": True},
    {"enum": ["a", 3, None]},
    {"const": "x"},
    {"not": {"type": "string"}},
]
SCHEMAS = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        inner.map(lambda one: {"type": "array", "items": one, "maxItems": 3}),
        st.lists(inner, min_size=1, max_size=3).map(lambda some: {"anyOf": some}),
        st.lists(inner, min_size=1, max_size=3).map(lambda some: {"oneOf": some}),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(
            lambda some: {"type": "object", "properties": some, "required": sorted(some)[:2]}
        ),
    ),
    max_leaves=8,
)


@given(properties=st.dictionaries(st.sampled_from(["a", "b-c", "body"]), SCHEMAS, min_size=1), seed=st.integers(0, 9))
@settings(max_examples=300, deadline=None)
def test_whatever_is_written_under_a_grammar_fits_its_schema(properties: dict[str, Any], seed: int) -> None:
    check({"properties": properties, "required": sorted(properties)[:2]}, seed)


@pytest.mark.data
def test_whatever_is_written_for_a_published_operation_or_function_fits_its_schema(data: Path) -> None:
    docs = formats.read([data / "openapi", data / "bfcl" / "bfcl_v4_python" / "docs.jsonl"], skip_bad=True).docs
    assert len(docs) > 2000
    for number, doc in enumerate(docs):
        check(doc.parameters, number)


def tool(name: str, description: str, required: tuple[str, ...] = (), **properties: Any) -> ApiDoc:
    parameters = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return ApiDoc(name, name, api_name=name, description=description, kind="tool", parameters=parameters)


@pytest.fixture(scope="module")
def tools() -> Gorilla:
    seats = {"type": "integer", "minimum": 1}
    docs = [
        tool("book_table", "Books a table at a restaurant.", ("seats",), seats=seats, smoking={"type": "boolean"}),
        tool("set_volume", "Sets how loud music is played.", ("percent",), percent={"type": "integer", "maximum": 100}),
    ]
    return Gorilla.from_docs(docs, encoder=EmbeddedEncoder(), generator=LlamaCppGenerator)


def test_a_tool_is_called_with_what_the_question_gives(tools: Gorilla) -> None:
    answer = tools.ask("Book a table for four people", fields="call")
    assert answer.call
    assert answer.call.structured(answer.question) == {
        "query": "Book a table for four people", "tool_name": "book_table", "arguments": {"seats": 4},
    }  # fmt: skip
    assert answer.api_call == "book_table(seats=4)"
    assert answer.missing == ()
    assert answer.verdict.ok


def test_what_the_question_lacks_is_asked_for_and_can_be_given(tools: Gorilla) -> None:
    answer = tools.ask("Book a table", fields="call")
    assert answer.missing == ("seats",)
    assert answer.verdict.outcome("binds") == "failed"
    assert answer.verdict.outcome("schema") == "passed"
    completed = tools.ask("Book a table", fields="call", given={"seats": 2})
    assert completed.api_call == "book_table(seats=2)"
    assert (completed.missing, completed.verdict.ok) == ((), True)


def test_what_is_given_is_checked_too(tools: Gorilla) -> None:
    answer = tools.ask("Book a table", fields="call", given={"seats": 0})
    assert answer.verdict.outcome("schema") == "failed"
    with pytest.raises(UsageError, match="no argument is called 'seat'"):
        tools.ask("Book a table", fields="call", given={"seat": 2})


def test_a_call_from_the_whole_catalogue_has_its_arguments_too(tools: Gorilla) -> None:
    answer = tools.ask("Book a table for four people", fields="call", constrain="catalogue")
    assert answer.call
    assert answer.missing or answer.call.values


def test_the_example_of_the_readme_is_answered_as_it_says() -> None:
    root = Path(__file__).parents[1]
    docs = formats.read([root / "examples" / "tides.yaml"]).docs
    gorilla = Gorilla.from_docs(docs, encoder=EmbeddedEncoder(), generator=LlamaCppGenerator)
    question = "Mail harbour@example.com 6 hours before the water in 'Hull' gets above 5.5 metres"
    readme = (root / "README.md").read_text(encoding="utf-8")
    answer = gorilla.ask(question, fields="call")
    assert f'"{question}"' in readme
    assert f"\n    {answer.api_call}\n" in readme
    assert gorilla.ask("stop an alert", fields="call").missing == ("alert",)
