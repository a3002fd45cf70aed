"""Every metric on small cases whose values can be worked out by hand."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import parse_call, parse_or_raw
from gorilla_rag.evaluate.benchmark import Question
from gorilla_rag.evaluate.catalogue import Catalogue
from gorilla_rag.evaluate.metrics import HEADLINE, METRICS, argument_f1, gold_id_present, latency, refusal
from gorilla_rag.evaluate.metrics.calibration import Bin, calibration, trusted
from gorilla_rag.evaluate.metrics.gorilla_ast import GorillaScorer
from gorilla_rag.evaluate.metrics.latency import Percentiles
from gorilla_rag.evaluate.metrics.override import overrides
from gorilla_rag.evaluate.metrics.risk_coverage import Point, area, curve
from gorilla_rag.evaluate.outcome import Case, Outcome, structured, written

SCORES = {metric.name: metric.score for metric in METRICS}
DOCUMENTED = (
    "pipeline('ner', model='org/a')",
    "pipeline('ner', model='org/b')",
    "AutoModel.from_pretrained('org/a')",
    "tools.zip(folder, level=9)",
)
ASKED = "Which names stand in this text?"


def make_case(
    answer: str | None,
    gold: str = DOCUMENTED[0],
    *,
    documented: Sequence[str] = DOCUMENTED,
    expected: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    grades: Mapping[str, int] | None = None,
    also_right: Sequence[str] = (),
    scorer: GorillaScorer | None = None,
    **outcome: Any,
) -> Case:
    """An answer (`None`: no call) to a question whose right call is `gold`, over documents `doc-0`, `doc-1`, …"""
    docs = [ApiDoc(id=f"doc-{number}", api_call=call) for number, call in enumerate(documented)]
    own = ApiDoc(id="own", api_call=gold, parameters=parameters or {})
    right = frozenset({own.call_key, *(ApiDoc(id="right", api_call=call).call_key for call in also_right)})
    question = Question(
        "1", ASKED, own, right, parse_call(expected) if expected else own.call, number=1, grades=grades or {}
    )
    values = {"text": written("", answer, ""), **outcome}
    return Case(question, Outcome("1", answer, **values), Catalogue(docs), scorer)


def scores(case: Case, *names: str) -> tuple[float | None, ...]:
    """The case's values of some metrics."""
    return tuple(SCORES[name](case) for name in names)


def test_the_headline_is_one_of_the_metrics_and_each_has_a_name_of_its_own() -> None:
    assert HEADLINE in SCORES
    assert len(SCORES) == len(METRICS) == len({metric.label for metric in METRICS})
    assert {metric.name for metric in METRICS if metric.lower} == {"hallucination", "refusal", "gorilla_hallucination"}


CALLS = ("api_match", "graded_match", "gold_id_present", "function_match", "argument_f1", "hallucination", "refusal")


@pytest.mark.parametrize(
    ("answer", "outcome", "values"),
    [
        pytest.param("pipeline('ner', model='org/a')", {}, (1, 1, 1, 1, 1, 0, 0), id="as documented"),
        pytest.param("x.pipeline(model='org/a', task='ner')", {}, (1, 1, 1, 1, 1, 0, 0), id="other form"),
        # Two pairs right, of three given and two wanted: 2 · 2 / (3 + 2).
        pytest.param("pipeline('ner', model='org/a', device=0)", {}, (1, 1, 1, 1, 0.8, 0, 0), id="further argument"),
        # One right of two and two.
        pytest.param("pipeline('ner', model='org/b')", {}, (0, 0, 0, 1, 0.5, 0, 0), id="another documented model"),
        # One right of one and two.
        pytest.param("pipeline(model='org/a')", {}, (0, 0.5, 1, 1, 2 / 3, 1, 0), id="no task"),
        pytest.param("AutoModel.from_pretrained('org/a')", {}, (0, 0.5, 1, 0, 0, 0, 0), id="other wrapper"),
        pytest.param("load('org/a')", {}, (0, 0.5, 1, 0, 0, 1, 0), id="invented function, right model"),
        pytest.param("pipeline('ner', model='org/c')", {}, (0, 0, 0, 1, 0.5, 1, 0), id="invented model"),
        pytest.param("load('org/a2')", {}, (0, 0, 0, 0, 0, 1, 0), id="a model that begins alike"),
        pytest.param("take the 'org/a' model", {}, (0, 0.5, 1, 0, 0, 1, 0), id="zero-shot prose"),
        pytest.param("I can't say.", {}, (0, 0, 0, 0, 0, 1, 0), id="zero-shot prose without a model"),
        pytest.param(None, {"reason": "unsure"}, (0, 0, 0, 0, 0, 0, 1), id="refusal"),
        pytest.param(None, {"error": "RuntimeError: out"}, (0, 0, 0, 0, 0, 0, 0), id="failure"),
        pytest.param(
            None, {"text": "try org/a, somehow", "reason": "no call"}, (0, 0, 1, 0, 0, 0, 1), id="no call could be read"
        ),
    ],
)
def test_every_metric_of_the_call(answer: str | None, outcome: dict[str, Any], values: tuple[float, ...]) -> None:
    assert scores(make_case(answer, **outcome), *CALLS) == pytest.approx(values)


