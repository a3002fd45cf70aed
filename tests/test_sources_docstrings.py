"""Docstrings of three styles, the signatures that C writes into them, and whatever else stands there."""

from __future__ import annotations

import ast
import inspect
import logging
import re
from dataclasses import asdict
from pathlib import Path

import griffe
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.sources.docstrings import (
    DocstringText,
    ParameterText,
    read,
    signature_in_docstring,
    signatures_in_docstring,
)
from gorilla_rag.sources.markup import bounded, code_blocks, first_sentence, paragraphs, plain_text
from tests.growth import growth

GOOGLE = """Counts the `words` of a text. Punctuation is left out.

Empty texts have none.

Args:
    text (str): what to count in,
        as one string.
    limit (int, optional): stop here. Default: ``10``
    mode (str): one of ``'fast'`` | ``'exact'``
    *rest: more texts.

Keyword args:
    device (:class:`torch.device`): where to count.

Returns:
    int: how many there are.

Example:
    total = count('a b')
    print(total)
"""
NUMPY = """Count the words of a text. Punctuation is left out.

Empty texts have none.

.. versionadded:: 1.2
    Not prose.

Parameters
----------
x1, x2 : str
    Texts to count in.
limit: int, optional, default=10
    Stop here.

    .. versionchanged:: 1.3
       Was 5.
mode : {'fast', 'exact'}, default='fast'
    How to count.
**kwargs
    More.

Other Parameters
----------------
device : torch.device
    Where to count.

Returns
-------
total : int
    How many there are.

See Also
--------
split : Does something else.

Examples
--------
>>> import texts
>>> total = texts.count(
...     'a b')
>>> total  # doctest: +SKIP
2

And again:

>>> total + 1
3
"""
SPHINX = """Counts the *words* of a text. Punctuation is left out.

Empty texts have none.

:param text: what to count in,
    as one string
:type text: str
:param int limit: stop here (default: 10)
:returns: how many there are
:rtype: int

Use it so::

    total = count('a b')
"""


@pytest.mark.parametrize("docstring", [GOOGLE, NUMPY, SPHINX])
def test_the_first_sentence_is_the_summary_and_the_other_prose_the_description(docstring: str) -> None:
    made = read(docstring)
    assert re.fullmatch("Counts? the words of a text.", made.summary)
    assert made.description == "Punctuation is left out. Empty texts have none."


def test_google_parameters_have_types_descriptions_defaults_and_choices() -> None:
    assert dict(read(GOOGLE).parameters) == {
        "text": ParameterText("str", "what to count in, as one string."),
        "limit": ParameterText("int, optional", "stop here. Default: 10", default="10", optional=True),
        "mode": ParameterText("str", "one of 'fast' | 'exact'", choices=("fast", "exact")),
        "rest": ParameterText("", "more texts."),
        "device": ParameterText("torch.device", "where to count."),
    }


def test_numpy_parameters_keep_their_whole_type_and_share_an_entry() -> None:
    assert dict(read(NUMPY).parameters) == {
        "x1": ParameterText("str", "Texts to count in."),
        "x2": ParameterText("str", "Texts to count in."),
        "limit": ParameterText("int, optional", "Stop here.", default="10", optional=True),
        "mode": ParameterText("{'fast', 'exact'}", "How to count.", default="'fast'", optional=True),
        "kwargs": ParameterText("", "More."),
        "device": ParameterText("torch.device", "Where to count."),
    }


def test_sphinx_parameters_take_their_types_from_either_field() -> None:
    assert dict(read(SPHINX).parameters) == {
        "text": ParameterText("str", "what to count in, as one string"),
        "limit": ParameterText("int", "stop here (default: 10)", default="10", optional=True),
    }


def test_what_comes_back_is_read_in_every_style() -> None:
    assert read(GOOGLE).returns == "int: how many there are."
    assert read(NUMPY).returns == "total: int: How many there are."
    assert "how many there are" in read(SPHINX).returns


def test_examples_are_source_without_prompts_and_outputs() -> None:
    assert read(NUMPY).examples == ("import texts\ntotal = texts.count(\n    'a b')\ntotal", "total + 1")
    assert read(GOOGLE).examples == ("total = count('a b')\nprint(total)",)
    assert read(SPHINX).examples == ("total = count('a b')",)


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        (".. code-block:: python\n   :linenos:\n\n   f(1)\n\nprose", ["f(1)"]),
        ("```python\nf(1)\n```\nprose", ["f(1)"]),
        ("```\n>>> prose that isn't python\n", []),
        ("Like this::\n\n    $ pip install x\n", []),
        (".. math::\n\n    f(x)\n", []),
        ("Examples::\n\n    >>> f(1)\n    2\n    >>> g()\n", ["f(1)\ng()"]),
        (">>>f(1)\n...\n", ["f(1)"]),
        ("Example:\n    x = 1\n", []),
    ],
)
def test_only_python_that_calls_something_is_an_example(text: str, blocks: list[str]) -> None:
    assert list(code_blocks(text)) == blocks


