"""Random models small enough to be trained and asked in a test: real architectures, a real tokenizer, real files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from gorilla_rag import starter

ENDS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def tokenizer() -> Any:
    """A byte-level BPE tokenizer with Qwen's special tokens, trained on the starter corpus."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=ENDS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator([f"{doc.description} {doc.api_call}" for doc in starter.documents()], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=ENDS[2], pad_token=ENDS[0], chat_template=CHATML, bos_token=None
    )


def qwen(tokenizer: Any, *, seed: int = 0, **changes: Any) -> Any:
    """A random model of Qwen2.5's architecture, with more rows than the tokenizer has tokens, as Qwen's."""
    torch.manual_seed(seed)
    shape = _SHAPE | {
        "vocab_size": len(tokenizer) + 36,
        "intermediate_size": 192,
        "max_position_embeddings": 4096,
        "initializer_range": 0.5,
        "eos_token_id": tokenizer.eos_token_id,
    }
    return Qwen2ForCausalLM(Qwen2Config(**(shape | changes))).eval()


def llama(tokenizer: Any) -> Any:
    """A random model of Llama's architecture, as small as one that still learns a turn by heart."""
    torch.manual_seed(0)
    shape = _SHAPE | {"intermediate_size": 128, "initializer_range": 0.3}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id, **shape)).eval()


def saved(target: Path, model: Any, tokenizer: Any) -> Path:
    """A model's folder."""
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return target
