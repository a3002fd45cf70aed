"""`Call`: what is parsed, what is equal, what is rendered and what is refused."""

from __future__ import annotations

import json
import keyword
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gorilla_rag.call import Argument, Call, Expr, Literal, argument, calls_in, normalise_text, parse_call, parse_or_raw
from gorilla_rag.errors import CallSyntaxError

NAMES = ("repo_or_dir", "model")


def only(text: str) -> Argument:
    """The only argument of `f(text)`."""
    (value,) = parse_call(f"f({text})").args
    return value


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("f()", "f"),
        ("torch.hub.load()", "torch.hub.load"),
        ("model = torch.hub.load()", "torch.hub.load"),
        ("a, b = load()", "load"),
        ("model: Model = load()", "load"),
        ("await load()", "load"),
        ("model = await load()", "load"),
        ("return load()", "load"),
        ("(load())", "load"),
        ("  load()\n  ", "load"),
        ("load()  # why", "load"),
        ("load();", "load"),
        ("'-'.join()", "'-'.join"),
        ("rows[0].save()", "rows[0].save"),
        ("(lambda: 1)()", "(lambda: 1)"),
        ("1 .bit_length()", "(1).bit_length"),
    ],
)
def test_every_form_of_a_single_call_is_parsed(text: str, function: str) -> None:
    assert parse_call(text) == Call(function=function)


def test_positional_keyword_and_star_arguments_are_kept_in_order() -> None:
    call = parse_call("f(1, x, *rest, b='y', a=None, **more)")
    assert call.args == (Literal("1"), Expr("x"), Expr("*rest"))
    assert call.kwargs == (("b", Literal("'y'")), ("a", Literal("None")), ("**", Expr("more")))
    assert [name for name, _ in call.arguments()] == [0, 1, 2, "b", "a", "**"]


def test_a_method_chain_has_the_call_it_stands_on_as_receiver() -> None:
    call = parse_call("a.b(1).c.d(y)")
    assert call == Call("c.d", (Expr("y"),), receiver=Call("a.b", (Literal("1"),)))
    assert call.path == "a.b().c.d"
    assert call.render() == "a.b(1).c.d(y)"


def test_a_nested_call_is_parsed_as_a_call() -> None:
    assert only("g(h(1), k=x)") == Call("g", (Call("h", (Literal("1"),)),), (("k", Expr("x")),))


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1", 1),
        ("-1", -1),
        ("0x10", 16),
        ("1_000", 1000),
        ("1.5", 1.5),
        ("-0.0", -0.0),
        ("2j", 2j),
        ("-1j", -1j),
        ("1e400", float("inf")),
        ("-1e400", float("-inf")),
        ("True", True),
        ("None", None),
        ("...", ...),
        ("[..., 1]", [..., 1]),
        ("'a' \"b\"", "ab"),
        ("u'info'", "info"),
        ("b'x'", b"x"),
        ("'é\\n'", "é\n"),
        ("[1, [2]]", [1, [2]]),
        ("(1,)", (1,)),
        ("()", ()),
        ("{'a': [None]}", {"a": [None]}),
        ("{'b', 'a'}", {"a", "b"}),
        ("[{1}, set()]", [{1}, set()]),
    ],
)
def test_literals_keep_their_value_and_survive_rendering(source: str, value: object) -> None:
    found = only(source)
    assert isinstance(found, Literal)
    assert repr(found.value) == repr(value) or found.value == value
    call = Call("f", (found,))
    assert parse_call(call.render()) == call


def test_a_set_keeps_the_order_in_which_it_was_written() -> None:
    names = ", ".join(f"'name {number}'" for number in range(20))
    assert only(f"{{{names}}}") == Literal(f"{{{names}}}")


