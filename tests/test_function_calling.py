"""`gorilla-rag eval --benchmark bfcl/…`: a small benchmark in the leaderboard's layout, asked in every way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from gorilla_rag import Gorilla
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.errors import BenchmarkError, GenerationFailed, UsageError
from gorilla_rag.evaluate.function_calling import benchmark as benchmarks
from gorilla_rag.evaluate.function_calling import run as running
from gorilla_rag.evaluate.function_calling import settings as ways
from gorilla_rag.evaluate.function_calling.benchmark import FunctionBenchmark
from gorilla_rag.evaluate.function_calling.figures import fits
from gorilla_rag.evaluate.function_calling.settings import Catalogues, Setting
from gorilla_rag.evaluate.indexed import indexed
from gorilla_rag.generate.write import Writer
from gorilla_rag.index.index import Index
from gorilla_rag.validate import schema_errors
from tests.endpoints import chat, fake
from tests.test_cli import run
from tests.toys import Asked, Toy, filling, wanderer

PARAPHRASED = [
    json.loads(line)
    for line in (files("gorilla_rag.evaluate.benchmarks") / "bfcl_paraphrases.jsonl").read_text("utf-8").splitlines()
]
SIMPLE = [one["id"] for one in PARAPHRASED if one["id"].startswith("simple")][:2]
MULTIPLE = next(one["id"] for one in PARAPHRASED if one["id"].startswith("multiple"))


def function(name: str, description: str, required: list[str], **properties: Any) -> dict[str, Any]:
    """A function as the leaderboard describes it."""
    parameters = {"type": "dict", "properties": properties, "required": required}
    raw = {"name": name, "description": description, "parameters": parameters}
    return {"id": f"{name}#1", "name": name, "raw": raw}


TEXT, NUMBER = {"type": "string", "description": "A text."}, {"type": "integer", "description": "A number."}
FUNCTIONS = [
    function("book_table", "Books a table at a restaurant.", ["seats"], seats=NUMBER),
    function("get_weather", "Tells the weather in a city.", ["city"], city=TEXT),
    function("play_music", "Plays music of a genre.", ["genre"], genre={"type": "string", "enum": ["jazz", "rock"]}),
    function("stats.mean", "Computes the mean of numbers.", ["x"], x={"type": "array", "items": {"type": "float"}}),
    function("send_mail", "Sends a mail to somebody.", ["to"], to=TEXT, subject=TEXT),
    function("convert_money", "Converts an amount of money to a currency.", ["amount"], amount={"type": "float"}),
    function("translate", "Translates a text into a language.", ["language"], language=TEXT),
    function("find_train", "Finds a train to a city.", ["city"], city=TEXT, day=TEXT),
]
BOOK, WEATHER, PLAY, MEAN = (one["id"] for one in FUNCTIONS[:4])
ROME, FOUR = {"get_weather": {"city": ["Rome", "Roma"]}}, {"book_table": {"seats": [4]}}


def question(id_: str, text: str, gold: list[Any], relevant: list[str], offered: list[str]) -> dict[str, Any]:
    category = id_.rpartition("_")[0]
    return {
        "id": id_, "query": text, "gold_call": gold, "relevant_ids": relevant, "category": category,
        "candidate_ids": offered,
    }  # fmt: skip


QUESTIONS = [
    question(SIMPLE[0], "Book a table for 4 people", [FOUR], [BOOK], [BOOK]),
    question(SIMPLE[1], "Tell me the weather in Rome", [ROME], [WEATHER], [WEATHER]),
    question("simple_python_9999", "The mean of [3, 5, 8]", [{"stats.mean": {"x": [[3, 5, 8]]}}], [MEAN], [MEAN]),
    question(MULTIPLE, "Play some jazz", [{"play_music": {"genre": ["jazz"]}}], [PLAY], [BOOK, PLAY, WEATHER]),
    question(
        "parallel_9999",
        "Tell me the weather in Rome, Oslo and Paris",
        [{"get_weather": {"city": [city]}} for city in ("Oslo", "Paris", "Rome")],
        [WEATHER],
        [WEATHER],
    ),
    question(
        "parallel_multiple_9999",
        "Book a table for 4 people, and tell me the weather in Rome",
        [ROME, FOUR],
        [WEATHER, BOOK],
        [PLAY, WEATHER, BOOK],
    ),
]
NOTHING = [
    question("irrelevance_1", "Solve this differential equation", [], [], [PLAY]),
    question("irrelevance_2", "Which of my socks is the oldest?", [], [], []),
]
FILLED = {
    "book_table": {"seats": 4},
    "get_weather": {"city": "Rome"},
    "play_music": {"genre": "jazz"},
    "stats.mean": {"x": [3, 5, 8]},
}


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(folder: Path, docs: list[Any], queries: list[Any]) -> None:
    folder.mkdir(parents=True)
    (folder / "docs.jsonl").write_text(lines(docs), encoding="utf-8")
    (folder / "queries.jsonl").write_text(lines(queries), encoding="utf-8")


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The benchmark on disk; read-only by agreement."""
    made = tmp_path_factory.mktemp("data")
    write(made / "bfcl" / "bfcl_v4_python", FUNCTIONS, QUESTIONS)
    write(made / "bfcl" / "bfcl_v4_irrelevance", FUNCTIONS, NOTHING)
    return made


