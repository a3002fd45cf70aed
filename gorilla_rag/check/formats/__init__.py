"""How findings are shown: a format a file. None of them knows how anything is found."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

from gorilla_rag.check.finding import Checked
from gorilla_rag.check.formats.as_json import JsonFormat
from gorilla_rag.check.formats.github import GithubFormat
from gorilla_rag.check.formats.sarif import SarifFormat
from gorilla_rag.check.formats.text import TextFormat
from gorilla_rag.errors import UsageError

FormatName = Literal["text", "json", "sarif", "github"]
NAMES: tuple[FormatName, ...] = ("text", "json", "sarif", "github")


class Format(Protocol):
    """Writes results as they come, and what is said of all of them at the end."""

    def part(self, checked: Checked) -> str:
        """What is written for one file; may be nothing."""
        ...

    def end(self, whole: Checked) -> str:
        """What is written last, about all files."""
        ...


def make_format(name: str, *, root: Path, show_unknown: bool = False) -> Format:
    """A format by its name.

    Args:
        name: one of `NAMES`.
        root: the folder that paths are relative to, where a format wants that.
        show_unknown: whether text lists the calls about which nothing is known; JSON always does.

    Raises:
        UsageError: there is no such format.
    """
    if name == "text":
        return TextFormat(show_unknown=show_unknown)
    if name == "json":
        return JsonFormat()
    if name == "sarif":
        return SarifFormat(root)
    if name == "github":
        return GithubFormat(root)
    raise UsageError(f"there is no format {name!r}", hint=f"use one of {', '.join(NAMES)}")