@pytest.mark.parametrize("source", ["x", "x.y", "a[0]", "not x", "a + 1", "f'{x}'", "[1, x]", "{**a}", "lambda: 1"])
def test_what_is_not_a_literal_stays_as_the_users_own_expression(source: str) -> None:
    assert only(source) == Expr(source)


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ({"$expr": "X"}, Expr("X")),
        ({"$expr": " x . y "}, Expr("x.y")),
        ([1, {"$expr": "X"}], Expr("[1, X]")),
        ({"a": {"b": {"$expr": "X"}}}, Expr("{'a': {'b': X}}")),
        ({"$expr": "g(1)"}, Call("g", (Literal("1"),))),
        ({"$expr": "X", "other": 1}, Literal("{'$expr': 'X', 'other': 1}")),
        ([True, None, "é'\"", -1.5], Literal("[True, None, 'é\\'\"', -1.5]")),
    ],
)
def test_json_values_become_literals_and_expressions_at_any_depth(value: Any, made: Argument) -> None:
    assert argument(value) == made


@pytest.mark.parametrize("source", ["", "1 +", "x), y(", "*a", "import os", "x\x00", "not " * 2000 + "x"])
def test_an_expression_that_is_not_python_is_refused(source: str) -> None:
    with pytest.raises(CallSyntaxError):
        argument({"$expr": source})
    with pytest.raises(CallSyntaxError):
        argument([{"a": {"$expr": source}}])


def test_a_literal_that_looks_like_an_expression_survives_json() -> None:
    call = Call("f", (Literal("{'$expr': 'X'}"),))
    stored = json.loads(json.dumps(call.to_dict()))
    assert tuple(map(argument, stored["args"])) == call.args


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("load('a')", 'load("a")'),
        ("f(a=1, b=2)", "f(b=2,   a=1)"),
        ("f( x,\n  y )", "f(x, y)"),
        ("model = f(1)", "await f(1)"),
        ("f({'a': 1, 'b': 2})", "f({'b': 2, 'a': 1})"),
        ("f([{'a': 1, 'b': {2, 3}}])", "f([{'b': {3, 2}, 'a': 1}])"),
        ("f(g(a=1, b=2))", "f(g(b=2, a=1))"),
        ("f(k=g(h(a=1, b=2)))", "f(k=g(h(b=2, a=1)))"),
        ("a.b(x=1, y=2).c()", "a.b(y=2, x=1).c()"),
        ("f(1000)", "f(1_000)"),
        ("f(x [ 'k' ])", 'f(x["k"])'),
    ],
)
def test_calls_that_differ_in_writing_alone_are_equal(one: str, other: str) -> None:
    assert parse_call(one).equals(parse_call(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("f(True)", "f(1)"),
        ("f(1)", "f(1.0)"),
        ("f(1)", "f('1')"),
        ("f([True])", "f([1])"),
        ("f({'a': 1})", "f({'a': True})"),
        ("f(x)", "f('x')"),
        ("f('$x')", "f(x)"),
        ("f([1])", "f((1,))"),
        ("f(['ab'])", "f(list('ab'))"),
        ("f((1,))", "f(tuple(1))"),
        ("f([{}])", "f([set()])"),
        ("f('a', 'b')", "f('b', 'a')"),
        ("f('a')", "f(b'a')"),
        ("f(1)", "g(1)"),
        ("a.f(1)", "f(1)"),
        ("a(1).f()", "a(2).f()"),
        ("f(*x)", "f(**x)"),
        ("f(a=1)", "f(1)"),
        ("f(None)", "f()"),
    ],
)
def test_calls_that_mean_different_things_are_not_equal(one: str, other: str) -> None:
    assert not parse_call(one).equals(parse_call(other))


def test_positional_arguments_are_bound_to_documented_names_before_comparing() -> None:
    plain, named = parse_call("load('a', 'b')"), parse_call("load(model='b', repo_or_dir='a')")
    assert plain.equals(named, NAMES)
    assert not plain.equals(named)
    assert not plain.equals(parse_call("load(repo_or_dir='b', model='a')"), NAMES)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("f(1, 2, 3)", "f(3, repo_or_dir=1, model=2)"),
        ("f(1, *rest, x)", "f(*rest, x, repo_or_dir=1)"),
        ("f(1, repo_or_dir=2)", "f(1, repo_or_dir=2)"),
        ("f(1, k=2)", "f(repo_or_dir=1, k=2)"),
    ],
)
def test_binding_stops_at_stars_at_used_names_and_at_the_last_parameter(text: str, bound: str) -> None:
    assert parse_call(text).bind(NAMES).render() == bound


