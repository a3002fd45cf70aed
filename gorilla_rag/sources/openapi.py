"""OpenAPI 3.0 and 3.1 and Swagger 2.0, JSON or YAML: one document an operation.

The arguments of an operation are one JSON Schema: each parameter by its name, and `body`; `x-in` says where an argument
goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gorilla_rag.apidoc import ApiDoc, document_id
from gorilla_rag.errors import GorillaError, SourceError
from gorilla_rag.sources.json_schema import SchemaReader
from gorilla_rag.sources.references import Definition, message
from gorilla_rag.text import bm25_words, plain

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
BODY = "body"
_HINT = "mend the definition, or leave such operations out with --skip-bad"
_CONTENT = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")
_OF_PARAMETER = ("in", "name", "required", "schema", "content", "style", "explode", "allowReserved", "examples")
_COLLECTIONS: Mapping[str, Mapping[str, Any]] = {
    "csv": {"x-explode": False},
    "multi": {"x-explode": True},
    "ssv": {"x-style": "spaceDelimited", "x-explode": False},
    "pipes": {"x-style": "pipeDelimited", "x-explode": False},
}
"""How Swagger 2.0 writes lists, in OpenAPI 3's words."""
_OF_THE_REQUEST = ("accept", "content-type", "authorization")
"""Headers that OpenAPI (3.1.0, 4.8.12.1) says are no parameters."""
_MARGIN = re.compile(r"^([A-Za-z][\w-]*):\s*$", re.MULTILINE)
_ANY_TITLE = frozenset(
    "api apis rest restful web http service services server openapi swagger definition specification spec "
    "documentation docs public open my test v1 v2 v3 0 1 2 3".split()
)


def is_definition(value: Any) -> bool:
    """Whether what a file holds says that it is an OpenAPI definition."""
    return isinstance(value, Mapping) and ("openapi" in value or "swagger" in value)


def operations(
    path: Path, value: Any, *, trusted: bool = False, external: bool = False
) -> Iterator[ApiDoc | SourceError | str]:
    """Every operation of a definition as a document, or what is wrong with it; and notes on what was read otherwise.

    Args:
        path: the file, for names and messages.
        value: what it holds.
        trusted: whether the user vouches for it.
        external: whether references may lead into other files beside it.
    """
    if (fault := _fault(value)) is not None:
        yield SourceError(fault, file=str(path), line=0, hint="give a whole OpenAPI 3 or Swagger 2 definition")
        return
    definition = Definition(path, value, external)
    siblings = str(value.get("openapi", "")).startswith("3.1")
    reader = SchemaReader(definition.lookup, siblings=siblings)
    answers = SchemaReader(definition.lookup, "response", siblings=siblings)
    names: set[str] = set()
    for found in _found(definition):
        if isinstance(found, SourceError):
            yield found
            continue
        method, route, item, operation = found
        where = f"{method.upper()} {route}"
        try:
            one = _Operation(definition, reader, answers, method, route, item, operation)
            made = one.document(names, trusted=trusted)
            _ = made.content_hash  # what has no hash can't be stored
        except (LookupError, GorillaError, UnicodeEncodeError, RecursionError, TypeError, ValueError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else message(error)
            yield SourceError(f"{where}: {reason}", file=str(path), line=0, hint=_HINT)
            continue
        names.add(made.api_name)
        yield made
    for note, count in definition.notes.items():
        yield f"{path}: {note}" + (f" ({count} times)" if count > 1 else "")
    yield from (f"{path}: left out {note}" for note in {**reader.notes, **answers.notes})


def _fault(value: Any) -> str | None:
    """Why a file's content has no operations."""
    if not isinstance(value, Mapping):
        return f"holds {type(value).__name__} where a definition is an object"
    version = str(value.get("openapi") or value.get("swagger") or "")
    if not version.startswith(("2.", "3.")):
        return f"is a definition of version {version or 'unknown'}; 2.0, 3.0 and 3.1 are read"
    if not isinstance(value.get("paths"), Mapping):
        rest = ", ".join(sorted(map(str, value)))
        return f"has no `paths`, so no operation; it has {rest}"
    return None


def without_indentation(text: str) -> str | None:
    """What is wrong with a text that was an OpenAPI definition until its indentation was lost; `None` for others."""
    keys = _MARGIN.findall(text)
    if "schemas" not in keys and "paths" not in keys:
        return None
    of_definitions = {"openapi", "swagger", "info", "paths", "components", "schemas", "servers", "definitions"}
    found = [key for key in dict.fromkeys(keys) if key in of_definitions]
    schemas = [key for key in dict.fromkeys(keys) if key[:1].isupper()]
    missing = [key for key in ("openapi", "info", "paths") if not re.search(rf"^{key}:", text, re.MULTILINE)]
    if not schemas or "properties" not in keys:
        return None
    shown = ", ".join(schemas[:5]) + (f" and {len(schemas) - 5} more" if len(schemas) > 5 else "")
    return (
        f"looks like an OpenAPI definition that lost its indentation: {', '.join(found)} and the schemas {shown} all "
        f"stand at the margin" + (f"; it has no {', '.join(missing)}" if missing else "")
    )


def _found(
    definition: Definition,
) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]] | SourceError]:
    """Method, path, path item and operation, in the order of the methods; or why a path has none."""
    for route, given in definition.root["paths"].items():
        try:
            item = definition.resolved(given)
        except LookupError as error:
            yield SourceError(f"{route}: {message(error)}", file=str(definition.path), line=0, hint=_HINT)
            continue
        if not isinstance(item, Mapping) or str(route).startswith("x-"):
            continue
        for method in METHODS:
            if isinstance(item.get(method), Mapping):
                yield method, str(route), item, item[method]


