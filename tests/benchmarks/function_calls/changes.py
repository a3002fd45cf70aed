"""Ways to spoil an answer, or to write it another way: of whole answers, and of single values in them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from tests.benchmarks.function_calls.questions import Answer, Question, any_values

Path = tuple[str | int, ...]
ANY_TYPE: Mapping[str, Any] = {}


def _renamed(answer: Answer, place: int, name: str) -> Answer:
    return [{name: next(iter(call.values()))} if at == place else call for at, call in enumerate(answer)]


def another_function(question: Question, chance: Random) -> Answer:
    """One call is of another function that is offered, or of none."""
    answer = any_values(question, chance)
    place = chance.randrange(len(answer))
    ((name, _),) = answer[place].items()
    others = [one["name"] for one in question.functions if one["name"] != name]
    return _renamed(answer, place, chance.choice(others or [f"{name}_of"]))


def underscores_for_dots(question: Question, chance: Random) -> Answer | None:
    """Names as those models write them that can't write dots."""
    answer = [{name.replace(".", "_"): given for name, given in one.items()} for one in any_values(question, chance)]
    return answer if any("." in name for one in question.gold for name in one) else None


def argument_dropped(question: Question, chance: Random) -> Answer | None:
    """One argument less, which may be one that may be left out."""
    answer = any_values(question, chance)
    arguments = _some_arguments(answer, chance)
    if not arguments:
        return None
    del arguments[chance.choice(list(arguments))]
    return answer


def argument_added(question: Question, chance: Random) -> Answer:
    """A parameter that isn't documented."""
    answer = any_values(question, chance)
    next(iter(chance.choice(answer).values()))["verbosity"] = 1
    return answer


def argument_misspelt(question: Question, chance: Random) -> Answer | None:
    """One parameter under another name."""
    answer = any_values(question, chance)
    arguments = _some_arguments(answer, chance)
    if not arguments:
        return None
    name = chance.choice(list(arguments))
    arguments[f"{name}s"] = arguments.pop(name)
    return answer


def _some_arguments(answer: Answer, chance: Random) -> dict[str, Any]:
    return next(iter(chance.choice(answer).values()))


def call_missing(question: Question, chance: Random) -> Answer:
    """One call less."""
    answer = any_values(question, chance)
    del answer[chance.randrange(len(answer))]
    return answer


def call_repeated(question: Question, chance: Random) -> Answer:
    """One call more, which was there already."""
    answer = any_values(question, chance)
    return [*answer, chance.choice(answer)]


def call_in_place_of_another(question: Question, chance: Random) -> Answer | None:
    """As many calls as wanted, one of them twice."""
    answer = any_values(question, chance)
    return [answer[0], *answer[:-1]] if len(answer) > 1 else None


def calls_reversed(question: Question, chance: Random) -> Answer | None:
    """The wanted calls from last to first."""
    answer = any_values(question, chance)
    return answer[::-1] if len(answer) > 1 else None


def no_call(question: Question, chance: Random) -> Answer:
    """An empty list."""
    return []


def prose(question: Question, chance: Random) -> Any:
    """Text instead of calls."""
    return f"I would call {question.functions[0]['name']}."


def not_a_list(question: Question, chance: Random) -> Any:
    """A call that no list holds."""
    return any_values(question, chance)[0]


def calls_in_one_object(question: Question, chance: Random) -> Any:
    """Two functions in one object."""
    ((name, arguments),) = any_values(question, chance)[0].items()
    return [{name: arguments, f"{name}_of": arguments}]


def arguments_in_a_list(question: Question, chance: Random) -> Any:
    """A call by position."""
    ((name, arguments),) = any_values(question, chance)[0].items()
    return [{name: list(arguments.values())}]


