"""How fast a language model of some shape writes, alone and in batches, with a grammar and without.

Its weights are random, made on the device: speed doesn't depend on what they say. Prompts are those of an explanation
over documents of the starter corpus.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, Qwen2Config

from gorilla_rag import starter
from gorilla_rag.bench.settings import SEED
from gorilla_rag.bench.timing import timed
from gorilla_rag.generate import prompt
from gorilla_rag.generate.transformers import Request, TransformersGenerator
from gorilla_rag.text import bm25_text

_END = "<|endoftext|>"
_LEARNED = 8000
_SYLLABLES = [
    consonant + vowel for consonant in "bcdfghjklmnprstvwz" for vowel in ("a", "e", "i", "o", "u", "an", "er")
]
# One long text of words, as an explanation's grammar is, and longer than any run: it gives no token away.
_GRAMMAR = "%llguidance {}\nstart: WORDS\nWORDS: /( [a-z]{1,12}){1000}/"


def rows(
    shape: Mapping[str, Any],
    prompts: Sequence[int],
    tokens: int,
    device: torch.device,
    seconds: float,
    bandwidth: float | None,
) -> Iterator[dict[str, Any]]:
    """A row for each number of texts written together, without a grammar and with one.

    The time holds reading the prompts; `seconds_to_first_token` is that alone. `bandwidth_fraction` is what reading the
    weights once for each further token takes of `bandwidth` (bytes/s); `None` without it, or where noise hides it.

    Raises:
        GenerationFailed: the model failed; out of memory is one way.
    """
    model = random_model(shape, device)
    generator = TransformersGenerator.from_model(model, tokenizer(int(shape["vocab_size"])), id="random weights")
    weights = sum(parameter.nbytes for parameter in model.parameters())
    for count, constrained in itertools.product(prompts, (False, True)):
        requests = _requests(generator, count, tokens, constrained=constrained)
        begun = [Request(one.messages, one.prefill, grammar=one.grammar, max_tokens=1) for one in requests]
        first = timed(partial(generator.complete_many, begun), device, 0)
        whole = timed(partial(generator.complete_many, requests), device, seconds)
        used = [usage for _, usage in whole.result]
        written = sum(usage.completion for usage in used)
        writing = whole.seconds - first.seconds
        reading = weights * (tokens - 1) / writing if writing > 0 else None
        yield {
            "weights_bytes": weights,
            "batch": count,
            "constrained": constrained,
            "prompt_tokens": sum(usage.prompt for usage in used),
            "tokens": written,
            "seconds": whole.seconds,
            "seconds_to_first_token": first.seconds,
            "repeats": whole.repeats,
            "tokens_per_second": written / whole.seconds,
            "bandwidth_fraction": reading / bandwidth if reading and bandwidth else None,
        }


def random_model(shape: Mapping[str, Any], device: torch.device) -> Any:
    """A model of Qwen2's architecture with random weights, made on its device in bf16."""
    torch.manual_seed(SEED)
    with device:
        model = AutoModelForCausalLM.from_config(Qwen2Config(**shape), dtype=torch.bfloat16)
    return model.eval()


def tokenizer(size: int) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer of `size` tokens, so that a grammar has as many to choose from as the real model's has.

    The first ones are learned from the starter corpus, the others made up of syllables; those stand in no text, but the
    model can write them.
    """
    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learned.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=min(size, _LEARNED), initial_alphabet=alphabet, special_tokens=[_END], show_progress=False
    )
    learned.train_from_iterator((bm25_text(doc) for doc in starter.documents()), trainer)
    data = json.loads(learned.to_str())
    vocabulary = data["model"]["vocab"]
    more = (token for token in _made_up() if token not in vocabulary)
    vocabulary |= {token: len(vocabulary) + n for n, token in enumerate(itertools.islice(more, size - len(vocabulary)))}
    whole = Tokenizer.from_str(json.dumps(data))
    return PreTrainedTokenizerFast(tokenizer_object=whole, eos_token=_END)


def _made_up() -> Iterator[str]:
    """Words of syllables, with a space before them and without, each once; shorter ones first."""
    for length in itertools.count(2):
        for syllables in itertools.product(_SYLLABLES, repeat=length):
            word = "".join(syllables)
            yield from (word, f"Ġ{word}")


def _requests(generator: TransformersGenerator, count: int, tokens: int, *, constrained: bool) -> list[Request]:
    """So many prompts, each over a document of its own while there are enough."""
    grammar = _GRAMMAR if constrained else None
    made = []
    for doc in itertools.islice(itertools.cycle(starter.documents()), count):
        messages, begun = prompt.writing(doc.functionality, doc, "A", "{}", generator.context, generator.count_tokens)
        made.append(Request(messages, begun, grammar=grammar, max_tokens=tokens))
    return made
