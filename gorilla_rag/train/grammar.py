"""Enough English to turn a sentence of documentation into a request. Knows nothing about documents.

"Returns the mean of `x`." becomes "return the mean of x"; "This endpoint lists your keys." becomes "list my keys".
What isn't surely understood is left as a thing ("derivative of the Kelvin function") or refused.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Literal

from gorilla_rag.verbs import NOUNS_TOO, VERBS, WITH_PREPOSITION

Form = Literal["action", "thing"]

# Words that can only begin an object: what stands before them is the verb, though it may be a noun as well.
_OBJECT = frozenset(
    """
    a an the all any each every some this these that those its my your their our one two multiple several many
    whether if how what which where when existing specific given new current available and or to into from up down out
    as whole both data text it them only arrays tensors integers numbers values elements items rows columns strings
    files images words records
    """.split()
)
_SAID = frozenset(
    "uses requires contains includes takes expects accepts receives makes indicates denotes specifies".split()
)
_DETERMINERS = frozenset("a an the my your our this these".split())
_SAID_OF_LISTS = frozenset("includes contains supports uses shows comes".split())
_PREPOSITIONS = frozenset("of for in on at by with from to per between over is are was were that which based".split())
_BELONGING = frozenset("for through on over about from with".split())
# Verbs whose form in -ing names a thing: "embedding vectors", "learning rate".
_NAMES_TOO = frozenset("build denoise embed encode import learn merge render schedule smooth train upload".split())
_COUNTED = frozenset(
    "model classifier function tool class network object api service plugin library type layer detector encoder "
    "decoder estimator generator transformer iterator matrix array dictionary list method module tokenizer".split()
)
_TITLE = re.compile(r"[A-Z][a-z]+(?:-[A-Z]?[a-z]+)*,?|A")
_FIRST = re.compile(r"[A-Z][a-z]+(?:-[a-z]+)*,?|A")
_WHO = r"(?: (?:you|users?|the users?|one|callers|clients|developers))"
_ALLOW = rf"(?:(?:allows?|enables?|permits?){_WHO}? to|(?:lets?|helps?){_WHO}(?: to)?)"
_SELF = (
    r"(?:this|the|an?) (?:[\w-]+ ){0,2}?(?:api|endpoint|function|method|class|model|tool|plugin|module|operation|"
    r"service|call|resource|action|command|request|transform|layer|estimator|transformer|utility|helper|routine|wrapper|"
    r"extension|app|assistant|context manager|decorator|hook|pipeline)(?: call)?"
)
# What stands before the verb, for the sentence to be a request without it.
_LEADS = tuple(
    re.compile(pattern + " ", re.IGNORECASE)
    for pattern in (
        rf"(?:please )?(?:use|call|send a request to|invoke) {_SELF} (?:to|when you want to|if you want to)",
        rf"(?:{_SELF}|it|this) (?:can be used|is used|may be used|is useful|is designed|is intended|is able) to",
        rf"(?:{_SELF}|it|this) (?:can|will|helps? you(?: to)?|helps? to)",
        rf"(?:{_SELF}|it|this|you can|which|that)? ?{_ALLOW}",
        rf"{_SELF} (?:that|which|to|used to)",
        r"(?:used|useful) to",
        r"you can(?: also)?(?: use this (?:[\w-]+ )?to)?",
        rf"(?:{_SELF}|it|this)(?: also| first| then| simply| automatically)?",
        r"(?:function|method|tool|utility|helper|service|class|api)(?: which| that| used)?(?: can)?(?: to)?",
    )
)
_MY = (
    (re.compile(r"\b(?:Y|y)ourself\b"), "myself"),
    (re.compile(r"\b(?:Y|y)our\b"), "my"),
    (re.compile(r"\byou are\b"), "I am"),
    (
        re.compile(
            r"\byou(?= (?:can|want|have|need|would|may|will|must|should|specify|own|provide|like|wish|use|know)\b)"
        ),
        "I",
    ),
)
_GIVEN = re.compile(r"(?:Given|given) ([^,]{4,60}), (?:it |this (?:function|method) )?(.+)")
_IS = re.compile(
    r"(?:It|This|(?:This|The) (?:[\w-]+ )?(?:model|function|class|method|tool|module)) is (an? [a-zA-Z].+)"
)
_TAIL = re.compile(r",? and (?:it )?(?:has|is|are|was) .*$")
_WORD = re.compile(r"[A-Za-z][\w'-]*")
_OTHERS = re.compile(r"\b(?:[Yy]ou|[Ww]e|[Oo]ur|us|users (?:with|easily|quickly))\b")
_FINITE = re.compile(
    r"\b(?:is|are|was|were|means|has|have|will|must|should|does|do|can|cannot|could|might|may|would|isn't|don't)\b"
)
_RELATIVE = re.compile(r"\b(?:that|which|who|where|whose|when|what|if|how)\b")


@dataclass(frozen=True, slots=True)
class Request:
    """A sentence as something to ask for.

    Attributes:
        text: without its full stop; an action begins with its verb in the imperative.
        form: what is to be done (`action`), or what is wanted (`thing`).
    """

    text: str
    form: Form


def request(sentence: str, *, actions_only: bool = False) -> Request | None:
    """A sentence as a request, or `None` where it can't be made one.

    Args:
        sentence: of documentation, on one line, without markup.
        actions_only: refuse things too; most sentences after the first that have no verb in front are remarks.
    """
    text = mine(sentence.strip().rstrip(".!:; "))
    found = _action(text) if text else None
    if _OTHERS.search(found or text):
        return None
    if found:
        return Request(_TAIL.sub("", found), "action")
    said = _IS.match(text)
    if said and not _FINITE.search(_RELATIVE.split(said[1])[0]):
        return Request(said[1], "thing")
    if actions_only:
        return None
    return Request(lower_first(text), "thing") if _is_thing(text) else None


def imperative(text: str) -> str | None:
    """A sentence that begins with a verb, with that verb in the imperative, or `None` where it doesn't begin with one.

    "Returns the mean and writes it" becomes "return the mean and write it". Words that are as often nouns count as
    verbs where an object follows: "lists the keys", not "list of keys".
    """
    words = text.split()
    place = 1 if len(words) > 2 and words[0].lower().endswith("ly") else 0
    if len(words) < place + 2:
        return None
    listed = words[place].endswith(",") and words[place + 1].rstrip(",").lower() in VERBS
    base = words[place].lower() if listed else _base(words[place], following=words[place + 1])
    if base is None or base.rstrip(",") not in VERBS:
        return None
    rest = re.sub(r"(\b(?:and|or|then),? )([a-z]+s) ([a-z]+)", _second_verb, " ".join(words[place + 1 :]))
    return " ".join([word.lower() for word in words[:place]] + [base, rest])


def lower_first(text: str) -> str:
    """A text that can stand inside a sentence: its first word in lower case where it is no name, titles all through."""
    words = text.split()
    longer = [word for word in words if len(word) > 3]
    title = len(longer) > 1 and all(word.lstrip("(")[:1].isupper() for word in longer)
    if title or len(words) == 1:
        return " ".join(word.lower() if _TITLE.fullmatch(word) else word for word in words)
    return " ".join([words[0].lower() if _FIRST.fullmatch(words[0]) else words[0], *words[1:]]) if words else text


def with_article(thing: str) -> str:
    """A thing with the article it wants, where that is sure: "the product of two arrays", "a pre-trained model"."""
    words = thing.split()
    head = words[
        : next((at for at, word in enumerate(words) if word in _PREPOSITIONS or word.endswith(",")), len(words))
    ]
    if words[0].lower() in _OBJECT or words[0].lower() in _GERUNDS or not words[0][0].islower():
        return thing
    if "of" in words[1:4]:
        return f"the {thing}"
    counted = head and head[-1].lower() in _COUNTED and not any(word.endswith(",") for word in head)
    return f"{'an' if words[0][0] in 'aeiou' else 'a'} {thing}" if counted else thing


def _action(text: str) -> str | None:
    if given := _GIVEN.match(text):
        asked = _action(given[2])
        return f"{asked} given {given[1]}" if asked else None
    for lead in _LEADS:
        found = lead.match(text)
        if found and (made := imperative(text[found.end() :]) or _from_gerund(text[found.end() :])):
            return made
    return imperative(text) or _from_gerund(text)


def _base(word: str, following: str) -> str | None:
    """The base form of a verb in the imperative or third person; `None` for what isn't surely a verb."""
    lower = word.lower()
    base = lower if lower in VERBS else _third_person(lower)
    if base is None or following[:1] in "-–:=([" or word.endswith("."):
        return None
    begins_object = following.lower().strip(",") in _OBJECT
    if begins_object:
        return base
    if following.lower() in _PREPOSITIONS:
        return base if base in WITH_PREPOSITION and following in _BELONGING else None
    if base in NOUNS_TOO and lower == base:
        only_verb = following.endswith("s") and following not in _SAID_OF_LISTS if base == "list" else base == "return"
        return base if only_verb else None
    return base


