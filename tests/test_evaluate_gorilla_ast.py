"""Gorilla's own scoring: what its three scripts make of an answer, traced by hand over small documents.

A sub-tree is looked at before those inside it, a later one before an earlier one. `load('owl')` is looked at as the
statement, the call, `('owl')` and `'owl'`; `hub.load('owl')` as the statement, the call, `('owl')`, `'owl'` and, last,
`hub.load`.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.evaluate.benchmark import Question
from gorilla_rag.evaluate.catalogue import Catalogue
from gorilla_rag.evaluate.metrics import gorilla_ast
from gorilla_rag.evaluate.metrics.gorilla_ast import GorillaScorer, Hub
from gorilla_rag.evaluate.outcome import Case, Outcome, written

HUBS: tuple[Hub, ...] = ("torchhub", "huggingface", "tensorflowhub")
DOCS = [("lib.load(model='finch')", "Birds"), ("lib.load(model='owl')", "Birds"), ("lib.load(model='loam')", "Soil")]

every_hub = pytest.mark.parametrize("hub", HUBS)


def judge(hub: Hub, text: str, *documented: tuple[str, str] | str, domain: str = "Birds") -> str:
    """The judgement over those documents, of the domain asked for where none is given."""
    docs = [(one, domain) if isinstance(one, str) else one for one in documented or DOCS]
    return GorillaScorer(hub, docs, [domain]).judge(text, 1)


def marked(call: str) -> str:
    """An answer in the marks of Gorilla's training data."""
    return f"<<<domain>>>: Anything\n<<<api_call>>>: {call}\n<<<api_provider>>>: P\n<<<code>>>: lib.load(model='owl')"


@every_hub
@pytest.mark.parametrize(
    ("call", "judgement"),
    [
        ("lib.load(model='finch')", "right"),
        ("lib.load(model='owl')", "right"),
        ("m = lib.load(model='owl')", "right"),
        ("lib.load(model='loam')", "wrong"),
        ("lib.load(model='gull')", "hallucinated"),
        ("lib.load()", "hallucinated"),
    ],
)
def test_a_documented_call_of_the_domain_is_right_whichever_it_is(hub: Hub, call: str, judgement: str) -> None:
    assert judge(hub, marked(call), domain="Birds") == judgement


@every_hub
def test_the_domain_is_that_of_the_numbered_questions_own_document(hub: Hub) -> None:
    scorer = GorillaScorer(hub, DOCS, ["Soil", "Birds", "Soil"])
    judged = [scorer.judge(marked("lib.load(model='owl')"), number) for number in (1, 2, 3)]
    assert judged == ["wrong", "right", "wrong"]


@every_hub
@pytest.mark.parametrize(
    ("call", "judgement"),
    [
        ("lib.load(model='owl-large')", "right"),
        ("lib.load(model='my/owl')", "right"),
        ("lib.load('birds', 'owl', True)", "right"),
        ("lib.load(name='bowl')", "right"),
        ("lib.load(owl)", "right"),
        ('lib.load(model="owl")', "right"),
        ("lib.load(model='Owl')", "hallucinated"),
        ("lib.load(model='ow' 'l')", "hallucinated"),
    ],
)
def test_an_argument_matches_wherever_its_text_is_contained(hub: Hub, call: str, judgement: str) -> None:
    assert judge(hub, marked(call), "lib.load(model='owl')") == judgement


@every_hub
def test_an_argument_that_the_functions_name_contains_matches_every_call_of_it(hub: Hub) -> None:
    assert judge(hub, marked("lib.load(model='gull')"), "lib.load(model='load')") == "right"


@every_hub
def test_quotes_are_taken_off_only_where_they_are_single(hub: Hub) -> None:
    assert judge(hub, marked("lib.load(model='owl')"), 'lib.load(model="owl")') == "hallucinated"
    assert judge(hub, marked('lib.load(model="owl")'), 'lib.load(model="owl")') == "right"
    assert judge(hub, marked('lib.load(model="owl")'), "lib.load(model='owl')") == "right"


@every_hub
def test_the_first_document_in_the_files_order_decides(hub: Hub) -> None:
    short, long = ("lib.load(model='owl')", "Birds"), ("lib.load(model='owl-large')", "Soil")
    text = marked("lib.load(model='owl-large')")
    assert judge(hub, text, short, long, domain="Soil") == "wrong"
    assert judge(hub, text, long, short, domain="Soil") == "right"
    assert judge(hub, text, short, long, domain="Birds") == "right"


@every_hub
@pytest.mark.parametrize(
    ("call", "judgement"),
    [
        ("pipeline('owl')", "right"),  # the last sub-tree is 'owl'
        ("pipeline(task='owl')", "right"),
        ("m = pipeline('owl')", "right"),
        ("pipeline('owl', 'gull')", "right"),
        ("pipeline('gull', 'owl')", "hallucinated"),  # the last sub-tree is 'gull'
        ("pipeline('gull', owl)", "hallucinated"),
        ("hub.pipeline('owl')", "hallucinated"),  # the last sub-tree is hub.pipeline
        ("owl.pipeline('gull')", "right"),  # the last sub-tree is owl.pipeline
        ("load('owl')", "right"),
        ("lib.loads('owl')", "hallucinated"),
    ],
)
def test_where_no_sub_tree_begins_with_the_function_the_last_one_stands_in(hub: Hub, call: str, judgement: str) -> None:
    assert judge(hub, marked(call), "lib.load(model='owl')") == judgement


