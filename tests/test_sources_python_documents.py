"""Objects of packages as documents: the call, its parameters, its example, and that all of it holds together."""

from __future__ import annotations

import ast
import base64
import inspect
import json
import shutil
import textwrap
import types
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import griffe
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import Call, Expr, argument, calls_in
from gorilla_rag.generate import evidence
from gorilla_rag.signatures import binding_error
from gorilla_rag.signatures.objects import ApiObject, ObjectKind
from gorilla_rag.snippet import code_for
from gorilla_rag.sources.docstrings import signature_in_docstring
from gorilla_rag.sources.python_object import document

EMPTY = inspect.Parameter.empty
PACKAGES = Path(np.__file__).parents[1]


def signature(source: str) -> inspect.Signature:
    """`(a, b: int = 1)` with annotations and defaults as source."""
    found = signature_in_docstring(f"f{source}", "f")
    assert found is not None
    return found


def _parameters(function: griffe.Function) -> Iterator[inspect.Parameter]:
    kinds: dict[str, inspect._ParameterKind] = {kind.description: kind for kind in inspect._ParameterKind}
    for one in function.parameters:
        kind = kinds[(one.kind or griffe.ParameterKind.positional_or_keyword).value]
        variadic = kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        yield inspect.Parameter(
            one.name.lstrip("*"),
            kind,
            default=EMPTY if one.default is None or variadic else str(one.default),
            annotation=EMPTY if one.annotation is None else str(one.annotation),
        )


def item(name: str, source: str | None = "()", kind: ObjectKind = "function", **fields: Any) -> ApiObject:
    """An object of the package `pack`, in version 1.2."""
    forms = () if source is None else (signature(source),)
    return ApiObject(name, kind, **({"signatures": forms, "package": "pack", "version": "1.2"} | fields))


def made(*args: Any, **fields: Any) -> ApiDoc:
    """The document of `item(…)`."""
    found = document(item(*args, **fields))
    assert found is not None
    return found


def test_a_document_says_what_it_is_of_and_where_it_comes_from() -> None:
    found = document(
        item("pack.sub_words.count", "(text)", docstring="Counts words. All of them."),
        distribution_license="MIT",
        trusted=True,
    )
    assert found is not None
    assert found.id == "python:pack.sub_words.count@1.2"
    assert (found.api_name, found.api_call) == ("pack.sub_words.count", "pack.sub_words.count(text)")
    assert (found.domain, found.framework, found.version, found.source) == ("pack sub words", "pack", "1.2", "python")
    assert (found.functionality, found.description) == ("Counts words.", "All of them.")
    assert found.python_environment_requirements == ("pack",)
    assert (found.license, found.trusted) == ("MIT", True)


def test_the_domain_can_be_given_and_known_frameworks_have_their_names() -> None:
    found = document(item("torch.abs", "(input)", package="torch"), domain="Tensors and numbers")
    assert found is not None
    assert (found.domain, found.framework) == ("Tensors and numbers", "PyTorch")
    assert made("textwrap.fill", package="").framework == "Python standard library"


@pytest.mark.parametrize("kind", ["property", "module"])
def test_what_is_not_called_has_no_document(kind: ObjectKind) -> None:
    assert document(item("pack.x", None, kind)) is None


@pytest.mark.parametrize(
    ("source", "call"),
    [
        ("()", "pack.f()"),
        ("(a, b=1, *, c, d=2, **more)", "pack.f(a, c=c)"),
        ("(a, /, b)", "pack.f(a, b)"),
        ("(*xi, indexing='xy')", "pack.f(*xi)"),
        ("(equation, *operands)", "pack.f(equation, *operands)"),
        ("(a, b=1, *rest)", "pack.f(a)"),
        ("(*args, key, **kwargs)", "pack.f(key=key)"),
    ],
)
def test_the_call_has_what_cannot_be_left_out(source: str, call: str) -> None:
    assert made("pack.f", source).api_call == call
    assert made("pack.f", source, "class").api_call == call
    assert made("pack.f", source, "instance").api_call == call


