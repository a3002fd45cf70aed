"""A draft that has been begun, for a server that only writes whole JSON: what to ask for, and the rest of the draft.

A server takes no prefilled turn. So it is asked for the properties that the draft doesn't have yet, told how its answer
begins, and what it answers is put behind the beginning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gorilla_rag.errors import UsageError
from gorilla_rag.generate.partial import StringReader, shown
from gorilla_rag.generate.strict import strict, without_nulls
from gorilla_rag.validate import schema_errors

_OPENING = re.compile(r'\{("(?:[^"\\]|\\.)*"):(?: ?("(?:[^"\\]|\\.)*))?', re.DOTALL)


class Unfit(Exception):
    """An answer that isn't what was asked for.

    Attributes:
        enforceable: whether what was sent of the schema forbids it already.
    """

    def __init__(self, message: str, *, enforceable: bool) -> None:
        super().__init__(message)
        self.enforceable = enforceable


@dataclass(frozen=True)
class Form:
    """What is left to write of a draft.

    Args:
        schema: of the whole draft, an object's; a property with a `const` is known and isn't asked for. A `pattern` of
            the string that `prefill` begins is asked for, not insisted on.
        prefill: the draft's beginning, as `json.dumps` writes it.

    Raises:
        UsageError: the beginning doesn't fit the schema.
    """

    schema: Mapping[str, Any]
    prefill: str

    def __post_init__(self) -> None:
        if not self.prefill.startswith(self._head) or not _OPENING.fullmatch(self.opening):
            raise UsageError(f"a draft can't begin with {self.prefill!r}", hint="give what its schema holds to a value")

    @cached_property
    def known(self) -> dict[str, Any]:
        """The properties that have one value."""
        return {name: value["const"] for name, value in self.schema["properties"].items() if "const" in value}

    @cached_property
    def asked(self) -> dict[str, Any]:
        """The schema of what is left."""
        left = {name: value for name, value in self.schema["properties"].items() if name not in self.known}
        required = [name for name in self.schema.get("required", ()) if name in left]
        return {**self.schema, "properties": left, "required": required}

    @cached_property
    def sent(self) -> dict[str, Any]:
        """The part of it that servers compile."""
        return strict(self.asked)

    @property
    def opening(self) -> str:
        """How the server's answer begins."""
        return "{" + self.prefill[len(self._head) :]

    @property
    def key(self) -> str:
        """The property whose value is to be written first."""
        return str(json.loads(self._opened[0]))

    @property
    def begun(self) -> str | None:
        """The beginning of its value where that is a string."""
        return json.loads(self._opened[1] + '"') if self._opened[1] else None

    @property
    def is_text(self) -> bool:
        """Whether one free text is all that is left."""
        left = self.asked["properties"]
        return self.begun is not None and list(left) == [self.key] and "enum" not in left[self.key]

    @property
    def has_nulls(self) -> bool:
        """Whether something may be null."""
        return '"null"' in json.dumps(self.sent)

    def rest(self, answer: str) -> str:
        """What of the draft stands behind its beginning.

        Raises:
            Unfit: the answer breaks the schema, or isn't JSON.
        """
        try:
            found = json.loads(answer, strict=False)
        except (ValueError, RecursionError) as error:
            raise Unfit(f"it isn't JSON: {error}", enforceable=True) from error
        value = without_nulls(found, self.asked)
        if errors := schema_errors(value, self._insisted):
            raise Unfit(errors[0], enforceable=bool(schema_errors(found, self.sent)))
        if self.begun is not None:
            value[self.key] = self.begun + continued(self.begun, shown(value[self.key]))
        order = [name for name in self.schema["properties"] if name in value and name != self.key]
        draft = json.dumps({**self.known, self.key: value[self.key], **{name: value[name] for name in order}})
        return draft[len(self.prefill) :]

    def pieces(self, answer: Iterator[str]) -> Iterator[str]:
        """What of the draft stands behind its beginning, as it is written: for one free text.

        Raises:
            Unfit: as `rest`, at the end.
        """
        reader, given, whole = _TextReader(self.key, self.begun or ""), "", ""
        for piece in answer:
            whole += piece
            if fresh := json.dumps(reader.feed(piece))[1:-1]:
                given += fresh
                yield fresh
        rest = self.rest(whole)
        if not rest.startswith(given):
            raise Unfit(f"it has {self.key!r} twice", enforceable=True)
        yield rest[len(given) :]

    @cached_property
    def _head(self) -> str:
        return json.dumps(self.known)[:-1] + ", " if self.known else "{"

    @property
    def _opened(self) -> tuple[str, str | None]:
        found = _OPENING.fullmatch(self.opening)
        return (found[1], found[2]) if found else ("", None)

    @cached_property
    def _insisted(self) -> dict[str, Any]:
        if self.begun is None:
            return self.asked
        left = dict(self.asked["properties"])
        left[self.key] = {name: value for name, value in left[self.key].items() if name != "pattern"}
        return {**self.asked, "properties": left}


def continued(begun: str, text: str) -> str:
    """How a text goes on from a beginning that it was asked to have; behind a colon where it hasn't."""
    text = text.lstrip()
    if text[: len(begun)].casefold() == begun.casefold():
        return text[len(begun) :]
    return f": {text}"


class _TextReader:
    """The value of an object's only property, as far as it has come, behind its beginning."""

    def __init__(self, key: str, begun: str) -> None:
        self._opening = re.compile(rf"\s*\{{\s*{re.escape(json.dumps(key))}\s*:\s*\"")
        self._begun, self._string = begun, StringReader()
        self._raw = self._start = ""
        self._opened = self._joined = False

    def feed(self, piece: str) -> str:
        if not self._opened:
            self._raw += piece
            found = self._opening.match(self._raw)
            if not found:
                return ""
            self._opened, piece = True, self._raw[found.end() :]
        text = self._string.feed(piece)
        if self._joined:
            return text
        self._start += text
        if len(self._start.lstrip()) < max(1, len(self._begun)) and not self._string.ended:
            return ""
        self._joined = True
        return continued(self._begun, self._start)
