"""An adapter in llama.cpp gives what it gives in transformers: the embedded model's weights, in half precision."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch

from gorilla_rag import starter
from gorilla_rag.digests import sha256
from gorilla_rag.errors import AdapterMismatch, ModelMissing
from gorilla_rag.generate import adapter_card, checkpoint, llama_cpp
from gorilla_rag.generate.llama_cpp import LlamaCppGenerator
from gorilla_rag.generate.prompt import PROMPT_VERSION
from gorilla_rag.generate.transformers import TransformersGenerator
from gorilla_rag.models import registry
from gorilla_rag.train import adapter_gguf
from gorilla_rag.train.adapter import PROJECTIONS
from gorilla_rag.train.adapter_gguf import write_gguf
from tests.half_precision import in_half

PROMPTS = 6
LLAMA = {"model_type": "llama", "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3}
LABELS = list("ABCDEFGHIJKLMNOPQRST")


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded weights as half-precision numbers, which both engines read alike."""
    return in_half(registry.weights(registry.GENERATOR), tmp_path_factory.mktemp("half") / "smollm2.gguf")


@pytest.fixture(scope="module")
def adapted(half: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TransformersGenerator, Path]]:
    """The model in transformers with a random adapter that changes much, and the adapter's folder."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = checkpoint.find(half)
    model, tokenizer = checkpoint.load(found, device=torch.device("cpu"), dtype="float32", quantize=None)
    config = peft.LoraConfig(r=8, lora_alpha=16, target_modules=list(PROJECTIONS), task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, config).eval()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                weights.normal_(std=0.1)
    folder = tmp_path_factory.mktemp("adapter") / "random"
    model.save_pretrained(str(folder))
    assert model.config.to_dict().items() >= LLAMA.items()
    write_gguf(folder, LLAMA, folder / adapter_card.GGUF)
    card = {"base": {"sha256": sha256(half)}, "prompt_version": PROMPT_VERSION, "joint_weight": 0.25, "refuses": True}
    (folder / adapter_card.CARD).write_text(json.dumps(card), encoding="utf-8")
    yield TransformersGenerator.from_model(model, tokenizer, id="adapted"), folder
    torch.set_num_threads(before)


def scores(generator: Any, question: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    messages = [{"role": "system", "content": "Answer."}, {"role": "user", "content": question}]
    found, _ = generator.label_log_probabilities(messages, '{"choice": "', LABELS)
    return np.array(found)


def cosine(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    return float(one @ other / math.sqrt((one @ one) * (other @ other)))


def test_both_engines_score_labels_alike(
    half: Path, adapted: tuple[TransformersGenerator, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the rows turned, or without the adapter, they don't. Labels are scored however unlikely they are."""
    monkeypatch.setattr(llama_cpp, "TOP", 49_152)
    ours, folder = adapted
    theirs = LlamaCppGenerator(weights=half, adapter=folder)
    bare = LlamaCppGenerator(weights=half)
    assert (theirs.joint_weight, bare.joint_weight) == (0.25, 0.0)
    assert (theirs.refuses, bare.refuses) == (True, False)
    assert theirs.sha256 != bare.sha256
    monkeypatch.setattr(adapter_gguf, "ARCHITECTURES", {"llama": False})
    write_gguf(folder, LLAMA, folder / adapter_card.GGUF)
    unturned = LlamaCppGenerator(weights=half, adapter=folder)
    questions = [doc.functionality or doc.description for doc in starter.documents()[:PROMPTS]]
    wanted = [scores(ours, one) for one in questions]
    found = {name: [scores(one, asked) for asked in questions] for name, one in _named(theirs, bare, unturned)}
    apart = {
        name: [np.abs(one - other).max() for one, other in zip(wanted, own, strict=True)] for name, own in found.items()
    }
    assert min(cosine(one, other) for one, other in zip(wanted, found["theirs"], strict=True)) > 0.999
    assert max(apart["theirs"]) < 0.1
    assert min(*apart["bare"], *apart["unturned"]) > 2 * max(apart["theirs"])


def _named(*generators: LlamaCppGenerator) -> Iterator[tuple[str, LlamaCppGenerator]]:
    yield from zip(("theirs", "bare", "unturned"), generators, strict=True)


def test_an_adapter_without_its_files_or_for_other_weights_is_refused(
    half: Path, adapted: tuple[TransformersGenerator, Path], tmp_path: Path
) -> None:
    with pytest.raises(ModelMissing, match=adapter_card.CARD):
        LlamaCppGenerator(weights=half, adapter=tmp_path)
    with pytest.raises(AdapterMismatch, match="SHA-256"):
        LlamaCppGenerator(adapter=adapted[1])
