"""What is checked of a call and of the code around it, without importing or running any of it."""

from __future__ import annotations

import inspect
import sys
from dataclasses import replace
from typing import Any

import pytest

from gorilla_rag import signatures
from gorilla_rag.answer import Check, Verdict
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import Call, parse_call, parse_or_raw
from gorilla_rag.snippet import code_for
from gorilla_rag.validate import schema_errors
from gorilla_rag.verify import placeholders, verify

LOAD = ApiDoc(
    id="load",
    api_call="hub.load(repo='a/b', model='small', pretrained=True)",
    parameters={
        "type": "object",
        "properties": {"level": {"type": "integer", "maximum": 9}, "voice": {"$ref": "#/$defs/voice"}},
        "$defs": {"voice": {"enum": ["en", "de"]}},
    },
)


def checked(call: str, *docs: ApiDoc, code: str = "", doc: ApiDoc | None = None) -> Verdict:
    """The verdict on a call, with an index of those documents."""

    def lookup(path: str) -> list[ApiDoc]:
        return [one for one in docs if one.call.path == path]

    return verify(parse_or_raw(call), code, lookup, doc=doc)


def check(verdict: Verdict, name: str, call: str = "") -> Check:
    """The one check of that name, of the answer's call or of another in its code."""
    (found,) = [one for one in verdict.checks if one.name == name and one.call == call]
    return found


def in_code(code: str, call: str, name: str = "exists", *docs: ApiDoc) -> Check:
    """A check of one call in some code around an unrelated answer."""
    return check(checked("hub.load()", *docs, code=code), name, call)


def test_a_documented_call_passes() -> None:
    verdict = checked(LOAD.api_call, LOAD)
    assert verdict.ok
    assert [verdict.outcome(name) for name in ("parses", "documented", "literals")] == ["passed"] * 3
    assert verdict.outcome("exists") == "not applicable"


@pytest.mark.parametrize(
    "call",
    [
        "hub.load(pretrained=True, model='small', repo='a/b')",
        "hub.load('a/b', 'small', True)",
        "hub.load(repo=mine, model='small')",
    ],
)
def test_order_names_and_own_variables_are_no_alteration(call: str) -> None:
    assert checked(call, LOAD).outcome("literals") == "passed"


@pytest.mark.parametrize(
    ("call", "detail"),
    [
        ("hub.load(repo='a/b', model='large')", "model='large'"),
        ("hub.load('a/b', 'large')", "model='large'"),
        ("hub.load(repo='a/b', pretrained=1)", "pretrained=1"),
        ("hub.load(repo='a/b', force=True)", "force=True"),
        ("hub.load('a/b', 'small', True, 3, 'en', 7)", "7"),
    ],
)
def test_an_altered_literal_fails_by_name(call: str, detail: str) -> None:
    found = check(checked(call, LOAD), "literals")
    assert (found.outcome, found.detail) == ("failed", f"not documented: {detail}")


@pytest.mark.parametrize("value", ["level=3", "voice='de'", "level=3, voice='en'", "level=mine"])
def test_a_value_that_the_schema_allows_passes(value: str) -> None:
    assert checked(f"hub.load(repo='a/b', {value})", LOAD).outcome("literals") == "passed"


@pytest.mark.parametrize("value", ["level=10", "level='3'", "voice='fr'", "voice=None"])
def test_a_value_that_the_schema_forbids_fails(value: str) -> None:
    found = check(checked(f"hub.load(repo='a/b', {value})", LOAD), "literals")
    assert (found.outcome, found.detail) == ("failed", f"not documented: {value}")


def test_a_literal_of_the_call_that_a_chain_stands_on_is_checked() -> None:
    doc = ApiDoc(id="a", api_call="Model.load('small').to(device)")
    assert checked("Model.load('small').to(d)", doc).outcome("literals") == "passed"
    found = check(checked("Model.load('large').to(device)", doc), "literals")
    assert (found.outcome, found.detail) == ("failed", "not documented: 'large'")


