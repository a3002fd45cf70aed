"""A cross-encoder: reads a question and a document together and gives one number. Trains one, runs it, exports it.

Knows texts; where they come from and what the number is used for is the business of others.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup

from gorilla_rag.encoders.bf16 import has_fast_bf16
from gorilla_rag.encoders.tokens import BATCH_TOKENS, Inputs, by_length
from gorilla_rag.files import write_bytes
from tests.benchmarks.retriever.training import Tell

LONGEST = 96
BATCH, LEARNING_RATE = 16, 8e-5
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
Listed = tuple[str, Sequence[str]]
"""A question and as many documents as every other's, of which the first is right."""
Run = Callable[[Inputs], npt.NDArray[np.float32]]
"""A number for each row, by torch or ONNX Runtime."""
Reader = Callable[[str, Sequence[str]], list[float]]
"""A number for each document, given a question."""


def reader(folder: Path, run: Run) -> Reader:
    """What scores documents, with the tokenizer of a model's folder."""
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def read(question: str, texts: Sequence[str]) -> list[float]:
        made = np.empty(len(texts), dtype=np.float32)
        for rows, inputs in _batches(tokenizer, [question] * len(texts), texts):
            made[rows] = run(inputs)
        return [float(one) for one in made]

    return read


def by_torch(folder: Path) -> Run:
    """The model by torch, in bf16 where that is the faster."""
    model = _opened(folder).eval()
    made: Run = torch.inference_mode()(lambda inputs: _logits(model, inputs).numpy())
    return made


def by_onnx(graph: Path) -> Run:
    """The model by ONNX Runtime, as its graph is."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    return lambda inputs: np.asarray(session.run(None, {name: inputs[name] for name in INPUTS})[0])[:, 0]


def exported(folder: Path) -> tuple[Path, Path]:
    """Graphs of the model in float32 and with int8 weights, made unless they are there."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole, small = folder / "model.onnx", folder / "model-int8.onnx"
    if not small.is_file():
        sample = AutoTokenizer.from_pretrained(folder)(["a", "b"], ["c d", "e f"], return_tensors="pt")
        axes = {0: torch.export.Dim("rows"), 1: torch.export.Dim("tokens")}
        program: Any = torch.onnx.export(
            _opened(folder).eval(),
            kwargs={name: sample[name] for name in INPUTS},
            input_names=list(INPUTS),
            dynamic_shapes=dict.fromkeys(INPUTS, axes),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        graph = program.model_proto
        del graph.graph.value_info[:]  # the quantizer transposes a matrix in place, and its shape is then another
        write_bytes(whole, graph.SerializeToString())
        quantize_dynamic(str(whole), str(small), weight_type=QuantType.QInt8)
    return whole, small


def train(rows: Sequence[Listed], base: Path, out: Path, *, tell: Tell) -> None:
    """Trains on lists by the cross-entropy of the right document among the others; word embeddings stay as they are.

    Source: Nogueira, Cho, "Passage Re-ranking with BERT", arXiv 1901.04085; the loss over a list of hard negatives is
    that of Gao, Dai, Callan, "Rethink Training of BERT Rerankers", ECIR 2021 (arXiv 2101.08751).
    """
    torch.manual_seed(0)
    model, tokenizer = _opened(base).train(), AutoTokenizer.from_pretrained(base)
    model.get_input_embeddings().weight.requires_grad_(False)
    trained = [one for one in model.parameters() if one.requires_grad]
    total = len(rows) // BATCH
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=0.01)
    rate = get_linear_schedule_with_warmup(optimizer, total // 10, total)
    shuffled = random.Random(0).sample(rows, len(rows))
    losses: list[float] = []
    for step in range(total):
        loss = _loss(model, tokenizer, shuffled[step * BATCH : (step + 1) * BATCH])
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        rate.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if len(losses) % 20 == 0:
            tell(f"{len(losses)}/{total}, loss {np.mean(losses[-20:]):.3f}")
    partial = out.with_name(f".{out.name}.partial")
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    partial.replace(out)


def _loss(model: Any, tokenizer: Any, rows: Sequence[Listed]) -> torch.Tensor:
    pairs = [(question, text) for question, texts in rows for text in texts]
    order: list[int] = []
    found = []
    for places, inputs in _batches(tokenizer, *zip(*pairs, strict=True)):
        order += places
        found.append(_logits(model, inputs))
    by_row = torch.cat(found)[torch.tensor(order).argsort()].view(len(rows), -1)
    return torch.nn.functional.cross_entropy(by_row, torch.zeros(len(rows), dtype=torch.long))


def _batches(tokenizer: Any, questions: Sequence[str], texts: Sequence[str]) -> Iterator[tuple[list[int], Inputs]]:
    """Pairs of like length, with their positions."""
    encoded = tokenizer(list(questions), list(texts), truncation=True, max_length=LONGEST)
    for rows in by_length([len(ids) for ids in encoded["input_ids"]], BATCH_TOKENS):
        given = {name: [encoded[name][row] for row in rows] for name in INPUTS}
        yield rows, dict(tokenizer.pad(given, return_tensors="np"))


def _logits(model: Any, inputs: Inputs) -> torch.Tensor:
    """In bf16 where that is the faster."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_fast_bf16()):
        found: torch.Tensor = model(**{name: torch.from_numpy(values) for name, values in inputs.items()}).logits
    return found.float().squeeze(1)


def _opened(folder: Path) -> Any:
    return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
