"""The transformers backend: a tiny random model of Qwen's architecture the whole way, and the embedded weights."""

from __future__ import annotations

import importlib
import json
import math
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher
from tokenizers import processors

from gorilla_rag import Gorilla, starter
from gorilla_rag.answer import Candidate, Hit
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.errors import (
    AdapterMismatch,
    DeviceMissing,
    ExtraMissing,
    GenerationFailed,
    GorillaError,
    ModelCorrupt,
    ModelMissing,
    UsageError,
)
from gorilla_rag.generate import checkpoint, prompt, schema, sentence
from gorilla_rag.generate.base import Message, Usage
from gorilla_rag.generate.decoding import repetition_penalties
from gorilla_rag.generate.llama_cpp import LlamaCppGenerator
from gorilla_rag.generate.transformers import GPU_DEFAULT, Request, TransformersGenerator
from gorilla_rag.generate.vocabulary import Vocabulary
from gorilla_rag.generate.write import Writer
from gorilla_rag.models import registry
from tests import tiny as models
from tests.conftest import make_doc
from tests.tiny import CHATML, ENDS

pytestmark = pytest.mark.usefixtures("one_thread")
HELLO: list[Message] = [{"role": "system", "content": "Answer."}, {"role": "user", "content": "Which letter?"}]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return models.tokenizer()


