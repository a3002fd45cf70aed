"""`Writer`: one question's conversation with the model, step by step: label, arguments, explanation; or recall.

Each step is a piece of one draft, `{choice, arguments, explanation}`, which is checked as a whole against its full
schema before anything of it is used.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Generator as Pieces
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

from gorilla_rag.answer import NONE, Candidate, Draft
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import Argument, argument
from gorilla_rag.errors import GenerationFailed, UsageError
from gorilla_rag.generate import evidence, prompt, reading, schema, sentence
from gorilla_rag.generate import given as given_values
from gorilla_rag.generate import values as evidence_values
from gorilla_rag.generate.base import Generator, Message, Usage
from gorilla_rag.generate.partial import StringReader
from gorilla_rag.validate import schema_errors, schema_fault

_ARGUMENT_TOKENS = 400
_RECALL_TOKENS = 160
_FURTHER = 4
_STRING = re.compile(r'(?:[^"\\]|\\.)*"', re.DOTALL)
_HINT = "ask again with another model, or report this with the question"


@dataclass(frozen=True, slots=True)
class Filled:
    """A call's arguments as written.

    Attributes:
        values: by parameter name.
        removed: schema keywords that could not be enforced while writing.
        faults: what the full schema, those keywords with it, finds wrong.
        missing: required arguments of a tool or an operation that the question doesn't give.
        written: the arguments as JSON text.
    """

    values: Mapping[str, Argument]
    removed: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    written: str = "{}"


@dataclass(frozen=True, slots=True)
class Labels:
    """What a model thinks of candidates.

    Attributes:
        log_probabilities: of each one's label.
        none: probability that none of them does what is asked; 0 where the model hasn't learnt to say so.
    """

    log_probabilities: tuple[float, ...]
    none: float = 0.0


class Writer:
    """Writes one draft.

    Args:
        generator: gives the model; called only when something has to be written.
        question: as asked.

    Attributes:
        tokens: `prompt`, of which `cached`, and `completion`, over all steps so far.
    """

    def __init__(self, generator: Callable[[], Generator], question: str) -> None:
        self._generator, self._question = generator, question
        self.tokens: dict[str, int] = {"prompt": 0, "cached": 0, "completion": 0}

    def labels(self, candidates: Sequence[Candidate], asked: str) -> Labels:
        """What the model thinks of those candidates that the prompt has room for, in order."""
        model = self._generator()
        request = prompt.CHOOSE_OR_NONE if model.refuses else prompt.CHOOSE
        messages, shown = prompt.choosing(asked, candidates, model.context, model.count_tokens, request)
        labels = [*schema.LABELS[:shown], *([NONE] if model.refuses else [])]
        found, usage = model.label_log_probabilities(messages, prompt.CHOICE_PREFILL, labels, reuse=self._begun())
        self._count(usage)
        return Labels(tuple(found[:shown]), math.exp(found[-1]) if model.refuses else 0.0)

    def calls(
        self,
        doc: ApiDoc,
        choice: str,
        asked: str,
        given: Mapping[str, Any] | None = None,
        *,
        most: int = 1,
        parts: int = 1,
    ) -> list[Filled]:
        """The arguments of one call of a document or, of a tool or an operation, of as many as are asked for.

        Args:
            doc: the document.
            choice: its label.
            asked: what of the question is about it.
            given: arguments beside the question; of several calls, those that lack them get them.
            most: how many calls there may be.
            parts: how many parts of the question are about the document.

        Raises:
            GenerationFailed: what was written breaks what the grammar enforces.
            UsageError: the document's parameters are no JSON Schema, or an argument is given that the document doesn't
                have, or one that isn't JSON.
        """
        if doc.parameters and (fault := schema_fault(doc.parameters)):
            raise UsageError(f"the parameters of {doc.id!r} are no JSON Schema: {fault}", hint="mend the document")
        if doc.kind != "python":
            return self._typed(doc, choice, asked, given or {}, number_of_calls(doc, asked, most=most, parts=parts))
        offered = evidence.narrowed(doc, asked)
        if offered is None:
            return [Filled({})]
        (values,), removed = self._filled(doc, choice, asked, offered, (1, 1))
        faults = tuple(schema_errors(values, schema.arguments_schema(doc)))
        return [Filled(_arguments(values), removed, faults, (), json.dumps(values))]

    def _typed(
        self, doc: ApiDoc, choice: str, asked: str, given: Mapping[str, Any], number: tuple[int, int]
    ) -> list[Filled]:
        """The arguments of a tool or an operation: each of its type, and copied from the question or given."""
        most = number[1]
        full = schema.arguments_schema(doc)
        told = given_values.told(given, full)
        whole = {name for name, value in told.items() if most == 1 and not isinstance(value, Mapping)}
        rest = {name: one for name, one in full.get("properties", {}).items() if name not in whole}
        needed = [name for name in full.get("required", []) if name in rest]
        wanted = {**full, "properties": rest, "required": needed}
        offer = _compilable_offer(wanted, asked, self._question, single=most == 1)
        each, removed = self._filled(doc, choice, asked, offer, number) if offer else ([{}], ())
        made = []
        for written in _distinct([given_values.without_repeats(one, offer or {}) for one in each]):
            both = (written, told) if most == 1 else (told, _there(written))
            made.append(_judged(full, given_values.merged(*both), removed))
        return made

    def _filled(
        self, doc: ApiDoc, choice: str, asked: str, offered: Mapping[str, Any], number: tuple[int, int]
    ) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
        """What the model writes of the arguments that it is offered, and what of their schema wasn't enforced."""
        model, most = self._generator(), number[1]
        wanted, key = wanted_arguments(offered, number)
        grammar, removed = schema.arguments_grammar(wanted)
        kept = schema.compilable(wanted).schema
        messages, begun = prompt.filling(asked, doc, choice, model.context, model.count_tokens, key=key)
        form = schema.filling_schema(choice, kept, key=key)
        written = "".join(self._written(messages, begun, grammar, form, _ARGUMENT_TOKENS))
        values = [_draft(begun + written + "}")[key]] if most == 1 else list(_whole_items(written))
        if broken := schema_errors(values[0] if most == 1 else values, kept):
            raise GenerationFailed(f"the arguments break their grammar: {broken[0]}", hint=_HINT)
        return values, removed

    def unmasked(self, candidates: Sequence[Candidate], *, most: int) -> tuple[list[tuple[str, Any]], str]:
        """Calls of tools or operations, names with arguments, as the model writes them with nothing masked.

        Returns:
            The calls, and why none could be read; one of the two is empty.
        """
        model = self._generator()
        messages, written = prompt.calling(
            self._question, candidates, model.context, model.count_tokens, several=most > 1
        )
        with closing(self._written(messages, written, None, None, _ARGUMENT_TOKENS)) as pieces:
            for piece in pieces:
                written += piece
                if piece.rstrip().endswith(("}", "]", "`")) and reading.first_value(written) is not None:
                    break
            _ = list(islice(pieces, _FURTHER))  # a fence is closed, and a server says at the very end what it took
        try:
            return reading.calls(written)[:most], ""
        except ValueError as error:
            return [], f"the model wrote no call: {error}"

    def judged(self, doc: ApiDoc | None, values: Mapping[str, Any], given: Mapping[str, Any], *, most: int) -> Filled:
        """Arguments that nothing held to a schema, with those given as in `calls`, and what the document's finds wrong.

        Raises:
            UsageError: an argument is given that the document doesn't have, or one that isn't JSON.
        """
        if doc is None:
            return Filled(_arguments(values), written=json.dumps(values))
        full = schema.arguments_schema(doc)
        told = given_values.told(given, full)
        values = given_values.merged(*((values, told) if most == 1 else (told, values)))
        missing = tuple(name for name in full.get("required", ()) if name not in values)
        faults = tuple(one for one in schema_errors(values, full, formats=True) if not _is_of(one, missing))
        return Filled(_arguments(values), (), faults, missing, json.dumps(values))

    def explanation(self, doc: ApiDoc, choice: str, filled: Filled) -> Iterator[str]:
        """What a call does for this question, in pieces as it is written; begins with the API's name.

        Raises:
            GenerationFailed: the finished draft doesn't fit its full schema.
        """
        model = self._generator()
        messages, begun = prompt.writing(self._question, doc, choice, filled.written, model.context, model.count_tokens)
        subject, arguments = prompt.subject(doc), json.loads(filled.written)
        yield subject
        read = f"{messages[-1]['content']}\n{filled.written}"
        grammar, limit = sentence.grammar(read)
        form = schema.draft_schema(choice, arguments, pattern=sentence.pattern(subject, read))
        text, reader, written = subject, StringReader(), ""
        for piece in self._written(messages, begun, grammar, form, limit):
            written += piece
            if fresh := reader.feed(piece):
                text += fresh
                yield fresh
        if errors := schema_errors(_draft(begun + written), schema.draft_schema(choice, arguments)):
            raise GenerationFailed(f"the draft breaks its schema: {errors[0]}", hint=_HINT)
        if not text.rstrip().endswith((".", "!", "?")):
            yield "."

    def recall(
        self, candidates: Sequence[Candidate], catalogue: Mapping[str, str] | None, *, call_only: bool = False
    ) -> tuple[Draft | None, str]:
        """A call that isn't held to the found documents: any of the catalogue, or whatever the model writes.

        Args:
            candidates: documents to show, if any.
            catalogue: the calls that may be written; `None` for anything.
            call_only: stop when the call is written.

        Returns:
            The draft, or `None` and why there is none.
        """
        model = self._generator()
        messages = prompt.recalling(self._question, candidates, model.context, model.count_tokens)
        grammar = schema.choice_grammar(list(catalogue)) if catalogue is not None else None
        if catalogue is not None and not catalogue:
            return None, "the index is empty"
        form = schema.recall_schema(None if catalogue is None else list(catalogue), call_only=call_only)
        written = ""
        with closing(self._written(messages, prompt.RECALL_PREFILL, grammar, form, _RECALL_TOKENS)) as pieces:
            for piece in pieces:
                written += piece
                if call_only and (finished := _STRING.match(written)):
                    written = finished.group() + ("" if grammar else "}")
                    break
        try:
            found = _draft(prompt.RECALL_PREFILL + written + ("}" if grammar else ""))
        except GenerationFailed as error:
            return None, error.message
        call = found.get("api_call")
        if not isinstance(call, str) or not call.strip():
            return None, "the model wrote no api_call"
        return Draft(call, {}, str(found.get("explanation", ""))), ""

    def _written(
        self, messages: Sequence[Message], begun: str, grammar: str | None, form: Mapping[str, Any] | None, limit: int
    ) -> Pieces[str, None, None]:
        """The model's text in pieces; what it took is counted also when the reader leaves early."""
        usage = Usage(0, 0, 0, "")
        stream = self._generator().stream(
            messages, begun, grammar=grammar, max_tokens=limit, reuse=self._begun(), schema=form
        )
        try:
            for item in stream:
                if isinstance(item, Usage):
                    usage = item
                else:
                    yield item
        finally:
            self._count(usage)

    def _begun(self) -> bool:
        """Whether this question has been put to the model before: the first step of each starts afresh."""
        return self.tokens["prompt"] > 0

    def _count(self, usage: Usage) -> None:
        self.tokens["prompt"] += usage.prompt
        self.tokens["cached"] += usage.cached
        self.tokens["completion"] += usage.completion