@pytest.fixture(scope="module")
def index(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    docs = benchmarks.load("bfcl/simple", data_folder).docs
    where = indexed(tmp_path_factory.mktemp("index"), docs, EmbeddedEncoder())
    made = Index(where, EmbeddedEncoder())
    yield made
    made.close()


@pytest.fixture
def simple(data_folder: Path) -> FunctionBenchmark:
    return benchmarks.load("bfcl/simple", data_folder)


def silent(name: str, done: int, of: int) -> None:
    """Shows no progress."""


def evaluate(
    index: Index, asked: FunctionBenchmark, out: Path, *planned: Setting, toy: Toy | None = None, **how: Any
) -> dict[str, Any]:
    model = toy or filling(FILLED)
    return running.evaluate(
        Gorilla(index, lambda: model), asked, planned or [Setting("offered")], out, tell=silent, **how
    )


def kept(out: Path, setting: str = "*") -> list[dict[str, Any]]:
    """What was kept of a setting, in the order of the questions."""
    found = sorted((out / "answers").glob(f"{setting}.*"))
    return [json.loads(line) for file in found for line in file.read_text(encoding="utf-8").splitlines()]


def value(report: dict[str, Any], name: str, row: int = 0) -> float:
    found: float = report["rows"][row]["figures"][name]["value"]
    return found


# The benchmark's files


def test_a_category_is_read_with_every_function_of_its_folder(simple: FunctionBenchmark) -> None:
    assert [one.id for one in simple.questions] == [*SIMPLE, "simple_python_9999"]
    assert len(simple.docs) == len(FUNCTIONS)
    first = simple.questions[0]
    assert (first.gold, first.relevant, first.offered) == ((FOUR,), (BOOK,), (BOOK,))
    assert set(simple.hashes) == {"docs.jsonl", "queries.jsonl"}
    assert simple.described[MEAN]["parameters"]["type"] == "dict"
    assert simple.by_id[MEAN].parameters["properties"]["x"]["items"]["type"] == "number"


@pytest.mark.parametrize("name", benchmarks.NAMES)
def test_a_category_that_a_folder_has_nothing_of_has_no_questions(data_folder: Path, name: str) -> None:
    found = benchmarks.load(name, data_folder)
    expected = {"simple": 3, "irrelevance": 2, "live_irrelevance": 0}.get(name.removeprefix("bfcl/"), 1)
    assert len(found.questions) == found.size == expected


def test_the_folder_may_be_the_one_above_or_the_one_itself(data_folder: Path, simple: FunctionBenchmark) -> None:
    assert benchmarks.load("bfcl/simple", data_folder / "bfcl") == simple


@pytest.mark.parametrize("name", ["bfcl/", "bfcl/python", "simple", ""])
def test_another_name_is_refused_with_the_names_there_are(data_folder: Path, name: str) -> None:
    with pytest.raises(UsageError, match="bfcl/parallel_multiple"):
        benchmarks.load(name, data_folder)


def damaged(tmp_path: Path, file: str, *rows: str | bytes) -> Path:
    """A benchmark with those lines behind the others of a file."""
    write(tmp_path / "bfcl_v4_python", FUNCTIONS[:1], QUESTIONS[:1])
    with (tmp_path / "bfcl_v4_python" / file).open("ab") as opened:
        opened.writelines(row if isinstance(row, bytes) else row.encode() for row in rows)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "row", "why", "line"),
    [
        ("docs.jsonl", "{", "not JSON", 2),
        ("docs.jsonl", "[]", "not an object", 2),
        ("docs.jsonl", '{"id": "x"}', "not a function", 2),
        ("docs.jsonl", '{"id": "x", "raw": {}}', "not a function", 2),
        ("docs.jsonl", '{"id": "x", "raw": 7}', "not a function", 2),
        ("docs.jsonl", b"\xff\xfe", "can't be read", 0),
        ("queries.jsonl", "{]", "not JSON", 2),
        ("queries.jsonl", "[1]", "not an object", 2),
        ("queries.jsonl", '{"category": "simple_python"}', "not a question", 2),
        ("queries.jsonl", json.dumps({**QUESTIONS[0], "relevant_ids": 7}), "not a question", 2),
        ("queries.jsonl", json.dumps({**QUESTIONS[0], "relevant_ids": ["fly#1"]}), "'fly#1' isn't in docs.jsonl", 2),
        ("queries.jsonl", json.dumps({**QUESTIONS[0], "candidate_ids": ["fly#1"]}), "'fly#1' isn't in docs.jsonl", 2),
    ],
)
def test_a_line_that_is_something_else_is_named(
    tmp_path: Path, file: str, row: str | bytes, why: str, line: int
) -> None:
    with pytest.raises(BenchmarkError, match=why) as caught:
        benchmarks.load("bfcl/simple", damaged(tmp_path, file, row))
    assert Path(caught.value.file).name == file
    assert caught.value.line == line
    assert caught.value.hint


