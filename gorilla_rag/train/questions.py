"""Questions that people brought: APIBench's training files, the API Zoo's, and a user's own.

Knows file formats and documents; what stands in a file and is about none of the documents is counted and named.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import parse_or_raw
from gorilla_rag.errors import BenchmarkError, SourceError, UsageError
from gorilla_rag.evaluate.catalogue import Catalogue
from gorilla_rag.sources import apibench
from gorilla_rag.train.corpus import Pair

_FORM = (
    'write {"question": "…", "relevant_ids": ["…"]} or {"question": "…", "api_call": "…"}, one a line, or use files of '
    "APIBench or the API Zoo"
)
_NAMED = 5


@dataclass(frozen=True, slots=True)
class QuestionsRead:
    """What was read.

    Attributes:
        pairs: the questions that are about the documents.
        unknown: ids and calls that none of the documents has, and how often they were asked for.
        problems: what is no question.
    """

    pairs: tuple[Pair, ...]
    unknown: Counter[str] = field(default_factory=Counter)
    problems: tuple[BenchmarkError | SourceError, ...] = ()


def read_questions(path: str | Path, docs: Iterable[ApiDoc]) -> QuestionsRead:
    """The questions of a file, JSON Lines or one JSON list, each entry of any of these forms.

    - APIBench's training data: the question stands inside `code`; `api_data` names the document by its call, else by
      its `api_name`.
    - `{"question": …, "relevant_ids": […]}`, or `query` for `question`.
    - `{"question": …, "api_call": …}`: the documented call that it names, whatever its values.
    - The API Zoo's documents with their own `questions`.

    Raises:
        BenchmarkError: a file that can't be read, is empty, or has no question about any of the documents; names the
            first ids that are unknown.
    """
    file = Path(path)
    reader = _Reader(file, docs)
    for entry in _entries(file):
        reader.add(entry)
    reader.refuse_nothing()
    return QuestionsRead(tuple(reader.pairs), reader.unknown, tuple(reader.problems))


class _Reader:
    """Turns entries into pairs, and keeps count of what can't be one."""

    def __init__(self, file: Path, docs: Iterable[ApiDoc]) -> None:
        self.pairs: list[Pair] = []
        self.unknown: Counter[str] = Counter()
        self.problems: list[BenchmarkError | SourceError] = []
        self._file = file
        self._catalogue = Catalogue(docs)
        self._ids = set(self._catalogue.key_of)
        self._of_key: dict[str, list[ApiDoc]] = defaultdict(list)
        self._of_name: dict[str, list[ApiDoc]] = defaultdict(list)
        for doc in self._catalogue.docs:
            self._of_key[doc.call_key].append(doc)
            if doc.api_name:
                self._of_name[doc.api_name].append(doc)

    def add(self, entry: tuple[int, Any] | SourceError) -> None:
        """Takes one entry."""
        if isinstance(entry, SourceError):
            self.problems.append(entry)
            return
        line, record = entry
        if not isinstance(record, Mapping):
            self._problem(line, f"expected an object, found {type(record).__name__}")
        elif isinstance(record.get("api_data"), Mapping) and isinstance(record.get("code"), str):
            asked = apibench.question_in(record["code"])
            self._about_document(line, [asked], record["api_data"], made="given:apibench")
        elif isinstance(record.get("questions"), list):
            self._about_document(line, record["questions"], record, made="given")
        else:
            self._own(line, record)

    def refuse_nothing(self) -> None:
        """Raises where no question can be used."""
        if self.pairs:
            return
        if self.unknown:
            first = ", ".join(map(repr, list(self.unknown)[:_NAMED]))
            hint = f"read the documents that they are about; the first unknown ones are {first}"
            reason = f"none of its questions is about these {len(self._ids)} documents"
            raise BenchmarkError(reason, file=str(self._file), line=0, hint=hint)
        if self.problems:
            raise self.problems[0]
        raise BenchmarkError("no questions", file=str(self._file), line=0, hint=_FORM)

    def _about_document(self, line: int, asked: list[Any], record: Mapping[str, Any], *, made: str) -> None:
        """Questions about one document in the form of its source."""
        questions = [one.strip() for one in asked if isinstance(one, str) and one.strip()]
        if not questions:
            self._problem(line, "there is no question")
            return
        try:
            document = apibench.document(record)
        except UsageError as error:
            self._problem(line, error.message, error.hint)
            return
        relevant = self._like(document)
        if not relevant:
            self.unknown[document.api_call] += len(questions)
            return
        self.pairs += [Pair(question, relevant, made) for question in questions]

    def _own(self, line: int, record: Mapping[str, Any]) -> None:
        text = record.get("question", record.get("query"))
        ids, call = record.get("relevant_ids"), record.get("api_call")
        if not isinstance(text, str) or not text.strip():
            self._problem(line, "there is no question")
        elif isinstance(ids, list) and ids and all(isinstance(one, str) for one in ids):
            self._with(text, tuple(dict.fromkeys(one for one in ids if one in self._ids)), set(ids) - self._ids)
        elif isinstance(call, str) and call.strip() and ids is None:
            relevant = self._named_by(call)
            self._with(text, relevant, set() if relevant else {call})
        else:
            self._problem(line, "expected relevant_ids, a list of ids, or api_call")

    def _with(self, text: str, relevant: tuple[str, ...], unknown: set[str]) -> None:
        self.unknown.update(sorted(unknown))
        if relevant:
            self.pairs.append(Pair(text.strip(), relevant, "given"))

    def _like(self, document: ApiDoc) -> tuple[str, ...]:
        """Ids of the documents of the same call, else of the same name; those that say the same first."""
        found = self._of_key.get(document.call_key, [])
        if not found:
            named = self._of_name.get(document.api_name, [])
            found = named if len({doc.call_key for doc in named}) == 1 else []
        if not found:
            return self._named_by(document.api_call)
        return tuple(doc.id for doc in sorted(found, key=lambda doc: _differs(doc, document)))

    def _named_by(self, call: str) -> tuple[str, ...]:
        key = self._catalogue.named_by(parse_or_raw(call))
        return tuple(doc.id for doc in self._of_key[key]) if key is not None else ()

    def _problem(self, line: int, reason: str, hint: str = _FORM) -> None:
        self.problems.append(BenchmarkError(reason, file=str(self._file), line=line, hint=hint))


def _entries(file: Path) -> Iterable[tuple[int, Any] | SourceError]:
    if not file.is_file():
        raise BenchmarkError("no such file", file=str(file), line=0, hint="check the path")
    return apibench.entries(file)


def _differs(one: ApiDoc, other: ApiDoc) -> int:
    """How much of what two documents say differs, roughly."""
    return (one.functionality != other.functionality) + (one.description != other.description)