@dataclass
class _Operation:
    """One operation as it is read."""

    definition: Definition
    reader: SchemaReader
    answers: SchemaReader
    method: str
    route: str
    item: Mapping[str, Any]
    operation: Mapping[str, Any]

    def document(self, names: set[str], *, trusted: bool) -> ApiDoc:
        """The operation as a document; `names` are those of the operations before it."""
        root, operation = self.definition.root, self.operation
        info = root.get("info") if isinstance(root.get("info"), Mapping) else {}
        name = plain(str(operation.get("operationId") or f"{self.method.upper()} {self.route}"))
        if name in names:
            raise LookupError(f"the operationId {name} is taken by another operation")
        arguments, consumes = self._arguments()
        summary, description = _text(operation.get("summary")), _text(operation.get("description"))
        tags = operation.get("tags") if isinstance(operation.get("tags"), list) else []
        title = self._title(_text((info or {}).get("title")))
        responses, shared = self._responses()
        details = {
            "servers": self._servers(),
            "consumes": consumes,
            "responses": responses,
            "$defs": shared,
            "security": operation.get("security", root.get("security", [])),
            "deprecated": operation.get("deprecated") is True,
        }
        values: dict[str, Any] = {
            "api_call": f"{self.method.upper()} {self._server()}{self.route}",
            "api_name": name,
            "domain": ": ".join(filter(None, (title, ", ".join(map(str, tags or []))))),
            "framework": title,
            "functionality": summary if description and summary.strip(" .") != description.strip(" .") else "",
            "description": description or summary,
            "api_arguments": _described(arguments),
            "parameters": arguments,
            "kind": "http",
            "version": _text((info or {}).get("version")),
            "source": self.definition.path.stem,
            "details": {key: value for key, value in details.items() if value},
            "trusted": trusted,
        }
        return ApiDoc(id=document_id(values), **values)

    def _title(self, given: str) -> str:
        """The API's name; where its title would do for any API, with whose it is: its host, else its file's name."""
        if not set(bm25_words(given)) <= _ANY_TITLE:
            return given
        host = urlsplit(next(iter(self._servers()), "")).hostname or self.definition.path.stem.replace("_", " ")
        return " ".join(filter(None, (re.sub(r"^(?:api|www)\.|\.(?:com|org|net|io)$", "", host), given)))

    def _parameters(self) -> Iterator[Mapping[str, Any]]:
        """The operation's parameters; one of the path counts unless the operation has it too."""
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        for given in (self.item.get("parameters"), self.operation.get("parameters")):
            for one in given if isinstance(given, list) else ():
                parameter = self.definition.resolved(one)
                if not isinstance(parameter, Mapping) or not isinstance(parameter.get("name"), str):
                    raise LookupError(f"a parameter without a name: {str(parameter)[:80]}")
                found[parameter["name"], str(parameter.get("in"))] = parameter
        yield from found.values()

    def _arguments(self) -> tuple[dict[str, Any], str]:
        """The schema of the arguments, and the content type that a body is sent as."""
        arguments = _Arguments()
        form: dict[str, Any] = {"type": "object", "properties": {}, "required": []}
        body, required, consumes = None, False, ""
        for parameter in self._parameters():
            place = str(parameter.get("in"))
            if place == "formData":
                form["properties"][parameter["name"]] = self._bare(parameter)
                form["required"] += [parameter["name"]] if parameter.get("required") is True else []
            elif place == "body":
                body, required = parameter.get("schema", {}), parameter.get("required") is True
            elif place == "header" and parameter["name"].lower() in _OF_THE_REQUEST:
                continue
            elif place in ("path", "query", "header", "cookie"):
                arguments.add(parameter["name"], place, self._schema(parameter), needed=_needed(parameter, place))
            else:
                raise LookupError(f"the parameter {parameter['name']} is in {place!r}")
        arguments.template(self.route)
        if form["properties"]:
            with_file = any(one.get("type") == "file" for one in form["properties"].values())
            body, required, consumes = form, bool(form["required"]), _CONTENT[2] if with_file else self._form()
        elif body is not None:
            consumes = _preferred(dict.fromkeys(self._consumes())) or _CONTENT[0]
        elif isinstance(request := self.definition.resolved(self.operation.get("requestBody")), Mapping):
            content = request.get("content") if isinstance(request.get("content"), Mapping) else {}
            named = _preferred(content or {})
            media = (content or {}).get(named)
            consumes = _CONTENT[0] if "*" in named else named
            body = media.get("schema", {}) if isinstance(media, Mapping) else {}
            required = request.get("required") is True
        if body is not None:
            arguments.add(BODY, "body", self.reader.read(body), needed=required)
        return arguments.schema(), consumes

    def _schema(self, parameter: Mapping[str, Any]) -> dict[str, Any]:
        """A parameter's schema, with its description and how it is written."""
        content = parameter.get("content")
        media = next(iter(content.values()), None) if isinstance(content, Mapping) and content else None
        if isinstance(parameter.get("schema"), Mapping | bool):
            made = self.reader.read(parameter["schema"])
        elif isinstance(media, Mapping):
            made = self.reader.read(media.get("schema", {})) | {"x-content": next(iter(content or {}))}
        elif "type" in parameter or "items" in parameter:
            made = self.reader.read(self._bare(parameter))
            if "array" in (made.get("type"), *(made["type"] if isinstance(made.get("type"), list) else ())):
                made |= _COLLECTIONS.get(str(parameter.get("collectionFormat")), _COLLECTIONS["csv"])
        else:
            self.definition.notes["a parameter without a schema, read as a text"] += 1
            made = {"type": "string"}
        if description := _text(parameter.get("description")):
            made["description"] = description
        written = {f"x-{key}": parameter[key] for key in ("style", "explode") if key in parameter}
        return made | written | ({"deprecated": True} if parameter.get("deprecated") is True else {})

    def _bare(self, parameter: Mapping[str, Any]) -> dict[str, Any]:
        """A parameter of Swagger 2.0, whose schema's keywords stand in itself."""
        return {key: value for key, value in parameter.items() if key not in _OF_PARAMETER}

    def _consumes(self) -> list[str]:
        given = self.operation.get("consumes", self.definition.root.get("consumes"))
        return [str(one) for one in given] if isinstance(given, list) else []

    def _form(self) -> str:
        return next((one for one in self._consumes() if one in _CONTENT[1:]), _CONTENT[1])

    def _responses(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """By status: what is answered, its schema and an example; and what the schemas refer to."""
        found: dict[str, Any] = {}
        shared: dict[str, Any] = {}
        given = self.operation.get("responses")
        for status, one in given.items() if isinstance(given, Mapping) else ():
            try:
                response = self.definition.resolved(one)
            except LookupError as error:
                self.definition.notes[f"a response: {message(error)}"] += 1
                continue
            if isinstance(response, Mapping) and not str(status).startswith("x-"):
                found[str(status)] = one = _response(response, self.answers)
                shared |= one.get("schema", {}).pop("$defs", {})
        return found, shared

    def _servers(self) -> list[str]:
        """Addresses, the most specific first."""
        if "swagger" in self.definition.root:
            return _swagger_servers(self.definition.root, self.operation)
        for given in (self.operation.get("servers"), self.item.get("servers"), self.definition.root.get("servers")):
            if isinstance(given, list) and given:
                return [_server(one) for one in given if isinstance(one, Mapping)]
        return []

    def _server(self) -> str:
        servers = self._servers()
        if not servers:
            self.definition.notes["an operation without a server; its call has the path alone"] += 1
        return servers[0].rstrip("/") if servers else ""


class _Arguments:
    """The arguments of an operation as they are put together."""

    def __init__(self) -> None:
        self._properties: dict[str, Any] = {}
        self._required: list[str] = []
        self._defs: dict[str, Any] = {}

    def add(self, name: str, place: str, schema: Mapping[str, Any], *, needed: bool) -> None:
        """An argument; where its name is taken, its place is put before it, and `x-name` has the one that is sent."""
        own = name
        while own in self._properties:
            own = f"{place}_{own}"
        self._defs |= schema.get("$defs", {})
        rest = {key: value for key, value in schema.items() if key != "$defs"}
        self._properties[own] = rest | {"x-in": place} | ({"x-name": name} if own != name else {})
        self._required += [own] if needed else []

    def template(self, route: str) -> None:
        """Parameters that stand in a path and are declared nowhere are texts."""
        for name in re.findall(r"\{([^{}]+)\}", route):
            known = {schema.get("x-name", one) for one, schema in self._properties.items() if schema["x-in"] == "path"}
            if name not in known:
                self.add(name, "path", {"type": "string"}, needed=True)

    def schema(self) -> dict[str, Any]:
        """The schema of all."""
        if not self._properties:
            return {}
        made: dict[str, Any] = {"type": "object", "properties": self._properties, "required": self._required}
        return made | {"additionalProperties": False} | ({"$defs": self._defs} if self._defs else {})


def _needed(parameter: Mapping[str, Any], place: str) -> bool:
    return place == "path" or parameter.get("required") is True


def _preferred(content: Mapping[str, Any]) -> str:
    """JSON before forms before anything else."""
    names = [str(name) for name in content]
    json_like = [name for name in names if re.search(r"[/+]json\b", name)]
    return next((one for one in (*_CONTENT[:1], *json_like, *_CONTENT[1:], *names) if one in names), "")


def _response(response: Mapping[str, Any], reader: SchemaReader) -> dict[str, Any]:
    """A response's description, schema and example."""
    content = response.get("content")
    if isinstance(content, Mapping) and content:
        media = content[_preferred(content)]
        media = media if isinstance(media, Mapping) else {}
    else:
        media = {"schema": response.get("schema"), "example": response.get("examples")}
    made = {
        "description": _text(response.get("description")),
        "schema": reader.read(media["schema"]) if isinstance(media.get("schema"), Mapping | bool) else None,
        "example": _example(media),
    }
    return {key: value for key, value in made.items() if value not in (None, "")}


def _example(media: Mapping[str, Any]) -> Any:
    if media.get("example") is not None:
        return media["example"]
    examples = media.get("examples")
    first = next(iter(examples.values()), None) if isinstance(examples, Mapping) else None
    return first.get("value") if isinstance(first, Mapping) else None


def _server(given: Mapping[str, Any]) -> str:
    """A server's address with the defaults of its variables."""
    address = str(given.get("url") or "")
    variables = given.get("variables")
    for name, one in variables.items() if isinstance(variables, Mapping) else ():
        if isinstance(one, Mapping) and "default" in one:
            address = address.replace(f"{{{name}}}", str(one["default"]))
    return address


def _swagger_servers(root: Mapping[str, Any], operation: Mapping[str, Any]) -> list[str]:
    host = str(root.get("host") or "")
    base = str(root.get("basePath") or "").rstrip("/")
    schemes = operation.get("schemes") or root.get("schemes") or ["https"]
    return [f"{scheme}://{host}{base}" for scheme in schemes] if host else [base] if base else []


def _described(arguments: Mapping[str, Any]) -> dict[str, str] | None:
    """What is said of each argument; of a body, of what it is made of."""
    defs = arguments.get("$defs", {})
    found: dict[str, str] = {}
    for name, schema in arguments.get("properties", {}).items():
        inner = _inlined(schema, defs).get("properties", {}) if schema.get("x-in") == BODY else {}
        if (said := _text(schema.get("description"))) or not inner:
            found[name] = said
        found |= {key: _text(_inlined(one, defs).get("description")) for key, one in inner.items() if key not in found}
    return found or None


def _inlined(schema: Any, defs: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(schema, Mapping):
        return {}
    reference = schema.get("$ref")
    found = defs.get(reference.rpartition("/")[2]) if isinstance(reference, str) else None
    return {**found, **schema} if isinstance(found, Mapping) else schema


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
