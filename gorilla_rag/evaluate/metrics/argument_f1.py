"""Argument F1: harmonic mean of precision and recall of the call's (name, value) pairs; 0 for another function.

Positional arguments are bound to the gold document's names first; one that the documentation has by position alone
may stand under any name. Values are compared as syntax, with their types: `1` isn't `True`. F1 as in information
retrieval (van Rijsbergen, Information Retrieval, 1979, chapter 7); a call without arguments that should have none
scores 1.
"""

from gorilla_rag.call import Argument, Call
from gorilla_rag.evaluate.catalogue import same_function
from gorilla_rag.evaluate.outcome import Case

_RECEIVER = "receiver."


def score(case: Case) -> float | None:
    """0 to 1; `None` where no values are known to be right."""
    expected = case.question.expected
    if expected is None:
        return None
    if case.call is None or not same_function(case.call, expected):
        return 0.0
    names = case.question.document.parameter_names
    return pairs_f1(_pairs(case.call, names), _pairs(expected, names))


def pairs_f1(given: dict[str | int, str], wanted: dict[str | int, str]) -> float:
    """F1 of two sets of (name, value) pairs; a number for a name is a place, whose value may have any other name."""
    if not given and not wanted:
        return 1.0
    matched = {name for name, value in wanted.items() if given.get(name) == value}
    free = [value for name, value in given.items() if isinstance(name, str) and name not in wanted]
    for name, value in wanted.items():
        if name not in matched and isinstance(name, int) and value in free:
            free.remove(value)
            matched.add(name)
    return 2 * len(matched) / (len(given) + len(wanted))


def _pairs(call: Call, names: tuple[str, ...]) -> dict[str | int, str]:
    pairs = {name: _key(value) for name, value in call.bind(names).arguments()}
    inner = _pairs(call.receiver, ()) if call.receiver else {}
    return pairs | {f"{_RECEIVER}{name}": value for name, value in inner.items()}


def _key(value: Argument) -> str:
    return Call(args=(value,)).key()