def _third_person(word: str) -> str | None:
    ends = ((word[:-3] + "y") if word.endswith("ies") else "", word[:-2] if word.endswith("es") else "", word[:-1])
    return next((base for base in ends if base in VERBS), None) if word.endswith("s") else None


def _second_verb(found: re.Match[str]) -> str:
    base = _third_person(found[2])
    surely = base is not None and (base not in NOUNS_TOO or found[3] in _OBJECT)
    surely = surely and not _RELATIVE.search(found.string[: found.start()])
    return f"{found[1]}{base if surely else found[2]} {found[3]}"


def _from_gerund(text: str) -> str | None:
    """The imperative of "Computing the depth"."""
    words = text.split()
    base = _GERUNDS.get(words[0].lower())
    if base is None or len(words) < 2:
        return None
    following = words[1].lower()
    surely = base not in NOUNS_TOO and base not in _NAMES_TOO and following not in _PREPOSITIONS
    return " ".join([base, *words[1:]]) if surely or following in _OBJECT else None


def _gerund(verb: str) -> str:
    if verb.endswith("e") and not verb.endswith("ee"):
        return verb[:-1] + "ing"
    doubled = verb in {"embed", "submit", "begin"} or re.fullmatch(r"[^aeiou]*[aeiou][bdgmnpt]", verb) is not None
    return verb + (verb[-1] if doubled else "") + "ing"


