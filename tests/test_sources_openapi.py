"""OpenAPI and Swagger definitions as documents: one an operation, with a schema of its arguments that stands alone."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.errors import SourceError
from gorilla_rag.sources import formats, openapi, structured

INFO = {"title": "Harbour", "version": "2.1"}
SERVERS = [{"url": "https://{where}.example/v2/", "variables": {"where": {"default": "harbour"}}}]


def definition(paths: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "info": INFO, "servers": SERVERS, "paths": paths} | more


def read(folder: Path, value: Any, *, external: bool = False, name: str = "harbour.json") -> formats.SourceRead:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return formats.read([path], skip_bad=True, external=external)


def only(folder: Path, value: Any) -> ApiDoc:
    found = read(folder, value)
    assert found.problems == ()
    (doc,) = found.docs
    return doc


def operation(**fields: Any) -> dict[str, Any]:
    return definition({"/berths/{berth}": {"get": fields}})


def arguments(doc: ApiDoc) -> dict[str, Any]:
    return dict(doc.parameters["properties"])


def test_an_operation_is_a_document(tmp_path: Path) -> None:
    doc = only(
        tmp_path,
        operation(
            operationId="readBerth",
            summary="One berth",
            description="Depth, length and who lies there.",
            tags=["Berths"],
            deprecated=True,
            security=[{"key": []}],
            parameters=[{"name": "berth", "in": "path", "required": True, "schema": {"type": "integer"}}],
            responses={"200": {"description": "it", "content": {"application/json": {"example": {"depth": 4}}}}},
        ),
    )
    assert doc.id == "harbour:readBerth@2.1"
    assert (doc.kind, doc.api_call) == ("http", "GET https://harbour.example/v2/berths/{berth}")
    assert (doc.domain, doc.framework, doc.functionality) == ("Harbour: Berths", "Harbour", "One berth")
    assert doc.description == "Depth, length and who lies there."
    assert arguments(doc) == {"berth": {"type": "integer", "x-in": "path"}}
    assert doc.parameters["required"] == ["berth"]
    assert doc.details == {
        "servers": ["https://harbour.example/v2/"],
        "responses": {"200": {"description": "it", "example": {"depth": 4}}},
        "security": [{"key": []}],
        "deprecated": True,
    }
    assert ApiDoc.from_dict(doc.to_dict()) == doc


def test_arguments_say_where_they_go(tmp_path: Path) -> None:
    places = ["query", "header", "cookie"]
    given = [{"name": place, "in": place, "schema": {"type": "string"}} for place in places]
    body = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    doc = only(tmp_path, operation(parameters=given, requestBody=body))
    assert {name: schema["x-in"] for name, schema in arguments(doc).items()} == {
        **{place: place for place in places}, "berth": "path", "body": "body",
    }  # fmt: skip
    assert doc.parameters["required"] == ["berth", "body"]
    assert doc.details["consumes"] == "application/json"


def test_two_arguments_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    given = [
        {"name": "berth", "in": place, "schema": {"type": "string"}, "required": True} for place in ("path", "query")
    ]
    found = arguments(only(tmp_path, operation(parameters=given)))
    assert found["query_berth"] == {"type": "string", "x-in": "query", "x-name": "berth"}
    assert found["berth"]["x-in"] == "path"


def test_a_parameter_of_the_operation_counts_before_that_of_its_path(tmp_path: Path) -> None:
    of_path = [{"name": "berth", "in": "path", "schema": {"type": "string"}}, {"$ref": "#/components/parameters/page"}]
    item = {
        "parameters": of_path,
        "get": {"parameters": [{"name": "berth", "in": "path", "schema": {"type": "integer"}}]},
    }
    page = {"name": "page", "in": "query", "schema": {"type": "integer"}}
    doc = only(tmp_path, definition({"/berths/{berth}": item}, components={"parameters": {"page": page}}))
    assert [(name, schema["type"]) for name, schema in arguments(doc).items()] == [
        ("berth", "integer"),
        ("page", "integer"),
    ]


def test_a_schema_that_refers_to_itself_stands_alone(tmp_path: Path) -> None:
    tree = {
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#/components/schemas/tree"}}},
    }
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/tree"}}}}
    doc = only(tmp_path, operation(requestBody=body) | {"components": {"schemas": {"tree": tree}}})
    validator = Draft202012Validator(doc.parameters)
    assert validator.is_valid({"berth": "a", "body": {"children": [{"children": []}]}})
    assert not validator.is_valid({"berth": "a", "body": {"children": [{"children": [3]}]}})


def test_parts_of_allof_are_put_together(tmp_path: Path) -> None:
    schemas = {
        "named": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        "ship": {
            "allOf": [{"$ref": "#/components/schemas/named"}, {"properties": {"length": {"type": "number"}}}],
            "description": "A ship.",
        },
    }
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/ship"}}}}
    doc = only(tmp_path, operation(requestBody=body) | {"components": {"schemas": schemas}})
    assert doc.parameters["$defs"] == {
        "ship": {
            "type": "object",
            "description": "A ship.",
            "properties": {"name": {"type": "string"}, "length": {"type": "number"}},
            "required": ["name"],
        }
    }


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "enum": ["a"], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"type": "integer", "minimum": 3, "exclusiveMinimum": True}, {"type": "integer", "exclusiveMinimum": 3}),
        ({"type": "integer", "minimum": 3, "exclusiveMinimum": False}, {"type": "integer", "minimum": 3}),
        ({"type": "string", "example": "x", "x-odd": 1, "xml": {}}, {"type": "string", "examples": ["x"]}),
        ({"type": "array"}, {"type": "array", "items": {}}),
        ({"type": "file"}, {"type": "string"}),
        ({"type": "string", "maxLength": "20"}, {"type": "string"}),
    ],
)
def test_older_keywords_are_read_as_todays(schema: dict[str, Any], expected: dict[str, Any], tmp_path: Path) -> None:
    doc = only(tmp_path, operation(parameters=[{"name": "q", "in": "query", "schema": schema}]))
    assert arguments(doc)["q"] == expected | {"x-in": "query"}


def test_what_is_no_schema_is_left_out_and_noted(tmp_path: Path) -> None:
    found = read(tmp_path, operation(parameters=[{"name": "q", "in": "query", "schema": {"maximum": "50"}}]))
    assert arguments(found.docs[0])["q"] == {"x-in": "query"}
    assert any("maximum" in note and "'50' is not of type 'number'" in note for note in found.notes)


def test_what_is_no_schema_is_left_out_wherever_it_stands(tmp_path: Path) -> None:
    given = {"parameters": [{"name": "q", "in": "query", "schema": {"type": "integer", "maximum": "50"}}]}
    found = read(tmp_path, definition({f"/{number}": {"get": given} for number in range(3)}))
    assert [arguments(doc)["q"] for doc in found.docs] == [{"type": "integer", "x-in": "query"}] * 3
    assert len(found.notes) == 1


def test_what_is_only_ever_answered_is_not_asked_for(tmp_path: Path) -> None:
    ship = {
        "type": "object",
        "properties": {"id": {"type": "string", "readOnly": True}, "name": {"type": "string"}},
        "required": ["id", "name"],
    }
    body = {"content": {"application/json": {"schema": ship}}}
    doc = only(
        tmp_path, operation(requestBody=body, responses={"200": {"content": {"application/json": {"schema": ship}}}})
    )
    assert arguments(doc)["body"]["required"] == ["name"]
    assert sorted(doc.details["responses"]["200"]["schema"]["properties"]) == ["id", "name"]


def test_swagger_2_is_read_too(tmp_path: Path) -> None:
    value = {
        "swagger": "2.0",
        "info": INFO,
        "host": "harbour.example",
        "basePath": "/v1",
        "schemes": ["https"],
        "paths": {
            "/berths": {
                "post": {
                    "consumes": ["multipart/form-data"],
                    "parameters": [
                        {"name": "plan", "in": "formData", "type": "file", "required": True},
                        {"name": "depth", "in": "query", "type": "integer", "minimum": 0},
                        {"name": "at", "in": "query", "type": "array", "items": {"type": "integer"}},
                        {"name": "of", "in": "query", "type": "array", "collectionFormat": "pipes"},
                        {"name": "parts", "in": "formData", "type": "array", "items": {"type": "string"}},
                    ],
                    "responses": {"200": {"schema": {"$ref": "#/definitions/berth"}}},
                },
                "put": {"parameters": [{"name": "berth", "in": "body", "schema": {"$ref": "#/definitions/berth"}}]},
            }
        },
        "definitions": {"berth": {"type": "object", "properties": {"depth": {"type": "integer"}}}},
    }
    put, post = read(tmp_path, value).docs
    assert post.api_call == "POST https://harbour.example/v1/berths"
    assert arguments(post) == {
        "depth": {"type": "integer", "minimum": 0, "x-in": "query"},
        "at": {"type": "array", "items": {"type": "integer"}, "x-in": "query", "x-explode": False},
        "of": {"type": "array", "items": {}, "x-in": "query", "x-style": "pipeDelimited", "x-explode": False},
        "body": {
            "type": "object",
            "properties": {"plan": {"type": "string"}, "parts": {"type": "array", "items": {"type": "string"}}},
            "required": ["plan"],
            "x-in": "body",
            "x-encoding": {"parts": {"style": "form", "explode": False}},
        },
    }
    assert post.details["consumes"] == "multipart/form-data"
    assert post.details["responses"]["200"]["schema"]["$ref"] == "#/$defs/berth"
    assert put.parameters["$defs"] == {"berth": {"type": "object", "properties": {"depth": {"type": "integer"}}}}


def test_yaml_is_read_as_it_is_written(tmp_path: Path) -> None:
    text = """