def test_raw_calls_are_compared_as_normalised_text() -> None:
    one, other = parse_or_raw('GET  /users?name="x".'), parse_or_raw("GET /users?name = 'x'")
    assert one.raw is not None
    assert one.equals(other)
    assert not one.equals(parse_or_raw("GET /users?name='y'"))
    assert one.render() == 'GET  /users?name="x".'
    assert one.bind(NAMES) == one.with_arguments({"a": Literal("1")}) == one
    assert one.to_dict() == {"raw": 'GET  /users?name="x".'}


def test_a_raw_call_never_equals_a_parsed_one() -> None:
    assert not Call(raw="f(1)").equals(parse_call("f(1)"))


def test_normalised_text_leaves_space_between_words_only() -> None:
    assert normalise_text(' pip  install\n( "x" , y ) ;') == "pip install('x',y)"


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, 1),
        ("x", 1, 1),
        ("x += f(1)", 1, 1),
        ("import os", 1, 1),
        ("(f(1), g(2))", 1, 1),
        ("f(1)\ng(2)", 2, 1),
        ("f(1); g(2)", 1, 7),
        ("f(x, y=", 1, 2),
        ("f(1 2)", 1, 3),
        ("f(\n  a=1,\n  $)", 3, 3),
        ("del f(1)", 1, 5),
        ("pip install x", 1, 5),
        ("f(\x00)", 1, 1),
        ("f('\ud800')", 1, 1),
        ("f(0x" + "f" * 5000 + ")", 1, 1),
    ],
)
def test_what_is_not_one_call_is_refused_with_its_position(text: str, line: int, column: int) -> None:
    with pytest.raises(CallSyntaxError, match=f"^line {line}, column {column}: ") as caught:
        parse_call(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert caught.value.hint
    assert parse_or_raw(text) == Call(raw=text.strip())


@pytest.mark.parametrize(
    "text",
    [
        "f(" * 5000,
        "f(" * 5000 + ")" * 5000,
        "f(" + "not " * 2000 + "x)",
        "f(" + "-" * 5000 + "1)",
        "f(" + "1+" * 20000 + "1)",
        "f(1)" + ".g(1)" * 800,
        "f(1)" + ".g(1)" * 5000,
        "f" + "(1)" * 3000,
        "a" * 100_000,
        "f(" + "x " * 50_000,
    ],
)
def test_input_of_any_depth_and_length_is_refused_without_a_crash(text: str) -> None:
    with pytest.raises(CallSyntaxError):
        parse_call(text)
    assert parse_or_raw(text).raw == text.strip()


@pytest.mark.parametrize("text", ["not Python (", "x\x00", "f(" * 5000, "f(" + "not " * 2000 + "x)"])
def test_code_that_is_not_python_is_refused_with_its_position(text: str) -> None:
    with pytest.raises(CallSyntaxError) as caught:
        calls_in(text)
    assert caught.value.line == 1
    assert caught.value.column >= 1


def test_a_call_of_a_hundred_thousand_characters_is_parsed() -> None:
    text = "x" * 100_000
    assert parse_call(f"f('{text}')").args == (Literal(repr(text)),)


def test_ninety_nested_calls_are_parsed_compared_and_rendered() -> None:
    text = "f(" * 90 + ")" * 90
    call = parse_call(text)
    assert call.render() == call.key() == text
    assert call == parse_call(text)


@pytest.mark.parametrize(
    ("text", "values", "parameters", "rendered"),
    [
        ("f(text, width=70)", {"width": Literal("20")}, (), "f(text, width=20)"),
        ("f(text, width=70)", {"text": Expr("mine")}, (), "f(mine, width=70)"),
        ("f('a', 'b')", {"model": Literal("'c'")}, NAMES, "f('a', 'c')"),
        ("f('a', 'b')", {"model": Literal("'c'")}, (), "f('a', 'b', model='c')"),
        ("f(a=1, b=2)", {"c": Literal("3"), "a": Literal("0")}, (), "f(a=0, b=2, c=3)"),
        ("f()", {"x": Call("g")}, (), "f(x=g())"),
        ("a(1).f(x)", {"x": Literal("2")}, (), "a(1).f(2)"),
        ("f(1)", {}, NAMES, "f(1)"),
    ],
)
def test_arguments_are_replaced_where_they_stand_and_appended_otherwise(
    text: str, values: dict[str, Argument], parameters: tuple[str, ...], rendered: str
) -> None:
    assert parse_call(text).with_arguments(values, parameters).render() == rendered


def test_calls_in_code_come_outermost_first_in_reading_order() -> None:
    code = "import a\nx = a.b(c(1), d(2))\nfor i in e(x):\n    f(i).g(\n        h()\n    )\n"
    found = calls_in(code)
    assert [call.path for call, _ in found] == ["a.b", "c", "d", "e", "f().g", "f", "h"]
    assert [node.lineno for _, node in found] == [2, 2, 2, 3, 4, 4, 5]


IDENTIFIERS = st.from_regex(r"[A-Za-z_é][A-Za-z_0-9é]{0,6}", fullmatch=True).filter(lambda n: not keyword.iskeyword(n))
DOTTED = st.lists(IDENTIFIERS, min_size=1, max_size=3).map(".".join)
# Text that isn't half of a surrogate pair: that can't stand in a source file.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT.filter(lambda t: t != "$expr"), inner, max_size=3),
    max_leaves=6,
)
LITERALS = JSON_VALUES.map(lambda value: only(repr(value)))
EXPRESSIONS = DOTTED.map(Expr)


