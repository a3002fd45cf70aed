"""BM25 through `bm25s`: tokenised, stemmed, on disk as bm25s writes it.

Robertson, Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009; the variant is Lucene's, with
bm25s's sparse scores (Lù, arXiv 2407.03618). Searching reads bm25s's arrays by memory map and needs only numpy:
importing bm25s (and scipy with it) costs more than a whole search.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import Stemmer

from gorilla_rag.files import write_array
from gorilla_rag.text import STOP_WORDS, bm25_words, surface_words, word_parts

PARAMETERS = {"method": "lucene", "k1": 1.5, "b": 0.75, "stemmer": "english", "tokeniser": 1}
_DATA, _ROWS, _OFFSETS = "data.csc.index.npy", "indices.csc.index.npy", "indptr.csc.index.npy"
_VOCABULARY = "vocab.index.json"

# The words in which people put a request, left out of questions: they say nothing of the API that is wanted. With
# them left out, BM25's first document is right more often on every training corpus it was tried on.
REQUEST_WORDS = frozenset(
    """
    i me my we our you your want need would like can could how what which please help api apis app application use
    using used user users project build building create creating make find get some should way provide given based
    """.split()
)


@dataclass(frozen=True, slots=True)
class Arrays:
    """bm25s's matrix, word by word: what each word adds to the documents that have it.

    Attributes:
        scores: float32, shape [entries].
        rows: the documents' positions, shape [entries]; each once in a word's part.
        offsets: where each word's part begins, and the last one's end, shape [words + 1].
        vocabulary: each word's number.
    """

    scores: npt.NDArray[np.float32]
    rows: npt.NDArray[Any]
    offsets: npt.NDArray[Any]
    vocabulary: Mapping[str, int]

    def known(self, question: str) -> list[int]:
        """The numbers of a question's words, of those that any document has, in the question's order."""
        numbers = (self.vocabulary.get(word) for word in question_words(question))
        return [number for number in numbers if number is not None]


def load(folder: Path, files: Sequence[str]) -> Arrays:
    """Opens bm25s's files by memory map.

    Args:
        folder: where the index lies.
        files: the names bm25s's files have there, in the order that `write` gave; none where there are no words.
    """
    if not files:
        return Arrays(np.empty(0, np.float32), np.empty(0, np.int32), np.zeros(1, np.int64), {})
    paths = {_role(name): folder / name for name in files}
    scores, rows, offsets = (np.load(paths[n], mmap_mode="r", allow_pickle=False) for n in (_DATA, _ROWS, _OFFSETS))
    return Arrays(scores, rows, offsets, json.loads(paths[_VOCABULARY].read_text(encoding="utf-8")))


Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]
"""Positions and scores, best first."""


class BM25:
    """Scores documents by their words.

    Args:
        arrays: what the words add.
        size: how many documents there are.
    """

    def __init__(self, arrays: Arrays, size: int) -> None:
        self._arrays, self.size = arrays, size

    def scores(self, question: str) -> npt.NDArray[np.float32]:
        """The score of every document (shape [n]); zero where no word of the question stands in it."""
        total = np.zeros(self.size, dtype=np.float32)
        for number in self._arrays.known(question):
            start, end = self._arrays.offsets[number], self._arrays.offsets[number + 1]
            total[self._arrays.rows[start:end]] += self._arrays.scores[start:end]
        return total

    def ranking(self, question: str, limit: int, allowed: npt.NDArray[np.bool_] | None = None) -> Found:
        """The best documents' positions and scores, best first, only those above zero; ties by position."""
        scores = self.scores(question)
        if allowed is not None:
            scores[~allowed] = 0
        return best(scores, limit, floor=0.0)

    def ranking_many(
        self, questions: Sequence[str], limit: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> list[Found]:
        """`ranking` of each question."""
        return [self.ranking(question, limit, allowed) for question in questions]


def best(scores: npt.NDArray[np.float32], limit: int, *, floor: float = -np.inf) -> Found:
    """Positions and values of the `limit` largest scores above `floor`, largest first, ties by position."""
    found = np.flatnonzero(scores > floor)
    if len(found) > limit:
        cut = np.partition(scores[found], len(found) - limit)[len(found) - limit]
        above, equal = found[scores[found] > cut], found[scores[found] == cut]
        found = np.concatenate([above, equal[: limit - len(above)]])
    order = np.lexsort((found, -scores[found]))
    positions = found[order].astype(np.int64)
    return positions, scores[positions]


def rarest(documents: int) -> float:
    """The most that one word can add to a score: Lucene's inverse document frequency of what one document alone has.

    A document adds less of it the longer it is and the fewer times it has the word.
    """
    return math.log(1 + (max(documents, 1) - 0.5) / 1.5)


def question_words(text: str) -> list[str]:
    """A question's stemmed words, without stop words and the words of asking."""
    words = [word for word in bm25_words(text) if word not in STOP_WORDS and word not in REQUEST_WORDS]
    return [_stem(word) for word in words]


def document_words(text: str) -> list[str]:
    """A document's stemmed words, without stop words."""
    return [stem for word in surface_words(text) for stem in _stems(word)]


@lru_cache(maxsize=65_536)
def _stems(word: str) -> tuple[str, ...]:
    return tuple(_stem(part) for part in word_parts(word) if part not in STOP_WORDS)


def _stem(word: str) -> str:
    stem: str = Stemmer.Stemmer(str(PARAMETERS["stemmer"])).stemWord(word)
    return stem


def write(folder: Path, documents: Iterable[Sequence[str]]) -> list[Path]:
    """Builds BM25 over documents' words with bm25s and writes its arrays into an empty folder.

    Returns:
        The files written; none when there are no words at all.
    """
    import bm25s

    vocabulary: defaultdict[str, int] = defaultdict()
    vocabulary.default_factory = vocabulary.__len__
    tokens = [list(map(vocabulary.__getitem__, words)) for words in documents]
    if not vocabulary:
        return []
    vocabulary.default_factory = None
    engine = bm25s.BM25(method=str(PARAMETERS["method"]), k1=PARAMETERS["k1"], b=PARAMETERS["b"])
    engine.index((tokens, dict(vocabulary)), show_progress=False)
    for name, array in ((_DATA, "data"), (_ROWS, "indices"), (_OFFSETS, "indptr")):
        write_array(folder / name, engine.scores[array])
    (folder / _VOCABULARY).write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    return sorted(folder / name for name in (_DATA, _ROWS, _OFFSETS, _VOCABULARY))


def _role(name: str) -> str:
    """bm25s's own name of a file that was renamed to `bm25-HASH.NAME`."""
    return name.split(".", 1)[1]
