"""The benchmark of a device: what it writes, how it goes on, what it does with failures. Sizes are tiny here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from gorilla_rag.bench import generation, report, search, timing, words
from gorilla_rag.bench.settings import TABLE, Scale
from gorilla_rag.cli.app import app
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.errors import DeviceMissing, GorillaError, UsageError
from gorilla_rag.generate.vocabulary import Vocabulary
from gorilla_rag.index import bm25
from gorilla_rag.index.device import TorchDense

SMALL = TABLE["small"]
SCALE: Scale = replace(
    SMALL,
    copied_bytes=1 << 20,
    texts=4,
    vectors=(300, 700),
    documents=500,
    vocabulary=300,
    batches=(1, 3),
    model=dict(SMALL.model) | {"vocab_size": 1000, "num_hidden_layers": 1},
    prompts=(1, 2),
    tokens=5,
)
SETTINGS = report.Settings("cpu", SCALE, 0.0, "minilm-l6")
CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: torch finds none")
CPU = torch.device("cpu")


def quiet(section: str, row: dict[str, Any]) -> None:
    assert section
    assert row


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, encoder: EmbeddedEncoder) -> Path:
    """A benchmark of every section; read only."""
    out = tmp_path_factory.mktemp("bench") / "bench.json"
    report.run(SETTINGS, out, tell=quiet)
    return out


def rows_of(path: Path, section: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["sections"][section]["rows"]
    return found


def test_every_section_is_done_and_its_rates_are_its_counts_by_its_times(whole: Path) -> None:
    data = json.loads(whole.read_text(encoding="utf-8"))
    assert list(data["sections"]) == ["bandwidth", "encoding", "dense_300", "dense_700", "bm25", "generation"]
    assert {part["status"] for part in data["sections"].values()} == {"done"}
    (copy,) = rows_of(whole, "bandwidth")
    assert copy["bytes_moved"] == 2 << 20
    assert copy["bytes_per_second"] == pytest.approx(copy["bytes_moved"] / copy["seconds"])
    assert [row["dtype"] for row in rows_of(whole, "encoding")] == ["float32", "bfloat16"]
    for row in rows_of(whole, "encoding"):
        assert row["documents_per_second"] == pytest.approx(4 / row["seconds"])
    for size in SCALE.vectors:
        for row, batch in zip(rows_of(whole, f"dense_{size}"), SCALE.batches, strict=True):
            assert row["bytes_read_per_query"] == size * 384 * 4 / batch
            assert row["queries_per_second"] == pytest.approx(batch / row["seconds_per_batch"])
            read = row["queries_per_second"] * row["bytes_read_per_query"]
            assert row["bandwidth_fraction"] == pytest.approx(read / copy["bytes_per_second"])
    assert [row["batch"] for row in rows_of(whole, "bm25")] == [1, 3]
    assert [(row["batch"], row["constrained"]) for row in rows_of(whole, "generation")] == [
        *((1, False), (1, True), (2, False), (2, True))
    ]
    for row in rows_of(whole, "generation"):
        assert row["tokens"] == SCALE.tokens * row["batch"]
        assert row["tokens_per_second"] == pytest.approx(row["tokens"] / row["seconds"])


def test_the_file_says_what_it_was_made_on(whole: Path) -> None:
    data = json.loads(whole.read_text(encoding="utf-8"))
    assert data["machine"]["versions"]["torch"] == torch.__version__
    assert data["machine"]["device"]["type"] == "cpu"
    assert data["machine"]["processor"]["memory_bytes"] > 1 << 28
    assert data["settings"]["scale"]["vectors"] == list(SCALE.vectors)


def test_a_run_goes_on_with_what_is_missing_and_leaves_what_is_done(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    report.run(SETTINGS, out, sections=["dense"], tell=quiet)
    before = json.loads(out.read_text(encoding="utf-8"))["sections"]
    assert list(before) == ["dense_300", "dense_700"]
    assert before["dense_300"]["rows"][0]["bandwidth_fraction"] is None
    told: list[str] = []
    data = report.run(
        SETTINGS, out, sections=["bandwidth", "dense", "bm25"], tell=lambda section, row: told.append(section)
    )
    assert told == ["bandwidth", "bm25", "bm25"]
    assert {name: data["sections"][name] for name in before} == before


def test_a_section_that_was_stopped_is_measured_again(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    with pytest.raises(KeyboardInterrupt):
        report.run(SETTINGS, out, sections=["bm25"], tell=_interrupt)
    stopped = json.loads(out.read_text(encoding="utf-8"))["sections"]["bm25"]
    assert (stopped["status"], len(stopped["rows"])) == ("unfinished", 1)
    data = report.run(SETTINGS, out, sections=["bm25"], tell=quiet)
    assert (data["sections"]["bm25"]["status"], len(data["sections"]["bm25"]["rows"])) == ("done", 2)


def _interrupt(section: str, row: dict[str, Any]) -> None:
    raise KeyboardInterrupt


def test_a_section_that_fails_says_why_and_the_others_go_on(tmp_path: Path) -> None:
    """More vectors than any address space holds."""
    scale = replace(SCALE, vectors=(300, 10**14))
    out = tmp_path / "bench.json"
    data = report.run(replace(SETTINGS, scale=scale), out, sections=["dense", "bm25"], tell=quiet)
    failed = data["sections"][f"dense_{10**14}"]
    assert failed["status"] == "failed"
    assert "memory" in failed["reason"]
    assert data["sections"]["dense_300"]["status"] == data["sections"]["bm25"]["status"] == "done"
    assert json.loads(out.read_text(encoding="utf-8")) == json.loads(json.dumps(data))


def test_an_encoder_that_is_not_there_fails_its_section_alone(tmp_path: Path) -> None:
    settings = replace(SETTINGS, encoder=str(tmp_path / "nothing"))
    data = report.run(settings, tmp_path / "bench.json", sections=["bandwidth", "encoding"], tell=quiet)
    assert data["sections"]["encoding"]["reason"].startswith("ModelMissing: ")
    assert data["sections"]["bandwidth"]["status"] == "done"


@pytest.mark.parametrize("content", ["not json", "[]", "{}", '{"format": 1}'])
def test_a_file_of_something_else_is_not_overwritten(tmp_path: Path, content: str) -> None:
    out = tmp_path / "bench.json"
    out.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match="something else"):
        report.run(SETTINGS, out, tell=quiet)
    assert out.read_text(encoding="utf-8") == content


def test_figures_of_other_settings_are_not_mixed_in(whole: Path) -> None:
    for other in (replace(SETTINGS, seconds=1.0), replace(SETTINGS, scale=SMALL), replace(SETTINGS, encoder="other")):
        with pytest.raises(UsageError, match="other settings"):
            report.run(other, whole, tell=quiet)


def test_a_device_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match="cuda:99"):
        report.run(replace(SETTINGS, device="cuda:99"), tmp_path / "bench.json", tell=quiet)
    assert list(tmp_path.iterdir()) == []


def test_work_is_timed_until_its_time_is_up_and_three_times_at_least() -> None:
    calls: list[int] = []
    found = timing.timed(lambda: calls.append(1), CPU, 0.0)
    assert (found.repeats, len(calls)) == (3, 4)
    assert timing.timed(lambda: sum(range(1000)), CPU, 0.01).repeats > 3


def test_made_up_words_are_scored_as_bm25s_scores_the_same_words_in_text(tmp_path: Path) -> None:
    made = words.arrays(400, 60, CPU)
    texts: list[list[str]] = [[] for _ in range(400)]
    for word, start, end in zip(range(60), made.offsets, made.offsets[1:], strict=False):
        having = end - start
        shares = made.scores[start:end] / np.log(1 + (400 - having + 0.5) / (having + 0.5))
        for row, times in zip(made.rows[start:end], np.round(1.5 * shares / (1 - shares)), strict=True):
            texts[row] += [f"w{word}"] * int(times)
    assert {len(text) for text in texts} == {words.LENGTH}
    names = [f"x.{path.name}" for path in bm25.write(tmp_path, texts)]
    for name in names:
        (tmp_path / name.removeprefix("x.")).replace(tmp_path / name)
    theirs = bm25.load(tmp_path, names)
    for word in range(60):
        number = theirs.vocabulary[f"w{word}"]
        mine, other = slice(*made.offsets[word : word + 2]), slice(*theirs.offsets[number : number + 2])
        assert made.rows[mine].tolist() == theirs.rows[other].tolist()
        np.testing.assert_allclose(made.scores[mine], theirs.scores[other], rtol=1e-4)


def test_made_up_questions_have_no_stop_words_and_come_again() -> None:
    asked = words.questions(20, 300)
    assert all(len(set(numbers)) == words.QUESTION_WORDS and min(numbers) >= words.STOP_WORDS for numbers in asked)
    assert asked == words.questions(20, 300)
    assert (words.arrays(50, 300, CPU).scores == words.arrays(50, 300, CPU).scores).all()


def test_random_vectors_have_unit_length_and_come_again() -> None:
    made = search.unit_vectors(70_000, 8, CPU)
    np.testing.assert_allclose(np.linalg.norm(made.numpy(), axis=1), 1, rtol=1e-5)
    assert torch.equal(made, search.unit_vectors(70_000, 8, CPU))


def test_the_made_up_tokenizer_has_as_many_tokens_as_the_model() -> None:
    made = generation.tokenizer(30_000)
    vocabulary = Vocabulary(made, size=30_000, stops={made.eos_token_id})
    assert len(made) == len(made.get_vocab()) == 30_000
    assert made.decode(made("Reads a text aloud; 12 voices.")["input_ids"]) == "Reads a text aloud; 12 voices."
    assert vocabulary.count("Reads a text aloud") < 10


def test_the_model_at_full_scale_is_of_qwens_size() -> None:
    model = generation.random_model(TABLE["full"].model, torch.device("meta"))
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 7_615_616_512


@CUDA
def test_faiss_on_the_gpu_finds_the_same_vectors() -> None:
    if not search.has_gpu_faiss():
        pytest.skip("needs faiss-gpu")
    vectors = search.unit_vectors(5000, 64, torch.device("cuda"))
    queries = search.unit_vectors(7, 64, CPU, seed=5).numpy()
    cosines, numbers = search.gpu_flat(vectors).search(queries, 10)
    ours = TorchDense(vectors, np.ones(5000, np.bool_)).nearest_many(queries, 10)
    np.testing.assert_allclose(cosines, np.stack([found for _, found in ours]), atol=1e-5)
    assert (numbers == np.stack([found for found, _ in ours])).mean() > 0.99


@CUDA
def test_a_gpu_is_measured_and_named(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    data = report.run(
        replace(SETTINGS, device="cuda"), out, sections=["bandwidth", "dense", "bm25", "generation"], tell=quiet
    )
    assert {part["status"] for part in data["sections"].values()} == {"done"}
    assert data["machine"]["device"]["memory_bytes"] > 1 << 30
    assert data["machine"]["driver"]


# The command

Command = Callable[..., tuple[int, Path]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `bench` in this process, in an empty folder; gives back the exit code and the file it names."""
    monkeypatch.chdir(tmp_path)

    def run(*given: str) -> tuple[int, Path]:
        done = CliRunner().invoke(app, ["bench", "--device", "cpu", "--scale", "small", *given], standalone_mode=False)
        if isinstance(done.exception, GorillaError):
            raise done.exception
        assert done.exception is None, done.exception
        return done.return_value, tmp_path / done.stdout.strip()

    return run


