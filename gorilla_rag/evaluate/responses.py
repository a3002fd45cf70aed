r"""Answers that others gave, in Gorilla's format: JSON Lines of `{question_id, text}`, as outcomes to be scored.

The text is scored as it stands by Gorilla's own metric. For every other metric its call is read: from the `api_call`
field where there is one, else from anywhere. Nothing is mended but the escapes that the published files were written
with: a backslash before a quote is taken away, a written-out `\n` is a line's end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from gorilla_rag.call import Call, parse_call
from gorilla_rag.errors import BenchmarkError, CallSyntaxError
from gorilla_rag.evaluate.benchmark import Benchmark
from gorilla_rag.evaluate.benchmarks.apibench import read_lines
from gorilla_rag.evaluate.catalogue import strings_in
from gorilla_rag.evaluate.outcome import UNREAD, Outcome

_CALL = re.compile(r"(?<![\w.])[A-Za-z_][\w.]*\(")
_CLOSING = re.compile(r"\)")
_MOST_BRACKETS = 12


def load(file: str | Path, benchmark: Benchmark) -> list[Outcome]:
    """A file's answers, in the order of the benchmark's questions.

    Questions without an answer are left out, and counted by the caller: Gorilla's own files answer 904 of Hugging
    Face's 911. The order of the lines doesn't matter.

    Raises:
        BenchmarkError: a line without `question_id` or `text`, a question that the benchmark doesn't have, or one
            that is answered twice.
    """
    path = Path(file)
    known = {question.number: question.id for question in benchmark.questions}
    found: dict[int, Outcome] = {}
    for line, record in read_lines(path):
        number, text = record.get("question_id"), record.get("text")
        if not isinstance(number, int) or isinstance(number, bool) or not isinstance(text, str):
            reason = "expected question_id, a number, and text"
            raise BenchmarkError(reason, file=str(path), line=line, hint="use Gorilla's format of responses")
        if number in found:
            reason = f"question {number} is answered twice"
            raise BenchmarkError(reason, file=str(path), line=line, hint="keep one answer a question")
        if not 1 <= number <= benchmark.size:
            reason = f"question {number}, but {benchmark.name} has questions 1 to {benchmark.size}"
            raise BenchmarkError(
                reason, file=str(path), line=line, hint="use the answers to this benchmark's questions"
            )
        found[number] = _outcome(known.get(number, ""), text)
    if not found:
        raise BenchmarkError("no answers", file=str(path), line=0, hint="use Gorilla's format of responses")
    asked = [found[number] for number in sorted(found) if number in known]
    if not asked:
        reason = f"no answer to any of the {len(known)} questions that are asked"
        raise BenchmarkError(
            reason, file=str(path), line=0, hint="use the answers to this benchmark, or another sample"
        )
    return asked


def call_in(text: str) -> Call | None:
    """The call that an answer gives, or `None`: the first in its `api_call` field, else the first with a string."""
    readable = re.sub(r"\\+(['\"])", r"\1", text).replace("\\n", "\n")
    parts = readable.split("api_call")
    if len(parts) > 1:
        return next(_calls(parts[1].split("api_provider")[0]), None)
    return next((call for call in _calls(readable) if strings_in(call)), None)


def _outcome(question: str, text: str) -> Outcome:
    call = call_in(text)
    rendered = call.render() if call else None
    return Outcome(question, rendered, text=text, structured=text, error="" if call else UNREAD)


def _calls(text: str) -> Iterator[Call]:
    """The calls in a text that may be prose, outermost first: from each name before a bracket to a bracket that makes
    it Python.
    """
    for match in _CALL.finditer(text):
        for bracket in islice(_CLOSING.finditer(text, match.end()), _MOST_BRACKETS):
            try:
                yield parse_call(text[match.start() : bracket.end()])
            except CallSyntaxError:
                continue
            break