@pytest.fixture(scope="module")
def folder(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as it lies on disk; read-only by agreement."""
    return models.saved(tmp_path_factory.mktemp("models") / "tiny-qwen", models.qwen(tokenizer), tokenizer)


@pytest.fixture(scope="module")
def tiny(folder: Path) -> TransformersGenerator:
    return TransformersGenerator(folder, device="cpu")


@pytest.fixture(scope="module")
def asking(tiny: TransformersGenerator, starter_index: Path) -> Iterator[Gorilla]:
    made = Gorilla.load(starter_index, generator=lambda: tiny)
    yield made
    made.index.close()


def written(items: Iterator[str | Usage]) -> tuple[str, Usage]:
    """A stream's text and last usage."""
    found = list(items)
    last = found[-1]
    assert isinstance(last, Usage)
    return "".join(item for item in found if isinstance(item, str)), last


def copied(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


# The whole path


@pytest.mark.parametrize("how", [{}, {"chooser": "model"}, {"mode": "zero-shot", "constrain": "catalogue"}])
def test_a_question_is_answered_by_a_model_of_qwens_architecture(asking: Gorilla, how: dict[str, Any]) -> None:
    answer = asking.ask("group my customers into 7 segments", **how)
    assert answer.api_call
    assert answer.verdict.ok
    assert answer.tokens["prompt"] > 0
    if not how:
        assert answer.api_call in {f"sklearn.cluster.KMeans(n_clusters={n})" for n in (7, 8)}
        assert answer.explanation.endswith(".")


def test_what_is_written_under_a_grammar_is_always_valid(asking: Gorilla) -> None:
    for number, doc in enumerate(starter.documents()[::12]):
        writer = Writer(lambda: asking.generator, f"do it {number} times with 'red'")
        (filled,) = writer.calls(doc, "A", f"do it {number} times with 'red'")
        assert filled.faults == ()
        text = "".join(writer.explanation(doc, "A", filled))  # raises when the draft breaks its schema
        assert text.endswith(".")


def test_the_gpu_default_is_a_model_of_the_architecture_that_is_tested_here() -> None:
    assert GPU_DEFAULT == "Qwen/Qwen2.5-Coder-7B-Instruct"


def test_the_weight_of_joint_choosing_changes_the_confidence(folder: Path, tokenizer: Any, starter_index: Path) -> None:
    model = models.qwen(tokenizer)
    found = []
    for weight in (0.0, 1.0):
        made = TransformersGenerator.from_model(model, tokenizer, id="in memory", joint_weight=weight)
        asking = Gorilla.load(starter_index, generator=lambda made=made: made)  # type: ignore[misc]
        found.append(asking.ask("translate a letter", chooser="joint", fields="call").confidence)
        asking.index.close()
    assert found[0] != found[1]


# Labels and texts


def test_label_probabilities_are_the_models_own(tiny: TransformersGenerator, tokenizer: Any) -> None:
    found, usage = tiny.label_log_probabilities(HELLO, '{"choice": "', "ABC", reuse=False)
    text = tokenizer.apply_chat_template(HELLO, tokenize=False, add_generation_prompt=True) + '{"choice": "'
    ids = tokenizer(text)["input_ids"]
    with torch.inference_mode():
        logits = models.qwen(tokenizer)(torch.tensor([ids])).logits[0, -1]
    expected = torch.log_softmax(logits[tokenizer.convert_tokens_to_ids(list("ABC"))], dim=-1)
    assert found == pytest.approx(expected.tolist(), abs=1e-4)
    assert usage == Usage(prompt=len(ids), cached=0, completion=1, stopped="length")


def slowly(model: Any, vocabulary: Vocabulary, tokens: list[int], grammar: str | None, limit: int) -> list[int]:
    """What decoding means: everything read anew for each token, the best of those allowed."""
    begun, matcher = len(tokens), vocabulary.matcher(grammar) if grammar else None
    while len(tokens) - begun < limit:
        forced = matcher.compute_ff_tokens() if matcher else []
        if not forced:
            with torch.no_grad():
                scores = model(torch.tensor([tokens])).logits[0, -1].clone()
            for token, penalty in repetition_penalties(tokens[-64:], vocabulary.breakers).items():
                scores[token] -= penalty
            if matcher:
                bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
                scores[torch.from_numpy(bits[: len(scores)] == 0)] = -math.inf
            forced = [int(scores.argmax())]
            if forced[0] in vocabulary.stops:
                break
        tokens = tokens + forced[: limit - (len(tokens) - begun)]
        if matcher:
            assert isinstance(matcher, LLMatcher)
            matcher.consume_tokens(forced)
            if matcher.is_stopped():
                break
    return tokens[begun:]


SENTENCE = sentence.grammar(make_doc(1).description)[0]
CALLS = schema.choice_grammar([f"sklearn.cluster.{name}(n=1)" for name in ("KMeans", "KModes", "DBSCAN")])


@pytest.mark.parametrize("grammar", [None, SENTENCE, CALLS])
def test_the_cache_and_blocks_of_tokens_write_what_reading_everything_anew_does(
    tiny: TransformersGenerator, tokenizer: Any, grammar: str | None
) -> None:
    model, vocabulary = models.qwen(tokenizer), tiny._vocabulary
    tokens = vocabulary.prompt(HELLO, '"')
    expected = vocabulary.text().piece(slowly(model, vocabulary, tokens, grammar, 60))
    text, usage = written(tiny.stream(HELLO, '"', grammar=grammar, max_tokens=60, reuse=False))
    assert text == expected
    assert usage.prompt == len(tokens)


def test_tokens_that_the_grammar_forces_are_not_asked_of_the_model(tokenizer: Any) -> None:
    model = models.qwen(tokenizer)
    passes: list[int] = []
    model.register_forward_pre_hook(
        lambda _, args, kwargs: passes.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    made = TransformersGenerator.from_model(model, tokenizer, id="counted")
    text, usage = written(made.stream(HELLO, '"', grammar=CALLS, max_tokens=60))
    assert text.startswith("sklearn.cluster.")
    assert usage.stopped == "stop"
    assert len(passes) < usage.completion / 2
    passes.clear()
    assert written(made.stream(HELLO, '"', grammar=schema.choice_grammar(["one"]), max_tokens=9))[0] == 'one"'
    assert passes == []


def test_a_compiled_grammar_is_kept_and_begins_anew_each_time(tokenizer: Any) -> None:
    vocabulary = Vocabulary(tokenizer, size=len(tokenizer), stops=())
    grammar = '%llguidance {}\nstart: "yes" | "no"'
    first = vocabulary.matcher(grammar)
    allowed = first.compute_bitmask()
    with pytest.raises(GenerationFailed):
        vocabulary.matcher("%llguidance {}\nstart: (")
    bits = np.unpackbits(np.frombuffer(allowed, dtype=np.uint8), bitorder="little")
    assert first.consume_token(int(np.flatnonzero(bits)[0]))
    assert first.compute_bitmask() != allowed
    assert vocabulary.matcher(grammar).compute_bitmask() == allowed
    assert (vocabulary._compiled.cache_info().hits, vocabulary._compiled.cache_info().misses) == (1, 2)


def test_a_batch_gives_what_one_request_after_the_other_gives(tiny: TransformersGenerator) -> None:
    requests = [
        Request(HELLO, '{"choice": "', labels="ABCDE"),
        Request([{"role": "user", "content": "word " * 40}], '{"choice": "', labels="AB", grammar=CALLS, max_tokens=60),
        Request([{"role": "user", "content": "x"}], "", labels="XYZ", max_tokens=25),
        Request(HELLO, '"', labels="AB", grammar=SENTENCE, max_tokens=300),
        Request(HELLO, '"', labels="AB", grammar=SENTENCE, max_tokens=7),
        Request(HELLO, '"', labels="AB", grammar=schema.choice_grammar(["one"]), max_tokens=9),
    ]
    together = tiny.complete_many(requests)
    for request, found in zip(requests, together, strict=True):
        alone = tiny.stream(
            request.messages, request.prefill, grammar=request.grammar, max_tokens=request.max_tokens, reuse=False
        )
        assert found == written(alone)
    for request, (scores, usage) in zip(requests, tiny.label_log_probabilities_many(requests), strict=True):
        one, used = tiny.label_log_probabilities(request.messages, request.prefill, request.labels, reuse=False)
        assert scores == pytest.approx(one, abs=1e-4)
        assert usage == used
    assert tiny.complete_many([]) == []
    assert tiny.label_log_probabilities_many([]) == []


def test_a_shared_beginning_comes_from_the_cache_where_that_is_wanted(tiny: TransformersGenerator) -> None:
    first, usage = written(tiny.stream(HELLO, '"', grammar=SENTENCE, max_tokens=300, reuse=False))
    assert usage.cached == 0
    again, usage = written(tiny.stream(HELLO, '"', grammar=SENTENCE, max_tokens=300, reuse=True))
    assert (again, usage.cached) == (first, usage.prompt - 1)
    other, usage = written(tiny.stream(HELLO, "{one two", grammar=SENTENCE, max_tokens=300, reuse=True))
    assert 0 < usage.cached < usage.prompt - 1
    assert other == written(tiny.stream(HELLO, "{one two", grammar=SENTENCE, max_tokens=300, reuse=False))[0]


def test_leaving_a_stream_early_leaves_the_model_usable(tiny: TransformersGenerator) -> None:
    whole, _ = written(tiny.stream(HELLO, '"', grammar=SENTENCE, max_tokens=300, reuse=False))
    stream = tiny.stream(HELLO, '"', grammar=SENTENCE, max_tokens=300)
    assert whole.startswith(str(next(stream)))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert written(tiny.stream(HELLO, '"', grammar=SENTENCE, max_tokens=300))[0] == whole


def test_pieces_of_text_never_split_a_character(tiny: TransformersGenerator) -> None:
    faces = ["ab😀", "ab😁", "ab🙈", "ü€"]
    grammar = "%llguidance {}\nstart: (" + " | ".join(json.dumps(face, ensure_ascii=False) for face in faces) + "){6}"
    items = list(tiny.stream(HELLO, '"', grammar=grammar, max_tokens=200))
    pieces = [item for item in items if isinstance(item, str)]
    assert len(pieces) > 1
    assert all("\ufffd" not in piece and piece for piece in pieces)
    for cut in range(1, 12):
        text, _ = written(tiny.stream(HELLO, '"', grammar=grammar, max_tokens=cut))
        assert "".join(pieces).startswith(text)


def test_a_text_that_reaches_its_limit_says_so(tiny: TransformersGenerator) -> None:
    _, usage = written(tiny.stream(HELLO, '"', grammar=SENTENCE, max_tokens=5))
    assert (usage.completion, usage.stopped) == (5, "length")


def test_a_schema_for_servers_changes_nothing_here(tiny: TransformersGenerator) -> None:
    one = written(tiny.stream(HELLO, '"', grammar=CALLS, max_tokens=60, reuse=False))
    assert one == written(tiny.stream(HELLO, '"', grammar=CALLS, max_tokens=60, reuse=False, schema={"type": "null"}))


def naive_penalties(tokens: Sequence[int], breakers: set[int]) -> dict[int, float]:
    """By definition: for each token, the longest end of the text that stands before it earlier in the text."""
    last = max((n for n, token in enumerate(tokens) if token in breakers), default=-1)
    found: dict[int, float] = {}
    for length in range(4, len(tokens) - last):
        end = list(tokens[len(tokens) - length :])
        for n in range(len(tokens) - length):
            if list(tokens[n : n + length]) == end:
                found[tokens[n + length]] = 0.8 * 1.75 ** (length - 4)
    return found


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 2), max_size=40), st.sets(st.integers(0, 5), max_size=1))
def test_the_penalty_of_repetition_is_its_definition(tokens: list[int], breakers: set[int]) -> None:
    assert repetition_penalties(tokens, breakers) == pytest.approx(naive_penalties(tokens, breakers))


