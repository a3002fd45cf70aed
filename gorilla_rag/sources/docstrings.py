"""Docstrings in Google, NumPy and Sphinx style as plain text: what it does, its parameters, its examples.

griffe's parsers find the sections; the style is found by what stands in the docstring. Knows nothing about documents.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import griffe

from gorilla_rag import syntax
from gorilla_rag.sources.markup import bounded, code_blocks, first_sentence, paragraphs, plain_text, without_roles
from gorilla_rag.sources.text_signatures import signature_in_docstring, signatures_in_docstring, without_signatures

__all__ = ["DocstringText", "ParameterText", "read", "signature_in_docstring", "signatures_in_docstring"]

Style = Literal["google", "numpy", "sphinx"]
_LONGEST = 40_000
_SUMMARY = 240
_DESCRIPTION = 1200
_SHORT = 300
_NUMPY = re.compile(
    r"^([ \t]*)(?:parameters|other parameters|returns|yields|raises|see also|notes|examples|attributes|methods"
    r"|references|deprecated|warns|warnings)[ \t]*\n[ \t]*-{3,}",
    re.IGNORECASE | re.MULTILINE,
)
_SPHINX = re.compile(
    r"^([ \t]*):(?:param|parameter|arg|argument|key|keyword|type|returns?|rtype|raises)\b[^:\n]*:", re.M
)
_GOOGLE = re.compile(
    r"^([ \t]*)(?:args|arguments|params|parameters|keyword args|keyword arguments|returns|yields|raises):[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_GOOGLE_GAP = re.compile(r"^(\w+(?: \w+)?:)[ \t]*(?:\n[ \t]*)+\n(?=[ \t]+\S)", re.MULTILINE)
_NUMPY_PARAMETER = re.compile(r"^(\*{0,2}\w+(?:[ ]?,[ ]?\*{0,2}\w+)*)[ ]?:[ ]?(?=\S)(.*)$(?=\n[ ])", re.MULTILINE)
_DEPRECATED = re.compile(
    r"^(?:\.\. )?deprecated:{1,2}[ \t]*(.*(?:\n(?:[ \t]+\S.*|[ \t]*(?=\n[ \t]+\S)))*)", re.IGNORECASE | re.MULTILINE
)
_DEFAULT = re.compile(
    r"\bdefaults?(?: is| to|)[ \n]{0,8}[:=]?[ \n]{0,8}(`{0,2})(\S(?:[^`\n]{0,60}?\S)?)\1(?=[\s.,;)]|$)", re.I
)
_OPTIONAL = re.compile(r"\boptional\b|\bdefaults?\b", re.IGNORECASE)
_BARRED = re.compile(r"""`{0,2}['"][\w .-]{1,40}['"]`{0,2}(?:\s*\|\s*`{0,2}['"][\w .-]{1,40}['"]`{0,2})+""")
# griffe takes braces and ", optional" out of a type, and what stands after the braces with them.
_HIDDEN = {"{": "\ue000", "}": "\ue001", ", optional": ",\ue002 optional"}
_PARSERS = {"google": griffe.parse_google, "numpy": griffe.parse_numpy, "sphinx": griffe.parse_sphinx}


@dataclass(frozen=True, slots=True)
class ParameterText:
    """What a docstring says of one parameter.

    Attributes:
        type: as written, without markup: `{'linear', 'cubic'}, default='linear'`; empty where it gives none.
        description: plain text of at most 300 characters.
        default: source of the literal that is named as its default.
        optional: whether it is said to be optional, or to have a default.
        choices: the texts that a description lists between bars (`'none' | 'mean' | 'sum'`).
    """

    type: str = ""
    description: str = ""
    default: str | None = None
    optional: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DocstringText:
    """A docstring, read.

    Attributes:
        summary: the first sentence, plain text of at most 240 characters.
        description: the rest of the prose before the first section, at most 1,200 characters.
        parameters: by name without stars, in order.
        returns: what it gives back; at most 300 characters.
        examples: the code it shows, block by block, as source; a later block may use an earlier one's names.
        deprecated: since when, and what to use.
    """

    summary: str = ""
    description: str = ""
    parameters: Mapping[str, ParameterText] = field(default_factory=lambda: MappingProxyType({}))
    returns: str = ""
    examples: tuple[str, ...] = ()
    deprecated: str = ""


def read(docstring: str) -> DocstringText:
    """Reads a docstring of any style; whatever stands in it, something is returned."""
    text = without_signatures(_normalised(docstring))
    if not text:
        return DocstringText()
    sections = _sections(text)
    lead = sections[0].value if sections and sections[0].kind is griffe.DocstringSectionKind.text else ""
    prose = [*paragraphs(lead), ""]
    summary, rest = first_sentence(prose[0])
    return DocstringText(
        summary=bounded(summary, _SUMMARY),
        description=bounded(" ".join(part for part in (rest, *prose[1:]) if part), _DESCRIPTION),
        parameters=MappingProxyType(dict(_parameters(sections))),
        returns=bounded(_returns(sections), _SHORT),
        examples=tuple(code_blocks(text)),
        deprecated=bounded(_deprecated(text, sections), _SHORT),
    )


def _normalised(docstring: str) -> str:
    """Cleaned, without what `ast` or UTF-8 refuses (control characters, surrogates) and the backslashes of stars."""
    text = re.sub(r"[^\S\n]|[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]", " ", docstring[:_LONGEST].expandtabs())
    return inspect.cleandoc(text.replace("\\*", "*")).strip()


def _sections(text: str) -> list[griffe.DocstringSection]:
    """The sections that griffe finds; where it can't cope with one of the types, the text alone."""
    style, indent = _style(text)
    if indent:
        text = re.sub(rf"(?m)^ {{1,{indent}}}", "", text)
    if style == "numpy":
        text = _NUMPY_PARAMETER.sub(_spaced, text)
    if style == "google":  # a colon ends a name there, and no blank line may stand under a heading
        text = _GOOGLE_GAP.sub(r"\1\n", without_roles(text))
    for plain, hidden in _HIDDEN.items():
        text = text.replace(plain, hidden)
    with griffe.logger.disable():
        try:
            return _PARSERS[style](griffe.Docstring(text), warnings=False)
        except (ValueError, IndexError, MemoryError, RecursionError):
            return [griffe.DocstringSectionText(text)]