def test_any_of_several_right_calls_is_right() -> None:
    case = make_case(DOCUMENTED[2], also_right=[DOCUMENTED[2]])
    assert scores(case, "api_match", "graded_match", "function_match") == (1, 1, 1)


def test_the_questions_own_document_is_no_hallucination_where_the_catalogue_lacks_it() -> None:
    gold = "pipeline('ner', model='org/new')"
    assert scores(make_case(gold, gold), "api_match", "hallucination") == (1, 0)
    assert scores(make_case(gold), "api_match", "hallucination") == (0, 1)


@pytest.mark.parametrize(
    ("gold", "documented"),
    [
        ("tools.zip(folder, level=9)", DOCUMENTED),
        ("sklearn.cluster.KMeans()", ()),
        ("Model.load('org/a').to(device)", ()),
        ("Model.load(name).to(device)", ()),
        ("f(m=g('x', y))", ()),
        ("f([g('x')], k=None)", ()),
        ("f('it\\'s', \"a 'quoted' text\")", ()),
        ("re.split('\\\\d+', text)", ()),
        ("Model.load('x', dtype=torch.half)", ("Model.load('x')",)),
    ],
)
def test_the_right_call_copied_is_perfect_by_every_metric(gold: str, documented: Sequence[str]) -> None:
    call, doc = parse_call(gold), ApiDoc(id="own", api_call=gold)
    case = make_case(
        call.render(), gold, documented=documented, structured=structured(ASKED, call, doc), grades={doc.call_key: 2}
    )
    perfect = {
        metric.name: 0.0 if metric.lower else 1.0 for metric in METRICS if not metric.name.startswith("gorilla_")
    }
    assert {name: SCORES[name](case) for name in perfect} == perfect


@pytest.mark.parametrize("answer", [None, "pipeline('ner', model='org/a')"])
def test_metrics_that_do_not_apply_have_no_value(answer: str | None) -> None:
    case = make_case(answer)
    assert scores(case, "acceptable", "gorilla_accuracy", "gorilla_hallucination") == (None, None, None)


@pytest.mark.parametrize(("answer", "value"), [(DOCUMENTED[0], 1), (DOCUMENTED[1], 0), ("f()", 0), (None, 0)])
def test_an_answer_is_acceptable_where_its_call_was_judged_to_serve(answer: str | None, value: float) -> None:
    # The label itself was judged to serve in part alone; its neighbour serves.
    keys = [ApiDoc(id="one", api_call=call).call_key for call in DOCUMENTED]
    case = make_case(answer, DOCUMENTED[1], grades={keys[0]: 2, keys[1]: 1, keys[2]: 0})
    assert SCORES["acceptable"](case) == value


@pytest.mark.parametrize(
    ("written_text", "present"),
    [
        ("pipeline('ner', model='org/a')", 1),
        ('I would load "org/a".', 1),
        ("org/a", 1),
        ("org/a, org/b or org/c", 1),
        ("org/a-large", 0),
        ("org/a2", 0),
        ("org/a/b", 0),
        ("my-org/a", 0),
        ("hub/org/a", 0),
        ("Org/A", 0),
        ("", 0),
    ],
)
def test_the_gold_id_has_to_stand_there_whole(written_text: str, present: float) -> None:
    assert gold_id_present.score(make_case(None, text=written_text)) == present


