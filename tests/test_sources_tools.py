"""Lists of tools in every format as documents, and RapidAPI's tools as ToolBench collects them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.errors import SourceError
from gorilla_rag.sources import formats, tools

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Where."}, "days": {"type": "integer"}},
    "required": ["city"],
}
FUNCTION = {"name": "get_weather", "description": "Tells the weather.", "parameters": SCHEMA}
FORMATS: dict[str, Any] = {
    "OpenAI, chat completions": [{"type": "function", "function": FUNCTION}],
    "OpenAI, responses": [{"type": "function", **FUNCTION, "strict": True}],
    "Anthropic": [{"name": "get_weather", "description": "Tells the weather.", "input_schema": SCHEMA}],
    "MCP": {"tools": [{"name": "get_weather", "description": "Tells the weather.", "inputSchema": SCHEMA}]},
    "a list of functions": {"functions": [FUNCTION]},
    "one tool": FUNCTION,
}


def read(folder: Path, value: Any, name: str = "tools.json") -> formats.SourceRead:
    (folder / name).write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return formats.read([folder / name], skip_bad=True)


@pytest.mark.parametrize("form", FORMATS)
def test_a_tool_is_a_document_in_every_format(form: str, tmp_path: Path) -> None:
    found = read(tmp_path, FORMATS[form])
    (doc,) = found.docs
    assert (doc.kind, doc.api_name, doc.api_call) == ("tool", "get_weather", "get_weather")
    assert (doc.id, doc.description) == ("tools:get_weather", "Tells the weather.")
    assert doc.parameters == SCHEMA
    assert doc.api_arguments == {"city": "Where.", "days": ""}
    assert (found.problems, found.notes) == ((), ())


def test_a_tool_a_line_is_read_too(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({**FUNCTION, "name": name}) for name in ("one", "two"))
    assert [doc.api_name for doc in read(tmp_path, lines, "tools.jsonl").docs] == ["one", "two"]
    assert [doc.api_name for doc in read(tmp_path, lines, "tools.json").docs] == ["one", "two"]


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("dict", "object"), ("tuple", "array"), ("float", "number"), ("any", None), ("String", "string"),
        ("HashMap", "object"), ("int", "integer"), ("bool", "boolean"), ("long", "integer"), ("number", "number"),
    ],
)  # fmt: skip
def test_types_of_other_languages_are_read_as_those_they_mean(
    written: str, read_as: str | None, tmp_path: Path
) -> None:
    function = {"name": "f", "parameters": {"type": "dict", "properties": {"a": {"type": written}}}}
    found = read(tmp_path, [function])
    schema = found.docs[0].parameters
    assert schema["type"] == "object"
    assert schema["properties"]["a"].get("type") == read_as
    assert found.notes == ()


def test_a_type_that_nobody_knows_is_noted(tmp_path: Path) -> None:
    found = read(tmp_path, [{"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "blob"}}}}])
    assert found.docs[0].parameters["properties"] == {"a": {}}
    assert any("'blob'" in note for note in found.notes)


def test_what_a_tool_returns_and_says_of_itself_is_kept(tmp_path: Path) -> None:
    tool = {
        "name": "list_berths", "title": "All berths", "inputSchema": {"type": "object"},
        "outputSchema": {"type": "object", "properties": {"berths": {"type": "array"}}},
        "annotations": {"readOnlyHint": True},
    }  # fmt: skip
    doc = read(tmp_path, {"tools": [tool]}).docs[0]
    assert doc.functionality == "All berths"
    assert doc.details["annotations"] == {"readOnlyHint": True}
    assert doc.details["returns"]["properties"]["berths"] == {"type": "array", "items": {}}
    assert doc.parameters == {}


def test_references_inside_a_tool_are_followed_and_others_refused(tmp_path: Path) -> None:
    tree = {"type": "object", "properties": {"of": {"$ref": "#/$defs/tree"}}}
    inner = {"type": "object", "properties": {"tree": {"$ref": "#/$defs/tree"}}, "$defs": {"tree": tree}}
    outer = {"type": "object", "properties": {"tree": {"$ref": "https://example.com/tree.json"}}}
    found = read(tmp_path, [{"name": "good", "parameters": inner}, {"name": "bad", "parameters": outer}])
    (doc,) = found.docs
    assert Draft202012Validator(doc.parameters).is_valid({"tree": {"of": {"of": {}}}})
    assert not Draft202012Validator(doc.parameters).is_valid({"tree": {"of": {"of": 3}}})
    assert "leads out" in str(found.problems[0])


def test_arguments_that_are_a_reference_are_those_it_stands_for(tmp_path: Path) -> None:
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {"x": {"type": "string"}}}}}
    assert list(read(tmp_path, [{"name": "f", "parameters": schema}]).docs[0].parameters["properties"]) == ["x"]


def test_a_function_without_arguments_is_a_tool(tmp_path: Path) -> None:
    found = read(tmp_path, [{"type": "function", "function": {"name": "ping", "description": "Answers."}}])
    assert (found.docs[0].api_call, found.docs[0].parameters) == ("ping", {})


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"name": " ", "parameters": {"type": "object"}}, "name"),
        ({"name": "f", "parameters": {"type": "array"}}, "not an object"),
    ],
)
def test_a_bad_tool_is_named_and_the_others_are_read(record: Any, said: str, tmp_path: Path) -> None:
    found = read(tmp_path, [record, FUNCTION])
    assert said in str(found.problems[0])
    assert found.problems[0].line == 1
    assert [doc.api_name for doc in found.docs] == ["get_weather"]


RAPID = {
    "tool_name": "Tides",
    "tool_description": "High and low water.",
    "category_name": "Weather",
    "api_list": [
        {
            "name": "By port",
            "url": "https://tides.example/ports/{port}",
            "method": "GET",
            "description": "Tides of a port.",
            "required_parameters": [
                {"name": "port", "type": "STRING", "description": "Which.", "default": "Hull"},
                {"name": "day", "type": "DATE (YYYY-MM-DD)", "default": ""},
            ],
            "optional_parameters": [
                {"name": "at", "type": "TIME (24-hour HH:MM)"},
                {"name": "unit", "type": "ENUM", "enum": ["m", "ft"]},
                {"name": "exact", "type": "BOOLEAN"},
            ],
            "template_response": {"high": "str"},
        },
        {"name": "Report", "url": "https://tides.example/reports", "method": "POST",
         "required_parameters": [{"name": "height", "type": "NUMBER"}], "optional_parameters": []},
    ],
}  # fmt: skip


def test_each_api_of_a_rapidapi_tool_is_a_document(tmp_path: Path) -> None:
    by_port, report = read(tmp_path, RAPID, "tides.json").docs
    assert (by_port.kind, by_port.api_call) == ("http", "GET https://tides.example/ports/{port}")
    assert (by_port.api_name, by_port.domain, by_port.framework) == ("Tides: By port", "Weather", "Tides")
    assert by_port.description == "Tides of a port. High and low water."
    assert by_port.parameters["required"] == ["port", "day"]
    found = by_port.parameters["properties"]
    assert found["port"] == {"type": "string", "description": "Which.", "default": "Hull", "x-in": "path"}
    assert found["day"] == {"type": "string", "format": "date", "x-in": "query"}
    assert Draft202012Validator(found["at"]).is_valid("23:59")
    assert not Draft202012Validator(found["at"]).is_valid("24:00")
    assert found["unit"] == {"type": "string", "enum": ["m", "ft"], "x-in": "query"}
    assert by_port.details == {"responses": {"200": {"example": {"high": "str"}}}}
    assert report.parameters["properties"] == {"height": {"type": "number", "x-in": "field"}}


def test_a_bad_api_of_a_tool_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    found = read(tmp_path, [{"tool_name": "Tides", "api_list": [{}, 3, RAPID["api_list"][1]]}])
    assert [doc.api_name for doc in found.docs] == ["Tides: Report"]
    assert ["has no name" in str(problem) for problem in found.problems] == [True, True]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text(max_size=4)
    | st.sampled_from(["object", "dict", "#/$defs/a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["$ref", "$defs", "a", "type", "properties", "items", "name", "required", "enum", "optional"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(parameters=JSON, returned=JSON, api=JSON)
@settings(max_examples=150, deadline=None)
def test_whatever_stands_there_gives_documents_or_typed_errors(
    parameters: Any, returned: Any, api: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    wrapped = {"type": "object", "properties": {"a": parameters}}
    records = [
        {"name": "f", "parameters": parameters, "outputSchema": returned},
        {"name": "g", "inputSchema": wrapped},
        {"tool_name": "t", "api_list": [{"name": "x", "required_parameters": api}, api]},
    ]
    found = read(folder, records)
    assert all(isinstance(problem, SourceError) for problem in found.problems)
    for doc in found.docs:
        assert ApiDoc.from_dict(doc.to_dict()) == doc
        Draft202012Validator.check_schema(doc.parameters)


@pytest.mark.data
def test_every_published_function_is_read(data: Path) -> None:
    for name in ("bfcl_v4_python", "bfcl_v4_irrelevance"):
        for line in (data / "bfcl" / name / "docs.jsonl").read_text(encoding="utf-8").splitlines():
            doc, notes = tools.document(json.loads(line)["raw"])
            assert list(notes) == []
            Draft202012Validator.check_schema(doc.parameters)
