"""The tools that coding assistants call: what they give, under which budget, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag import Gorilla
from gorilla_rag.errors import UsageError
from gorilla_rag.serve import budget
from gorilla_rag.serve.tools import MOST_FOUND, Tool, tools
from gorilla_rag.validate import schema_errors, schema_fault
from tests.conftest import make_doc

QUESTION = "convert text to speech in my app"


@pytest.fixture(scope="module")
def offered(gorilla: Gorilla) -> Mapping[str, Tool]:
    return {tool.name: tool for tool in tools(gorilla)}


def run(offered: Mapping[str, Tool], name: str, **arguments: Any) -> dict[str, Any]:
    """A tool's result, which is as its schema says."""
    found = offered[name](arguments)
    assert not schema_errors(found, offered[name].returns)
    return found


def test_what_is_offered_is_described_by_json_schemas_and_in_few_words(offered: Mapping[str, Tool]) -> None:
    assert list(offered) == ["recommend_api", "search_apis", "get_api_doc", "check_code"]
    for tool in offered.values():
        assert not schema_fault(tool.parameters)
        assert not schema_fault(tool.returns)
        assert len(tool.description) < 120
        assert not set(tool.aliases) & set(tool.parameters["properties"])
        assert set(tool.aliases.values()) <= set(tool.parameters["properties"])


def test_a_recommendation_is_what_ask_answers(offered: Mapping[str, Tool], gorilla: Gorilla) -> None:
    found, answer = run(offered, "recommend_api", question=QUESTION), gorilla.ask(QUESTION, k=3)
    assert found["api_call"] == answer.api_call
    assert found["code"] == answer.code
    assert found["explanation"]
    assert [one["id"] for one in found["documents"]] == [hit.doc.id for hit in answer.hits]
    assert found["documents"][0]["trusted"] is True
    assert found["notice"]


def test_a_refusal_says_why() -> None:
    empty = {tool.name: tool for tool in tools(Gorilla.from_docs([]))}
    found = run(empty, "recommend_api", question=QUESTION)
    assert found["api_call"] is None
    assert found["reason"]


def test_documents_that_are_found_can_be_read_by_id_and_by_name(offered: Mapping[str, Tool]) -> None:
    results = run(offered, "search_apis", question="translate English to German", k=4)["results"]
    assert len(results) == 4
    read = run(offered, "get_api_doc", id=results[0]["id"])
    assert read["api_call"] == results[0]["api_call"]
    assert read["document"]["description"]
    with pytest.raises(UsageError, match="no document") as caught:
        run(offered, "get_api_doc", id="not there")
    assert "search_apis" in caught.value.hint


def test_a_function_is_read_by_its_full_name() -> None:
    own = Gorilla.from_docs([make_doc(1), make_doc(2)])
    offered = {tool.name: tool for tool in tools(own)}
    assert run(offered, "get_api_doc", id="tools.function_2")["id"] == "doc-002"


def test_code_is_checked_and_not_run(offered: Mapping[str, Tool]) -> None:
    code = "import json\nprint('this must not be printed')\njson.load_all('x')\njson.dumps({}, indents=2)\n"
    found = run(offered, "check_code", code=code)
    assert not found["ok"]
    assert [(one["rule"], one["line"]) for one in found["findings"]] == [("no-such-name", 3)]
    assert run(offered, "check_code", code="import json\njson.loads('1')")["ok"]
    assert not run(offered, "check_code", code="this is no Python")["ok"]


@pytest.mark.parametrize("name", ["query", "q", "prompt", "text"])
def test_names_that_models_get_wrong_are_understood(name: str, offered: Mapping[str, Tool]) -> None:
    arguments = {name: QUESTION, "top_k": "2", "max_tokens": None}
    assert offered["search_apis"](arguments) == offered["search_apis"]({"question": QUESTION, "k": 2})


def test_the_right_name_counts_more_than_an_alias(offered: Mapping[str, Tool]) -> None:
    found = offered["search_apis"]({"question": QUESTION, "query": "translate a page", "k": 1})
    assert found == offered["search_apis"]({"question": QUESTION, "k": 1})


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"question": ""},
        {"question": 3},
        {"question": "x" * 5_000},
        {"question": "x", "k": 0},
        {"question": "x", "k": MOST_FOUND + 1},
        {"question": "x", "k": "many"},
        {"question": "x", "max_tokens": 10},
        {"question": "x", "colour": "red"},
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(arguments: dict[str, Any], offered: Mapping[str, Tool]) -> None:
    with pytest.raises(UsageError) as caught:
        offered["search_apis"](arguments)
    assert "question, k, max_tokens" in caught.value.hint


@pytest.mark.parametrize("name", ["recommend_api", "search_apis"])
@pytest.mark.parametrize("most", [200, 400, 2_000])
def test_a_result_keeps_to_its_budget(name: str, most: int, offered: Mapping[str, Tool]) -> None:
    found = run(offered, name, question=QUESTION, k=8, max_tokens=most)
    assert budget.tokens(found) <= most
    whole = run(offered, name, question=QUESTION, k=8, max_tokens=20_000)
    assert not whole["cut"]
    assert found["cut"] == (budget.tokens(whole) > most)
    assert found["notice"] == whole["notice"]
    if name == "recommend_api":
        assert found["api_call"] == whole["api_call"]


def test_a_schema_is_told_whole_or_not_at_all() -> None:
    options = [f"option number {number}" for number in range(300)]
    parameters = {"type": "object", "properties": {"x": {"enum": options}}, "required": ["x"]}
    result = {"api_call": "f", "document": {"description": "long " * 200, "parameters": parameters}}
    assert budget.fit(result, 20_000)["document"]["parameters"] == parameters
    small = budget.fit(result, 400)
    assert small["document"]["parameters"] == {}
    assert small["api_call"] == "f"


VALUES = st.recursive(
    st.text(max_size=400) | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["a", "id", "code", "x"]), inner),
    max_leaves=30,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["api_call", "documents", "text", "code", "k"]), VALUES))
def test_whatever_a_result_is_it_gets_shorter_until_it_fits(result: dict[str, Any]) -> None:
    before = json.dumps(result)
    made = budget.fit(result, 200)
    assert json.dumps(result) == before
    assert budget.tokens(made) <= 200 or not any(isinstance(one, str | list) for one in made.values())
    if budget.tokens({**result, "cut": False}) <= 200:
        assert made == {**result, "cut": False}
