"""`Catalogue`: which documented call does a call name? Knows documents and calls, nothing about benchmarks."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import Argument, Call, Expr, Literal, normalise_text


class Catalogue:
    """The documented calls of an index.

    Args:
        docs: the documents; of those that share a call, the first stands for it.
    """

    def __init__(self, docs: Iterable[ApiDoc]) -> None:
        self.docs = tuple(docs)
        self.key_of = {doc.id: doc.call_key for doc in self.docs}
        self.by_key: dict[str, ApiDoc] = {}
        for doc in self.docs:
            self.by_key.setdefault(doc.call_key, doc)

    def __len__(self) -> int:
        """How many distinct calls are documented."""
        return len(self.by_key)

    def __contains__(self, key: str) -> bool:
        return key in self.by_key

    def identifier(self, doc: ApiDoc) -> str:
        """The text in a documented call that tells it from the others, such as a model's id.

        The string among its arguments that stands in the fewest documented calls, of several the longest; of a call
        without strings, its function (of a method chain, the first).
        """
        strings = [text for text in strings_in(doc.call) if text.strip()]
        if not strings:
            first = doc.call
            while first.receiver:
                first = first.receiver
            return first.function or doc.api_call
        return min(strings, key=lambda text: (self._calls_with.get(text, 0), -len(text), text))

    @cached_property
    def _calls_with(self) -> Counter[str]:
        return Counter(text for doc in self.by_key.values() for text in set(strings_in(doc.call)))

    def named_by(self, call: Call, *also: ApiDoc) -> str | None:
        """The key of the documented call that `call` names, or `None`.

        It names a documented call when the function is the same and every literal of the documentation stands in its
        place, under its name, or (where the documentation has it by position) under a name of its own. Variables of
        the documentation and parameters that have a schema may have any value or be left out, and further arguments
        don't matter. Of several, the one with most documented literals; of equal ones, the one that it equals, then one
        of `also`, then the first. `also` are documents that needn't be in the catalogue.
        """
        patterns = [*map(self._pattern, also), *self._by_function.get(_last_name(call), ())]
        values = {_key(value) for _, value in call.arguments()}
        best: tuple[int, bool, bool] | None = None
        named = None
        for pattern in patterns:
            matched = pattern.matched(call) if pattern.literals <= values else None
            if matched is None:
                continue
            rank = matched, call.key(pattern.names) == pattern.key, call.key() == pattern.call.key()
            if best is None or rank > best:
                best, named = rank, pattern.key
        return named

    @cached_property
    def _by_function(self) -> dict[str, list[_Pattern]]:
        found: dict[str, list[_Pattern]] = defaultdict(list)
        for doc in self.by_key.values():
            found[_last_name(doc.call)].append(self._pattern(doc))
        return found

    def _pattern(self, doc: ApiDoc) -> _Pattern:
        key = doc.call_key
        if key not in self._patterns:
            self._patterns[key] = _Pattern.of(
                key, doc.call, doc.parameter_names, frozenset(doc.parameters.get("properties", ()))
            )
        return self._patterns[key]

    @cached_property
    def _patterns(self) -> dict[str, _Pattern]:
        return {}


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A documented call, taken apart to be compared with many: the literals it wants, by name or place."""

    key: str
    call: Call
    names: tuple[str, ...]
    wanted: dict[str | int, Argument]
    known: frozenset[str | int]
    literals: frozenset[str]
    receiver: _Pattern | None

    @classmethod
    def of(cls, key: str, call: Call, names: tuple[str, ...], settable: frozenset[str] = frozenset()) -> _Pattern:
        """A call's pattern; `settable` are the parameters that a question may set, whatever the documentation has."""
        bound = dict(call.bind(names).arguments())
        wanted = {name: value for name, value in bound.items() if name not in settable and not _is_variable(value)}
        literals = frozenset(_key(value) for value in wanted.values() if not isinstance(value, Call))
        receiver = cls.of("", call.receiver, ()) if call.receiver else None
        return cls(key, call, names, wanted, frozenset(bound), literals, receiver)

    def matched(self, call: Call) -> int | None:
        """How many literals `call` has of those wanted, all of them, or `None`."""
        if self.call.raw is not None:
            return 0 if call.raw is not None and _text(call.raw) == _text(self.call.raw) else None
        if not same_function(call, self.call):
            return None
        given = dict(call.bind(self.names).arguments())
        free = [value for name, value in given.items() if isinstance(name, str) and name not in self.known]
        for name, value in self.wanted.items():
            if name in given and _fits(given[name], value):
                continue
            other = next((one for one in free if isinstance(name, int) and _fits(one, value)), None)
            if other is None:
                return None
            free.remove(other)
        if self.receiver is None:
            return len(self.wanted)
        inner = self.receiver.matched(call.receiver) if call.receiver else None
        return None if inner is None else len(self.wanted) + inner


def same_function(one: Call, other: Call) -> bool:
    """Whether the dotted names agree, as far as both are written out: `KMeans` is `sklearn.cluster.KMeans`.

    Of method chains, those of what the methods are called on have to agree too.
    """
    if one.raw is not None or other.raw is not None:
        return one.raw is not None and other.raw is not None and _text(one.raw) == _text(other.raw)
    if one.receiver and other.receiver:
        return one.function == other.function and same_function(one.receiver, other.receiver)
    if one.receiver or other.receiver:
        return False
    a, b = one.function.split("."), other.function.split(".")
    shorter = min(len(a), len(b))
    return a[-shorter:] == b[-shorter:]


def strings_in(call: Call) -> list[str]:
    """Every string among a call's arguments, those of nested calls and of what it is called on with them."""
    if call.raw is not None:
        return re.findall(r"['\"]([^'\"]+)['\"]", call.raw)
    found: list[str] = []
    for _, value in call.arguments():
        if isinstance(value, Call):
            found += strings_in(value)
        elif isinstance(value, Literal) and isinstance(value.value, str) and value.value:
            found.append(value.value)
    return found + (strings_in(call.receiver) if call.receiver else [])


def _is_variable(value: Argument) -> bool:
    """Whether an argument may have any value: an expression, unless it is a list or the like that holds texts."""
    return isinstance(value, Expr) and not (value.source[0] in "[({" and any(mark in value.source for mark in "'\""))


def _fits(given: Argument, wanted: Argument) -> bool:
    """Whether an argument is the documented one; of a nested call, by its literals."""
    if isinstance(wanted, Call):
        return isinstance(given, Call) and _Pattern.of("", wanted, ()).matched(given) is not None
    return _key(given) == _key(wanted)


def _last_name(call: Call) -> str:
    return f"raw:{_text(call.raw)}" if call.raw is not None else call.function.rsplit(".", 1)[-1]


def _text(raw: str | None) -> str:
    return normalise_text(raw or "")


def _key(value: Argument) -> str:
    return Call(args=(value,)).key()