def test_of_several_documents_of_a_function_the_closest_decides() -> None:
    other = ApiDoc(id="b", api_call="hub.load(repo='c/d', model='tiny')")
    assert checked("hub.load(repo='c/d', model='tiny')", LOAD, other).outcome("literals") == "passed"
    mixed = check(checked("hub.load(repo='c/d', model='small')", LOAD, other), "literals")
    assert mixed.outcome == "failed"


def test_an_undocumented_function_fails() -> None:
    found = check(checked("hub.save(1)", LOAD), "documented")
    assert found.outcome == "failed"
    assert "hub.save" in found.detail


def test_a_text_that_is_not_one_call_fails_to_parse() -> None:
    verdict = checked("load this, then that", LOAD, code="also not Python")
    assert [one.name for one in verdict.failed] == ["parses", "documented"]


def test_an_http_call_is_compared_with_its_document_as_text() -> None:
    doc = ApiDoc(id="a", api_call="GET /users", kind="http")
    verdict = verify(doc.call, "", lambda _: [], doc=doc)
    assert verdict.ok
    assert verdict.outcome("parses") == "not applicable"
    assert verify(Call(raw="GET /admins"), "", lambda _: [], doc=doc).outcome("literals") == "failed"


def test_the_schema_check_names_what_could_not_be_enforced() -> None:
    verdict = verify(LOAD.call, "", lambda _: [], doc=LOAD, removed=["/level: multipleOf"])
    assert "/level: multipleOf" in check(verdict, "schema").detail
    assert checked(LOAD.api_call, LOAD).outcome("schema") == "not applicable"


@pytest.mark.parametrize(
    "call",
    [
        "json.dumps(data, indent=2)",
        "math.floor(x)",
        "datetime.datetime.now()",
        "datetime.datetime.now(tz=zone)",
        "print(x, sep='')",
        "collections.Counter(x)",
        "heapq.heappush(heap, item)",
        "turtle.forward(10)",
        "json.dumps(*anything, **more)",
    ],
)
def test_a_standard_library_call_exists_and_binds(call: str) -> None:
    verdict = checked(call)
    assert (verdict.outcome("exists"), verdict.outcome("binds")) == ("passed", "passed")


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("json.dumps(data, indnet=2, indent=1, indnet=3)", "given twice"),
        ("shutil.copy(here, there, colour=2)", "colour"),
        ("math.floor()", "x"),
        ("math.floor(x=1)", "x"),
        ("datetime.datetime.now(zone, 2)", "takes 1 positional argument, 2 given"),
        ("heapq.heappush(heap=h, item=1)", "heap"),
    ],
)
def test_a_standard_library_call_with_wrong_arguments_does_not_bind(call: str, why: str) -> None:
    found = check(verify(parse_call(call), "", lambda _: []), "binds")
    assert found.outcome == "failed"
    assert why in found.detail


@pytest.mark.parametrize(
    ("call", "why"), [("json.loadz(x)", "no such name"), ("json(x)", "not callable"), ("math.pi()", "not callable")]
)
def test_a_name_that_is_missing_or_no_function_does_not_exist(call: str, why: str) -> None:
    found = check(checked(call), "exists")
    assert found.outcome == "failed"
    assert why in found.detail


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("nosuchpackage.pipeline('x')", "nosuchpackage isn't a package that is installed here"),
        ("antigravity.fly()", "antigravity isn't looked up"),
        ("a.b(1).c()", "not a plain dotted name"),
        ("a[0].b()", "isn't a package"),
    ],
)
def test_what_is_not_looked_up_is_not_applicable_with_the_reason(call: str, why: str) -> None:
    verdict = checked(call)
    assert verdict.outcome("exists") == "not applicable"
    assert why in check(verdict, "exists").detail
    assert verdict.outcome("binds") is None


@pytest.mark.skipif(sys.platform == "win32", reason="its modules are there")
def test_a_module_of_another_system_is_unknown_and_not_missing() -> None:
    found = signatures.resolve("msvcrt.getch")
    assert (found.state, found.detail) == ("unknown", "msvcrt can't be imported on this machine")


