"""Chooses what of a document is encoded, on the training corpora with the stock encoder: `… retriever texts`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders import Encoder
from gorilla_rag.text import encoder_text, query_text, surface_words, word_parts
from tests.benchmarks.retriever import data
from tests.benchmarks.retriever.measuring import DEPTH, judged

Layout = Callable[[ApiDoc], str]


def _without_arguments(doc: ApiDoc) -> str:
    return encoder_text(replace(doc, api_arguments=None))


def _spelled(doc: ApiDoc) -> str:
    words = (word_parts(word) for word in surface_words(doc.api_name))
    return encoder_text(replace(doc, api_name=" ".join(" ".join(parts[1:] or parts) for parts in words)))


def _name_first(doc: ApiDoc) -> str:
    return ". ".join([doc.api_name, encoder_text(replace(doc, api_name=""))])


def _domain_last(doc: ApiDoc) -> str:
    return ". ".join([encoder_text(replace(doc, domain="")), doc.domain])


LAYOUTS: Mapping[str, Layout] = {
    "domain, functionality, name, description, arguments": encoder_text,
    "without arguments": _without_arguments,
    "the name's words apart": _spelled,
    "name first": _name_first,
    "domain last": _domain_last,
}


def table(folder: Path, encoder: Encoder, names: Sequence[str], layouts: Sequence[str]) -> Iterator[str]:
    """nDCG@10 by vectors, of each layout on each corpus."""
    yield f"| Text | {' | '.join(names)} | mean |"
    yield "|---|" + "--:|" * (len(names) + 1)
    for title in layouts or LAYOUTS:
        found = [_ndcg(data.LEFT_OUT[name](folder), LAYOUTS[title], encoder) for name in names]
        yield f"| {title} | " + " | ".join(f"{value:.3f}" for value in (*found, float(np.mean(found)))) + " |"


def _ndcg(asked: data.Asked, layout: Layout, encoder: Encoder) -> float:
    vectors = encoder.encode([layout(doc) for doc in asked.docs])
    cosines = encoder.encode([query_text(one) for one in asked.questions], kind="query") @ vectors.T
    keys = [doc.call_key for doc in asked.docs]
    ranked = []
    for row in cosines:
        nearest = (keys[place] for place in np.argsort(-row, kind="stable")[: 50 * DEPTH])
        ranked.append(list(dict.fromkeys(nearest))[:DEPTH])
    return float(np.mean(judged(ranked, asked.right)["ndcg@10"]))
