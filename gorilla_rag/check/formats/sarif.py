"""Findings as SARIF 2.1.0, the exchange format that code hosts and editors read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gorilla_rag import __version__
from gorilla_rag.check.finding import RULES, WARNINGS, Checked, Finding
from gorilla_rag.check.formats.github import relative

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_PLACES = list(RULES)


class SarifFormat:
    """Written at the end, in one piece.

    Args:
        root: the folder that files are named relative to; those elsewhere are named in full.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def part(self, checked: Checked) -> str:
        """Nothing."""
        del checked
        return ""

    def end(self, whole: Checked) -> str:
        """The log."""
        return json.dumps(self.log(whole), ensure_ascii=False) + "\n"

    def log(self, whole: Checked) -> dict[str, Any]:
        """The log as an object, with one run."""
        run = {
            "tool": {"driver": {"name": "gorilla-rag", "version": __version__, "rules": _rules()}},
            "columnKind": "unicodeCodePoints",
            "results": [self._result(one) for one in whole.findings],
        }
        return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}

    def _result(self, one: Finding) -> dict[str, Any]:
        region = {
            "startLine": one.line,
            "startColumn": one.column,
            "endLine": one.end_line,
            "endColumn": one.end_column,
        }
        place = {"artifactLocation": {"uri": self._uri(one.file)}, "region": region}
        return {
            "ruleId": one.rule,
            "ruleIndex": _PLACES.index(one.rule),
            "level": one.level,
            "message": {"text": one.message},
            "locations": [{"physicalLocation": place}],
        }

    def _uri(self, file: str) -> str:
        """A relative URI for what is below the root, else one with its scheme."""
        path = Path(relative(file, self.root))
        if path.is_absolute():
            return path.as_uri()
        inside = path if not file.startswith("..") else Path(relative(str((self.root / path).resolve()), self.root))
        return inside.as_uri() if inside.is_absolute() else quote(inside.as_posix())


def _rules() -> list[dict[str, Any]]:
    return [
        {
            "id": rule,
            "shortDescription": {"text": text},
            "defaultConfiguration": {"level": "warning" if rule in WARNINGS else "error"},
        }
        for rule, text in RULES.items()
    ]
