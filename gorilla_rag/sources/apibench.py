"""APIBench's JSON Lines and the API Zoo's JSON lists: their entries, and each as an `ApiDoc`.

APIBench (arXiv 2305.15334) keeps one JSON object a line; its fields come in many shapes (`api_arguments` as a list,
an object, a string, "N/A" or null; `example_code` as a list or a string). The API Zoo keeps one list a file. A bad
entry is reported with its file, line and reason; the caller decides whether the others are used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gorilla_rag.apidoc import ApiDoc, document_id
from gorilla_rag.errors import SourceError, UsageError
from gorilla_rag.text import is_empty

_HTTP_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_HINT = "mend the entry, or leave such entries out with --skip-bad"
_MARKED = re.compile(r"#+ *Instruction *:(.*?)(?:#+ *Output|<<<domain|$)", re.DOTALL)
_QUOTED = re.compile(r"['\"]Instruction['\"]: ?['\"]?(.*?)['\"]?, ['\"]Output", re.DOTALL)


def document(record: Mapping[str, Any], *, source: str = "", trusted: bool = False) -> ApiDoc:
    """One APIBench or API Zoo record as an `ApiDoc`; its id is not made unique.

    Raises:
        UsageError: the record has no usable call.
    """
    zoo = "user_name" in record or "env_requirements" in record
    meta = record.get("meta_data") if isinstance(record.get("meta_data"), Mapping) else {}
    call = record.get("api_call")
    if not isinstance(call, str) or is_empty(call):
        raise UsageError(f"api_call is {call!r}, expected a call as text", hint="give the document its call")
    values: dict[str, Any] = {
        "api_call": call.strip(),
        "api_name": _text(record.get("api_name")),
        "domain": _text(record.get("domain")),
        "framework": _text(record.get("framework") or (record.get("user_name") if zoo else "")),
        "functionality": _text(record.get("functionality")),
        "description": _text(record.get("description") or (meta or {}).get("description")),
        "api_arguments": None if is_empty(record.get("api_arguments")) else record.get("api_arguments"),
        "python_environment_requirements": _requirements(
            record.get("env_requirements" if zoo else "python_environment_requirements")
        ),
        "example_code": _code(record.get("example_code")),
        "performance": record.get("performance") or (meta or {}).get("performance"),
        "parameters": _parameters(record.get("parameters")),
        "kind": "http" if call.split()[0] in _HTTP_METHODS else "python",
        "version": _text(record.get("version") or record.get("api_version")),
        "license": _text(record.get("license")),
        "source": source,
        "trusted": trusted,
    }
    return ApiDoc(id=document_id(values), **values)


def entries(path: Path) -> Iterator[tuple[int, Any] | SourceError]:
    """Every entry with its line (JSON Lines) or its number (a list), or what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        yield SourceError(f"can't be read as UTF-8 text: {error}", file=str(path), line=0, hint="convert it to UTF-8")
        return
    if text.lstrip().startswith("["):
        yield from _list_entries(path, text)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            yield SourceError(f"not JSON: {error}", file=str(path), line=number, hint=_HINT)


def question_in(code: str) -> str:
    """The question that stands inside APIBench's training text, its field `code`; empty where there is none."""
    found = _MARKED.search(code) or _QUOTED.search(code)
    return found.group(1).strip() if found else ""


def _list_entries(path: Path, text: str) -> Iterator[tuple[int, Any] | SourceError]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 0)
        yield SourceError(f"not a JSON list: {error}", file=str(path), line=line, hint="mend the file")
        return
    yield from enumerate(entries, start=1)


def _text(value: Any) -> str:
    if is_empty(value):
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _code(value: Any) -> str:
    if is_empty(value):
        return ""
    if isinstance(value, Mapping):
        return "\n".join(_code(part) for part in value.values())
    return "\n".join(str(line) for line in value if line is not None) if isinstance(value, list) else str(value)


def _parameters(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        return {}
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(value)
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path)) or "it"
        raise UsageError(
            f"parameters is not a JSON Schema: {where}: {error.message}", hint="mend the schema"
        ) from error
    return value


def _requirements(value: Any) -> tuple[str, ...]:
    if is_empty(value):
        return ()
    if isinstance(value, Mapping):
        versions = {name: str(version) if str(version)[:1] in "<>=!~" else "" for name, version in value.items()}
        return tuple(f"{name}{version}" for name, version in versions.items())
    if isinstance(value, list):
        return tuple(str(item) for item in value if not is_empty(item))
    return tuple(part.strip() for part in str(value).split(",") if part.strip())