@pytest.mark.parametrize(
    ("gold", "answer", "value"),
    [
        ("f(a=1, b='x')", "f(b='x', a=1)", 1),
        ("f(a=1, b='x')", "f(a=True, b='x')", 1 / 2),
        ("f(a=1, b='x')", "f(a='1', c='x')", 0),
        ("f(a=1, b='x', c=None)", "f(a=1)", 2 / 4),
        ("f(text, width=70)", "f(text, 70)", 1),
        ("f('x', 'y')", "f(a='x', b='y')", 1),
        ("f('x', 'y')", "f('y', 'x')", 0),
        ("f('x', 'x')", "f(a='x')", 2 / 3),
        ("f('x')", "f('y', 'x')", 0),
        ("f(m=g(1, 'z'))", "f(m=g(1, 'z'))", 1),
        ("f(m=g(1, 'z'))", "f(m=g(1))", 0),
        ("lib.f(a=1)", "f(a=1)", 1),
        ("lib.f(a=1)", "lib.g(a=1)", 0),
        ("f()", "f()", 1),
        ("f()", "f(a=1)", 0),
        ("f(a=1)", "f()", 0),
    ],
)
def test_argument_f1_counts_names_with_their_values(gold: str, answer: str, value: float) -> None:
    assert argument_f1.score(make_case(answer, gold, documented=[gold])) == pytest.approx(value)


def test_argument_f1_compares_with_the_values_that_the_question_asks_for() -> None:
    gold, expected = "book(city, nights=2)", "book('Leeds', nights=3)"
    assert argument_f1.score(make_case("book('Leeds', 3)", gold, expected=expected)) == 1
    assert argument_f1.score(make_case("book('Leeds', nights=2)", gold, expected=expected)) == 1 / 2


def test_the_function_of_a_method_chain_includes_what_it_is_called_on() -> None:
    gold = "Model.load('x').eval()"
    assert SCORES["function_match"](make_case("Model.load('y').eval()", gold)) == 1
    assert SCORES["function_match"](make_case("hub.fetch('x').eval()", gold)) == 0


def test_the_arguments_of_a_method_chain_include_those_of_what_it_is_called_on() -> None:
    # `eval` has no arguments, `load` one; another model is not the same call.
    gold = "Model.load('x').eval()"
    assert argument_f1.score(make_case(gold, gold)) == 1
    assert argument_f1.score(make_case("Model.load('y').eval()", gold)) == 0


def test_a_text_that_matches_a_documented_one_has_its_function_too() -> None:
    gold = "load(repo='x', 'y')"  # not Python, as APIBench documents it
    case = make_case('load(repo = "x",  "y")', gold, documented=[gold])
    assert scores(case, "api_match", "function_match", "argument_f1") == (1, 1, 1)


LIST_ORDERS = "api.list(limit=100, order='ASC')"
WANTED = {"query": ASKED, "tool_name": "api.list", "arguments": {"limit": 100, "order": "ASC"}}
STRUCTURED = ("exact_match", "tool_name", "query_preservation", "arguments_partial", "json_validity", "functional")


def wrote(text: str | None = None, gold: str = LIST_ORDERS, **changed: Any) -> Case:
    """A case of an answer that wrote JSON: the text, or what was wanted with changed fields."""
    whole = json.dumps({**WANTED, **changed}) if text is None else text
    return make_case(gold, gold, documented=[gold], structured=whole)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(WANTED),
        json.dumps(WANTED, indent=4),
        json.dumps(dict(reversed(WANTED.items()))),
        json.dumps({**WANTED, "arguments": {"order": "ASC", "limit": 100}}),
        json.dumps({**WANTED, "query": f" {ASKED.replace(' ', '  ')}\n", "arguments": {"limit": 100, "order": "ASC "}}),
    ],
)
def test_exact_match_ignores_the_order_of_keys_and_white_space(text: str) -> None:
    assert SCORES["exact_match"](wrote(text)) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"arguments": {"limit": 100, "order": "asc"}},
        {"arguments": {"limit": "100", "order": "ASC"}},
        {"arguments": {"limit": 100.0, "order": "ASC"}},
        {"arguments": {"limit": 100}},
        {"arguments": {"limit": 100, "order": "ASC", "page": 1}},
        {"arguments": {"limit": 100, "order": ["ASC"]}},
        {"tool_name": "list"},
        {"query": ASKED.upper()},
        {"note": ""},
    ],
)
def test_exact_match_is_exact_in_everything_else(changed: dict[str, Any]) -> None:
    assert SCORES["exact_match"](wrote(**changed)) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("api.list", 1), ("list", 0), ("API.list", 0), ("api.list ", 0), ("api.list()", 0), (None, 0), (["api.list"], 0)],
)
def test_the_tool_name_is_right_only_exactly(name: Any, value: float) -> None:
    assert SCORES["tool_name"](wrote(tool_name=name)) == value


