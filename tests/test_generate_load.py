"""Generators chosen by name, from Python and from the command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gorilla_rag import Gorilla
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.errors import DeviceMissing, EndpointError, ModelMissing, UsageError
from gorilla_rag.generate.llama_cpp import LlamaCppGenerator
from gorilla_rag.generate.load import load_generator
from gorilla_rag.generate.openai import OpenAIGenerator
from gorilla_rag.models import registry
from tests.conftest import make_doc
from tests.endpoints import chat, failing, fake

COMMAND = str(Path(sys.executable).with_name("gorilla-rag"))
NOWHERE = "openai:m@http://127.0.0.1:1/v1"


def run(*words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [COMMAND, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, timeout=120)


def test_a_registry_name_is_the_embedded_model() -> None:
    made = load_generator(registry.GENERATOR)()
    assert isinstance(made, LlamaCppGenerator)
    assert made.id == registry.GENERATOR


@pytest.mark.parametrize("model", ["qwen2.5-coder", "qwen2.5-coder:7b", "@cf/meta/llama", "org/name"])
def test_an_endpoint_is_a_model_and_an_address(model: str) -> None:
    made = load_generator(f"openai:{model}@http://127.0.0.1:11434/v1")()
    assert isinstance(made, OpenAIGenerator)
    assert made.id == model


NO_NAMES = (
    *("", "gpt", registry.ENCODER, f"llama:{registry.GENERATOR}", "transformers", "transformers:"),
    *("openai:", "openai:m", "openai:@http://h/v1", "openai:m@", "openai:m@host/v1", "openai:m@file:///etc/passwd"),
)


@pytest.mark.parametrize("spec", NO_NAMES)
def test_what_names_no_generator_is_refused_at_once_with_what_would(spec: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_generator(spec)
    assert "http" in caught.value.hint or "openai:" in caught.value.hint


def test_a_password_in_a_name_is_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        load_generator("openai:m@http://me:secret@host/v1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "option"),
    [
        *((spec, option) for spec in (registry.GENERATOR, NOWHERE) for option in ("device", "quantize")),
        (NOWHERE, "adapter"),
    ],
)
def test_options_of_another_kind_are_refused_by_name(spec: str, option: str) -> None:
    with pytest.raises(UsageError, match=option):
        load_generator(spec, **{option: "cuda"})


def test_the_embedded_model_wants_an_adapter_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=re.escape("gorilla.json")):
        load_generator(registry.GENERATOR, adapter=str(tmp_path))()


def test_the_options_of_a_transformers_model_reach_it(tmp_path: Path) -> None:
    from tests import tiny

    tokenizer = tiny.tokenizer()
    tiny.saved(tmp_path / "tiny", tiny.qwen(tokenizer), tokenizer)
    spec = f"transformers:{registry.GENERATOR}"
    with pytest.raises(DeviceMissing, match="cuda:99"):
        load_generator(spec, device="cuda:99")()
    with pytest.raises(UsageError, match="quanti"):
        load_generator(spec, device="cpu", quantize="4bit")()
    with pytest.raises(UsageError, match="3bit"):
        load_generator(spec, quantize="3bit")
    with pytest.raises(ModelMissing, match="no-adapter"):
        load_generator(f"transformers:{tmp_path / 'tiny'}", device="cpu", adapter=str(tmp_path / "no-adapter"))()
    with pytest.raises(ModelMissing, match="no-model"):
        load_generator(f"transformers:{tmp_path / 'no-model'}")()


def test_naming_a_generator_loads_nothing() -> None:
    code = (
        "import sys; from gorilla_rag.generate.load import load_generator;"
        f"[load_generator(spec) for spec in ('transformers:x', {NOWHERE!r}, {registry.GENERATOR!r})];"
        "assert not {'torch', 'transformers', 'httpx2', 'xllamacpp'} & set(sys.modules), 'imported'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_library_takes_a_generator_by_name(starter_index: Path) -> None:
    with fake(chat('{"choice": "B"}')) as server:
        gorilla = Gorilla.load(starter_index, generator=f"openai:m@{server.url}")
        answer = gorilla.ask("shorten a text", mode="bm25", chooser="model", fields="call", k=2)
        gorilla.index.close()
    assert answer.api_call == answer.hits[0].doc.api_call
    assert server.asked[0]["model"] == "m"


def test_documents_given_here_take_a_generator_by_name(encoder: EmbeddedEncoder) -> None:
    docs = [make_doc(n) for n in range(2)]
    gorilla = Gorilla.from_docs(docs, encoder=encoder, generator=NOWHERE)
    with pytest.raises(EndpointError):
        gorilla.ask("task number 1", mode="zero-shot")
    gorilla.index.close()


def test_a_bad_name_opens_no_index(starter_index: Path) -> None:
    with pytest.raises(UsageError, match="nobody"):
        Gorilla.load(starter_index, generator="nobody")
    with pytest.raises(UsageError, match="nobody"):
        Gorilla.from_docs([], generator="nobody")


@pytest.mark.parametrize("verb", ["ask", "eval"])
def test_the_command_line_asks_the_model_it_is_given(verb: str, starter_index: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.jsonl"
    mine.write_text(json.dumps({"question": "parse JSON", "api_call": "json.loads(text)"}), encoding="utf-8")
    words: dict[str, list[Any]] = {
        "ask": ["parse JSON", "--mode", "zero-shot", "--call-only"],
        "eval": ["--questions", mine, "--modes", "zero-shot", "--fields", "call", "--out", tmp_path / "out"],
    }
    with fake(chat('{"api_call": "json.loads(text)"}')) as server:
        spec = f"openai:coder@{server.url}"
        done = run(verb, *words[verb], "--index", starter_index, "--generator", spec, OPENAI_API_KEY="sk-test")
    assert done.returncode == 0, done.stderr
    assert [sent["model"] for sent in server.asked] == ["coder"]
    assert server.headers[0]["authorization"] == "Bearer sk-test"
    assert "sk-test" not in done.stdout + done.stderr
    if verb == "ask":
        assert "json.loads(text)" in done.stdout
    else:
        report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
        assert report["run"]["generator"]["id"] == "coder"


@pytest.mark.parametrize("verb", ["ask", "eval"])
def test_the_command_line_says_what_is_wrong_with_an_endpoint(verb: str, starter_index: Path, tmp_path: Path) -> None:
    words: dict[str, list[Any]] = {"ask": ["x", "--index", starter_index], "eval": ["--out", tmp_path]}
    wanted, options = words[verb], {"ask": ["--adapter"], "eval": ["--quantize"]}[verb]
    for option in options:
        done = run(verb, *wanted, "--generator", NOWHERE, option, "4bit")
        assert done.returncode == UsageError.exit_code
        assert option.strip("-") in done.stderr
    if verb == "ask":
        done = run(verb, *wanted, "--generator", NOWHERE, "--mode", "zero-shot")
        assert done.returncode == EndpointError.exit_code
        assert "127.0.0.1:1" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_measurement_that_an_endpoint_stopped_goes_on_where_it_was(starter_index: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.jsonl"
    questions = [
        {"question": "parse JSON", "api_call": "json.loads(text)"},
        {"question": "write JSON", "api_call": "json.dumps(value)"},
    ]
    mine.write_text("\n".join(map(json.dumps, questions)), encoding="utf-8")
    words: list[Any] = ["--questions", mine, "--index", starter_index, "--modes", "zero-shot", "--fields", "call"]
    good = chat('{"api_call": "json.loads(text)"}')
    codes, asked = [], []
    for answers in ([good, failing(401, "expired")], [good]):
        with fake(*answers) as server:
            done = run("eval", *words, "--out", tmp_path / "out", "--generator", f"openai:coder@{server.url}")
        codes.append(done.returncode)
        asked.append(len(server.asked))
    assert codes == [EndpointError.exit_code, 0]
    assert asked == [2, 1]