openapi: 3.0.3
info: {title: Harbour, version: 1.0}
paths:
  /berths:
    get:
      parameters:
        - {name: country, in: query, schema: {type: string, enum: [NO, SE]}}
        - {name: from, in: query, schema: {type: string, default: 2020-01-02}}
        - {name: at, in: query, schema: {type: string, default: 12:30}}
      responses: {200: {description: fine}}
"""
    doc = read(tmp_path, text, name="harbour.yaml").docs[0]
    assert arguments(doc)["country"]["enum"] == ["NO", "SE"]
    assert [arguments(doc)[name]["default"] for name in ("from", "at")] == ["2020-01-02", "12:30"]
    assert list(doc.details["responses"]) == ["200"]


def test_an_operation_without_a_server_has_its_path_and_is_noted(tmp_path: Path) -> None:
    found = read(tmp_path, {"openapi": "3.0.0", "info": INFO, "paths": {"/a": {"get": {}}, "/b": {"get": {}}}})
    assert [doc.api_call for doc in found.docs] == ["GET /a", "GET /b"]
    assert any("without a server" in note and "2 times" in note for note in found.notes)


def test_a_parameter_without_a_schema_is_a_text(tmp_path: Path) -> None:
    found = read(tmp_path, operation(parameters=[{"name": "q", "in": "query"}]))
    assert arguments(found.docs[0])["q"]["type"] == "string"
    assert any("without a schema" in note for note in found.notes)


BAD = {
    "an operation id that is taken": ({"get": {"operationId": "a"}, "put": {"operationId": "a"}}, "is taken"),
    "a parameter without a name": ({"get": {"parameters": [{"in": "query"}]}}, "without a name"),
    "a parameter of nowhere": ({"get": {"parameters": [{"name": "a", "in": "moon"}]}}, "in 'moon'"),
    "a reference to nothing": ({"get": {"parameters": [{"$ref": "#/components/parameters/a"}]}}, "stands for nothing"),
    "a reference to itself": ({"get": {"parameters": [{"$ref": "#/paths/~1a/get/parameters/0"}]}}, "leads back"),
    "another file": ({"get": {"parameters": [{"$ref": "other.json#/a"}]}}, "--allow-external-refs"),
    "another place": ({"get": {"parameters": [{"$ref": "https://harbour.example/a.json"}]}}, "nothing is fetched"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_operation_is_named_and_the_others_are_read(case: str, tmp_path: Path) -> None:
    item, said = BAD[case]
    found = read(tmp_path, definition({"/a": item, "/b": {"get": {}}}))
    (problem,) = found.problems
    assert said in str(problem)
    assert "/a" in str(problem)
    assert found.docs[-1].api_name == "GET /b"
    with pytest.raises(SourceError, match="skip-bad"):
        formats.read([tmp_path / "harbour.json"])


def test_references_to_files_beside_it_are_followed_when_allowed(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "page.json").write_text('{"page": {"name": "page", "in": "query", "type": "integer"}}')
    value = operation(parameters=[{"$ref": "shared/page.json#/page"}])
    assert read(tmp_path, value).docs == ()
    (doc,) = read(tmp_path, value, external=True).docs
    assert arguments(doc)["page"]["type"] == "integer"


def test_references_of_another_file_lead_into_that_file(tmp_path: Path) -> None:
    other = {"Pet": {"properties": {"owner": {"$ref": "#/Owner"}}}, "Owner": {"type": "string"}}
    (tmp_path / "other.json").write_text(json.dumps(other))
    body = {"content": {"application/json": {"schema": {"$ref": "other.json#/Pet"}}}}
    (doc,) = read(tmp_path, operation(requestBody=body) | {"Owner": {"type": "integer"}}, external=True).docs
    assert doc.parameters["$defs"]["Owner"] == {"type": "string"}


def test_what_refers_to_nothing_fails_for_every_operation(tmp_path: Path) -> None:
    pet = {"properties": {"owner": {"$ref": "#/components/schemas/Missing"}}}
    body = {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}}
    value = definition({"/a": {"post": body}, "/b": {"post": body}}, components={"schemas": {"Pet": pet}})
    found = read(tmp_path, value)
    assert (found.docs, len(found.problems)) == ((), 2)


def test_many_parts_of_parts_are_read_once_each(tmp_path: Path) -> None:
    of = "#/components/schemas/"
    diamond = {f"D{n}": {"allOf": [{"$ref": f"{of}D{n + 1}"}] * 2} for n in range(60)} | {"D60": {"type": "object"}}
    clique = {f"C{n}": {"allOf": [{"$ref": f"{of}C{m}"} for m in range(30) if m != n]} for n in range(30)}
    chain = {f"S{n}": {"properties": {"n": {"$ref": f"{of}S{n + 1}"}}} for n in range(300)} | {"S300": {}}
    for first in ("D0", "C0", "S0"):
        body = {"content": {"application/json": {"schema": {"$ref": of + first}}}}
        value = operation(requestBody=body) | {"components": {"schemas": diamond | clique | chain}}
        begun = time.monotonic()
        assert len(read(tmp_path, value).docs) == 1
        assert time.monotonic() - begun < 10


def test_properties_that_are_nothing_are_left_out(tmp_path: Path) -> None:
    parts = [{"properties": {"a": {}}}, {"type": "object", "properties": None}]
    found = read(tmp_path, operation(requestBody={"content": {"application/json": {"schema": {"allOf": parts}}}}))
    assert list(arguments(found.docs[0])["body"]["properties"]) == ["a"]


def test_a_parameter_of_the_path_is_declared_though_another_has_its_name(tmp_path: Path) -> None:
    given = [{"name": "berth", "in": place, "schema": {"type": "string"}} for place in ("query", "path")]
    assert list(arguments(only(tmp_path, operation(parameters=given)))) == ["berth", "path_berth"]


def test_references_above_the_file_are_refused_even_then(tmp_path: Path) -> None:
    (tmp_path / "page.json").write_text('{"name": "page", "in": "query", "type": "integer"}')
    (tmp_path / "inner").mkdir()
    found = read(tmp_path / "inner", operation(parameters=[{"$ref": "../page.json"}]), external=True)
    assert "isn't beside" in str(found.problems[0])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"openapi": "4.0.0", "paths": {}}, "version 4.0.0"),
        ({"openapi": "3.0.0", "components": {}}, "no `paths`, so no operation; it has components, openapi"),
        ({"components": {"schemas": {"a": {}}}}, "has components (schemas: 1) alone: no `openapi`, no `info` and no"),
        ({"openapi": "3.0.0", "paths": None}, "no `paths`"),
    ],
)
def test_what_has_no_operations_says_what_it_is(value: Any, said: str, tmp_path: Path) -> None:
    assert said in str(read(tmp_path, value).problems[0])


def test_deep_nesting_is_read_and_too_deep_refused(tmp_path: Path) -> None:
    def nested(levels: int) -> Any:
        schema: dict[str, Any] = {"type": "integer"}
        for _ in range(levels):
            schema = {"type": "object", "properties": {"a": schema}}
        return operation(requestBody={"content": {"application/json": {"schema": schema}}})

    assert len(read(tmp_path, nested(80)).docs) == 1
    assert "deep" in str(read(tmp_path, nested(150)).problems[0])


def test_ten_thousand_options_are_kept(tmp_path: Path) -> None:
    options = [f"port {number}" for number in range(10_000)]
    doc = only(tmp_path, operation(parameters=[{"name": "q", "in": "query", "schema": {"enum": options}}]))
    assert arguments(doc)["q"]["enum"] == options


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text(max_size=4)
    | st.sampled_from(["object", "#/paths", "query"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["$ref", "type", "properties", "allOf", "items", "name", "in", "schema", "required", "enum", "content"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(parameters=JSON, body=JSON, responses=JSON, schemas=JSON)
@settings(max_examples=150, deadline=None)
def test_whatever_stands_there_gives_documents_or_typed_errors(
    parameters: Any, body: Any, responses: Any, schemas: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fields = {"parameters": parameters, "requestBody": body, "responses": responses}
    value = definition({"/a": {"post": fields}}, components={"schemas": schemas})
    for item in openapi.operations(tmp_path_factory.getbasetemp() / "any.json", value):
        if isinstance(item, ApiDoc):
            if item.parameters:
                Draft202012Validator.check_schema(item.parameters)
        else:
            assert isinstance(item, SourceError | str)


@pytest.mark.data
def test_every_published_operation_is_read(data: Path) -> None:
    files = sorted((data / "openapi").iterdir())
    assert files
    for path in files:
        whole = structured.load(path)
        declared = sum(method in openapi.METHODS for item in whole["paths"].values() for method in item)
        found = formats.read([path], skip_bad=True)
        assert (len(found.docs), found.problems) == (declared, ())
        for doc in found.docs:
            schema = doc.parameters or {"type": "object"}
            Draft202012Validator.check_schema(schema)
            assert set(re.findall(r'"\$ref": "(#/\$defs/[^"]+)"', json.dumps(schema))) == {
                f"#/$defs/{name}" for name in schema.get("$defs", {})
            } | set(re.findall(r'"\$ref": "(?!#/\$defs/)([^"]+)"', json.dumps(schema)))
