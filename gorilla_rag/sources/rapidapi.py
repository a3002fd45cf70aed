"""RapidAPI's tools as ToolBench and StableToolBench collect them: one document an API of a tool.

A record is `{tool_name, tool_description, api_list: [{name, url, method, description, required_parameters,
optional_parameters, template_response}]}`. It doesn't say where an argument goes: what stands in the address in braces
goes there, the rest into the query, or of POST, PUT and PATCH into a JSON body.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from gorilla_rag.apidoc import ApiDoc, document_id
from gorilla_rag.errors import UsageError
from gorilla_rag.sources.json_schema import SchemaReader

FIELD = "field"
_WITH_BODY = ("POST", "PUT", "PATCH")
_RESPONSES = ("template_response", "schema", "body")


def is_tool(record: Any) -> bool:
    """Whether a record is a tool with a list of APIs."""
    return isinstance(record, Mapping) and isinstance(record.get("api_list"), list)


def documents(
    record: Mapping[str, Any], *, source: str = "", trusted: bool = False
) -> Iterator[tuple[ApiDoc, tuple[str, ...]] | UsageError]:
    """Each API of a tool as a document, with notes on what was read otherwise; or what is wrong with it."""
    tool = _text(record.get("tool_name") or record.get("title") or record.get("standardized_name"))
    for number, api in enumerate(record["api_list"], start=1):
        try:
            if not isinstance(api, Mapping) or not _text(api.get("name")):
                raise UsageError(f"API {number} of {tool!r} has no name", hint="give every API its name")
            yield _document(record, tool, api, source, trusted=trusted)
        except UsageError as error:
            yield error


def _document(
    record: Mapping[str, Any], tool: str, api: Mapping[str, Any], source: str, *, trusted: bool
) -> tuple[ApiDoc, tuple[str, ...]]:
    method, url = _text(api.get("method")).upper() or "GET", _text(api.get("url"))
    reader = SchemaReader(_nothing)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for key in ("required_parameters", "optional_parameters"):
        for one in _list(api.get(key)):
            if not isinstance(one, Mapping) or not _text(one.get("name")):
                raise UsageError(f"a parameter of {api['name']!r} has no name", hint="give every parameter its name")
            name = _text(one["name"])
            properties[name] = reader.read(_schema(one)) | {"x-in": _place(name, url, method)}
            required += [name] if key == "required_parameters" else []
    answered = next((api[key] for key in _RESPONSES if api.get(key)), None)
    parameters = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    values: dict[str, Any] = {
        "api_call": f"{method} {url}" if url else f"{method} /{_slug(tool)}/{_slug(_text(api['name']))}",
        "api_name": f"{tool}: {_text(api['name'])}" if tool else _text(api["name"]),
        "domain": _text(record.get("category_name") or record.get("category")) or tool,
        "framework": tool,
        "functionality": _text(api["name"]),
        "description": " ".join(filter(None, (_text(api.get("description")), _text(record.get("tool_description"))))),
        "api_arguments": {name: schema.get("description", "") for name, schema in properties.items()} or None,
        "parameters": parameters if properties else {},
        "kind": "http",
        "source": source,
        "details": {"responses": {"200": {"example": answered}}} if answered is not None else {},
        "trusted": trusted,
    }
    return ApiDoc(id=document_id(values), **values), tuple(f"{values['api_name']}: left out {n}" for n in reader.notes)


def _schema(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter's schema; `DATE (YYYY-MM-DD)` and `TIME (24-hour HH:MM)` are texts of that form."""
    named = _text(parameter.get("type")).lower()
    made: dict[str, Any] = {"type": re.sub(r"\s*\(.*", "", named) or "string"}
    if named.startswith("date"):
        made |= {"type": "string", "format": "date"}
    elif named.startswith("time"):
        made |= {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
    if isinstance(options := parameter.get("enum"), list) and options:
        made["enum"] = options
    if description := _text(parameter.get("description")):
        made["description"] = description
    if parameter.get("default") not in (None, ""):
        made["default"] = parameter["default"]
    return made


def _place(name: str, url: str, method: str) -> str:
    if f"{{{name}}}" in url:
        return "path"
    return FIELD if method in _WITH_BODY else "query"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "api"


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _nothing(reference: str) -> NoReturn:
    raise UsageError(f"{reference} stands for nothing", hint="write the schema out")
