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
from gorilla_rag.sources import media, styles
from gorilla_rag.sources.json_schema import SchemaReader
from gorilla_rag.sources.references import Definition, message
from gorilla_rag.text import bm25_words, plain

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
BODY = "body"
_HINT = "mend the definition, or leave such operations out with --skip-bad"
_OF_PARAMETER = ("in", "name", "required", "schema", "content", "style", "explode", "allowReserved", "examples")
_OF_THE_REQUEST = ("accept", "content-type", "authorization")
"""Headers that OpenAPI (3.1.0, 4.8.12.1) says are no parameters."""
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
    since_3_1 = definition.since_3_1
    reader = SchemaReader(definition.lookup, siblings=since_3_1)
    answers = SchemaReader(definition.lookup, "response", siblings=since_3_1)
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
    if not version and "paths" not in value:
        return f"has {_named(value)} alone: no `openapi`, no `info` and no `paths`, so no operation"
    if not version.startswith(("2.", "3.")):
        return f"is a definition of version {version or 'unknown'}; 2.0, 3.0 and 3.1 are read"
    if not isinstance(value.get("paths"), Mapping):
        return f"has no `paths`, so no operation; it has {_named(value)}"
    return None


def _named(value: Mapping[str, Any]) -> str:
    """What a file holds, its components by their kind and number."""
    components = value.get("components")
    parts = components.items() if isinstance(components, Mapping) else ()
    counted = ", ".join(f"{name}: {len(one)}" for name, one in parts if isinstance(one, Mapping))
    names = [
        f"components ({counted})" if key == "components" and counted else str(key) for key in sorted(map(str, value))
    ]
    return ", ".join(names)


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
        of_body: list[Mapping[str, Any]] = []
        for parameter in self._parameters():
            place = str(parameter.get("in"))
            if place in ("formData", "body"):
                of_body.append(parameter)
            elif place == "header" and parameter["name"].lower() in _OF_THE_REQUEST:
                continue
            elif place in ("path", "query", "header", "cookie"):
                arguments.add(parameter["name"], place, self._schema(parameter), needed=_needed(parameter, place))
            else:
                raise LookupError(f"the parameter {parameter['name']} is in {place!r}")
        arguments.template(self.route)
        body, needed, consumes = self._old_body(of_body) if of_body else self._body()
        if body is not None:
            arguments.add(BODY, "body", body, needed=needed)
        return arguments.schema(), consumes

    def _old_body(self, parameters: list[Mapping[str, Any]]) -> tuple[dict[str, Any], bool, str]:
        """The body that Swagger 2.0's parameters describe, whether it is needed, and its content type."""
        fields = [one for one in parameters if one.get("in") == "formData"]
        if not fields:
            (*_, whole) = parameters
            consumes = media.preferred(dict.fromkeys(self._consumes())) or media.JSON
            return self.reader.read(whole.get("schema", {})), whole.get("required") is True, consumes
        needed = [one["name"] for one in fields if one.get("required") is True]
        form = {"type": "object", "properties": {one["name"]: self._bare(one) for one in fields}, "required": needed}
        with_file = any(one.get("type") == "file" for one in fields)
        consumes = styles.FORMS[1] if with_file else self._form()
        written = {one["name"]: how for one in fields if (how := styles.of_field(one, self._note))}
        return self.reader.read(form) | ({"x-encoding": written} if written else {}), bool(needed), consumes

    def _body(self) -> tuple[dict[str, Any] | None, bool, str]:
        """The body of OpenAPI 3, whether it is needed, and its content type."""
        request = self.definition.resolved(self.operation.get("requestBody"))
        if not isinstance(request, Mapping):
            return None, False, ""
        content = request.get("content") if isinstance(request.get("content"), Mapping) else {}
        named = media.preferred(content or {})
        found = (content or {}).get(named)
        found = found if isinstance(found, Mapping) else {}
        consumes = media.JSON if "*" in named else named
        written = styles.of_form(found, consumes, self._note, styled_parts=self.definition.since_3_1)
        body = self.reader.read(found.get("schema", {})) | ({"x-encoding": written} if written else {})
        return body, request.get("required") is True, consumes

    def _note(self, note: str) -> None:
        self.definition.notes[note] += 1

    def _schema(self, parameter: Mapping[str, Any]) -> dict[str, Any]:
        """A parameter's schema, with its description and how it is written."""
        content = parameter.get("content")
        of_content = next(iter(content.values()), None) if isinstance(content, Mapping) and content else None
        if isinstance(parameter.get("schema"), Mapping | bool):
            made = self.reader.read(parameter["schema"])
        elif isinstance(of_content, Mapping):
            made = self.reader.read(of_content.get("schema", {})) | {"x-content": next(iter(content or {}))}
        elif "type" in parameter or "items" in parameter:
            made = self.reader.read(self._bare(parameter))
            if "array" in (made.get("type"), *(made["type"] if isinstance(made.get("type"), list) else ())):
                made |= styles.of_list(parameter, self._note)
        else:
            self._note("a parameter without a schema, read as a text")
            made = {"type": "string"}
        if description := _text(parameter.get("description")):
            made["description"] = description
        return (
            made
            | styles.of_parameter(parameter)
            | ({"deprecated": True} if parameter.get("deprecated") is True else {})
        )

    def _bare(self, parameter: Mapping[str, Any]) -> dict[str, Any]:
        """A parameter of Swagger 2.0, whose schema's keywords stand in itself."""
        return {key: value for key, value in parameter.items() if key not in _OF_PARAMETER}

    def _consumes(self) -> list[str]:
        given = self.operation.get("consumes", self.definition.root.get("consumes"))
        return [str(one) for one in given] if isinstance(given, list) else []

    def _form(self) -> str:
        return next((one for one in self._consumes() if one in styles.FORMS), styles.FORMS[0])

    def _responses(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """By status: what is answered, its schema and an example; and what the schemas refer to."""
        found: dict[str, Any] = {}
        shared: dict[str, Any] = {}
        given = self.operation.get("responses")
        for status, one in given.items() if isinstance(given, Mapping) else ():
            try:
                response = self.definition.resolved(one)
            except LookupError as error:
                self._note(f"a response: {message(error)}")
                continue
            if isinstance(response, Mapping) and not str(status).startswith("x-"):
                found[str(status)] = one = media.response(response, self.answers)
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
            self._note("an operation without a server; its call has the path alone")
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
    """A schema, what it refers to in its place; of one that may also be `null`, what else it may be."""
    if not isinstance(schema, Mapping):
        return {}
    others = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(others) == 1 < len(schema.get("anyOf", ())):
        return {**_inlined(others[0], defs), **schema}
    reference = schema.get("$ref")
    found = defs.get(reference.rpartition("/")[2]) if isinstance(reference, str) else None
    return {**found, **schema} if isinstance(found, Mapping) else schema


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