def _is_thing(text: str) -> bool:
    """Whether a text can stand after "I need": no sentence of its own, no remark, no list of names."""
    words = text.split()
    before = _RELATIVE.split(text)[0]
    if _WORD.match(text) is None or _FINITE.search(before) or f"{text.lower()} ".startswith(_REMARKS):
        return False
    shouted = sum(word.isupper() and len(word) > 1 for word in words)
    second = words[1].lower() if len(words) > 1 else ""
    said = second in _DETERMINERS and words[0].lower() not in {"all", "both", "half", *_PREPOSITIONS}
    return not said and shouted < 4 and not _has_verb(before.split())


def _has_verb(words: list[str]) -> bool:
    """Whether a verb in the third person stands among the words: "RoBERTa builds on BERT"."""
    return any(
        word in _SAID
        or (
            (base := _third_person(word)) is not None
            and (base not in NOUNS_TOO or base == "return")
            and (following in _OBJECT or following == "on" or base in {"return", "provide"})
        )
        for word, following in itertools.pairwise(words)
        if word.islower()
    )


def mine(text: str) -> str:
    """A text that speaks to its reader, as the reader says it: "your keys" as "my keys"."""
    for pattern, own in _MY:
        text = pattern.sub(own, text)
    return text


_GERUNDS = {_gerund(verb): verb for verb in VERBS}
_REMARKS = (
    "base class",
    *(
        f"{word} "
        for word in """
    if when see note note: this these those it for in to as like same such similar equivalent alias deprecated internal
    not optional default by on at with given warning todo my we please use using called defined unlike after before
    while wrapper abstract helper self placeholder overloaded convenience backward backwards backwards-compatibility
    must only also however because since once can does do is are there subclass exception raised raises raise attempt
    attempts work works try tries implements implement represents represent meet type return returns
    """.split()
    ),
)