def test_lines_of_other_categories_and_empty_ones_do_not_matter(tmp_path: Path) -> None:
    folder = damaged(tmp_path, "queries.jsonl", "\n", '{"category": "java"}\n', "\n")
    assert len(benchmarks.load("bfcl/simple", folder).questions) == 1


@pytest.mark.parametrize("missing", ["bfcl_v4_python", "bfcl_v4_python/docs.jsonl", "bfcl_v4_python/queries.jsonl"])
def test_a_file_that_is_missing_is_named(data_folder: Path, tmp_path: Path, missing: str) -> None:
    shutil.copytree(data_folder, tmp_path / "data")
    gone = tmp_path / "data" / "bfcl" / missing
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    with pytest.raises(BenchmarkError, match=r"\.jsonl: can't be read") as caught:
        benchmarks.load("bfcl/simple", tmp_path / "data")
    assert "--data" in caught.value.hint


# Samples and paraphrases


def test_a_sample_is_always_the_same_and_grows(simple: FunctionBenchmark) -> None:
    found = [[one.id for one in simple.sample(count).questions] for count in (1, 2, 3, 99)]
    assert [len(ids) for ids in found] == [1, 2, 3, 3]
    assert set(found[0]) <= set(found[1]) <= set(found[2])
    assert found[2] == [one.id for one in simple.questions]
    assert simple.sample(1).size == 3
    for count in (0, -1):
        with pytest.raises(UsageError, match="sample"):
            simple.sample(count)


def test_paraphrased_questions_are_asked_in_both_wordings(simple: FunctionBenchmark) -> None:
    own, other = simple.paraphrased()
    assert [one.id for one in own.questions] == [one.id for one in other.questions] == SIMPLE
    assert [one.text for one in own.questions] == [one["query"] for one in QUESTIONS[:2]]
    assert [one.text for one in other.questions] == [one["question"] for one in PARAPHRASED if one["id"] in SIMPLE]
    assert [one.gold for one in own.questions] == [one.gold for one in other.questions]
    with pytest.raises(UsageError, match="paraphrased"):
        replace(simple, questions=simple.questions[2:]).paraphrased()