WHOLE: Mapping[str, Callable[[Question, Random], Any]] = {
    "calls reversed": calls_reversed,
    "another function": another_function,
    "underscores for dots": underscores_for_dots,
    "argument dropped": argument_dropped,
    "argument added": argument_added,
    "argument misspelt": argument_misspelt,
    "call missing": call_missing,
    "call repeated": call_repeated,
    "call in place of another": call_in_place_of_another,
    "no call": no_call,
    "prose": prose,
    "not a list": not_a_list,
    "two calls in one object": calls_in_one_object,
    "arguments in a list": arguments_in_a_list,
}

# Groups of changes, each for values of exactly these types; a value that stays the same is no change.
VALUES: Mapping[str, Mapping[str, tuple[tuple[type, ...], Callable[[Any], Any]]]] = {
    "numbers": {
        "number as text": ((int, float), str),
        "float as integer": ((float,), int),
        "integer as float": ((int,), float),
        "integer as boolean": ((int,), bool),
        "number off by one": ((int, float), lambda value: value + 1),
    },
    "booleans": {
        "boolean as integer": ((bool,), int),
        "boolean as text": ((bool,), lambda value: str(value).lower()),
        "boolean turned round": ((bool,), lambda value: not value),
    },
    "texts": {
        "text in capitals": ((str,), str.upper),
        "text in small letters": ((str,), str.lower),
        "text with other punctuation": ((str,), lambda value: value.replace(" ", ", ") + "."),
        "text without spaces": ((str,), lambda value: value.replace(" ", "")),
        "text with a line break": ((str,), lambda value: f"{value}\n"),
        "text with other quotes": ((str,), lambda value: value.replace("'", '"')),
        "text in brackets": ((str,), lambda value: f"({value})"),
        "text with a letter more": ((str,), lambda value: f"{value}x"),
        "text emptied": ((str,), lambda value: ""),
        "text as number": ((str,), lambda value: int(value) if value.isdecimal() else value),
    },
    "lists": {
        "list turned round": ((list,), lambda value: value[::-1]),
        "list without its last": ((list,), lambda value: value[:-1]),
        "list with its last twice": ((list,), lambda value: value + value[-1:]),
        "list emptied": ((list,), lambda value: []),
        "list as tuple": ((list,), tuple),
        "list as text": ((list,), str),
        "list as its first": ((list,), lambda value: value[0] if value else value),
    },
    "dicts": {
        "dict without its last": ((dict,), lambda value: dict(list(value.items())[:-1])),
        "dict with a key more": ((dict,), lambda value: {**value, "note": 1}),
        "dict emptied": ((dict,), lambda value: {}),
    },
    "any value": {
        "value in a list": ((int, float, str, bool, dict), lambda value: [value]),
        "value as null": ((int, float, str, bool, list, dict), lambda value: None),
        "value as empty text": ((int, float, bool, list, dict), lambda value: ""),
    },
}


def value_changed(
    question: Question, types: tuple[type, ...], change: Callable[[Any], Any], chance: Random
) -> tuple[Answer, str] | None:
    """An answer with one value changed, and what is documented there; `None` where nothing can be changed so."""
    answer = any_values(question, chance)
    places = [path for path, value in _values(answer, ()) if type(value) in types and not _same(change(value), value)]
    if not places:
        return None
    path = chance.choice(places)
    answer = copy.deepcopy(answer)
    holder: Any = answer
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = change(holder[path[-1]])
    return answer, _documented(question, path)


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


def _values(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Every value within arguments, and where it is: call, function, parameter, then keys and places."""
    if len(path) > 2:
        yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in inner:
        yield from _values(item, (*path, step))


def _documented(question: Question, path: Path) -> str:
    """The documented types on the way to a value, outermost first: `array > float`."""
    schema = question.schema(str(path[1]))
    types = []
    for step in path[2:]:
        schema = (
            schema.get("properties", {}).get(step, ANY_TYPE) if isinstance(step, str) else schema.get("items", ANY_TYPE)
        )
        types.append(schema.get("type", "undocumented"))
    return " > ".join(types)