@pytest.mark.parametrize("dotted", ["turtle.forward", "wave.open", "antigravity.fly", "this.s", "idlelib.run.main"])
def test_nothing_is_imported_to_look_a_name_up(dotted: str) -> None:
    module = dotted.split(".")[0]
    assert module not in sys.modules
    signatures.resolve.cache_clear()
    checked(f"{dotted}()", code=f"import {module}\n{dotted}(1)")
    assert module not in sys.modules


def test_a_signature_gives_the_names_that_positions_are_bound_to() -> None:
    assert signatures.resolve("textwrap.fill").parameter_names == ("text", "width")
    assert signatures.resolve("json.dumps").parameter_names == ("obj",)
    assert signatures.resolve("json.loadz").parameter_names == ()


def example(a: Any, /, b: Any, c: Any = 0, *, d: Any = 0) -> None:
    """A signature to bind to."""


@pytest.mark.parametrize("call", ["f(1, 2)", "f(1, b=2, d=4)", "f(1, 2, 3)", "f(*x)", "f(**x)", "f(*x, d=1)"])
def test_arguments_that_bind_or_are_hidden_by_stars_have_no_error(call: str) -> None:
    assert signatures.binding_error(parse_call(call), inspect.signature(example)) is None


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("f()", "needs the argument 'a'"),
        ("f(1)", "needs the argument 'b'"),
        ("f(1, 2, 3, 4)", "takes 3 positional arguments, 4 given"),
        ("f(1, 2, b=3)", "'b' is given twice"),
        ("f(1, 2, e=3)", "takes no argument 'e'"),
        ("f(a=1, b=2)", "'a'"),
        ("f(1, 2, 3, 4, *x)", "takes 3 positional arguments, 4 given"),
        ("f(e=1, **x)", "takes no argument 'e'"),
        ("f(1, 2, d=3, d=4)", "'d' is given twice"),
    ],
)
def test_arguments_that_do_not_bind_have_an_error(call: str, why: str) -> None:
    assert why in (signatures.binding_error(parse_call(call), inspect.signature(example)) or "")


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("import json as j\nj.loadz(x)", "j.loadz(x)"),
        ("import json\nprint(json.loadz(x))", "json.loadz(x)"),
        ("from json import loadz\nloadz(x)", "loadz(x)"),
        ("from json import loadz as read\nread(x)", "read(x)"),
        ("import os.path\nos.path.joined(x)", "os.path.joined(x)"),
    ],
)
def test_a_missing_name_in_the_code_fails_through_its_import(code: str, call: str) -> None:
    assert in_code(code, call).outcome == "failed"


def test_every_other_call_in_the_code_is_checked_once_and_the_answers_own_is_not() -> None:
    verdict = checked(
        "json.loads(x)", code="import json\nf(json.loads(x), json.loads(x), len(y), len(y), json.dumps(z))"
    )
    assert [one.call for one in verdict.checks if one.name == "exists"][1:] == [
        "f(json.loads(x), json.loads(x), len(y), len(y), json.dumps(z))",
        "len(y)",
        "json.dumps(z)",
    ]


def test_arguments_in_the_code_are_bound() -> None:
    code = "from shutil import copy\ncopy(x, y)\ncopy(x, z, colour=1)"
    assert in_code(code, "copy(x, y)", "binds").outcome == "passed"
    assert in_code(code, "copy(x, z, colour=1)", "binds").outcome == "failed"