@pytest.mark.parametrize(
    ("query", "value"),
    [(ASKED, 1), (ASKED.upper(), 1), (ASKED.lower(), 1), (ASKED[:-1], 0), (f"{ASKED} ", 0), ("", 0), (7, 0), (None, 0)],
)
def test_the_query_is_preserved_word_for_word_but_for_its_case(query: Any, value: float) -> None:
    assert SCORES["query_preservation"](wrote(query=query)) == value


@pytest.mark.parametrize(
    ("given_arguments", "value"),
    [
        ({"limit": 100, "order": "ASC"}, 1),
        ({"limit": 100, "order": "asc"}, 0.5),  # the card's example
        ({"order": "ASC"}, 2 / 3),  # one right of one given and two wanted
        ({"limit": 100, "order": "ASC", "page": 1, "of": 2}, 4 / 6),
        ({"limit": "100", "order": "ASC "}, 0.5),
        ({"max": 100, "sort": "ASC"}, 0),
        ({}, 0),
        ([100, "ASC"], 0),
        (None, 0),
    ],
)
def test_arguments_match_in_part_by_key_and_value(given_arguments: Any, value: float) -> None:
    assert SCORES["arguments_partial"](wrote(arguments=given_arguments)) == pytest.approx(value)
    assert SCORES["arguments_partial"](wrote(arguments=given_arguments, tool_name="other")) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (json.dumps(WANTED), 1),
        ("{}", 1),
        (' {"a": [1, null]} ', 1),
        ('["a"]', 0),
        ('"a"', 0),
        ("null", 0),
        ("", 0),
        (json.dumps(WANTED)[:-1], 0),
        (f"```json\n{json.dumps(WANTED)}\n```", 0),
        (f"{json.dumps(WANTED)} That's it.", 0),
        ("{'a': 1}", 0),
        ('{"a": 1,}', 0),
        ('{"a": NaN}', 0),
        ('{"a": ' * 100_000, 0),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", 0),
    ],
)
def test_json_is_valid_when_it_is_an_object_alone(text: str, value: float) -> None:
    assert SCORES["json_validity"](wrote(text)) == value


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", '{"query": '])
def test_without_a_json_object_every_structured_metric_is_zero(text: str) -> None:
    assert scores(wrote(text), *STRUCTURED) == (0,) * 6
    assert scores(make_case(None, structured=text, reason="unsure"), *STRUCTURED) == (0,) * 6
    assert scores(make_case(None, structured=text, error="out of memory"), *STRUCTURED) == (0,) * 6


def test_an_empty_object_is_valid_json_and_nothing_else() -> None:
    assert scores(wrote("{}"), *STRUCTURED) == (0, 0, 0, 0, 1, 0)


SCHEMA = {"properties": {"limit": {}, "order": {}, "page": {}}, "required": ["limit", "page"]}


@pytest.mark.parametrize(
    ("tool", "given_arguments", "parameters", "value"),
    [
        ("api.list", {"limit": 1, "order": "any"}, {}, 1),
        ("api.list", {"limit": 1, "order": "any", "more": 1}, {}, 1),
        ("api.list", {"limit": 1}, {}, 0),
        ("api.lists", {"limit": 1, "order": "any"}, {}, 0),
        ("api.list", {"limit": 1, "page": 2}, SCHEMA, 1),
        ("api.list", {"limit": 100, "order": "ASC"}, SCHEMA, 0),
        ("api.list", {}, {"properties": {"limit": {}}}, 1),
        ("api.list", None, SCHEMA, 0),
    ],
)
def test_a_call_is_functional_with_the_right_tool_and_every_required_argument(
    tool: str, given_arguments: Any, parameters: dict[str, Any], value: float
) -> None:
    text = json.dumps({"query": ASKED, "tool_name": tool, "arguments": given_arguments})
    case = make_case(LIST_ORDERS, LIST_ORDERS, documented=[LIST_ORDERS], parameters=parameters, structured=text)
    assert SCORES["functional"](case) == value