def number_of_calls(doc: ApiDoc, asked: str, *, most: int, parts: int = 1) -> tuple[int, int]:
    """How many calls of a tool or an operation a question may get, at least and at most; see `Writer.calls`."""
    least, listed = evidence_values.calls_asked(schema.arguments_schema(doc), asked) if most > 1 else (1, 1)
    return min(least, most), min(most, max(parts, listed))


def wanted_arguments(offered: Mapping[str, Any], number: tuple[int, int]) -> tuple[dict[str, Any], str]:
    """The schema of what is written of the arguments that are offered, and the draft's key that it stands under.

    Args:
        offered: the schema of one call's arguments.
        number: of calls, at least and at most.
    """
    least, most = number
    if most == 1:
        return dict(offered), "arguments"
    return {"type": "array", "items": offered, "minItems": least, "maxItems": most}, "calls"


def offered_arguments(doc: ApiDoc, question: str, *, single: bool = True) -> Mapping[str, Any] | None:
    """The schema of the arguments that a question may be giving a call of a document; `None` where it gives none.

    Args:
        doc: the document.
        question: as asked.
        single: whether one call is written, or a list of them.
    """
    if doc.kind == "python":
        return evidence.narrowed(doc, question)
    return _compilable_offer(schema.arguments_schema(doc), question, question, single=single)


