"""One question's way to its answer: search, choose, write, verify. Knows every step and the inside of none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gorilla_rag import parts
from gorilla_rag.answer import Answer, Candidate, Hit, Verdict
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.ask import Ask
from gorilla_rag.call import Call, parse_or_raw
from gorilla_rag.choose import Choice, choose
from gorilla_rag.errors import UsageError
from gorilla_rag.generate.base import Generator
from gorilla_rag.generate.schema import LABELS
from gorilla_rag.generate.write import Filled, Writer
from gorilla_rag.index.index import RETRIEVALS, Index
from gorilla_rag.snippet import code_for
from gorilla_rag.verify import placeholders, verify

# The model's own refusal counts from this probability of `none`: it is likelier than all documents together.
NONE_REFUSES = 0.5
# Of a part of a question: at least this likely to be answered by a document, or it only tells more of the others.
PART_FIT = 0.5


@dataclass(frozen=True, slots=True)
class Event:
    """One step of an answer as it is made.

    Attributes:
        kind: `hits` (the documents are found), `call` (the call is known), `text` (a piece of the explanation),
            `answer` (the whole; always last).
        answer: what is known so far.
        text: the piece, for `text`.
    """

    kind: Literal["hits", "call", "text", "answer"]
    answer: Answer
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Step:
    """A document to call, how it was chosen, what of the question is about it, and how many parts of that chose it."""

    candidate: Candidate
    choice: Choice
    asked: str
    parts: int = 1

    @property
    def doc(self) -> ApiDoc:
        return self.candidate.doc

    @property
    def label(self) -> str:
        return LABELS[self.choice.number]

    def with_more(self, asked: str, *, chosen: bool) -> _Step:
        """The same with more of the question behind it."""
        return replace(self, asked=f"{self.asked} {asked}", parts=self.parts + chosen)


@dataclass(frozen=True, slots=True)
class _Made:
    """A call, the document that it was made from, if it was made from one, and how its arguments were filled in."""

    call: Call
    doc: ApiDoc | None
    filled: Filled = field(default_factory=lambda: Filled({}))


class Flow:
    """Answers one question.

    Args:
        index: where documents are found.
        generator: gives the language model when it is first needed.
        loaded: whether the model is there already; loading it is a step of its own in the timings.
    """

    def __init__(self, index: Index, generator: Callable[[], Generator], loaded: Callable[[], bool]) -> None:
        self._index, self._generator, self._loaded = index, generator, loaded

    def answers(self, question: str, ask: Ask) -> Iterator[Event]:
        """The answer step by step; the last event has the whole of it."""
        clock, writer = _Clock(), Writer(self._generator, question)
        answer = Answer(question=question, mode=ask.mode)
        texts = self._texts(question, ask)
        found = self._candidates(texts, ask)
        clock.mark("search")
        answer = replace(answer, hits=_hits(found), timings=clock.timings)
        if ask.mode != "zero-shot" and not found[0]:
            yield Event("answer", replace(answer, reason="no document was found for these words and filters"))
            return
        yield Event("hits", answer)
        if ask.constrain == "docs" and found[0]:
            yield from self._grounded(writer, answer, dict(zip(texts, found, strict=True)), ask, clock)
        else:
            yield from self._free(writer, answer, found[0], ask, clock)

    def _texts(self, question: str, ask: Ask) -> list[str]:
        """The question, and its parts where several calls may answer it."""
        if ask.calls == 1 or ask.constrain != "docs":
            return [question]
        return list(dict.fromkeys([question, *parts.parts(question)]))

    def _candidates(self, texts: Sequence[str], ask: Ask) -> list[list[Candidate]]:
        """The candidates of each text."""
        if ask.mode == "oracle":
            shown = enumerate(ask.shown, start=1)
            given = [Candidate((Hit(doc, 1.0, rank, {"oracle": (rank, 1.0)}),)) for rank, doc in shown]
            return [given] * len(texts)
        if ask.mode not in RETRIEVALS:
            return [[]] * len(texts)
        return self._index.candidates_many(texts, mode=ask.mode, k=ask.k, filters=ask.filters, weights=ask.weights)

    def _grounded(
        self, writer: Writer, answer: Answer, found: Mapping[str, list[Candidate]], ask: Ask, clock: _Clock
    ) -> Iterator[Event]:
        """Calls of the found documents."""
        steps = self._steps(writer, answer.question, found, ask)
        clock.mark("choose")
        confidence, fit = min(step.choice.confidence for step in steps), min(step.choice.fit for step in steps)
        answer = replace(answer, confidence=confidence, fit=fit if ask.mode in RETRIEVALS else None)
        if reason := _unfit(steps[0].choice, ask):
            yield Event("answer", replace(answer, reason=reason, tokens=writer.tokens, timings=clock.timings))
            return
        answer = _from_documents(answer, [step.doc for step in steps])
        each = list(self._made(writer, steps, ask))
        made = [one for some in each for one in some]
        answer = _with_calls(answer, made)
        clock.mark("arguments")
        yield Event("call", replace(answer, tokens=writer.tokens))
        if ask.fields == "all" and not self._loaded():
            _ = self._generator()
            clock.mark("load model")
        explanation = ""
        for piece in _explained(writer, steps, each) if ask.fields == "all" else ():
            explanation += piece
            yield Event("text", replace(answer, explanation=explanation), piece)
        clock.mark("explain")
        yield Event("answer", self._finished(replace(answer, explanation=explanation), made, writer, clock))

    def _steps(self, writer: Writer, question: str, found: Mapping[str, list[Candidate]], ask: Ask) -> list[_Step]:
        """What to call, in the order of the question; neighbouring parts about one document are one step.

        A part that no document answers, or not surely enough, tells more of the one before it (or after it, if it is
        the first); where fewer than two steps are left, the question is asked as a whole.
        """
        steps: list[_Step] = []
        before = ""
        for text, candidates in list(found.items())[1:]:
            step = self._step(writer, text, candidates, ask) if candidates else None
            if step is None or step.choice.fit < PART_FIT or _unfit(step.choice, ask):
                if steps:
                    steps[-1] = steps[-1].with_more(text, chosen=False)
                else:
                    before = f"{before} {text}".strip()
            elif steps and steps[-1].doc.call_key == step.doc.call_key:
                steps[-1] = steps[-1].with_more(text, chosen=True)
            else:
                steps.append(replace(step, asked=f"{before} {text}".strip()))
                before = ""
        if len(steps) > 1:
            return steps[: ask.calls]
        whole = self._step(writer, question, found[question], ask)
        return [replace(whole, parts=max([1, *(one.parts for one in steps)]))]

    def _step(self, writer: Writer, text: str, candidates: Sequence[Candidate], ask: Ask) -> _Step:
        """Chooses among the candidates of a text."""
        if ask.chooser == "retriever" or (len(candidates) == 1 and not self._generator().refuses):
            choice = choose(candidates, mode=ask.mode, chooser="retriever")
        else:
            shown = writer.labels(candidates, text)
            choice = choose(
                candidates[: len(shown.log_probabilities)],
                mode=ask.mode,
                chooser=ask.chooser,
                log_probabilities=shown.log_probabilities,
                weight=self._generator().joint_weight,
                none=shown.none,
            )
        return _Step(candidates[choice.number], choice, text)

    def _made(self, writer: Writer, steps: Sequence[_Step], ask: Ask) -> Iterator[list[_Made]]:
        """The calls of each step: one or, of a tool or an operation, as many as the question asks for."""
        left, given = ask.calls, _given([step.doc for step in steps], ask)
        for number, step in enumerate(steps):
            most = left - (len(steps) - number - 1)
            filled = writer.calls(step.doc, step.label, step.asked, given[number], most=most, parts=step.parts)
            left -= len(filled)
            names = step.doc.parameter_names
            yield [_Made(step.doc.call.with_arguments(one.values, names), step.doc, one) for one in filled]

    def _free(
        self, writer: Writer, answer: Answer, candidates: list[Candidate], ask: Ask, clock: _Clock
    ) -> Iterator[Event]:
        """A call from anywhere in the catalogue, or from nowhere but the model."""
        if ask.constrain == "none" and candidates and candidates[0].doc.kind != "python":
            yield from self._unmasked(writer, answer, candidates, ask, clock)
            return
        catalogue = self._index.store.catalogue() if ask.constrain == "catalogue" else None
        draft, reason = writer.recall(candidates, catalogue, call_only=ask.fields == "call")
        clock.mark("recall")
        if draft is None:
            yield Event("answer", replace(answer, reason=reason, tokens=writer.tokens, timings=clock.timings))
            return
        call = parse_or_raw(draft.choice)
        key = catalogue.get(draft.choice) if catalogue else call.key()
        docs = self._index.store.of_call(key or "")
        made = [_Made(call, None)]
        if docs:
            answer = _from_documents(answer, docs[:1])
            made = [_Made(docs[0].call if catalogue else call, docs[0])]
        if docs and catalogue and docs[0].kind != "python":
            (filled,) = writer.calls(docs[0], LABELS[0], answer.question, ask.given)
            made = [_Made(made[0].call.with_arguments(filled.values, docs[0].parameter_names), docs[0], filled)]
        answer = _with_calls(replace(answer, explanation=draft.explanation), made)
        yield Event("call", replace(answer, tokens=writer.tokens))
        if draft.explanation:
            yield Event("text", answer, draft.explanation)
        yield Event("answer", self._finished(answer, made, writer, clock))

    def _unmasked(
        self, writer: Writer, answer: Answer, candidates: list[Candidate], ask: Ask, clock: _Clock
    ) -> Iterator[Event]:
        """Calls of tools or operations as the model writes them, with nothing masked."""
        written, reason = writer.unmasked(candidates, most=ask.calls)
        clock.mark("arguments")
        if reason:
            yield Event("answer", replace(answer, reason=reason, tokens=writer.tokens, timings=clock.timings))
            return
        known = {one.doc.call.function: one.doc for one in reversed(candidates)}
        docs, made = [known.get(name) for name, _ in written], []
        for (name, values), doc, given in zip(written, docs, _given(docs, ask), strict=True):
            filled = writer.judged(doc, values, given, most=ask.calls)
            call = doc.call.with_arguments(filled.values, doc.parameter_names) if doc else Call(function=name)
            made.append(_Made(call if doc else call.with_arguments(filled.values), doc, filled))
        if found := [doc for doc in docs if doc]:
            answer = _from_documents(answer, found)
        answer = _with_calls(answer, made)
        yield Event("call", replace(answer, tokens=writer.tokens))
        yield Event("answer", self._finished(answer, made, writer, clock))

    def _finished(self, answer: Answer, made: Sequence[_Made], writer: Writer, clock: _Clock) -> Answer:
        """The answer with its code, its verdict and what it took."""
        codes = [code_for(one.doc, one.call) if one.doc else one.call.render() for one in made]
        checks = [self._verdict(one, code).checks for one, code in zip(made, codes, strict=True)]
        further = [
            replace(check, call=check.call or one.call.render())
            for one, own in zip(made[1:], checks[1:], strict=True)
            for check in own
        ]
        clock.mark("verify")
        return replace(
            answer,
            code=_joined(codes),
            verdict=Verdict((*checks[0], *further)),
            timings=clock.timings,
            tokens=writer.tokens,
        )

    def _verdict(self, made: _Made, code: str) -> Verdict:
        filled, lookup = made.filled, self._index.store.of_function
        return verify(
            made.call, code, lookup, doc=made.doc, removed=filled.removed, faults=filled.faults, missing=filled.missing
        )


class _Clock:
    """Seconds by step, in the order in which the steps came."""

    def __init__(self) -> None:
        self.timings: dict[str, float] = {}
        self._last = time.perf_counter()

    def mark(self, step: str) -> None:
        """Ends a step."""
        now = time.perf_counter()
        self.timings = {**self.timings, step: now - self._last}
        self._last = now


def _unfit(choice: Choice, ask: Ask) -> str:
    """Why the chosen one isn't called; empty where it is."""
    if choice.none > NONE_REFUSES:
        return f"the model says that none of the documents does it, with probability {choice.none:.2f}"
    if choice.confidence < ask.threshold:
        return f"the best call has confidence {choice.confidence:.2f}, below {ask.threshold:.2f}"
    if choice.fit < ask.least_fit:
        return f"the best document answers it with probability {choice.fit:.2f}, below {ask.least_fit:.2f}"
    return ""


