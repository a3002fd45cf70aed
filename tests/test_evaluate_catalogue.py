"""Which documented call a call names, and what tells a documented call from the others."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gorilla_rag.apidoc import ApiDoc, Kind
from gorilla_rag.call import Argument, Call, Expr, Literal, parse_call, parse_or_raw
from gorilla_rag.evaluate.catalogue import Catalogue, same_function, strings_in

NER, TAGS = "pipeline('ner', model='org/a')", "pipeline('ner', model='org/b')"


def documents(calls: Sequence[str], kind: Kind = "python") -> list[ApiDoc]:
    """One document a call."""
    return [ApiDoc(id=f"doc-{number}", api_call=call, kind=kind) for number, call in enumerate(calls)]


def named(call: str, *documented: str, kind: Kind = "python") -> str | None:
    """The documented call that a call names, as it was documented."""
    catalogue = Catalogue(documents(documented, kind))
    key = catalogue.named_by(parse_or_raw(call))
    return catalogue.by_key[key].api_call if key is not None else None


@pytest.mark.parametrize(
    ("call", "documented"),
    [
        ("f(model='x')", "f(model='x')"),
        ('f(  model = "x" )', "f(model='x')"),
        ("f(b=2, a=1)", "f(a=1, b=2)"),
        ("f('x')", "f(model='x')"),
        ("f('x', 1)", "f(model='x', n=1)"),
        ("f('x', n=1)", "f(model='x', n=1)"),
        ("f(data, 70)", "f(text, width=70)"),
        ("f(width=70, text=data)", "f(text, width=70)"),
        ("f([1, 2])", "f(sizes=[1, 2])"),
        ("f(a={'y': 1, 'x': 2})", "f(a={'x': 2, 'y': 1})"),
        ("f(x=None, y=False)", "f(x=None, y=False)"),
        ("y = await f('x')", "f('x')"),
    ],
)
def test_a_call_names_a_documented_one_that_has_the_same_literals_under_the_same_names(
    call: str, documented: str
) -> None:
    assert named(call, documented) == documented


@pytest.mark.parametrize(
    ("call", "documented"),
    [
        ("f()", "f('x')"),
        ("f('y')", "f('x')"),
        ("f(x)", "f('x')"),
        ("f('x')", "f('x', 'y')"),
        ("f('y', 'x')", "f('x', 'y')"),
        ("f('x', 'x')", "f('x', 'y')"),
        ("f(task='x')", "f('x', 'x')"),
        ("f(other='x')", "f(model='x')"),
        ("f(b=1, a=2)", "f(a=1, b=2)"),
        ("f(70, data)", "f(text, width=70)"),
        ("f('x', 'y')", "f('x', name='y')"),
        ("f([2, 1])", "f([1, 2])"),
        ("g('x')", "f('x')"),
        ("f", "f()"),
    ],
)
def test_a_call_without_every_documented_literal_in_its_place_names_nothing(call: str, documented: str) -> None:
    assert named(call, documented) is None


@pytest.mark.parametrize("call", ["f(task='x', model='y')", "f(model='y', task='x')", "f('x', model='y')"])
def test_a_literal_that_is_documented_by_position_may_have_a_name_of_its_own(call: str) -> None:
    assert named(call, "f('x', model='y')") == "f('x', model='y')"
    assert named(call.replace("'x'", "'z'"), "f('x', model='y')") is None


def test_one_argument_does_not_stand_for_two_documented_literals() -> None:
    assert named("f(a='x', b='x')", "f('x', 'x')") == "f('x', 'x')"
    assert named("f(a='x', b='y')", "f('x', 'x')") is None


@pytest.mark.parametrize("call", ["f(1, 'x')", "f(other, 'x')", "f('y', 'x')"])
def test_a_literal_that_is_documented_by_position_may_not_stand_in_another_position(call: str) -> None:
    assert named(call, "f('x')") is None


@pytest.mark.parametrize(
    "call", ["f('x', 1)", "f('x', device=0)", "f('x', *more)", "f('x', **more)", "f('x', y=[1, g(2)])"]
)
def test_further_arguments_do_not_matter(call: str) -> None:
    assert named(call, "f('x')") == "f('x')"


@pytest.mark.parametrize(
    "call", ["f(mine, n=7)", "f('a text', n=7)", "f(read('a'), n=7)", "f(n=7)", "f(text=1, n=7)", "f([x, y], 7)"]
)
def test_a_documented_variable_may_have_any_value_or_be_left_out(call: str) -> None:
    assert named(call, "f(text, n=7)") == "f(text, n=7)"


@pytest.mark.parametrize(
    ("given_value", "documented"),
    [("1", "True"), ("True", "1"), ("1", "'1'"), ("1.0", "1"), ("b'x'", "'x'"), ("(1,)", "[1]"), ("'None'", "None")],
)
def test_literals_of_other_types_are_other_literals(given_value: str, documented: str) -> None:
    assert named(f"f({given_value})", f"f({documented})") is None
    assert named(f"f(a={given_value})", f"f(a={documented})") is None


def test_of_several_documented_calls_the_most_specific_is_named() -> None:
    documented = ["f(x)", "f(x, a=1)", "f(x, a=1, b=2)", "f(x, b=2)"]
    for order in (documented, documented[::-1]):
        assert named("f(data)", *order) == "f(x)"
        assert named("f(data, a=1)", *order) == "f(x, a=1)"
        assert named("f(data, a=1, b=2, c=3)", *order) == "f(x, a=1, b=2)"
        assert named("f(data, b=2)", *order) == "f(x, b=2)"
        assert named("f(data, a=3)", *order) == "f(x)"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("KMeans()", "sklearn.cluster.KMeans()", True),
        ("cluster.KMeans()", "sklearn.cluster.KMeans()", True),
        ("sk.cluster.KMeans()", "sklearn.cluster.KMeans()", False),
        ("sklearn.KMeans()", "sklearn.cluster.KMeans()", False),
        ("Means()", "sklearn.cluster.KMeans()", False),
        ("kmeans()", "KMeans()", False),
        ("sklearn.cluster()", "sklearn.cluster.KMeans()", False),
    ],
)
def test_dotted_names_agree_as_far_as_both_are_written_out(one: str, other: str, same: bool) -> None:
    assert same_function(parse_call(one), parse_call(other)) is same
    assert same_function(parse_call(other), parse_call(one)) is same
    assert (named(one, other) is not None) is same
    assert (named(other, one) is not None) is same


@pytest.mark.parametrize(
    ("call", "names"),
    [
        ("Model.load('x').to('cpu')", True),
        ("hub.Model.load('x', lazy=True).to('cpu', 1)", True),
        ("Model.load('y').to('cpu')", False),
        ("Model.load('x').to('cuda')", False),
        ("Model.load('x').eval()", False),
        ("Other.load('x').to('cpu')", False),
        ("Model.load('x')", False),
        ("model.to('cpu')", False),
        ("to('cpu')", False),
        ("Model.load('x').eval().to('cpu')", False),
    ],
)
def test_a_method_chain_is_named_link_by_link(call: str, names: bool) -> None:
    documented = "Model.load('x').to('cpu')"
    assert (named(call, documented) == documented) is names
    assert (named(call, documented) is None) is not names


def test_the_most_specific_chain_is_named_wherever_its_literals_stand() -> None:
    documented = ["Model.load(name).to('cpu')", "Model.load('x').to('cpu')", "Model.load('x', 1).to(device)"]
    assert named("Model.load('x', lazy=True).to('cpu')", *documented) == documented[1]
    assert named("Model.load('x', 1).to('cuda')", *documented) == documented[2]
    assert named("Model.load('z').to('cpu')", *documented) == documented[0]


@pytest.mark.parametrize(
    ("call", "names"),
    [
        ("f('m', vae=Vae.load('v', half=True))", True),
        ("f('m', vae=Vae.load('v'))", False),
        ("f('m', vae=Vae.load('w', half=True))", False),
        ("f('m', vae=Other.load('v', half=True))", False),
        ("f('m', vae='v')", False),
        ("f('m', vae=mine)", False),
        ("f('m')", False),
    ],
)
def test_a_nested_call_has_to_stand_there_with_its_literals(call: str, names: bool) -> None:
    assert (named(call, "f('m', vae=Vae.load('v', half=True))") is not None) is names


def test_variables_in_a_nested_call_may_have_any_value_too() -> None:
    documented = "f('m', tokenizer=Tokenizer.load(name, fast=True))"
    assert named("f('m', tokenizer=Tokenizer.load('mine', fast=True))", documented) == documented
    assert named("f('m', tokenizer=Tokenizer.load('mine', fast=False))", documented) is None


def test_a_literal_in_a_list_that_is_not_one_itself_still_has_to_stand_there() -> None:
    # TensorFlow Hub documents its models so: tf.keras.Sequential([hub.KerasLayer('https://…')]).
    first, second = "Sequential([hub.KerasLayer('url/1')])", "Sequential([hub.KerasLayer('url/2')])"
    assert named(second, first, second) == second
    assert named("Sequential([hub.KerasLayer('url/3')])", first, second) is None


@pytest.mark.parametrize(
    ("call", "documented", "kind"),
    [
        ("GET /pets", "GET /pets", "http"),
        ("GET  /pets", "GET /pets", "http"),
        ("run 'x', now", 'run "x",  now', "python"),
        ("f(a='x', 'y')", 'f(a = "x", "y").', "python"),
        ("curl example.org", "curl example.org", "tool"),
    ],
)
def test_what_is_not_one_python_call_is_named_by_its_text(call: str, documented: str, kind: Kind) -> None:
    assert named(call, documented, kind=kind) == documented


@pytest.mark.parametrize(
    ("call", "documented", "kind"),
    [
        ("GET /pets/1", "GET /pets", "http"),
        ("get /pets", "GET /pets", "http"),
        ("pets()", "GET /pets", "http"),
        ("f('x')", "f(a='x', 'y')", "python"),
        ("f(a='x', 'y')", "f(a='x')", "python"),
        ("", "f()", "python"),
    ],
)
def test_another_text_names_nothing(call: str, documented: str, kind: Kind) -> None:
    assert named(call, documented, kind=kind) is None


def test_nothing_is_named_where_nothing_is_documented() -> None:
    assert named("f('x')") is None
    assert len(Catalogue([])) == 0


def test_documents_of_the_same_call_are_one_and_the_first_stands_for_it() -> None:
    catalogue = Catalogue(documents(["f(a=1, b=2)", "f(b=2, a=1)", "f(a=1)"]))
    assert len(catalogue) == 2
    assert [doc.id for doc in catalogue.by_key.values()] == ["doc-0", "doc-2"]
    assert catalogue.key_of["doc-0"] == catalogue.key_of["doc-1"] in catalogue
    assert "f(a=3)" not in catalogue


def test_a_document_outside_the_catalogue_can_be_named_too() -> None:
    catalogue, own = Catalogue(documents(["f(a=1)"])), ApiDoc(id="own", api_call="f(a=1, b=2)")
    call = parse_call("f(a=1, b=2)")
    assert catalogue.named_by(call) == catalogue.key_of["doc-0"]
    assert catalogue.named_by(call, own) == own.call_key
    assert catalogue.named_by(parse_call("f(a=1)"), own) == catalogue.key_of["doc-0"]
    assert catalogue.named_by(parse_call("g(c=3)"), ApiDoc(id="other", api_call="g(c=3)")) == "g(c=3)"
    assert catalogue.named_by(parse_call("g(c=3)")) is None
    assert own.call_key not in catalogue


def test_a_document_outside_the_catalogue_is_named_by_its_own_call_beside_one_with_the_same_literals() -> None:
    # Hugging Face documents StableDiffusionPipeline.from_pretrained('…') and asks for the same with torch_dtype=….
    own = ApiDoc(id="own", api_call="Model.load('x', dtype=torch.half)")
    catalogue = Catalogue(documents(["Model.load('x')"]))
    assert catalogue.named_by(own.call, own) == own.call_key
    assert catalogue.named_by(parse_call("Model.load('x')"), own) == catalogue.key_of["doc-0"]


@pytest.mark.parametrize(
    "documented",
    [
        ("f('x')", "f(a='x')"),
        ("f(x)", "f(x, y)"),
        ("f(a='x', b=y)", "f(a='x')", "f(a='x', c=z)"),
        ("KMeans(n=7)", "sklearn.cluster.KMeans(n=7)"),
        ("f([g('x')])", "f([g('y')])"),
        ("f(g(x))", "f(g(y))"),
        ("Model.load(x).to(y)", "Model.load(x, half=z).to(y)"),
    ],
)
def test_an_exact_copy_names_what_it_copies_beside_calls_of_the_same_literals(documented: tuple[str, ...]) -> None:
    for order in (documented, documented[::-1]):
        assert [named(call, *order) for call in order] == list(order)


NAMES = st.sampled_from(["a", "b", "c", "d"])
FUNCTIONS = st.sampled_from(["f", "g", "lib.f", "lib.g", "other.lib.f"])
JSON: st.SearchStrategy[Any] = st.sampled_from(["x", "y", "1", 1, True, None, 1.0, -1, [1, "x"], {"x": [2]}])
LITERALS: st.SearchStrategy[Argument] = JSON.map(lambda value: Literal(repr(value)))
VALUES: st.SearchStrategy[Argument] = LITERALS | st.sampled_from("xyz").map(Expr)
KEYWORDS = st.lists(st.tuples(NAMES, LITERALS), max_size=4, unique_by=lambda pair: pair[0]).map(tuple)
ANY_KEYWORDS = st.lists(st.tuples(NAMES, VALUES), max_size=3, unique_by=lambda pair: pair[0]).map(tuple)
NESTED = st.builds(Call, FUNCTIONS, st.lists(VALUES, max_size=2).map(tuple), ANY_KEYWORDS)
ANY_CALLS = st.builds(
    Call,
    FUNCTIONS,
    st.lists(VALUES | NESTED, max_size=3).map(tuple),
    ANY_KEYWORDS,
    receiver=st.none() | NESTED,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(KEYWORDS, min_size=1, max_size=6, unique_by=lambda pairs: Call("lib.f", kwargs=pairs).key()))
def test_among_calls_that_differ_in_literals_each_names_itself(
    documented: list[tuple[tuple[str, Argument], ...]],
) -> None:
    # Sub-sets of one another among them: the most specific is always the call itself.
    calls = [Call("lib.f", kwargs=pairs).render() for pairs in documented]
    assert [named(call, *calls) for call in calls] == calls


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ANY_CALLS, min_size=1, max_size=5))
def test_every_documented_call_names_itself(made: list[Call]) -> None:
    catalogue = Catalogue(documents([call.render() for call in made]))
    for key, doc in catalogue.by_key.items():
        assert catalogue.named_by(doc.call) == key


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANY_CALLS, st.lists(ANY_CALLS, max_size=4), VALUES)
def test_what_a_call_names_is_documented_and_survives_a_further_argument(
    call: Call, made: list[Call], value: Argument
) -> None:
    catalogue = Catalogue(documents([one.render() for one in made]))
    key = catalogue.named_by(call)
    assert key is None or key in catalogue
    longer = Call(call.function, call.args, (*call.kwargs, ("of_its_own", value)), call.receiver)
    if key is not None:
        assert catalogue.named_by(longer) is not None


@pytest.mark.parametrize(
    ("documented", "identifiers"),
    [
        ([NER, TAGS], ["org/a", "org/b"]),
        (["f('ner', 'x')", "f('ner', 'y')"], ["x", "y"]),
        (["f('short', 'much longer')"], ["much longer"]),
        (["f('same', 'long')"], ["long"]),
        (["f('rare', 'the usual thing')", "g('the usual thing')"], ["rare", "the usual thing"]),
        (["f('x', g('nested'))"], ["nested"]),
        (["Model.load('org/model').to('cpu')"], ["org/model"]),
        (["f('', 'x')"], ["x"]),
        (["a.b.f(x, 1)", "g(['in a list'])"], ["a.b.f", "g"]),
        (["curl 'example.org/pets' now"], ["example.org/pets"]),
        (["curl example"], ["curl example"]),
    ],
)
def test_the_identifier_is_the_rarest_string_then_the_longest_else_the_function(
    documented: list[str], identifiers: list[str]
) -> None:
    catalogue = Catalogue(documents(documented))
    assert [catalogue.identifier(doc) for doc in catalogue.docs] == identifiers


def test_a_string_that_stands_in_many_documents_of_one_call_is_as_rare_as_in_one() -> None:
    # 'short' and 'and longer' stand in two calls each, the latter in six documents.
    catalogue = Catalogue(documents(["f('short', 'and longer')", "g('short')", *["h('and longer')"] * 5]))
    assert catalogue.identifier(catalogue.docs[0]) == "and longer"


def test_a_string_that_stands_twice_in_one_call_is_as_rare_as_one_that_stands_once() -> None:
    catalogue = Catalogue(documents(["f('twice', 'and longer', 'twice')", "g('and longer')"]))
    assert catalogue.identifier(catalogue.docs[0]) == "twice"


def test_a_document_outside_the_catalogue_has_an_identifier_too() -> None:
    catalogue = Catalogue(documents([NER, TAGS]))
    assert catalogue.identifier(ApiDoc(id="own", api_call="pipeline('ner', model='me')")) == "me"


@pytest.mark.parametrize(
    ("call", "strings"),
    [
        ("f('a', n=1, b='c')", ["a", "c"]),
        ("f(b'a', ['b'], x, '')", []),
        ("f(g('a', h(k='b')), 'c')", ["a", "b", "c"]),
        ("f('a').g('b')", ["b", "a"]),
        ("not python 'a' \"b\"", ["a", "b"]),
    ],
)
def test_the_strings_of_a_call_are_those_of_its_arguments_nested_calls_and_receivers(
    call: str, strings: list[str]
) -> None:
    assert strings_in(parse_or_raw(call)) == strings


@given(st.from_regex(r"[a-z][a-z_]{0,5}", fullmatch=True).filter(lambda name: not keyword.iskeyword(name)))
def test_a_call_without_arguments_is_named_by_any_call_of_its_function(name: str) -> None:
    assert named(f"{name}(1, x, k='v')", f"lib.{name}()") == f"lib.{name}()"
    assert named(f"{name}_(1)", f"lib.{name}()") is None
