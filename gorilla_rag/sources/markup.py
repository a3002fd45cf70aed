"""reStructuredText and Markdown as plain text, and the code that stands in it. Knows no sections of docstrings.

Both are read line by line with a few patterns: enough for prose and examples, with no document that can fail.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from textwrap import dedent

from gorilla_rag import syntax

_ROLE = re.compile(r":[a-zA-Z][\w+-]*(?::[a-zA-Z][\w+-]*)?:`([^`]*)`")
_LINK = re.compile(r"`([^`<>]*)<[^<>`]*>`_{0,2}")
_MARKDOWN_LINK = re.compile(r"\[([^\[\]]+)\](?:\([^()\s]*\)|\[[^\[\]]*\])")
_CODE = re.compile(r"(`{1,3})([^`]+)\1_{0,2}")
_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,2})(?=[^\s*])([^*\n]{1,200}?)(?<=[^\s*])\1(?![\w*])")
_CITATION = re.compile(r"\s?\[[\w#*]{1,20}\]_")
_POINTER = re.compile(r"\s*\bRead more in (?:the )?[^.]{1,80}\.")
_DIRECTIVE = re.compile(r"\s*\.\. (?:[\w:+-]+::|\[|_|\|)")
_CODE_DIRECTIVE = re.compile(r"\s*\.\. (?:code|code-block|ipython|plot|sourcecode|testcode)::")
_EXAMPLE = re.compile(r"\s*(?:[Ee]xamples?|[Uu]sage|Example [Uu]sage|For example):{1,2}\s*$")
_RULE = re.compile(r"\s*[-=~^+*#|\"' ]{3,}$")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_END = re.compile(
    r"(?:examples?|usage|example usage|shape|notes?|args|arguments|parameters|inputs?|outputs?|attributes|references?"
    r"|returns?|raises|see also|warnings?|keyword (?:args|arguments))\s*::?\s*$",
    re.IGNORECASE,
)
_STOP = re.compile(r"(?<=[.!?])[\"')\]]{0,2}\s+(?=[^\sa-z])")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|cf|vs|etc|al|approx|resp|Fig|Eq|No|[A-Z])\.|\.\.)$")
_DOCTEST_COMMENT = re.compile(r"\s*#\s*x?doctest:.*$")


def plain_text(text: str) -> str:
    """Text on one line, without roles, links, backticks, emphasis and citations."""
    if "`" in text:
        text = _CODE.sub(_quoted, _LINK.sub(lambda link: link[1].strip(), without_roles(text)))
    if "*" in text:
        text = _EMPHASIS.sub(r"\2", text)
    if "[" in text:
        text = _CITATION.sub("", _MARKDOWN_LINK.sub(r"\1", text))
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text.replace("`", "")).strip()


def without_roles(text: str) -> str:
    """Text with what its roles show in their place; its lines stay as they were."""
    return _ROLE.sub(_target, text)


def paragraphs(text: str) -> Iterator[str]:
    """The prose of a text up to its first heading such as `Examples:`, a paragraph at a time, each as plain text."""
    kept: list[str] = []
    for line in [*_prose_lines(text.split("\n")), ""]:
        if line.strip():
            kept.append(line)
        elif kept:
            if found := _POINTER.sub("", plain_text("\n".join(kept))).strip():
                yield found
            kept = []


def first_sentence(text: str) -> tuple[str, str]:
    """The first sentence of a paragraph, and the rest."""
    for stop in _STOP.finditer(text):
        if not _ABBREVIATION.search(text[: stop.start()]):
            return text[: stop.end()].rstrip(), text[stop.end() :]
    return text, ""


def bounded(text: str, limit: int) -> str:
    """A text of at most `limit` characters, cut after a sentence, else after a word, where it is longer."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    stops = [stop.end() for stop in _STOP.finditer(cut)]
    if stops and stops[-1] > limit // 2:
        return cut[: stops[-1]].rstrip()
    cut = cut.rsplit(" ", 1)[0].rstrip()
    return cut if cut.endswith((".", "!", "?")) else f"{cut}…"