# Settings


def test_every_setting_is_made_in_order_and_has_a_name_of_its_own() -> None:
    found = ways.settings(["offered", "50"], ["retriever", "model"], [True, False], ["original", "paraphrased"])
    names = [one.name for one in found]
    assert len(set(names)) == len(names) == 12
    assert names[:4] == ["offered", "offered, paraphrased", "offered, unmasked", "offered, unmasked, paraphrased"]
    assert names[4:6] == ["offered, model chooses", "offered, model chooses, paraphrased"]


@pytest.mark.parametrize(
    ("among", "choosers"),
    [(["many"], ["retriever"]), (["0"], ["retriever"]), (["-5"], ["retriever"]), (["2.5"], ["retriever"]),
     (["offered"], ["coin"]), ([], ["retriever"]), (["offered"], [])],
)  # fmt: skip
def test_unknown_words_make_no_settings(among: list[str], choosers: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        ways.settings(among, choosers, [True], ["original"])
    assert caught.value.hint


def test_what_can_not_be_asked_is_said_before_anything_is(data_folder: Path, simple: FunctionBenchmark) -> None:
    nothing = benchmarks.load("bfcl/irrelevance", data_folder)
    ways.check(nothing, [Setting("offered")])
    for among in ("five", "3", "all"):
        with pytest.raises(UsageError, match="no right functions"):
            ways.check(nothing, [Setting(among)])
    ways.check(simple, [Setting(str(len(FUNCTIONS)))])
    with pytest.raises(UsageError, match="among 9 of 8 functions"):
        ways.check(simple, [Setting("offered"), Setting("9")])


def test_a_question_is_asked_among_as_many_functions_as_its_setting_says(
    simple: FunctionBenchmark, index: Index
) -> None:
    catalogues = Catalogues(simple, index)
    for asked in simple.questions:
        assert catalogues.ids(asked, "all") is None
        assert catalogues.ids(asked, "offered") == list(asked.offered)
        for among, count in (("five", 5), ("3", 3), ("8", 8), ("1", 1)):
            found = catalogues.ids(asked, among)
            assert found
            assert len(set(found)) == len(found) == count
            assert set(asked.relevant) <= set(found)
            assert found == catalogues.ids(asked, among)


def test_the_five_are_the_right_one_and_the_nearest_wrong_ones(simple: FunctionBenchmark, index: Index) -> None:
    asked = simple.questions[1]
    nearest = [hit.doc.id for hit in index.search(asked.text, mode="dense", k=5)]
    found = Catalogues(simple, index).ids(asked, "five")
    assert set(found or ()) == {WEATHER, *[one for one in nearest if one != WEATHER][:4]}


def test_another_seed_draws_others(simple: FunctionBenchmark, index: Index) -> None:
    drawn = {tuple(Catalogues(simple, index, seed=seed).ids(simple.questions[0], "4") or ()) for seed in range(10)}
    assert len(drawn) > 1


# Runs


def test_a_report_says_what_was_asked_of_whom_and_what_came_of_it(
    simple: FunctionBenchmark, index: Index, tmp_path: Path
) -> None:
    report = evaluate(index, simple, tmp_path, Setting("offered"), Setting("3"), command="gorilla-rag eval x")
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == report
    about = report["benchmark"]
    assert (about["name"], about["questions"], about["of"], about["functions"]) == ("bfcl/simple", 3, 3, 8)
    assert about["sha256"] == simple.hashes
    assert report["run"]["command"] == "gorilla-rag eval x"
    assert report["run"]["settings"] == {"k": 5, "calls": 8, "least_fit": 0.5, "seed": 0}
    assert report["run"]["generator"] == {"id": "toy", "sha256": "", "joint_weight": 0.0, "refuses": False}
    assert report["run"]["encoder"]["id"] == EmbeddedEncoder().id
    assert [row["name"] for row in report["rows"]] == ["offered", "3"]
    row = report["rows"][0]
    assert (row["among"], row["chooser"], row["masked"], row["wording"]) == ("offered", "retriever", True, "original")
    assert row["questions"] == 3
    for name in ("accuracy", "functions", "valid", "recall@1", "recall@5", "exact_match", "json_validity"):
        assert value(report, name) == 1.0, name
        assert row["figures"][name]["low"] < 1 <= row["figures"][name]["high"]
    assert (value(report, "refused"), value(report, "unread"), row["faults"]) == (0.0, 0.0, {})
    assert set(row["cost"]) == {"seconds_p50", "tokens_p50", "tokens_per_second", "seconds_per_readable_call"}


def test_an_outcome_has_its_calls_and_the_functions_that_it_was_made_among(
    data_folder: Path, index: Index, tmp_path: Path
) -> None:
    evaluate(index, benchmarks.load("bfcl/multiple", data_folder), tmp_path)
    (one,) = kept(tmp_path)
    assert json.loads(one["structured"]) == [
        {"query": "Play some jazz", "tool_name": "play_music", "arguments": {"genre": "jazz"}}
    ]
    assert set(one["candidates"]) == {PLAY, BOOK, WEATHER}
    assert (one["candidates"][0], one["chosen"], one["api_call"]) == (PLAY, PLAY, "play_music(genre='jazz')")


def test_what_is_wrong_is_counted(simple: FunctionBenchmark, index: Index, tmp_path: Path) -> None:
    toy = filling({**FILLED, "get_weather": {"city": "weather"}})
    report = evaluate(index, simple, tmp_path, toy=toy)
    assert value(report, "accuracy") == pytest.approx(2 / 3)
    assert value(report, "functions") == value(report, "valid") == 1.0
    assert report["rows"][0]["faults"] == {"wrong value": 1}


def test_several_calls_are_made_where_a_question_wants_them_and_they_are_allowed(
    data_folder: Path, index: Index, tmp_path: Path
) -> None:
    cities = [{"city": city} for city in ("Rome", "Oslo", "Paris")]
    parallel = benchmarks.load("bfcl/parallel", data_folder)
    toy = filling({**FILLED, "get_weather": cities})
    assert value(evaluate(index, parallel, tmp_path, toy=toy), "accuracy") == 1.0
    report = evaluate(index, parallel, tmp_path, calls=1)
    assert report["rows"][0]["faults"] == {"wrong count": 1}
    several = benchmarks.load("bfcl/parallel_multiple", data_folder)
    report = evaluate(index, several, tmp_path)
    assert value(report, "accuracy") == value(report, "recall@5") == 1.0
    assert "exact_match" not in report["rows"][0]["figures"]
    assert value(evaluate(index, several, tmp_path, toy=wanderer(), calls=1), "functions") == 0.0


def test_what_no_function_fits_is_refused_below_the_least_fit(data_folder: Path, index: Index, tmp_path: Path) -> None:
    nothing = benchmarks.load("bfcl/irrelevance", data_folder)
    report = evaluate(index, nothing, tmp_path)
    assert value(report, "accuracy") == value(report, "refused") == 1.0
    assert {one["reason"] for one in kept(tmp_path)} >= {"no function is offered"}
    assert "recall@1" not in report["rows"][0]["figures"]
    report = evaluate(index, nothing, tmp_path / "other", least_fit=0.0)
    assert value(report, "accuracy") == 0.5
    assert report["rows"][0]["faults"] == {"unwanted call": 1}


def test_a_least_fit_that_nothing_reaches_refuses_everything(
    simple: FunctionBenchmark, index: Index, tmp_path: Path
) -> None:
    report = evaluate(index, simple, tmp_path, least_fit=1.0)
    assert value(report, "refused") == 1.0
    assert report["rows"][0]["faults"] == {"wrong count": 3}


def test_the_functions_there_are_change_the_candidates(simple: FunctionBenchmark, index: Index, tmp_path: Path) -> None:
    found = {}
    for among, k in (("offered", 5), ("3", 5), ("all", 2), ("all", 6)):
        evaluate(index, simple, tmp_path / f"{among}-{k}", Setting(among), k=k)
        found[among, k] = [len(one["candidates"]) for one in kept(tmp_path / f"{among}-{k}")]
    assert found == {("offered", 5): [1] * 3, ("3", 5): [3] * 3, ("all", 2): [2] * 3, ("all", 6): [6] * 3}


def test_another_seed_asks_among_other_functions(simple: FunctionBenchmark, index: Index, tmp_path: Path) -> None:
    found = set()
    for seed in range(3):
        evaluate(index, simple, tmp_path / str(seed), Setting("4"), seed=seed)
        found.add(tuple(tuple(sorted(one["candidates"])) for one in kept(tmp_path / str(seed))))
    assert len(found) > 1


def test_a_model_that_chooses_is_shown_the_functions_and_can_choose_wrongly(
    data_folder: Path, index: Index, tmp_path: Path
) -> None:
    several = benchmarks.load("bfcl/multiple", data_folder)
    planned = Setting("offered"), Setting("offered", "model"), Setting("all", "model")
    toy = replace(wanderer(), label=lambda _: 2)
    report = evaluate(index, several, tmp_path, *planned, toy=toy)
    assert [value(report, "functions", row) for row in range(3)] == [1.0, 0.0, 0.0]
    assert kept(tmp_path, "offered--model-chooses")[0]["candidates"] == [BOOK, PLAY, WEATHER]


def test_paraphrased_rows_have_the_same_questions_in_other_words(
    simple: FunctionBenchmark, index: Index, tmp_path: Path
) -> None:
    toy = wanderer()
    planned = Setting("offered"), Setting("offered", wording="paraphrased")
    report = evaluate(index, simple, tmp_path, *planned, toy=toy, least_fit=0.0)
    assert [row["questions"] for row in report["rows"]] == [2, 2]
    assert (report["benchmark"]["questions"], report["benchmark"]["of"]) == (2, 3)
    assert value(report, "functions", 1) == 1.0  # one function is offered
    asked = {call["query"] for one in kept(tmp_path) for call in json.loads(one["structured"])}
    assert asked >= {one["question"] for one in PARAPHRASED if one["id"] in SIMPLE}


# Nothing masked


def writing(asked: Asked) -> str:
    """What a model writes by itself: a right call, one of a made-up function, and no call."""
    if asked.grammar:
        return json.dumps(FILLED[asked.subject])
    if "table" in asked.task:
        return 'book_table", "arguments": {"seats": 4}}]}'
    return 'fly", "arguments": {"to": "Rome"}}]}' if "Rome" in asked.task else "the mean is 5.33"


def test_with_nothing_masked_calls_can_be_wrong_in_every_way(
    simple: FunctionBenchmark, index: Index, tmp_path: Path
) -> None:
    toy = Toy(writing)
    report = evaluate(index, simple, tmp_path, Setting("offered"), Setting("offered", masked=False), toy=toy)
    masked, unmasked = report["rows"]
    assert (masked["name"], unmasked["name"]) == ("offered", "offered, unmasked")
    assert value(report, "accuracy") == value(report, "valid") == 1.0
    assert value(report, "accuracy", 1) == value(report, "unread", 1) == pytest.approx(1 / 3)
    assert unmasked["figures"]["valid"]["value"] == 0.5
    assert unmasked["figures"]["valid"]["count"] == 2
    assert unmasked["figures"]["refused"]["value"] == 0.0
    assert set(unmasked["faults"]) == {"wrong function", "wrong count"}
    assert [one["chosen"] for one in kept(tmp_path, "offered--unmasked")] == [BOOK, "", ""]


@pytest.mark.parametrize(
    ("arguments", "fit"),
    [
        ({"dishes": [{"name": "lasagna", "required": True}]}, True),
        ({}, True),
        ({"dishes": [{"grams": "many"}]}, False),
        ({"dishes": [{"required": "yes"}]}, False),
        ({"dishes": [{"colour": "red"}]}, False),
    ],
)
def test_what_is_missing_inside_an_argument_is_no_fault_of_the_schema(arguments: dict[str, Any], fit: bool) -> None:
    dish = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "grams": {"type": "integer"},
            "required": {"type": "boolean"},
        },
        "required": ["name", "grams"],
        "additionalProperties": False,
    }
    parameters = {"properties": {"dishes": {"type": "array", "items": dish}}, "required": ["dishes"]}
    doc = ApiDoc(id="menu", api_call="menu", kind="tool", parameters=parameters)
    assert fits(arguments, doc) is fit


