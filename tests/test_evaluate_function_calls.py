"""The leaderboard's AST check of function calls: every rule on small examples, properties, and its own questions."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.errors import UsageError
from gorilla_rag.evaluate.function_calling.checker import Fault, Judgement, Made, judge, read
from tests.benchmarks.function_calls import answers, questions
from tests.benchmarks.function_calls.probes import PROBES, Probe

TEXT, WHOLE, REAL, YES = ({"type": kind} for kind in ("string", "integer", "float", "boolean"))
Gold = dict[str, dict[str, list[Any]]]
DICT, ANY = {"type": "dict"}, {"type": "any"}


def list_of(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def tuple_of(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tuple", "items": items}


def function(name: str, properties: dict[str, dict[str, Any]], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """A function as the leaderboard describes one."""
    return {"name": name, "parameters": {"type": "dict", "properties": properties, "required": list(required)}}


MOOR = function("harbour.moor", {"berth": WHOLE, "nights": WHOLE, "ship": TEXT}, ("berth",))
SAIL = function("sail", {"to": TEXT}, ("to",))
MOOR_GOLD = {"harbour.moor": {"berth": [4], "nights": [2, ""], "ship": ["Ann", "SS Ann"]}}


def judged(schema: dict[str, Any], accepted: list[Any], value: Any) -> Judgement:
    """The judgement of one argument."""
    return judge([Made("f", {"it": value})], [{"f": {"it": accepted}}], [function("f", {"it": schema})])


def moored(**arguments: Any) -> Fault | None:
    """What is wrong with a call of `harbour.moor`."""
    return judge([Made("harbour.moor", arguments)], [MOOR_GOLD], [SAIL, MOOR]).fault


def test_any_accepted_value_of_every_argument_is_right() -> None:
    assert moored(berth=4, nights=2, ship="Ann") is None
    assert moored(ship="SS Ann", nights=2, berth=4) is None


def test_only_what_may_be_left_out_may_be_left_out() -> None:
    assert moored(berth=4, ship="Ann") is None
    assert moored(berth=4, nights=2) is Fault.MISSING_PARAMETER  # not required, but the question gives it
    assert moored(nights=2, ship="Ann") is Fault.MISSING_PARAMETER


def test_a_required_parameter_must_be_given_even_where_the_gold_call_says_it_may_be_left_out() -> None:
    gold = {"harbour.moor": {"berth": [4, ""]}}
    assert judge([Made("harbour.moor", {})], [gold], [MOOR]).fault is Fault.MISSING_PARAMETER


def test_a_parameter_that_isnt_documented_or_isnt_in_the_gold_call_is_unexpected() -> None:
    assert moored(berth=4, ship="Ann", colour="red") is Fault.UNEXPECTED_PARAMETER
    documented_only = judge(
        [Made("harbour.moor", {"berth": 4, "nights": 1})], [{"harbour.moor": {"berth": [4]}}], [MOOR]
    )
    assert documented_only.fault is Fault.UNEXPECTED_PARAMETER
    wanted_only = judge(
        [Made("sail", {"to": "Oban", "by": "night"})], [{"sail": {"to": ["Oban"], "by": ["night"]}}], [SAIL]
    )
    assert wanted_only.fault is Fault.UNEXPECTED_PARAMETER


@pytest.mark.parametrize("name", ["sail", "moor", "harbour_moor", "Harbour.moor", ""])
def test_the_functions_name_is_right_only_to_the_letter(name: str) -> None:
    made = Made(name, {"berth": 4, "ship": "Ann"})
    assert judge([made], [MOOR_GOLD], [SAIL, MOOR]).fault is Fault.WRONG_FUNCTION


def test_a_wrong_type_is_told_from_a_wrong_value() -> None:
    assert moored(berth="4", ship="Ann") is Fault.WRONG_TYPE
    assert moored(berth=5, ship="Ann") is Fault.WRONG_VALUE
    assert judged(list_of(WHOLE), [[1]], ["1"]).fault is Fault.WRONG_TYPE
    assert judged(list_of(WHOLE), [[1]], [2]).fault is Fault.WRONG_VALUE
    assert judged(REAL, ["", None], 2.0).fault is Fault.WRONG_VALUE


def test_the_detail_says_what_was_given_and_what_is_accepted() -> None:
    found = judged(WHOLE, [3, 4], 5)
    assert (found.right, found.detail) == (False, "it is 5, not one of [3, 4]")
    assert judged(WHOLE, [3], True).detail == "it is True, not of type integer"
    assert judged(WHOLE, [3], 3) == Judgement()


@pytest.mark.parametrize(
    ("schema", "accepted", "value", "right"),
    [
        (WHOLE, 1, True, False),
        (WHOLE, 1, 1.0, False),
        (WHOLE, 0, False, False),
        (YES, True, True, True),
        (YES, True, 1, False),
        (YES, False, 0, False),
        (YES, True, "true", False),
        (REAL, 1.0, 1, True),
        (REAL, 1.0, True, False),
        (REAL, 1, 1.0, True),
        (REAL, 1.5, 1, False),
        (REAL, 1.5, "1.5", False),
        (REAL, None, None, True),
        (TEXT, "1", 1, False),
        (TEXT, "x", None, False),
        (ANY, 1, 1.0, True),
        (ANY, 1, True, False),
        (ANY, [1], [1], True),
    ],
)
def test_types_come_before_equality(schema: dict[str, Any], accepted: Any, value: Any, right: bool) -> None:
    assert judged(schema, [accepted], value).right is right
    assert judged(schema, ["", accepted], value).right is right
    assert judged(list_of(schema), [[accepted]], [value]).right is right
    assert judged(list_of(list_of(schema)), [[[accepted]], ""], [[value]]).right is right
    fields = {"type": "dict", "properties": {"key": schema}}
    assert judged(fields, [{"key": [accepted]}], {"key": value}).right is right
    assert judged(list_of(fields), [[{"key": [accepted]}]], [{"key": value}]).right is right


def test_where_nothing_is_documented_a_number_is_a_number_and_a_boolean_none() -> None:
    assert judged(DICT, [{"depth": [3]}], {"depth": 3.0}).right
    assert judged(DICT, [{"depth": [3.0]}], {"depth": 3}).right
    assert not judged(DICT, [{"depth": [1]}], {"depth": True}).right
    assert not judged(DICT, [{"deep": [True]}], {"deep": 1}).right


def test_an_accepted_value_of_another_type_than_documented_is_right_in_its_own_type() -> None:
    assert judged(WHOLE, [3, "three"], "three").right
    assert judged(list_of(WHOLE), [["a", "b"]], ["a", "b"]).right
    assert judged(WHOLE, [3.5], 3.5).right
    assert not judged(WHOLE, [3.0], 3.5).right


@pytest.mark.parametrize(
    ("accepted", "value", "right"),
    [
        ("April 1, 2024", "april 1 2024", True),
        ("San Juan", "SanJuan", True),
        ("bed-and-breakfast", "bed_and/breakfast", True),
        ("5*3^2", "532", True),
        ("it's", 'it"s', True),
        ("1.5", "15", True),  # as the leaderboard compares
        ("San Juan", "San\nJuan", False),
        ("San Juan", "San Juan!", False),
        ("San Juan", "St Juan", False),
        ("Straße", "STRASSE", False),
    ],
)
def test_text_is_compared_without_case_spaces_and_some_punctuation(accepted: str, value: str, right: bool) -> None:
    assert judged(TEXT, [accepted], value).right is right
    assert judged(ANY, [accepted], value).right is right
    assert judged(list_of(TEXT), [[accepted]], [value]).right is right
    assert judged(list_of(list_of(TEXT)), [[[accepted]]], [[value]]).right is right
    assert judged(DICT, [{"at": [accepted]}], {"at": value}).right is right
    assert judged(DICT, [{"at": [[accepted]]}], {"at": [value]}).right is right


def test_text_for_another_type_is_a_variable_and_compared_exactly() -> None:
    assert judged(list_of(REAL), ["tides['oban']"], "tides['oban']").right
    assert not judged(list_of(REAL), ["tides['oban']"], 'tides["oban"]').right
    assert not judged(WHOLE, ["Depth"], "depth").right


def test_empty_text_is_a_value_only_where_text_is_documented() -> None:
    assert judged(TEXT, ["Oban", ""], "").right
    assert not judged(TEXT, ["Oban"], "").right
    for schema in (WHOLE, REAL, YES, list_of(TEXT), DICT):
        assert not judged(schema, [""], "").right


def test_an_empty_list_or_dict_isnt_a_parameter_left_out() -> None:
    assert not judged(list_of(TEXT), [["oak"], ""], []).right
    assert not judged(list_of(DICT), [[{"wood": ["oak"]}], ""], []).right
    assert not judged(DICT, [{"wood": ["oak"]}, ""], {}).right
    assert judged(list_of(TEXT), [[], ""], []).right


def test_lists_are_compared_in_order_and_length() -> None:
    assert judged(list_of(WHOLE), [[1, 2], [2, 1]], [2, 1]).right
    for value in ([2, 1], [1], [1, 2, 2], [], 1, "1, 2", {"0": 1, "1": 2}, (1, 2)):
        assert not judged(list_of(WHOLE), [[1, 2]], value).right


def test_a_tuple_may_be_written_as_tuple_or_list_where_tuple_is_documented() -> None:
    for value in ((1.5, 2.0), [1.5, 2.0], (1.5, 2)):
        assert judged(tuple_of(REAL), [[1.5, 2.0]], value).right
    assert not judged(tuple_of(REAL), [[1.5, 2.0]], (2.0, 1.5)).right
    assert judged(list_of(tuple_of(WHOLE)), [[[1, 2]]], [(1, 2)]).right
    assert not judged(list_of(list_of(WHOLE)), [[[1, 2]]], [(1, 2)]).right


def test_a_dict_has_accepted_values_for_each_key() -> None:
    accepted = [{"wood": ["oak", "ash"], "feet": [30], "keel": ["long", ""]}]
    for value in ({"wood": "Ash", "feet": 30}, {"keel": "long", "feet": 30, "wood": "oak"}):
        assert judged(DICT, accepted, value).right
    wrong: tuple[Any, ...] = (
        {"wood": "oak"},
        {"wood": "fir", "feet": 30},
        {"wood": "oak", "feet": 30, "sails": 2},
        {"Wood": "oak", "feet": 30},
        {},
        [("wood", "oak")],
        None,
    )
    for value in wrong:
        assert not judged(DICT, accepted, value).right
    assert judged(DICT, [{"wood": ["oak"]}, *accepted], {"wood": "oak"}).right


def test_a_list_of_dicts_is_compared_dict_by_dict_in_order() -> None:
    schema = list_of({"type": "dict", "properties": {"wood": TEXT, "feet": WHOLE}})
    accepted = [[{"wood": ["oak", "ash"]}, {"feet": [30, ""]}]]
    assert judged(schema, accepted, [{"wood": "ash"}, {"feet": 30}]).right
    assert judged(schema, accepted, [{"wood": "ash"}, {}]).right
    for value in ([{"feet": 30}, {"wood": "ash"}], [{"wood": "ash"}], [{"wood": "ash"}, 30], {"wood": "ash"}, []):
        assert not judged(schema, accepted, value).right


def test_inside_a_dicts_value_a_dict_is_plain() -> None:
    accepted = [{"tide": [{"high": 4.5, "at": ["Oban"]}]}]
    assert judged(DICT, accepted, {"tide": {"at": ["oban"], "high": 4.5}}).right
    for tide in ({"high": 4.5}, {"high": 4.5, "at": "Oban"}, {"high": 4.5, "at": ["Oban"], "low": 1}, 4.5):
        assert not judged(DICT, accepted, {"tide": tide}).right


def sailed(*places: str) -> list[Made]:
    return [Made("sail", {"to": place}) for place in places]


def test_parallel_calls_are_right_in_any_order_and_each_serves_once() -> None:
    gold: list[Gold] = [{"sail": {"to": ["Oban"]}}, {"sail": {"to": ["Mull"]}}, {"harbour.moor": {"berth": [4]}}]
    mooring = Made("harbour.moor", {"berth": 4})
    for answer in permutations([*sailed("Oban", "Mull"), mooring]):
        assert judge(answer, gold, [MOOR, SAIL]).right
    assert judge([*sailed("Oban", "Oban"), mooring], gold, [MOOR, SAIL]).fault is Fault.WRONG_VALUE
    assert judge([*sailed("Oban"), mooring, mooring], gold, [MOOR, SAIL]).fault is Fault.WRONG_FUNCTION


def test_calls_that_could_serve_several_are_matched_as_a_whole() -> None:
    # The leaderboard's checker gives the first wanted call the first made call that fits, and then fails on the second.
    gold = [{"sail": {"to": ["Oban", "Mull"]}}, {"sail": {"to": ["Oban", "Iona"]}}, {"sail": {"to": ["Oban"]}}]
    for answer in permutations(sailed("Oban", "Mull", "Iona")):
        assert judge(answer, gold, [SAIL]).right
    for answer in permutations(sailed("Mull", "Mull", "Oban")):
        assert not judge(answer, gold, [SAIL]).right


def test_the_fault_of_several_calls_is_that_of_the_nearest() -> None:
    gold: list[Gold] = [{"sail": {"to": ["Oban"]}}, {"harbour.moor": {"berth": [4]}}]
    answer = [Made("harbour.moor", {"berth": 5}), *sailed("Oban")]
    assert judge(answer, gold, [MOOR, SAIL]).fault is Fault.WRONG_VALUE
    answer = [Made("harbour.moor", {"berth": "4"}), *sailed("Mull")]
    assert judge(answer, gold, [MOOR, SAIL]).fault is Fault.WRONG_VALUE
    assert "Mull" in judge(answer, gold, [MOOR, SAIL]).detail


def test_the_number_of_calls_must_be_right() -> None:
    gold = [{"sail": {"to": ["Oban"]}}]
    assert judge(sailed("Oban", "Oban"), gold, [SAIL]).fault is Fault.WRONG_COUNT
    assert judge([], gold, [SAIL]).fault is Fault.WRONG_COUNT
    assert judge(sailed("Oban"), [*gold, *gold], [SAIL]).fault is Fault.WRONG_COUNT


def test_a_question_that_wants_no_call_is_answered_right_by_none() -> None:
    assert judge([], [], [SAIL]).right
    assert judge(None, [], [SAIL]).right
    assert judge(sailed("Oban"), [], [SAIL]).fault is Fault.UNWANTED_CALL


@pytest.mark.parametrize(
    "decoded",
    ["sail to Oban", None, {"sail": {"to": "Oban"}}, ["sail"], [{}], [{"sail": ["Oban"]}], [{"a": {}, "b": {}}]],
)
def test_what_isnt_a_list_of_calls_is_no_call(decoded: Any) -> None:
    assert read(decoded) is None
    assert judge(read(decoded), [{"sail": {"to": ["Oban"]}}], [SAIL]).fault is Fault.NOT_A_CALL
    assert judge(read(decoded), [], [SAIL]).right


def test_calls_are_read_in_the_leaderboards_form() -> None:
    assert read([{"sail": {"to": "Oban"}}, {"wait": {}}]) == (*sailed("Oban"), Made("wait", {}))
    assert read([]) == ()


@pytest.mark.parametrize(
    ("gold", "docs", "message"),
    [
        ({"sail": {"to": "Oban"}}, [SAIL], "accepted values 'Oban'"),
        ({"sail": {"to": []}}, [SAIL], "accepted values []"),
        ({"sail": {}, "wait": {}}, [SAIL], "a gold call of 2 functions"),
        ({"sail": {"to": ["Oban"]}}, [MOOR], "sail isn't described"),
        ({"sail": {"to": ["Oban"]}}, [function("sail", {"to": {"type": "str"}})], "the type 'str'"),
        ({"sail": {"to": ["Oban"]}}, [function("sail", {"to": list_of({"type": "str"})})], "the type 'str'"),
    ],
)
def test_a_question_of_another_form_is_refused(gold: Any, docs: list[Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        judge(sailed("Oban"), [gold], docs)
    assert message in refused.value.message


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.question.id[:40])
def test_known_differences_from_the_leaderboards_checker_are_judged_as_said(probe: Probe) -> None:
    assert judge(read(probe.answer), probe.question.gold, probe.question.functions).right is probe.right


LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text("abAB .,-'", min_size=1, max_size=4).filter(lambda text: bool(text.strip(" .,-"))),
    "integer": st.integers(-2, 2),
    "float": st.sampled_from([-1.5, 0.0, 1.0, 2.5]),
    "boolean": st.booleans(),
}
KINDS = st.sampled_from(sorted(LEAVES))


@st.composite
def arguments(draw: st.DrawFn) -> tuple[dict[str, Any], Any, Any]:
    """A parameter's schema, a value that it accepts in the gold call's form, and the value as one would give it."""
    kind, shape = draw(KINDS), draw(st.sampled_from(["leaf", "array", "tuple", "dict", "dicts"]))
    leaf: dict[str, Any] = {"type": kind}
    value = draw(LEAVES[kind])
    if shape == "leaf":
        return leaf, value, value
    if shape in ("array", "tuple"):
        values = [value, *draw(st.lists(LEAVES[kind], max_size=2))]
        return {"type": shape, "items": leaf}, values, values
    fields = {"type": "dict", "properties": {"a": leaf}}
    accepted, plain = {"a": [value], "b": ["", 1]}, {"a": value}
    return (fields, accepted, plain) if shape == "dict" else (list_of(fields), [accepted], [plain])


SEVERAL = st.dictionaries(st.sampled_from("pqrs"), arguments(), min_size=1)


@given(several=SEVERAL)
def test_the_golds_own_values_always_pass(several: dict[str, tuple[dict[str, Any], Any, Any]]) -> None:
    gold = {"f": {name: [accepted] for name, (_, accepted, _) in several.items()}}
    doc = function("f", {name: schema for name, (schema, _, _) in several.items()})
    made = Made("f", {name: value for name, (_, _, value) in several.items()})
    assert judge([made], [gold], [doc]).right


@given(several=SEVERAL, data=st.data())
def test_dropping_a_required_argument_never_passes(
    several: dict[str, tuple[dict[str, Any], Any, Any]], data: st.DataObject
) -> None:
    dropped = data.draw(st.sampled_from(sorted(several)))
    gold = {"f": {name: ["", accepted] for name, (_, accepted, _) in several.items()}}
    schemas = {name: schema for name, (schema, _, _) in several.items()}
    made = Made("f", {name: value for name, (_, _, value) in several.items() if name != dropped})
    assert judge([made], [gold], [function("f", schemas, (dropped,))]).fault is Fault.MISSING_PARAMETER
    assert judge([made], [gold], [function("f", schemas)]).right


def other_kind(value: Any) -> Any:
    """Booleans in place of the numbers that equal them, and numbers in place of booleans."""
    if isinstance(value, list):
        return [other_kind(item) for item in value]
    if isinstance(value, dict):
        return {key: other_kind(item) for key, item in value.items()}
    if isinstance(value, bool):
        return int(value)
    return bool(value) if value in (0, 1) else value


@given(argument=arguments())
def test_a_boolean_never_passes_for_a_number_nor_a_number_for_a_boolean(argument: tuple[Any, Any, Any]) -> None:
    schema, accepted, value = argument
    changed = other_kind(value)
    assert judged(schema, [accepted], changed).right is (json.dumps(changed) == json.dumps(value))


CALLS = st.lists(st.sampled_from(["Oban", "Mull", "Iona", "Coll"]), min_size=1, max_size=4)


@given(made=CALLS, data=st.data())
def test_parallel_calls_are_right_where_some_order_is_right_call_by_call(made: list[str], data: st.DataObject) -> None:
    accepted = st.lists(st.sampled_from(["Oban", "Mull", "Iona", "Coll"]), min_size=1, max_size=3)
    gold: list[Gold] = [{"sail": {"to": data.draw(accepted)}} for _ in made]
    by_hand = any(
        all(judge([call], [wanted], [SAIL]).right for call, wanted in zip(order, gold, strict=True))
        for order in permutations(sailed(*made))
    )
    shuffled = data.draw(st.permutations(sailed(*made)))
    assert judge(sailed(*made), gold, [SAIL]).right is by_hand
    assert judge(shuffled, data.draw(st.permutations(gold)), [SAIL]).right is by_hand


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists), kind=KINDS)
@settings(max_examples=50)
def test_any_json_value_gets_a_judgement(value: Any, kind: str) -> None:
    for schema in ({"type": kind}, list_of({"type": kind}), list_of(DICT), DICT, ANY):
        assert isinstance(judged(schema, [[{"a": [1]}], "x", 1, {"a": [1]}, ""], value).right, bool)


@pytest.mark.data
def test_every_gold_answer_of_the_leaderboards_python_questions_is_right(data: Path) -> None:
    asked = questions.load(data, questions.PYTHON)
    assert len(asked) == 1000
    for question in asked:
        for answer in (questions.first_values(question), questions.any_values(question, Random(question.id))):
            found = judge(read(answer), question.gold, question.functions)
            assert found.right, (question.id, found)


@pytest.mark.data
def test_no_answer_to_another_of_the_leaderboards_questions_is_right(data: Path) -> None:
    asked = questions.load(data, questions.PYTHON)
    for place, question in enumerate(asked):
        assert not judge(read(questions.first_values(asked[place - 1])), question.gold, question.functions).right


@pytest.mark.data
def test_every_question_of_the_leaderboards_irrelevance_wants_no_call(data: Path) -> None:
    asked = questions.load(data, questions.IRRELEVANCE)
    assert len(asked) == 1124
    for one in answers.irrelevant(asked):
        assert judge(read(one.answer), one.question.gold, one.question.functions).right is (one.kind != "a call")