def _calls(arguments: st.SearchStrategy[Argument]) -> st.SearchStrategy[Call]:
    keywords = st.lists(st.tuples(IDENTIFIERS, arguments), max_size=3, unique_by=lambda item: item[0])
    positional = st.lists(arguments, max_size=3).map(tuple)
    plain = st.builds(Call, DOTTED, positional, keywords.map(tuple))
    return plain | st.builds(Call, DOTTED, positional, keywords.map(tuple), receiver=plain)


CALLS = _calls(LITERALS | EXPRESSIONS | _calls(LITERALS | EXPRESSIONS))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CALLS)
def test_a_rendered_call_parses_to_the_same_call(call: Call) -> None:
    assert parse_call(call.render()) == call
    assert parse_call(f"result = {call.render()}") == call


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CALLS, st.randoms(use_true_random=False))
def test_the_key_does_not_depend_on_keyword_order(call: Call, random: Any) -> None:
    shuffled = list(call.kwargs)
    random.shuffle(shuffled)
    assert Call(call.function, call.args, tuple(shuffled), call.receiver).equals(call)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(DOTTED, TEXT, IDENTIFIERS)
def test_the_key_does_not_depend_on_quoting(function: str, text: str, name: str) -> None:
    double = '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'
    assert parse_call(f"{function}({double}, {name}={double})").equals(
        parse_call(f"{function}({text!r}, {name}={text!r})")
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON_VALUES, JSON_VALUES)
def test_literals_are_equal_only_when_value_and_types_are(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert Call("f", (argument(one),)).equals(Call("f", (argument(other),))) == same


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CALLS)
def test_a_call_survives_json(call: Call) -> None:
    data = json.loads(json.dumps(parse_call(call.render()).to_dict()))
    while data:
        assert data["function"] == call.function
        assert tuple(map(argument, data["args"])) == call.args
        assert tuple((name, argument(value)) for name, value in data["kwargs"].items()) == call.kwargs
        receiver, data = call.receiver, data.get("receiver")
        assert bool(receiver) == bool(data)
        call = receiver or call


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON_VALUES)
def test_json_values_survive_as_arguments(value: Any) -> None:
    made = argument(value)
    assert isinstance(made, Literal)
    assert json.dumps(Call("f", (made,)).to_dict()["args"]) == json.dumps([value])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=60))
def test_any_text_is_a_call_or_is_refused(text: str) -> None:
    made = parse_or_raw(text)
    assert made.raw == text.strip() if made.raw is not None else parse_call(made.render()) == made