def test_a_model_that_fails_on_a_question_is_wrong_there_and_asked_again(
    simple: FunctionBenchmark, index: Index, tmp_path: Path
) -> None:
    working = filling(FILLED)

    def failing(asked: Asked) -> str:
        if "Rome" in asked.task:
            raise GenerationFailed("out of memory", hint="buy more")
        return working.says(asked)

    report = evaluate(index, simple, tmp_path, toy=Toy(failing))
    assert value(report, "accuracy") == value(report, "functions") == pytest.approx(2 / 3)
    assert value(report, "unread") == pytest.approx(1 / 3)
    assert value(report, "refused") == 0.0
    assert [bool(one["error"]) for one in kept(tmp_path)] == [False, True, False]
    again = filling(FILLED)
    assert value(evaluate(index, simple, tmp_path, toy=again), "accuracy") == 1.0
    assert len(again.asked) == 1


# Going on


class Killed(Exception):
    """What ends a run."""


def test_a_run_that_was_killed_goes_on_and_comes_to_the_same_report(
    simple: FunctionBenchmark, index: Index, tmp_path: Path
) -> None:
    planned = [Setting("offered"), Setting("3")]
    seen = 0

    def kill(name: str, done: int, of: int) -> None:
        nonlocal seen
        seen += 1
        if seen == 4:
            raise Killed

    toy = filling(FILLED)
    with pytest.raises(Killed):
        running.evaluate(Gorilla(index, lambda: toy), simple, planned, tmp_path / "killed", tell=kill)
    assert not (tmp_path / "killed" / "report.json").exists()
    (cut,) = (tmp_path / "killed" / "answers").glob("3.*")
    cut.write_bytes(cut.read_bytes() + b'{"question": "simp')
    again = filling(FILLED)
    report = evaluate(index, simple, tmp_path / "killed", *planned, toy=again)
    assert [one.task for one in again.asked] == [one.text for one in simple.questions[1:]]
    whole = evaluate(index, simple, tmp_path / "whole", *planned)
    for one in chain(report["rows"], whole["rows"]):
        del one["cost"]
    assert report == whole


