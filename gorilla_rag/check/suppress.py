"""`# gorilla: ignore` and `# gorilla: ignore[rule, other-rule]`: comments that leave findings of their line out."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterable, Mapping
from io import StringIO

from gorilla_rag.check.finding import RULES, Finding

_COMMENT = re.compile(r"#\s*gorilla:\s*ignore(?:\s*\[([^\]]*)\])?", re.IGNORECASE)


def ignored_rules(source: str) -> Mapping[int, frozenset[str]]:
    """The rules that each line leaves out, by its number from 1."""
    if "gorilla:" not in source.lower():
        return {}
    found = {}
    for token in tokenize.generate_tokens(StringIO(source).readline):
        match = _COMMENT.search(token.string) if token.type == tokenize.COMMENT else None
        if match:
            named = frozenset(name.strip() for name in (match[1] or "").split(","))
            found[token.start[0]] = frozenset(RULES) if match[1] is None else named
    return found


def kept(findings: Iterable[Finding], ignored: Mapping[int, frozenset[str]]) -> list[Finding]:
    """The findings that no comment on their first or last line leaves out."""
    nothing: frozenset[str] = frozenset()
    return [
        one for one in findings if one.rule not in ignored.get(one.line, nothing) | ignored.get(one.end_line, nothing)
    ]
