"""Small sentence-transformers models, made on the spot: random weights, tokenizers trained on the starter corpus."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Router, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers import models as tokenizer_models
from tokenizers.trainers import BpeTrainer, UnigramTrainer, WordPieceTrainer
from transformers import (
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2Model,
    XLMRobertaConfig,
    XLMRobertaModel,
)
from transformers.utils import logging as transformers_logging

from gorilla_rag import starter
from gorilla_rag.text import encoder_text

WIDTH, LONGEST = 32, 48
PROMPTS = {"query": "search for: ", "document": "entry: "}
_SIZE = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 600,
    # With the usual, small weights every text has nearly the same vector.
    "initializer_range": 0.5,
}


def save(name: str, folder: Path) -> Path:
    """Saves a model by name: its architecture, tokenizer and modules differ from those of the others."""
    torch.manual_seed(7)
    transformers_logging.disable_progress_bar()
    modules, prompts = MODELS[name](folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SentenceTransformer(modules=modules, prompts=dict(prompts), device="cpu")
        if name == "cut":
            model.truncate_dim = WIDTH // 2
        model.save(str(folder / name))
    return folder / name


def bert(folder: Path) -> tuple[list[torch.nn.Module], Mapping[str, str]]:
    """WordPiece, mean pooling, a dense layer, unit length, two prompts."""
    modules = [_transformer(_bert(), wordpiece(), folder), Pooling(WIDTH, "mean"), Dense(WIDTH, 24), Normalize()]
    return modules, PROMPTS


def typed(folder: Path) -> tuple[list[torch.nn.Module], Mapping[str, str]]:
    """A tokenizer that gives words another type than its own marks; the first token's vector, of any length."""
    return [_transformer(_bert(), wordpiece(word_type=1), folder), Pooling(WIDTH, "cls")], {"passage": "text: "}


def xlmr(folder: Path) -> tuple[list[torch.nn.Module], Mapping[str, str]]:
    """Unigram, filled up with token 1, from which positions are counted; the maximum of the tokens' vectors."""
    model = XLMRobertaModel(XLMRobertaConfig(**_SIZE, max_position_embeddings=LONGEST + 2, pad_token_id=1))
    return [_transformer(model, unigram(), folder), Pooling(WIDTH, "max")], {}


def qwen(folder: Path) -> tuple[list[torch.nn.Module], Mapping[str, str]]:
    """Causal, BPE without marks, filled up in front; the last token's vector; a prompt for questions alone."""
    model = Qwen2Model(Qwen2Config(**_SIZE, num_key_value_heads=1, max_position_embeddings=LONGEST))
    return [_transformer(model, bpe(), folder), Pooling(WIDTH, "lasttoken")], {"query": "Instruct: find it\nQuery: "}


def static(folder: Path) -> tuple[list[torch.nn.Module], Mapping[str, str]]:
    """The mean of the words' vectors, without any transformer."""
    return [StaticEmbedding(_trained_wordpiece(), embedding_dim=WIDTH)], {}


def routed(folder: Path) -> tuple[list[torch.nn.Module], Mapping[str, str]]:
    """Other modules for questions than for documents."""
    documents = [_transformer(_bert(), wordpiece(), folder), Pooling(WIDTH, "mean")]
    questions = [StaticEmbedding(_trained_wordpiece(), embedding_dim=WIDTH)]
    return [Router.for_query_document(query_modules=questions, document_modules=documents)], {}


def without_prompt(folder: Path) -> tuple[list[torch.nn.Module], Mapping[str, str]]:
    """Pooling that leaves the prompt's tokens out."""
    return [_transformer(_bert(), wordpiece(), folder), Pooling(WIDTH, "mean", include_prompt=False)], PROMPTS


def cut(folder: Path) -> tuple[list[torch.nn.Module], Mapping[str, str]]:
    """Vectors of which only the first half is kept."""
    return [_transformer(_bert(), wordpiece(), folder), Pooling(WIDTH, ("mean", "weightedmean"))], {}


MODELS: Mapping[str, Callable[[Path], tuple[list[torch.nn.Module], Mapping[str, str]]]] = {
    made.__name__: made for made in (bert, typed, xlmr, qwen, static, routed, without_prompt, cut)
}


def wordpiece(*, word_type: int = 0) -> PreTrainedTokenizerFast:
    """BERT's kind of tokenizer."""
    trained = _trained_wordpiece()
    trained.post_processor = processors.TemplateProcessing(
        single=f"[CLS]:0 $A:{word_type} [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    marks = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return _fast(trained, **marks, model_input_names=["input_ids", "token_type_ids", "attention_mask"])


def unigram() -> PreTrainedTokenizerFast:
    """XLM-R's kind of tokenizer."""
    trained = Tokenizer(tokenizer_models.Unigram())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    marks = ["<s>", "<pad>", "</s>", "<unk>"]
    trained.train_from_iterator(
        texts(), UnigramTrainer(vocab_size=600, special_tokens=marks, unk_token="<unk>", show_progress=False)
    )
    trained.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return _fast(trained, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>")


def bpe() -> PreTrainedTokenizerFast:
    """Qwen's kind of tokenizer."""
    trained = Tokenizer(tokenizer_models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=600, special_tokens=["<|end|>"], initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator(texts(), trainer)
    return _fast(trained, pad_token="<|end|>", eos_token="<|end|>", padding_side="left")


@cache
def texts() -> Sequence[str]:
    """What tokenizers are trained on."""
    return [encoder_text(doc) for doc in starter.documents()]


def _trained_wordpiece() -> Tokenizer:
    trained = Tokenizer(tokenizer_models.WordPiece(unk_token="[UNK]"))
    trained.normalizer = normalizers.BertNormalizer(lowercase=True)
    trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trained.train_from_iterator(texts(), WordPieceTrainer(vocab_size=600, special_tokens=marks, show_progress=False))
    return trained


def _fast(trained: Tokenizer, **about: Any) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=trained, model_max_length=LONGEST, **about)


def _bert() -> BertModel:
    return BertModel(BertConfig(**_SIZE, max_position_embeddings=LONGEST))


def _transformer(model: Any, tokenizer: PreTrainedTokenizerFast, folder: Path) -> Transformer:
    raw = folder / f"raw-{type(model).__name__}-{type(tokenizer).__name__}"
    model.save_pretrained(raw)
    tokenizer.save_pretrained(raw)
    return Transformer(str(raw))
