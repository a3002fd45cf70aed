"""Schemas, grammars, prompts and the llama.cpp backend, with the real model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag import Gorilla
from gorilla_rag.answer import Candidate, Hit
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.errors import GenerationFailed
from gorilla_rag.generate import prompt, schema
from gorilla_rag.generate.base import Usage
from gorilla_rag.generate.llama_cpp import LlamaCppGenerator
from gorilla_rag.generate.write import Filled, Writer
from gorilla_rag.validate import schema_errors
from tests.conftest import make_doc

# Keywords that llguidance doesn't compile, each in a schema that a document might have.
UNSUPPORTED: dict[str, dict[str, Any]] = {
    "not": {"type": "string", "not": {"const": "x"}},
    "uniqueItems": {"type": "array", "items": {"type": "integer"}, "uniqueItems": True, "maxItems": 3},
    "if": {"type": "integer", "if": {"minimum": 3}, "then": {"maximum": 9}},
    "then": {"type": "integer", "if": {"minimum": 3}, "then": {"maximum": 9}},
    "else": {"type": "integer", "if": {"minimum": 3}, "else": {"maximum": 9}},
    "pattern": {"type": "string", "pattern": "(?=a)b"},
    "format": {"type": "string", "format": "shoe-size"},
    "contains": {"type": "array", "items": {"type": "integer"}, "contains": {"const": 1}, "maxItems": 3},
    "propertyNames": {"type": "object", "propertyNames": {"maxLength": 3}, "additionalProperties": False},
    "dependentRequired": {"type": "object", "dependentRequired": {"a": ["b"]}, "additionalProperties": False},
    "dependentSchemas": {"type": "object", "dependentSchemas": {"a": {}}, "additionalProperties": False},
    "unevaluatedProperties": {"type": "object", "unevaluatedProperties": False, "additionalProperties": False},
}


def document(properties: dict[str, Any], required: list[str]) -> ApiDoc:
    return ApiDoc(
        id="tools.run",
        api_call="tools.run(data)",
        api_name="run",
        functionality="Run a job",
        description="Runs a job on some data.",
        parameters={"type": "object", "properties": properties, "required": required},
    )


def written(model: LlamaCppGenerator, doc: ApiDoc, question: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the model writes as arguments under a document's whole schema, unnarrowed."""
    grammar, removed = schema.arguments_grammar(schema.arguments_schema(doc))
    messages, begun = prompt.filling(question, doc, "A", model.context, model.count_tokens)
    pieces = model.stream(messages, begun, grammar=grammar, max_tokens=400)
    return json.loads("".join(piece for piece in pieces if isinstance(piece, str))), removed


@pytest.mark.parametrize("keyword", UNSUPPORTED)
def test_an_unsupported_keyword_is_named_and_output_is_still_constrained(
    generator: LlamaCppGenerator, keyword: str
) -> None:
    doc = document({"value": UNSUPPORTED[keyword]}, ["value"])
    found, removed = written(generator, doc, "run it")
    assert any(item.endswith(f": {keyword}") for item in removed), removed
    assert set(found) == {"value"}
    kept = schema.compilable(schema.arguments_schema(doc)).schema
    assert schema_errors(found, kept) == []


@pytest.mark.parametrize("keyword", UNSUPPORTED)
def test_a_raw_schema_with_an_unsupported_keyword_is_refused_by_the_backend(
    generator: LlamaCppGenerator, keyword: str
) -> None:
    rules = f"%llguidance {{}}\nstart: value\nvalue: %json {json.dumps(UNSUPPORTED[keyword])}"
    with pytest.raises(GenerationFailed, match="compile"):
        list(generator.stream([{"role": "user", "content": "hello"}], "", grammar=rules, max_tokens=8))


@pytest.mark.parametrize("grammar", ["", "start: nothing", "%llguidance {}\nstart: a b (", "{"])
def test_a_malformed_grammar_is_an_error_and_never_free_text(generator: LlamaCppGenerator, grammar: str) -> None:
    with pytest.raises(GenerationFailed):
        list(generator.stream([{"role": "user", "content": "hello"}], "", grammar=grammar, max_tokens=8))


def test_the_model_goes_on_working_after_a_bad_grammar(generator: LlamaCppGenerator) -> None:
    messages = [{"role": "user", "content": "hello"}]
    with pytest.raises(GenerationFailed):
        list(generator.stream(messages, "", grammar="%llguidance {}\nstart: (", max_tokens=8))
    good = generator.stream(messages, "", grammar='%llguidance {}\nstart: "yes" | "no"', max_tokens=8)
    assert "".join(item for item in good if isinstance(item, str)) in ("yes", "no")


