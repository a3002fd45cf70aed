"""`gorilla-rag eval` as people run it: real processes, their files, their exit codes; killed and run again."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.test_cli import COMMAND, run

QUESTIONS: list[dict[str, Any]] = [
    {"question": "read a sentence aloud", "relevant_ids": ["huggingface:facebook/mms-tts-eng"]},
    {"question": "parse a JSON text", "api_call": "json.loads(text)"},
    {"question": "group my customers into 7 segments", "api_call": "sklearn.cluster.KMeans(n_clusters=7)"},
    {"question": "translate English into German", "relevant_ids": ["huggingface:facebook/bart-large-cnn"]},
]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    file = tmp_path / "mine.jsonl"
    file.write_text("\n".join(map(json.dumps, QUESTIONS)), encoding="utf-8")
    return file


@pytest.fixture
def evaluated(questions: Path, starter_index: Path, tmp_path: Path) -> Path:
    out = tmp_path / "report"
    done = run("eval", "--questions", questions, "--index", starter_index, "--fields", "retrieval", "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def test_eval_writes_a_report_a_page_pictures_and_a_table(questions: Path, starter_index: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    settings: list[str | Path] = [
        "--modes",
        "hybrid,oracle",
        "--choosers",
        "retriever",
        "--fields",
        "call",
        "--sample",
        "3",
    ]
    done = run("eval", "--questions", questions, "--index", starter_index, "--out", out, *settings)
    assert done.returncode == 0, done.stderr
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["run"]["command"].startswith("gorilla-rag eval --questions")
    assert report["benchmark"]["questions"] == 3
    for row in report["rows"]:
        assert row["name"] in done.stdout
    assert "hybrid" in done.stderr, "the progress bar is on stderr"
    assert str(out / "report.html") in done.stdout
    assert (out / "report.html").stat().st_size > 10_000
    assert (out / "plots" / "accuracy.png").read_bytes().startswith(b"\x89PNG")


def test_answers_of_others_are_named_beside_ours(questions: Path, starter_index: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.jsonl"
    theirs.write_text('{"question_id": 2, "text": "<<<api_call>>>: json.loads(text)"}\n', encoding="utf-8")
    common: list[str | Path] = [
        "eval",
        "--questions",
        questions,
        "--index",
        starter_index,
        "--fields",
        "retrieval",
        "--out",
        tmp_path,
    ]
    done = run(*common, "--responses", theirs, "--name", "Theirs 7B")
    assert done.returncode == 0, done.stderr
    assert "Theirs 7B answers 1 of 4 questions; its figures are over those" in done.stdout
    assert run(*common, "--responses", theirs, "--name", "a", "--name", "b").returncode == 2
    theirs.write_text('{"question_id": 99, "text": "x"}\n', encoding="utf-8")
    wrong = run(*common, "--responses", theirs)
    assert wrong.returncode == 14
    assert "theirs.jsonl:1: question 99, but mine has questions 1 to 4" in wrong.stderr
    theirs.write_text('{"question_id": 4, "text": "x"}\n', encoding="utf-8")
    asked = {json.dumps(question) for question in QUESTIONS[:3]}
    questions.write_text("\n".join(sorted(asked)) + "\n", encoding="utf-8")
    assert run(*common, "--responses", theirs).returncode == 14


def test_a_killed_run_goes_on_where_it_stopped(questions: Path, starter_index: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    words: list[str | Path] = ["eval", "--questions", questions, "--index", starter_index, "--out", out]
    words += ["--modes", "hybrid", "--choosers", "model", "--fields", "call", "--against", "constant call"]
    started = subprocess.Popen([COMMAND, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not (kept := _lines(out)) and time.monotonic() < deadline:
        time.sleep(0.02)
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert 0 < len(kept) < 4
    kept = _lines(out)
    done = run(*words)
    assert done.returncode == 0, done.stderr
    after = _lines(out)
    assert after[: len(kept)] == kept, "what was answered isn't asked again"
    assert [json.loads(line)["question"] for line in after] == ["1", "2", "3", "4"]
    assert json.loads((out / "report.json").read_text(encoding="utf-8"))["rows"][0]["questions"] == 4


def _lines(out: Path) -> list[str]:
    files = list((out / "answers").glob("*.jsonl")) if (out / "answers").is_dir() else []
    return [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def test_compare_prints_changes_and_fails_below_the_bar(evaluated: Path, tmp_path: Path) -> None:
    after = json.loads((evaluated / "report.json").read_text(encoding="utf-8"))
    for question in after["questions"]:
        question["rows"]["copy of bm25's first"]["right"] = False
    worse = tmp_path / "worse"
    worse.mkdir()
    (worse / "report.json").write_text(json.dumps(after), encoding="utf-8")
    same = run("eval", "compare", evaluated, evaluated, "--fail-below", "0")
    assert same.returncode == 0, same.stderr
    assert "+0.000" in same.stdout
    fell = run("eval", "compare", evaluated, worse, "--row", "copy of bm25's first", "--fail-below", "-0.01")
    assert fell.returncode == 21
    assert "wrong now" in fell.stdout
    assert "copy of bm25's first: below -0.01" in fell.stderr
    told = json.loads(run("eval", "compare", evaluated, worse, "--json").stdout)
    assert told["questions"] == 4
    assert any(change["lost"] for change in told["changes"])


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--out", "x"], 2, "--benchmark or --questions"),
        (["--questions", "q"], 2, "no --out"),
        (["--benchmark", "apibench/torchhub", "--out", "x"], 2, "needs --data"),
        (["--benchmark", "apibench/nohub", "--data", "d", "--out", "x"], 2, "apibench/nohub"),
        (["--benchmark", "apibench/torchhub", "--data", "d", "--out", "x"], 14, "torchhub_api.jsonl"),
        (["--questions", "absent.jsonl", "--out", "x"], 14, "absent.jsonl"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, words: list[str], code: int, message: str) -> None:
    done = subprocess.run([COMMAND, "eval", *words], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == code
    assert message in done.stderr
    assert "hint:" in done.stderr
