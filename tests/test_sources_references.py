"""Keywords beside a reference: before OpenAPI 3.1 they don't count and are named, from 3.1 on they narrow it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.test_sources_openapi import INFO, SERVERS, arguments, only, read

SHIP = {"type": "object", "properties": {"name": {"type": "string"}, "id": {"readOnly": True}}, "required": ["name"]}


def definition(version: str, schema: dict[str, Any], **ship: Any) -> dict[str, Any]:
    """One operation that sends a schema; it may refer to `#/ship`."""
    if version == "2.0":
        operation: dict[str, Any] = {"parameters": [{"name": "it", "in": "body", "schema": schema}]}
        about: dict[str, Any] = {"swagger": version, "host": "harbour.example"}
    else:
        operation = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
        about = {"openapi": version, "servers": SERVERS}
    return about | {"info": INFO, "paths": {"/ships": {"post": operation}}, "ship": SHIP | ship}


@pytest.mark.parametrize("version", ["2.0", "3.0.3", "3.1.0", "3.2.0"])
def test_keywords_beside_a_reference_count_from_3_1_on(version: str, tmp_path: Path) -> None:
    beside = {"description": "It.", "required": ["flag", "id"], "properties": {"flag": {"type": "string"}}}
    found = read(tmp_path, definition(version, {"$ref": "#/ship", **beside}))
    body = arguments(found.docs[0])["body"]
    assert body["description"] == "It."
    if version >= "3.1":
        assert body["properties"] == {"flag": {"type": "string"}, "name": {"type": "string"}}
        assert sorted(body["required"]) == ["flag", "name"]
        assert found.notes == ()
    else:
        assert body == {"description": "It.", "$ref": "#/$defs/ship", "x-in": "body"}
        (note,) = found.notes
        assert note.endswith(": left out required, properties beside a reference, which counts from OpenAPI 3.1 on")


def test_what_is_said_of_a_part_in_words_is_no_reason_to_leave_it_apart(tmp_path: Path) -> None:
    parts = [{"$ref": "#/ship", "description": "The ship."}, {"properties": {"flag": {"type": "string"}}}]
    found = read(tmp_path, definition("3.0.3", {"allOf": parts}))
    assert sorted(arguments(found.docs[0])["body"]["properties"]) == ["flag", "name"]
    assert found.notes == ()


def test_what_contradicts_a_reference_stands_beside_it(tmp_path: Path) -> None:
    schema = {"$ref": "#/ship", "properties": {"name": {"maxLength": 3}}}
    validator = Draft202012Validator(only(tmp_path, definition("3.1.0", schema)).parameters)
    assert validator.is_valid({"body": {"name": "abc"}})
    assert not validator.is_valid({"body": {"name": "abcd"}})
    assert not validator.is_valid({"body": {}})


def test_a_reference_that_may_be_null_admits_null_and_keeps_what_is_said_of_it(tmp_path: Path) -> None:
    schema = {"properties": {"ship": {"$ref": "#/ship", "nullable": True}}}
    doc = only(tmp_path, definition("3.1.0", schema, description="Floats."))
    assert Draft202012Validator(doc.parameters).is_valid({"body": {"ship": None}})
    assert doc.api_arguments
    assert doc.api_arguments["ship"] == "Floats."


@pytest.mark.parametrize(("version", "kept"), [("3.0.3", ["owner"]), ("3.1.0", [])])
def test_what_is_read_only_beside_a_reference_is_left_out_from_3_1_on(
    version: str, kept: list[str], tmp_path: Path
) -> None:
    schema = {"type": "object", "properties": {"owner": {"$ref": "#/ship", "readOnly": True}}}
    found = read(tmp_path, definition(version, schema))
    assert list(arguments(found.docs[0])["body"]["properties"]) == kept


@pytest.mark.parametrize("version", ["2.0", "3.0.3", "3.1.0"])
def test_references_that_lead_around_are_read_with_what_stands_beside_them(version: str, tmp_path: Path) -> None:
    ship = {"properties": {"tender": {"$ref": "#/ship", "required": ["name"], "type": "object"}}}
    doc = read(tmp_path, definition(version, {"$ref": "#/ship"}, **ship)).docs[0]
    validator = Draft202012Validator(doc.parameters)
    assert validator.is_valid({"body": {"name": "a", "tender": {"name": "b", "tender": {"name": "c"}}}})
    assert not validator.is_valid({"body": {"name": "a", "tender": {"name": "b", "tender": {}}}})
