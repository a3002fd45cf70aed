"""LlamaIndex over our index: a retriever, a query engine and a tool; and its vector stores as our dense search.

Importing this module imports llama-index-core, which takes seconds. Nothing here uses a LlamaIndex model, and nothing
is fetched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from gorilla_rag.answer import Answer, Hit
from gorilla_rag.errors import IndexMismatch
from gorilla_rag.gorilla import Gorilla
from gorilla_rag.index.dense import DenseSearch, Mask, OpenDense, Vectors
from gorilla_rag.index.index import Filters, Index, Retrieval
from gorilla_rag.integrations import (
    TOOL,
    TOOL_DESCRIPTION,
    answer_text,
    document_metadata,
    document_text,
    extra_missing,
)

try:
    from llama_index.core.base.base_query_engine import BaseQueryEngine
    from llama_index.core.base.response.schema import Response
    from llama_index.core.prompts.mixin import PromptMixinType
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
    from llama_index.core.tools import QueryEngineTool
    from llama_index.core.vector_stores.types import BasePydanticVectorStore, VectorStoreQuery
except ImportError as error:
    raise extra_missing(error, "llama-index") from error

BATCH = 1000
# A store is asked for this many of an index's own vectors, the first and the last among them; what it finds nearest to
# each has to be that vector, or one whose cosine with it is all but one.
PROBES = 8
SAME = 1e-4


class GorillaRetriever(BaseRetriever):
    """Finds the documents of the calls that could do it; nodes are documents, scores those of `Gorilla.search`.

    Arguments and errors are those of `Gorilla.search`.
    """

    def __init__(
        self,
        gorilla: Gorilla,
        *,
        mode: Retrieval = "hybrid",
        k: int = 5,
        filters: Filters | None = None,
        weights: Mapping[str, float] | None = None,
        distinct: bool = True,
    ) -> None:
        super().__init__()
        self._gorilla = gorilla
        self._how: dict[str, Any] = {
            "mode": mode,
            "k": k,
            "filters": filters,
            "weights": weights,
            "distinct": distinct,
        }

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(self._gorilla.search(query_bundle.query_str, **self._how))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(await self._gorilla.asearch(query_bundle.query_str, **self._how))


class GorillaQueryEngine(BaseQueryEngine):
    """Answers with one checked call.

    The response's text is the call, its explanation and the code, or why there is none; its source nodes are the
    documents; its metadata is the answer as JSON without them (`api_call`, `verdict`, `confidence`, `reason`, …).

    Args:
        gorilla: who answers.
        how: the attributes of `Ask`. Errors are those of `Gorilla.ask`.
    """

    def __init__(self, gorilla: Gorilla, **how: Any) -> None:
        super().__init__(callback_manager=None)
        self._gorilla, self._how = gorilla, how

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    def _query(self, query_bundle: QueryBundle) -> Response:
        return _response(self._gorilla.ask(query_bundle.query_str, **self._how))

    async def _aquery(self, query_bundle: QueryBundle) -> Response:
        return _response(await self._gorilla.aask(query_bundle.query_str, **self._how))


def recommend_api(gorilla: Gorilla, **how: Any) -> QueryEngineTool:
    """A tool for agents that answers with one checked call; its raw output is `GorillaQueryEngine`'s response.

    Args:
        gorilla: who answers.
        how: the attributes of `Ask`.
    """
    engine = GorillaQueryEngine(gorilla, **how)
    return QueryEngineTool.from_defaults(engine, name=TOOL, description=TOOL_DESCRIPTION)


def fill(store: BasePydanticVectorStore, index: Index) -> None:
    """Puts an index's vectors into an empty vector store, in order; their ids there are their numbers as UUIDs.

    Raises:
        IndexMismatch: the store numbers its vectors by itself and wasn't empty.
    """
    number = 0
    for segment in index.segments:
        vectors = np.load(segment, mmap_mode="r", allow_pickle=False)
        for start in range(0, len(vectors), BATCH):
            block = vectors[start : start + BATCH].tolist()
            names = store.add([TextNode(id_=_name(at), embedding=row) for at, row in enumerate(block, start=number)])
            if names and _number(names[0]) != number:
                raise IndexMismatch(f"the store calls vector {number} {names[0]!r}", hint="fill an empty store")
            number += len(block)


def searched_in(store: BasePydanticVectorStore) -> OpenDense:
    """Dense search in a vector store that `fill` has filled: `Index(folder, encoder, dense=searched_in(store))`."""
    return partial(VectorStoreDense, store)


class VectorStoreDense(DenseSearch):
    """Nearest vectors by cosine, found by a vector store.

    The store only says which vectors are nearest; their cosines are computed here, from the index's own vectors, since
    what a store calls similarity may be a cosine, a distance or something made of one. Nor can a store be given a mask
    (some leave `node_ids` out of account), so it is asked for more until enough pass.

    Args:
        store: holds the index's vectors.
        segments: the index's vector files.
        used: which vectors belong to a document, shape [total].
    """

    def __init__(self, store: BasePydanticVectorStore, segments: Sequence[Path], _ann: Path | None, used: Mask) -> None:
        self._store, self._paths, self._used = store, tuple(segments), used
        self._checked = False

    def nearest(self, query: Vectors, limit: int, allowed: Mask | None = None) -> tuple[npt.NDArray[np.int64], Vectors]:
        """Vector numbers and cosines of the nearest, best first; see `DenseIndex.nearest`.

        Raises:
            IndexMismatch: the store doesn't hold the index's vectors.
        """
        if not self._checked:
            self._check()
            self._checked = True
        mask = self._used if allowed is None else self._used & allowed
        numbers = self._passing(query, min(limit, int(mask.sum())), mask)
        cosines = self._rows(numbers) @ query
        order = np.lexsort((numbers, -cosines))[:limit]
        return numbers[order], cosines[order]

    def _passing(self, query: Vectors, wanted: int, mask: Mask) -> npt.NDArray[np.int64]:
        """The numbers of the nearest vectors that pass a mask, at least `wanted`, or as many as the store gives."""
        depth = wanted
        while depth:
            found = self._found(query, depth)
            passing = found[mask[found]]
            if len(passing) >= wanted or len(found) < depth or depth == len(mask):
                return passing
            depth = min(len(mask), 4 * depth)
        return np.empty(0, dtype=np.int64)

    def _found(self, query: Vectors, depth: int) -> npt.NDArray[np.int64]:
        """The numbers of the vectors that the store finds nearest."""
        result = self._store.query(VectorStoreQuery(query_embedding=query.tolist(), similarity_top_k=depth))
        names = result.ids if result.ids is not None else [node.node_id for node in result.nodes or ()]
        numbers = [_number(name) for name in names]
        if strange := [name for name, number in zip(names, numbers, strict=True) if not 0 <= number < len(self._used)]:
            raise _mismatch(f"the store has vector {strange[0]!r}, the index has {len(self._used)} vectors")
        return np.array(numbers, dtype=np.int64)

    def _check(self) -> None:
        """Raises `IndexMismatch` unless the store finds the index's own vectors where they are."""
        for number in np.unique(np.linspace(0, len(self._used) - 1, PROBES).astype(np.int64)):
            vector = self._rows(np.array([number]))[0]
            try:
                found = self._found(vector, 1)
            except (AssertionError, ValueError) as error:  # what stores in memory say to a vector of another length
                raise _mismatch(f"the store can't be searched with {len(vector)} dimensions: {error!r}") from error
            if not len(found) or self._rows(found[:1])[0] @ vector < 1 - SAME:
                raise _mismatch(f"the store doesn't hold vector {number} of the index")

    def _rows(self, numbers: npt.NDArray[np.int64]) -> Vectors:
        """The index's vectors of some numbers, shape [len(numbers), dimension]."""
        made = np.empty((len(numbers), self._vectors[0].shape[1]), dtype=np.float32)
        start = 0
        for vectors in self._vectors:
            here = (numbers >= start) & (numbers < start + len(vectors))
            made[here] = vectors[numbers[here] - start]
            start += len(vectors)
        return made

    @cached_property
    def _vectors(self) -> list[Vectors]:
        return [np.load(path, mmap_mode="r", allow_pickle=False) for path in self._paths]


def _name(number: int) -> str:
    """A vector's id in a store: a UUID, because some stores take no other."""
    return str(UUID(int=number))


def _number(name: str) -> int:
    """A vector's number, from its UUID, or in decimals from stores that number by themselves; -1 from anything else."""
    try:
        return UUID(name).int if len(name) >= 32 else int(name)
    except ValueError:
        return -1


def _mismatch(message: str) -> IndexMismatch:
    return IndexMismatch(message, hint="put this index's vectors into an empty store with `fill(store, index)`")


def _nodes(hits: Sequence[Hit]) -> list[NodeWithScore]:
    return [
        NodeWithScore(
            node=TextNode(id_=hit.doc.id, text=document_text(hit), metadata=document_metadata(hit)), score=hit.score
        )
        for hit in hits
    ]


def _response(answer: Answer) -> Response:
    metadata = {name: value for name, value in answer.to_dict().items() if name != "hits"}
    return Response(answer_text(answer), source_nodes=_nodes(answer.hits), metadata=metadata)
