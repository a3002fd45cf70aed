"""A user's own questions over an index: JSON Lines of `{question, api_call}` or `{question, relevant_ids}`.

`api_call` is the right call with the right values; the documented call that it names becomes the label. `relevant_ids`
are ids of documents, the first one being the label where they are of several calls; metrics that compare values don't
apply then. `id` is optional.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import parse_call
from gorilla_rag.digests import sha256
from gorilla_rag.errors import BenchmarkError, CallSyntaxError
from gorilla_rag.evaluate.benchmark import Benchmark, Question, unique_questions
from gorilla_rag.evaluate.benchmarks.apibench import read_lines
from gorilla_rag.evaluate.catalogue import Catalogue

_FORM = 'write {"question": "…", "api_call": "…"} or {"question": "…", "relevant_ids": ["…"]}'


def load(file: str | Path, docs: Iterable[ApiDoc]) -> Benchmark:
    """A file's questions over documents.

    Args:
        file: JSON Lines.
        docs: the documents of the index that is asked.

    Raises:
        BenchmarkError: a file that can't be read; a line without its fields, with a call that names no document, or
            with an unknown id. Names the line.
        UsageError: two questions of one id.
    """
    path = Path(file)
    catalogue = Catalogue(docs)
    by_id = {doc.id: doc for doc in catalogue.docs}
    records = enumerate(read_lines(path), start=1)
    questions = [_question(path, line, number, record, catalogue, by_id) for number, (line, record) in records]
    if not questions:
        raise BenchmarkError("no questions", file=str(path), line=0, hint=_FORM)
    return Benchmark(
        name=path.stem, questions=unique_questions(questions), docs=catalogue.docs, hashes={path.name: sha256(path)}
    )


def _question(
    file: Path, line: int, number: int, record: dict[str, Any], catalogue: Catalogue, by_id: dict[str, ApiDoc]
) -> Question:
    def wrong(reason: str, hint: str = _FORM) -> BenchmarkError:
        return BenchmarkError(reason, file=str(file), line=line, hint=hint)

    text, call, ids = record.get("question"), record.get("api_call"), record.get("relevant_ids")
    if not isinstance(text, str) or not text.strip():
        raise wrong("there is no question")
    if (call is None) == (ids is None):
        raise wrong("expected api_call or relevant_ids, one of them")
    name = str(number if record.get("id") is None else record["id"])
    if ids is not None:
        if not isinstance(ids, list) or not ids:
            raise wrong("relevant_ids is not a list of ids")
        if unknown := [one for one in ids if not isinstance(one, str) or one not in by_id]:
            raise wrong(f"the index has no documents {unknown}", "see `gorilla-rag search` for ids")
        right = [by_id[one] for one in ids]
        return Question(name, text, right[0], frozenset(doc.call_key for doc in right), None, number)
    try:
        expected = parse_call(str(call))
    except CallSyntaxError as error:
        raise wrong(f"api_call: {error.message}", error.hint) from error
    key = catalogue.named_by(expected)
    if key is None:
        raise wrong(f"the index documents no call like {call!r}", "write a documented call, or add its document")
    return Question(name, text, catalogue.by_key[key], frozenset({key}), expected, number)
