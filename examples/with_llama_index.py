"""LlamaIndex: a query engine that answers with one checked call, its dense search in a LlamaIndex vector store."""

from llama_index.core.vector_stores import SimpleVectorStore

from gorilla_rag import Gorilla, Index, starter
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.integrations.llama_index import GorillaQueryEngine, fill, searched_in


def main() -> None:
    folder, encoder = starter.ensure(EmbeddedEncoder), EmbeddedEncoder()
    store = SimpleVectorStore()
    fill(store, Index(folder, encoder))
    gorilla = Gorilla(Index(folder, encoder, dense=searched_in(store)))
    response = GorillaQueryEngine(gorilla).query("group my customers into 7 segments")
    print(response)
    print(response.get_formatted_sources())


if __name__ == "__main__":
    main()
