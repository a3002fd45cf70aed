"""Whether an answer makes the function calls that a question wants: the Berkeley leaderboard's AST check.

It serves the leaderboard's Python categories (simple, multiple, parallel, parallel multiple) and irrelevance. What is
right is defined there (Patil et al., The Berkeley Function Calling Leaderboard, 2025): for each argument the values
that are accepted, and the function's description with its types. A gold call is `{function: {parameter: [values]}}`,
with `""` among the values where the parameter may be left out.

Where the leaderboard's own program departs from its definition this one keeps to the definition; each such difference
stands in docs/results/function_calls.md. Knows values, not text: no model, no file, no parsing of what was written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeGuard

from gorilla_rag.errors import UsageError

_LEFT_OUT = ""
# By exact type: a boolean is no integer. An integer serves where a float is wanted, as in Python.
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "float": (float, int),
    "boolean": (bool,),
    "array": (list,),
    "tuple": (list, tuple),
    "dict": (dict,),
    "any": (),
}
_TEXTS = ("string", "any")
_TEXT_AS_COMPARED = str.maketrans("'", '"', " ,./-_*^")


class Fault(StrEnum):
    """What is wrong with an answer; of two, the later is nearer to being right."""

    NOT_A_CALL = "not a call"
    UNWANTED_CALL = "unwanted call"
    WRONG_COUNT = "wrong count"
    WRONG_FUNCTION = "wrong function"
    MISSING_PARAMETER = "missing parameter"
    UNEXPECTED_PARAMETER = "unexpected parameter"
    WRONG_TYPE = "wrong type"
    WRONG_VALUE = "wrong value"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found: no fault, or the first one with its detail for people."""

    fault: Fault | None = None
    detail: str = ""

    @property
    def right(self) -> bool:
        """Whether the answer is right."""
        return self.fault is None


RIGHT = Judgement()


@dataclass(frozen=True, slots=True)
class Made:
    """A call that an answer makes: a function's name, and JSON values by parameter (a tuple may stand for a list)."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What is right for one parameter: any of the values, or leaving it out where that is allowed."""

    values: tuple[Any, ...]
    optional: bool

    @classmethod
    def of(cls, values: object) -> Accepted:
        """From a gold call's list of values."""
        if not isinstance(values, list) or not values:
            raise UsageError(f"accepted values {values!r}", hint='give a list, with "" where it may be left out')
        return cls(tuple(values), _LEFT_OUT in values)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call that a question wants."""

    name: str
    arguments: Mapping[str, Accepted]

    @classmethod
    def of(cls, gold: Mapping[str, Mapping[str, object]]) -> Wanted:
        """From a gold call, `{function: {parameter: [values]}}`.

        Raises:
            UsageError: it has another form.
        """
        if len(gold) != 1:
            raise UsageError(f"a gold call of {len(gold)} functions", hint="give one {function: {parameter: [values]}}")
        ((name, arguments),) = gold.items()
        return cls(name, {parameter: Accepted.of(values) for parameter, values in arguments.items()})


def read(decoded: object) -> tuple[Made, ...] | None:
    """Calls in the leaderboard's decoded form, `[{function: {parameter: value}}, ...]`; `None` for anything else."""
    if not isinstance(decoded, list) or not all(isinstance(call, dict) and len(call) == 1 for call in decoded):
        return None
    pairs = [next(iter(call.items())) for call in decoded]
    if not all(isinstance(arguments, dict) for _, arguments in pairs):
        return None
    return tuple(Made(name, arguments) for name, arguments in pairs)


def judge(
    answer: Sequence[Made] | None,
    gold: Sequence[Mapping[str, Mapping[str, object]]],
    docs: Sequence[Mapping[str, Any]],
) -> Judgement:
    """Judges an answer. Calls may stand in any order, and each serves one wanted call.

    Args:
        answer: the calls that it makes; `None` where no calls could be read from it.
        gold: the calls that are wanted; none for a question that wants no call.
        docs: the functions' own descriptions as the leaderboard gives them, `{name, parameters}`.

    Raises:
        UsageError: a gold call of another form, or of a function without description.
    """
    wanted = [Wanted.of(call) for call in gold]
    if not wanted:
        return Judgement(Fault.UNWANTED_CALL, f"{answer[0].name} is called") if answer else RIGHT
    if answer is None:
        return Judgement(Fault.NOT_A_CALL, "no calls could be read")
    if len(answer) != len(wanted):
        return Judgement(Fault.WRONG_COUNT, f"{len(answer)} calls where {len(wanted)} are wanted")
    schemas = [_parameters(call.name, docs) for call in wanted]
    judged = [[_judge_call(made, one, schema) for made in answer] for one, schema in zip(wanted, schemas, strict=True)]
    return _nearest_fault(judged, _matching([[one.right for one in row] for row in judged]))


