"""LangChain: a retriever over the starter index, in a chain that lists what it found."""

from langchain_core.documents import Document

from gorilla_rag import Gorilla
from gorilla_rag.integrations.langchain import GorillaRetriever


def listed(documents: list[Document]) -> str:
    return "\n".join(f"{document.metadata['score']:.4f}  {document.metadata['api_call']}" for document in documents)


def main() -> None:
    chain = GorillaRetriever(gorilla=Gorilla.load(), k=3) | listed
    print(chain.invoke("group my customers into 7 segments"))


if __name__ == "__main__":
    main()
