"""Questions made from documentation alone, for APIs that nobody has asked about yet.

A sentence on what an API does is turned into a request and put as people put requests; see `grammar` and `phrasing`.
Reads no files and trains nothing.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.errors import UsageError
from gorilla_rag.text import is_empty, surface_words
from gorilla_rag.train.corpus import Pair
from gorilla_rag.train.grammar import Request, lower_first, mine, request, with_article
from gorilla_rag.train.own_name import OwnName
from gorilla_rag.train.phrasing import phrase
from gorilla_rag.train.sentences import Sentence, cleaned, says_something, sentences

Origin = Literal["functionality", "description", "domain", "docstring", "parameters"]

MOST_A_DOCUMENT = 3
# A sentence that stands in more documents than these tells none from another.
MOST_DOCUMENTS = 5
_OMITTED_SHARE = 2 / 3
_OTHERS_FIRST = 0.4
_FEWEST_WORDS = 2
_MOST_PARAMETER_WORDS = 12
_MOST_WORDS_WITH_MORE = 22
_TYPE = re.compile(
    r"^(?:\[[A-Z ]+\]\s*)?"
    r"(?:(?:string|integer|number|boolean|array|object|int|str|float|bool|list|dict)\b[^:]{0,20}:\s*)?"
)
_ASIDE = re.compile(r"\s*\([^()]*\)")
_VALUE = re.compile(r"(?:the|an?) |(?:[a-z]+ )?(?:list|number|name|type|date|id|identifier) of ", re.IGNORECASE)
_NO_VALUE = re.compile(
    r"\b(?:is|are|will|if|whether|default|should|can|may|usually|endpoint|version|specify|int|float|str|bool|tuple|"
    r"tensor|None|True|False|ndarray|array_like|dtype|object|returned|response|page|records)\b|[;:.]",
    re.IGNORECASE,
)
# What a parameter's description says of its use in this call, which the request says already.
_USE = re.compile(
    r",? (?:(?:for|of|about|in|on|to|from|at) which|that|which|whom|whose|where|when)? ?"
    r"(?:you|I|the user|to be|being|to)\b.*$|"
    r" (?:(?:related|used|needed|required) )?(?:for|of|about|in|on|to|from|with|at|by)(?: whom| which)?$"
)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A request, the texts of a document that it was made from, and the documents that have those texts."""

    origin: Origin
    wanted: Request
    sources: tuple[str, ...]
    relevant: tuple[str, ...]


def questions_from(docs: Sequence[ApiDoc], *, count: int | None = None, seed: int = 0) -> list[Pair]:
    """Questions that documents answer, made from what the documents say; at most three for each.

    None has the name of its API in it. About two thirds name the sentence that they were made from as omitted. The few
    documents that have the same sentence are all right for its question, the one that it was made for first.

    Args:
        docs: the documents.
        count: how many at most, spread evenly over the documents; `None` for all that can be made.
        seed: the same seed makes the same questions.

    Raises:
        UsageError: a count below one.
    """
    if count is not None and count < 1:
        raise UsageError(f"{count} questions were asked for", hint="ask for one or more")
    maker = _Maker(docs)
    rng = random.Random(seed)  # noqa: S311
    made = [maker.candidates(doc, rng) for doc in docs]
    order = [place for place, found in enumerate(made) if found]
    rng.shuffle(order)
    chosen = [(place, turn) for turn in range(MOST_A_DOCUMENT) for place in order if turn < len(made[place])]
    return [_pair(made[place][turn], rng) for place, turn in chosen[:count]]


def _pair(found: _Candidate, rng: random.Random) -> Pair:
    question, phrasing = phrase(found.wanted, rng)
    omitted = found.sources if rng.random() < _OMITTED_SHARE else ()
    return Pair(question, found.relevant, f"{found.origin}/{phrasing}", omitted)


