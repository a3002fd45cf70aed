"""Numbers in a question, in digits or in English words: `1,200.50`, `3 million`, `20 %`, `twenty-five`, `a dozen`.

Decimals are read as they are spoken, `five point two five`, and so is what is below zero: `minus three`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

_SCALES = {
    "hundred": 100, "thousand": 1000, "k": 1000, "million": 10**6, "billion": 10**9, "bn": 10**9, "trillion": 10**12,
    "dozen": 12,
}  # fmt: skip
_LINKS = frozenset("of is to at as equals being".split())
_SPELLED = "million billion trillion thousand hundred dozen".split()
_UNITS = dict(
    zip(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split(),
        range(20),
        strict=True,
    )
)
_TENS = dict(zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10), strict=True))
_WORDS = {**_UNITS, **_TENS}
_ANY = "|".join(sorted((*_WORDS, *_SPELLED), key=len, reverse=True))
_PERCENT = r"( ?(?:%|percent\b|per cent\b))?"
_DIGITS = re.compile(
    r"(?<![\w.])(-?(?:\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:\.\d{1,15})?)(?!\.?\d|,\d{3}(?!\d))"
    rf"(?:(k|bn)\b| ?({'|'.join(_SPELLED)})\b|([a-z]{{1,3}})\b)?{_PERCENT}(?!\w|\.\w)",
    re.IGNORECASE,
)
_DECIMALS = {**_WORDS, "oh": 0}
_DECIMAL = "|".join(sorted(_DECIMALS, key=len, reverse=True))
_POINT = rf"(?: point((?:[ -]+(?:{_DECIMAL}))+)\b(?: ({'|'.join(_SPELLED)})\b)?)?"
_RUN = re.compile(rf"\b((?:an? )?(?:(?:{_ANY})(?:[ -]+(?:and[ -]+)?(?={_ANY}))?)+)\b{_POINT}{_PERCENT}", re.IGNORECASE)
_YEAR = re.compile(r"(?:1[89]|20)\d\d")
_NEAR = 60
_MINUS = re.compile(r"\b(?:minus|negative) $", re.IGNORECASE)
_A_NUMBER = re.compile(rf"(?:[\d%]|\b(?:{_ANY})) $", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a question; `20 %` is 0.2, or 20 where it is wanted in percent.

    Attributes:
        value: the number.
        percent: of a percentage, the number in percent.
        beside: the words right before and right after it, in lower case.
        is_year: whether it is written as a year of these times is: `2026`, not `2,026` or `2026 %`.
    """

    value: int | float
    percent: int | float | None = None
    beside: tuple[str, ...] = ()
    is_year: bool = False

    def written(self, *, percent: bool) -> int | float:
        """The number for a parameter that is documented in percent, or isn't."""
        return self.percent if percent and self.percent is not None else self.value


def read(text: str) -> Iterator[Number]:
    """The numbers of a text, in the order in which they stand."""
    text = text.replace("−", "-")
    found = [(match.start(), one) for match in _DIGITS.finditer(text) for one in _found(text, match, _of_digits(match))]
    for match in _RUN.finditer(text):
        if not re.search(r"\d[\d.,]*[ -]?$", text[: match.start()]):
            found += [(match.start(), one) for one in _found(text, match, _spoken(match))]
    yield from (number for _, number in sorted(found, key=lambda one: one[0]))


def _found(text: str, match: re.Match[str], values: Iterable[Decimal]) -> Iterator[Number]:
    """The numbers of a place in a text; the first is below zero after `minus`, unless that takes it from another."""
    before = text[: match.start()]
    sign = _MINUS.search(before[-_NEAR:])
    below = sign is not None and not _A_NUMBER.search(before[: -len(sign.group())][-_NEAR:])
    beside = _beside(before[: -len(sign.group())] if sign and below else before, text[match.end() :])
    is_year = not below and bool(_YEAR.fullmatch(match.group().strip()))
    for place, value in enumerate(values):
        made = _number(-value if below and not place else value, beside, percent=bool(match[match.re.groups]))
        yield replace(made, is_year=True) if is_year else made


def _beside(before: str, after: str) -> tuple[str, ...]:
    """The word before, past one that says nothing (`a base of 6`), and the word after."""
    words = [word.lower() for word in re.findall(r"[^\W\d_]+", before[-_NEAR:])[-2:]]
    while len(words) > 1 and words[-1] in _LINKS:
        words.pop()
    return (*words[-1:], *(word.lower() for word in re.findall(r"[^\W\d_]+", after[:_NEAR])[:1]))


def _of_digits(match: re.Match[str]) -> Iterator[Decimal]:
    scale = _SCALES[(match[2] or match[3]).lower()] if match[2] or match[3] else 10**6 if match[4] == "M" else 1
    yield Decimal(match[1].replace(",", "")) * scale


def _spoken(match: re.Match[str]) -> Iterator[Decimal]:
    """What a run of words counts, and the decimals that are spoken after it: they are the last number's."""
    whole = list(_of_words(match[1]))
    yield from map(Decimal, whole[:-1])
    for last in whole[-1:]:
        yield Decimal(f"{last}.{_decimals(match[2] or '')}") * _SCALES.get((match[3] or "").lower(), 1)


def _decimals(text: str) -> str:
    """`one four` and `fourteen` are 14, `twenty-five` 25; none is 0."""
    digits, last = "", ""
    for word in re.findall(r"[a-z]+", text.lower()):
        value = _DECIMALS[word]
        digits = digits[:-1] + str(value) if last in _TENS and 0 < value < 10 else digits + str(value)
        last = word
    return digits or "0"


def _of_words(text: str) -> Iterator[int]:
    """What a run of words counts: `two hundred and five` is 205, `one two` is 1 and 2; a scale alone nothing."""
    total, part, last = 0, 0, ""
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in ("a", "an"):
            last = "a"
        elif word in _WORDS:
            if last in _UNITS or (last in _TENS and not 0 < _WORDS[word] < 10):
                yield total + part
                total = part = 0
            part += _WORDS[word]
        elif word not in _SCALES or (not last and word != "dozen"):
            continue  # `per cent`, and `hundreds` without a number
        else:
            part = max(part, 1) * _SCALES[word]
            if word not in ("hundred", "dozen"):
                total, part = total + part, 0
        last = word if word in _WORDS or word in _SCALES else last
    if last not in ("", "a"):
        yield total + part


def _number(number: Decimal, beside: tuple[str, ...], *, percent: bool) -> Number:
    return Number(_plain(number / 100), _plain(number), beside) if percent else Number(_plain(number), beside=beside)


def _plain(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)