@every_hub
def test_of_two_statements_with_the_function_the_later_is_looked_at_first(hub: Hub) -> None:
    text = marked("lib.load(model='finch')\nlib.load(model='loam')")
    assert judge(hub, text, domain="Soil") == "right"
    assert judge(hub, text, domain="Birds") == "wrong"
    assert judge(hub, text, "lib.load(model='finch')") == "hallucinated"


@every_hub
def test_of_nested_calls_of_the_function_the_outer_one_is_looked_at(hub: Hub) -> None:
    text = marked("lib.load(model=lib.load(model='loam'), base='gull')")
    assert judge(hub, text, "lib.load(model='loam')") == "right"
    assert judge(hub, text, "lib.load(model='gull')") == "right"


@pytest.mark.parametrize(
    ("documented", "call", "torchhub", "huggingface", "tensorflowhub"),
    [
        # Without a name: passed over on TorchHub, so the call counts as hallucinated.
        ("lib.load('birds', 'owl')", "lib.load('birds', 'owl')", "hallucinated", "right", "right"),
        ("lib.load('birds', 'owl')", "lib.load('owl', x='birds')", "hallucinated", "right", "right"),
        ("lib.load('birds', 'owl')", "lib.load('birds', 'gull')", "hallucinated", "hallucinated", "hallucinated"),
        # Other names than repo_or_dir and model: no matter on TorchHub, the value on Hugging Face, name and value as
        # they are written on TensorFlow Hub.
        ("lib.load(model='owl', big=True)", "lib.load(model='owl')", "right", "hallucinated", "hallucinated"),
        ("lib.load(model='owl', big=True)", "lib.load(model='owl', x=True)", "right", "right", "hallucinated"),
        ("lib.load(model='owl', big=True)", "lib.load(model='owl', big = True)", "right", "right", "hallucinated"),
        ("lib.load(model='owl', big=True)", "lib.load(model='owl', big=True)", "right", "right", "right"),
        ("lib.load(name = 'owl')", "lib.load(name='owl')", "hallucinated", "right", "hallucinated"),
        ("lib.load(name = 'owl')", "lib.load(name = 'owl')", "hallucinated", "right", "right"),
        # With spaces around the sign of equality, too, the value of model counts.
        ("lib.load(model = 'owl')", "lib.load('owl')", "right", "right", "right"),
        # Both names count on TorchHub, in any place.
        ("lib.load(repo_or_dir='birds', model='owl')", "lib.load('owl', 'birds')", "right", "right", "hallucinated"),
        ("lib.load(repo_or_dir='birds', model='owl')", "lib.load('birds', 'gull')", *["hallucinated"] * 3),
        # Names that contain one of the two count as well.
        ("lib.load(model_name='owl')", "lib.load('owl')", "right", "right", "hallucinated"),
        # A variable counts where every argument does.
        ("lib.load('owl', task)", "lib.load('owl', text)", "hallucinated", "hallucinated", "hallucinated"),
        ("lib.load('owl', task)", "lib.load('owl', my_task)", "hallucinated", "right", "right"),
    ],
)
def test_which_arguments_count_differs_by_hub(
    documented: str, call: str, torchhub: str, huggingface: str, tensorflowhub: str
) -> None:
    judged = [judge(hub, marked(call), documented) for hub in HUBS]
    assert judged == [torchhub, huggingface, tensorflowhub]


@pytest.mark.parametrize(
    ("hub", "string"), [("torchhub", "my model"), ("huggingface", "a=b"), ("tensorflowhub", "model=b")]
)
def test_a_documented_string_that_reads_like_a_name_leaves_only_its_closing_quote(hub: Hub, string: str) -> None:
    for call in ("lib.load('gull')", "other.thing()", "print"):
        assert judge(hub, marked(call), f"lib.load('{string}')") == "right"
    assert judge(hub, marked("lib.load('gull')"), f'lib.load("{string}")') == "hallucinated"
    assert judge(hub, marked('lib.load("gull")'), f'lib.load("{string}")') == "right"


@every_hub
@pytest.mark.parametrize("passed_over", ["lib.load()", "owl", "lib.owl"])
def test_a_document_whose_arguments_do_not_count_is_passed_over(hub: Hub, passed_over: str) -> None:
    assert judge(hub, marked("lib.load(model='owl')"), passed_over) == "hallucinated"
    assert judge(hub, marked("lib.load(model='owl')"), (passed_over, "Soil"), *DOCS) == "right"


# What is read of an answer


