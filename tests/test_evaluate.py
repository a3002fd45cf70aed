"""Evaluation end to end: the real index and models over questions of our own; generators that fail or are stopped."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gorilla_rag import Gorilla, starter
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.errors import BenchmarkError, ExtraMissing, GenerationFailed, UsageError
from gorilla_rag.evaluate import Benchmark, Report, compare, evaluate, own
from gorilla_rag.generate.base import Message, Usage
from gorilla_rag.generate.llama_cpp import LlamaCppGenerator

QUESTIONS: list[dict[str, Any]] = [
    {"question": "read a sentence aloud", "relevant_ids": ["huggingface:facebook/mms-tts-eng"]},
    {"question": "group my customers into 7 segments", "api_call": "sklearn.cluster.KMeans(n_clusters=7)"},
    {"question": "parse a JSON text", "api_call": "json.loads(text)"},
    {"question": "shorten a text to 30 characters", "api_call": "textwrap.shorten(text, width=30)"},
    {"question": "score a model with 10 folds", "api_call": "sklearn.model_selection.cross_val_score(m, X, y, cv=10)"},
    {"question": "find the people in a street photo", "relevant_ids": ["huggingface:microsoft/resnet-50"]},
]


class ToyGenerator:
    """Prefers the last label, sets no argument and recalls one call; raises `error` when it chooses for `question`."""

    id, sha256, context, joint_weight, refuses = "toy", "0" * 64, 2048, 1.0, False

    def __init__(self, question: str = "", error: BaseException | None = None) -> None:
        self.question, self.error, self.asked = question, error, 0

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def label_log_probabilities(
        self, messages: Sequence[Message], prefill: str, labels: Sequence[str], *, reuse: bool = True
    ) -> tuple[list[float], Usage]:
        self.asked += 1
        if self.error and self.question in messages[-1]["content"]:
            raise self.error
        return [-10.0] * (len(labels) - 1) + [-0.1], Usage(10, 0, 1, "")

    def stream(
        self, messages: Sequence[Message], prefill: str, *, grammar: str | None, max_tokens: int, **how: Any
    ) -> Iterator[str | Usage]:
        yield 'made.up(1)", "why": "because"}' if grammar is None else "{}"
        yield Usage(10, 0, 5, "")


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    file = tmp_path_factory.mktemp("questions") / "mine.jsonl"
    file.write_text("\n".join(map(json.dumps, QUESTIONS)), encoding="utf-8")
    return own.load(file, starter.documents())


@pytest.fixture
def toy(starter_index: Path) -> Gorilla:
    return Gorilla.load(starter_index, generator=ToyGenerator)


@pytest.fixture(scope="module")
def report(benchmark: Benchmark, starter_index: Path, generator: LlamaCppGenerator) -> Report:
    gorilla = Gorilla.load(starter_index, generator=lambda: generator)
    return evaluate(gorilla, benchmark, fields="call")


def without_timings(report: Report) -> dict[str, Any]:
    return {key: value for key, value in report.data.items() if key != "timings"}


def value(report: Report, row: str, metric: str = "api_match", average: str = "macro") -> float:
    return float(report.rows[row]["metrics"][metric][average]["value"])


def test_every_mode_every_chooser_and_every_baseline_is_a_row(report: Report) -> None:
    assert list(report.rows) == [
        "zero-shot",
        "bm25",
        "bm25, model chooses",
        "dense",
        "dense, model chooses",
        "hybrid",
        "hybrid, model chooses",
        "oracle",
        "oracle + 4 wrong",
        "constant call",
        "commonest domain",
        "constant, unseen calls",
        "constant, unseen questions",
        "copy of bm25's first",
        "copy of dense's first",
        "copy of hybrid's first",
        "random candidate",
    ]


def test_the_right_document_gives_the_right_call(report: Report) -> None:
    assert value(report, "oracle") == 1
    assert value(report, "oracle", "hallucination") == 0
    assert report.rows["oracle"]["test"]["against"] == "hybrid"


def test_arguments_that_the_questions_set_are_scored_against_their_values(report: Report) -> None:
    by_id = {question["id"]: question["rows"]["oracle"]["call"] for question in report.data["questions"]}
    assert by_id["2"] == "sklearn.cluster.KMeans(n_clusters=7)"
    filled = [by_id[number] == QUESTIONS[int(number) - 1].get("api_call") for number in ("2", "3", "4")]
    assert value(report, "oracle", "argument_f1") >= sum(filled) / len(QUESTIONS)


def test_zero_shot_names_what_is_not_documented(report: Report) -> None:
    assert value(report, "zero-shot") <= value(report, "hybrid")
    assert value(report, "zero-shot", "hallucination") + value(report, "zero-shot", "refusal") > 0


def test_a_copied_first_candidate_is_what_the_retriever_answers(report: Report) -> None:
    for name in ("bm25", "dense", "hybrid"):
        assert value(report, f"copy of {name}'s first") == value(report, name)
        assert report.data["retrieval"][name]["calls"]["recall@1"]["macro"]["value"] <= value(report, name)


def test_what_was_measured_and_with_what_is_recorded(report: Report, generator: LlamaCppGenerator) -> None:
    run, about = report.data["run"], report.data["benchmark"]
    told = {"joint_weight": generator.joint_weight, "refuses": generator.refuses}
    assert run["generator"] == {"id": generator.id, "sha256": generator.sha256, **told}
    assert run["encoder"]["sha256"]
    assert {"python", "gorilla-rag", "scipy"} <= set(run["versions"])
    assert list(about["sha256"]) == ["mine.jsonl"]
    assert (about["questions"], about["of"], about["answerable"]) == (6, 6, 6)
    assert report.data["timings"]["rows"]["hybrid, model chooses"]["choose"]["p95"] > 0
    assert report.data["timings"]["peak_memory"]["hybrid"] > 10_000_000


def test_the_same_seed_gives_the_same_report_but_for_timings(
    report: Report, benchmark: Benchmark, starter_index: Path, generator: LlamaCppGenerator
) -> None:
    again = evaluate(Gorilla.load(starter_index, generator=lambda: generator), benchmark, fields="call")
    assert json.dumps(without_timings(again)) == json.dumps(without_timings(report))


def test_another_seed_moves_intervals_and_the_random_baseline_but_no_figure(toy: Gorilla, benchmark: Benchmark) -> None:
    first = evaluate(toy, benchmark, fields="retrieval", seed=1)
    second = evaluate(toy, benchmark, fields="retrieval", seed=2)
    picks = [[q["rows"]["random candidate"]["call"] for q in one.data["questions"]] for one in (first, second)]
    assert picks[0] != picks[1]
    assert value(first, "copy of bm25's first") == value(second, "copy of bm25's first")


def test_the_model_overrides_the_first_candidate_as_often_as_it_chooses_another(
    toy: Gorilla, benchmark: Benchmark
) -> None:
    rows = evaluate(toy, benchmark, modes=["hybrid"], fields="call").rows
    assert rows["hybrid"]["overrides"]["overridden"] == 0
    moved = rows["hybrid, model chooses"]["overrides"]
    assert (moved["questions"], moved["overridden"], moved["rate"]) == (6, 6, 1.0)
    right_first = round(rows["hybrid"]["metrics"]["api_match"]["micro"]["value"] * 6)
    assert moved["hurt"] == right_first


def test_the_model_sees_the_right_document_among_four_wrong_ones(toy: Gorilla, benchmark: Benchmark) -> None:
    found = evaluate(toy, benchmark, modes=["oracle"], fields="call", against="oracle")
    places = {entry["rank"] for entry in found.rows["oracle + 4 wrong"]["by_rank"]}
    assert places <= {1, 2, 3, 4, 5}
    assert len(places) > 1
    right = [entry["value"] == 1 for entry in found.rows["oracle + 4 wrong"]["by_rank"] if entry["rank"] == 5]
    assert all(right), "the toy model always takes the last"


def test_retrieval_alone_asks_no_model(benchmark: Benchmark, starter_index: Path) -> None:
    def none() -> ToyGenerator:
        raise AssertionError("the model was loaded")

    found = evaluate(Gorilla.load(starter_index, generator=none), benchmark, fields="retrieval")
    assert "hybrid" not in found.rows
    assert found.rows["copy of bm25's first"]["test"]["against"] == "copy of hybrid's first"
    assert found.data["run"]["generator"] is None


def test_explanations_are_written_only_when_they_are_asked_for(
    benchmark: Benchmark, starter_index: Path, generator: LlamaCppGenerator
) -> None:
    gorilla = Gorilla.load(starter_index, generator=lambda: generator)
    how: dict[str, Any] = {"modes": ["dense"], "choosers": ["retriever"], "sample": 1, "against": "dense"}
    whole = evaluate(gorilla, benchmark, fields="all", **how)
    call = evaluate(gorilla, benchmark, fields="call", **how)
    assert whole.data["timings"]["rows"]["dense"]["explain"]["p50"] > 0.1
    assert call.data["timings"]["rows"]["dense"]["explain"]["p50"] < 0.1
    assert [q["rows"]["dense"]["call"] for q in whole.data["questions"]] == [
        q["rows"]["dense"]["call"] for q in call.data["questions"]
    ]


def test_a_threshold_turns_weak_answers_into_refusals_and_counts_them(toy: Gorilla, benchmark: Benchmark) -> None:
    how: dict[str, Any] = {"modes": ["hybrid"], "choosers": ["retriever"], "fields": "call"}
    assert value(evaluate(toy, benchmark, **how), "hybrid", "refusal") == 0
    sure = [toy.ask(question.text, mode="hybrid", fields="call").confidence for question in benchmark.questions]
    for threshold in (0.999, 1.0):
        strict = evaluate(toy, benchmark, threshold=threshold, **how)
        weak = [confidence is None or confidence < threshold for confidence in sure]
        assert value(strict, "hybrid", "refusal") == pytest.approx(sum(weak) / len(weak), abs=1e-6)
        assert any(weak)
        assert 0 <= strict.rows["hybrid"]["refusal_precision"] <= 1
    assert all(weak)


def test_k_is_how_many_candidates_there_are(toy: Gorilla, benchmark: Benchmark) -> None:
    found = evaluate(toy, benchmark, modes=["hybrid"], choosers=["retriever"], fields="call", k=3)
    assert {entry["rank"] for entry in found.rows["hybrid"]["by_rank"]} <= {1, 2, 3, "absent"}


def test_a_question_that_fails_is_recorded_counted_wrong_and_the_run_goes_on(
    benchmark: Benchmark, starter_index: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    failing = ToyGenerator("parse a JSON text", GenerationFailed("no more words", hint="ask again"))
    how: dict[str, Any] = {"modes": ["hybrid"], "choosers": ["model"], "fields": "call", "out": tmp_path}
    how["against"] = "hybrid, model chooses"
    found = evaluate(Gorilla.load(starter_index, generator=lambda: failing), benchmark, **how)
    row = found.rows["hybrid, model chooses"]
    assert (row["questions"], row["failed"]) == (6, 1)
    assert "failed on question 3: no more words" in caplog.text
    answer = next(q["rows"]["hybrid, model chooses"] for q in found.data["questions"] if q["id"] == "3")
    assert answer == {"call": None, "right": False, "error": "GenerationFailed: no more words (ask again)"}
    assert value(found, "hybrid, model chooses", "refusal") == 0

    mended = ToyGenerator()
    again = evaluate(Gorilla.load(starter_index, generator=lambda: mended), benchmark, **how)
    assert again.rows["hybrid, model chooses"]["failed"] == 0
    assert mended.asked == 1, "only the failed question is asked again"


@pytest.mark.parametrize("error", [RuntimeError("it broke"), TimeoutError("too slow"), ValueError("odd")])
def test_whatever_a_backend_raises_on_one_question_costs_that_question(
    benchmark: Benchmark, starter_index: Path, error: Exception
) -> None:
    gorilla = Gorilla.load(starter_index, generator=lambda: ToyGenerator("parse a JSON text", error))
    found = evaluate(gorilla, benchmark, modes=["hybrid"], choosers=["model"], fields="call", against="constant call")
    assert found.rows["hybrid, model chooses"]["failed"] == 1


def test_a_run_that_was_stopped_goes_on_where_it_stopped(
    benchmark: Benchmark, starter_index: Path, tmp_path: Path
) -> None:
    how: dict[str, Any] = {"modes": ["hybrid"], "choosers": ["model"], "fields": "call", "against": "constant call"}
    stopped = ToyGenerator("shorten", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        evaluate(Gorilla.load(starter_index, generator=lambda: stopped), benchmark, out=tmp_path, **how)
    rest = ToyGenerator()
    going_on = evaluate(Gorilla.load(starter_index, generator=lambda: rest), benchmark, out=tmp_path, **how)
    assert rest.asked == 3, "questions 4 to 6"
    whole = evaluate(Gorilla.load(starter_index, generator=ToyGenerator), benchmark, **how)
    assert without_timings(going_on) == without_timings(whole)


def test_answers_to_another_question_of_the_same_id_are_not_taken(
    benchmark: Benchmark, starter_index: Path, tmp_path: Path
) -> None:
    how: dict[str, Any] = {"modes": ["hybrid"], "choosers": ["model"], "fields": "call", "out": tmp_path}
    evaluate(Gorilla.load(starter_index, generator=ToyGenerator), benchmark, **how)
    first = replace(benchmark.questions[0], text="say it in another voice")
    changed = replace(benchmark, questions=(first, *benchmark.questions[1:]))
    again = ToyGenerator()
    evaluate(Gorilla.load(starter_index, generator=lambda: again), changed, **how)
    assert again.asked == 6
    sampled = ToyGenerator()
    evaluate(Gorilla.load(starter_index, generator=lambda: sampled), changed, sample=2, **how)
    assert sampled.asked == 0, "a sample takes what the whole has answered"


def test_an_index_of_older_documents_is_refused(toy: Gorilla, benchmark: Benchmark, encoder: EmbeddedEncoder) -> None:
    first = replace(benchmark.docs[0], description="as it was before")
    older = replace(benchmark, docs=(first, *benchmark.docs[1:]))
    with pytest.raises(UsageError, match="241 documents, 240 of the benchmark's 241"):
        evaluate(toy, older, fields="retrieval")


def test_text_without_a_call_is_counted_wrong_and_not_asked_again(
    benchmark: Benchmark, starter_index: Path, tmp_path: Path
) -> None:
    class Rambling(ToyGenerator):
        def stream(self, *args: Any, grammar: str | None, max_tokens: int, **how: Any) -> Iterator[str | Usage]:
            self.asked += 1
            yield "and so on"
            yield Usage(10, 0, 3, "")

    how: dict[str, Any] = {"modes": ["zero-shot"], "fields": "call", "out": tmp_path}
    first, second = Rambling(), Rambling()
    found = evaluate(Gorilla.load(starter_index, generator=lambda: first), benchmark, **how)
    assert found.rows["zero-shot"]["failed"] == 6
    assert value(found, "zero-shot", "refusal") == 0
    evaluate(Gorilla.load(starter_index, generator=lambda: second), benchmark, **how)
    assert (first.asked, second.asked) == (6, 0)


def test_rows_without_the_default_reference_are_tested_against_a_copy_of_it(toy: Gorilla, benchmark: Benchmark) -> None:
    found = evaluate(toy, benchmark, modes=["bm25"], choosers=["model"], fields="call")
    assert found.rows["bm25, model chooses"]["test"]["against"] == "copy of hybrid's first"


def test_values_are_compared_only_where_they_are_known(report: Report) -> None:
    metrics = report.rows["oracle"]["metrics"]
    assert metrics["api_match"]["micro"]["count"] == 6
    assert {metrics[name]["micro"]["count"] for name in ("argument_f1", "exact_match", "functional")} == {4}


def test_progress_is_told_row_by_row(toy: Gorilla, benchmark: Benchmark) -> None:
    told: list[tuple[str, int, int]] = []
    evaluate(
        toy,
        benchmark,
        modes=["bm25"],
        choosers=["retriever"],
        fields="call",
        against="bm25",
        tell=lambda *step: told.append(step),
    )
    assert told[5:7] == [("retrieval", 6, 6), ("bm25", 1, 6)]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"modes": ["sparse"]}, "mode is 'sparse'"),
        ({"choosers": ["me"]}, "chooser is 'me'"),
        ({"modes": []}, "no modes"),
        ({"fields": "some"}, "fields is 'some'"),
        ({"against": "nobody"}, "against is 'nobody'"),
        ({"sample": -1}, "a sample of -1"),
        ({"k": 0}, "k is 0"),
        ({"threshold": 2}, "threshold is 2"),
        ({"sample": 0}, "a sample of 0"),
    ],
)
def test_what_cannot_be_served_is_refused(
    toy: Gorilla, benchmark: Benchmark, how: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(toy, benchmark, **{"modes": ["bm25"], "choosers": ["retriever"], "fields": "call", **how})


def test_an_index_of_other_documents_is_refused(
    benchmark: Benchmark, encoder: EmbeddedEncoder, docs: list[ApiDoc]
) -> None:
    with pytest.raises(UsageError, match="the index has 6 documents, 0 of the benchmark's 241"):
        evaluate(Gorilla.from_docs(docs, encoder=encoder), benchmark)


def test_answers_of_others_stand_beside_ours(toy: Gorilla, benchmark: Benchmark, tmp_path: Path) -> None:
    file = tmp_path / "theirs.jsonl"
    calls = ["json.loads(text)", "json.loads(x)", "json.loads(text)"]
    lines = [{"question_id": n, "text": f"<<<api_call>>>: {call}"} for n, call in enumerate(calls, start=1)]
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    found = evaluate(toy, benchmark, fields="retrieval", responses={"theirs": file})
    row = found.rows["theirs"]
    assert (row["kind"], row["questions"]) == ("responses", 3)
    assert row["metrics"]["api_match"]["micro"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert "exact_match" not in row["metrics"], "they write no JSON"


def test_a_missing_package_is_named_before_anything_is_asked(
    toy: Gorilla, benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hides:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            if name == "pytrec_eval":
                raise ModuleNotFoundError(name)

    monkeypatch.delitem(sys.modules, "pytrec_eval", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Hides, *sys.meta_path])
    with pytest.raises(ExtraMissing, match=r"measuring needs pytrec_eval \(pip install 'gorilla-rag\[evaluate\]'\)"):
        evaluate(toy, benchmark, fields="retrieval", tell=lambda *step: pytest.fail(f"{step} was begun"))


def test_answers_of_others_need_a_name_of_their_own(toy: Gorilla, benchmark: Benchmark, tmp_path: Path) -> None:
    file = tmp_path / "theirs.jsonl"
    file.write_text('{"question_id": 1, "text": "json.loads(text)"}', encoding="utf-8")
    with pytest.raises(UsageError, match="two rows have the name 'bm25'"):
        evaluate(toy, benchmark, modes=["bm25"], fields="call", responses={"bm25": file}, against="bm25")


def test_a_report_is_a_data_frame_a_picture_and_html(report: Report) -> None:
    frame = report.to_pandas()
    assert set(frame.columns) >= {"row", "kind", "metric", "average", "value", "low", "high", "count"}
    one = frame.query("row == 'oracle' and metric == 'api_match' and average == 'macro'")
    assert one["value"].tolist() == [1.0]
    assert report.plot("accuracy").axes
    assert "oracle" in report._repr_html_()
    assert repr(report) == "Report('mine', 6 questions, 17 rows)"
    with pytest.raises(UsageError, match="picture 'pie'"):
        report.plot("pie")


def test_a_saved_report_is_read_again_and_complete(report: Report, tmp_path: Path) -> None:
    page = report.save(tmp_path / "out")
    assert page.read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    assert Report.load(tmp_path / "out").data == json.loads(json.dumps(report.data))
    assert Report.load(tmp_path / "out" / "report.json").rows.keys() == report.rows.keys()
    assert {file.suffix for file in (tmp_path / "out" / "plots").iterdir()} == {".png", ".svg"}


@pytest.mark.parametrize("content", [None, "", "[1]", '{"format": 99}'])
def test_what_is_not_a_report_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "report.json").write_text(content, encoding="utf-8")
    with pytest.raises(BenchmarkError, match=r"report\.json"):
        Report.load(tmp_path)


def test_comparing_a_report_with_itself_finds_nothing(report: Report) -> None:
    found = compare(report, report)
    assert len(found.changes) == len(report.rows)
    assert not any(change.gained or change.lost for change in found.changes)
    assert {change.test.p for change in found.changes} == {1.0}
    assert not found.warnings
    assert not found.below(0)


def test_comparing_says_which_questions_changed_and_which_way(report: Report) -> None:
    after = Report(json.loads(json.dumps(report.data)))
    for question in after.data["questions"]:
        if question["id"] in ("1", "2"):
            question["rows"]["oracle"]["right"] = False
    found = compare(report, after, row="oracle")
    (change,) = found.changes
    assert (change.gained, change.lost) == ((), ("1", "2"))
    assert change.test.difference.value == pytest.approx(-2 / 6)
    assert found.below(-0.1) == (change,)
    assert not found.below(-0.5)
    assert compare(after, report, row="oracle").changes[0].gained == ("1", "2")


def test_reports_that_cannot_be_compared_are_refused(report: Report) -> None:
    other = Report({**report.data, "benchmark": {**report.data["benchmark"], "name": "another"}})
    with pytest.raises(UsageError, match="reports of mine and another"):
        compare(report, other)
    with pytest.raises(UsageError, match="no common row 'nothing'"):
        compare(report, report, row="nothing")
    with pytest.raises(UsageError, match="no question in common"):
        compare(report, Report({**report.data, "questions": []}))


def test_comparing_warns_where_data_settings_or_rows_differ(report: Report) -> None:
    about = {**report.data["benchmark"], "sha256": {"mine.jsonl": "other"}}
    fewer = Report({**report.data, "benchmark": about, "questions": report.data["questions"][:4]})
    assert compare(report, fewer).warnings == ("sha256 differs", "4 questions in common, of 6 and 4")
    run = {**report.data["run"], "settings": {"k": 3}, "seed": 7}
    other = Report({**report.data, "run": run, "rows": report.data["rows"][1:]})
    assert compare(report, other).warnings == ("settings differs", "seed differs", "rows that are gone: zero-shot")


def test_a_row_without_answers_does_not_pass(report: Report) -> None:
    emptied = Report(json.loads(json.dumps(report.data)))
    for question in emptied.data["questions"]:
        del question["rows"]["hybrid"]
    with pytest.raises(UsageError, match="row 'hybrid' has no question in common"):
        compare(report, emptied, row="hybrid")


def test_the_random_baseline_alone_fails_nothing(report: Report) -> None:
    after = Report(json.loads(json.dumps(report.data)))
    for question in after.data["questions"]:
        question["rows"]["random candidate"]["right"] = False
        question["rows"]["oracle"]["right"] = question["id"] != "1"
    assert [change.row for change in compare(report, after).below(0)] == ["oracle"]