@pytest.mark.parametrize(
    ("name", "source", "call", "usual"),
    [
        (
            "pandas.DataFrame.groupby",
            "(by, level=None)",
            "pandas.DataFrame.groupby(dataframe, by)",
            "dataframe.groupby(by)",
        ),
        ("re.Match.end", "(group=0)", "re.Match.end(match)", "match.end()"),
        ("builtins.str.split", "(sep=None)", "builtins.str.split(str_)", "str_.split()"),
        ("pack.Text.put", "(at, text='')", "pack.Text.put(text_, at)", "text_.put(at)"),
        ("pack.Lambda.run", "()", "pack.Lambda.run(lambda_)", "lambda_.run()"),
    ],
)
def test_a_method_is_called_as_a_function_and_shown_on_an_instance(
    name: str, source: str, call: str, usual: str
) -> None:
    found = made(name, source, "method")
    assert found.api_call == call
    owner, receiver = name.rpartition(".")[0], usual.partition(".")[0]
    assert found.api_arguments[receiver] == f"the {owner}; usually written {usual}"
    assert found.example_code.splitlines()[-2:] == [f"{receiver}: {owner}", usual]
    ast.parse(found.example_code)


def test_of_overloads_the_one_that_asks_for_least_is_the_call() -> None:
    forms = (signature("(a, b, c)"), signature("(a)"), signature("(a, k: int = 1)"))
    found = made("pack.f", signatures=forms)
    assert found.api_call == "pack.f(a)"
    assert set(found.parameters["properties"]) == {"k"}


def test_a_signature_in_the_docstring_stands_in_for_none_and_for_one_that_says_nothing() -> None:
    told = "f(input, other, *, out=None) -> Tensor\n\nDoes it."
    assert made("pack.f", None, docstring=told).api_call == "pack.f(input, other)"
    assert made("pack.f", "(*args, **kwargs)", docstring=told).api_call == "pack.f(input, other)"
    assert made("pack.f", "(x)", docstring=told).api_call == "pack.f(x)"


def test_without_any_signature_what_the_docstring_does_not_call_optional_is_required() -> None:
    told = "Does.\n\nParameters\n----------\nx : int\n    A.\ny : int, optional\n    B.\nz : str, default='a'\n    C."
    found = made("pack.f", None, docstring=told)
    assert found.api_call == "pack.f(x)"
    assert list(found.parameters["properties"]) == ["x", "y", "z"]
    assert found.parameters["properties"]["z"] == {"type": "string", "default": "a", "description": "C."}
    assert made("pack.f", None).api_call == "pack.f()"


def test_parameters_are_those_that_a_question_could_set() -> None:
    source = (
        "(data, n: int, /, mode: Literal['a', 'b'] = 'a', k=8, x=None, f: Callable = len, *r, deep: bool | None = None)"
    )
    found = made("pack.f", source, docstring="Does.\n\nArgs:\n    k: how many groups.\n    x (float): where.")
    assert found.parameters == {
        "type": "object",
        "properties": {
            "n": {"type": "integer"},
            "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
            "k": {"type": "integer", "default": 8, "description": "how many groups."},
            "x": {"type": "number", "default": None, "description": "where."},
            "deep": {"type": "boolean", "default": None},
        },
        "required": [],
    }
    assert found.api_arguments == {"k": "how many groups.", "x": "where."}


def test_an_optional_parameter_that_cannot_be_given_by_name_is_left_out() -> None:
    assert made("pack.f", "(x: int = 1, /)").parameters == {}


def test_documented_keywords_count_only_where_the_signature_takes_any() -> None:
    told = "Does.\n\nArgs:\n    color (str): which.\n    kw: more."
    assert set(made("pack.f", "(**kw)", docstring=told).parameters["properties"]) == {"color"}
    assert made("pack.f", "()", docstring=told).parameters == {}


def test_options_listed_between_bars_are_the_options_of_a_string() -> None:
    told = "Does.\n\nArgs:\n    reduction (str, optional): ``'none'`` | ``'mean'`` | ``'sum'``. Default: ``'mean'``"
    schema = made("pack.f", "(reduction: str = 'mean')", docstring=told).parameters["properties"]["reduction"]
    assert schema["enum"] == ["none", "mean", "sum"]
    assert schema["default"] == "mean"


def test_the_model_is_offered_what_the_question_gives() -> None:
    found = made("pack.KMeans", "(n_clusters=8, *, algorithm='lloyd', tol=1e-4)", "class", docstring=_KMEANS)
    offered = evidence.narrowed(found, "group my customers into 7 clusters with elkan")
    assert offered is not None
    assert offered["properties"] == {"n_clusters": {"enum": [7]}, "algorithm": {"enum": ["elkan"]}}
    call = found.call.with_arguments({"n_clusters": argument(7)}, found.parameter_names)
    assert call.render() == "pack.KMeans(n_clusters=7)"
    assert code_for(replace(found, python_environment_requirements=("pack",)), call) == "import pack\n" + call.render()


