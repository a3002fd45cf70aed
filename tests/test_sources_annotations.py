"""Annotations and docstring types as JSON Schema."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gorilla_rag.sources.annotations import literal_schema, schema

INTEGER, NUMBER, STRING, BOOLEAN = ({"type": kind} for kind in ("integer", "number", "string", "boolean"))


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("int", INTEGER),
        ("bool", BOOLEAN),
        ("builtins.str", STRING),
        ("int|None", INTEGER),
        ("Optional[float]", NUMBER),
        ("typing.Union[int, float]", NUMBER),
        ("'int | None'", INTEGER),
        ("\"Optional['int']\"", INTEGER),
        ("Annotated[int, Field(gt=0)]", INTEGER),
        ('Literal["a", "b"]', {"type": "string", "enum": ["a", "b"]}),
        ("Literal[1, 'x', None]", {"enum": [1, "x", None]}),
        ("Literal[-1, 1]", {"enum": [-1, 1]}),
        ("Literal[True, False]", BOOLEAN),
        ("list[str]", {"type": "array", "items": STRING}),
        ("Sequence[Any]", {"type": "array"}),
        ("tuple[float, ...]", {"type": "array", "items": NUMBER}),
        ("tuple[int, int]", {"type": "array", "prefixItems": [INTEGER, INTEGER], "minItems": 2, "maxItems": 2}),
        ("dict[str, int]", {"type": "object", "additionalProperties": INTEGER}),
        ("int | list[int]", {"anyOf": [INTEGER, {"type": "array", "items": INTEGER}]}),
        ("str | os.PathLike[str] | None", STRING),
        ("Callable[[int], str] | bool", BOOLEAN),
    ],
)
def test_an_annotation_gives_the_schema_of_what_can_be_written_as_json(annotation: str, expected: Any) -> None:
    assert schema(annotation) == expected


@pytest.mark.parametrize(
    "annotation",
    [
        *("", "np.ndarray", "Any", "object", "int | Any", "None", "Callable[[int], str] | None", "list[np.ndarray]"),
        *(
            "dict[int, int]",
            "tuple[int, np.ndarray]",
            "Literal[b'x']",
            "lambda: 1",
            "not python at all",
            "f(x)",
            "int[",
        ),
    ],
)
def test_what_is_unknown_or_no_json_has_no_schema(annotation: str) -> None:
    assert schema(annotation) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{'linear', 'quadratic'}, optional", {"type": "string", "enum": ["linear", "quadratic"]}),
        ("{“a”, ‘b’}", {"type": "string", "enum": ["a", "b"]}),
        ("int, default=8", INTEGER),
        ("int, optional (default=5)", INTEGER),
        ("bool, optional", BOOLEAN),
        ("float or None", NUMBER),
        ("str or list of str", {"anyOf": [STRING, {"type": "array", "items": STRING}]}),
        ("list of ints", {"type": "array", "items": INTEGER}),
        ("{'scale', 'auto'} or float", {"anyOf": [{"type": "string", "enum": ["scale", "auto"]}, NUMBER]}),
        (
            "{'k-means++', 'random'}, callable or array-like of shape (n_clusters, n_features), default='k-means++'",
            {"type": "string", "enum": ["k-means++", "random"]},
        ),
        ("str, {'linear', 'log'}", {"type": "string", "enum": ["linear", "log"]}),
        ("{'default', 'other'}, default 'other'", {"type": "string", "enum": ["default", "other"]}),
        ("int, RandomState instance or None, default=None", INTEGER),
        ("{0 or 'index', 1 or 'columns'}, default 0", {"enum": [0, "index", 1, "columns"]}),
        ("{0.5, 007}", {"enum": [0.5, 7]}),
        ("'auto' or int", {"anyOf": [{"type": "string", "enum": ["auto"]}, INTEGER]}),
        ("Union[int, Tuple[str]], optional", schema("Union[int, Tuple[str]]")),
        ("float in (0, 1)", NUMBER),
        ("int >= 2", INTEGER),
        ("non-negative int", INTEGER),
        ("{True, False}", BOOLEAN),
    ],
)
def test_a_type_written_for_people_gives_its_alternatives(text: str, expected: Any) -> None:
    assert expected
    assert schema("", text=text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("array-like of shape (n_samples,)", "array_like of float", "callable", "None", "RandomState instance", ""),
        *("ndarray of shape (3, 4), dtype int", "{array-like, sparse matrix} of shape (n, m)", "object", "any"),
    ],
)
def test_a_type_that_is_no_json_has_no_schema(text: str) -> None:
    assert schema("", text=text) == {}


def test_the_annotation_counts_before_the_text_but_the_text_names_the_options_of_a_string() -> None:
    assert schema("int", text="str") == INTEGER
    assert schema("Unknown", text="int") == INTEGER
    assert schema("str", text="{'a', 'b'}") == {"type": "string", "enum": ["a", "b"]}
    assert schema("str", text="int") == STRING


@pytest.mark.parametrize(
    ("value", "expected"), [(True, BOOLEAN), (3, INTEGER), (0.5, NUMBER), ("x", STRING), (None, {}), ([], {})]
)
def test_a_default_suggests_its_own_type(value: Any, expected: Any) -> None:
    assert literal_schema(value) == expected


def test_a_changed_schema_leaves_the_next_one_alone() -> None:
    schema("int")["description"] = "x"
    assert schema("int") == INTEGER


WORDS = st.sampled_from(
    [
        *"int str float bool None Any list[ dict[ tuple[ ] Literal[ 'a' 1 -2 1e999 | or , { } ( ) of ... not".split(),
        *(" ", "  ", "default=", "\x00", "\ud800", "optional", "9" * 50, "array"),
    ]
)
OF_SCHEMAS = Draft202012Validator(Draft202012Validator.META_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


@settings(deadline=None, max_examples=400)
@given(st.one_of(st.lists(WORDS, max_size=20).map(" ".join), st.text(max_size=60)), st.text(max_size=60) | WORDS)
def test_anything_gives_a_valid_schema(annotation: str, text: str) -> None:
    for made in (schema(annotation, text=text), schema(text, text=annotation)):
        assert list(OF_SCHEMAS.iter_errors(made)) == []
        assert json.loads(json.dumps(made, ensure_ascii=False, allow_nan=False).encode()) == made


@pytest.mark.parametrize(
    "deep", ["list[" * 5000, "(" * 5000, "not " * 5000 + "x", "int | " * 20000 + "int", "9" * 6000]
)
def test_a_deep_annotation_is_no_error(deep: str) -> None:
    assert isinstance(schema(deep, text=deep), dict)