@pytest.mark.parametrize("how", [{"k": 4}, {"calls": 2}, {"least_fit": 0.1}, {"seed": 1}], ids=str)
def test_outcomes_of_other_settings_are_not_taken(
    simple: FunctionBenchmark, index: Index, tmp_path: Path, how: dict[str, Any]
) -> None:
    evaluate(index, simple, tmp_path)
    same, other = filling(FILLED), filling(FILLED)
    evaluate(index, simple, tmp_path, toy=same)
    evaluate(index, simple, tmp_path, toy=other, **how)
    assert (len(same.asked), len(other.asked)) == (0, 3)


def test_an_index_is_built_anew_where_the_functions_or_the_encoder_have_changed(
    data_folder: Path, tmp_path: Path
) -> None:
    docs, tuned = benchmarks.load("bfcl/simple", data_folder).docs, EmbeddedEncoder()
    manifests = []
    for some, encoder in ((docs[:2], tuned), (docs[:2], tuned), (docs, tuned), (docs, EmbeddedEncoder(running.STOCK))):
        indexed(tmp_path, some, encoder)
        manifests.append((tmp_path / "manifest.json").read_bytes())
    assert manifests[0] == manifests[1]
    assert len(set(manifests)) == 3


def test_the_five_come_from_an_index_by_the_stock_encoder(
    simple: FunctionBenchmark, index: Index, tmp_path: Path
) -> None:
    report = evaluate(index, simple, tmp_path, Setting("five"))
    assert value(report, "recall@5") == 1.0
    assert (tmp_path / "stock" / "manifest.json").exists()
    assert {len(one["candidates"]) for one in kept(tmp_path)} == {5}