def test_repeating_five_words_costs_and_a_quotation_mark_ends_a_repetition() -> None:
    assert repetition_penalties([1, 2, 3, 4, 5, 9, 1, 2, 3, 4], set()) == {5: 0.8}
    assert repetition_penalties([0, 1, 2, 3, 4, 5, 9, 0, 1, 2, 3, 4], set()) == {5: pytest.approx(1.4)}
    assert repetition_penalties([1, 2, 3, 4, 5, 9, 1, 2, 3, 4], {2}) == {}


# Prompts


def test_what_begins_every_text_stands_once_whether_or_not_the_template_writes_it() -> None:
    made = models.tokenizer()
    made.bos_token = ENDS[0]
    begin = made.convert_tokens_to_ids(ENDS[0])
    backend = made.backend_tokenizer
    backend.post_processor = processors.TemplateProcessing(single=f"{ENDS[0]} $A", special_tokens=[(ENDS[0], begin)])
    for template in (CHATML, f"{ENDS[0]}{CHATML}"):
        made.chat_template = template
        prompted = Vocabulary(made, size=1000, stops=[2]).prompt(HELLO, "x")
        assert prompted[0] == begin
        assert prompted.count(begin) == 1


def test_a_template_without_a_system_role_and_a_model_without_a_template_still_get_the_whole_prompt() -> None:
    made = models.tokenizer()
    for template in ("{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}" + CHATML, None):
        made.chat_template = template
        text = made.decode(Vocabulary(made, size=1000, stops=[2]).prompt(HELLO, '{"'))
        assert "Answer.\n\nWhich letter?" in text
        assert text.endswith('{"')
    made.chat_template = "{{ raise_exception('never') }}"
    with pytest.raises(GenerationFailed, match="never"):
        Vocabulary(made, size=1000, stops=[2]).prompt(HELLO[1:], "")