def _compilable_offer(
    parameters: Mapping[str, Any], asked: str, question: str, *, single: bool = True
) -> dict[str, Any] | None:
    """What a part of the question gives and, of what is required and isn't there, the whole of it.

    With shorter texts, and then nothing, where the grammar of it all would be too large.
    """
    for longest in (evidence_values.LONGEST_TEXT, 4, 1):
        offer = evidence_values.offered(parameters, asked, longest=longest, single=single)
        if asked != question:
            further = evidence_values.offered(parameters, question, longest=longest, single=single)
            offer = _with_required(offer, further)
        if offer is None or not any(one.startswith("/: everything") for one in schema.compilable(offer).removed):
            return offer
    return None


def _with_required(offer: dict[str, Any] | None, further: dict[str, Any] | None) -> dict[str, Any] | None:
    """An offer with those required arguments of another that it lacks."""
    if offer is None or further is None:
        return offer or further
    lacking = [name for name in further["required"] if name not in offer["properties"]]
    properties = offer["properties"] | {name: further["properties"][name] for name in lacking}
    return {**offer, "properties": properties, "required": [*offer["required"], *lacking]}


def _judged(full: Mapping[str, Any], given: Mapping[str, Any], removed: tuple[str, ...]) -> Filled:
    """Arguments as they are sent, with what is missing and what the whole schema finds wrong."""
    values, missing = given_values.completed(given, full)
    values = {name: values[name] for name in full.get("properties", {}) if name in values}
    faults = tuple(one for one in schema_errors(values, full, formats=True) if not _is_of(one, missing))
    return Filled(_arguments(values), removed, faults, missing, json.dumps(values))