_KMEANS = """Groups rows.

Parameters
----------
n_clusters : int, default=8
    The number of clusters to form.
algorithm : {"lloyd", "elkan"}, default="lloyd"
    The algorithm.
tol : float, default=1e-4
    When to stop.

Examples
--------
>>> X = np.array([[1, 2], [1, 4]])

Two groups:

>>> model = KMeans(n_clusters=2).fit(X)
>>> model.labels_
array([1, 0])
"""


def test_the_example_is_the_part_that_calls_it_with_its_imports() -> None:
    assert made("pack.KMeans", "()", "class", docstring=_KMEANS).example_code == textwrap.dedent("""\
        import numpy as np
        from pack import KMeans
        X = np.array([[1, 2], [1, 4]])
        model = KMeans(n_clusters=2).fit(X)
        model.labels_""")
    assert (
        made("pack.fit", "(X)", "function", docstring="Fits.\n\n>>> pack.fit(1)\n").example_code
        == "import pack\npack.fit(1)"
    )


def test_an_example_without_a_call_of_it_gives_way_to_the_import_and_the_call() -> None:
    found = made("pack.sub.f", "(x)", docstring="Does.\n\n>>> pack.sub.other(1)\n>>> f (\n")
    assert found.example_code == "import pack.sub\npack.sub.f(x)"
    assert (
        made("pandas.DataFrame.from_dict", "(data)").example_code == "import pandas\npandas.DataFrame.from_dict(data)"
    )


def test_a_deprecation_opens_the_description() -> None:
    told = "Does. More.\n\n.. deprecated:: 1.1\n   Use g."
    assert made("pack.f", docstring=told).description == "Deprecated: 1.1: Use g. More."
    assert made("pack.f", docstring=told, deprecated="use h").description == "Deprecated: use h More."


def _real(module: types.ModuleType) -> Iterator[ApiObject]:
    """The public functions of a module of the standard library or of numpy, as the interpreter tells them."""
    for name, value in vars(module).items():
        if name.startswith("_") or not (inspect.isroutine(value) or isinstance(value, np.ufunc)):
            continue
        try:
            told = inspect.signature(value)
        except (ValueError, TypeError):
            forms: tuple[inspect.Signature, ...] = ()
        else:
            forms = (told.replace(parameters=[_as_source(one) for one in told.parameters.values()]),)
        yield ApiObject(
            f"{module.__name__}.{name}", "function", forms, inspect.getdoc(value) or "", package="x", version="1"
        )


def _as_source(one: inspect.Parameter) -> inspect.Parameter:
    annotation = EMPTY if one.annotation is EMPTY else str(one.annotation)
    return one.replace(default=EMPTY if one.default is EMPTY else repr(one.default), annotation=annotation)


def _visited(file: str) -> Iterator[ApiObject]:
    """The functions, classes and methods of a file of an installed package."""
    path = PACKAGES / file
    module = griffe.visit(path.stem, filepath=path, code=path.read_text(encoding="utf-8"))
    for one in module.members.values():
        if not one.is_alias and one.is_function:
            yield _visited_function(one, f"{path.stem}.{one.name}", "function")
        elif not one.is_alias and one.is_class:
            methods = [member for member in one.members.values() if not member.is_alias and member.is_function]
            yield from (
                _visited_function(member, f"{path.stem}.{one.name}.{member.name}", "method") for member in methods
            )


def _visited_function(function: Any, name: str, kind: ObjectKind) -> ApiObject:
    parameters = list(_parameters(function))[kind == "method" :]
    told = inspect.cleandoc(function.docstring.value) if function.docstring else ""
    return ApiObject(name, kind, (inspect.Signature(parameters),), told, package="x", version="1")


REAL: dict[str, list[ApiObject]] = {
    "textwrap": list(_real(textwrap)),
    "shutil": list(_real(shutil)),
    "base64": list(_real(base64)),
    "numpy": list(_real(np)),
}
FILES = [
    "sklearn/cluster/_kmeans.py",
    "pandas/core/frame.py",
    "torch/nn/functional.py",
    "scipy/signal/_filter_design.py",
]