@pytest.mark.parametrize(
    ("call", "documented", "made"),
    [
        ("api.list(100, 'ASC')", "api.list(limit=100, order='ASC')", ("api.list", {"limit": 100, "order": "ASC"})),
        ("api.list(100, order=x)", None, ("api.list", {"0": 100, "order": {"$expr": "x"}})),
        ("Model.load('x').to('cpu')", None, ("Model.load().to", {"0": "cpu"})),
        ("GET /pets", None, ("GET /pets", {})),
    ],
)
def test_a_call_is_written_with_the_documents_names_else_by_place(
    call: str, documented: str | None, made: tuple[str, dict[str, Any]]
) -> None:
    doc = ApiDoc(id="one", api_call=documented) if documented else None
    tool, arguments = made
    found = json.loads(structured(ASKED, parse_or_raw(call), doc))
    assert found == {"query": ASKED, "tool_name": tool, "arguments": arguments}
    assert structured(ASKED, None, doc) == ""


@pytest.mark.parametrize(
    ("hub", "text", "judged", "accuracy", "hallucination"),
    [
        ("huggingface", "<<<api_call>>>: pipeline('ner', model='org/a')", "right", 1, 0),
        # Gorilla counts the right domain as right: org/a2 contains org/a, and so does any text around it.
        ("huggingface", "<<<api_call>>>: pipeline('ner', model='org/a2')", "right", 1, 0),
        ("huggingface", "<<<api_call>>>: load('org/v')", "wrong", 0, 0),
        ("huggingface", "<<<api_call>>>: load('org/unknown')", "hallucinated", 0, 1),
        ("huggingface", "pipeline('ner', model='org/a')", "right", 1, 0),
        ("torchhub", "pipeline('ner', model='org/a')", "unread", 0, 0),
        ("torchhub", "<<<api_call>>>: pipeline('ner', model='org/a')", "right", 1, 0),
        ("huggingface", "", "hallucinated", 0, 1),
    ],
)
def test_gorillas_own_metrics_compare_domains(
    hub: Any, text: str, judged: str, accuracy: float, hallucination: float
) -> None:
    documented = [("pipeline('ner', model='org/a')", "Text"), ("load(model='org/v')", "Vision")]
    scorer = GorillaScorer(hub, documented, ["Text"])
    case = make_case(None, text=text, scorer=scorer)
    assert case.gorilla == judged
    assert scores(case, "gorilla_accuracy", "gorilla_hallucination") == (accuracy, hallucination)


@pytest.mark.parametrize(
    ("candidates", "rank"),
    [
        (("doc-0",), 1),
        (("own",), 1),
        (("doc-1", "doc-3", "doc-0"), 3),
        (("doc-1", "doc-4", "doc-0"), 2),  # another document of the same call
        (("doc-2", "doc-0"), 1),  # another right call
        (("doc-1", "doc-3"), None),
        (("unknown",), None),
        ((), None),
    ],
)
def test_the_rank_is_that_of_the_first_right_document(candidates: tuple[str, ...], rank: int | None) -> None:
    documented = [*DOCUMENTED, "pipeline('ner', model=\"org/a\")"]
    case = make_case(None, documented=documented, also_right=[DOCUMENTED[2]], candidates=candidates)
    assert case.rank == rank


def test_refusals_are_precise_where_the_right_document_was_missing() -> None:
    missing, present = ("doc-1", "doc-3"), ("doc-1", "doc-0")
    counted = [
        make_case(None, candidates=missing, reason="unsure"),
        make_case(None, candidates=missing, reason="unsure"),
        make_case(None, candidates=present, reason="unsure"),
    ]
    others = [
        make_case(None, candidates=missing, error="out of memory"),
        make_case(None, reason="no call could be read"),
        make_case(DOCUMENTED[1], candidates=missing),
    ]
    assert refusal.precision([*others, *counted]) == pytest.approx(2 / 3)
    assert refusal.precision(others) is None
    assert [refusal.score(case) for case in others] == [0, 1, 0]


