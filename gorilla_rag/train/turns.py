"""Turns: what a language model reads and what it should then write, step by step as `ask` puts questions to it.

The conversations are those of `generate/prompt.py`, and what is to be written is held to what the grammar of the same
question lets be written. Knows nothing of tokens, weights or training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gorilla_rag.answer import NONE, Candidate
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import EXPR_KEY
from gorilla_rag.generate import given as given_values
from gorilla_rag.generate import prompt, sentence
from gorilla_rag.generate.base import Message
from gorilla_rag.generate.prompt import CountTokens
from gorilla_rag.generate.schema import LABELS, arguments_schema
from gorilla_rag.generate.write import number_of_calls, offered_arguments, wanted_arguments
from gorilla_rag.parts import parts as question_parts
from gorilla_rag.validate import schema_errors

Step = Literal["choose", "fill", "explain", "recall"]
MOST_CALLS = 8


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a model.

    Attributes:
        step: what it does: picks a label, fills in arguments, explains, or writes a call from memory.
        messages: the conversation before it.
        prefill: how the turn begins.
        target: what is to be written behind that.
        source: the corpus that the question is from.
        then: what the user says next, and what is then to be written behind the same beginning; in a conversation
            several questions are asked about the same documents.
    """

    step: Step
    messages: tuple[Message, ...]
    prefill: str
    target: str
    source: str
    then: tuple[tuple[Message, str], ...] = ()

    @property
    def is_refusal(self) -> bool:
        """Whether `none` of the documents is right."""
        return self.step == "choose" and self.target.startswith(NONE)

    @property
    def may_refuse(self) -> bool:
        """Whether the model is told that it may answer `none`."""
        return self.step == "choose" and self.messages[-1]["content"].endswith(prompt.CHOOSE_OR_NONE)


@dataclass(frozen=True, slots=True)
class Reader:
    """How a model reads: what a prompt is cut to.

    Attributes:
        context: tokens of prompt and completion together.
        count_tokens: how many tokens a text has.
    """

    context: int
    count_tokens: CountTokens


class Unwritable(Exception):
    """What should be written is nothing that the grammar of its question allows."""


def choosing(
    question: str,
    candidates: Sequence[Candidate],
    right: int | None,
    reader: Reader,
    *,
    source: str,
    may_refuse: bool = False,
    then: Sequence[tuple[str, int | None]] = (),
) -> Turn:
    """The label of the right candidate, by its number from 0; `none` where none is right.

    Args:
        question: as asked.
        candidates: in the order in which they are shown.
        right: the number of the right one.
        reader: how the model reads.
        source: the corpus.
        may_refuse: whether the model is told that it may answer `none`.
        then: further questions about the same candidates, and of each the number of the right one. Those about a
            candidate that the prompt has no room for are left out.

    Raises:
        Unwritable: the prompt has no room for the right one.
    """
    request = prompt.CHOOSE_OR_NONE if may_refuse else prompt.CHOOSE
    messages, shown = prompt.choosing(question, candidates, reader.context, reader.count_tokens, request)
    if right is not None and right >= shown:
        raise Unwritable(f"the prompt has room for {shown} of {len(candidates)} candidates")
    more = tuple(
        (prompt.choosing_again(other, reader.context, reader.count_tokens, request), _label(place))
        for other, place in then
        if place is None or place < shown
    )
    return Turn("choose", tuple(messages), prompt.CHOICE_PREFILL, _label(right), source, more)


def _label(right: int | None) -> str:
    """What is written of a candidate's number, from 0."""
    return f'{NONE if right is None else LABELS[right]}"}}'


