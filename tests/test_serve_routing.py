"""Where served questions go: by the client's word, by a TOML file, and again where the first model isn't sure."""

from __future__ import annotations

import threading
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from gorilla_rag import Gorilla
from gorilla_rag.ask import Ask
from gorilla_rag.errors import NotServed, UsageError
from gorilla_rag.models import registry
from gorilla_rag.serve import routing
from gorilla_rag.serve.answering import Answering, Sent, entries
from gorilla_rag.serve.lifecycle import Entry, Models
from gorilla_rag.serve.routing import Own, Routing, Target
from tests.toys import Asked, Toy

WHOLE = """
[route]
model = "api-smollm2:bm25"

[route.fallback]
below = 0.5
model = "big"

[route.ab]
share = 0.25
model = "smollm2-135m:dense"

[models.big]
generator = "openai:qwen@http://127.0.0.1:9/v1"
"""


def read(tmp_path: Path, text: str) -> Routing:
    file = tmp_path / "route.toml"
    file.write_text(text, encoding="utf-8")
    return routing.read(file)


def test_a_file_says_where_questions_go(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)
    assert found == Routing(
        model=Target("api-smollm2", "bm25"),
        fallback=Target("big", "hybrid"),
        below=0.5,
        other=Target("smollm2-135m", "dense"),
        share=0.25,
        models={"big": Own("openai:qwen@http://127.0.0.1:9/v1")},
    )
    assert {"big", registry.GENERATOR} <= entries(found).keys()
    arms = Counter(found.first(f"question {number}")[0] for number in range(2000))
    assert 400 < arms["b"] < 600
    assert found.first("the same") == found.first("the same")
    assert routing.read(None).first("x") == ("default", Target(registry.GENERATOR, "hybrid"))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[route", "can't be read"),
        ("[rout]\n", "rout"),
        ("[route]\nmodel = 'nothing'\n", "no model 'nothing'"),
        ("[route]\nmodel = 'api-smollm2:oracle'\n", "oracle"),
        ("[route.fallback]\nmodel = 'api-smollm2'\n", "below"),
        ("[route.ab]\nshare = 2\nmodel = 'api-smollm2'\n", "maximum"),
        ("[models.'../x']\ngenerator = 'api-smollm2'\n", "match"),
        ("[models.auto]\ngenerator = 'api-smollm2'\n", "already"),
        ("[models.api-smollm2]\ngenerator = 'api-smollm2'\n", "already"),
    ],
)
def test_a_file_that_can_not_be_is_refused(text: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=match):
        read(tmp_path, text)
    with pytest.raises(UsageError, match="can't be read"):
        routing.read(tmp_path / "nowhere.toml")


def _says(name: str, _: Asked) -> str:
    return f' was explained by {name}."}}'


@pytest.fixture
def answering(gorilla: Gorilla) -> Answering:
    made = {name: Entry(name, name, partial(Toy, partial(_says, name))) for name in "ab"}
    return Answering({"starter": gorilla.index}, Models(made), Routing(Target("a"), Target("b"), 0.0))


def told(answering: Answering, sent: Sent, question: str = "convert text to speech") -> tuple[str, Sent, list[str]]:
    over = Gorilla(answering.index(None))
    events = list(answering.events(question, over, Ask(), sent))
    return events[-1][0].answer.explanation, events[-1][1], [event.kind for event, _ in events]


def test_a_model_that_is_not_sure_hands_over_before_it_explains(answering: Answering) -> None:
    answering.route = Routing(Target("a"), Target("b"), below=1.0)
    said, sent, kinds = told(answering, answering.sent("x", None))
    assert said.endswith("explained by b.")
    assert (sent.route, sent.target.model) == ("fallback", "b")
    assert kinds.count("call") == kinds.count("answer") == 1
    assert answering.models.standing("a").state == "stopped"


def test_the_tokens_of_both_are_counted(answering: Answering) -> None:
    def tokens(named: str | None) -> Counter[str]:
        over, sent = Gorilla(answering.index(None)), answering.sent("x", named)
        *_, (event, _) = answering.events("convert text to speech", over, Ask(chooser="model"), sent)
        return Counter(event.answer.tokens)

    alone = tokens("b")
    answering.route = Routing(Target("a"), Target("b"), below=1.1)
    both = tokens(None)
    assert both["prompt"] > alone["prompt"] > 0
    assert both["completion"] > alone["completion"] > 0


def test_a_model_that_is_sure_answers_itself(answering: Answering) -> None:
    said, sent, _ = told(answering, answering.sent("x", None))
    assert said.endswith("explained by a.")
    assert sent == Sent("default", Target("a"))


def test_what_the_client_names_goes_nowhere_else(answering: Answering) -> None:
    answering.route = Routing(Target("b"), Target("b"), below=1.0)
    said, sent, _ = told(answering, answering.sent("x", "a:bm25"))
    assert said.endswith("explained by a.")
    assert sent == Sent("named", Target("a", "bm25"))
    for named, error in (("c", NotServed), ("c:bm25", NotServed), ("a:oracle", UsageError), ("", NotServed)):
        with pytest.raises(error):
            answering.sent("x", named)
    assert answering.sent("x", "auto", "dense") == Sent("default", Target("b", "dense"))


def test_a_refusal_is_asked_again_of_the_fallback() -> None:
    empty = Gorilla.from_docs([])
    models = Models({name: Entry(name, name, Toy) for name in "ab"})
    answering = Answering({"none": empty.index}, models, Routing(Target("a"), Target("b"), 0.0))
    *_, (event, sent) = answering.events("x", empty, Ask(), answering.sent("x", None))
    assert event.answer.refused
    assert sent.route == "fallback"


def test_what_may_be_written_is_decided_by_the_mode_that_answers(answering: Answering) -> None:
    answering.route = Routing(Target("a"), Target("b", "zero-shot"), below=1.0)
    _, sent, _ = told(answering, answering.sent("x", None))
    assert sent == Sent("fallback", Target("b", "zero-shot"), first="default")
    _, sent, _ = told(answering, answering.sent("x", None).reading())
    assert sent.target == Target("b", "hybrid"), "documents that came with the question are read"
    answering.route = Routing(Target("a", "zero-shot"), Target("b"), below=1.0)
    over = Gorilla(answering.index(None))
    events = list(answering.events("convert text to speech", over, Ask(), answering.sent("x", None)))
    assert events[-1][0].answer.verdict.ok or events[-1][1].target.mode == "zero-shot"


def test_who_waits_for_one_model_does_not_keep_others_from_another(gorilla: Gorilla) -> None:
    going = threading.Event()

    def slow() -> Toy:
        going.wait(10)
        return Toy(partial(_says, "slow"))

    made = {
        "slow": Entry("slow", "slow", slow),
        "quick": Entry("quick", "quick", partial(Toy, partial(_says, "quick"))),
    }
    answering = Answering({"starter": gorilla.index}, Models(made), Routing(Target("slow")))
    waiting = threading.Thread(target=told, args=(answering, answering.sent("x", None)))
    waiting.start()
    said, _, _ = told(answering, answering.sent("x", "quick"))
    assert said.endswith("explained by quick.")
    assert waiting.is_alive()
    going.set()
    waiting.join(10)