@pytest.mark.parametrize(
    ("docstring", "deprecated"),
    [
        ("Old.\n\n.. deprecated:: 1.2\n   Use :func:`~a.new` instead.\n\nMore.", "1.2: Use new instead."),
        ("Old.\n\n.. deprecated:: 1.2", "1.2"),
        ("Old.\n\nDeprecated\n----------\n1.2\n    Use new.", "1.2: Use new."),
        ("Old.\n\nDeprecated: use new.", "use new."),
        ("Old.\n\nDeprecated:\n    use new.", "use new."),
        ("Good.\n\nParameters\n----------\nx : int\n    Kept.\n\n    .. deprecated:: 1.2\n        Use y.", ""),
    ],
)
def test_a_deprecation_of_the_whole_is_told_that_of_a_parameter_is_not(docstring: str, deprecated: str) -> None:
    made = read(docstring)
    assert made.deprecated == deprecated
    assert made.summary in ("Old.", "Good.")
    assert "deprecated" not in made.description.lower() or "Deprecated:" in docstring


@pytest.mark.parametrize(
    ("markup", "plain"),
    [
        ("see :func:`foo` and :py:meth:`~a.B.bar`", "see foo and bar"),
        (":ref:`the guide <guide>` or `a link <http://x>`_", "the guide or a link"),
        ("``code``, `x` and `~a.b`", "code, x and b"),
        ("*one* and **two**, but a * b and *args", "one and two, but a * b and *args"),
        ("[text](http://x), [text][x.y] and a[0], cited [1]_.", "text, text and a[0], cited."),
        ("a\n  b\tc", "a b c"),
    ],
)
def test_markup_is_taken_off(markup: str, plain: str) -> None:
    assert plain_text(markup) == plain


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One, e.g. This. Two.", "One, e.g. This."),
        ("See numpy.sum for it. Two.", "See numpy.sum for it."),
        ("No end", "No end"),
        ("Version 1.5 is it. 2 more.", "Version 1.5 is it."),
    ],
)
def test_a_sentence_ends_where_a_new_one_begins(text: str, first: str) -> None:
    found, rest = first_sentence(text)
    assert found == first
    assert f"{found} {rest}".strip() == text


def test_a_long_text_is_cut_after_a_sentence_or_a_word() -> None:
    assert bounded("One two three. Four five six.", 20) == "One two three."
    assert bounded("one two three four", 12) == "one two…"
    assert bounded("short", 5) == "short"


def test_directives_formulas_doctests_and_pointers_are_no_prose() -> None:
    text = "One::\n\n    code\n\n.. math::\n    x^2\n\n>>> f()\n1\n\nRead more in the :ref:`Guide <x>`.\n\nTwo.\n\n"
    assert list(paragraphs(text + "Shape:\n    x")) == ["One:", "Two."]


def test_headings_under_an_indent_are_found() -> None:
    made = read("Finds it.\n\n    Prose.\n\n.. note:: x\n\n    Parameters\n    ----------\n    x : int\n        What.")
    assert made.parameters["x"].description == "What."


def test_a_signature_on_top_is_no_prose() -> None:
    assert read("abs(input, *, out=None) -> Tensor\n\nComputes it.").summary == "Computes it."
    assert read("f(x) -> y\nf(x, z) → y\n\nComputes it.").summary == "Computes it."
    assert read("f(x) is called. It works.").summary == "f(x) is called."


@pytest.mark.parametrize(
    ("docstring", "name", "expected"),
    [
        ("abs(input, *, out=None) -> Tensor\n\nText.", "torch.abs", "(input, *, out='None')"),
        ("a.sort(axis=-1, kind=None)\n\nText.", "sort", "(axis='-1', kind='None')"),
        ("f(x[, a[, b]])", "f", "(x, a='...', b='...')"),
        ("f([x]) → int", "f", "(x='...')"),
        ("f(x, /, out=None, *, where=True[, signature])", "f", "(x, /, out='None', *, where='True', signature='...')"),
        (
            "f(x1[, out1, out2], / [, out=(None, None)], *, k=1)",
            "f",
            "(x1, out1='...', out2='...', /, out='(None, None)', *, k='1')",
        ),
        ("f(x, ..., sep=', ', end='\\n')", "f", "(x, *args, sep=\"', '\", end=\"'\\\\n'\")"),
        ("zeros(*size, *, out=None) -> Tensor", "zeros", "(*size, out='None')"),
        ("f(A, *, bool pivot=True)", "f", "(A, *, pivot='True')"),
        ("f(x,\n  y: int = 1,\n  **kw)", "f", "(x, y: 'int' = '1', **kw)"),
        ("f(x=<no value>, d=[0, 1])", "f", "(x='...', d='[0, 1]')"),
        ("arange([start,] stop[, step,], dtype=None)", "arange", None),
        ("f(x, x)", "f", None),
        ("f(x) -> a\nf(x, y) -> b", "f", None),
        ("g(x) -> a\n\nText.", "f", None),
        ("f(x", "f", None),
        ("Text.", "f", None),
    ],
)
def test_a_signature_in_a_docstring_is_parsed_with_its_defaults_as_source(
    docstring: str, name: str, expected: str | None
) -> None:
    found = signature_in_docstring(docstring, name)
    assert (None if found is None else str(found)) == expected


