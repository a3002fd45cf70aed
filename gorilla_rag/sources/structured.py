"""JSON and YAML files as plain data, within limits: size, depth, and what YAML's aliases would unfold to.

Knows nothing of what the data mean. YAML is read as its JSON schema (YAML 1.2, 10.2), with merge keys: `no` and `12:30`
are texts, and a date stays as it is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from gorilla_rag.errors import SourceError

LARGEST = 64 * 1024 * 1024
"""Bytes of a file that is read."""
DEEPEST = 200
"""How deep what is read may be nested."""
MOST_NODES = 5_000_000
"""Values that what is read may have once YAML's aliases are unfolded; a long text counts as several."""
_A_VALUE = 20
_YAML_SUFFIXES = (".yaml", ".yml")
_SCALARS = {
    "tag:yaml.org,2002:merge": (r"^<<$", ["<"]),
    "tag:yaml.org,2002:null": (r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    "tag:yaml.org,2002:bool": (r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    "tag:yaml.org,2002:int": (r"^-?(?:0|[1-9][0-9]*)$", list("-0123456789")),
    "tag:yaml.org,2002:float": (
        r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)$",
        list("-0123456789"),
    ),
}


def load(path: Path, *, largest: int = LARGEST) -> Any:
    """What a JSON or YAML file holds: objects with keys that are texts, lists, texts, numbers, booleans and `None`.

    Raises:
        SourceError: it can't be read, is too large or too deep, is neither JSON nor YAML, or unfolds to too much.
    """
    try:
        size = path.stat().st_size
        if size > largest:
            _refuse(path, f"has {size:,} bytes; {largest:,} are read at most", hint="split the file")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        _refuse(path, f"can't be read as UTF-8 text: {error}", hint="check the path, and convert the file to UTF-8")
    try:
        found = _json(path, text) if _looks_like_json(path, text) else _yaml(path, text)
    except RecursionError:
        _refuse(path, f"is nested more than {DEEPEST} deep", hint="leave the nested part out")
    if depth(found) > DEEPEST:
        _refuse(path, f"is nested more than {DEEPEST} deep", hint="leave the nested part out")
    return found


def depth(value: Any) -> int:
    """How deep a value is nested: 0 for a text, 1 for a list of texts. Doesn't recurse; stops past `DEEPEST`."""
    level, reached = [value], 0
    while reached <= DEEPEST:
        level = [part for item in level for part in _parts(item)]
        reached += bool(level)
        if not any(isinstance(item, dict | list) for item in level):
            return reached
    return reached


def _parts(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _looks_like_json(path: Path, text: str) -> bool:
    return path.suffix not in _YAML_SUFFIXES and text.lstrip()[:1] in ("{", "[")


def _json(path: Path, text: str) -> Any:
    def constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is no JSON number")

    try:
        return json.loads(text, parse_constant=constant)
    except ValueError as error:
        _refuse(path, f"is not JSON: {error}", line=getattr(error, "lineno", 0), hint="mend the file")


def _yaml(path: Path, text: str) -> Any:
    import yaml

    loader = _loader()(text)
    try:
        root = loader.get_single_node()
        _unfolded(path, root)
        return _plain(path, loader.construct_document(root) if root else None)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        _refuse(path, f"is not YAML: {reason}", line=mark.line + 1 if mark else 0, hint="mend the file")
    except (ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        _refuse(path, f"has a value that can't be read: {error}", hint="mend the file")
    finally:
        loader.dispose()


def _loader() -> Any:
    """PyYAML's safe loader, with the scalars of YAML's JSON schema alone."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    for tag, (pattern, first) in _SCALARS.items():
        Loader.add_implicit_resolver(tag, re.compile(pattern), first)
    return Loader


def _unfolded(path: Path, root: Any) -> None:
    """Refuses aliases that refer to themselves, or unfold to more than `MOST_NODES` values."""
    import yaml

    sizes: dict[int, int] = {}

    def size(node: Any, above: int) -> int:
        if above > DEEPEST:
            _refuse(path, f"is nested more than {DEEPEST} deep, or refers to itself", hint="leave such aliases out")
        if id(node) not in sizes:
            pairs = node.value if isinstance(node, yaml.MappingNode) else ()
            inner = [part for pair in pairs for part in pair]
            inner += node.value if isinstance(node, yaml.SequenceNode) else ()
            length = len(node.value) // _A_VALUE if isinstance(node, yaml.ScalarNode) else 0
            sizes[id(node)] = 1 + length + sum(size(part, above + 1) for part in inner)
        return sizes[id(node)]

    if root is not None and size(root, 0) > MOST_NODES:
        _refuse(path, f"unfolds to more than {MOST_NODES:,} values", hint="write such aliases out, or leave them out")


def _plain(path: Path, value: Any) -> Any:
    """The value with keys that are texts; other keys than scalars can't be in an API's definition."""
    if isinstance(value, dict):
        if odd := [key for key in value if isinstance(key, tuple | frozenset)]:
            _refuse(path, f"has the key {odd[0]!r}, which is no text", hint="mend the file")
        return {_key(key): _plain(path, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(path, item) for item in value]
    if isinstance(value, str | int | float | bool | None):
        return value
    return _refuse(path, f"has a {type(value).__name__}, which JSON doesn't know", hint="write it as text")


def _key(key: Any) -> str:
    return json.dumps(key) if isinstance(key, bool | None) else str(key)


def _refuse(path: Path, reason: str, *, hint: str, line: int = 0) -> NoReturn:
    raise SourceError(reason, file=str(path), line=line, hint=hint)