def _parameters(name: str, docs: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    for doc in docs:
        if doc["name"] == name:
            found: Mapping[str, Any] = doc["parameters"]
            _refuse_unknown_types(found)
            return found
    raise UsageError(f"{name} isn't described", hint="give the descriptions of all functions that are wanted")


def _refuse_unknown_types(schema: Mapping[str, Any]) -> None:
    if schema.get("type", "any") not in _TYPES:
        raise UsageError(f"the type {schema['type']!r}", hint=f"the leaderboard's are {', '.join(_TYPES)}")
    inner = [schema["items"]] if "items" in schema else []
    for one in (*inner, *schema.get("properties", {}).values()):
        _refuse_unknown_types(one)


def _matching(right: Sequence[Sequence[bool]]) -> dict[int, int]:
    """Wanted calls by the made call that serves them: a maximum bipartite matching by augmenting paths.

    Berge, Two theorems in graph theory, 1957. Taking the first that fits isn't enough: with 1 or 2 accepted by one
    call and 1 alone by another, an answer of 1 and 2 is right in either order.
    """
    serves: dict[int, int] = {}

    def place(wanted: int, tried: set[int]) -> bool:
        for made, fits in enumerate(right[wanted]):
            if fits and made not in tried:
                tried.add(made)
                if made not in serves or place(serves[made], tried):
                    serves[made] = wanted
                    return True
        return False

    for wanted in range(len(right)):
        place(wanted, set())
    return serves


def _nearest_fault(judged: Sequence[Sequence[Judgement]], serves: Mapping[int, int]) -> Judgement:
    """Of the first wanted call that nothing serves, the fault of the call that comes nearest to it."""
    unserved = set(range(len(judged))) - set(serves.values())
    if not unserved:
        return RIGHT
    row = judged[min(unserved)]
    faults = list(Fault)
    left = [found for made, found in enumerate(row) if made not in serves and found.fault]
    return max(left, key=lambda found: faults.index(found.fault or Fault.NOT_A_CALL))


def _judge_call(made: Made, wanted: Wanted, schema: Mapping[str, Any]) -> Judgement:
    if made.name != wanted.name:
        return Judgement(Fault.WRONG_FUNCTION, f"{made.name} where {wanted.name} is wanted")
    needed = set(schema.get("required", ())) | {key for key, one in wanted.arguments.items() if not one.optional}
    for parameter in sorted(needed - made.arguments.keys()):
        return Judgement(Fault.MISSING_PARAMETER, f"{made.name} without {parameter}")
    properties = schema.get("properties", {})
    for parameter, value in made.arguments.items():
        if parameter not in properties or parameter not in wanted.arguments:
            return Judgement(Fault.UNEXPECTED_PARAMETER, f"{made.name} with {parameter}")
        accepted = wanted.arguments[parameter]
        if not any(_is_accepted(value, one, properties[parameter]) for one in accepted.values):
            return _value_fault(parameter, value, accepted, properties[parameter])
    return RIGHT


def _value_fault(parameter: str, value: object, accepted: Accepted, schema: Mapping[str, Any]) -> Judgement:
    others = {type(one) for one in accepted.values if not isinstance(one, list | dict | str)}
    if _has_type(value, schema) or type(value) in others:
        return Judgement(Fault.WRONG_VALUE, f"{parameter} is {value!r}, not one of {list(accepted.values)}")
    return Judgement(Fault.WRONG_TYPE, f"{parameter} is {value!r}, not of type {schema.get('type', 'any')}")


def _is_accepted(value: object, one: object, schema: Mapping[str, Any]) -> bool:
    """Whether an argument is an accepted one: dicts, in lists too, by the values accepted for each of their keys.

    Text where another type is documented stands for a variable or an expression, and is compared exactly.
    """
    if isinstance(one, dict):
        return isinstance(value, dict) and _has_fields(value, one, schema)
    if isinstance(one, list):
        items = schema.get("items", {})
        return _is_list(value, schema, len(one)) and all(
            _is_accepted(item, wanted, items) if isinstance(wanted, dict) else _equal(item, wanted, items)
            for item, wanted in zip(value, one, strict=True)
        )
    if isinstance(one, str) and schema.get("type", "any") not in _TEXTS:
        return value == one != _LEFT_OUT
    return _equal(value, one, schema)


def _has_fields(value: Mapping[str, Any], fields: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    wanted = {key: Accepted.of(values) for key, values in fields.items()}
    if not value.keys() <= wanted.keys() or any(key not in value and not one.optional for key, one in wanted.items()):
        return False
    properties = schema.get("properties", {})
    return all(
        any(_equal(item, one, properties.get(key, {})) for one in wanted[key].values) for key, item in value.items()
    )


def _equal(value: object, one: object, schema: Mapping[str, Any]) -> bool:
    """Whether two JSON values are the same, types before values.

    Integer and float are the same where the description allows the value's type, or says nothing; a boolean is neither.
    """
    if isinstance(one, dict):
        properties = schema.get("properties", {})
        return isinstance(value, dict) and (
            value.keys() == one.keys() and all(_equal(value[key], one[key], properties.get(key, {})) for key in one)
        )
    if isinstance(one, list):
        items = schema.get("items", {})
        return _is_list(value, schema, len(one)) and all(
            _equal(item, wanted, items) for item, wanted in zip(value, one, strict=True)
        )
    if isinstance(value, str) and isinstance(one, str):
        return _as_compared(value) == _as_compared(one)
    numbers = {type(value), type(one)} <= {int, float}
    return value == one and (type(value) is type(one) or (numbers and _has_type(value, schema)))


def _is_list(value: object, schema: Mapping[str, Any], length: int) -> TypeGuard[Sequence[Any]]:
    """Whether it is a list of that length; a tuple is one where the description says tuple."""
    kinds = list | tuple if schema.get("type") == "tuple" else list
    return isinstance(value, kinds) and len(value) == length


def _has_type(value: object, schema: Mapping[str, Any]) -> bool:
    """Whether a value has the documented type, its items and fields too."""
    types = _TYPES[schema.get("type", "any")]
    if types and type(value) not in types:
        return False
    if isinstance(value, list | tuple):
        return all(_has_type(item, schema.get("items", {})) for item in value)
    properties = schema.get("properties", {})
    return not isinstance(value, dict) or all(_has_type(item, properties.get(key, {})) for key, item in value.items())


def _as_compared(text: str) -> str:
    """Text without spaces and the punctuation `,./-_*^`, in lower case, every quote a double one."""
    return text.translate(_TEXT_AS_COMPARED).lower()