def test_documented_calls_in_the_code_are_compared_through_their_imports() -> None:
    doc = ApiDoc(id="a", api_call="tools.audio.load(rate=8)")
    code = "from tools import audio as a\na.load(rate=8)\na.load(rate=9)"
    assert in_code(code, "a.load(rate=8)", "literals", doc).outcome == "passed"
    assert in_code(code, "a.load(rate=9)", "literals", doc).outcome == "failed"


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("code = load()\ncode.foo()", "code.foo()"),
        ("def code(): pass\ncode()", "code()"),
        ("def f(code): code.foo()", "code.foo()"),
        ("for code in x: code.foo()", "code.foo()"),
        ("with x as code: code.foo()", "code.foo()"),
        ("try: x\nexcept OSError as code: code.foo()", "code.foo()"),
        ("match x:\n  case [code, *_]: code.foo()", "code.foo()"),
        ("'a'.foo()", "'a'.foo()"),
        ("x[0].foo()", "x[0].foo()"),
        ("json.loads(x).foo()", "json.loads(x).foo()"),
    ],
)
def test_methods_of_the_programs_own_values_are_not_applicable(code: str, call: str) -> None:
    found = in_code(code, call)
    assert (found.outcome, found.detail) == ("not applicable", "called on a value of the program")


def test_a_syntax_error_in_the_code_is_reported() -> None:
    found = check(checked(LOAD.api_call, LOAD, code="x = (\n"), "parses", "code")
    assert found.outcome == "failed"
    assert "line 1" in found.detail


@pytest.mark.parametrize(
    ("arguments", "schema", "error"),
    [
        ({"a": 1}, {"properties": {"a": {"type": "string"}}}, "a: 1 is not of type 'string'"),
        ({}, {"required": ["a"]}, "value: 'a' is a required property"),
        (
            {"a": {"b": [1, "x"]}},
            {"properties": {"a": {"properties": {"b": {"items": {"type": "integer"}}}}}},
            "a/b/1: ",
        ),
        ({"a": "x"}, {"properties": {"a": {"pattern": "("}}}, "the schema can't be applied"),
        ({"a": "x"}, {"properties": {"a": {"$ref": "#/$defs/no"}}}, "the schema can't be applied"),
        ({"a": "x"}, {"properties": {"a": {"$ref": "http://example.com/x"}}}, "the schema can't be applied"),
    ],
)
def test_arguments_that_break_their_schema_are_named(
    arguments: dict[str, Any], schema: dict[str, Any], error: str
) -> None:
    (found,) = schema_errors(arguments, schema)
    assert found.startswith(error)


def test_arguments_that_fit_their_schema_have_no_errors() -> None:
    assert schema_errors({"level": 9, "voice": "en"}, LOAD.parameters) == []


def test_own_variables_are_placeholders_once_each_in_order() -> None:
    assert placeholders(parse_call("f(b, 1, g(a, k=b), k=[c])")) == ("b", "a", "[c]")


def code(example_code: str, call: str = "load('new')", api_call: str = "load('old')") -> str:
    """The code of an answer to a document with that example."""
    return code_for(ApiDoc(id="a", api_call=api_call, example_code=example_code), parse_call(call))


@pytest.mark.parametrize(
    ("example_code", "expected"),
    [
        ("m = load('old')\nm.run()", "m = load('new')\nm.run()"),
        ("  m = load('old')\n  m.run()\n", "m = load('new')\nm.run()"),
        ("'ünïcödé 日本'; m = load('old'); m.run('é')", "'ünïcödé 日本'; m = load('new'); m.run('é')"),
        ("m = load(\n    'old',\n)  # é\nm.run()", "m = load('new')  # é\nm.run()"),
        ("é = 1\r\nload('old').run(é)", "é = 1\r\nload('new').run(é)"),
        ("run(load('other'), load(\"old\"))", "run(load('other'), load('new'))"),
        ("m = load('other')", "load('new')"),
        ("$ pip install x", "load('new')"),
        ("", "load('new')"),
        ("print(f'{1}{load(\"old\")}')", None),
    ],
)
def test_the_answers_call_takes_the_place_of_the_documented_one(example_code: str, expected: str | None) -> None:
    made = code(example_code)
    assert made == expected or expected is None
    assert compile(made, "<code>", "exec")
    assert "load('new')" in made
    assert "'old'" not in made