def _style(text: str) -> tuple[Style, int]:
    """The style, and how far its headings are indented."""
    patterns: tuple[tuple[Style, re.Pattern[str]], ...] = (("numpy", _NUMPY), ("google", _GOOGLE), ("sphinx", _SPHINX))
    for style, pattern in patterns:
        if found := pattern.search(text):
            return style, len(found[1])
    return "google", 0


def _spaced(header: re.Match[str]) -> str:
    """`x1,x2: int` as numpydoc writes it: `x1, x2 : int`."""
    return f"{', '.join(re.split(r' ?, ?', header[1]))} : {header[2]}"


def _shown(value: object) -> str:
    """What griffe gives for a type or a text, with what was hidden from it."""
    text = "" if value is None else str(value)
    for plain, hidden in _HIDDEN.items():
        text = text.replace(hidden, plain)
    return text


def _parameters(sections: Sequence[griffe.DocstringSection]) -> Iterator[tuple[str, ParameterText]]:
    kinds = (griffe.DocstringSectionKind.parameters, griffe.DocstringSectionKind.other_parameters)
    for section in sections:
        for found in section.value if section.kind in kinds else ():
            made = _parameter(_shown(found.annotation), _shown(found.description), _shown(found.value))
            for name in found.name.split(","):
                if (bare := name.strip(" `*")).isidentifier():
                    yield bare, made


def _parameter(type_: str, description: str, value: str) -> ParameterText:
    default = next(filter(None, map(_literal, (value, _default(type_), _default(description)))), None)
    barred = _BARRED.search(description)
    return ParameterText(
        type=bounded(plain_text(type_), _SHORT),
        description=bounded(" ".join(paragraphs(description)), _SHORT),
        default=default,
        optional=bool(value or default is not None or _OPTIONAL.search(type_)),
        choices=tuple(re.findall(r"""['"]([^'"]+)['"]""", barred[0])) if barred else (),
    )


def _default(text: str) -> str:
    found = _DEFAULT.search(text)
    return found[2] if found else ""


def _literal(source: str) -> str | None:
    """The source of a literal, normalised; `None` for everything else."""
    try:
        return repr(syntax.literal(source.strip("` ")))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _returns(sections: Sequence[griffe.DocstringSection]) -> str:
    parts: list[str] = []
    for section in sections:
        for found in section.value if section.kind is griffe.DocstringSectionKind.returns else ():
            said = " ".join(paragraphs(_shown(found.description)))
            head = plain_text(": ".join(filter(None, (found.name, _shown(found.annotation)))))
            parts.append(": ".join(filter(None, (head, said))))
    return "; ".join(filter(None, parts))


def _deprecated(text: str, sections: Sequence[griffe.DocstringSection]) -> str:
    """What the directive or the section says; that of a parameter is indented, and isn't meant."""
    if found := _DEPRECATED.search(text):
        version, _, said = found[1].partition("\n")
        return _since(version, said)
    for section in sections:
        if section.kind is griffe.DocstringSectionKind.deprecated:
            return _since(_shown(section.value.annotation), _shown(section.value.description))
    return ""


def _since(version: str, said: str) -> str:
    return ": ".join(filter(None, (plain_text(version).rstrip(":"), plain_text(said)))) or "deprecated"