# What goes wrong while writing


def test_bad_requests_are_named(tiny: TransformersGenerator) -> None:
    with pytest.raises(GenerationFailed, match="context"):
        list(tiny.stream([{"role": "user", "content": "word " * 5000}], "", grammar=None, max_tokens=4))
    with pytest.raises(GenerationFailed, match="doesn't compile"):
        list(tiny.stream(HELLO, "", grammar="%llguidance {}\nstart: nothing", max_tokens=4))
    with pytest.raises(GenerationFailed, match="no token 'label'"):
        tiny.label_log_probabilities(HELLO, "", ["A", "label"])


def test_a_model_that_fails_or_gives_no_numbers_is_a_clear_error(tokenizer: Any) -> None:
    model = models.qwen(tokenizer)
    made = TransformersGenerator.from_model(model, tokenizer, id="broken")
    model.model.norm.weight.data.fill_(math.nan)
    with pytest.raises(GenerationFailed, match="aren't numbers"):
        list(made.stream(HELLO, "", grammar=SENTENCE, max_tokens=4))
    model.model.norm.weight = torch.nn.Parameter(torch.ones(3))
    with pytest.raises(GenerationFailed, match="the model failed"):
        list(made.stream(HELLO, "", grammar=None, max_tokens=4))


# Loading


def test_a_model_on_disk_is_known_by_its_weights(tiny: TransformersGenerator, folder: Path) -> None:
    assert tiny.id == str(folder)
    assert tiny.sha256 == checkpoint.digest([folder / "model.safetensors"])
    assert (tiny.context, tiny.joint_weight) == (2048, 0.0)


