"""The 7B shape with random weights, the whole way: training, a stop, going on, merging, constrained answers.

Shows that nothing on the way breaks at that size, what it takes and how fast it is. It says nothing of accuracy: random
weights know nothing. The shape is Qwen2.5-Coder-7B-Instruct's; on a processor two of its 28 layers.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import Qwen2Config, Qwen2ForCausalLM

from gorilla_rag import Gorilla, starter
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.errors import GenerationFailed
from gorilla_rag.generate import checkpoint
from gorilla_rag.generate.adapter_card import GGUF
from gorilla_rag.generate.transformers import TransformersGenerator
from gorilla_rag.models import registry
from gorilla_rag.train.adapter import train_adapter
from gorilla_rag.train.merge import merge_adapter
from gorilla_rag.train.settings import AdapterSettings
from gorilla_rag.train.turns import Turn
from tests.benchmarks.warm import QUESTIONS

RECIPE = Path("examples/train/qwen2.5-coder-7b-lora.yaml")
LAYERS = 28
SHAPE: Mapping[str, Any] = {
    "vocab_size": 152064,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "max_position_embeddings": 32768,
    "rope_theta": 1e6,
    "tie_word_embeddings": False,
}


class Stopped(Exception):
    """A training that is stopped on purpose."""


def measured(turns: Sequence[Turn], work: Path, *, layers: int, steps: int, device: str) -> dict[str, Any]:
    """Makes the model, trains on one batch, stops half way, goes on, merges and asks.

    Args:
        turns: as many as the recipe's batch are learnt from, again and again.
        work: a folder that has room for the model twice.
        layers: of the model.
        steps: of the training.
        device: of torch.

    Returns:
        Losses, seconds, tokens a second and peak memory, by name.
    """
    base = made(work / f"shape-{layers}", layers, device)
    said = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    named = {name: value for name, value in said.items() if name in AdapterSettings.__dataclass_fields__}
    # A single batch, again and again, without dropout: its loss has to fall.
    settings = replace(AdapterSettings(**named), epochs=steps, checks=1, dropout=0.0, device=device)
    if device == "cpu":
        settings = replace(settings, quantize=None, packing=False)
    batch, out = turns[: settings.batch], work / f"adapter-{layers}"
    began = time.perf_counter()

    def stop(what: str, done: int, total: int) -> None:
        print(f"[{time.perf_counter() - began:.0f}] {what} {done}/{total}", flush=True)
        if done == total // 2 + 1 and not (out / "stopped").exists():
            (out / "stopped").touch()
            raise Stopped

    with suppress(Stopped):
        train_adapter(batch, base, out, settings=settings, progress=stop)
    trained = train_adapter(batch, base, out, settings=settings, resume=True, progress=stop)
    seconds = trained.seconds / (steps - steps // 2)
    found: dict[str, Any] = {
        "layers": layers,
        "steps": trained.steps,
        "losses": trained.losses,
        "GGUF": (trained.folder / GGUF).exists(),
        "training, seconds a step": round(seconds, 2),
        "training, tokens a second": round(_tokens(batch) / seconds),
        "training, peak memory": _peak(device),
    }
    merged = work / f"merged-{layers}"
    if not merged.exists():
        merge_adapter(base, trained.folder, merged)
    return found | _answered(merged, device)


def made(folder: Path, layers: int, device: str) -> Path:
    """The model with random weights, and SmolLM2's tokenizer, whose tokens are fewer than its rows."""
    if (folder / "config.json").exists():
        return folder
    torch.manual_seed(0)
    tokenizer = checkpoint.tokenizer(checkpoint.find(registry.GENERATOR))
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model = Qwen2ForCausalLM(
                Qwen2Config(**SHAPE, num_hidden_layers=layers, eos_token_id=tokenizer.eos_token_id)
            )
    finally:
        torch.set_default_dtype(before)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokens(turns: Sequence[Turn]) -> int:
    tokenizer = checkpoint.tokenizer(checkpoint.find(registry.GENERATOR))
    texts = ("".join(message["content"] for message in turn.messages) + turn.prefill + turn.target for turn in turns)
    return sum(len(tokenizer(text)["input_ids"]) for text in texts)


def _peak(device: str) -> str:
    if device == "cpu":
        return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB of the process"
    peak = torch.cuda.max_memory_allocated() / 1e9
    torch.cuda.reset_peak_memory_stats()
    return f"{peak:.1f} GB of the GPU"


def _answered(model: Path, device: str) -> dict[str, Any]:
    """How many answers hold to their grammars and documents, and how fast they are written.

    `none` is an answer too: what random weights say is as good as what they call.
    """
    generator = TransformersGenerator(model, device=device, dtype="bfloat16")
    gorilla = Gorilla.load(starter.ensure(EmbeddedEncoder), generator=lambda: generator)
    valid, nones, tokens, began = 0, 0, 0, time.perf_counter()
    for question in QUESTIONS:
        try:
            answer = gorilla.ask(question, chooser="model")
        except GenerationFailed as error:
            print(f"not valid: {error}")
            continue
        nones += answer.refused
        valid += answer.refused or (answer.verdict.outcome("documented") == "passed" and bool(answer.explanation))
        tokens += answer.tokens["completion"]
    seconds = time.perf_counter() - began
    return {
        "valid": f"{valid} of {len(QUESTIONS)}, {nones} of them none",
        "answering, tokens written a second": round(tokens / seconds, 2),
        "answering, seconds an answer": round(seconds / len(QUESTIONS), 1),
        "answering, peak memory": _peak(device),
    }
