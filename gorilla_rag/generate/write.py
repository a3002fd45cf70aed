"""`Writer`: one question's conversation with the model, step by step: label, arguments, explanation; or recall.

Each step is a piece of one draft, `{choice, arguments, explanation}`, which is checked as a whole against its full
schema before anything of it is used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Generator as Pieces
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from gorilla_rag.answer import Candidate, Draft
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import Argument, argument
from gorilla_rag.errors import GenerationFailed, UsageError
from gorilla_rag.generate import evidence, prompt, schema
from gorilla_rag.generate import values as evidence_values
from gorilla_rag.generate.base import Generator, Message, Usage
from gorilla_rag.generate.partial import StringReader
from gorilla_rag.validate import schema_errors, schema_fault

_ARGUMENT_TOKENS = 400
_RECALL_TOKENS = 160
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
    """

    values: Mapping[str, Argument]
    removed: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


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
        self._arguments = "{}"
        self.tokens: dict[str, int] = {"prompt": 0, "cached": 0, "completion": 0}

    def labels(self, candidates: Sequence[Candidate]) -> list[float]:
        """Log-probabilities of the labels of those candidates that the prompt has room for, in order."""
        model = self._generator()
        messages, shown = prompt.choosing(self._question, candidates, model.context, model.count_tokens)
        found, usage = model.label_log_probabilities(
            messages, prompt.CHOICE_PREFILL, schema.LABELS[:shown], reuse=self._begun()
        )
        self._count(usage)
        return found

    def arguments(self, doc: ApiDoc, choice: str, given: Mapping[str, Any] | None = None) -> Filled:
        """The values that the question gives the call's parameters, and those that are given beside it.

        Raises:
            GenerationFailed: what was written breaks what the grammar enforces.
            UsageError: the document's parameters are no JSON Schema, or an argument is given that they don't have.
        """
        if doc.parameters and (fault := schema_fault(doc.parameters)):
            raise UsageError(f"the parameters of {doc.id!r} are no JSON Schema: {fault}", hint="mend the document")
        if doc.kind != "python":
            return self._typed(doc, choice, given or {})
        offered = evidence.narrowed(doc, self._question)
        if offered is None:
            return Filled({})
        values, removed = self._filled(doc, choice, offered)
        faults = tuple(schema_errors(values, schema.arguments_schema(doc)))
        return Filled({name: argument(value) for name, value in values.items()}, removed, faults)

    def _typed(self, doc: ApiDoc, choice: str, given: Mapping[str, Any]) -> Filled:
        """The arguments of a tool or an operation: each of its type, and copied from the question or given."""
        full = schema.arguments_schema(doc)
        told = evidence_values.told(given, full)
        whole = {name for name, value in told.items() if not isinstance(value, Mapping)}
        rest = {name: one for name, one in full.get("properties", {}).items() if name not in whole}
        needed = [name for name in full.get("required", []) if name in rest]
        offer = _compilable_offer({**full, "properties": rest, "required": needed}, self._question)
        written, removed = self._filled(doc, choice, offer) if offer else ({}, ())
        values, missing = evidence_values.completed(evidence_values.merged(written, told), full)
        values = {name: values[name] for name in full.get("properties", {}) if name in values}
        self._arguments = json.dumps(values)
        faults = tuple(one for one in schema_errors(values, full, formats=True) if not _is_of(one, missing))
        return Filled({name: argument(value) for name, value in values.items()}, removed, faults, missing)

    def _filled(self, doc: ApiDoc, choice: str, offered: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """What the model writes of the arguments that it is offered, and what of their schema wasn't enforced."""
        model = self._generator()
        grammar, removed = schema.arguments_grammar(offered)
        kept = schema.compilable(offered).schema
        messages, begun = prompt.filling(self._question, doc, choice, model.context, model.count_tokens)
        form = schema.filling_schema(choice, kept)
        written = "".join(self._written(messages, begun, grammar, form, _ARGUMENT_TOKENS))
        values = _draft(begun + written + "}")["arguments"]
        if broken := schema_errors(values, kept):
            raise GenerationFailed(f"the arguments break their grammar: {broken[0]}", hint=_HINT)
        self._arguments = json.dumps(values)
        return values, removed

    def explanation(self, doc: ApiDoc, choice: str) -> Iterator[str]:
        """What the call does for this question, in pieces as it is written; begins with the API's name.

        Raises:
            GenerationFailed: the finished draft doesn't fit its full schema.
        """
        model = self._generator()
        messages, begun = prompt.writing(
            self._question, doc, choice, self._arguments, model.context, model.count_tokens
        )
        subject, arguments = prompt.subject(doc), json.loads(self._arguments)
        yield subject
        grammar, limit = schema.explanation_grammar(doc)
        form = schema.draft_schema(choice, arguments, pattern=schema.explanation_pattern(doc, subject))
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
        self, messages: Sequence[Message], begun: str, grammar: str | None, form: Mapping[str, Any], limit: int
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


def _compilable_offer(parameters: Mapping[str, Any], question: str) -> dict[str, Any] | None:
    """What the question gives; with shorter texts, and then nothing, where the grammar of it all would be too large."""
    for longest in (evidence_values.LONGEST_TEXT, 4, 1):
        offer = evidence_values.offered(parameters, question, longest=longest)
        if offer is None or not any(one.startswith("/: everything") for one in schema.compilable(offer).removed):
            return offer
    return None


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