# The command


def test_the_command_prints_a_table_and_says_where_the_report_is(data_folder: Path, tmp_path: Path) -> None:
    with fake(chat('{"arguments": {"genre": "jazz"}}')) as server:
        done = run(
            "eval", "--benchmark", "bfcl/multiple", "--data", data_folder, "--out", tmp_path, "--among", "1",
            "--choosers", "retriever", "--sample", "1", "--paraphrased", "--unmasked", "--calls", "1", "--least-fit",
            "0", "--seed", "3", "--k", "4", "--generator", f"openai:m@{server.url}", "--encoder", running.STOCK,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["run"]["settings"] == {"k": 4, "calls": 1, "least_fit": 0.0, "seed": 3}
    assert report["run"]["command"].startswith("gorilla-rag eval --benchmark bfcl/multiple")
    assert report["run"]["encoder"]["id"] == running.STOCK
    names = ["1", "1, paraphrased", "1, unmasked", "1, unmasked, paraphrased"]
    assert [row["name"] for row in report["rows"]] == names
    assert [value(report, "accuracy", row) for row in range(4)] == [1.0, 1.0, 0.0, 0.0]
    assert "bfcl/multiple: 1 of 1 questions; 8 functions" in done.stdout
    for shown in (*names, "call accuracy", "right functions", "fits schema", "exact match", "s a question", "1.000"):
        assert shown in done.stdout, shown
    assert str(tmp_path / "report.json") in done.stdout.replace("\n", "")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--benchmark", "bfcl/python"], "bfcl/parallel_multiple"),
        (["--benchmark", "bfcl/simple", "--among", "some"], "offered, five, 50, 500, all"),
    ],
    ids=["name", "among"],
)
def test_the_command_says_what_it_can_not_do(data_folder: Path, tmp_path: Path, words: list[str], why: str) -> None:
    done = run("eval", *words, "--data", data_folder, "--out", tmp_path)
    assert done.returncode == 2
    assert why in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_the_command_needs_the_benchmarks_files(tmp_path: Path) -> None:
    data: list[str | Path] = ["--data", tmp_path]
    for more, why, code in ((data, "docs.jsonl: can't be read", 14), ([], "needs --data", 2)):
        done = run("eval", "--benchmark", "bfcl/simple", *more, "--out", tmp_path / "out")
        assert done.returncode == code
        assert why in " ".join(done.stderr.split())