def test_the_example_stays_as_it_is_when_the_call_is_the_documented_one() -> None:
    example_code = "m = load( 'old' )  # as documented\nm.run()"
    assert code(example_code, "load('old')") == example_code


@pytest.mark.parametrize(
    ("call", "module"),
    [
        ("torch.hub.load('new')", "torch.hub"),
        ("torch.hub.load('new').eval()", "torch.hub"),
        ("datetime.datetime.now()", "datetime"),
        ("os.path.join('a', 'b')", "os"),
        ("model.encode(text)", None),
        ("load('new')", None),
    ],
)
def test_a_call_without_an_example_is_given_the_import_of_a_known_module(call: str, module: str | None) -> None:
    doc = ApiDoc(id="d", api_call=call, python_environment_requirements=("torch", "omegaconf"))
    expected = f"import {module}\n{call}" if module else call
    assert code_for(doc, parse_call(call)) == expected


def test_the_code_of_an_http_call_is_the_call() -> None:
    doc = ApiDoc(id="a", api_call="GET /x", kind="http", example_code="load('old')")
    assert code_for(doc, doc.call) == "GET /x"


def versioned(version: str) -> ApiDoc:
    return ApiDoc(
        id=f"numpy-{version}",
        api_call="numpy.sort(a)",
        version=version,
        source="python",
        api_arguments={"a": "the array", "axis": "along which", "kind": "how"},
        parameters={"type": "object", "properties": {"axis": {"type": "integer", "default": -1}}, "required": []},
        python_environment_requirements=("numpy",),
    )


def test_a_verdict_says_whether_the_documented_version_is_the_installed_one() -> None:
    import importlib.metadata

    installed = importlib.metadata.version("numpy")
    same = verify(parse_call("numpy.sort(a)"), "", lambda _: [], doc=versioned(installed))
    assert (same.outcome("version"), same.outcome("exists"), same.outcome("binds")) == ("passed", "passed", "passed")
    assert check(same, "exists").detail == f"numpy.sort in numpy {installed}"
    other = verify(parse_call("numpy.sort(a)"), "", lambda _: [], doc=versioned("0.1"))
    assert other.outcome("version") == "failed"
    assert check(other, "version").detail == f"documents numpy 0.1; installed is {installed}"


def test_a_documented_package_that_is_not_installed_has_no_version_to_compare() -> None:
    doc = replace(versioned("1"), python_environment_requirements=("no-such-package",))
    assert verify(doc.call, "", lambda _: [], doc=doc).outcome("version") == "not applicable"


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        ("numpy.sort(a, axis=0)", "passed"),
        ("numpy.sort(a, axis=-1, kind='stable')", "passed"),
        ("numpy.sort(a, axis='rows')", "failed"),
        ("numpy.sort(a, ascending=False)", "failed"),
    ],
)
def test_literals_of_an_installed_packages_parameters_are_documented_by_its_signature(call: str, outcome: str) -> None:
    assert verify(parse_call(call), "", lambda _: [], doc=versioned("1")).outcome("literals") == outcome


def test_a_call_of_an_installed_package_that_does_not_exist_or_bind_fails() -> None:
    assert verify(parse_call("numpy.sorted(a)"), "", lambda _: []).outcome("exists") == "failed"
    wrong = verify(parse_call("numpy.sort(a, reverse=True)"), "", lambda _: [])
    assert "takes no argument 'reverse'" in check(wrong, "binds").detail


@pytest.mark.parametrize(
    ("root", "outcome"),
    [("os", "failed"), ("numpy", "failed"), ("collections.abc", "failed"), ("nosuch", "not applicable")],
)
def test_a_name_of_thousands_of_parts_is_no_name(root: str, outcome: str) -> None:
    deep = f"{root}.{'.'.join(['nowhere'] * 5_000)}"
    verdict = verify(Call(function=deep), f"from {deep} import x\nx.y(1)\n", lambda _: [])
    assert [check(verdict, "exists", call).outcome for call in ("", "x.y(1)")] == [outcome, outcome]
    assert code_for(LOAD, Call(function=deep))
