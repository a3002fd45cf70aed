"""`ApiDoc`: one documented API, in APIBench's fields and a few more. Knows nothing about files, indexes or models."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

from gorilla_rag.call import Call, Expr, parse_or_raw
from gorilla_rag.errors import UsageError
from gorilla_rag.request import Route

Kind = Literal["python", "http", "tool"]
_NOT_PACKAGES = {"pip", "pip3", "install", "python", "import", "from", "git", "conda"}
KINDS: tuple[Kind, ...] = ("python", "http", "tool")


@dataclass(frozen=True)
class ApiDoc:
    """One documented API.

    Attributes:
        id: unique in an index; source, name and version by default.
        domain, framework, functionality, api_name, api_call, api_arguments, python_environment_requirements,
            example_code, performance, description: as in APIBench. `api_arguments` and `performance` stay the
            JSON they were; requirements are a list of strings and `example_code` is one string.
        kind: what `api_call` is: a Python call, an HTTP operation or a tool.
        parameters: JSON Schema of the arguments that a question may set; empty when the documentation has none.
        version: of the API that is documented; empty when unknown.
        source: where the document came from.
        trusted: whether the user vouched for the source.
        details: what else the documentation says, by name: of an HTTP operation its `servers`, `responses`, `security`,
            what it `consumes`, and whether it is `deprecated`.
    """

    id: str
    api_call: str
    api_name: str = ""
    domain: str = ""
    framework: str = ""
    functionality: str = ""
    description: str = ""
    api_arguments: Any = None
    python_environment_requirements: tuple[str, ...] = ()
    example_code: str = ""
    performance: Any = None
    kind: Kind = "python"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    source: str = ""
    license: str = ""
    trusted: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses a document that could never answer anything."""
        if not isinstance(self.api_call, str) or not self.api_call.strip():
            raise UsageError(f"document {self.id!r} has no api_call", hint="give every document the call it documents")
        if self.kind not in KINDS:
            raise UsageError(f"document {self.id!r} is of kind {self.kind!r}", hint=f"use one of {', '.join(KINDS)}")

    @cached_property
    def call(self) -> Call:
        """The documented call, parsed; raw where it is neither one Python call, nor a tool's name, nor an operation."""
        if self.kind == "python":
            return parse_or_raw(self.api_call)
        if self.kind == "tool":
            named = not re.search(r"[\s()]", self.api_call.strip())
            return Call(function=self.api_call.strip()) if named else Call(raw=self.api_call)
        route = Route.of(self.api_call, self.parameters, str(self.details.get("consumes") or ""))
        return Call(function=f"{route.method} {route.url}", route=route) if route else Call(raw=self.api_call)

    @cached_property
    def parameter_names(self) -> tuple[str, ...]:
        """Names that the documentation gives the parameters, in order; positional arguments are bound to them.

        The documented call names them itself: `f(text, width=70)` has `text` and `width`. A literal that stands
        without a name (`load('x')`) says nothing about its name, nor about those after it.
        """
        names: list[str] = []
        for value in self.call.args:
            if not isinstance(value, Expr) or not value.source.isidentifier():
                return tuple(names)
            names.append(value.source)
        names += [name for name, _ in self.call.kwargs if name != "**"]
        return tuple(dict.fromkeys(names + list(self.parameters.get("properties", {}))))

    @cached_property
    def call_key(self) -> str:
        """Equal for documents of the same call; tools of one name are one if they take the same arguments."""
        if self.kind == "tool" and self.call.raw is None:
            names = ", ".join(sorted(self.parameters.get("properties", {})))
            return f"{self.call.function}({names}) of {self.framework or self.source}"
        key = self.call.key(self.parameter_names)
        nowhere = self.call.route is not None and self.call.route.url.startswith("/")
        return f"{key} of {self.framework or self.source}" if nowhere else key

    @cached_property
    def package(self) -> str:
        """The first required package, without its version, or the first name of the call; lower case.

        Of what needs nothing but Python, `python`, where that was read from an interpreter.
        """
        if self.source == "python" and self.python_environment_requirements == ("python",):
            return "python"
        for requirement in self.python_environment_requirements:
            for word in re.findall(r"(?<![\w.-])[A-Za-z][\w.-]*", requirement):
                if word.lower() not in _NOT_PACKAGES:
                    return str(word.lower())
        return self.call.path.split(".")[0].lower()

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of everything but the id; decides what has to be encoded again."""
        content = {key: value for key, value in self.to_dict().items() if key != "id"}
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The document as JSON; without `details` where there are none."""
        made = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "details" or self.details}
        made = {name: value if isinstance(value, str | bool) else deepcopy(value) for name, value in made.items()}
        return made | {"python_environment_requirements": list(self.python_environment_requirements)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ApiDoc:
        """A document from `to_dict`'s JSON, or from a dictionary with any of its fields.

        Raises:
            UsageError: no call, an unknown kind or an unknown field.
        """
        known = {item.name for item in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise UsageError(f"unknown fields {unknown}", hint=f"the fields are {', '.join(sorted(known))}")
        values = dict(data)
        values.setdefault("api_call", "")
        values.setdefault("id", document_id(values))
        values["python_environment_requirements"] = tuple(values.get("python_environment_requirements", ()))
        return cls(**values)


def document_id(data: Mapping[str, Any]) -> str:
    """`source:name@version`, leaving out what is empty; the call stands in for a missing name."""
    name = str(data.get("api_name") or data.get("api_call") or "")
    source = f"{data['source']}:" if data.get("source") else ""
    return f"{source}{name}" + (f"@{data['version']}" if data.get("version") else "")