def test_the_command_measures_what_it_is_told(command: Command) -> None:
    code, path = command("--sections", "bandwidth,dense", "--sizes", "100,200", "--seconds", "0")
    assert (code, path.name) == (0, "bench-cpu.json")
    data = json.loads(path.read_text(encoding="utf-8"))
    assert list(data["sections"]) == ["bandwidth", "dense_100", "dense_200"]
    assert [row["repeats"] for row in rows_of(path, "dense_100")] == [3, 3, 3]
    assert data["settings"]["scale"]["texts"] == SMALL.texts
    code, longer = command("--sections", "bandwidth", "--seconds", "0.4", "--out", "longer.json")
    assert rows_of(longer, "bandwidth")[0]["repeats"] > 3
    assert longer.name == "longer.json"


def test_the_command_exits_1_when_a_section_failed(command: Command) -> None:
    code, path = command("--sections", "encoding", "--encoder", "no-such-encoder")
    assert code == 1
    assert json.loads(path.read_text(encoding="utf-8"))["sections"]["encoding"]["status"] == "failed"


@pytest.mark.parametrize(
    "given",
    [("--scale", "huge"), ("--sizes", "0"), ("--sizes", "many"), ("--seconds", "-1"), ("--sections", "dense,speed")],
)
def test_the_command_refuses_what_it_cannot_measure(command: Command, given: tuple[str, str]) -> None:
    with pytest.raises(UsageError):
        command(*given)


def test_the_command_needs_a_device_that_is_there() -> None:
    program = Path(sys.executable).with_name("gorilla-rag")
    done = subprocess.run([program, "bench", "--device", "cuda:99"], capture_output=True, text=True, timeout=120)
    assert done.returncode == DeviceMissing.exit_code
    assert "no device 'cuda:99'" in done.stderr