def test_every_form_of_a_builtin_is_a_signature_of_its_own() -> None:
    assert torch.max.__doc__ is not None
    forms = signatures_in_docstring(inspect.cleandoc(torch.max.__doc__), "torch.max")
    assert [list(form.parameters) for form in forms] == [
        ["input", "out"],
        ["input", "dim", "keepdim", "out"],
        ["input", "other", "out"],
    ]
    assert signatures_in_docstring("f(x)\nf([a,] b)\n\nText.", "f") == ()


def test_signatures_in_docstrings_agree_with_those_of_the_interpreter() -> None:
    compared = 0
    for name, value in vars(np).items():
        if not isinstance(value, np.ufunc) and not inspect.isbuiltin(value):
            continue
        written = signature_in_docstring(inspect.cleandoc(value.__doc__ or ""), name)
        if written and name != "frompyfunc":  # its docstring names a keyword that its signature has as **kwargs
            try:
                real = inspect.signature(value)
            except ValueError:  # it tells the interpreter nothing
                continue
            compared += 1
            assert [p.name for p in written.parameters.values() if p.default is p.empty] == [
                p.name for p in real.parameters.values() if p.default is p.empty
            ], name
    assert compared > 80


def _docstrings(path: Path) -> list[tuple[list[str], str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    return [
        ([arg.arg for arg in (*node.args.args, *node.args.kwonlyargs) if arg.arg != "self"], told)
        for node in nodes
        if (told := ast.get_docstring(node))
    ]


@pytest.mark.parametrize(
    "file",
    [
        "numpy/lib/_function_base_impl.py",
        "pandas/core/frame.py",
        "torch/nn/functional.py",
        "sklearn/cluster/_kmeans.py",
    ],
)
def test_documented_parameters_of_real_packages_are_found(file: str) -> None:
    packages = Path(np.__file__).parents[1]
    documented = found = 0
    for names, docstring in _docstrings(packages / file):
        made = read(docstring)
        wanted = [n for n in names if re.search(rf"(?m)^\s*{n} ?(?:\([^)]*\) ?)?: ?\S", docstring)]
        documented += len(wanted)
        found += sum(bool(made.parameters.get(name, ParameterText()).description) for name in wanted)
        assert made.summary
    assert documented > 30
    assert found >= 0.97 * documented


def test_nothing_is_logged_while_reading(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        read("Does.\n\nArgs:\n    broken\n    x (a b c): y\n")
        read("Does.\n\nParameters\n----------\n??\n  x\n")
    assert not caplog.records
    assert griffe.logger.level != 100


PIECES = st.sampled_from(
    [
        *("Args:", "Returns:", "Parameters", "-----", "Examples::", ">>> f(x)", "... 1", ".. deprecated:: 1"),
        ":param x: y",
        "x (int): y",
        "x : {'a', 'b'}, default='a'",
        "    text",
        "",
        "  ",
        "```",
        "f(x) -> y",
        "`",
        "::",
        "\x00",
        "\ue000",
        "*args : " + "(" * 300,
        "x : " + "not " * 3000 + "y",
        "Default: ``" + "[" * 500,
        "\ud800",
        "\t",
        "*",
        "Deprecated",
    ]
)


@settings(deadline=None, max_examples=400)
@given(st.one_of(st.lists(PIECES, max_size=25).map("\n".join), st.text(max_size=300)))
def test_any_docstring_is_read_and_can_be_stored(docstring: str) -> None:
    made = read(docstring)
    assert isinstance(made, DocstringText)
    parameters = {name: asdict(text) for name, text in made.parameters.items()}
    repr((made.summary, made.description, parameters, made.returns, made.deprecated)).encode()
    assert len(made.summary) <= 240
    assert len(made.description) <= 1200
    assert all(name.isidentifier() for name in parameters)
    signatures_in_docstring(docstring, "f")


@pytest.mark.parametrize(
    "piece", ["`", "`a <", "[", "*a", " ", "\n", "default ", "x(", "a,b", "'a'|", ".. deprecated::\n ", ". A"]
)
def test_reading_takes_no_time_that_grows_faster_than_the_text(piece: str) -> None:
    def reading(length: int) -> None:
        read("Does.\n\nParameters\n----------\nx : " + piece * (length // len(piece)))
        read(piece * (length // len(piece)))

    # Four times the text; time that grew with its square would be sixteen times.
    assert growth(reading, 20_000, 80_000) < 10