@pytest.mark.parametrize(
    ("hub", "call", "nothing"),
    [
        ("torchhub", "unread", "unread"),
        ("huggingface", "right", "hallucinated"),
        ("tensorflowhub", "right", "hallucinated"),
    ],
)
def test_an_answer_without_the_field_is_read_whole_but_on_torchhub(hub: Hub, call: str, nothing: str) -> None:
    assert judge(hub, "lib.load(model='owl')") == call
    assert judge(hub, "import lib\nm = lib.load(model='owl')") == call
    assert judge(hub, "I don't know.") == nothing
    refused = written("Birds", None, "P")
    assert refused == ""
    assert judge(hub, refused) == nothing


def test_a_refusal_is_right_where_a_document_asks_for_no_text_at_all() -> None:
    assert judge("huggingface", "", "lib.load('a=b')") == "right"
    assert judge("tensorflowhub", "", "lib.load('model=b')") == "right"
    assert judge("torchhub", "", "lib.load('my model')") == "unread"


@every_hub
@pytest.mark.parametrize(
    ("text", "judgement"),
    [
        ("<<<api_call>>>: ", "hallucinated"),
        ("api_call", "hallucinated"),
        # From two characters after the colon.
        ("api_call: lib.load(model='owl')", "right"),
        ("api_call:lib.load(model='owl')", "hallucinated"),
        ("'api_call': lib.load(model='owl')", "right"),
        # Without a colon, from the third character.
        ("api_call  lib.load(model='owl')", "right"),
        ("api_call lib.load(model='owl')", "hallucinated"),
        # To the last closing bracket.
        ("api_call: lib.load(model='gull'), or (owl) so", "hallucinated"),
        ("api_call: lib.load(model='owl') ):", "right"),
        # Without one, to the last but one character.
        ("api_call: bowl.", "right"),
        ("api_call: bowl", "hallucinated"),
        # Only the first field, and nothing after the provider.
        ("api_call: lib.load(model='owl')\napi_call: lib.load(model='loam')", "right"),
        ("api_call: lib.load(model='loam')\napi_call: lib.load(model='owl')", "wrong"),
        ("lib.load(model='owl') api_call: lib.load(model='loam')", "wrong"),
        ("api_call: lib.load(model='gull') api_provider: lib.load(model='owl')", "hallucinated"),
        ("api_provider: P, api_call: lib.load(model='owl')", "right"),
    ],
)
def test_the_call_is_cut_out_of_the_answer_as_the_scripts_do(hub: Hub, text: str, judgement: str) -> None:
    assert judge(hub, text, ("lib.load(model='owl')", "Birds"), ("lib.load(model='loam')", "Soil")) == judgement


@every_hub
def test_what_our_own_answers_write_is_read(hub: Hub) -> None:
    text = written("Birds", "lib.load(model='owl')", "P", "It hoots (often).", "lib.load(model='loam')")
    assert judge(hub, text) == "right"
    assert judge(hub, text, domain="Soil") == "wrong"


PIECES = [
    "api_call",
    "api_provider",
    ":",
    ": ",
    "lib.load(",
    "model=",
    "'owl'",
    "'",
    '"',
    "(",
    ")",
    "\n",
    "\x00",
    "é",
    "😀",
]


@settings(deadline=None)
@given(st.sampled_from(HUBS), st.text() | st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_text_is_judged_and_unread_only_without_the_field_on_torchhub(hub: Hub, text: str) -> None:
    judged = judge(hub, text)
    assert judged in {"right", "wrong", "hallucinated", "unread"}
    assert (judged == "unread") == (hub == "torchhub" and "api_call" not in text)
    if judged in ("right", "wrong"):
        assert any(name in text for name in ("finch", "owl", "loam"))


@every_hub
def test_half_a_character_in_an_answer_is_no_obstacle(hub: Hub) -> None:
    assert judge(hub, marked("lib.load(model='owl', name='\ud800')")) == "right"
    assert judge(hub, marked("\udfff")) == "hallucinated"


# As a metric


def case(text: str, scorer: GorillaScorer | None) -> Case:
    """An answer to the second question."""
    doc = ApiDoc(id="owl", api_call="lib.load(model='owl')", domain="Birds")
    question = Question("2", "Which bird?", doc, frozenset({doc.call_key}), doc.call, number=2)
    return Case(question, Outcome("2", None, text=text), Catalogue([doc]), scorer)


@pytest.mark.parametrize(
    ("text", "accuracy", "hallucination"),
    [
        (marked("lib.load(model='finch')"), 1.0, 0.0),
        (marked("lib.load(model='loam')"), 0.0, 0.0),
        (marked("lib.load(model='gull')"), 0.0, 1.0),
        ("I don't know.", 0.0, 0.0),
    ],
)
def test_accuracy_and_hallucination_are_the_judgements_as_numbers(
    text: str, accuracy: float, hallucination: float
) -> None:
    made = case(text, GorillaScorer("torchhub", DOCS, ["Soil", "Birds"]))
    assert gorilla_ast.accuracy(made) == accuracy
    assert gorilla_ast.hallucination(made) == hallucination


def test_a_benchmark_without_such_scoring_has_neither_number() -> None:
    made = case(marked("lib.load(model='owl')"), None)
    assert gorilla_ast.accuracy(made) is None
    assert gorilla_ast.hallucination(made) is None