def test_weights_in_several_files_are_read_and_hashed_together(folder: Path, tokenizer: Any, tmp_path: Path) -> None:
    target = copied(folder, tmp_path / "shards")
    (target / "model.safetensors").unlink()
    models.qwen(tokenizer).save_pretrained(target, max_shard_size="100KB")
    made = TransformersGenerator(target, device="cpu")
    assert len(list(target.glob("model-*.safetensors"))) > 1
    assert len(made.sha256) == 64
    whole = TransformersGenerator(folder, device="cpu")
    assert made.label_log_probabilities(HELLO, "", "ABC") == whole.label_log_probabilities(HELLO, "", "ABC")
    next(target.glob("model-*.safetensors")).unlink()
    with pytest.raises(ModelMissing, match="safetensors"):
        TransformersGenerator(target, device="cpu")


def test_dtype_and_context_are_kept_to(folder: Path, tiny: TransformersGenerator) -> None:
    rough = TransformersGenerator(folder, device="cpu", dtype="bfloat16", context=100)
    assert rough.context == 100
    one = rough.label_log_probabilities(HELLO, "", "ABC")[0]
    assert one != tiny.label_log_probabilities(HELLO, "", "ABC")[0]
    with pytest.raises(GenerationFailed, match="100"):
        list(rough.stream([{"role": "user", "content": "word " * 200}], "", grammar=None, max_tokens=4))
    _, usage = written(rough.stream(HELLO, "", grammar=SENTENCE, max_tokens=400))
    assert usage.prompt + usage.completion <= 100


