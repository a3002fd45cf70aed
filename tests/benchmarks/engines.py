"""The same model under llama.cpp and under transformers: whether they choose and write the same, and how fast.

llama.cpp multiplies the embedded Q4_1 weights with activations that it rounds to 8 bits; transformers unpacks the
weights first. So both are also compared over a GGUF of the unpacked weights in fp16, where only the order of sums and
the rounding of steps between differ. In fp16, a processor without such arithmetic sums in float32 and rounds what
comes out, which is what GPUs do.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from gorilla_rag import Gorilla, starter
from gorilla_rag.evaluate import apibench
from gorilla_rag.generate import prompt, schema, sentence
from gorilla_rag.generate.base import Generator, Message, Usage
from gorilla_rag.generate.checkpoint import Dtype
from gorilla_rag.generate.llama_cpp import CONTEXT, LlamaCppGenerator
from gorilla_rag.generate.transformers import TransformersGenerator
from gorilla_rag.models import registry
from tests.benchmarks.measure import Row

PROMPTS = 200
TEXTS = 12
_LIMIT = 60
Asked = tuple[list[Message], str]


class WideSums(TorchFunctionMode):
    """Multiplies matrices of fp16 with sums in float32."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.linear and args[0].dtype == torch.float16:
            return func(*(part.float() for part in args if part is not None)).half()
        return func(*args, **(kwargs or {}))


def rows() -> Iterator[Row]:
    """Choices over 200 prompts, texts over 12, tokens a second with a grammar and without."""
    with TemporaryDirectory() as folder:
        wide = Path(folder) / "model-f16.gguf"
        unpack(registry.weights(registry.GENERATOR), wide)
        stock = LlamaCppGenerator()
        choosing, writing = _asked(stock)
        chosen = {"llama.cpp Q4_1": _choices(stock, choosing)}
        texts = {"llama.cpp Q4_1": _texts(stock, writing)}
        speeds = {"llama.cpp Q4_1": _speeds(stock, writing)}
        fine = LlamaCppGenerator(weights=wide)
        chosen["llama.cpp F16"], texts["llama.cpp F16"] = _choices(fine, choosing), _texts(fine, writing)
        speeds["llama.cpp F16"] = _speeds(fine, writing)
    for dtype in ("float32", "float16"):
        name, made = f"transformers {dtype}", _transformers(dtype)
        with _arithmetic(dtype):
            chosen[name], texts[name] = _choices(made, choosing), _texts(made, writing)
        if dtype == "float32":
            speeds[name] = _speeds(made, writing)
    yield from _agreement(chosen, texts)
    for name, (constrained, free) in speeds.items():
        yield Row(f"{name}, constrained", constrained, "tokens/s", "", f"unconstrained {free:.1f}")


def unpack(source: Path, target: Path) -> None:
    """Writes a GGUF's weights in fp16, vectors in float32; what it says of architecture and tokenizer is copied."""
    import gguf

    read = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, str(read.fields["general.architecture"].contents()))
    for name, field in read.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), field.types[0], inner)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    for tensor in read.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, values.astype("float16") if values.ndim > 1 else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _transformers(dtype: Dtype) -> TransformersGenerator:
    return TransformersGenerator(registry.GENERATOR, dtype=dtype)


def _arithmetic(dtype: Dtype) -> AbstractContextManager[Any]:
    return WideSums() if dtype == "float16" and not torch.cuda.is_available() else nullcontext()


def _questions() -> list[str]:
    """Of every part of the corpus: published ones where the data are, else what each document does."""
    if data := os.environ.get("DATA", ""):
        hubs = [apibench.load(name, Path(data) / "apibench").questions for name in apibench.NAMES]
        mixed = [question.text for row in zip(*hubs, strict=False) for question in row]
    else:
        mixed = [doc.functionality for doc in starter.documents()]
    return list(dict.fromkeys(mixed))[:PROMPTS]


def _asked(model: Generator) -> tuple[list[tuple[Asked, int]], list[tuple[Asked, str, int]]]:
    """Prompts to choose by, with how many labels; prompts to explain by, with their grammars and limits."""
    gorilla = Gorilla.load()
    choosing: list[tuple[Asked, int]] = []
    writing: list[tuple[Asked, str, int]] = []
    for question in _questions():
        candidates = gorilla.index.candidates(question, k=5)
        messages, shown = prompt.choosing(question, candidates, CONTEXT, model.count_tokens)
        choosing.append(((messages, prompt.CHOICE_PREFILL), shown))
        if len(writing) < TEXTS:
            doc = candidates[0].doc
            asked = prompt.writing(question, doc, "A", "{}", CONTEXT, model.count_tokens)
            writing.append((asked, *sentence.grammar(asked[0][-1]["content"])))
    gorilla.index.close()
    return choosing, writing


def _choices(model: Generator, asked: Sequence[tuple[Asked, int]]) -> list[int]:
    """The most likely label of each prompt."""
    found = []
    for prompted, shown in asked:
        scores, _ = model.label_log_probabilities(*prompted, schema.LABELS[:shown], reuse=False)
        found.append(max(range(shown), key=scores.__getitem__))
    return found


def _texts(model: Generator, asked: Sequence[tuple[Asked, str, int]]) -> list[str]:
    """What is written under a grammar, and then without one."""
    texts = []
    for (messages, begun), grammar, limit in asked:
        for rules, most in ((grammar, limit), (None, _LIMIT)):
            items = model.stream(messages, begun, grammar=rules, max_tokens=most, reuse=False)
            texts.append("".join(item for item in items if isinstance(item, str)))
    return texts


def _speeds(model: Generator, asked: Sequence[tuple[Asked, str, int]]) -> tuple[float, float]:
    """Median tokens a second of writing, the prompt read before: with the grammar, and without."""
    speeds: tuple[list[float], list[float]] = ([], [])
    for (messages, begun), grammar, _ in asked:
        model.label_log_probabilities(messages, begun, "A", reuse=False)
        for rules, found in zip((grammar, None), speeds, strict=True):
            start, items = time.perf_counter(), list(model.stream(messages, begun, grammar=rules, max_tokens=_LIMIT))
            usage = items[-1]
            found.append((usage.completion if isinstance(usage, Usage) else 0) / (time.perf_counter() - start))
    return statistics.median(speeds[0]), statistics.median(speeds[1])


def _agreement(chosen: Mapping[str, Sequence[int]], texts: Mapping[str, Sequence[str]]) -> Iterator[Row]:
    pairs = (
        ("llama.cpp F16", "transformers float16", ">= 98"),
        ("llama.cpp F16", "transformers float32", ">= 98"),
        ("llama.cpp Q4_1", "transformers float16", ""),
        ("llama.cpp Q4_1", "transformers float32", ""),
        ("llama.cpp Q4_1", "llama.cpp F16", ""),
    )
    for one, other, bar in pairs:
        note = f"{len(chosen[one])} prompts; same text {_same(texts[one], texts[other]):.0f} % of {len(texts[one])}"
        yield Row(f"same choice, {one} and {other}", _same(chosen[one], chosen[other]), "%", bar, note)


def _same(one: Sequence[Any], other: Sequence[Any]) -> float:
    return 100 * statistics.fmean(a == b for a, b in zip(one, other, strict=True))
