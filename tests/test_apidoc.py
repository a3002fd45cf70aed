"""`ApiDoc`: names of parameters, package, hash, JSON, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.apidoc import ApiDoc, document_id
from gorilla_rag.call import Call
from gorilla_rag.errors import UsageError

FULL: dict[str, Any] = {
    "id": "one",
    "api_call": "load('a')",
    "api_name": "loader",
    "domain": "Files",
    "framework": "tools",
    "functionality": "loads",
    "description": "Loads a thing.",
    "api_arguments": {"x": "what"},
    "python_environment_requirements": ["tools>=1"],
    "example_code": "load('a')",
    "performance": {"accuracy": 0.5},
    "kind": "python",
    "parameters": {"type": "object", "properties": {"x": {"type": "string"}}},
    "version": "1.0",
    "source": "tests",
    "license": "mit",
    "trusted": False,
}


def doc(api_call: str, **fields: Any) -> ApiDoc:
    """A document of a call."""
    return ApiDoc(id="a", api_call=api_call, **fields)


@pytest.mark.parametrize(
    ("call", "names"),
    [
        ("f(text, width=70)", ("text", "width")),
        ("f(width=70, text=x)", ("width", "text")),
        ("load('x')", ()),
        ("load('x', k=1)", ()),
        ("f(text, 'x', k=1)", ("text",)),
        ("f(text, a.b, k=1)", ("text",)),
        ("f(text, *rest, k=1)", ("text",)),
        ("f(text, g(1))", ("text",)),
        ("f(text, k=1, **more)", ("text", "k")),
        ("f()", ()),
        ("not one call", ()),
    ],
)
def test_the_documented_call_names_its_parameters_up_to_the_first_unnamed_one(
    call: str, names: tuple[str, ...]
) -> None:
    assert doc(call).parameter_names == names


def test_parameters_of_the_schema_come_after_those_of_the_call_without_repeats() -> None:
    schema: dict[str, Any] = {"properties": {"width": {}, "indent": {}, "text": {}}}
    assert doc("f(text, width=70)", parameters=schema).parameter_names == ("text", "width", "indent")
    assert doc("f('x')", parameters=schema).parameter_names == ()


def test_documents_of_one_call_written_differently_have_one_key() -> None:
    assert doc("f(text, width=70)").call_key == doc("f( text,width = 70 )").call_key
    assert doc("f(a=1, b='x')").call_key == doc('m = f(b="x", a=1)').call_key
    assert doc("f(a=1)").call_key != doc("f(a=True)").call_key


@pytest.mark.parametrize(
    ("requirements", "package"),
    [
        (["pip install -q torchaudio omegaconf"], "torchaudio"),
        (["pip install --upgrade -q Keras"], "keras"),
        (["!pip install x"], "x"),
        (["Python>=3.7, PyTorch>=1.10"], "pytorch"),
        (["python", "transformers==4.1"], "transformers"),
        (["transformers==4.1rc2"], "transformers"),
        (["scikit-learn"], "scikit-learn"),
        (["from sklearn.svm import SVC"], "sklearn.svm"),
        (["3.8"], "torch"),
        ([], "torch"),
    ],
)
def test_the_package_is_the_first_required_one_else_the_first_name_of_the_call(
    requirements: list[str], package: str
) -> None:
    assert doc("torch.hub.load()", python_environment_requirements=tuple(requirements)).package == package


def test_the_package_of_a_chain_is_that_of_its_first_call() -> None:
    assert doc("Torch.load(1).eval()").package == "torch"


@pytest.mark.parametrize("name", sorted(set(FULL) - {"id", "kind", "trusted"}))
def test_the_hash_changes_with_every_field(name: str) -> None:
    changed = {
        "python_environment_requirements": ["other"],
        "api_call": "load('b')",
        "parameters": {},
        "performance": {"accuracy": 0.6},
    }
    other = FULL | {name: changed.get(name, "other")}
    assert ApiDoc.from_dict(other).content_hash != ApiDoc.from_dict(FULL).content_hash


def test_the_hash_changes_with_kind_and_trust_but_not_with_the_id() -> None:
    hashes = [ApiDoc.from_dict(FULL | change).content_hash for change in ({}, {"kind": "tool"}, {"trusted": True})]
    assert len(set(hashes)) == 3
    assert ApiDoc.from_dict(FULL | {"id": "two"}).content_hash == hashes[0]


def test_the_hash_does_not_depend_on_the_order_of_json_keys() -> None:
    one, other = ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert doc("f()", performance=one).content_hash == doc("f()", performance=other).content_hash


def test_to_dict_gives_every_field_as_json_and_from_dict_reads_it() -> None:
    made = ApiDoc.from_dict(FULL)
    assert made.to_dict() == FULL
    assert ApiDoc.from_dict(json.loads(json.dumps(made.to_dict()))) == made


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
DOCS = st.builds(
    ApiDoc,
    id=st.text(),
    api_call=st.text(min_size=1).filter(str.strip),
    description=st.text(),
    api_arguments=JSON_VALUES,
    performance=JSON_VALUES,
    python_environment_requirements=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    kind=st.sampled_from(["python", "http", "tool"]),
    parameters=st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=2),
    trusted=st.booleans(),
)


@settings(deadline=None)
@given(DOCS)
def test_a_document_survives_json(made: ApiDoc) -> None:
    assert ApiDoc.from_dict(json.loads(json.dumps(made.to_dict()))) == made


@pytest.mark.parametrize("data", [{}, {"api_name": "x"}, {"api_call": ""}, {"api_call": " \n"}, {"api_call": None}])
def test_a_document_without_a_call_is_refused_with_a_hint(data: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="no api_call") as caught:
        ApiDoc.from_dict(data)
    assert "call" in caught.value.hint


def test_an_unknown_kind_is_refused_with_the_kinds_there_are() -> None:
    with pytest.raises(UsageError, match="kind 'rest'") as caught:
        ApiDoc.from_dict({"api_call": "f()", "kind": "rest"})
    assert "python, http, tool" in caught.value.hint


def test_an_unknown_field_is_refused_with_the_fields_there_are() -> None:
    with pytest.raises(UsageError, match=r"unknown fields \['nmae'\]") as caught:
        ApiDoc.from_dict({"api_call": "f()", "nmae": "x"})
    assert "api_name" in caught.value.hint


@pytest.mark.parametrize("kind", ["http", "tool"])
def test_what_is_neither_python_nor_a_name_nor_an_operation_keeps_its_call_as_text(kind: str) -> None:
    made = ApiDoc.from_dict({"api_call": "search(query='x')", "kind": kind})
    assert made.call == Call(raw="search(query='x')")
    assert made.parameter_names == ()


def test_the_call_of_a_tool_is_its_name() -> None:
    made = ApiDoc.from_dict({"api_call": "get-weather", "kind": "tool"})
    assert made.call == Call(function="get-weather")


def test_tools_of_one_name_are_one_call_if_they_take_the_same_arguments() -> None:
    def tool(*names: str, provider: str = "") -> ApiDoc:
        parameters = {"type": "object", "properties": {name: {} for name in names}}
        return ApiDoc("x", "search", kind="tool", parameters=parameters, framework=provider)

    assert tool("a", "b").call_key == tool("b", "a").call_key
    assert len({tool("a").call_key, tool("b").call_key, tool("a", provider="p").call_key}) == 3


def test_the_call_of_an_operation_is_its_method_and_address_with_a_route() -> None:
    parameters = {"type": "object", "properties": {"berth": {"x-in": "path"}, "unit": {"x-in": "query"}}}
    made = ApiDoc("x", "GET https://h.example/berths/{berth}", kind="http", parameters=parameters)
    assert made.call.function == "GET https://h.example/berths/{berth}"
    assert made.call.route
    assert made.call.route.request({"berth": 4, "unit": "m"}).url == "https://h.example/berths/4?unit=m"


def test_the_id_is_source_name_and_version_without_what_is_empty() -> None:
    assert document_id({"source": "s", "api_name": "n", "version": "1", "api_call": "f()"}) == "s:n@1"
    assert document_id({"api_name": "", "api_call": "f()"}) == "f()"
    assert ApiDoc.from_dict({"api_call": "f()", "source": "s"}).id == "s:f()"
