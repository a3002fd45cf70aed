"""Whether an adapter does the same in llama.cpp as in transformers with PEFT, both in half precision.

Of each prompt the logits of 62 tokens for what comes next, with their mean taken off, so that a cosine is that of what
tells the tokens apart.
"""

from __future__ import annotations

import json
import shutil
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import peft
import torch

from gorilla_rag.digests import sha256
from gorilla_rag.generate import adapter_card, checkpoint, llama_cpp
from gorilla_rag.generate.base import Generator
from gorilla_rag.generate.llama_cpp import LlamaCppGenerator
from gorilla_rag.generate.transformers import TransformersGenerator
from gorilla_rag.models import registry
from gorilla_rag.train.turns import Turn
from tests.half_precision import in_half

PROMPTS = 50
TOKENS = [*string.ascii_letters, *string.digits]
_ALL = 1 << 16
Scores = npt.NDArray[np.float64]


def measured(turns: Sequence[Turn], base: str, adapter: Path, work: Path) -> dict[str, Any]:
    """The cosines of both engines' logits over prompts drawn evenly from these turns, with the adapter and without.

    Args:
        turns: whose prompts are read.
        base: the registry's name of the model that the adapter was trained on.
        adapter: the folder that PEFT saved, with the GGUF adapter in it.
        work: keeps the base in half precision.
    """
    half = work / f"{base}-F16.gguf"
    if not half.exists():
        in_half(registry.weights(base), half)
    there = torch.device("cpu")
    model, tokenizer = checkpoint.load(checkpoint.find(half), device=there, dtype="float32", quantize=None)
    adapted = peft.PeftModel.from_pretrained(model, str(adapter)).eval()
    plain, llama_cpp.TOP = llama_cpp.TOP, _ALL
    try:
        engines: dict[str, Generator] = {
            "PEFT": TransformersGenerator.from_model(adapted, tokenizer, id="PEFT"),
            "llama.cpp": LlamaCppGenerator(weights=half, adapter=_for(half, adapter, work)),
            "llama.cpp without the adapter": LlamaCppGenerator(weights=half),
        }
        picked = turns[:: max(1, len(turns) // PROMPTS)][:PROMPTS]
        found = {name: [_scores(engine, turn) for turn in picked] for name, engine in engines.items()}
    finally:
        llama_cpp.TOP = plain
    wanted = found.pop("PEFT")
    told: dict[str, Any] = {"prompts": len(picked), "tokens": len(TOKENS)}
    for name, own in found.items():
        cosines = [_cosine(one, other) for one, other in zip(wanted, own, strict=True)]
        apart = max(float(np.abs(one - other).max()) for one, other in zip(wanted, own, strict=True))
        told[name] = {"least cosine": min(cosines), "mean cosine": float(np.mean(cosines)), "most apart": apart}
    return told


def _for(half: Path, adapter: Path, work: Path) -> Path:
    """The adapter's folder with a card for the base in half precision, which holds the same numbers."""
    folder = work / "for-half"
    folder.mkdir(exist_ok=True)
    said = json.loads((adapter / adapter_card.CARD).read_text(encoding="utf-8"))
    said["base"] = {"name": half.stem, "sha256": sha256(half)}
    (folder / adapter_card.CARD).write_text(json.dumps(said), encoding="utf-8")
    shutil.copyfile(adapter / adapter_card.GGUF, folder / adapter_card.GGUF)
    return folder


def _scores(engine: Generator, turn: Turn) -> Scores:
    found, _ = engine.label_log_probabilities(list(turn.messages), turn.prefill, TOKENS, reuse=False)
    mean = sum(found) / len(found)
    return np.array([one - mean for one in found])


def _cosine(one: Scores, other: Scores) -> float:
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))
