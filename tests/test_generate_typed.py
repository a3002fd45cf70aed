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
from gorilla_rag.answer import Answer
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.errors import GenerationFailed, GorillaError, UsageError
from gorilla_rag.generate import schema, values
from gorilla_rag.generate.llama_cpp import LlamaCppGenerator
from gorilla_rag.generate.write import Writer
from gorilla_rag.sources import formats
from gorilla_rag.validate import schema_errors

QUESTION = "Book 2 of 'Ærø' for a@example.com on 3 May 2026 at 10:30, 20 % off, https://example.com/x?y=z, three times"
LONGEST = 20_000
CACHES = (schema._compilable, schema._compiles_alone, schema._grammar_error)


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


TOOLS = [
    tool(
        "book_table",
        "Books a table at a restaurant.",
        ("seats",),
        seats={"type": "integer", "minimum": 1},
        smoking={"type": "boolean"},
    ),
    tool("set_volume", "Sets how loud music is played.", ("percent",), percent={"type": "integer", "maximum": 100}),
]


@pytest.fixture(scope="module")
def tools(encoder: EmbeddedEncoder, generator: LlamaCppGenerator) -> Gorilla:
    return Gorilla.from_docs(TOOLS, encoder=encoder, generator=lambda: generator)


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


NESTED: dict[str, Any] = {"type": "string"}
for _ in range(150):
    NESTED = {"type": "object", "properties": {"a": NESTED}, "required": ["a"]}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a type that isn't": ({"type": "blob"}, "UsageError: the parameters of 'set_tone' are no JSON Schema"),
    "properties that are a list": ({"properties": [1]}, "UsageError: the parameters of 'set_tone' are no JSON Schema"),
    "a pattern that isn't": ({"type": "string", "pattern": "("}, "missing: value"),
    "a reference to nothing": ({"$ref": "#/$defs/none"}, "does not exist"),
    "a reference to elsewhere": ({"$ref": "https://example.com/x"}, "the schema can't be applied"),
    "what nothing fits": ({"type": "integer", "minimum": 5, "maximum": 1}, "missing: value"),
    "too many levels": (NESTED, "UsageError: the parameters of 'set_tone' are no JSON Schema: it is nested too deeply"),
    "more than can be written": ({"type": "array", "items": {"type": "integer"}, "minItems": 5000}, "missing: value"),
}


@pytest.fixture(scope="module")
def fresh(tools: Gorilla) -> Answer:
    """What is answered before anything bad was asked."""
    return tools.ask("Book a table for four people", fields="call")


@pytest.mark.parametrize("case", BAD)
def test_a_bad_schema_fails_alone_and_the_next_question_is_answered_as_before(
    case: str, tools: Gorilla, fresh: Answer
) -> None:
    bad, said = BAD[case]
    doc = tool("set_tone", "Sets how bright the piano sounds.", ("value",), value=bad)
    try:
        asked = "Set the tone: 'very' 30"
        (filled,) = Writer(lambda: tools.generator, asked).calls(doc, "A", asked)
        found = "; ".join([*(f"missing: {one}" for one in filled.missing), *filled.faults])
    except GorillaError as error:
        found = f"{type(error).__name__}: {error}"
    assert said in found
    again = tools.ask(fresh.question, fields="call")
    assert (again.api_call, again.verdict) == (fresh.api_call, fresh.verdict)


def test_what_is_compiled_is_kept_and_what_a_bad_schema_leaves_there_changes_nothing() -> None:
    good = {"type": "object", "properties": {"seats": {"type": "integer", "minimum": 1}}, "required": ["seats"]}
    bad = {"type": "object", "properties": {"seats": {"$ref": "#/$defs/none"}}, "required": ["seats"]}
    for one in CACHES:
        one.cache_clear()
    fresh = schema.arguments_grammar(good)
    schema.check_grammar(fresh[0])
    compiled = schema._grammar_error.cache_info().misses
    assert schema.arguments_grammar(bad)[1][0].startswith("/: everything")
    with pytest.raises(GenerationFailed, match="doesn't compile"):
        schema.check_grammar(fresh[0].replace('"integer"', '"blob"'))
    assert schema.arguments_grammar(good) == fresh
    schema.check_grammar(fresh[0])
    assert schema._grammar_error.cache_info().misses == compiled + 2  # the bad one and the malformed one


def test_texts_that_many_arguments_may_have_are_compiled_once_and_mean_the_same() -> None:
    text = {"type": "string"}
    properties = dict.fromkeys(("a", "b", "c"), text) | {"d": {"const": {"enum": [str(n) for n in range(99)]}}}
    wanted = values.offered({"properties": properties, "required": ["a", "d"]}, f"the a, b and c: {QUESTION}")
    assert wanted
    assert len(wanted["properties"]["b"]["enum"]) > 50
    grammar, _ = schema.arguments_grammar(wanted)
    assert grammar.count("three times") < json.dumps(wanted).count("three times") / 1.4
    for seed in range(20):
        assert schema_errors(json.loads(wander(grammar, seed)), wanted) == []


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