def check(told: ApiObject, found: ApiDoc) -> None:
    """What holds of every document."""
    assert found.call.raw is None
    assert found.call.path == told.name
    assert ApiDoc.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False))).content_hash == found.content_hash
    Draft202012Validator.check_schema(found.parameters)
    ast.parse(found.example_code)
    own = replace(found.call, args=found.call.args[told.kind == "method" :])
    properties = found.parameters.get("properties", {})
    placeholders = {value.source for value in own.args if isinstance(value, Expr)}
    full = own.with_arguments({name: argument({"$expr": "v"}) for name in properties if name not in placeholders})
    for call in (own, full):
        assert not told.signatures or any(binding_error(call, form) is None for form in told.signatures)


@pytest.mark.parametrize("source", [*REAL, *FILES])
def test_the_call_of_a_real_object_binds_with_and_without_all_its_parameters(source: str) -> None:
    items = REAL.get(source) or list(_visited(source))
    assert len(items) >= 4
    for told in items:
        found = document(told)
        assert found is not None
        check(told, found)


@pytest.mark.parametrize("source", FILES)
def test_most_examples_of_real_objects_call_them(source: str) -> None:
    found = [
        document(told)
        for told in _visited(source)
        if f"{told.name.rpartition('.')[2]}(" in told.docstring.partition(">>>")[2]
    ]
    calling = [
        doc
        for doc in found
        if doc and doc.api_name.rpartition(".")[2] in {name for name, _ in _called(doc.example_code)}
    ]
    shown = [doc for doc in calling if doc.call not in [call for call, _ in calls_in(doc.example_code)]]
    assert len(calling) == len(found)
    assert not found or len(shown) >= 0.8 * len(found)


def _called(code: str) -> list[tuple[str, Call]]:
    return [(call.function.rpartition(".")[2], call) for call, _ in calls_in(code)]


NAMES = st.sampled_from(["a", "b", "x", "index", "text", "self", "data"])
DEFAULTS = st.sampled_from([EMPTY, EMPTY, "1", "None", "'é'", "{}", "..."])
ANNOTATIONS = st.sampled_from([EMPTY, "int", "str | None", "Literal['p', 'q']"])


@st.composite
def signatures(draw: st.DrawFn) -> inspect.Signature:
    """A signature of a few parameters of any kinds."""
    kinds = sorted(draw(st.lists(st.sampled_from(inspect._ParameterKind), max_size=6)))
    names = draw(st.lists(NAMES, unique=True, min_size=len(kinds), max_size=len(kinds)))
    made: dict[object, inspect.Parameter] = {}
    seen_default = False
    for kind, name in zip(kinds, names, strict=True):
        if kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            made[kind] = inspect.Parameter(name, kind)  # one of each
            continue
        default = "1" if seen_default and kind <= 1 else draw(DEFAULTS)
        seen_default = seen_default or (kind <= 1 and default is not EMPTY)
        made[name] = inspect.Parameter(name, kind, default=default, annotation=draw(ANNOTATIONS))
    return inspect.Signature(list(made.values()))


@settings(deadline=None, max_examples=150)
@given(
    forms=st.lists(signatures(), max_size=3).map(tuple),
    kind=st.sampled_from(["function", "class", "method", "instance"]),
    docstring=st.one_of(
        st.text(max_size=200),
        st.lists(
            st.sampled_from(
                [
                    "Does.",
                    "",
                    "Args:",
                    "    a (int): x",
                    "    rest: y",
                    "    zeta ({'p', 'q'}, optional): z",
                    ">>> f(1)",
                    "Parameters",
                    "----------",
                    "b : {'u', 'v'}",
                    "    text",
                    "f(a, b=1)",
                    ">>> (",
                    "lambda : int",
                    "\ud800",
                ]
            ),
            max_size=15,
        ).map("\n".join),
    ),
    deprecated=st.text(max_size=20),
)
def test_any_object_has_a_document_whose_call_parses_and_binds(
    forms: tuple[inspect.Signature, ...], kind: ObjectKind, docstring: str, deprecated: str
) -> None:
    told = ApiObject("pack.Index.f", kind, forms, docstring, deprecated, "pack", "1")
    found = document(told)
    assert found is not None
    check(told, found)
