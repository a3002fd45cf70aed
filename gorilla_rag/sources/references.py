"""One OpenAPI file's definition, with what its references stand for.

References are resolved by `referencing`. Those into other files are refused unless they are allowed, and then read from
the disk alone, beside the file that refers to them; nothing is ever fetched.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import SchemaRegistry
from referencing.typing import URI

from gorilla_rag.errors import GorillaError
from gorilla_rag.sources.structured import load

_LONGEST_CHAIN = 50


@dataclass
class Definition:
    """One file's definition, with what its references stand for.

    Args:
        path: the file.
        root: what it holds.
        external: whether references may lead into other files beside it.
    """

    path: Path
    root: Mapping[str, Any]
    external: bool = False
    notes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Makes the file known under its own name."""
        self._here = here = self.path.resolve().as_uri()
        registry: SchemaRegistry = Registry(retrieve=self._retrieve)  # type: ignore[call-arg]
        resource: Resource[Any] = Resource.opaque(self.root)
        self._resolver = registry.with_resource(here, resource).resolver(base_uri=here)

    @property
    def since_3_1(self) -> bool:
        """Whether it is of OpenAPI 3.1 or later, whose schemas are JSON Schema."""
        return re.match(r"3\.[1-9]", str(self.root.get("openapi", ""))) is not None

    def lookup(self, reference: str) -> Any:
        """What a reference stands for, through references that stand for others.

        Raises:
            LookupError: for nothing, for itself, or for what may not be read.
        """
        for _ in range(_LONGEST_CHAIN):
            try:
                found = self._resolver.lookup(reference)
            except (Unresolvable, ValueError, TypeError, KeyError, AttributeError) as error:
                raise LookupError(f"{reference} stands for nothing here: {_cause(error)}") from error
            contents = found.contents
            if (file := urldefrag(reference).url) and isinstance(contents, Mapping | list):
                contents = _absolute(contents, urljoin(self._here, file))
            further = contents.get("$ref") if isinstance(contents, Mapping) else None
            if not isinstance(further, str):
                return contents
            reference = further
        raise LookupError(f"{reference} leads back to itself")

    def resolved(self, node: Any) -> Any:
        """A node, or what it stands for."""
        reference = node.get("$ref") if isinstance(node, Mapping) else None
        return self.lookup(reference) if isinstance(reference, str) else node

    def _retrieve(self, uri: URI) -> Resource[Any]:
        """Another file's content; only beside this one, and only where that is allowed."""
        parts = urlsplit(uri)
        if parts.scheme != "file":
            raise LookupError("nothing is fetched; save the file beside this one and refer to it there")
        if not self.external:
            raise LookupError("it is in another file; allow that with --allow-external-refs")
        file = Path(unquote(parts.path)).resolve()
        if not file.is_relative_to(self.path.resolve().parent):
            raise LookupError(f"{file} isn't beside this file")
        return Resource.opaque(load(file))


def _absolute(value: Any, base: str) -> Any:
    """A part of another file, with references that still lead there from this one."""
    if isinstance(value, list):
        return [_absolute(item, base) for item in value]
    if not isinstance(value, Mapping):
        return value
    made = {key: _absolute(item, base) for key, item in value.items()}
    return made | {"$ref": urljoin(base, made["$ref"])} if isinstance(made.get("$ref"), str) else made


def message(error: BaseException) -> str:
    """What an error says."""
    return error.message if isinstance(error, GorillaError) else str(error.args[0] if error.args else error)


def _cause(error: BaseException) -> str:
    """What is at the bottom of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return message(error) if isinstance(error, LookupError) and error.args else "no such place"
