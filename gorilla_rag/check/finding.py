"""What checking finds. Knows nothing about how it is found or shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

Rule = Literal[
    "syntax-error",
    "no-such-name",
    "no-such-module",
    "undefined-name",
    "not-callable",
    "unexpected-argument",
    "missing-argument",
    "deprecated",
    "not-installed",
]
RULES: dict[Rule, str] = {
    "syntax-error": "The file isn't Python.",
    "no-such-name": "A module or class has no such function, class or method.",
    "no-such-module": "An installed package has no such module.",
    "undefined-name": "What is called isn't defined in the program, and isn't a built-in.",
    "not-callable": "What is called is a module or a plain value.",
    "unexpected-argument": "A call gives an argument that the function doesn't take.",
    "missing-argument": "A call leaves out an argument that the function needs.",
    "deprecated": "A call of something that its package has deprecated.",
    "not-installed": "A package that isn't installed: nothing about its calls can be known.",
}
WARNINGS: tuple[Rule, ...] = ("deprecated", "not-installed")


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault.

    Attributes:
        rule: which kind.
        message: what is wrong, in one sentence.
        file: as given; `<code>` for code without a file.
        line, column: where it begins, from 1; columns count characters.
        end_line, end_column: where it ends, the column after its last character.
        name: the dotted name it is about.
        suggestion: the name that was probably meant; empty when none is near.
        package: whose it is.
        version: installed.
    """

    rule: Rule
    message: str
    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    name: str = ""
    suggestion: str = ""
    package: str = ""
    version: str = ""

    @property
    def level(self) -> Literal["error", "warning"]:
        """Whether it stops the code from working."""
        return "warning" if self.rule in WARNINGS else "error"

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON."""
        return asdict(self) | {"level": self.level}


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A call about which nothing can be known from source.

    Attributes:
        name: as it is written, as far as that is a name.
        reason: why.
        file, line, column: where.
    """

    name: str
    reason: str
    file: str
    line: int
    column: int


@dataclass(frozen=True)
class Checked:
    """What became of the calls of one or several files.

    Attributes:
        findings: in order of files and lines.
        calls: how many calls and imports there are.
        existing: how many of them name something that exists.
        bound: of how many calls the arguments were compared with a signature.
        guarded: faults left out because the code expects them (`pytest.raises`, a version asked before).
        ignored: faults left out because a comment on the line says so.
        unchecked: calls about which nothing is known.
    """

    findings: tuple[Finding, ...] = ()
    calls: int = 0
    existing: int = 0
    bound: int = 0
    guarded: int = 0
    ignored: int = 0
    unchecked: tuple[Unchecked, ...] = ()

    @cached_property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that stop the code from working."""
        return tuple(one for one in self.findings if one.level == "error")

    @cached_property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings that don't."""
        return tuple(one for one in self.findings if one.level == "warning")

    @property
    def reasons(self) -> Counter[str]:
        """How many calls are unchecked for which reason."""
        return Counter(one.reason for one in self.unchecked)

    @classmethod
    def together(cls, parts: Sequence[Checked]) -> Checked:
        """Several files' results as one."""
        return cls(
            findings=tuple(one for part in parts for one in part.findings),
            calls=sum(part.calls for part in parts),
            existing=sum(part.existing for part in parts),
            bound=sum(part.bound for part in parts),
            guarded=sum(part.guarded for part in parts),
            ignored=sum(part.ignored for part in parts),
            unchecked=tuple(one for part in parts for one in part.unchecked),
        )

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON."""
        return {
            "findings": [one.to_dict() for one in self.findings],
            "calls": self.calls,
            "existing": self.existing,
            "bound": self.bound,
            "guarded": self.guarded,
            "ignored": self.ignored,
            "unknown": len(self.unchecked),
            "unknown_calls": [asdict(one) for one in self.unchecked],
        }