def test_overrides_help_hurt_or_change_nothing() -> None:
    right, wrong, other = ("doc-0", DOCUMENTED[0]), ("doc-1", DOCUMENTED[1]), ("doc-3", DOCUMENTED[3])

    def case(first: tuple[str, str], chosen: tuple[str, str], *more: str) -> Case:
        return make_case(chosen[1], candidates=(first[0], chosen[0], *more), chosen=chosen[0])

    helped = [case(wrong, right), case(other, right, "doc-1"), case(wrong, right)]
    hurt = [case(right, wrong)]
    both_right = make_case(DOCUMENTED[2], candidates=("doc-0", "doc-2"), chosen="doc-2", also_right=[DOCUMENTED[2]])
    neither = [case(wrong, other), both_right]
    kept = [
        make_case(DOCUMENTED[0], candidates=("doc-0", "doc-1"), chosen="doc-0"),
        make_case(DOCUMENTED[1], candidates=("doc-1", "doc-0"), chosen="doc-1"),
    ]
    uncounted = [
        make_case(DOCUMENTED[0], candidates=("doc-0",), chosen="doc-0"),
        make_case(None, candidates=("doc-0", "doc-1"), reason="unsure"),
        make_case(DOCUMENTED[0]),
    ]
    found = overrides([*helped, *hurt, *neither, *kept, *uncounted])
    assert found is not None
    assert (found.questions, found.overridden, found.helped, found.hurt) == (8, 6, 3, 1)
    assert found.rate == 6 / 8
    assert found.p == pytest.approx(2 * (1 + 4) / 16)  # 3 of 4 heads or further from 2
    assert overrides(uncounted) is None


def test_the_confidence_of_an_answer_counts_where_there_was_a_choice() -> None:
    two = ("doc-0", "doc-1")
    cases = [
        make_case(DOCUMENTED[0], candidates=two, confidence=0.9),
        make_case(DOCUMENTED[1], candidates=two, confidence=0.4),
        make_case(DOCUMENTED[0], candidates=two, confidence=0.0),
        make_case(DOCUMENTED[0], candidates=("doc-0",), confidence=1.0),
        make_case(DOCUMENTED[0], candidates=two),
        make_case(None, candidates=two, confidence=0.2, reason="unsure"),
    ]
    assert trusted(cases) == [(0.9, True), (0.4, False), (0.0, True)]


def test_the_calibration_error_of_a_worked_example() -> None:
    found = calibration([(0.95, True), (0.93, False), (0.15, False), (0.11, True), (0.13, False), (0.3, True)])
    assert found is not None
    assert [one.count for one in found.bins] == [3, 1, 2]
    assert [(one.confidence, one.accuracy) for one in found.bins] == [
        pytest.approx((0.13, 1 / 3)),
        pytest.approx((0.3, 1)),
        pytest.approx((0.94, 1 / 2)),
    ]
    assert found.error == pytest.approx((3 * (1 / 3 - 0.13) + 1 * 0.7 + 2 * 0.44) / 6)
    assert calibration([]) is None


def test_a_confidence_of_exactly_one_is_in_the_last_bin() -> None:
    found = calibration([(1.0, False), (0.9, True)])
    assert found is not None
    assert found.bins == (Bin(2, 0.95, 0.5),)
    assert found.error == pytest.approx(0.45)


ANSWERS = st.lists(st.tuples(st.integers(0, 1000), st.booleans()), min_size=1, max_size=60)


