"""Findings as GitHub workflow commands, which show as annotations on a pull request.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from pathlib import Path

from gorilla_rag.check.finding import Checked, Finding
from gorilla_rag.check.formats.text import TextFormat

_MESSAGE = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_MESSAGE, ":": "%3A", ",": "%2C"}


class GithubFormat:
    """For a workflow's log.

    Args:
        root: the repository's folder; files in it are named relative to it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def part(self, checked: Checked) -> str:
        """A command for each finding."""
        return "".join(f"{self._command(one)}\n" for one in checked.findings)

    def end(self, whole: Checked) -> str:
        """Counts, as in text."""
        return TextFormat().end(whole)

    def _command(self, one: Finding) -> str:
        properties = {
            "file": relative(one.file, self.root),
            "line": one.line,
            "endLine": one.end_line,
            "col": one.column,
            "endColumn": one.end_column,
            "title": f"gorilla-rag: {one.rule}",
        }
        given = ",".join(f"{name}={_escaped(str(value), _PROPERTY)}" for name, value in properties.items())
        return f"::{one.level} {given}::{_escaped(one.message, _MESSAGE)}"


def relative(file: str, root: Path) -> str:
    """A file's path below a folder, with `/`; as it is where it is elsewhere or no file."""
    path = Path(file)
    if path.is_absolute() and path.is_relative_to(root):
        path = path.relative_to(root)
    return path.as_posix()


def _escaped(text: str, special: dict[str, str]) -> str:
    return "".join(special.get(character, character) for character in text)