def _arguments(values: Mapping[str, Any]) -> dict[str, Argument]:
    return {name: argument(value) for name, value in values.items()}


def _distinct(calls: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The calls, without those that give no argument a value that no call before them has."""
    seen: set[str] = set()
    for number, call in enumerate(calls):
        values = {json.dumps(value) for value in call.values() if value is not None}
        if not number or not values <= seen:
            yield call
        seen |= values


def _there(values: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments without those that the question doesn't give."""
    return {name: value for name, value in values.items() if value is not None}


def _whole_items(written: str) -> Iterator[dict[str, Any]]:
    """The objects of a JSON list, without the last where the list was cut off in it."""
    decoder, place = json.JSONDecoder(), written.index("[") + 1
    while place < len(written) and written[place] != "]":
        try:
            value, end = decoder.raw_decode(written, place)
        except ValueError:
            return
        yield value
        place = end + 2 if written[end : end + 2] == ", " else end + 1 if written[end : end + 1] == "," else end


def _is_of(fault: str, missing: Sequence[str]) -> bool:
    """Whether a fault of the schema says only that a missing argument isn't there."""
    return any(fault.endswith(f"{one.rpartition('.')[2]!r} is a required property") for one in missing)


def _draft(text: str) -> Any:
    """The object that a text begins with."""
    try:
        found, _ = json.JSONDecoder().raw_decode(text)
    except ValueError as error:
        raise GenerationFailed(f"the model's text isn't JSON: {error}", hint=_HINT) from error
    return found