@given(ANSWERS)
def test_the_calibration_error_equals_that_of_another_implementation(answers: list[tuple[int, bool]]) -> None:
    # In thousandths, so that bins are told apart by whole numbers; sums of confidence minus accuracy by numpy.
    thousandths, right = np.array([c for c, _ in answers]), np.array([r for _, r in answers], dtype=np.float64)
    gaps = np.bincount(np.minimum(thousandths // 100, 9), weights=thousandths / 1000 - right, minlength=10)
    found = calibration([(c / 1000, r) for c, r in answers])
    assert found is not None
    assert found.error == pytest.approx(np.abs(gaps).sum() / len(answers), abs=1e-12)
    assert sum(one.count for one in found.bins) == len(answers)


def test_the_risk_coverage_curve_of_a_worked_example() -> None:
    points = curve([(0.2, False), (0.9, True), (0.6, False), (0.7, True)])
    assert points == (Point(0.9, 0.25, 1.0), Point(0.7, 0.5, 1.0), Point(0.6, 0.75, 2 / 3), Point(0.2, 1.0, 0.5))
    assert area(points) == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)


def test_answers_of_equal_confidence_are_taken_together() -> None:
    answers = [(0.9, True), (0.5, False), (0.5, True), (0.5, False)]
    points = (Point(0.9, 0.25, 1.0), Point(0.5, 1.0, 0.5))
    assert all(curve(order) == points for order in itertools.permutations(answers))
    assert area(points) == pytest.approx(0.25 * 0 + 0.75 * 0.5)


def test_a_perfect_ordering_has_less_area_than_an_inverted_one() -> None:
    perfect = area(curve([(0.9, True), (0.8, True), (0.2, False), (0.1, False)]))
    inverted = area(curve([(0.1, True), (0.2, True), (0.8, False), (0.9, False)]))
    assert perfect == pytest.approx((0 + 0 + 1 / 3 + 2 / 4) / 4)
    assert inverted == pytest.approx((1 + 1 + 2 / 3 + 2 / 4) / 4)


def test_without_answers_there_is_no_curve() -> None:
    assert curve([]) == ()
    assert area(()) is None


@given(ANSWERS, st.randoms())
def test_the_curve_ends_at_all_answers_and_no_order_is_better_than_the_perfect_one(
    answers: list[tuple[int, bool]], shuffling: random.Random
) -> None:
    given_answers = [(c / 1000, r) for c, r in answers]
    points = curve(given_answers)
    assert points == curve(shuffling.sample(given_answers, len(given_answers)))
    accuracy = sum(r for _, r in answers) / len(answers)
    assert (points[-1].coverage, points[-1].accuracy) == pytest.approx((1, accuracy))
    assert all(a.threshold > b.threshold and a.coverage < b.coverage for a, b in itertools.pairwise(points))
    ordered = sorted((r for _, r in answers), reverse=True)
    best, found = area(curve([(-float(n), r) for n, r in enumerate(ordered)])), area(points)
    assert best is not None
    assert found is not None
    assert best <= found + 1e-12 <= 1 + 2e-12


def test_percentiles_are_interpolated_between_neighbours() -> None:
    # Type 7: at 1 + (n - 1) p. Of five values at 3, 4.8 and 4.96.
    found = latency.percentiles([50.0, 10.0, 40.0, 20.0, 30.0])
    assert found.count == 5
    assert (found.p50, found.p95, found.p99) == pytest.approx((30, 48, 49.6))
    assert latency.percentiles([7.0]) == Percentiles(1, 7.0, 7.0, 7.0)


def test_stages_come_in_the_order_of_the_flow_and_loading_models_is_none_of_the_total() -> None:
    outcomes = [
        Outcome("1", "f()", timings={"search": 1.0, "choose": 2.0, "load model": 100.0, "explain": 4.0}),
        Outcome("2", "f()", timings={"search": 3.0, "choose": 4.0, "explain": 6.0}),
        Outcome("3", None, timings={"search": 5.0}, reason="unsure"),
        Outcome("4", None, error="failed"),
    ]
    found = latency.seconds(outcomes)
    assert list(found) == ["search", "choose", "load model", "explain", "total"]
    assert {name: (one.count, one.p50) for name, one in found.items()} == {
        "search": (3, 3.0),
        "choose": (2, 3.0),
        "load model": (1, 100.0),
        "explain": (2, 5.0),
        "total": (3, 7.0),  # of 7, 13 and 5
    }
    assert latency.seconds([]) == latency.seconds(outcomes[3:]) == {}


def test_tokens_are_counted_where_a_model_was_asked() -> None:
    outcomes = [
        Outcome("1", "f()", tokens={"prompt": 100, "cached": 0, "completion": 10}),
        Outcome("2", "f()", tokens={"prompt": 300, "cached": 50, "completion": 0}),
        Outcome("3", "f()", tokens={"prompt": 0, "cached": 0, "completion": 0}),
        Outcome("4", None, error="failed"),
    ]
    found = latency.tokens(outcomes)
    assert {name: (one.count, one.p50) for name, one in found.items()} == {
        "prompt": (2, 200.0),
        "cached": (2, 25.0),
        "completion": (2, 5.0),
    }
    assert latency.tokens(outcomes[2:]) == {}


def test_an_outcome_survives_json() -> None:
    outcome = Outcome(
        "1",
        None,
        text="é",
        candidates=("a", "b"),
        chosen="a",
        structured="{}",
        confidence=0.5,
        reason="unsure",
        error="none",
        tokens={"prompt": 1},
        timings={"search": math.pi},
    )
    assert Outcome.from_dict(json.loads(json.dumps(outcome.to_dict()))) == outcome