@pytest.mark.parametrize(
    "options", [{"dtype": "int8"}, {"quantize": "3bit"}, {"context": 0}, {"context": 5000}], ids=str
)
def test_an_option_that_cannot_be_served_is_an_error(folder: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        TransformersGenerator(folder, device="cpu", **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what is missed here")
def test_a_device_that_is_not_there_is_missing(folder: Path) -> None:
    with pytest.raises(DeviceMissing, match="cuda"):
        TransformersGenerator(folder, device="cuda")


def test_a_hub_name_is_found_in_the_hubs_cache_and_nowhere_else(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelMissing, match="hf download someone/tiny"):
        TransformersGenerator("someone/tiny")
    repository = tmp_path / "models--someone--tiny"
    copied(folder, repository / "snapshots" / "0123")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123", encoding="utf-8")
    assert TransformersGenerator("someone/tiny", device="cpu").id == "someone/tiny"
    with pytest.raises(ModelMissing, match="not/a/name"):
        TransformersGenerator("not/a/name")


def test_files_that_are_not_a_model_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"config\.json"):
        TransformersGenerator(tmp_path)
    with pytest.raises(ModelMissing, match=r"x\.gguf"):
        TransformersGenerator(tmp_path / "x.gguf")
    pickled = copied(folder, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(ModelMissing, match="pickled weights aren't read"):
        TransformersGenerator(pickled)


def configured(folder: Path, target: Path, **changes: Any) -> Path:
    """A copy of a model with another config.json."""
    made = copied(folder, target)
    config = json.loads((made / "config.json").read_text(encoding="utf-8"))
    (made / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    return made


def broken(folder: Path, target: Path, kind: str) -> Path:
    if kind == "layers":
        return configured(folder, target, num_hidden_layers=3, layer_types=None)
    if kind == "shape":
        return configured(folder, target, hidden_size=32)
    made = copied(folder, target)
    if kind == "tokenizer":
        (made / "tokenizer.json").unlink()
        return made
    if kind == "gguf":
        (made / "model.gguf").write_bytes(b"GGUF")
        return made / "model.gguf"
    (made / "model.safetensors").write_bytes((made / "model.safetensors").read_bytes()[:5000])
    return made


@pytest.mark.parametrize("kind", ["truncated", "layers", "shape", "tokenizer", "gguf"])
def test_files_that_do_not_fit_are_an_error_not_a_random_model(folder: Path, tmp_path: Path, kind: str) -> None:
    with pytest.raises(ModelCorrupt):
        TransformersGenerator(broken(folder, tmp_path / kind, kind), device="cpu")


def test_a_models_own_code_is_never_run(folder: Path, tmp_path: Path) -> None:
    own = {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}
    made, trace = configured(folder, tmp_path / "code", model_type="own", auto_map=own), tmp_path / "ran"
    (made / "own.py").write_text(f"open({str(trace)!r}, 'w')\nclass Own: pass\n", encoding="utf-8")
    with pytest.raises(ModelCorrupt):
        TransformersGenerator(made, device="cpu")
    assert not trace.exists()


def test_a_tokenizer_of_another_model_is_an_error(tokenizer: Any) -> None:
    with pytest.raises(ModelCorrupt, match="tokens"):
        TransformersGenerator.from_model(models.qwen(tokenizer, vocab_size=300), tokenizer, id="mixed")
    with pytest.raises(UsageError, match="tokenizer"):
        TransformersGenerator.from_model(models.qwen(tokenizer), object(), id="none")


# Four bits


def test_weights_in_a_number_format_of_another_package_ask_for_it(folder: Path, tmp_path: Path) -> None:
    made = configured(folder, tmp_path / "gptq", quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(ExtraMissing, match="GPTQ"):
        TransformersGenerator(made, device="cpu")


def test_four_bits_without_bitsandbytes_is_a_clear_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ExtraMissing, match="bitsandbytes"):
        TransformersGenerator(folder, device="cpu", quantize="4bit")


def test_four_bits_load_and_write(folder: Path, tiny: TransformersGenerator) -> None:
    pytest.importorskip("bitsandbytes")
    made = TransformersGenerator(folder, device="cpu", quantize="4bit")
    assert made.id == f"{folder}, 4bit"
    assert made.label_log_probabilities(HELLO, "", "ABC")[0] != tiny.label_log_probabilities(HELLO, "", "ABC")[0]
    assert written(made.stream(HELLO, '"', grammar=CALLS, max_tokens=60))[0].startswith("sklearn.cluster.")


@pytest.mark.parametrize(("package", "module"), [("torch", "transformers"), ("peft", "adapters")])
def test_a_package_that_is_not_installed_is_named_with_its_extra(
    package: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"gorilla_rag.generate.{module}", raising=False)
    with pytest.raises(ExtraMissing, match=rf"{package} .*gorilla-rag\[transformers\]"):
        importlib.import_module(f"gorilla_rag.generate.{module}")


# Adapters


def adapter(folder: Path, target: Path, tokenizer: Any, *, base: str = "", kind: str = "lora", **changes: Any) -> Path:
    """A random adapter for a model like the tiny one, saved as PEFT saves it."""
    torch.manual_seed(1)
    if kind == "lora":
        config: Any = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    else:
        config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    made = peft.get_peft_model(models.qwen(tokenizer, **changes), config)
    made.peft_config["default"].base_model_name_or_path = base or str(folder)
    made.save_pretrained(target)
    return target


def test_an_adapter_changes_what_the_model_says(
    folder: Path, tokenizer: Any, tmp_path: Path, tiny: TransformersGenerator
) -> None:
    made = TransformersGenerator(folder, adapter=adapter(folder, tmp_path / "lora", tokenizer), device="cpu")
    assert made.id == f"{folder} + lora"
    assert made.sha256 not in ("", tiny.sha256)
    assert made.label_log_probabilities(HELLO, "", "ABC")[0] != tiny.label_log_probabilities(HELLO, "", "ABC")[0]
    assert written(made.stream(HELLO, '"', grammar=CALLS, max_tokens=60))[0].startswith("sklearn.cluster.")


MISFITS: dict[str, dict[str, Any]] = {
    "another name": {"base": "someone/tiny-llama"},
    "wider": {"hidden_size": 128},
    "more layers": {"num_hidden_layers": 3},
    "fewer layers": {"num_hidden_layers": 1},
}


@pytest.mark.parametrize("changes", MISFITS.values(), ids=MISFITS)
def test_an_adapter_for_another_model_is_a_mismatch(
    folder: Path, tokenizer: Any, tmp_path: Path, changes: dict[str, Any]
) -> None:
    made = adapter(folder, tmp_path / "lora", tokenizer, **changes)
    with pytest.raises(AdapterMismatch, match="'lora'"):
        TransformersGenerator(folder, adapter=made, device="cpu")


def test_an_adapter_without_any_place_in_the_model_is_a_mismatch(folder: Path, tokenizer: Any, tmp_path: Path) -> None:
    made = adapter(folder, tmp_path / "lora", tokenizer)
    config = json.loads((made / "adapter_config.json").read_text(encoding="utf-8"))
    (made / "adapter_config.json").write_text(json.dumps(config | {"target_modules": ["c_attn"]}), encoding="utf-8")
    with pytest.raises(AdapterMismatch, match="c_attn"):
        TransformersGenerator(folder, adapter=made, device="cpu")


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_file_of_an_adapter_that_is_missing_or_damaged_is_named(
    folder: Path, tokenizer: Any, tmp_path: Path, file: str
) -> None:
    made = adapter(folder, tmp_path / "lora", tokenizer)
    (made / file).write_bytes(b"[]")
    with pytest.raises(ModelCorrupt, match=file.split(".")[0]):
        TransformersGenerator(folder, adapter=made, device="cpu")
    (made / file).unlink()
    with pytest.raises(ModelMissing, match=file):
        TransformersGenerator(folder, adapter=made, device="cpu")


def test_an_adapter_is_not_a_model_and_one_that_adds_to_the_prompt_is_refused(
    folder: Path, tokenizer: Any, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="adapter"):
        TransformersGenerator(adapter(folder, tmp_path / "lora", tokenizer))
    made = adapter(folder, tmp_path / "prompt", tokenizer, kind="prompt")
    with pytest.raises(UsageError, match="PROMPT_TUNING"):
        TransformersGenerator(folder, adapter=made, device="cpu")


# The embedded model's weights


@pytest.fixture(scope="module")
def unpacked() -> TransformersGenerator:
    return TransformersGenerator(registry.GENERATOR, device="cpu")


def test_the_embedded_weights_choose_as_under_llama_cpp(
    unpacked: TransformersGenerator, generator: LlamaCppGenerator
) -> None:
    assert (unpacked.id, unpacked.sha256) == (generator.id, generator.sha256)
    docs = starter.documents()
    for place in (0, 8):
        shown = [Candidate((Hit(doc, 1.0, 1),)) for doc in docs[place : place + 3]]
        asked = docs[place + 1].functionality
        messages, count = prompt.choosing(asked, shown, unpacked.context, unpacked.count_tokens)
        assert (messages, count) == prompt.choosing(asked, shown, generator.context, generator.count_tokens)
        ours, usage = unpacked.label_log_probabilities(messages, prompt.CHOICE_PREFILL, "ABC", reuse=False)
        theirs, used = generator.label_log_probabilities(messages, prompt.CHOICE_PREFILL, "ABC", reuse=False)
        assert usage == used
        assert ours == pytest.approx(theirs, abs=0.5)  # llama.cpp rounds activations to 8 bits


def test_a_quantised_file_is_not_quantised_again(unpacked: TransformersGenerator) -> None:
    assert unpacked.count_tokens("two words") == 2
    with pytest.raises(UsageError, match="already"):
        TransformersGenerator(registry.weights(registry.GENERATOR), device="cpu", quantize="4bit")


def test_llama_cpp_loads_another_file_of_weights(tmp_path: Path) -> None:
    file = tmp_path / "copy.gguf"
    shutil.copyfile(registry.weights(registry.GENERATOR), file)
    made = LlamaCppGenerator(weights=file)
    assert (made.id, made.sha256) == ("copy", "")
    assert made.count_tokens("two words") == 2
    file.write_bytes(b"GGUF")
    with pytest.raises(GorillaError, match="can't be loaded"):
        LlamaCppGenerator(weights=file)


def test_an_own_document_is_answered_by_the_unpacked_weights(unpacked: TransformersGenerator) -> None:
    docs = [
        ApiDoc(id="a", api_call="shop.refund(share=1)", functionality="give a customer money back"),
        ApiDoc(id="b", api_call="shop.ship(order)", functionality="send an order"),
    ]
    answer = Gorilla.from_docs(docs, generator=lambda: unpacked).ask("give the money back", chooser="model")
    assert answer.api_call in {"shop.refund(share=1)", "shop.ship(order)"}
    assert answer.explanation.endswith(".")
