"""A LangChain retriever over our index. Importing this module imports langchain-core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gorilla_rag.gorilla import Gorilla
from gorilla_rag.index.index import Retrieval
from gorilla_rag.integrations import document_metadata, document_text, extra_missing

try:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
except ImportError as error:
    raise extra_missing(error, "langchain") from error


class GorillaRetriever(BaseRetriever):
    """Finds the documents of the calls that could do it, best first; `score` is in their metadata.

    Attributes:
        gorilla: who searches.
        mode, k, filters, weights, distinct: the arguments of `Gorilla.search`, whose errors these are too.
    """

    gorilla: Gorilla
    mode: Retrieval = "hybrid"
    k: int = 5
    filters: Mapping[str, str | Sequence[str]] | None = None
    weights: Mapping[str, float] | None = None
    distinct: bool = True

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002
    ) -> list[Document]:
        hits = self.gorilla.search(
            query, mode=self.mode, k=self.k, filters=self.filters, weights=self.weights, distinct=self.distinct
        )
        return [
            Document(document_text(hit), id=hit.doc.id, metadata=document_metadata(hit) | {"score": hit.score})
            for hit in hits
        ]