def filling(
    question: str,
    doc: ApiDoc,
    calls: Sequence[Mapping[str, Any]],
    label: str,
    reader: Reader,
    *,
    source: str,
    most: int = MOST_CALLS,
) -> Turn | None:
    """The arguments of each call that a question asks for; `None` where there is nothing to write.

    Args:
        question: as asked.
        doc: the document of the call.
        calls: the right arguments of each, by name.
        label: the document's.
        reader: how the model reads.
        source: the corpus.
        most: how many calls an answer may have; the conversation is another where there may be several. Each part of
            the question is taken to be about the document.

    Raises:
        Unwritable: the question isn't seen to give one of the values, or so many calls.
    """
    parts = len(question_parts(question)) if most > 1 else 1
    number = (1, 1) if doc.kind == "python" else number_of_calls(doc, question, most=most, parts=parts)
    offered = offered_arguments(doc, question, single=number[1] == 1)
    if offered is None:
        return None
    wanted, key = wanted_arguments(offered, number)
    if not number[0] <= len(calls) <= number[1]:
        raise Unwritable(f"{len(calls)} calls where the question is read as {number[0]} to {number[1]}")
    written = [_written(offered, call, doc) for call in calls]
    value = written if key == "calls" else written[0]
    if errors := schema_errors(value, wanted):
        raise Unwritable(errors[0])
    messages, begun = prompt.filling(question, doc, label, reader.context, reader.count_tokens, key=key)
    return Turn("fill", tuple(messages), begun, _json(value), source)


def shown_arguments(question: str, doc: ApiDoc, call: Mapping[str, Any]) -> dict[str, Any]:
    """A call's arguments as they stand before an explanation: in the schema's order, defaults and variables with them.

    Raises:
        Unwritable: a value that is needed has nothing that stands for it.
    """
    if doc.kind == "python":
        offered = offered_arguments(doc, question)
        return _written(offered, call, doc) if offered else {}
    full = arguments_schema(doc)
    values, _ = given_values.completed(dict(call), full)
    return {name: values[name] for name in full.get("properties", {}) if name in values}


def explaining(
    question: str,
    doc: ApiDoc,
    arguments: Mapping[str, Any],
    explanation: str,
    label: str,
    reader: Reader,
    *,
    source: str,
) -> Turn:
    """A sentence about the call with these arguments, as they are shown; it begins with the API's name.

    Raises:
        Unwritable: it begins otherwise, or isn't what an explanation may be (`generate/sentence.py`): one sentence, its
            length bounded, with no names or numbers but those that the model has read.
    """
    subject, written = prompt.subject(doc), json.dumps(dict(arguments))
    messages, begun = prompt.writing(question, doc, label, written, reader.context, reader.count_tokens)
    rest, read = explanation.removeprefix(subject), f"{messages[-1]['content']}\n{written}"
    if not explanation.startswith(f"{subject} ") or not sentence.fits(rest, read):
        raise Unwritable(f"the explanation isn't one plain sentence that begins with {subject!r}")
    return Turn("explain", tuple(messages), begun, f'{explanation.removeprefix(subject)}"}}', source)


def recalling(question: str, call: str, explanation: str, reader: Reader, *, source: str) -> Turn:
    """A call from memory and a sentence about it, with no document shown."""
    messages = prompt.recalling(question, (), reader.context, reader.count_tokens)
    written = _json({"api_call": call, "explanation": explanation})
    return Turn("recall", tuple(messages), prompt.RECALL_PREFILL, written.removeprefix(prompt.RECALL_PREFILL), source)


def _json(value: Any) -> str:
    """JSON as the grammar writes it: letters of every alphabet as they are."""
    return json.dumps(value, ensure_ascii=False)


def _written(offered: Mapping[str, Any], given: Mapping[str, Any], doc: ApiDoc) -> dict[str, Any]:
    """The arguments as the model would write them: in the schema's order, what isn't given as `null` or a variable.

    Values that the question isn't seen to give have no place there and are left out.
    """
    made: dict[str, Any] = {}
    for name, schema in offered["properties"].items():
        if name in given:
            made[name] = _value(schema, given[name], doc)
        elif name in offered.get("required", ()):
            made[name] = _absent(schema, name, doc)
    return made


def _value(schema: Mapping[str, Any], value: Any, doc: ApiDoc) -> Any:
    if isinstance(value, Mapping) and "properties" in schema:
        return _written(schema, value, doc)
    options = schema.get("enum", ())
    return next((one for one in options if one == value and isinstance(one, bool) == isinstance(value, bool)), value)


def _absent(schema: Mapping[str, Any], name: str, doc: ApiDoc) -> Any:
    """What stands for a required argument that isn't given.

    Raises:
        Unwritable: nothing may.
    """
    if "const" in schema:
        return schema["const"]
    if doc.kind == "python":
        return {EXPR_KEY: name}
    if "properties" in schema and not schema_errors(empty := _written(schema, {}, doc), schema):
        return empty
    if schema_errors(None, schema):
        raise Unwritable(f"{name} is needed and isn't given")
    return None
