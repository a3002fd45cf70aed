"""How people put a request: in a few words, in a plain sentence, at length, and with slips of the finger.

The wordings are data; what is chosen depends on the random numbers only. Knows nothing about documents.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from gorilla_rag.train.grammar import Form, Request, with_article

Phrasing = Literal["terse", "plain", "chatty", "typo"]


@dataclass(frozen=True, slots=True)
class Wording:
    """One way of asking; `{}` is where the request stands."""

    phrasing: Phrasing
    form: Form
    template: str

    def of(self, text: str) -> str:
        """The question."""
        question = self.template.format(text)
        return question if self.phrasing == "terse" else question[0].upper() + question[1:]


def _table(form: Form, phrasing: Phrasing, *templates: str) -> tuple[Wording, ...]:
    return tuple(Wording(phrasing, form, template) for template in templates)


WORDINGS: tuple[Wording, ...] = (
    *_table(
        "action", "terse", "{}", "{}", "{}", "how to {}", "{} please", "need to {}", "function to {}", "want to {}"
    ),
    *_table(
        "action",
        "plain",
        "{}.",
        "How do I {}?",
        "How can I {}?",
        "I need to {}.",
        "I want to {}.",
        "I'd like to {}.",
        "Can you {}?",
        "Is there a way to {}?",
        "What can I use to {}?",
        "Which call do I need to {}?",
        "Find me something to {}.",
        "I'm looking for a way to {}.",
        "What is the right way to {}?",
    ),
    *_table(
        "action",
        "chatty",
        "Hi! I'm working on a small project and have to {}. What should I call?",
        "Could you help me {}? I have no idea which API does that.",
        "I've been trying for hours now to {}. Is there something ready-made for it?",
        "As part of a bigger job our team needs to {}. Which call would you suggest?",
        "For a report that's due tomorrow I have to {}, how do I do that?",
        "Hey, quick question: what do I use if I want to {}?",
        "I'm new to this. I'd like to {}, where do I start?",
        "My manager asked me to {}. Please point me to the right function.",
        "I don't want to write it all myself: is there anything that lets me {}?",
        "The next step is to {}, and I'm not sure what to call for that.",
    ),
    *_table("thing", "terse", "{}", "{}", "{}", "{} api", "need {}", "{} please", "looking for {}"),
    *_table(
        "thing",
        "plain",
        "I need {}.",
        "I'm looking for {}.",
        "What can I use for {}?",
        "Is there something for {}?",
        "Where do I get {}?",
        "Which call gives me {}?",
        "Find me {}.",
        "I want {}.",
    ),
    *_table(
        "thing",
        "chatty",
        "Hi, for a project of mine I need {}. What would you suggest?",
        "Hey, can you recommend something for {}?",
        "We're building a prototype and are still missing {}. Any idea what to call?",
        "I've looked everywhere for {}. Can you help?",
        "I'm new to this and need {}. Where do I start?",
        "Could you point me to {}? I don't want to write it myself.",
    ),
)
SHARES: Mapping[Phrasing, float] = MappingProxyType({"terse": 0.35, "plain": 0.4, "chatty": 0.15, "typo": 0.1})
# Verbs that mean the same in a request: the first one may be said as any of the others.
SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "add": ("append", "put in"),
        "analyze": ("examine", "study"),
        "assess": ("evaluate", "judge"),
        "build": ("construct", "make"),
        "calculate": ("compute", "work out"),
        "change": ("modify",),
        "check": ("verify", "find out"),
        "combine": ("merge",),
        "compute": ("calculate", "work out"),
        "construct": ("build", "make"),
        "convert": ("turn", "change"),
        "create": ("make", "set up"),
        "delete": ("remove", "get rid of"),
        "detect": ("find", "spot"),
        "determine": ("find out", "work out"),
        "display": ("show",),
        "download": ("fetch",),
        "edit": ("change",),
        "estimate": ("approximate",),
        "evaluate": ("assess",),
        "execute": ("run",),
        "extract": ("pull out", "get"),
        "fetch": ("get", "retrieve"),
        "find": ("look up", "search for"),
        "generate": ("create", "produce"),
        "get": ("retrieve", "fetch"),
        "identify": ("recognize", "find"),
        "insert": ("put in",),
        "merge": ("combine",),
        "modify": ("change", "edit"),
        "obtain": ("get",),
        "perform": ("do", "carry out"),
        "predict": ("forecast",),
        "produce": ("generate",),
        "remove": ("delete", "get rid of"),
        "retrieve": ("get", "look up", "fetch"),
        "give": ("get",),
        "offer": ("get",),
        "provide": ("get",),
        "return": ("get",),
        "send": ("submit",),
        "show": ("display",),
        "split": ("divide",),
        "start": ("begin",),
        "submit": ("send",),
        "update": ("change", "modify"),
        "verify": ("check",),
    }
)
_SYNONYM_SHARE = 0.3
# What an API does and nobody asks to do: who asks gets.
_SAID_BY_APIS = ("return ", "provide ", "give ", "offer ")
_ASIDE = re.compile(r"\s*\([^()]*\)|,? (?:such as|including|for example|e\.g\.?|i\.e\.?|which)[ ,].*$")
_INNER = re.compile(r"[A-Za-z]{4,}")


def phrase(wanted: Request, rng: random.Random) -> tuple[str, Phrasing]:
    """A question for a request, and how it is put; the same for the same state of `rng`."""
    phrasing = rng.choices(list(SHARES), weights=list(SHARES.values()))[0]
    base: Phrasing = rng.choice(("terse", "plain")) if phrasing == "typo" else phrasing
    wording = rng.choice(_BY_KIND[wanted.form, base])
    text = wanted.text
    if wanted.form == "action" and (
        rng.random() < _SYNONYM_SHARE or (base != "terse" and text.startswith(_SAID_BY_APIS))
    ):
        text = said_otherwise(text, rng)
    if base == "terse":
        text = _shortened(text)
    elif wanted.form == "thing":
        text = with_article(text)
    question = wording.of(text)
    if phrasing == "typo" and (slipped := with_typo(question, rng)) != question:
        return slipped, "typo"
    return question, base


def said_otherwise(action: str, rng: random.Random) -> str:
    """An action with another verb of the same meaning, where one is known."""
    verb, _, rest = action.partition(" ")
    return f"{rng.choice(SYNONYMS[verb])} {rest}" if verb in SYNONYMS and rest else action


def with_typo(text: str, rng: random.Random) -> str:
    """A text with one inner letter of one word of four letters or more swapped with the next, dropped or doubled."""
    places = [match.start() + inner for match in _INNER.finditer(text) for inner in range(1, len(match[0]) - 2)]
    if not places:
        return text
    at = rng.choice(places)
    slips = (text[at + 1] + text[at], text[at + 1], text[at] * 2 + text[at + 1])
    return text[:at] + rng.choice(slips) + text[at + 2 :]


def _shortened(text: str) -> str:
    """A request as one types it in a hurry: without asides, where four words stay."""
    short = _ASIDE.sub("", text).strip()
    return short if len(short.split()) >= 4 else text


_BY_KIND = {
    (form, phrasing): tuple(one for one in WORDINGS if (one.form, one.phrasing) == (form, phrasing))
    for form in ("action", "thing")
    for phrasing in ("terse", "plain", "chatty")
}
