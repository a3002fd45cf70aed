"""How much is measured: the sizes of everything, by the name of a scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

ScaleName = Literal["full", "small"]
SCALES: tuple[ScaleName, ...] = get_args(ScaleName)
SectionName = Literal["bandwidth", "encoding", "dense", "bm25", "generation"]
SECTIONS: tuple[SectionName, ...] = get_args(SectionName)
SEED = 0


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes.

    Attributes:
        copied_bytes: of the memory that is copied to measure bandwidth.
        texts: documents to encode.
        vectors: how many vectors are searched, one section each.
        dimension: of the vectors.
        documents: scored by words.
        vocabulary: different words in them.
        batches: questions searched together.
        model: the language model's shape, as Qwen2's configuration names it.
        prompts: texts that it writes together.
        tokens: how many it writes of each.
    """

    copied_bytes: int
    texts: int
    vectors: tuple[int, ...]
    dimension: int
    documents: int
    vocabulary: int
    batches: tuple[int, ...]
    model: Mapping[str, Any]
    prompts: tuple[int, ...]
    tokens: int


# Qwen2.5-7B's own numbers.
_QWEN_7B = {
    "vocab_size": 152_064,
    "hidden_size": 3584,
    "intermediate_size": 18_944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "max_position_embeddings": 32_768,
    "rms_norm_eps": 1e-6,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
    "tie_word_embeddings": False,
}
_TINY = _QWEN_7B | {
    "vocab_size": 4096,
    "hidden_size": 64,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
TABLE: Mapping[ScaleName, Scale] = {
    "full": Scale(
        copied_bytes=8 << 30,
        texts=10_000,
        vectors=(1_000_000, 10_000_000),
        dimension=384,
        documents=1_000_000,
        vocabulary=200_000,
        batches=(1, 16, 256),
        model=_QWEN_7B,
        prompts=(1, 8, 64),
        tokens=128,
    ),
    "small": Scale(
        copied_bytes=64 << 20,
        texts=20,
        vectors=(5000, 20_000),
        dimension=384,
        documents=10_000,
        vocabulary=5000,
        batches=(1, 16, 256),
        model=_TINY,
        prompts=(1, 8, 64),
        tokens=8,
    ),
}