def test_types_enums_and_required_arguments_are_enforced(generator: LlamaCppGenerator) -> None:
    properties = {
        "count": {"type": "integer", "minimum": 3, "maximum": 5},
        "mode": {"type": "string", "enum": ["fast", "exact"]},
        "ratio": {"type": "number"},
        "names": {"type": "array", "items": {"type": "string", "maxLength": 6}, "maxItems": 2},
        "deep": {"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]},
    }
    doc = document(properties, list(properties))
    found, removed = written(generator, doc, "run the job four times, exactly, on a and b")
    assert removed == ()
    assert schema_errors(found, schema.arguments_schema(doc)) == []


json_schemas = st.recursive(
    st.one_of(
        st.builds(
            lambda low, size: {"type": "integer", "minimum": low, "maximum": low + size}, *[st.integers(0, 9)] * 2
        ),
        st.builds(lambda values: {"enum": sorted(values)}, st.sets(st.text("abc", min_size=1), min_size=1, max_size=4)),
        st.sampled_from([{"type": "boolean"}, {"type": "string", "maxLength": 4}, *UNSUPPORTED.values()]),
    ),
    lambda inner: st.one_of(
        st.builds(lambda item: {"type": "array", "items": item, "maxItems": 2}, inner),
        st.builds(lambda item: {"anyOf": [item, {"type": "null"}]}, inner),
        st.builds(
            lambda item: {
                "type": "object",
                "properties": {"a": item},
                "required": ["a"],
                "additionalProperties": False,
            },
            inner,
        ),
    ),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(json_schemas)
def test_whatever_is_kept_of_a_schema_compiles(value: dict[str, Any]) -> None:
    made = schema.compilable(value)
    assert schema._grammar_error(f"%llguidance {{}}\nstart: value\nvalue: %json {json.dumps(dict(made.schema))}") == ""


def test_a_schema_that_fits_is_kept_whole() -> None:
    inner = {"a": {"type": "integer", "minimum": 2}, "b": {"type": "string", "maxLength": 3}}
    value = {"type": "object", "properties": inner, "required": ["a"], "additionalProperties": False}
    assert schema.compilable(value) == schema.Compilable(value, ())


def test_what_is_documented_without_a_bound_gets_one_while_writing() -> None:
    inner = {"a": {"type": "string"}, "b": {"type": "array", "items": {"type": "string"}}}
    made = schema.compilable({"type": "object", "properties": inner}).schema
    assert made["additionalProperties"] is False
    assert made["properties"]["a"]["maxLength"] > 0
    assert made["properties"]["b"]["maxItems"] > 0


@pytest.mark.parametrize("count", [1, 5, 26])
@pytest.mark.parametrize("length", [10, 20_000])
def test_prompts_fit_the_context_whatever_the_documents_size(
    generator: LlamaCppGenerator, count: int, length: int
) -> None:
    docs = [make_doc(n, description="word " * length, functionality="thing " * length) for n in range(count)]
    candidates = [Candidate((Hit(doc, 1.0, 1),)) for doc in docs]
    messages, shown = prompt.choosing("what? " * length, candidates, generator.context, generator.count_tokens)
    total = sum(generator.count_tokens(message["content"]) for message in messages)
    assert total < generator.context - prompt.RESERVED_TOKENS + 100
    assert shown == count
    for doc in docs:
        assert doc.api_call in messages[1]["content"]


def test_a_document_too_long_for_the_prompt_leaves_out_the_last_candidates_not_parts_of_calls(
    generator: LlamaCppGenerator,
) -> None:
    calls = [f"tools.run({', '.join(f'argument_{i}={i}' for i in range(60))}, n={n})" for n in range(12)]
    candidates = [Candidate((Hit(make_doc(n, api_call=call), 1.0, 1),)) for n, call in enumerate(calls)]
    messages, shown = prompt.choosing("run", candidates, generator.context, generator.count_tokens)
    assert 0 < shown < len(calls)
    assert all((call in messages[1]["content"]) == (n < shown) for n, call in enumerate(calls))


def test_a_prompt_longer_than_the_context_is_an_error(generator: LlamaCppGenerator) -> None:
    messages = [{"role": "user", "content": "word " * 5000}]
    with pytest.raises(GenerationFailed, match="context"):
        list(generator.stream(messages, "", grammar=None, max_tokens=4))


def test_labels_get_probabilities_that_add_up_to_one(generator: LlamaCppGenerator) -> None:
    import math

    messages = [{"role": "user", "content": "Which letter? A, B or C."}]
    found, usage = generator.label_log_probabilities(messages, '{"choice": "', "ABC")
    assert sum(map(math.exp, found)) == pytest.approx(1)
    assert usage.completion == 1


def test_the_same_prompt_gives_the_same_text_and_its_prefix_comes_from_the_cache(generator: LlamaCppGenerator) -> None:
    messages = [{"role": "user", "content": "Name three colours."}]

    def run() -> tuple[str, Usage]:
        items = list(generator.stream(messages, "", grammar=None, max_tokens=12))
        last = items[-1]
        assert isinstance(last, Usage)
        return "".join(item for item in items if isinstance(item, str)), last

    (first, _), (second, usage) = run(), run()
    assert first == second
    assert usage.cached >= usage.prompt - 2


def test_leaving_a_stream_early_stops_the_model(generator: LlamaCppGenerator) -> None:
    stream = generator.stream([{"role": "user", "content": "Count to a thousand."}], "", grammar=None, max_tokens=400)
    next(stream)
    assert isinstance(stream, Iterator)
    stream.close()  # type: ignore[attr-defined]
    after = list(generator.stream([{"role": "user", "content": "hi"}], "", grammar=None, max_tokens=2))
    assert isinstance(after[-1], Usage)


QUESTIONS = ("something else to begin with", "parse json", "translate a letter", "asdf qwer zxcv", "1.1.2.3 and 4.5")


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_explanation_is_one_finished_sentence_about_the_document(gorilla: Gorilla, question: str) -> None:
    doc = gorilla.search(question, mode="dense")[0].doc
    text = "".join(Writer(lambda: gorilla.generator, question).explanation(doc, "A", Filled({})))
    assert text.startswith(prompt.subject(doc))
    assert text.endswith(".")
    assert len(text) < 480


def test_the_choices_of_a_catalogue_are_the_only_thing_that_can_be_written(generator: LlamaCppGenerator) -> None:
    choices = ["json.loads(text)", 'print("a\\b")', "f('ü')"]
    messages = [{"role": "user", "content": "Write a call."}]
    items = generator.stream(messages, '{"api_call": "', grammar=schema.choice_grammar(choices), max_tokens=40)
    text = '{"api_call": "' + "".join(item for item in items if isinstance(item, str)) + "}"
    assert json.loads(text)["api_call"] in choices