# Published data


def relaxed(schema: Any) -> Any:
    """A schema in which nothing is required."""
    if isinstance(schema, dict):
        return {key: relaxed(one) for key, one in schema.items() if not (key == "required" and isinstance(one, list))}
    return [relaxed(one) for one in schema] if isinstance(schema, list) else schema


@pytest.mark.data
def test_whatever_the_logits_are_every_call_for_a_published_question_is_valid(data: Path) -> None:
    """A thousand questions, each asked of the first function that it is offered; eight calls are allowed."""
    questions = calls = 0
    for name in ("simple", "multiple", "parallel", "parallel_multiple"):
        asked = benchmarks.load(f"bfcl/{name}", data)
        indexed = {doc.api_call for doc in asked.docs}
        for one in asked.questions:
            doc, toy = asked.by_id[one.offered[0]], wanderer(questions)
            full = {"type": "object", **doc.parameters}
            writer = Writer(lambda toy=toy: toy, one.text)  # type: ignore[misc]
            for filled in writer.calls(doc, "A", one.text, most=8, parts=1 + questions % 3):
                call = doc.call.with_arguments(filled.values, doc.parameter_names)
                assert schema_errors(call.values, relaxed(full) if filled.missing else full) == [], (one.id, filled)
                assert filled.faults == ()
                assert call.structured(one.text)["tool_name"] in indexed
                calls += 1
            questions += 1
    assert questions == 1000
    assert calls > 1000