class _Maker:
    """Finds requests in documents, knowing which sentences say nothing as too many documents have them."""

    def __init__(self, docs: Sequence[ApiDoc]) -> None:
        self._sentences = {doc.id: _read(doc) for doc in docs}
        self._values = {doc.id: list(_values(doc)) for doc in docs}
        self._areas = {doc.id: _area(doc) for doc in docs}
        self._holders: dict[str, dict[str, None]] = defaultdict(dict)
        for read in (self._sentences, self._values):
            for name, found in read.items():
                for one in found:
                    self._holders[_key(one.text)][name] = None
        self._several_domains = len({doc.domain for doc in docs}) > 1

    def candidates(self, doc: ApiDoc, rng: random.Random) -> list[_Candidate]:
        """At most three requests of a document; what it does first, more often than not."""
        own = OwnName(doc.api_name or doc.call.function or doc.api_call)
        if not (found := self._requests(doc, own)):
            return []
        main, *others = found
        value, area = list(self._with_value(doc, main, own, rng)), list(self._in_domain(doc, main, own))
        rng.shuffle(others)
        chosen = [main, *others[:1], *value, *area, *others[1:]][:MOST_A_DOCUMENT]
        if rng.random() < _OTHERS_FIRST:
            rng.shuffle(chosen)
        return chosen

    def _requests(self, doc: ApiDoc, own: OwnName) -> list[_Candidate]:
        """What the document's sentences say that it does, the first sentence first."""
        telling = [one for one in self._sentences[doc.id] if self._tells(one)]
        opening = _opening(doc)
        found = []
        for sentence in telling:
            wanted = request(sentence.text, actions_only=sentence.raw != opening)
            wanted = own.cut_from(wanted, only=len(telling) == 1) if wanted else None
            if wanted and len(surface_words(wanted.text)) >= _FEWEST_WORDS:
                relevant = (doc.id, *(one for one in self._holders[_key(sentence.text)] if one != doc.id))
                found.append(_Candidate(_origin(doc, sentence), wanted, (sentence.raw,), relevant))
        return found

    def _with_value(self, doc: ApiDoc, main: _Candidate, own: OwnName, rng: random.Random) -> Iterator[_Candidate]:
        """The main request with what one parameter says: "… given the name of the city"."""
        said = set(_words(main.wanted.text))
        values = [one for one in self._values[doc.id] if self._tells(one) and set(_words(one.text)) - said]
        if main.wanted.form == "action" and values and len(main.wanted.text.split()) <= _MOST_WORDS_WITH_MORE:
            value = rng.choice(values)
            joined = f"{main.wanted.text} {rng.choice(('given', 'given', 'with', 'based on'))} {value.text}"
            if not own.stands_in(joined):
                relevant = tuple(one for one in main.relevant if one in self._holders[_key(value.text)])
                yield _Candidate("parameters", Request(joined, "action"), (*main.sources, value.raw), relevant)

    def _in_domain(self, doc: ApiDoc, main: _Candidate, own: OwnName) -> Iterator[_Candidate]:
        """The main request with the field it is from: "… in forensic engineering"."""
        area = self._areas[doc.id]
        words = set(_words(area))
        if not self._several_domains or not words or words & set(_words(main.wanted.text)):
            return
        product = _is_product(doc)
        if not product and main.wanted.form == "thing":
            return
        joined = f"{main.wanted.text} {'with' if product else 'in' if len(area.split()) < 3 else 'for'} {area}"
        if not own.stands_in(joined):
            relevant = tuple(one for one in main.relevant if self._areas[one] == area)
            yield _Candidate("domain", Request(joined, main.wanted.form), main.sources, relevant)

    def _tells(self, sentence: Sentence) -> bool:
        """Whether a sentence tells a document from others."""
        return len(self._holders[_key(sentence.text)]) <= MOST_DOCUMENTS


def _read(doc: ApiDoc) -> list[Sentence]:
    """The sentences that may say what a document's API does: its functionality, then its description's."""
    found = []
    if not is_empty(doc.functionality):
        found.append(Sentence(doc.functionality, cleaned(doc.functionality)))
    found += [] if is_empty(doc.description) else sentences(doc.description)
    return [
        one for one in found if says_something(one.text, fewest=_FEWEST_WORDS if one.raw == doc.functionality else 4)
    ]


def _opening(doc: ApiDoc) -> str:
    """The sentence that a document begins with; only there is a phrase without a verb what the API is for."""
    if not is_empty(doc.functionality):
        return doc.functionality
    return next((one.raw for one in sentences(doc.description)), "")


def _values(doc: ApiDoc) -> Iterator[Sentence]:
    """What the documentation says of parameters, where that can stand after "given"."""
    for raw in _described(doc.api_arguments or doc.parameters.get("properties")):
        text = _USE.sub("", mine(_USE.sub("", _ASIDE.sub("", cleaned(_TYPE.sub("", raw))).rstrip(". "))))
        fit = 2 <= len(text.split()) <= _MOST_PARAMETER_WORDS and says_something(text, fewest=2)
        if fit and _VALUE.match(text) and not _NO_VALUE.search(text):
            yield Sentence(raw, with_article(lower_first(text)))


def _described(arguments: Any) -> Iterator[str]:
    """The descriptions among documented arguments, in whichever of the usual shapes."""
    items = arguments.values() if isinstance(arguments, Mapping) else arguments if isinstance(arguments, list) else ()
    for item in items:
        described = item.get("description") if isinstance(item, Mapping) else item
        if isinstance(described, str) and not is_empty(described):
            yield described


def _origin(doc: ApiDoc, sentence: Sentence) -> Origin:
    if doc.source == "python":
        return "docstring"
    return "functionality" if sentence.raw == doc.functionality else "description"


def _is_product(doc: ApiDoc) -> bool:
    """Whether a document's area is something used (a package, a service), not a field."""
    return doc.source == "python" or "API" in doc.domain


def _area(doc: ApiDoc) -> str:
    """What a document's API belongs to, as one says it: the framework of a Python object, else the narrowest domain."""
    if doc.source == "python":
        return doc.framework
    area = doc.domain.replace("_", " ").rsplit("/", 1)[-1].strip()
    if _is_product(doc):
        return f"the {area}"
    words = dict.fromkeys(word.lower() if word.istitle() else word for word in area.split())
    return " ".join(words)


def _words(text: str) -> list[str]:
    """The longer words of a text, by their first letters: "classify" and "classification" are one."""
    return [word[:5] for word in surface_words(text.lower()) if len(word) > 3]


def _key(text: str) -> str:
    return " ".join(surface_words(text.lower()))