def _hits(found: Sequence[Sequence[Candidate]]) -> tuple[Hit, ...]:
    """The hits of every text, each document once, those found first first."""
    if len(found) == 1:
        return tuple(hit for candidate in found[0] for hit in candidate.hits)
    every = sorted((hit for some in found for one in some for hit in one.hits), key=lambda hit: (hit.rank, -hit.score))
    distinct = {hit.doc.id: hit for hit in reversed(every)}
    ordered = sorted(distinct.values(), key=lambda hit: (hit.rank, -hit.score))
    return tuple(replace(hit, rank=rank) for rank, hit in enumerate(ordered, start=1))


def _given(docs: Sequence[ApiDoc | None], ask: Ask) -> list[Mapping[str, Any]]:
    """What is given beside the question for a call of each document; all of it for a single one.

    Raises:
        UsageError: an argument is given that none of several has.
    """
    given = [_of(doc, ask.given) if doc else {} for doc in docs]
    if len(docs) == 1 or not any(docs):
        return [ask.given if doc else {} for doc in docs]
    if unknown := [name for name in ask.given if not any(name in one for one in given)]:
        raise UsageError(f"no call has an argument {unknown[0]!r}", hint="name arguments of the documents chosen")
    return list(given)


def _of(doc: ApiDoc, given: Mapping[str, Any]) -> dict[str, Any]:
    """Of what is given, the arguments that a document has."""
    names = doc.parameters.get("properties", {})
    return {path: value for path, value in given.items() if path in names or path.partition(".")[0] in names}