def code_blocks(text: str) -> Iterator[str]:
    """The code that a text shows, in order: doctests without prompts and outputs, and literal blocks that are Python.

    A doctest goes on to the next blank line; a literal block counts where it parses and calls something.
    """
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        line = lines[number]
        if line.lstrip().startswith(">>>"):
            end = _until_blank(lines, number)
            yield "\n".join(_statements(lines[number:end]))
        elif _FENCE.match(line):
            end = _until_fence(lines, number + 1)
            yield from _python(lines[number + 1 : end])
            end += 1
        elif _opens_code(line):
            end = _block_end(lines, number)
            block = lines[number + 1 : end]
            if any(one.lstrip().startswith(">>>") for one in block):
                end = number + 1
            else:
                yield from _python(one for one in block if not re.match(r"\s*:[\w-]+:", one))
        else:
            end = number + 1
        number = max(end, number + 1)


def _quoted(code: re.Match[str]) -> str:
    """What stands between backticks; `~a.b.c` shows its last part."""
    return code[2].rsplit(".", 1)[-1] if code[2].startswith("~") else code[2]


def _target(role: re.Match[str]) -> str:
    """What a role shows: the text of `text <target>`, the last part of `~a.b.c`."""
    shown = role[1].split("<")[0].strip() or role[1].strip("<> ")
    return shown.rsplit(".", 1)[-1] if shown.startswith("~") else shown.lstrip("!")


def _prose_lines(lines: Sequence[str]) -> Iterator[str]:
    """The lines that are prose: no directives, literal blocks, doctests, fenced code and rules."""
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if _END.match(line):
            return
        if _DIRECTIVE.match(line):
            number = _block_end(lines, number - 1)
        elif line.lstrip().startswith(">>>"):
            number = _until_blank(lines, number)
        elif _FENCE.match(line):
            number = _until_fence(lines, number) + 1
        elif line.rstrip().endswith("::"):
            yield line.rstrip()[:-1] if line.strip() != "::" else ""
            number = _block_end(lines, number - 1)
        elif not _RULE.match(line):
            yield line


def _opens_code(line: str) -> bool:
    if _CODE_DIRECTIVE.match(line) or _EXAMPLE.match(line):
        return True
    return line.rstrip().endswith("::") and not _DIRECTIVE.match(line)


def _block_end(lines: Sequence[str], opener: int) -> int:
    """The line after the block that is indented deeper than its opener."""
    depth = len(lines[opener]) - len(lines[opener].lstrip())
    number = opener + 1
    while number < len(lines) and (
        not lines[number].strip() or len(lines[number]) - len(lines[number].lstrip()) > depth
    ):
        number += 1
    return number


def _until_blank(lines: Sequence[str], start: int) -> int:
    return next((number for number in range(start, len(lines)) if not lines[number].strip()), len(lines))


def _until_fence(lines: Sequence[str], start: int) -> int:
    return next((number for number in range(start, len(lines)) if _FENCE.match(lines[number])), len(lines))


def _statements(lines: Sequence[str]) -> Iterator[str]:
    """A doctest's source; what neither prompts nor continues is output."""
    in_source = False
    for line in lines:
        bare = line.lstrip()
        in_source = bare.startswith(">>>") or (in_source and bare.startswith("..."))
        if in_source and (source := _DOCTEST_COMMENT.sub("", bare[4:] if bare[3:4] == " " else bare[3:])).strip():
            yield source


def _python(lines: Sequence[str] | Iterator[str]) -> Iterator[str]:
    """A block, if it is Python and calls something."""
    source = dedent("\n".join(lines)).strip("\n")
    try:
        if any(isinstance(node, ast.Call) for node in ast.walk(syntax.module(source))):
            yield source
    except syntax.UNREADABLE:
        return