def _with_calls(answer: Answer, made: Sequence[_Made]) -> Answer:
    calls = tuple(one.call for one in made)
    return replace(
        answer,
        api_call=calls[0].render(),
        call=calls[0],
        calls=calls,
        placeholders=tuple(dict.fromkeys(name for call in calls for name in placeholders(call))),
        missing=tuple(dict.fromkeys(name for one in made for name in one.filled.missing)),
    )


def _explained(writer: Writer, steps: Sequence[_Step], made: Sequence[Sequence[_Made]]) -> Iterator[str]:
    """A sentence for each step, about its first call."""
    for number, (step, (first, *_)) in enumerate(zip(steps, made, strict=True)):
        yield from (" ",) if number else ()
        yield from writer.explanation(step.doc, step.label, first.filled)


def _joined(codes: Sequence[str]) -> str:
    """The codes of several calls as one, what they import once."""
    lines = "\n".join(codes).splitlines()
    imports = dict.fromkeys(line for line in lines if line.startswith("import "))
    if len(codes) == 1 or not imports:
        return "\n".join(codes)
    return "\n".join([*imports, "", *(line for line in lines if line and line not in imports)])


def _from_documents(answer: Answer, docs: Sequence[ApiDoc]) -> Answer:
    """The answer with what the first document says, and the documents' hits in front of the others."""
    chosen, (doc, *_) = list(dict.fromkeys(one.id for one in docs)), docs
    first = sorted((hit for hit in answer.hits if hit.doc.id in chosen), key=lambda hit: chosen.index(hit.doc.id))
    others = (hit for hit in answer.hits if hit.doc.id not in chosen)
    return replace(
        answer,
        hits=(*first, *others),
        domain=doc.domain,
        api_provider=doc.framework,
        version=doc.version,
        source=doc.source,
        trusted=doc.trusted,
    )
